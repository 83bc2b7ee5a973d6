/* SPDX-License-Identifier: Apache-2.0 */
/* Hints while the nodes of the cluster and the replicas of partitions change, on whole cores. */
#include "tests/support/test.h"

#include "replication/core.h"
#include "tests/unit/core_cluster.h"

static const struct msg_request eventual_majority = {.level = LEVEL_EVENTUAL, .acks = ACKS_MAJORITY};

static uint32_t hint_rows(const struct cluster *c, node_id i)
{
	uint32_t count = 0;
	for (size_t k = 0; k < c->nodes[i].row_count; k++)
		count += c->nodes[i].rows[k].key.table == DISK_HINT;
	return count;
}

/** The next map gives node I another state; nobody has it yet. */
static void next_state(struct cluster *c, node_id i, enum node_state state)
{
	c->map_nodes[i].state = state;
	c->map.epoch++;
}

/** Node 2 is down, and node 0 keeps hints for it. */
static struct cluster *cluster_with_hints(uint32_t nodes, uint64_t hints_max)
{
	struct cluster *c = cluster_new(nodes, hints_max);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	static const char *const keys[] = {"a", "b", "c", "d", "e", "f"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_int_equal(call(c, 0, OP_PUT, keys[i], "v", eventual_majority), KV_OK);
	pass(c, USEC_PER_SEC);
	assert_true(hint_rows(c, 0) > 0);
	return c;
}

/* ---- the receiver ---- */

/** What node 0 grants node FROM. */
static uint32_t granted(struct cluster *c, node_id from, uint64_t pending)
{
	keep(c, 0, from, OP_HINT_OPEN, FOR_REPLIES);
	struct msg m = {.opcode = OP_HINT_OPEN, .id = 900000, .hint.pending = pending};
	tell(c, from, 0, &m);
	struct arena arena;
	uint32_t keys = kept_msg(c, &arena).hint.granted;
	arena_release(&arena);
	frames_free(&c->kept);
	c->rule_count--;
	return keys;
}

static void senders_share_the_budget_however_often_they_ask(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	uint32_t keys[3] = {0};
	for (uint32_t i = 0; i < 300; i++) {
		pass(c, TICK_US);
		for (uint32_t k = 0; k < 10; k++)
			keys[1] += granted(c, 1, UINT64_MAX);
		keys[2] += granted(c, 2, UINT64_MAX);
	}
	assert_true(keys[1] + keys[2] <= 4 * HINT_RATE_PER_SEC); /* three seconds, and what had gathered */
	assert_in_range(keys[2], HINT_RATE_PER_SEC, 4 * HINT_RATE_PER_SEC);
	assert_in_range(keys[1], keys[2] / 2, keys[2] * 2);
	cluster_free(c);
}

static void who_is_overloaded_grants_nothing(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, USEC_PER_SEC);
	assert_true(granted(c, 1, 10) > 0);
	pass(c, USEC_PER_SEC);
	c->nodes[0].core->health.value = HEALTH_MAX;
	assert_int_equal(granted(c, 1, 10), 0);
	pass(c, 10 * USEC_PER_SEC);
	assert_true(granted(c, 1, 10) > 0);
	cluster_free(c);
}

/* ---- age ---- */

