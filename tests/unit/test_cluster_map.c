/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "replication/cluster_map.h"
#include "replication/map_image.h"
#include "replication/voters.h"

/** A map of three nodes and 16 partitions that follows every rule. */
struct bed {
	struct map_node nodes[6];
	node_id rows[16 * 3];
	uint64_t epochs[16];
	struct map_move moves[4];
	struct map_desc desc;
};

static void bed_init(struct bed *b)
{
	*b = (struct bed){0};
	for (node_id i = 0; i < 6; i++) {
		b->nodes[i] = (struct map_node){.index = i,
						.uuid = {{(uint8_t)(i + 1)}},
						.state = NODE_NORMAL,
						.peer_address = slice_str("h:1")};
	}
	for (uint32_t p = 0; p < 16; p++) {
		for (node_id i = 0; i < 3; i++)
			b->rows[p * 3 + i] = (node_id)((p + i) % 3);
		b->epochs[p] = 1;
	}
	b->desc = (struct map_desc){.cluster = {{9}},
				    .epoch = 1,
				    .partitions = 16,
				    .replicas = 3,
				    .node_count = 3,
				    .nodes = b->nodes,
				    .rows = b->rows,
				    .config_epochs = b->epochs,
				    .moves = b->moves,
				    .voter_count = 3,
				    .voters = {0, 1, 2}};
}

static void a_map_that_follows_the_rules_passes(void **state)
{
	struct bed b;
	bed_init(&b);
	assert_int_equal(cluster_map_check(&b.desc, NULL), KV_OK);
}

static void expect_broken(struct bed *b, const char *why)
{
	struct error err;
	assert_int_equal(cluster_map_check(&b->desc, &err), KV_INVALID);
	assert_non_null(strstr(err.message, why));
	bed_init(b);
}

static void each_broken_rule_is_named(void **state)
{
	struct bed b;
	bed_init(&b);
	b.desc.partitions = 15;
	expect_broken(&b, "power of two");
	b.desc.replicas = 2;
	expect_broken(&b, "odd");
	b.desc.node_count = 2;
	expect_broken(&b, "2 nodes for 3 replicas");
	b.desc.epoch = 0;
	expect_broken(&b, "no epoch");
	b.nodes[2].index = 1;
	expect_broken(&b, "two nodes have index 1");
	b.nodes[2].uuid = b.nodes[0].uuid;
	expect_broken(&b, "copy of the other");
	b.rows[4] = 7;
	expect_broken(&b, "unknown node 7");
	b.rows[0] = b.rows[1];
	expect_broken(&b, "twice");
	b.epochs[3] = 2;
	expect_broken(&b, "partition 3");
	b.desc.voter_count = 0;
	expect_broken(&b, "voters");
}

static void it_owns_its_copy(void **state)
{
	struct bed b;
	bed_init(&b);
	struct cluster_map *map = cluster_map_new(&b.desc);
	memset(b.rows, 0xff, sizeof b.rows);
	memset(b.nodes, 0, sizeof b.nodes);
	struct row row = cluster_map_row(map, 1);
	assert_int_equal(row.count, 3);
	assert_int_equal(row.nodes[0], 1);
	assert_int_equal(row.config_epoch, 1);
	assert_int_equal(row_position(&row, 0), 2);
	assert_int_equal(row_position(&row, 5), -1);
	struct uuid second = {{2}};
	assert_int_equal(cluster_map_find(map, &second)->index, 1);
	assert_null(cluster_map_node(map, 3));
	cluster_map_free(map);
}

/** The bed with five nodes and a move of partition 0 from {0, 1, 2} to {0, 3, 4}. */
static void bed_move(struct bed *b)
{
	bed_init(b);
	b->desc.node_count = 5;
	b->desc.epoch = 2;
	b->epochs[0] = 2;
	b->desc.move_count = 1;
	b->moves[0] = (struct map_move){.partition = 0,
					.old_count = 3,
					.new_count = 3,
					.old_row = {0, 1, 2},
					.new_row = {0, 3, 4},
					.session = {{7}}};
}

static void expect_broken_move(struct bed *b, const char *why)
{
	struct error err;
	assert_int_equal(cluster_map_check(&b->desc, &err), KV_INVALID);
	assert_non_null(strstr(err.message, why));
	bed_move(b);
}

