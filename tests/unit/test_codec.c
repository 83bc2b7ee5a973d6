/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/hash.h"
#include "proto/msg_check.h"
#include "proto/opcode.h"
#include "tests/support/frames.h"
#include "tests/support/msg_examples.h"
#include "tests/support/msg_gen.h"

enum { SEEDS = 60 };

/** What one test needs to make messages and read them back. */
struct bench {
	struct rng rng;
	struct arena made, read;
	struct buf frame;
};

static struct bench bench_start(uint64_t seed)
{
	struct bench b = {.made = ARENA_INIT(MSG_GEN_ARENA_MAX), .read = ARENA_INIT(MSG_GEN_ARENA_MAX)};
	rng_init(&b.rng, seed);
	return b;
}

static void bench_release(struct bench *b)
{
	arena_release(&b->made);
	arena_release(&b->read);
	buf_release(&b->frame);
}

static void bench_reset(struct bench *b)
{
	arena_reset(&b->made);
	arena_reset(&b->read);
	buf_clear(&b->frame);
}

/** Makes a message of KIND and its frame. */
static void bench_make(struct bench *b, struct msg_kind kind, struct msg *ret, struct frame_parts *ret_parts)
{
	bench_reset(b);
	msg_gen(&b->rng, kind, &b->made, ret);
	assert_int_equal(codec_encode(ret, &b->frame), KV_OK);
	assert_true(frame_split(buf_slice(&b->frame), ret_parts));
	b->read.limit = codec_arena_max(ret_parts->meta.size);
}

static void assert_same(const struct msg *a, const struct msg *b)
{
	const char *field = msg_difference(a, b);
	if (field)
		fail_msg("%s%s differs in %s", opcode_name(a->opcode), a->reply ? " reply" : "", field);
}

static void every_message_comes_back_within_the_arena_it_is_promised(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(1);
	for (size_t k = 0; k < msg_kind_count; k++)
		for (int i = 0; i < SEEDS; i++) {
			struct msg made, read;
			struct frame_parts parts;
			bench_make(&b, msg_kinds[k], &made, &parts);
			assert_int_equal(codec_decode(&parts.header, parts.meta, parts.value, &b.read, &read),
					 KV_OK);
			assert_same(&made, &read);
		}
}

static void a_decoded_message_does_not_point_into_its_meta_part(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(2);
	for (size_t k = 0; k < msg_kind_count; k++)
		for (int i = 0; i < SEEDS / 4; i++) {
			struct msg made, read;
			struct frame_parts parts;
			bench_make(&b, msg_kinds[k], &made, &parts);
			uint8_t *meta = xmalloc(parts.meta.size + 1);
			memcpy(meta, parts.meta.data, parts.meta.size);
			struct slice copy = slice_of(meta, parts.meta.size);
			assert_int_equal(codec_decode(&parts.header, copy, parts.value, &b.read, &read), KV_OK);
			memset(meta, 0xA5, parts.meta.size);
			free(meta);
			assert_same(&made, &read);
		}
}

static void a_head_and_its_value_are_the_whole_frame(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(3);
	CLEANUP(buf_release) struct buf head = BUF_INIT;
	for (size_t k = 0; k < msg_kind_count; k++)
		for (int i = 0; i < SEEDS / 4; i++) {
			struct msg made;
			struct frame_parts parts;
			struct slice value = slice_str("untouched");
			bench_make(&b, msg_kinds[k], &made, &parts);
			buf_clear(&head);
			assert_int_equal(codec_encode_head(&made, &head, &value), KV_OK);
			if (!opcode_has_page(made.opcode))
				assert_int_equal(head.size, FRAME_HEADER_SIZE + parts.meta.size);
			buf_append_slice(&head, value);
			assert_true(slice_equal(buf_slice(&head), buf_slice(&b.frame)));
		}
}

