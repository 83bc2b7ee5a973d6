/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strong operations by ballot whose messages are lost, late or overtaken.
 */
#include "tests/support/test.h"

#include "tests/unit/core_cluster.h"

#define STRONG(...) ((struct msg_request){.level = LEVEL_STRONG, __VA_ARGS__})

/** Node TO promises a ballot just above the clock, for nobody. */
static void promise_at(struct cluster *c, node_id to)
{
	struct msg m = replica_msg(c, OP_PREPARE, "k");
	m.replica.ballot = (struct version){clock_of(c, 0) + hlc_from_ms(1), 9};
	tell(c, 2, to, &m);
}

static void an_attempt_shown_dead_at_a_ballot_that_came_to_nothing_is_in_doubt(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 1, OP_PUT, "k", "v", STRONG(.ttl_ms = 300)), KV_OK);
	/* The attempt reaches node 2 only. */
	keep(c, ANY, 0, OP_PREPARE, FOR_REPLIES);
	ask(c, 0, OP_CAS, "k", "x", STRONG(.if_present = true, .deadline_ms = 2000));
	promise_at(c, 0);
	heal(c);
	drop(c, 0, 1, OP_ACCEPT, FOR_REQUESTS);
	drop(c, 2, 0, OP_ACCEPT, FOR_REPLIES);
	release_kept(c);
	assert_slice_equal(on_disk(c, 2, "k").value, slice_str("x"));
	/* The next ballot finds it dead at nodes 0 and 1, and the key expired; but its own accept comes too late. */
	drop(c, 0, 2, ANY, FOR_REQUESTS);
	keep(c, 1, 0, OP_PREPARE, FOR_REPLIES);
	uint64_t ballots = stats_of(c, 0).ballots;
	for (uint32_t i = 0; i < 100 && stats_of(c, 0).ballots == ballots; i++)
		pass(c, TICK_US);
	promise_at(c, 0);
	promise_at(c, 1);
	drop(c, 0, ANY, OP_PREPARE, FOR_REQUESTS);
	release_kept(c);
	assert_int_equal(c->answers, 1);
	/* A reader meets node 2 first. */
	drop(c, 1, 0, OP_READ, FOR_REQUESTS);
	drop(c, 1, 0, OP_PREPARE, FOR_REQUESTS);
	assert_reads(c, 1, "k", "x");
	pass(c, 2 * USEC_PER_SEC);
	assert_int_equal(c->answers, 3);
	assert_int_equal(c->result.status, KV_IN_DOUBT);
	cluster_free(c);
}

static void a_retry_that_heard_the_third_replica_late_goes_on(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg_request again = STRONG(.rid = {7, 1}, .t0 = clock_of(c, 0), .attempt = 1, .delta = 1);
	again.deadline_ms = 5000;
	crash(c, 1);
	start_node(c, 1, &c->map);
	pass(c, 2 * USEC_PER_SEC);
	/* Nodes 0 and 1 cannot tell, since node 1 has forgotten; nodes 0 and 2 can. */
	keep(c, 2, 0, OP_PREPARE, FOR_REPLIES);
	ask(c, 0, OP_ADD, "n", NULL, again);
	drop(c, 0, ANY, OP_ACCEPT, FOR_REQUESTS);
	release_kept(c);
	heal(c);
	pass(c, 3 * USEC_PER_SEC);
	assert_int_equal(c->answers, 1);
	assert_int_equal(c->result.status, KV_OK);
	cluster_free(c);
}

static void a_time_to_live_counts_from_the_write_not_from_the_promise(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 1, OP_PUT, "k", "v", strong), KV_OK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(call(c, 0, OP_CAS, "k", "v", STRONG(.if_present = true)), KV_OK);
	pass(c, 900 * USEC_PER_MSEC);
	assert_int_equal(call(c, 0, OP_CAS, "k", "x", STRONG(.if_present = true, .ttl_ms = 500)), KV_OK);
	assert_reads(c, 0, "k", "x");
	cluster_free(c);
}

static void a_fence_that_refused_once_refuses_again(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	/* Fence 9 reaches node 0 only. */
	drop(c, 0, ANY, OP_ACCEPT, FOR_REQUESTS);
	ask(c, 0, OP_PUT, "k", "nine", STRONG(.fence = 9, .deadline_ms = 200));
	drop(c, 0, ANY, OP_PREPARE, FOR_REQUESTS);
	drop(c, 0, ANY, OP_PUSH, FOR_REQUESTS);
	pass(c, 300 * USEC_PER_MSEC);
	assert_int_equal(c->result.status, KV_IN_DOUBT);
	heal(c);
	/* Another write replaces its value there. */
	assert_int_equal(call(c, 1, OP_PUT, "k", "w", strong), KV_OK);
	assert_reads(c, 0, "k", "w");
	run(c);
	assert_slice_equal(on_disk(c, 0, "k").value, slice_str("w"));
	drop(c, 2, 0, OP_PREPARE, FOR_REPLIES);
	enum kv_status first = call(c, 0, OP_PUT, "k", "eight", STRONG(.fence = 8));
	heal(c);
	drop(c, 0, 1, OP_PREPARE, FOR_REPLIES);
	enum kv_status second = call(c, 1, OP_PUT, "k", "eight", STRONG(.fence = 8));
	assert_int_equal(first, KV_CONDITION_FAILED);
	assert_int_equal(second, KV_CONDITION_FAILED);
	cluster_free(c);
}

static void a_retry_that_waits_for_its_time_keeps_nobody_waiting(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg_request again = STRONG(.rid = {7, 1}, .t0 = clock_of(c, 0), .attempt = 1, .delta = 1);
	ask(c, 0, OP_ADD, "n", NULL, again);
	assert_int_equal(c->answers, 0);
	ask(c, 0, OP_ADD, "n", NULL, STRONG(.delta = 1));
	assert_int_equal(c->answers, 1);
	pass(c, 500 * USEC_PER_MSEC);
	assert_int_equal(c->answers, 2);
	assert_int_equal(c->result.status, KV_OK);
	assert_reads(c, 1, "n", "2");
	cluster_free(c);
}

static void a_strong_read_between_a_promise_and_a_silent_replica_goes_by_ballot(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record((struct version){clock_of(c, 0), 1}, "v");
	tell(c, 2, 2, &push);
	promise_at(c, 1);
	run(c);
	/* Node 1 may not copy what node 2 has, and node 0 says nothing but does not count as down yet. */
	drop(c, 1, 0, ANY, FOR_REQUESTS);
	assert_reads(c, 1, "k", "v");
	cluster_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attempt_shown_dead_at_a_ballot_that_came_to_nothing_is_in_doubt),
		cmocka_unit_test(a_retry_that_heard_the_third_replica_late_goes_on),
		cmocka_unit_test(a_time_to_live_counts_from_the_write_not_from_the_promise),
		cmocka_unit_test(a_fence_that_refused_once_refuses_again),
		cmocka_unit_test(a_retry_that_waits_for_its_time_keeps_nobody_waiting),
		cmocka_unit_test(a_strong_read_between_a_promise_and_a_silent_replica_goes_by_ballot),
	};
	return test_run("update", tests);
}