/** A target that was away for longer than hints are kept is told by comparing whole partitions, and lacks nothing. */
static void hints_that_are_too_old_become_marks(void **state)
{
	struct cluster *c = cluster_with_hints(3, 0);
	uint64_t owed = stats_of(c, 0).hints_pending;
	assert_true(owed > 0);
	c->mono_us += HINT_AGE_MS * USEC_PER_MSEC;
	start_node(c, 2, &c->map);
	pass(c, 60 * USEC_PER_SEC);
	assert_int_equal(stats_of(c, 0).hints_expired, owed);
	assert_int_equal(stats_of(c, 0).hints_pending + stats_of(c, 0).partitions_dirty, 0);
	assert_int_equal(hint_rows(c, 0), 0);
	static const char *const keys[] = {"a", "b", "c", "d", "e", "f"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_slice_equal(on_disk(c, 2, keys[i]).value, slice_str("v"));
	cluster_free(c);
}

/* ---- nodes that go ---- */

static void what_is_owed_to_a_removed_node_goes_with_its_rows(void **state)
{
	struct cluster *c = cluster_with_hints(4, 1); /* one hint, and marks */
	assert_true(stats_of(c, 0).partitions_dirty > 0);
	next_state(c, 2, NODE_REMOVED);
	give_map_to_all(c);
	pass(c, USEC_PER_SEC);
	assert_int_equal(stats_of(c, 0).hints_pending + stats_of(c, 0).partitions_dirty, 0);
	assert_int_equal(hint_rows(c, 0), 0);
	assert_int_equal(call(c, 0, OP_PUT, "a", "w", eventual_majority), KV_OK); /* the row names it still */
	pass(c, USEC_PER_SEC);
	assert_int_equal(hint_rows(c, 0), 0);
	cluster_free(c);
}

/** Seed 93344 of changing clusters: a key hinted again during a pass counts twice until the next one, and there was none. */
static void a_count_that_is_too_high_does_not_outlive_the_hints(void **state)
{
	struct cluster *c = cluster_with_hints(4, 0);
	start_node(c, 2, &c->map);
	pass(c, 30 * USEC_PER_SEC);
	assert_int_equal(hint_rows(c, 0), 0);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	c->nodes[0].core->hints.targets[2]->pending = 1;
	next_state(c, 2, NODE_REMOVED);
	give_map_to_all(c);
	pass(c, USEC_PER_SEC);
	assert_int_equal(stats_of(c, 0).hints_pending, 0);
	cluster_free(c);
}

static void hints_found_at_start_for_a_removed_node_go_too(void **state)
{
	struct cluster *c = cluster_with_hints(4, 0);
	next_state(c, 2, NODE_REMOVED);
	crash(c, 0);
	start_node(c, 0, &c->map);
	pass(c, USEC_PER_SEC);
	assert_int_equal(hint_rows(c, 0), 0);
	cluster_free(c);
}

/* ---- replicas that change ---- */

static void a_new_member_is_owed_what_another_member_is(void **state)
{
	struct cluster *c = cluster_with_hints(4, 0);
	const node_id next[] = {0, 1, 3};
	assert_int_equal(stats_of(c, 0).partitions_dirty, 0);
	c->hold_moves = true;
	begin_move(c, next);
	give_map_to_all(c);
	uint16_t owed = data_key("a").partition;
	assert_true(hints_is_dirty(c->nodes[0].core->hints.targets[3], owed));
	assert_true(hints_owe(c->nodes[0].core, owed));
	/* Only where something is owed. */
	assert_true(stats_of(c, 0).partitions_dirty < PARTITIONS);
	cluster_free(c);
}

/** Moves all partitions from node 0 to node 3. */
static void replace_node_0(struct cluster *c)
{
	const node_id next[] = {3, 1, 2};
	c->hold_moves = true;
	begin_move(c, next);
	c->map_nodes[0].state = NODE_LEAVING;
	give_map_to_all(c);
	join(c, 3, clock_of(c, 0));
	pass(c, USEC_PER_SEC);
	end_move(c);
	c->hold_moves = false;
	give_map_to_all(c);
}

static void a_node_that_leaves_hands_on_what_it_owes_to_a_node_that_is_down(void **state)
{
	struct cluster *c = cluster_with_hints(4, 0);
	assert_false(hints_are_drained(c->nodes[0].core));
	replace_node_0(c);
	for (uint32_t i = 0; i < 60 && !hints_are_drained(c->nodes[0].core); i++)
		pass(c, USEC_PER_SEC);
	assert_true(hints_are_drained(c->nodes[0].core));
	pass(c, USEC_PER_SEC); /* others hear of it */
	assert_int_equal(hint_rows(c, 0), 0);
	assert_true(hint_rows(c, 1) + hint_rows(c, 3) > 0);
	assert_true(c->nodes[1].core->detector.peers[0].drained);
	crash(c, 0); /* it is gone for good */
	start_node(c, 2, &c->map);
	for (uint32_t i = 0; i < 60 && hint_rows(c, 1) + hint_rows(c, 3) > 0; i++)
		pass(c, USEC_PER_SEC);
	assert_slice_equal(on_disk(c, 2, "a").value, slice_str("v"));
	assert_slice_equal(on_disk(c, 2, "f").value, slice_str("v"));
	assert_int_equal(hint_rows(c, 1) + hint_rows(c, 3), 0);
	cluster_free(c);
}

/** Who owes no hints may still be the only one that has eventual writes of the partitions it is leaving. */
static void a_heartbeat_does_not_say_drained_because_no_hints_are_left(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	pass(c, USEC_PER_SEC);
	assert_int_equal(hints_pending(c->nodes[0].core, 2), 0);
	assert_false(c->nodes[1].core->detector.peers[0].drained);
	const node_id next[] = {3, 1, 2};
	c->hold_moves = true;
	begin_move(c, next);
	c->map_nodes[0].state = NODE_LEAVING;
	give_map_to_all(c);
	pass(c, USEC_PER_SEC);
	assert_false(hints_are_drained(c->nodes[0].core));
	assert_false(c->nodes[1].core->detector.peers[0].drained);
	cluster_free(c);
}

static void a_node_that_leaves_delivers_what_it_owes(void **state)
{
	struct cluster *c = cluster_with_hints(4, 0);
	drop(c, 0, 2, OP_HINT_OPEN, FOR_BOTH);
	start_node(c, 2, &c->map);
	pass(c, 3 * USEC_PER_SEC);
	replace_node_0(c);
	pass(c, 5 * USEC_PER_SEC);
	assert_false(hints_are_drained(c->nodes[0].core)); /* node 2 is up: nobody else is asked to */
	heal(c);
	for (uint32_t i = 0; i < 60 && !hints_are_drained(c->nodes[0].core); i++)
		pass(c, USEC_PER_SEC);
	assert_true(hints_are_drained(c->nodes[0].core));
	assert_slice_equal(on_disk(c, 2, "a").value, slice_str("v"));
	cluster_free(c);
}

static void a_mark_is_taken_by_members_only_and_once_it_is_durable(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	uint16_t partition = data_key("a").partition;
	struct msg m = {.opcode = OP_HINT_OPEN, .id = 900000, .hint = {.mark = true, .partition = partition}};
	struct arena arena;
	static const struct {
		node_id at, target;
		bool hold;
		uint32_t granted;
	} cases[] = {{3, 2, false, 0}, {0, 3, false, 0}, {0, 0, false, 0}, {0, 2, true, 0}, {0, 2, false, 1}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		c->nodes[cases[i].at].hold_writes = cases[i].hold;
		run(c);
		keep(c, cases[i].at, 1, OP_HINT_OPEN, FOR_REPLIES);
		m.hint.target = cases[i].target;
		tell(c, 1, cases[i].at, &m);
		assert_int_equal(kept_msg(c, &arena).hint.granted, cases[i].granted);
		arena_release(&arena);
		frames_free(&c->kept);
		c->rule_count--;
	}
	assert_int_equal(stats_of(c, 0).partitions_dirty, 1);
	assert_int_equal(stats_of(c, 3).partitions_dirty, 0);
	cluster_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(senders_share_the_budget_however_often_they_ask),
		cmocka_unit_test(who_is_overloaded_grants_nothing),
		cmocka_unit_test(hints_that_are_too_old_become_marks),
		cmocka_unit_test(what_is_owed_to_a_removed_node_goes_with_its_rows),
		cmocka_unit_test(a_count_that_is_too_high_does_not_outlive_the_hints),
		cmocka_unit_test(hints_found_at_start_for_a_removed_node_go_too),
		cmocka_unit_test(a_new_member_is_owed_what_another_member_is),
		cmocka_unit_test(a_node_that_leaves_hands_on_what_it_owes_to_a_node_that_is_down),
		cmocka_unit_test(a_heartbeat_does_not_say_drained_because_no_hints_are_left),
		cmocka_unit_test(a_node_that_leaves_delivers_what_it_owes),
		cmocka_unit_test(a_mark_is_taken_by_members_only_and_once_it_is_durable),
	};
	return test_run("hints", tests);
}
