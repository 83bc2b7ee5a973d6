/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/cluster_health.h"

#define UP(name_)                                                                                                  \
	{                                                                                                          \
		.name = slice_str(name_), .member = true, .answers = true, .ready = true                           \
	}
#define DOWN(name_)                                                                                                \
	{                                                                                                          \
		.name = slice_str(name_), .member = true                                                           \
	}

static const struct health_row STAYS = {0};

/** Judges NODES with every partition on the first REPLICAS of them, and checks words and state. */
static void assert_verdict(const struct node_health *nodes, size_t count, uint32_t replicas,
			   enum cluster_state state, const char *words)
{
	static const uint16_t row[] = {0, 1, 2, 3, 4, 5, 6};
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	struct cluster_health h;
	cluster_health_init(&h, nodes, count, replicas);
	for (int i = 0; i < 16; i++)
		cluster_health_add_partition(&h, (struct health_row){row, replicas}, STAYS);
	cluster_health_judge(&h);
	cluster_health_words(&h, &text);
	assert_string_equal(buf_cstr(&text), words);
	assert_int_equal(h.state, state);
}

static void a_healthy_cluster_says_what_it_can_lose(void **state)
{
	(void)state;
	const struct node_health three[] = {UP("n1"), UP("n2"), UP("n3")};
	assert_verdict(three, 3, 3, CLUSTER_HEALTHY,
		       "3 of 3 nodes up; every key has 3 replicas; any 1 node can be lost");
	const struct node_health five[] = {UP("a"), UP("b"), UP("c"), UP("d"), UP("e")};
	assert_verdict(five, 5, 5, CLUSTER_HEALTHY,
		       "5 of 5 nodes up; every key has 5 replicas; any 2 nodes can be lost");
	const struct node_health one[] = {UP("n1")};
	assert_verdict(one, 1, 1, CLUSTER_HEALTHY,
		       "1 of 1 nodes up; every key has 1 replica; no further node can be lost");
}

static void a_wrong_clock_takes_a_node_out_of_strong_requests(void **state)
{
	(void)state;
	struct node_health nodes[] = {UP("n1"), UP("n2"), UP("n3")};
	nodes[1].clock_wrong = true;
	assert_verdict(
		nodes, 3, 3, CLUSTER_DEGRADED,
		"3 of 3 nodes up; n2 has a wrong clock and takes no part in strong requests; every key has 3 replicas; "
		"no further node can be lost");
	nodes[2] = (struct node_health)DOWN("n3");
	assert_verdict(
		nodes, 3, 3, CLUSTER_QUORUM_LOST,
		"2 of 3 nodes up; n3 is down; n2 has a wrong clock and takes no part in strong requests; strong requests "
		"are refused for keys in 16 of 16 partitions, which have no majority of their replicas; every key has 2 "
		"replicas of 3");
}

static void nodes_that_anybody_may_use_are_named(void **state)
{
	(void)state;
	struct node_health nodes[] = {UP("n1"), UP("n2"), UP("n3")};
	nodes[0].insecure = nodes[2].insecure = true;
	assert_verdict(
		nodes, 3, 3, CLUSTER_HEALTHY,
		"3 of 3 nodes up; every key has 3 replicas; any 1 node can be lost; n1 and n3 have insecure: true");
}

static void a_removed_node_counts_for_nothing_and_moves_are_told(void **state)
{
	(void)state;
	static const uint16_t row[] = {0, 1, 3};
	const struct node_health nodes[] = {UP("n1"), UP("n2"), {.name = slice_str("n3")}, UP("n4")};
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	struct cluster_health h;
	cluster_health_init(&h, nodes, 4, 3);
	h.moving = 2;
	cluster_health_add_partition(&h, (struct health_row){row, 3}, STAYS);
	cluster_health_judge(&h);
	cluster_health_words(&h, &text);
	assert_int_equal(h.state, CLUSTER_HEALTHY);
	assert_string_equal(buf_cstr(&text),
			    "3 of 3 nodes up; every key has 3 replicas; 2 partitions are moving to other nodes; "
			    "any 1 node can be lost");
}