static void each_broken_rule_of_moves_and_voters_is_named(void **state)
{
	struct bed b;
	bed_move(&b);
	assert_int_equal(cluster_map_check(&b.desc, NULL), KV_OK);
	b.moves[0].old_row[1] = 3;
	expect_broken_move(&b, "does not start from its row");
	b.moves[0].new_row[1] = 5;
	expect_broken_move(&b, "unknown node 5");
	b.nodes[4].state = NODE_STAGED;
	expect_broken_move(&b, "unknown node 4");
	b.moves[0].new_row[2] = 3;
	expect_broken_move(&b, "twice");
	b.moves[0].session = (struct uuid){0};
	expect_broken_move(&b, "session");
	b.moves[0].new_count = 2;
	expect_broken_move(&b, "rows");
	b.moves[1] = b.moves[0];
	b.desc.move_count = 2;
	expect_broken_move(&b, "two moves");
	b.nodes[2].state = NODE_STAGED; /* named by rows and voters */
	expect_broken_move(&b, "unknown node 2");
	b.desc.voters[1] = 0;
	expect_broken_move(&b, "the voters name node 0 twice");
	b.desc.voters[1] = 9;
	expect_broken_move(&b, "the voters name unknown node 9");
	b.nodes[3].index = 5;
	expect_broken_move(&b, "place 3");
}

static void a_moving_row_has_old_and_new_members(void **state)
{
	struct bed b;
	bed_move(&b);
	struct cluster_map *map = cluster_map_new(&b.desc);
	struct row row = cluster_map_row(map, 0);
	static const node_id members[] = {0, 1, 2, 3, 4};
	assert_int_equal(row.count, 5);
	assert_memory_equal(row.nodes, members, sizeof members);
	assert_int_equal(row.old, 0x07);
	assert_int_equal(row.next, 0x19);
	assert_int_equal(row.config_epoch, 2);
	assert_ptr_equal(row.move, &map->desc.moves[0]);
	struct row still = cluster_map_row(map, 1);
	assert_int_equal(still.count, 3);
	assert_int_equal(still.old, 0x07);
	assert_int_equal(still.next, 0x07);
	assert_null(still.move);
	assert_true(cluster_map_holds(&map->desc, 4));
	assert_false(cluster_map_holds(&map->desc, 5));
	cluster_map_free(map);
}

/** A node that stays is in both sets, in whatever order the new row names it. */
static void a_node_that_stays_counts_in_both_sets(void **state)
{
	struct bed b;
	bed_move(&b);
	b.moves[0].new_row[0] = 3;
	b.moves[0].new_row[1] = 2;
	b.moves[0].new_row[2] = 1;
	struct cluster_map *map = cluster_map_new(&b.desc);
	struct row row = cluster_map_row(map, 0);
	assert_int_equal(row.count, 4);
	assert_int_equal(row.nodes[3], 3);
	assert_int_equal(row.old, 0x07);
	assert_int_equal(row.next, 0x0e);
	cluster_map_free(map);
}

static struct row row_of(const node_id *nodes, uint32_t count, uint32_t old, uint32_t next)
{
	return (struct row){.count = count, .nodes = nodes, .old = old, .next = next};
}

static void rows_are_the_same_by_members_not_by_order(void **state)
{
	static const node_id abc[] = {1, 2, 3}, cab[] = {3, 1, 2}, abd[] = {1, 2, 4}, abcd[] = {1, 2, 3, 4},
			     dcba[] = {4, 3, 2, 1};
	struct row a = row_of(abc, 3, 7, 7), b = row_of(cab, 3, 7, 7), c = row_of(abd, 3, 7, 7);
	assert_true(row_same_members(&a, &b));
	assert_false(row_same_members(&a, &c));
	assert_false(row_same_members(&c, &a));
	struct row joint = row_of(abcd, 4, 7, 0x0b); /* {1,2,3} to {1,2,4} */
	assert_false(row_same_members(&a, &joint));
	assert_false(row_same_members(&joint, &a));
	struct row same = row_of(dcba, 4, 0x0e, 0x0d);
	assert_true(row_same_members(&joint, &same));
	struct row back = row_of(abcd, 4, 0x0b, 7); /* the other way round */
	assert_false(row_same_members(&joint, &back));
}

