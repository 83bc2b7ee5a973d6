/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strong writes on whole cores, one step at a time: conditions, sums, fences, and each request at most once.
 */
#include "tests/support/test.h"

#include "tests/unit/core_cluster.h"

#define STRONG(...) ((struct msg_request){.level = LEVEL_STRONG, __VA_ARGS__})

/** A client's request id and clock. */
#define FROM_CLIENT(c, number) .rid = {.client = 7, .seq = (number)}, .t0 = clock_of(c, 0) - 1

static void assert_value(const struct cluster *c, const char *text)
{
	assert_slice_equal(buf_slice(&c->value), slice_str(text));
}

static void conditions_are_judged_on_the_present_value(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	const struct msg_request if_absent = STRONG(.has_expected = true), if_present = STRONG(.if_present = true);
	assert_int_equal(call(c, 0, OP_CAS, "k", "one", if_present), KV_CONDITION_FAILED);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", if_absent), KV_OK);
	struct version one = c->result.version;
	assert_int_equal(call(c, 1, OP_PUT, "k", "two", if_absent), KV_CONDITION_FAILED);
	assert_true(version_equal(c->result.version, one));
	assert_int_equal(call(c, 1, OP_CAS, "k", "two", STRONG(.has_expected = true, .expected = one)), KV_OK);
	assert_int_equal(call(c, 2, OP_CAS, "k", "three", STRONG(.has_expected = true, .expected = one)),
			 KV_CONDITION_FAILED);
	uint64_t two = hash64(slice_str("two"));
	assert_int_equal(call(c, 2, OP_CAS, "k", "three", STRONG(.has_expected_hash = true, .expected_hash = two)),
			 KV_OK);
	assert_int_equal(call(c, 0, OP_DEL, "k", NULL, STRONG(.has_expected_hash = true, .expected_hash = two)),
			 KV_CONDITION_FAILED);
	assert_reads(c, 1, "k", "three");
	assert_int_equal(call(c, 0, OP_DEL, "k", NULL, if_present), KV_OK);
	assert_int_equal(call(c, 0, OP_DEL, "k", NULL, if_present), KV_CONDITION_FAILED);
	assert_int_equal(call(c, 0, OP_CAS, "k", "x", strong), KV_INVALID);
	assert_int_equal(call(c, 0, OP_PUT, "k", "x", (struct msg_request){.level = LEVEL_EVENTUAL, .fence = 1}),
			 KV_INVALID);
	cluster_free(c);
}

static void sums_and_concatenations_are_made_at_the_replicas_value(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_ADD, "n", NULL, STRONG(.delta = 5)), KV_OK);
	assert_value(c, "5");
	for (node_id i = 0; i < 3; i++)
		assert_int_equal(call(c, i, OP_ADD, "n", NULL, STRONG(.delta = -3)), KV_OK);
	assert_value(c, "-4");
	assert_reads(c, 2, "n", "-4");
	assert_int_equal(call(c, 0, OP_ADD, "n", NULL, STRONG(.delta = INT64_MIN)), KV_CONDITION_FAILED);
	assert_int_equal(call(c, 0, OP_APPEND, "n", "x", strong), KV_OK);
	assert_value(c, "3");
	assert_int_equal(call(c, 1, OP_ADD, "n", NULL, STRONG(.delta = 1)), KV_CONDITION_FAILED);
	assert_reads(c, 0, "n", "-4x");
	cluster_free(c);
}

/** How often node OF has answered node AT's rounds of that kind. */
static uint64_t answers(const struct cluster *c, node_id at, node_id of, enum replica_work work)
{
	return stats_of(c, at).peer_took[of][work].count;
}

/** Each answer was noted twice once. */
static void an_answer_of_a_replica_is_noted_once(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", strong), KV_OK);
	assert_int_equal(answers(c, 0, 1, REPLICA_WRITE), 1);
	assert_int_equal(answers(c, 0, 2, REPLICA_WRITE), 1);
	assert_int_equal(answers(c, 0, 0, REPLICA_WRITE), 0); /* oneself is no peer */
	assert_int_equal(answers(c, 0, 1, REPLICA_READ), 0);
	assert_reads(c, 0, "k", "one");
	assert_int_equal(answers(c, 0, 1, REPLICA_READ), 1);
	assert_int_equal(answers(c, 0, 1, REPLICA_WRITE), 1);
	assert_int_equal(answers(c, 1, 0, REPLICA_WRITE), 0); /* who is asked notes nothing */
	cluster_free(c);
}