/** Partition 1 of 2 moves from n1, n2, n3 to n1, n4, n5. */
static void judge_a_move(const struct node_health nodes[5], struct cluster_health *h)
{
	static const uint16_t row[] = {0, 1, 2}, next[] = {0, 3, 4};
	cluster_health_init(h, nodes, 5, 3);
	h->moving = 1;
	cluster_health_add_partition(h, (struct health_row){row, 3}, STAYS);
	cluster_health_add_partition(h, (struct health_row){row, 3}, (struct health_row){next, 3});
	cluster_health_judge(h);
}

static void a_move_needs_a_majority_of_both_rows(void **state)
{
	(void)state;
	struct node_health nodes[] = {UP("n1"), UP("n2"), UP("n3"), UP("n4"), UP("n5")};
	struct cluster_health h;
	judge_a_move(nodes, &h);
	assert_int_equal(h.state, CLUSTER_HEALTHY);
	assert_int_equal(h.losable, 1);
	nodes[3] = (struct node_health)DOWN("n4");
	judge_a_move(nodes, &h);
	assert_int_equal(h.state, CLUSTER_DEGRADED);
	assert_int_equal(h.losable, 0); /* without n5, the newcomers would have no majority */
	assert_int_equal(h.under_replicated, 0);
	nodes[4] = (struct node_health)DOWN("n5"); /* three of the five are up all the same */
	judge_a_move(nodes, &h);
	assert_int_equal(h.state, CLUSTER_QUORUM_LOST);
	assert_int_equal(h.without_quorum, 1);
	assert_int_equal(h.unreachable, 0);
}

static void moves_that_wait_are_told(void **state)
{
	(void)state;
	struct node_health nodes[] = {UP("n1"), UP("n2"), UP("n3"), UP("n4"), UP("n5")};
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	struct cluster_health h;
	judge_a_move(nodes, &h);
	h.waiting = 3;
	h.paused = true;
	cluster_health_words(&h, &text);
	assert_string_equal(
		buf_cstr(&text),
		"5 of 5 nodes up; every key has 3 replicas; 1 partition is moving to other nodes; "
		"3 partitions wait to move; moves are paused until kvctl cluster resume; any 1 node can be "
		"lost");
}

static void a_slow_disk_is_named_and_nothing_is_missing(void **state)
{
	(void)state;
	struct node_health nodes[] = {UP("n1"), UP("n2"), UP("n3")};
	nodes[0].disk_slow = true;
	nodes[1].unreached_by = 1;
	assert_verdict(
		nodes, 3, 3, CLUSTER_HEALTHY,
		"3 of 3 nodes up; n2 is not reached by every other node; n1 has a slow disk; every key has 3 replicas; "
		"any 1 node can be lost");
}

static void a_disk_that_is_nearly_full_is_named(void **state)
{
	(void)state;
	struct node_health nodes[] = {UP("n1"), UP("n2"), UP("n3")};
	nodes[2].disk_low = true;
	assert_verdict(
		nodes, 3, 3, CLUSTER_DEGRADED,
		"3 of 3 nodes up; n3 has a disk that is nearly full and refuses values that grow; every key has 3 "
		"replicas; any 1 node can be lost");
}

static void one_of_three_down_is_degraded(void **state)
{
	(void)state;
	struct node_health nodes[] = {UP("n1"), UP("n2"), DOWN("n3")};
	assert_verdict(nodes, 3, 3, CLUSTER_DEGRADED,
		       "2 of 3 nodes up; n3 is down; every key has 2 replicas of 3; no further node can be lost");
	nodes[2].hints_pending = 7;
	assert_verdict(nodes, 3, 3, CLUSTER_DEGRADED,
		       "2 of 3 nodes up; n3 is down; every key has 2 replicas of 3; 7 changes wait for delivery; "
		       "no further node can be lost");
}

static void two_of_three_down_is_a_lost_quorum(void **state)
{
	(void)state;
	const struct node_health nodes[] = {UP("n1"), DOWN("n2"), DOWN("n3")};
	assert_verdict(
		nodes, 3, 3, CLUSTER_QUORUM_LOST,
		"1 of 3 nodes up; n2 and n3 are down; strong requests are refused for keys in 16 of 16 partitions, "
		"which have no majority of their replicas; every key has 1 replica of 3");
}

