/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "server/verdict.h"

enum { NODES = 4, PARTITIONS = 16, REPLICAS = 3 };

static struct map_node map_nodes[NODES];
static node_id rows[PARTITIONS * REPLICAS];
static struct map_desc map;
static struct verdict_node nodes[NODES_MAX];
static struct verdict verdict;

/** Four nodes, the last one staged; every partition on the first three. */
static int build(void **state)
{
	static const char *const names[] = {"n1", "n2", "n3", "n4"};
	for (node_id i = 0; i < NODES; i++) {
		map_nodes[i] = (struct map_node){
			.index = i, .state = i < 3 ? NODE_NORMAL : NODE_STAGED, .name = slice_str(names[i])};
		nodes[i] = (struct verdict_node){.serves = i < 3};
	}
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		rows[i] = (node_id)(i % REPLICAS);
	map = (struct map_desc){.partitions = PARTITIONS,
				.replicas = REPLICAS,
				.node_count = NODES,
				.nodes = map_nodes,
				.rows = rows};
	return 0;
}

static void assert_words(const char *expected)
{
	CLEANUP(buf_release) struct buf words = BUF_INIT;
	verdict_judge(&map, nodes, &verdict);
	verdict_words(&verdict, &map, nodes, &words);
	assert_string_equal(buf_cstr(&words), expected);
}

static void all_is_well(void **state)
{
	assert_words("3 of 3 nodes up; every key has its 3 replicas; any 1 node can be lost");
	assert_int_equal(verdict.state, VERDICT_HEALTHY);
}

static void a_dead_node_leaves_no_room_for_another(void **state)
{
	nodes[1] = (struct verdict_node){.serves = false, .hints_pending = 1};
	assert_words("2 of 3 nodes up; n2 is down; keys in 16 of 16 partitions have fewer than 3 replicas up; "
		     "1 change waits here for delivery; no further node can be lost");
	assert_int_equal(verdict.state, VERDICT_DEGRADED);
}

static void a_wrong_clock_takes_a_node_out_of_strong_requests(void **state)
{
	nodes[1].clock_wrong = true;
	assert_words(
		"3 of 3 nodes up; n2 has a wrong clock and takes no part in strong requests; every key has its 3 "
		"replicas; no further node can be lost");
	assert_int_equal(verdict.state, VERDICT_DEGRADED);
	nodes[2].serves = false;
	assert_words(
		"2 of 3 nodes up; n3 is down; n2 has a wrong clock and takes no part in strong requests; strong "
		"requests are refused for keys in 16 of 16 partitions");
	assert_int_equal(verdict.state, VERDICT_QUORUM_LOST);
	assert_int_equal(verdict.unreachable, 0);
}

static void two_dead_nodes_end_strong_requests(void **state)
{
	nodes[1].serves = nodes[2].serves = false;
	assert_words(
		"1 of 3 nodes up; n2 and n3 are down; strong requests are refused for keys in 16 of 16 partitions");
	assert_int_equal(verdict.state, VERDICT_QUORUM_LOST);
	nodes[0].serves = false;
	verdict_judge(&map, nodes, &verdict);
	assert_int_equal(verdict.unreachable, PARTITIONS);
}

static void what_is_behind_slow_or_cut_off_is_named(void **state)
{
	nodes[0].degraded = true;
	nodes[1].link_bad = true;
	nodes[2].partitions_dirty = 3;
	assert_words(
		"3 of 3 nodes up; n1 has a slow disk; n2 is alive and does not answer this node; every key has its 3 "
		"replicas; n3 is being told what it missed; any 1 node can be lost");
	assert_int_equal(verdict.state, VERDICT_DEGRADED);
	nodes[2].partitions_dirty = 0;
	verdict_judge(&map, nodes, &verdict);
	assert_int_equal(verdict.state, VERDICT_HEALTHY); /* slow, and nothing is missing */
}

static void a_move_needs_a_majority_of_both_rows(void **state)
{
	const struct map_move move = {
		.partition = 5, .old_count = 3, .new_count = 3, .old_row = {0, 1, 2}, .new_row = {0, 3, 2}};
	map.move_count = 1;
	map.moves = &move;
	map_nodes[3].state = NODE_JOINING;
	nodes[3].serves = true;
	assert_words(
		"4 of 4 nodes up; every key has its 3 replicas; 1 partition is moving; any 1 node can be lost");
	assert_int_equal(verdict.state, VERDICT_HEALTHY);
	nodes[3].serves = nodes[2].serves = false;
	verdict_judge(&map, nodes, &verdict);
	assert_int_equal(verdict.without_quorum, 1);
}

static void without_a_map_there_is_no_cluster(void **state)
{
	CLEANUP(buf_release) struct buf words = BUF_INIT;
	verdict_judge(NULL, nodes, &verdict);
	verdict_words(&verdict, NULL, nodes, &words);
	assert_int_equal(verdict.state, VERDICT_NO_CLUSTER);
	assert_string_equal(buf_cstr(&words), "in no cluster yet");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_is_well, build),
		cmocka_unit_test_setup(a_dead_node_leaves_no_room_for_another, build),
		cmocka_unit_test_setup(a_wrong_clock_takes_a_node_out_of_strong_requests, build),
		cmocka_unit_test_setup(two_dead_nodes_end_strong_requests, build),
		cmocka_unit_test_setup(what_is_behind_slow_or_cut_off_is_named, build),
		cmocka_unit_test_setup(a_move_needs_a_majority_of_both_rows, build),
		cmocka_unit_test_setup(without_a_map_there_is_no_cluster, build),
	};
	return test_run("verdict", tests);
}