static void a_key_written_again_and_again_needs_one_round_a_write(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(call(c, 0, OP_ADD, "n", NULL, STRONG(.delta = 1)), KV_OK);
	assert_value(c, "10");
	assert_true(stats_of(c, 0).ballots_ahead >= 7);
	/* Somebody else's ballot takes the promise back. */
	assert_int_equal(call(c, 1, OP_ADD, "n", NULL, STRONG(.delta = 1)), KV_OK);
	assert_value(c, "11");
	assert_int_equal(call(c, 0, OP_ADD, "n", NULL, STRONG(.delta = 1)), KV_OK);
	assert_value(c, "12");
	cluster_free(c);
}

static void a_fence_once_used_refuses_lower_ones(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "seven", STRONG(.fence = 7)), KV_OK);
	assert_int_equal(call(c, 1, OP_PUT, "k", "five", STRONG(.fence = 5)), KV_CONDITION_FAILED);
	/* Neither a put without a fence nor a delete nor an eventual put lets it be forgotten. */
	assert_int_equal(call(c, 2, OP_PUT, "k", "none", strong), KV_OK);
	assert_int_equal(call(c, 2, OP_DEL, "k", NULL, strong), KV_OK);
	assert_int_equal(call(c, 1, OP_PUT, "k", "weak", (struct msg_request){.level = LEVEL_EVENTUAL}), KV_OK);
	assert_int_equal(call(c, 1, OP_PUT, "k", "five", STRONG(.fence = 5)), KV_CONDITION_FAILED);
	assert_int_equal(call(c, 0, OP_PUT, "k", "again", STRONG(.fence = 7)), KV_OK);
	assert_int_equal(call(c, 0, OP_PUT, "k", "eight", STRONG(.fence = 8)), KV_OK);
	assert_reads(c, 1, "k", "eight");
	cluster_free(c);
}

static void a_retry_through_another_node_is_the_same_write(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, USEC_PER_SEC);
	const struct msg_request first = STRONG(FROM_CLIENT(c, 1), .delta = 1, .deadline_ms = 5000);
	struct msg_request again = first;
	again.attempt = 1;
	assert_int_equal(call(c, 0, OP_ADD, "n", NULL, first), KV_OK);
	struct version version = c->result.version;
	assert_int_equal(call(c, 2, OP_ADD, "n", NULL, STRONG(FROM_CLIENT(c, 2), .delta = 10)), KV_OK);
	for (node_id i = 0; i < 3; i++) {
		assert_int_equal(call(c, i, OP_ADD, "n", NULL, again), KV_OK);
		assert_value(c, "1");
		assert_true(version_equal(c->result.version, version));
	}
	assert_reads(c, 0, "n", "11");
	/* One whose first try never arrived is carried out by its retry. */
	again.rid.seq = 3;
	assert_int_equal(call(c, 1, OP_ADD, "n", NULL, again), KV_OK);
	assert_value(c, "12");
	cluster_free(c);
}

static void a_first_try_that_comes_after_its_retry_is_the_same_write(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, USEC_PER_SEC);
	const struct msg_request first = STRONG(FROM_CLIENT(c, 1), .delta = 1, .deadline_ms = 5000);
	struct msg_request again = first;
	again.attempt = 1;
	assert_int_equal(call(c, 1, OP_ADD, "n", NULL, again), KV_OK);
	struct version version = c->result.version;
	/* The node asked first was stopped for a while. It is at work on the key and holds the next ballot's promise. */
	pass(c, 3 * USEC_PER_SEC);
	for (int i = 0; i < 3; i++)
		assert_int_equal(call(c, 0, OP_ADD, "n", NULL, STRONG(.delta = 10)), KV_OK);
	assert_int_equal(call(c, 0, OP_ADD, "n", NULL, first), KV_OK);
	assert_value(c, "1");
	assert_true(version_equal(c->result.version, version));
	/* So late that nobody remembers: it may have been done. */
	pass(c, 20 * USEC_PER_SEC);
	assert_int_equal(call(c, 2, OP_PUT, "n", "0", strong), KV_OK);
	pass(c, 20 * USEC_PER_SEC);
	assert_int_equal(call(c, 0, OP_ADD, "n", NULL, first), KV_IN_DOUBT);
	assert_reads(c, 1, "n", "0");
	cluster_free(c);
}

