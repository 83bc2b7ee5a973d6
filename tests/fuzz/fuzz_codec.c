/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The decoder behind the sums. Byte 0 chooses opcode and direction, byte 1 flags, bytes 2 and 3 the size of the
 * value part; then come value and meta. One choice of byte 0 is the stored map instead.
 *
 * What decodes must keep the rules, encode again, and then say the same, byte for byte from the second encoding on.
 */
#include "base/bytes.h"
#include "base/hash.h"
#include "proto/codec.h"
#include "proto/msg_check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/frames.h"
#include "tests/support/msg_gen.h"

enum { PREFIX_SIZE = 4, CANONICAL_GROWTH_MAX = 64 };

static void check_again(const struct msg *m, size_t meta_size)
{
	CLEANUP(buf_release) struct buf first = BUF_INIT, second = BUF_INIT;
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(SIZE_MAX / 4);
	struct msg again;
	KV_ASSERT(msg_check(m) == KV_OK);
	enum kv_status status = frame_round_trip(m, &first, &arena, &again);
	/* What was left out may be spelt out, which may pass a limit that was nearly reached. */
	if (status == KV_TOO_LARGE && meta_size > HELLO_SIZE_MAX - CANONICAL_GROWTH_MAX)
		return;
	KV_ASSERT(status == KV_OK);
	KV_ASSERT(msg_difference(m, &again) == NULL);
	status = codec_encode(&again, &second);
	KV_ASSERT(status == KV_OK);
	KV_ASSERT(slice_equal(buf_slice(&first), buf_slice(&second)));
}

static void take_message(struct msg_kind kind, uint8_t flags, struct slice meta, struct slice value)
{
	struct frame_header h = {
		.request_id = 1,
		.opcode = kind.opcode,
		.flags = (uint16_t)((flags & ~FRAME_REPLY) | (kind.reply ? FRAME_REPLY : 0)),
		.meta_size = (uint32_t)meta.size,
		.value_size = (uint32_t)value.size,
	};
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(codec_arena_max(meta.size));
	struct msg m;
	enum kv_status status = codec_decode(&h, meta, value, &arena, &m);
	KV_ASSERT(arena.used <= arena.limit);
	if (status == KV_OK)
		check_again(&m, meta.size);
}

/** BODY is a stored map without its header, which is put before it. */
static void take_stored_map(struct slice body)
{
	CLEANUP(buf_release) struct buf stored = BUF_INIT, again = BUF_INIT;
	uint8_t head[8] = {CODEC_MAP_VERSION};
	store_le32(head + 4, (uint32_t)body.size);
	buf_append(&stored, head, sizeof head);
	buf_append_le64(&stored, hash64_two(slice_of(head, sizeof head), body));
	buf_append_slice(&stored, body);
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(codec_arena_max(stored.size));
	struct map_desc map, back;
	enum kv_status status = codec_map_decode(buf_slice(&stored), &arena, &map);
	KV_ASSERT(status != KV_CORRUPT);
	if (status != KV_OK)
		return;
	status = codec_map_encode(&map, &again);
	KV_ASSERT(status == KV_OK);
	CLEANUP(arena_release) struct arena second = ARENA_INIT(SIZE_MAX / 4);
	status = codec_map_decode(buf_slice(&again), &second, &back);
	KV_ASSERT(status == KV_OK);
	KV_ASSERT(msg_map_difference(&map, &back) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < PREFIX_SIZE || size > META_SIZE_ADMIN_MAX)
		return 0;
	struct slice rest = slice_of(data + PREFIX_SIZE, size - PREFIX_SIZE);
	size_t choice = data[0] % (msg_kind_count + 1);
	if (choice == msg_kind_count) {
		take_stored_map(rest);
		return 0;
	}
	size_t value_size = MIN((size_t)load_le16(data + 2), rest.size);
	take_message(msg_kinds[choice], data[1], slice_of(rest.data + value_size, rest.size - value_size),
		     slice_of(rest.data, value_size));
	return 0;
}

static void seed_message(struct rng *rng, struct arena *arena, size_t choice, struct buf *out)
{
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	struct frame_parts parts;
	do {
		struct msg m;
		arena_reset(arena);
		buf_clear(&frame);
		msg_gen(rng, msg_kinds[choice], arena, &m);
		enum kv_status status = codec_encode(&m, &frame);
		KV_ASSERT(status == KV_OK);
		bool split = frame_split(buf_slice(&frame), &parts);
		KV_ASSERT(split);
	} while (parts.value.size > 8192 || parts.meta.size > 8192);
	buf_append_u8(out, (uint8_t)choice);
	buf_append_u8(out, 0);
	buf_append_le16(out, (uint16_t)parts.value.size);
	buf_append_slice(out, parts.value);
	buf_append_slice(out, parts.meta);
}

bool fuzz_seed(uint32_t index, struct buf *out)
{
	if (index > 2 * msg_kind_count)
		return false;
	struct rng rng;
	rng_init(&rng, index);
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(MSG_GEN_ARENA_MAX);
	if (index < 2 * msg_kind_count) {
		seed_message(&rng, &arena, index / 2, out);
		return true;
	}
	CLEANUP(buf_release) struct buf stored = BUF_INIT;
	struct map_desc map;
	msg_gen_map(&rng, &arena, &map);
	enum kv_status status = codec_map_encode(&map, &stored);
	KV_ASSERT(status == KV_OK);
	const uint8_t prefix[PREFIX_SIZE] = {(uint8_t)msg_kind_count};
	buf_append(out, prefix, sizeof prefix);
	buf_append(out, stored.data + CODEC_MAP_HEADER_SIZE, stored.size - CODEC_MAP_HEADER_SIZE);
	return true;
}