static void all_replicas_down_is_said(void **state)
{
	(void)state;
	const struct node_health nodes[] = {DOWN("n1"), DOWN("n2"), DOWN("n3"), UP("n4")};
	assert_verdict(
		nodes, 4, 3, CLUSTER_QUORUM_LOST,
		"1 of 4 nodes up; n1, n2 and n3 are down; strong requests are refused for keys in 16 of 16 partitions, "
		"which have no majority of their replicas; keys in 16 partitions cannot be reached at all");
}

static void a_node_that_catches_up_is_named(void **state)
{
	(void)state;
	struct node_health nodes[] = {UP("n1"), UP("n2"), UP("n3")};
	nodes[2].hints_pending = 1;
	assert_verdict(
		nodes, 3, 3, CLUSTER_DEGRADED,
		"3 of 3 nodes up; every key has 3 replicas; n3 is being told what it missed; 1 change waits for "
		"delivery; any 1 node can be lost");
}

static void a_node_that_others_cannot_reach_is_named(void **state)
{
	(void)state;
	struct node_health nodes[] = {UP("n1"), UP("n2"), UP("n3")};
	nodes[1].seen_down_by = 1;
	assert_verdict(
		nodes, 3, 3, CLUSTER_DEGRADED,
		"3 of 3 nodes up; n2 is not reached by every other node; every key has 3 replicas; any 1 node can be "
		"lost");
	nodes[1] = (struct node_health){.name = slice_str("n2"), .member = true, .answers = true};
	assert_verdict(
		nodes, 3, 3, CLUSTER_DEGRADED,
		"2 of 3 nodes up; n2 does not serve requests yet; every key has 2 replicas of 3; no further node can be "
		"lost");
}

static void the_weakest_partition_decides(void **state)
{
	(void)state;
	const struct node_health nodes[] = {UP("n1"), UP("n2"), UP("n3"), DOWN("n4")};
	static const uint16_t whole[] = {0, 1, 2}, part[] = {1, 2, 3};
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	struct cluster_health h;
	cluster_health_init(&h, nodes, 4, 3);
	cluster_health_add_partition(&h, (struct health_row){whole, 3}, STAYS);
	cluster_health_add_partition(&h, (struct health_row){part, 3}, STAYS);
	cluster_health_judge(&h);
	cluster_health_words(&h, &text);
	assert_string_equal(buf_cstr(&text), "3 of 4 nodes up; n4 is down; every key has at least 2 replicas of 3; "
					     "no further node can be lost");
}

static void without_a_map_there_is_no_cluster(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	struct cluster_health h;
	cluster_health_init(&h, NULL, 0, 0);
	cluster_health_judge(&h);
	cluster_health_words(&h, &text);
	assert_int_equal(h.state, CLUSTER_NONE);
	assert_non_null(strstr(buf_cstr(&text), "kvctl cluster init"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_healthy_cluster_says_what_it_can_lose),
		cmocka_unit_test(a_wrong_clock_takes_a_node_out_of_strong_requests),
		cmocka_unit_test(nodes_that_anybody_may_use_are_named),
		cmocka_unit_test(a_removed_node_counts_for_nothing_and_moves_are_told),
		cmocka_unit_test(a_move_needs_a_majority_of_both_rows),
		cmocka_unit_test(moves_that_wait_are_told),
		cmocka_unit_test(a_slow_disk_is_named_and_nothing_is_missing),
		cmocka_unit_test(a_disk_that_is_nearly_full_is_named),
		cmocka_unit_test(one_of_three_down_is_degraded),
		cmocka_unit_test(two_of_three_down_is_a_lost_quorum),
		cmocka_unit_test(all_replicas_down_is_said),
		cmocka_unit_test(a_node_that_catches_up_is_named),
		cmocka_unit_test(a_node_that_others_cannot_reach_is_named),
		cmocka_unit_test(the_weakest_partition_decides),
		cmocka_unit_test(without_a_map_there_is_no_cluster),
	};
	return test_run("cluster_health", tests);
}