static void what_was_told_expired_cannot_be_written_as_if_alive(void **state)
{
	for (int by_read = 0; by_read < 2; by_read++) {
		struct cluster *c = cluster_new(3, 0);
		assert_int_equal(call(c, 0, OP_PUT, "k", "short", STRONG(.ttl_ms = 500)), KV_OK);
		struct msg_request same =
			STRONG(.has_expected = true, .expected = c->result.version, .deadline_ms = 5000);
		/* The accept of a write that saw the value alive gets no further than its own node. */
		drop(c, 0, ANY, OP_ACCEPT, FOR_REQUESTS);
		ask(c, 0, OP_CAS, "k", "alive", same);
		drop(c, 0, ANY, OP_PREPARE, FOR_REQUESTS);
		pass(c, 700 * USEC_PER_MSEC);
		assert_int_equal(c->answers, 1);
		/* Others are told that it has ended, by the two nodes that know of nothing else. */
		drop(c, 0, ANY, OP_READ, FOR_REPLIES);
		drop(c, 0, ANY, OP_PREPARE, FOR_REPLIES);
		if (by_read)
			assert_int_equal(call(c, 1, OP_GET, "k", NULL, strong), KV_NOT_FOUND);
		else
			assert_int_equal(call(c, 1, OP_CAS, "k", "other", STRONG(.if_present = true)),
					 KV_CONDITION_FAILED);
		c->rule_count = 0;
		pass(c, 6 * USEC_PER_SEC);
		assert_reads(c, 2, "k", NULL);
		assert_reads(c, 0, "k", NULL);
		cluster_free(c);
	}
}

static void a_retry_of_a_failed_condition_fails_for_good(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, USEC_PER_SEC);
	struct msg_request again = STRONG(FROM_CLIENT(c, 1), .if_present = true, .attempt = 1, .deadline_ms = 5000);
	assert_int_equal(call(c, 0, OP_CAS, "k", "x", again), KV_CONDITION_FAILED);
	assert_int_equal(call(c, 1, OP_PUT, "k", "y", strong), KV_OK);
	assert_int_equal(call(c, 2, OP_CAS, "k", "x", again), KV_CONDITION_FAILED);
	assert_reads(c, 0, "k", "y");
	cluster_free(c);
}

/** A text too large for a node to keep its record in memory. */
static const char *large_text(void)
{
	static char text[2 * SLOT_RECORD_KEEP];
	memset(text, 'x', sizeof text - 1);
	return text;
}

static void a_condition_that_fails_after_an_attempt_buries_the_attempt(void **state)
{
	const struct msg_request if_present = STRONG(.if_present = true, .deadline_ms = 20000);
	struct cluster *c = cluster_new(3, 0);
	/* A put gets no further than node 0, where it stays. */
	drop(c, 0, ANY, OP_ACCEPT, FOR_REQUESTS);
	drop(c, 0, ANY, OP_PREPARE, FOR_REQUESTS);
	assert_int_equal(call(c, 0, OP_PUT, "k", large_text(), strong), KV_IN_DOUBT);
	/* A write on the condition that there is a value finds it there, and is accepted at node 0 only so far. */
	c->rule_count = 0;
	uint32_t before = c->answers;
	keep(c, 0, ANY, OP_ACCEPT, FOR_REQUESTS);
	drop(c, 0, 2, OP_PREPARE, FOR_REQUESTS);
	ask(c, 0, OP_CAS, "k", large_text(), if_present);
	/* Nodes 1 and 2, which know of nothing, promise a higher ballot. */
	drop(c, 1, 0, OP_PREPARE, FOR_REQUESTS);
	assert_int_equal(call(c, 1, OP_CAS, "k", "y", if_present), KV_CONDITION_FAILED);
	assert_int_equal(c->answers, before + 1);
	/* So they refuse. They answer the next ballot before node 0's disk does, and on what they know the condition fails. */
	c->rule_count = 0;
	c->nodes[0].hold_reads = true;
	release_kept(c);
	for (uint32_t k = 0; k < 100 && c->answers == before + 1; k++)
		pass(c, TICK_US);
	assert_int_equal(c->answers, before + 2);
	assert_int_equal(c->result.status, KV_CONDITION_FAILED);
	c->nodes[0].hold_reads = false;
	pass(c, USEC_PER_SEC);
	for (node_id i = 0; i < 3; i++)
		assert_reads(c, i, "k", NULL);
	cluster_free(c);
}