static void expect_no_next(const struct map_desc *present, const struct map_desc *next, const char *why)
{
	struct error err;
	assert_int_equal(cluster_map_check_next(present, next, &err), KV_INVALID);
	assert_non_null(strstr(err.message, why));
}

static void a_later_map_keeps_nodes_and_raises_epochs(void **state)
{
	struct bed now, next;
	bed_move(&now);
	bed_move(&next);
	next.desc.epoch = 3;
	assert_int_equal(cluster_map_check_next(&now.desc, &next.desc, NULL), KV_OK);
	next.desc.node_count = 4;
	expect_no_next(&now.desc, &next.desc, "node 4 is gone");
	next.desc.node_count = 5;
	next.nodes[4].uuid.bytes[0] = 99;
	expect_no_next(&now.desc, &next.desc, "another identity");
	next.nodes[4].uuid = now.nodes[4].uuid;
	now.nodes[4].state = NODE_REMOVED;
	expect_no_next(&now.desc, &next.desc, "may not come back");
	now.nodes[4].state = NODE_NORMAL;
	next.nodes[4].state = NODE_STAGED;
	expect_no_next(&now.desc, &next.desc, "staged again");
	next.nodes[4].state = NODE_NORMAL;
	next.epochs[1] = 0;
	expect_no_next(&now.desc, &next.desc, "did not rise");
}

static void a_move_that_begins_ends_or_is_another_raises_its_partitions_epoch(void **state)
{
	struct bed now, next;
	bed_move(&now);
	bed_move(&next);
	next.desc.epoch = 3;
	next.moves[0].session.bytes[0] = 8; /* another try */
	expect_no_next(&now.desc, &next.desc, "did not rise");
	next.epochs[0] = 3;
	assert_int_equal(cluster_map_check_next(&now.desc, &next.desc, NULL), KV_OK);
	next.desc.move_count = 0; /* given up */
	assert_int_equal(cluster_map_check_next(&now.desc, &next.desc, NULL), KV_OK);
	next.epochs[0] = 2;
	expect_no_next(&now.desc, &next.desc, "did not rise");
	bed_init(&now);
	now.desc.node_count = 5;
	bed_move(&next);
	assert_int_equal(cluster_map_check_next(&now.desc, &next.desc, NULL), KV_OK); /* begun */
	next.epochs[0] = 1;
	expect_no_next(&now.desc, &next.desc, "did not rise");
}

/* ---- as bytes ---- */

static void an_image_is_the_map(void **state)
{
	struct bed b;
	bed_move(&b);
	b.nodes[3].state = NODE_JOINING;
	b.nodes[1].leave_staged = true;
	b.nodes[2].state = NODE_LEAVING;
	b.nodes[2].keep_staged = true;
	b.nodes[2].zone = slice_str("z");
	b.desc.name = slice_str("name");
	b.desc.paused = true;
	b.desc.token_count = 1;
	b.desc.tokens[0] = (struct map_token){5, 6};
	CLEANUP(buf_release) struct buf bytes = BUF_INIT, again = BUF_INIT;
	map_image_encode(&b.desc, &bytes);
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(1 << 20);
	struct map_desc read;
	assert_true(map_image_decode(buf_slice(&bytes), &arena, &read));
	map_image_encode(&read, &again);
	assert_slice_equal(buf_slice(&bytes), buf_slice(&again));
	assert_int_equal(cluster_map_check(&read, NULL), KV_OK);
	assert_int_equal(read.moves[0].new_row[2], 4);
	assert_int_equal(read.tokens[0].expires_ms, 6);
	assert_true(read.nodes[1].leave_staged && !read.nodes[1].keep_staged);
	assert_true(read.nodes[2].keep_staged && !read.nodes[2].leave_staged);
	assert_int_equal(map_image_hash(&read), map_image_hash(&b.desc));
	b.desc.epoch++;
	assert_true(map_image_hash(&read) != map_image_hash(&b.desc));
}

static void a_cut_or_longer_image_is_refused(void **state)
{
	struct bed b;
	bed_move(&b);
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	map_image_encode(&b.desc, &bytes);
	buf_append_u8(&bytes, 0);
	for (size_t size = 0; size <= bytes.size; size++) {
		CLEANUP(arena_release) struct arena arena = ARENA_INIT(1 << 20);
		struct map_desc read;
		bool whole = size == bytes.size - 1;
		assert_int_equal(map_image_decode(slice_of(bytes.data, size), &arena, &read), whole);
	}
}

