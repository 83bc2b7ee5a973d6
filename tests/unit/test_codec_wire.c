/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are written and read by hand, against protobuf-c and the schema: other programs have only these. */
#include "tests/support/test.h"

#include <protobuf-c/protobuf-c.h>

#include "proto/client.pb-c.h"
#include "proto/opcode.h"
#include "proto/peer.pb-c.h"
#include "tests/support/frames.h"
#include "tests/support/msg_gen.h"

enum { SEEDS = 200, DAMAGES = 100 };

/** The schema of a message's meta part, or NULL if generated code packs it anyway. */
static const ProtobufCMessageDescriptor *schema_of(struct msg_kind kind)
{
	switch (opcode_body(kind.opcode, kind.reply)) {
	case BODY_REQUEST:
		return &kv__request__descriptor;
	case BODY_RESULT:
		return &kv__result__descriptor;
	case BODY_TRACE_QUERY:
		return &kv__trace_query__descriptor;
	case BODY_TRACES:
		return &kv__traces__descriptor;
	case BODY_REPLICA:
		return &kv__replica_request__descriptor;
	case BODY_ANSWER:
		return &kv__replica_reply__descriptor;
	default:
		return NULL;
	}
}

/** Appends to RET what protobuf-c makes of META; false if it is malformed to it. */
static bool repack(const ProtobufCMessageDescriptor *schema, struct slice meta, struct buf *ret)
{
	ProtobufCMessage *message = protobuf_c_message_unpack(schema, NULL, meta.size, meta.data);
	if (!message)
		return false;
	size_t size = protobuf_c_message_get_packed_size(message);
	protobuf_c_message_pack(message, buf_extend(ret, size));
	protobuf_c_message_free_unpacked(message, NULL);
	return true;
}

/** Calls CHECK with frames of every kind of message that is made by hand. */
static void each_message(void (*check)(struct rng *rng, const ProtobufCMessageDescriptor *schema,
				       const struct msg *made, const struct frame_parts *parts))
{
	struct rng rng;
	struct arena arena = ARENA_INIT(MSG_GEN_ARENA_MAX);
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	rng_init(&rng, 1);
	for (size_t k = 0; k < msg_kind_count; k++) {
		const ProtobufCMessageDescriptor *schema = schema_of(msg_kinds[k]);
		for (int i = 0; schema && i < SEEDS; i++) {
			struct msg made;
			struct frame_parts parts;
			arena_reset(&arena);
			buf_clear(&frame);
			msg_gen(&rng, msg_kinds[k], &arena, &made);
			assert_int_equal(codec_encode(&made, &frame), KV_OK);
			assert_true(frame_split(buf_slice(&frame), &parts));
			check(&rng, schema, &made, &parts);
		}
	}
	arena_release(&arena);
}

static void check_bytes(struct rng *rng, const ProtobufCMessageDescriptor *schema, const struct msg *made,
			const struct frame_parts *parts)
{
	CLEANUP(buf_release) struct buf again = BUF_INIT;
	(void)rng;
	assert_true(repack(schema, parts->meta, &again));
	if (!slice_equal(buf_slice(&again), parts->meta))
		fail_msg("%s%s is other bytes than protobuf-c's", opcode_name(made->opcode),
			 made->reply ? " reply" : "");
}

static void what_is_written_is_byte_for_byte_what_protobuf_writes(void **state) { each_message(check_bytes); }

static enum kv_status decode(const struct frame_parts *parts, struct slice meta, struct arena *arena,
			     struct msg *ret)
{
	struct frame_header header = parts->header;
	header.meta_size = (uint32_t)meta.size;
	return codec_decode(&header, meta, parts->value, arena, ret);
}

static uint32_t read_both, only_protobuf;

/** Damaged bytes: what is read from them is what is read from protobuf-c's own packing of what it found in them. */
static void check_damaged(struct rng *rng, const ProtobufCMessageDescriptor *schema, const struct msg *made,
			  const struct frame_parts *parts)
{
	CLEANUP(buf_release) struct buf damaged = BUF_INIT, clean = BUF_INIT;
	CLEANUP(arena_release) struct arena first = ARENA_INIT(SIZE_MAX / 4), second = ARENA_INIT(SIZE_MAX / 4);
	if (parts->meta.size == 0 || parts->meta.size > 2000)
		return;
	for (int i = 0; i < DAMAGES; i++) {
		struct msg from_damaged, from_clean;
		buf_clear(&damaged);
		buf_clear(&clean);
		buf_append_slice(&damaged, parts->meta);
		damaged.data[rng_below(rng, damaged.size)] = (uint8_t)rng_next(rng);
		bool known = repack(schema, buf_slice(&damaged), &clean);
		arena_reset(&first);
		arena_reset(&second);
		enum kv_status status = decode(parts, buf_slice(&damaged), &first, &from_damaged);
		enum kv_status expected =
			known ? decode(parts, buf_slice(&clean), &second, &from_clean) : KV_INVALID;
		only_protobuf += status != KV_OK && expected == KV_OK;
		if (status != KV_OK)
			continue;
		read_both++;
		assert_int_equal(expected, KV_OK);
		const char *field = msg_difference(&from_damaged, &from_clean);
		if (field)
			fail_msg("%s%s is read otherwise: %s", opcode_name(made->opcode),
				 made->reply ? " reply" : "", field);
	}
}

static void what_is_read_is_what_protobuf_reads(void **state)
{
	each_message(check_damaged);
	assert_true(read_both > 100000);
	/* It merges a message that comes twice where one belongs, and takes packed numbers one by one; nobody sends either. */
	assert_true(only_protobuf * 100 < read_both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_byte_for_byte_what_protobuf_writes),
		cmocka_unit_test(what_is_read_is_what_protobuf_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
