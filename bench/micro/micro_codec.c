/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of a strong put and of a get, to bytes and back: 16-byte keys, 100-byte values. */
#include "bench/micro/micro.h"
#include "proto/codec.h"

enum { KEY_SIZE = 16, VALUE_SIZE = 100 };

#define HLC        (1735689600000ull * HLC_UNITS_PER_MS)
#define KEY        slice_of("bench/0000000001", KEY_SIZE)
#define VERSION    ((struct version){.hlc = HLC, .id = 2ull << 48})
#define REQUEST_ID ((struct request_id){.client = 0x1122334455667788, .seq = 1000007})

static const uint8_t value[VALUE_SIZE] = {1, 2, 3};

static const struct msg put = {
	.opcode = OP_PUT,
	.id = 100007,
	.request = {.level = LEVEL_STRONG, .value_hash = 0x9555e8555c62dcfd, .deadline_ms = 1000, .t0 = HLC - 5000},
};

static struct record whole_record(void)
{
	return (struct record){.ver = VERSION,
			       .org = VERSION,
			       .strong = true,
			       .has_value = true,
			       .rid = REQUEST_ID,
			       .value_hash = 0x9555e8555c62dcfd,
			       .value_size = VALUE_SIZE,
			       .value = slice_of(value, VALUE_SIZE)};
}

/** What a coordinator and a replica say to each other, and what the client hears. */
static struct msg message(uint16_t opcode, bool reply)
{
	struct msg m = {
		.opcode = opcode, .reply = reply, .id = (3ull << 40) + 100007, .hlc = HLC, .epoch = 4, .shard = 1};
	switch (opcode) {
	case OP_PUT:
		if (reply) {
			m.result = (struct msg_result){.status = KV_OK, .version = VERSION};
			break;
		}
		m = put;
		m.request.key = KEY;
		m.request.rid = REQUEST_ID;
		m.request.value = slice_of(value, VALUE_SIZE);
		break;
	case OP_ACCEPT:
		if (reply)
			m.answer = (struct msg_replica_reply){
				.partition = 639, .answer = ANSWER_ACK, .stored = VERSION};
		else
			m.replica = (struct msg_replica){.partition = 639,
							 .key = KEY,
							 .deadline_ms = 950,
							 .direct = true,
							 .record = whole_record()};
		break;
	case OP_READ:
		if (reply)
			m.answer = (struct msg_replica_reply){
				.partition = 639, .answer = ANSWER_RECORD, .record = whole_record()};
		else
			m.replica = (struct msg_replica){
				.partition = 639, .key = KEY, .deadline_ms = 950, .want_value = true};
		break;
	default:
		KV_UNREACHABLE("opcode");
	}
	return m;
}

/* One function a message: the name is how its count is known. */
#define ENCODE(name, opcode, reply)                                                                                \
	MEASURED static void measure_encode_##name(struct buf *out)                                                \
	{                                                                                                          \
		const struct msg m = message(opcode, reply);                                                       \
		for (int i = 0; i < MICRO_CALLS; i++) {                                                            \
			buf_clear(out);                                                                            \
			enum kv_status status = codec_encode(&m, out);                                             \
			KV_ASSERT(status == KV_OK);                                                                \
		}                                                                                                  \
	}

static void decode_all(const struct buf *bytes, struct arena *arena)
{
	const struct frame_limits limits = FRAME_LIMITS_OPEN(VALUE_SIZE_MAX);
	for (int i = 0; i < MICRO_CALLS; i++) {
		struct frame_header header;
		enum frame_error error = frame_header_decode(bytes->data, &limits, &header);
		KV_ASSERT(error == FRAME_OK);
		struct slice meta = slice_of(bytes->data + FRAME_HEADER_SIZE, header.meta_size);
		struct slice body = slice_of(meta.data + meta.size, header.value_size);
		KV_ASSERT(frame_body_check(&header, meta, body));
		arena_reset(arena);
		struct msg m;
		enum kv_status status = codec_decode(&header, meta, body, arena, &m);
		KV_ASSERT(status == KV_OK);
	}
}

#define DECODE(name)                                                                                               \
	MEASURED static void measure_decode_##name(const struct buf *bytes, struct arena *arena)                   \
	{                                                                                                          \
		decode_all(bytes, arena);                                                                          \
	}

#define BOTH(name, opcode, reply) ENCODE(name, opcode, reply) DECODE(name)

BOTH(put, OP_PUT, false)
BOTH(put_reply, OP_PUT, true)
BOTH(accept, OP_ACCEPT, false)
BOTH(accept_reply, OP_ACCEPT, true)
BOTH(read, OP_READ, false)
BOTH(read_reply, OP_READ, true)

int main(void)
{
	struct buf bytes = BUF_INIT;
	struct arena arena = ARENA_INIT(64 << 10);
#define RUN(name)                                                                                                  \
	measure_encode_##name(&bytes);                                                                             \
	measure_decode_##name(&bytes, &arena)
	RUN(put);
	RUN(put_reply);
	RUN(accept);
	RUN(accept_reply);
	RUN(read);
	RUN(read_reply);
	arena_release(&arena);
	buf_release(&bytes);
	return 0;
}