static void a_damaged_image_does_no_harm(void **state)
{
	struct bed b;
	struct rng rng;
	rng_init(&rng, 1);
	bed_move(&b);
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	map_image_encode(&b.desc, &bytes);
	for (uint32_t i = 0; i < 20000; i++) {
		CLEANUP(arena_release) struct arena arena = ARENA_INIT(4 << 20);
		CLEANUP(buf_release) struct buf damaged = BUF_INIT;
		struct map_desc read;
		buf_append_slice(&damaged, buf_slice(&bytes));
		for (uint32_t k = 0; k < 1 + i % 3; k++)
			damaged.data[rng_below(&rng, damaged.size)] = (uint8_t)rng_next(&rng);
		if (map_image_decode(buf_slice(&damaged), &arena, &read))
			(void)!cluster_map_check(&read, NULL);
	}
}

/* ---- voters ---- */

static void voters_are_as_many_as_there_are_nodes_for(void **state)
{
	struct bed b;
	node_id voters[VOTERS_MAX];
	bed_init(&b);
	static const uint32_t wanted[] = {0, 1, 1, 3, 3, 5, 5};
	b.desc.voter_count = 0;
	for (uint32_t nodes = 1; nodes <= 6; nodes++) {
		b.desc.node_count = nodes;
		assert_int_equal(voters_choose(&b.desc, NULL, voters), wanted[nodes]);
		for (uint32_t i = 0; i < wanted[nodes]; i++)
			assert_int_equal(voters[i], i);
	}
	b.nodes[0].state = NODE_LEAVING;
	b.nodes[1].state = NODE_STAGED;
	b.nodes[2].state = NODE_REMOVED;
	assert_int_equal(voters_choose(&b.desc, NULL, voters), 3);
	assert_int_equal(voters[0], 3);
}

static void voters_stay_unless_a_zone_or_a_live_node_is_won(void **state)
{
	struct bed b;
	node_id voters[VOTERS_MAX];
	bed_init(&b);
	b.desc.node_count = 4;
	b.desc.voters[0] = 1;
	b.desc.voters[1] = 2;
	b.desc.voters[2] = 3;
	assert_int_equal(voters_choose(&b.desc, NULL, voters), 3);
	assert_int_equal(voters[0], 1);
	assert_int_equal(voters[2], 3);
	bool fit[6] = {true, true, false, true, true, true};
	voters_choose(&b.desc, fit, voters);
	assert_int_equal(voters[0], 0);
	assert_int_equal(voters[1], 1);
	assert_int_equal(voters[2], 3);
	b.nodes[0].zone = slice_str("other");
	voters_choose(&b.desc, NULL, voters);
	assert_int_equal(voters[0], 0);
	memcpy(b.desc.voters, voters, sizeof voters);
	node_id again[VOTERS_MAX];
	voters_choose(&b.desc, NULL, again);
	assert_memory_equal(voters, again, 3 * sizeof voters[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_that_follows_the_rules_passes),
		cmocka_unit_test(each_broken_rule_is_named),
		cmocka_unit_test(it_owns_its_copy),
		cmocka_unit_test(each_broken_rule_of_moves_and_voters_is_named),
		cmocka_unit_test(a_moving_row_has_old_and_new_members),
		cmocka_unit_test(a_node_that_stays_counts_in_both_sets),
		cmocka_unit_test(rows_are_the_same_by_members_not_by_order),
		cmocka_unit_test(a_later_map_keeps_nodes_and_raises_epochs),
		cmocka_unit_test(a_move_that_begins_ends_or_is_another_raises_its_partitions_epoch),
		cmocka_unit_test(an_image_is_the_map),
		cmocka_unit_test(a_cut_or_longer_image_is_refused),
		cmocka_unit_test(a_damaged_image_does_no_harm),
		cmocka_unit_test(voters_are_as_many_as_there_are_nodes_for),
		cmocka_unit_test(voters_stay_unless_a_zone_or_a_live_node_is_won),
	};
	return test_run("cluster_map", tests);
}