static void frames_are_appended_behind_what_is_there(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(4);
	buf_append_str(&b.frame, "before");
	size_t start = b.frame.size;
	assert_int_equal(codec_encode(msg_example_get("PUT"), &b.frame), KV_OK);
	size_t second = b.frame.size;
	assert_int_equal(codec_encode(msg_example_get("HELLO"), &b.frame), KV_OK);
	struct frame_parts parts;
	assert_memory_equal(b.frame.data, "before", start);
	assert_true(frame_split(slice_of(b.frame.data + start, second - start), &parts));
	assert_int_equal(parts.header.opcode, OP_PUT);
	assert_true(frame_split(slice_of(b.frame.data + second, b.frame.size - second), &parts));
	assert_int_equal(parts.header.opcode, OP_HELLO);
}

static void every_cut_of_a_frame_is_noticed(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(5);
	for (size_t k = 0; k < msg_kind_count; k++) {
		struct msg made;
		struct frame_parts parts, cut;
		bench_make(&b, msg_kinds[k], &made, &parts);
		size_t step = 1 + b.frame.size / 1000;
		for (size_t size = 0; size < b.frame.size; size += step)
			assert_false(frame_split(slice_of(b.frame.data, size), &cut));
	}
}

/** True for the answers codec_decode may give. */
static bool is_verdict(enum kv_status status)
{
	return status == KV_OK || status == KV_INVALID || status == KV_TOO_LARGE || status == KV_UNSUPPORTED;
}

/** Decodes from exact heap copies, so that a read past the end is seen by the sanitizers. */
static enum kv_status decode_copy(struct bench *b, const struct frame_header *h, struct slice meta,
				  struct slice value)
{
	struct frame_header header = *h;
	header.meta_size = (uint32_t)meta.size;
	header.value_size = (uint32_t)value.size;
	CLEANUP(free_ptr) uint8_t *meta_copy = xmalloc(MAX(meta.size, (size_t)1));
	CLEANUP(free_ptr) uint8_t *value_copy = xmalloc(MAX(value.size, (size_t)1));
	if (meta.size > 0)
		memcpy(meta_copy, meta.data, meta.size);
	if (value.size > 0)
		memcpy(value_copy, value.data, value.size);
	struct msg read;
	arena_reset(&b->read);
	b->read.limit = codec_arena_max(meta.size);
	enum kv_status status = codec_decode(&header, slice_of(meta_copy, meta.size),
					     slice_of(value_copy, value.size), &b->read, &read);
	if (status == KV_OK)
		assert_int_equal(msg_check(&read), KV_OK);
	return status;
}

static void a_cut_meta_or_value_part_with_right_sums_gets_a_verdict(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(6);
	for (size_t k = 0; k < msg_kind_count; k++) {
		struct msg made;
		struct frame_parts parts;
		bench_make(&b, msg_kinds[k], &made, &parts);
		size_t step = 1 + parts.meta.size / 300;
		for (size_t size = 0; size < parts.meta.size; size += step) {
			struct slice cut = slice_of(parts.meta.data, size);
			assert_true(is_verdict(decode_copy(&b, &parts.header, cut, parts.value)));
		}
		if (parts.value.size > 0)
			assert_true(is_verdict(decode_copy(&b, &parts.header, parts.meta,
							   slice_of(parts.value.data, parts.value.size - 1))));
	}
}

static void damaged_meta_with_right_sums_gets_a_verdict(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(7);
	for (size_t k = 0; k < msg_kind_count; k++) {
		struct msg made;
		struct frame_parts parts;
		bench_make(&b, msg_kinds[k], &made, &parts);
		uint8_t *meta = (uint8_t *)(uintptr_t)parts.meta.data;
		for (int i = 0; i < 200 && parts.meta.size > 0; i++) {
			meta[rng_below(&b.rng, parts.meta.size)] = (uint8_t)rng_next(&b.rng);
			assert_true(is_verdict(decode_copy(&b, &parts.header, parts.meta, parts.value)));
		}
	}
}