static void an_outcome_is_told_and_made_final(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, USEC_PER_SEC);
	struct msg_request write = STRONG(FROM_CLIENT(c, 1), .deadline_ms = 5000);
	assert_int_equal(call(c, 0, OP_PUT, "k", "x", write), KV_OK);
	struct version version = c->result.version;
	struct msg_request what = write;
	assert_int_equal(call(c, 1, OP_OUTCOME, "k", NULL, what), KV_OK);
	assert_int_equal(c->result.outcome, OUTCOME_COMMITTED);
	assert_true(version_equal(c->result.version, version));
	/* One that never came is told not to be applied, and then is not. */
	what.rid.seq = 2;
	assert_int_equal(call(c, 1, OP_OUTCOME, "k", NULL, what), KV_OK);
	assert_int_equal(c->result.outcome, OUTCOME_NOT_APPLIED);
	what.attempt = 1;
	assert_int_equal(call(c, 2, OP_PUT, "k", "late", what), KV_CONDITION_FAILED);
	assert_reads(c, 0, "k", "x");
	/* Too long ago to tell. */
	what.attempt = 0;
	what.rid.seq = 3;
	what.t0 = 1;
	assert_int_equal(call(c, 1, OP_OUTCOME, "k", NULL, what), KV_OK);
	assert_int_equal(c->result.outcome, OUTCOME_EXPIRED);
	cluster_free(c);
}

static void writes_of_one_node_on_one_key_take_turns(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	for (int i = 0; i < 50; i++)
		ask(c, 0, OP_ADD, "n", NULL, STRONG(.delta = 1));
	for (uint32_t k = 0; k < 200 && c->answers < 50; k++)
		pass(c, TICK_US);
	assert_int_equal(c->answers, 50);
	assert_int_equal(stats_of(c, 0).ballot_retries, 0);
	assert_reads(c, 1, "n", "50");
	cluster_free(c);
}

static void lanes_keep_the_lineage_short(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, USEC_PER_SEC);
	for (uint64_t i = 0; i < 20; i++) {
		struct msg_request add = STRONG(FROM_CLIENT(c, REQUEST_LANE | (i / 2 + 1)), .delta = 1);
		add.rid.client = 100 + i % 2;
		assert_int_equal(call(c, 0, OP_ADD, "n", NULL, add), KV_OK);
	}
	pass(c, 50 * USEC_PER_MSEC);
	assert_in_range(on_disk(c, 1, "n").lin_count, 1, 4);
	assert_true(version_is_none(on_disk(c, 1, "n").lin_floor));
	/* The client has moved on from an earlier request: its late retry is told nothing and does nothing. */
	struct msg_request old = STRONG(FROM_CLIENT(c, REQUEST_LANE | 2), .delta = 1, .attempt = 1);
	old.rid.client = 100;
	pass(c, MEM_AGE_US + USEC_PER_SEC);
	old.t0 = clock_of(c, 0) - 1;
	assert_int_equal(call(c, 1, OP_ADD, "n", NULL, old), KV_IN_DOUBT);
	assert_reads(c, 2, "n", "20");
	cluster_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_are_judged_on_the_present_value),
		cmocka_unit_test(sums_and_concatenations_are_made_at_the_replicas_value),
		cmocka_unit_test(an_answer_of_a_replica_is_noted_once),
		cmocka_unit_test(a_key_written_again_and_again_needs_one_round_a_write),
		cmocka_unit_test(a_fence_once_used_refuses_lower_ones),
		cmocka_unit_test(a_retry_through_another_node_is_the_same_write),
		cmocka_unit_test(a_first_try_that_comes_after_its_retry_is_the_same_write),
		cmocka_unit_test(what_was_told_expired_cannot_be_written_as_if_alive),
		cmocka_unit_test(a_retry_of_a_failed_condition_fails_for_good),
		cmocka_unit_test(a_condition_that_fails_after_an_attempt_buries_the_attempt),
		cmocka_unit_test(an_outcome_is_told_and_made_final),
		cmocka_unit_test(writes_of_one_node_on_one_key_take_turns),
		cmocka_unit_test(lanes_keep_the_lineage_short),
	};
	return test_run("core_strong", tests);
}
