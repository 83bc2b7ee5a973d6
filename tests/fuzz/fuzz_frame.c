/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A stream of frames as a connection would read it. Byte 0 chooses the limits (bit 0: before HELLO) and whether
 * sums are made right first (bit 1), so that mutations get past them; the rest is the stream.
 */
#include "base/bytes.h"
#include "proto/codec.h"
#include "proto/opcode.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/msg_gen.h"

enum { LIMITS_HELLO = 1, MAKE_RIGHT = 2 };

/** Gives the frame at the beginning of BYTES the sums it needs, if its sizes fit what is there. */
static void make_right(uint8_t *bytes, size_t size)
{
	struct frame_header h = {
		.request_id = load_le64(bytes + 8),
		.opcode = load_le16(bytes + 16),
		.flags = load_le16(bytes + 18),
		.meta_size = load_le32(bytes + 20),
		.value_size = load_le32(bytes + 24),
	};
	if (h.meta_size > META_SIZE_ADMIN_MAX || h.value_size > PAGE_SIZE_MAX || frame_size(&h) > size)
		return;
	const uint8_t *meta = bytes + FRAME_HEADER_SIZE;
	h.body_sum = frame_body_sum(slice_of(meta, h.meta_size), slice_of(meta + h.meta_size, h.value_size));
	frame_header_encode(&h, bytes);
}

/** One frame. Returns its size, or 0 if the connection would wait or close. */
static size_t take_frame(struct slice stream, const struct frame_limits *limits)
{
	struct frame_header h = {0};
	enum frame_error error = frame_header_decode(stream.data, limits, &h);
	KV_ASSERT((error == FRAME_OK) == (frame_error_status(error) == KV_OK));
	if (error == FRAME_TOO_LARGE)
		return frame_size(&h);
	if (error != FRAME_OK || frame_size(&h) > stream.size)
		return 0;
	KV_ASSERT(h.value_size <= limits->value_max);
	KV_ASSERT(h.meta_size <= limits->meta_admin_max);
	uint8_t again[FRAME_HEADER_SIZE];
	frame_header_encode(&h, again);
	KV_ASSERT(memcmp(again, stream.data, sizeof again) == 0);

	struct slice meta = slice_of(stream.data + FRAME_HEADER_SIZE, h.meta_size);
	struct slice value = slice_of(meta.data + meta.size, h.value_size);
	if (!frame_body_check(&h, meta, value))
		return 0;
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(codec_arena_max(meta.size));
	struct msg m;
	enum kv_status status = codec_decode(&h, meta, value, &arena, &m);
	KV_ASSERT(status == KV_OK || status == KV_INVALID || status == KV_TOO_LARGE || status == KV_UNSUPPORTED);
	return frame_size(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	CLEANUP(buf_release) struct buf stream = BUF_INIT;
	buf_append(&stream, data + 1, size - 1);
	struct frame_limits limits = data[0] & LIMITS_HELLO ? FRAME_LIMITS_HELLO : FRAME_LIMITS_OPEN(1u << 16);
	size_t at = 0;
	while (stream.size - at >= FRAME_HEADER_SIZE) {
		if (data[0] & MAKE_RIGHT)
			make_right(stream.data + at, stream.size - at);
		size_t taken = take_frame(slice_of(stream.data + at, stream.size - at), &limits);
		if (taken == 0 || taken > stream.size - at)
			break;
		at += taken;
	}
	return 0;
}

bool fuzz_seed(uint32_t index, struct buf *out)
{
	if (index >= 2 * msg_kind_count)
		return false;
	struct rng rng;
	rng_init(&rng, index);
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(2 * MSG_GEN_ARENA_MAX);
	buf_append_u8(out, index % 2 ? MAKE_RIGHT : MAKE_RIGHT | LIMITS_HELLO);
	for (uint32_t i = 0; i < 2; i++) {
		struct msg m;
		msg_gen(&rng, msg_kinds[(index + i) / 2 % msg_kind_count], &arena, &m);
		enum kv_status status = codec_encode(&m, out);
		KV_ASSERT(status == KV_OK);
	}
	return true;
}