static void every_flipped_bit_of_a_frame_is_noticed(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(8);
	assert_int_equal(codec_encode(msg_example_get("ACCEPT"), &b.frame), KV_OK);
	for (size_t bit = 0; bit < 8 * b.frame.size; bit++) {
		struct frame_parts parts;
		b.frame.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(frame_split(buf_slice(&b.frame), &parts));
		b.frame.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void unknown_fields_are_ignored(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(9);
	CLEANUP(buf_release) struct buf meta = BUF_INIT;
	struct frame_parts parts;
	assert_int_equal(codec_encode(msg_example_get("PUT"), &b.frame), KV_OK);
	assert_true(frame_split(buf_slice(&b.frame), &parts));
	buf_append_slice(&meta, parts.meta);
	buf_append(&meta, "\xc2\x3e\x03new", 6); /* field 1000, bytes */
	parts.header.meta_size = (uint32_t)meta.size;
	struct msg read;
	assert_int_equal(codec_decode(&parts.header, buf_slice(&meta), parts.value, &b.read, &read), KV_OK);
	assert_same(msg_example_get("PUT"), &read);
}

static void unknown_opcodes_and_critical_flags_are_unsupported(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(10);
	struct slice none = slice_of(NULL, 0);
	struct msg read;
	for (uint32_t opcode = 0; opcode <= UINT16_MAX; opcode++)
		for (int reply = 0; reply <= 1; reply++) {
			struct frame_header h = {.opcode = (uint16_t)opcode, .flags = reply ? FRAME_REPLY : 0};
			bool known = opcode_body(h.opcode, reply) != BODY_UNKNOWN;
			enum kv_status status = codec_decode(&h, none, none, &b.read, &read);
			assert_int_equal(status == KV_UNSUPPORTED, !known);
			arena_reset(&b.read);
		}
	static const uint16_t critical[] = {FRAME_MORE, FRAME_CANCEL, FRAME_COMPRESSED, FRAME_ONEWAY, 0x40, 0x80};
	for (size_t i = 0; i < ARRAY_SIZE(critical); i++) {
		struct frame_header h = {.opcode = OP_STATUS, .flags = critical[i]};
		assert_int_equal(codec_decode(&h, none, none, &b.read, &read), KV_UNSUPPORTED);
	}
	struct frame_header advisory = {.opcode = OP_STATUS, .flags = 0xFF00};
	assert_int_equal(codec_decode(&advisory, none, none, &b.read, &read), KV_OK);
	struct msg reserved = {.opcode = OP_AUTH};
	assert_int_equal(codec_encode(&reserved, &b.frame), KV_UNSUPPORTED);
	assert_int_equal(b.frame.size, 0);
}

static void a_small_arena_gives_too_large(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(11);
	struct frame_parts parts;
	assert_int_equal(codec_encode(msg_example_get("ACCEPT"), &b.frame), KV_OK);
	assert_true(frame_split(buf_slice(&b.frame), &parts));
	for (size_t limit = 0; limit < 4096; limit += 16) {
		CLEANUP(arena_release) struct arena small = ARENA_INIT(limit);
		struct msg read;
		enum kv_status status = codec_decode(&parts.header, parts.meta, parts.value, &small, &read);
		assert_true(status == KV_TOO_LARGE || status == KV_OK);
		assert_true(status == KV_OK || limit < 2048);
	}
}

/** Encodes M and decodes it in an arena of the promised size. */
static void assert_fits_its_arena(const struct msg *m)
{
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	struct frame_parts parts;
	struct msg read;
	assert_int_equal(codec_encode(m, &frame), KV_OK);
	assert_true(frame_split(buf_slice(&frame), &parts));
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(codec_arena_max(parts.meta.size));
	assert_int_equal(codec_decode(&parts.header, parts.meta, parts.value, &arena, &read), KV_OK);
	assert_same(m, &read);
}

static void the_densest_page_and_status_fit_their_arena(void **state)
{
	struct scan_item *items = xcalloc(SCAN_ITEMS_MAX, sizeof *items);
	for (uint32_t i = 0; i < SCAN_ITEMS_MAX; i++)
		items[i].key = slice_str("k");
	assert_fits_its_arena(&(struct msg){
		.opcode = OP_SCAN, .reply = true, .result = {.item_count = SCAN_ITEMS_MAX, .items = items}});
	free(items);

	struct status_counter counters[STATUS_COUNTERS_MAX];
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		counters[i] = (struct status_counter){.name = slice_str("c")};
	struct status_peer peers[NODES_MAX];
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peers[i] = (struct status_peer){.index = NODE_NONE, .state = 1};
	assert_fits_its_arena(&(struct msg){.opcode = OP_STATUS,
					    .reply = true,
					    .status = {.peer_count = ARRAY_SIZE(peers),
						       .peers = peers,
						       .counter_count = ARRAY_SIZE(counters),
						       .counters = counters}});
}

static void the_densest_map_fits_its_arena(void **state)
{
	struct map_node nodes[NODES_MAX];
	for (uint32_t i = 0; i < NODES_MAX; i++)
		nodes[i] = (struct map_node){.index = (node_id)i, .state = NODE_NORMAL};
	node_id *rows = xcalloc(PARTITIONS_MAX * REPLICAS_MAX, sizeof *rows);
	for (uint32_t i = 0; i < PARTITIONS_MAX * REPLICAS_MAX; i++)
		rows[i] = (node_id)(i % REPLICAS_MAX);
	uint64_t *epochs = xcalloc(PARTITIONS_MAX, sizeof *epochs);
	struct map_move *moves = xcalloc(PARTITIONS_MAX, sizeof *moves);
	for (uint32_t i = 0; i < PARTITIONS_MAX; i++) {
		moves[i].old_count = moves[i].new_count = 1;
		moves[i].new_row[0] = 1;
	}
	struct map_desc map = {
		.cluster = {.bytes = {1}},
		.epoch = 1,
		.partitions = PARTITIONS_MAX,
		.replicas = REPLICAS_MAX,
		.node_count = NODES_MAX,
		.nodes = nodes,
		.rows = rows,
		.config_epochs = epochs,
		.move_count = PARTITIONS_MAX,
		.moves = moves,
	};
	assert_fits_its_arena(&(struct msg){.opcode = OP_MAP, .reply = true, .map = {.map = &map}});
	free(rows);
	free(epochs);
	free(moves);
}

static void the_densest_lists_of_a_change_fit_their_arena(void **state)
{
	struct move_status *moves = xcalloc(MOVE_LIST_MAX, sizeof *moves);
	struct tree_root *roots = xcalloc(PARTITIONS_MAX, sizeof *roots);
	static const uint8_t text[MOVE_MESSAGE_MAX];
	struct msg list = {
		.opcode = OP_MOVE_LIST, .reply = true, .move_list = {.count = MOVE_LIST_MAX, .moves = moves}};
	for (uint32_t i = 0; i < MOVE_LIST_MAX; i++)
		moves[i].node = moves[i].source = NODE_NONE;
	assert_fits_its_arena(&list);
	for (uint32_t i = 0; i < MOVE_LIST_MAX; i++) {
		moves[i].old_count = moves[i].new_count = REPLICAS_MAX;
		for (uint32_t r = 0; r < REPLICAS_MAX; r++)
			moves[i].old_row[r] = moves[i].new_row[r] = (node_id)(NODES_MAX - 1 - r);
		moves[i].message = slice_of(text, sizeof text);
		moves[i].keys = moves[i].bytes = moves[i].keys_done = moves[i].bytes_done = UINT64_MAX;
		moves[i].bytes_per_sec = moves[i].age_ms = UINT64_MAX;
	}
	assert_fits_its_arena(&list);
	assert_fits_its_arena(
		&(struct msg){.opcode = OP_TREE_ROOTS, .tree = {.root_count = PARTITIONS_MAX, .roots = roots}});
	for (uint32_t i = 0; i < PARTITIONS_MAX; i++)
		roots[i] = (struct tree_root){.partition = (uint16_t)i, .config_epoch = UINT64_MAX, .hash = 1};
	assert_fits_its_arena(
		&(struct msg){.opcode = OP_TREE_ROOTS, .tree = {.root_count = PARTITIONS_MAX, .roots = roots}});
	free(moves);
	free(roots);
}

static void what_a_node_kept_of_many_or_of_one_trace_fits_its_frame(void **state)
{
	struct timeline_span *spans = xcalloc(TIMELINE_SPANS_MAX, sizeof *spans);
	struct kept_timeline *kept = xcalloc(TRACES_TOLD_MAX, sizeof *kept);
	struct msg_timeline timeline = {
		.context = {.trace_hi = UINT64_MAX, .trace_lo = UINT64_MAX, .span = UINT64_MAX},
		.span = UINT64_MAX,
		.node = NODES_MAX - 1,
		.opcode = OP_PUT,
		.level = LEVEL_STRONG,
		.partition = PARTITIONS_MAX - 1,
		.epoch = UINT64_MAX,
		.ballot = {.hlc = UINT64_MAX, .id = UINT64_MAX},
		.rounds = UINT32_MAX,
		.in_doubt = true,
		.took_us = UINT64_MAX,
		.spans = spans,
		.left_out = UINT32_MAX};
	for (uint32_t i = 0; i < TIMELINE_SPANS_MAX; i++)
		spans[i] = (struct timeline_span){.kind = SPAN_REPLICA,
						  .parent = MAX(i, 1u) - 1,
						  .node = NODES_MAX - 1,
						  .peer = NODES_MAX - 1,
						  .start_us = UINT64_MAX,
						  .took_us = UINT64_MAX};
	for (uint32_t i = 0; i < TRACES_TOLD_MAX; i++)
		kept[i] = (struct kept_timeline){.wall_us = UINT64_MAX, .slow = true, .timeline = &timeline};
	timeline.span_count = 1;
	assert_fits_its_arena(&(struct msg){
		.opcode = OP_TRACES, .reply = true, .traces = {.count = TRACES_TOLD_MAX, .traces = kept}});
	timeline.span_count = TIMELINE_SPANS_MAX;
	assert_fits_its_arena(&(struct msg){
		.opcode = OP_TRACES, .reply = true, .traces = {.count = TRACES_WHOLE_MAX, .traces = kept}});
	free(spans);
	free(kept);
}

static void a_page_between_nodes_may_hold_one_record_of_any_size_and_some_more(void **state)
{
	uint8_t *bytes = xcalloc(1, PAGE_SIZE_MAX + 1);
	struct msg pull = {.opcode = OP_MOVE_PULL, .reply = true};
	pull.move.page = slice_of(bytes, PAGE_SIZE_MAX);
	assert_fits_its_arena(&pull);
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	pull.move.page.size++;
	assert_int_equal(codec_encode(&pull, &frame), KV_TOO_LARGE);
	struct msg put = *msg_example_get("PUT");
	put.request.value = slice_of(bytes, VALUE_SIZE_MAX + 1);
	assert_int_equal(codec_encode(&put, &frame), KV_TOO_LARGE);
	struct frame_header h = {.opcode = OP_PUT, .value_size = VALUE_SIZE_MAX + 1};
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(codec_arena_max(0));
	struct msg read;
	assert_int_equal(codec_decode(&h, slice_of(NULL, 0), put.request.value, &arena, &read), KV_TOO_LARGE);
	free(bytes);
}

static void a_request_carries_the_trace_flag_with_a_trace(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(12);
	struct msg m = *msg_example_get("PUT");
	struct frame_parts parts;
	m.request.trace.trace_lo = 1;
	assert_int_equal(codec_encode(&m, &b.frame), KV_OK);
	assert_true(frame_split(buf_slice(&b.frame), &parts));
	assert_int_equal(parts.header.flags, FRAME_TRACE);
}

static void a_value_must_be_where_the_record_says(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(13);
	struct frame_parts parts;
	struct slice none = slice_of(NULL, 0);
	struct msg m = *msg_example_get("ACCEPT");
	assert_int_equal(codec_encode(&m, &b.frame), KV_OK);
	assert_true(frame_split(buf_slice(&b.frame), &parts));
	assert_int_equal(decode_copy(&b, &parts.header, parts.meta, slice_str("other size")), KV_OK);
	m.replica.record.has_value = false;
	m.replica.record.tombstone = true;
	m.replica.record.value = none;
	m.replica.record.value_size = 0;
	buf_clear(&b.frame);
	assert_int_equal(codec_encode(&m, &b.frame), KV_OK);
	assert_true(frame_split(buf_slice(&b.frame), &parts));
	assert_int_equal(decode_copy(&b, &parts.header, parts.meta, slice_str("x")), KV_INVALID);
}

static void the_values_of_a_page_must_fill_the_value_section(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(14);
	struct scan_item items[] = {{.key = slice_str("a"), .value = slice_str("12")},
				    {.key = slice_str("b"), .value = slice_str("345")}};
	struct msg read, m = {.opcode = OP_SCAN, .reply = true, .result = {.item_count = 2, .items = items}};
	struct frame_parts parts;
	assert_int_equal(frame_round_trip(&m, &b.frame, &b.read, &read), KV_OK);
	assert_true(slice_equal(read.result.items[1].value, slice_str("345")));
	assert_true(frame_split(buf_slice(&b.frame), &parts));
	assert_int_equal(decode_copy(&b, &parts.header, parts.meta, slice_str("1234")), KV_INVALID);
	assert_int_equal(decode_copy(&b, &parts.header, parts.meta, slice_str("123456")), KV_INVALID);
}

static void a_frame_over_its_meta_limit_is_too_large_and_leaves_the_buffer_alone(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(15);
	struct scan_item *items = xcalloc(SCAN_ITEMS_MAX, sizeof *items);
	static const uint8_t key[KEY_SIZE_MAX];
	for (uint32_t i = 0; i < SCAN_ITEMS_MAX; i++)
		items[i].key = slice_of(key, sizeof key);
	struct msg m = {.opcode = OP_SCAN, .reply = true, .result = {.item_count = SCAN_ITEMS_MAX, .items = items}};
	buf_append_str(&b.frame, "before");
	assert_int_equal(codec_encode(&m, &b.frame), KV_TOO_LARGE);
	assert_int_equal(b.frame.size, 6);
	free(items);
}

static void pinned(const char *title, const char *hex)
{
	CLEANUP(buf_release) struct buf frame = BUF_INIT, text = BUF_INIT;
	assert_int_equal(codec_encode(msg_example_get(title), &frame), KV_OK);
	for (size_t i = 0; i < frame.size; i++)
		buf_printf(&text, "%02x", frame.data[i]);
	assert_string_equal(buf_cstr(&text), hex);
}

static void the_wire_does_not_change_by_accident(void **state)
{
	pinned("HELLO", "4b560108629c1b170100000000000000010000001c000000000000003ab47b17"
			"2001280130017a0b6c69626b7620302e312e30a001808040a8018002");
	pinned("PUT", "4b5601084b106de407000000000000000201000024000000050000002ea188d3"
		      "10012207757365723a3432280438e807418877665544332211480761fddc625c55e8559568656c6c6f");
	pinned("ACCEPT", "4b560108e14d6d6429230000000000000402000068000000050000007e607975"
			 "090100007c291f940110012207757365723a343228ff0430de07724c090000007c291f940111000000000000"
			 "020029fddc625c55e8559530014001598877665544332211600782011f090000ff7b291f9401110100000000"
			 "0000001988776655443322112006280168656c6c6f");
}

static void a_stored_map_comes_back(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(16);
	for (int i = 0; i < SEEDS; i++) {
		struct map_desc made, read;
		bench_reset(&b);
		msg_gen_map(&b.rng, &b.made, &made);
		assert_int_equal(codec_map_encode(&made, &b.frame), KV_OK);
		b.read.limit = codec_arena_max(b.frame.size);
		assert_int_equal(codec_map_decode(buf_slice(&b.frame), &b.read, &read), KV_OK);
		const char *field = msg_map_difference(&made, &read);
		if (field)
			fail_msg("map differs in %s", field);
	}
}

static void a_damaged_stored_map_is_corrupt(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(17);
	struct map_desc made, read;
	msg_gen_map(&b.rng, &b.made, &made);
	assert_int_equal(codec_map_encode(&made, &b.frame), KV_OK);
	size_t step = 1 + b.frame.size / 500;
	for (size_t size = 0; size < b.frame.size; size += step)
		assert_int_equal(codec_map_decode(slice_of(b.frame.data, size), &b.read, &read), KV_CORRUPT);
	for (size_t at = 0; at < b.frame.size; at += step) {
		b.frame.data[at] ^= 0x10;
		assert_int_equal(codec_map_decode(buf_slice(&b.frame), &b.read, &read), KV_CORRUPT);
		b.frame.data[at] ^= 0x10;
	}
}

static void a_map_of_a_later_format_is_unsupported(void **state)
{
	CLEANUP(bench_release) struct bench b = bench_start(18);
	static const uint8_t later[] = {2, 0, 0, 0, 0, 0, 0, 0};
	struct map_desc read;
	buf_append(&b.frame, later, sizeof later);
	uint64_t sum = hash64(slice_of(later, sizeof later));
	buf_append_le64(&b.frame, sum);
	assert_int_equal(codec_map_decode(buf_slice(&b.frame), &b.read, &read), KV_UNSUPPORTED);
}

static void every_opcode_has_a_name(void **state)
{
	assert_string_equal(opcode_name(OP_PUT), "PUT");
	assert_string_equal(opcode_name(OP_ACCEPT), "ACCEPT");
	assert_string_equal(opcode_name(OP_CLUSTER_INIT), "CLUSTER_INIT");
	assert_string_equal(opcode_name(0x0999), "UNKNOWN");
	for (uint32_t opcode = 0; opcode <= UINT16_MAX; opcode++)
		if (opcode_body((uint16_t)opcode, false) != BODY_UNKNOWN)
			assert_string_not_equal(opcode_name((uint16_t)opcode), "UNKNOWN");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_back_within_the_arena_it_is_promised),
		cmocka_unit_test(a_decoded_message_does_not_point_into_its_meta_part),
		cmocka_unit_test(a_head_and_its_value_are_the_whole_frame),
		cmocka_unit_test(frames_are_appended_behind_what_is_there),
		cmocka_unit_test(every_cut_of_a_frame_is_noticed),
		cmocka_unit_test(a_cut_meta_or_value_part_with_right_sums_gets_a_verdict),
		cmocka_unit_test(damaged_meta_with_right_sums_gets_a_verdict),
		cmocka_unit_test(every_flipped_bit_of_a_frame_is_noticed),
		cmocka_unit_test(unknown_fields_are_ignored),
		cmocka_unit_test(unknown_opcodes_and_critical_flags_are_unsupported),
		cmocka_unit_test(a_small_arena_gives_too_large),
		cmocka_unit_test(the_densest_page_and_status_fit_their_arena),
		cmocka_unit_test(the_densest_map_fits_its_arena),
		cmocka_unit_test(the_densest_lists_of_a_change_fit_their_arena),
		cmocka_unit_test(what_a_node_kept_of_many_or_of_one_trace_fits_its_frame),
		cmocka_unit_test(a_page_between_nodes_may_hold_one_record_of_any_size_and_some_more),
		cmocka_unit_test(a_request_carries_the_trace_flag_with_a_trace),
		cmocka_unit_test(a_value_must_be_where_the_record_says),
		cmocka_unit_test(the_values_of_a_page_must_fill_the_value_section),
		cmocka_unit_test(a_frame_over_its_meta_limit_is_too_large_and_leaves_the_buffer_alone),
		cmocka_unit_test(the_wire_does_not_change_by_accident),
		cmocka_unit_test(a_stored_map_comes_back),
		cmocka_unit_test(a_damaged_stored_map_is_corrupt),
		cmocka_unit_test(a_map_of_a_later_format_is_unsupported),
		cmocka_unit_test(every_opcode_has_a_name),
	};
	return test_run("codec", tests);
}
