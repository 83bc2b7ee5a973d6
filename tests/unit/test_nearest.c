/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/core.h"
#include "replication/nearest.h"

enum { COUNT = 4, OWN = 0 };

/** One core of four nodes in two zones: 0 and 2 in the first. Partition 0 is on nodes 3, 2, 1. */
struct bed {
	struct node_core *core;
	struct actions out;
	node_id nodes[COUNT];
	struct row row;
};

static struct bed bed_make(void)
{
	struct bed b = {.nodes = {3, 2, 1, 0}};
	struct map_node nodes[COUNT];
	node_id rows[16 * 3];
	uint64_t epochs[16];
	for (node_id i = 0; i < COUNT; i++) {
		nodes[i] = (struct map_node){.index = i,
					     .uuid = {{(uint8_t)(i + 1)}},
					     .state = NODE_NORMAL,
					     .zone = slice_str(i % 2 ? "z1" : "z0"),
					     .peer_address = slice_str("h:1")};
	}
	for (uint32_t i = 0; i < 16 * 3; i++)
		rows[i] = (node_id)(3 - i % 3);
	for (uint32_t i = 0; i < 16; i++)
		epochs[i] = 1;
	struct map_desc map = {.cluster = {{9}},
			       .epoch = 1,
			       .partitions = 16,
			       .replicas = 3,
			       .node_count = COUNT,
			       .nodes = nodes,
			       .rows = rows,
			       .config_epochs = epochs,
			       .voter_count = 1};
	struct core_config config = {
		.seed = 1, .shard_count = 1, .node = {{OWN + 1}}, .incarnation = 1, .boot_nonce = 1, .map = &map};
	actions_init(&b.out);
	b.core = node_core_new(&config);
	node_core_start(b.core, (struct moment){USEC_PER_SEC, 1700000000ull * USEC_PER_SEC}, &b.out);
	return b;
}

static void bed_release(struct bed *b)
{
	node_core_free(b->core);
	actions_release(&b->out);
}

static struct row row_of(struct bed *b, uint32_t count)
{
	uint32_t all = (1u << count) - 1;
	return (struct row){.count = count, .nodes = b->nodes, .old = all, .next = all};
}

static struct peer *peer(struct bed *b, node_id node) { return &b->core->detector.peers[node]; }

/** Node that is read from, of the first COUNT of 3, 2, 1, 0. */
static int reader(struct bed *b, uint32_t count)
{
	struct row row = row_of(b, count);
	int at = nearest_reader(b->core, &row, row.old);
	return at < 0 ? -1 : row.nodes[at];
}

static int coordinator(struct bed *b)
{
	struct row row = row_of(b, 3);
	int at = nearest_coordinator(b->core, &row, row.old);
	return at < 0 ? -1 : row.nodes[at];
}

static void the_own_copy_comes_first_then_the_zone_then_what_is_fast(void **state)
{
	struct bed b = bed_make();
	for (node_id i = 1; i < COUNT; i++)
		peer(&b, i)->round_trip_us = 100u * i;
	assert_int_equal(reader(&b, 4), 0);
	assert_int_equal(reader(&b, 3), 2);
	peer(&b, 2)->state = PEER_DOWN;
	assert_int_equal(reader(&b, 3), 1);
	peer(&b, 1)->read_us = 5000; /* what reads take counts more than what heartbeats do */
	assert_int_equal(reader(&b, 3), 3);
	peer(&b, 3)->queue_us = 10000;
	assert_int_equal(reader(&b, 3), 1);
	peer(&b, 1)->state = peer(&b, 3)->state = PEER_DOWN;
	assert_int_equal(reader(&b, 3), -1);
	bed_release(&b);
}

static void who_is_in_trouble_comes_last_this_node_too(void **state)
{
	struct bed b = bed_make();
	peer(&b, 2)->state = PEER_SUSPECT;
	assert_int_equal(reader(&b, 3), 3);
	peer(&b, 2)->state = PEER_UP;
	peer(&b, 2)->health = HEALTH_POOR;
	assert_int_equal(reader(&b, 3), 3);
	peer(&b, 2)->health = 0;
	peer(&b, 2)->disk.degraded = true;
	assert_int_equal(reader(&b, 3), 3);
	peer(&b, 3)->state = peer(&b, 1)->state = PEER_SUSPECT;
	assert_int_equal(reader(&b, 3), 3); /* degraded is last, and still better than nothing: */
	peer(&b, 3)->state = peer(&b, 1)->state = PEER_DOWN;
	assert_int_equal(reader(&b, 3), 2);
	b.core->disk.state.degraded = true;
	assert_int_equal(reader(&b, 4), 0); /* both are: the own copy is nearer */
	peer(&b, 2)->disk.degraded = false;
	assert_int_equal(reader(&b, 4), 2);
	bed_release(&b);
}

static void coordinators_are_taken_in_the_order_of_the_row(void **state)
{
	struct bed b = bed_make();
	assert_int_equal(coordinator(&b), 3);
	peer(&b, 3)->disk.degraded = true;
	assert_int_equal(coordinator(&b), 2);
	peer(&b, 2)->state = PEER_SUSPECT;
	assert_int_equal(coordinator(&b), 1);
	peer(&b, 1)->state = PEER_DOWN;
	assert_int_equal(coordinator(&b), 2);
	peer(&b, 2)->state = PEER_DOWN;
	assert_int_equal(coordinator(&b), 3);
	peer(&b, 3)->state = PEER_DOWN;
	assert_int_equal(coordinator(&b), -1);
	bed_release(&b);
}

static void members_outside_the_bits_are_not_taken(void **state)
{
	struct bed b = bed_make();
	struct row row = row_of(&b, 3);
	assert_int_equal(nearest_reader(b.core, &row, 0x5), 0); /* not node 2 at position 1 */
	assert_int_equal(nearest_coordinator(b.core, &row, 0x6), 1);
	assert_int_equal(nearest_reader(b.core, &row, 0), -1);
	bed_release(&b);
}

static void now_and_then_another_sound_one_is_tried(void **state)
{
	struct bed b = bed_make();
	struct row row = row_of(&b, 3);
	peer(&b, 3)->disk.degraded = true;
	uint32_t seen[3] = {0};
	for (uint32_t i = 0; i < 16000; i++) {
		int at = nearest_reader_explored(b.core, &row, row.old);
		assert_in_range(at, 0, 2);
		seen[at]++;
	}
	assert_int_equal(seen[0], 0); /* not the degraded one */
	assert_in_range(seen[2], 700, 1300);
	bed_release(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_own_copy_comes_first_then_the_zone_then_what_is_fast),
		cmocka_unit_test(who_is_in_trouble_comes_last_this_node_too),
		cmocka_unit_test(coordinators_are_taken_in_the_order_of_the_row),
		cmocka_unit_test(members_outside_the_bits_are_not_taken),
		cmocka_unit_test(now_and_then_another_sound_one_is_tried),
	};
	return test_run("nearest", tests);
}
