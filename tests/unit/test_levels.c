/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions, bounded reads and receipts on whole cores.
 */
#include "tests/support/test.h"

#include "replication/session.h"
#include "tests/unit/core_cluster.h"

static const struct msg_request eventual = {0}, session = {.level = LEVEL_SESSION};

/** A session request with the token of the last answer. */
static struct msg_request carry_on(const struct cluster *c)
{
	return (struct msg_request){.level = LEVEL_SESSION, .session = buf_slice(&c->token)};
}

static struct msg_request bounded(uint32_t ms)
{
	return (struct msg_request){.level = LEVEL_BOUNDED, .staleness_ms = ms, .receipt_wanted = true};
}

/** What the last answer's token says of KEY. */
static struct version seen(const struct cluster *c, const char *key)
{
	struct session s;
	const char *why;
	uint64_t hash = session_key_hash(0, slice_str(key));
	assert_int_equal(session_decode(buf_slice(&c->token), hash, &s, &why), KV_OK);
	return s.seen;
}

static void assert_value(const struct cluster *c, const char *value)
{
	assert_int_equal(c->result.status, KV_OK);
	assert_slice_equal(buf_slice(&c->value), slice_str(value));
}

/** "old" is everywhere, "new" not on node 2; a session has written it. The session's request is in RET. */
static struct cluster *cluster_with_a_stale_node(struct msg_request *ret)
{
	struct cluster *c = cluster_new(4, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "old", eventual), KV_OK);
	drop(c, 0, 2, OP_PUSH, FOR_REQUESTS);
	assert_int_equal(call(c, 0, OP_PUT, "k", "new", session), KV_OK);
	assert_slice_equal(on_disk(c, 2, "k").value, slice_str("old"));
	*ret = carry_on(c);
	return c;
}

/* ---- session ---- */

static void a_session_write_answers_a_token_with_its_version(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", session), KV_OK);
	assert_true(version_equal(seen(c, "k"), on_disk(c, 0, "k").ver));
	assert_int_equal(call(c, 0, OP_DEL, "k", NULL, carry_on(c)), KV_OK);
	assert_true(version_equal(seen(c, "k"), on_disk(c, 0, "k").ver));
	/* Nothing is there, and the session remembers what it deleted. */
	assert_int_equal(call(c, 1, OP_GET, "k", NULL, carry_on(c)), KV_NOT_FOUND);
	assert_true(version_equal(seen(c, "k"), on_disk(c, 0, "k").ver));
	cluster_free(c);
}

static void a_key_that_never_was_has_no_entry(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, session), KV_NOT_FOUND);
	assert_true(version_is_none(seen(c, "k")));
	assert_int_equal(c->token.size, SESSION_HEAD_SIZE);
	cluster_free(c);
}

static void a_stale_node_asks_others_for_a_session_and_repairs_itself(void **state)
{
	struct msg_request more;
	struct cluster *c = cluster_with_a_stale_node(&more);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, eventual), KV_OK);
	assert_value(c, "old");
	more.session = buf_slice(&c->token); /* an eventual read answers none */
	assert_int_equal(more.session.size, 0);
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, session), KV_OK);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, carry_on(c)), KV_OK);
	assert_value(c, "new");
	heal(c);
	pass(c, USEC_PER_SEC);
	assert_slice_equal(on_disk(c, 2, "k").value, slice_str("new"));
	cluster_free(c);
}

static void a_session_waits_until_the_write_arrives(void **state)
{
	struct msg_request more;
	struct cluster *c = cluster_with_a_stale_node(&more);
	c->rule_count = 0;
	keep(c, 2, 0, ANY, FOR_BOTH);
	keep(c, 2, 1, ANY, FOR_BOTH);
	uint32_t before = c->answers;
	struct buf token = {0};
	buf_append_slice(&token, more.session);
	more.session = buf_slice(&token);
	more.deadline_ms = 5000;
	ask(c, 2, OP_GET, "k", NULL, more);
	pass(c, 3 * USEC_PER_SEC); /* long enough to be called down */
	assert_int_equal(c->answers, before);
	/* The write itself comes late. */
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = on_disk(c, 0, "k");
	tell(c, 0, 2, &push);
	run(c);
	pass(c, USEC_PER_SEC);
	assert_int_equal(c->answers, before + 1);
	assert_value(c, "new");
	buf_release(&token);
	cluster_free(c);
}

static void a_session_is_never_answered_something_older(void **state)
{
	struct msg_request more;
	struct cluster *c = cluster_with_a_stale_node(&more);
	drop(c, 2, 0, ANY, FOR_BOTH);
	drop(c, 2, 1, ANY, FOR_BOTH);
	usec_t asked_us = c->mono_us;
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, more), KV_UNAVAILABLE);
	assert_true(c->result.try_other);
	assert_false(c->result.in_doubt);
	assert_true(c->mono_us - asked_us >= 900 * USEC_PER_MSEC); /* it waited as long as it might */
	cluster_free(c);
}

static void a_token_passes_through_a_node_that_is_no_replica(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	assert_int_equal(call(c, 3, OP_PUT, "k", "one", session), KV_OK);
	assert_true(version_equal(seen(c, "k"), on_disk(c, 0, "k").ver));
	assert_int_equal(call(c, 3, OP_GET, "k", NULL, carry_on(c)), KV_OK);
	assert_value(c, "one");
	assert_true(version_equal(seen(c, "k"), on_disk(c, 0, "k").ver));
	assert_true(c->result.staleness_ms > 0);
	cluster_free(c);
}

static void a_session_that_forgot_asks_all_replicas(void **state)
{
	struct msg_request more;
	struct cluster *c = cluster_with_a_stale_node(&more);
	static const uint8_t forgot[SESSION_HEAD_SIZE] = {1, 1};
	more.session = slice_of(forgot, sizeof forgot);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, more), KV_OK);
	assert_value(c, "new");
	/* If one of them cannot be asked, the answer may be the one that is missed. */
	drop(c, 1, 2, OP_READ, FOR_REPLIES);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, more), KV_UNAVAILABLE);
	assert_true(c->result.try_other);
	cluster_free(c);
}

static void keys_of_one_tag_are_different_keys_of_a_session(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "{t}a", "a", eventual), KV_OK);
	assert_int_equal(call(c, 0, OP_PUT, "{t}b", "b", session), KV_OK);
	assert_int_equal(call(c, 0, OP_GET, "{t}a", NULL, carry_on(c)), KV_OK);
	assert_value(c, "a");
	cluster_free(c);
}

static void a_session_orders_its_own_writes(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[0].wall_us = 400 * USEC_PER_MSEC; /* its clock is ahead, and no message has told the others */
	for (node_id i = 1; i < 3; i++)
		drop(c, 0, i, ANY, FOR_BOTH);
	assert_int_equal(call(c, 0, OP_PUT, "k", "first", session), KV_OK);
	struct version first = seen(c, "k");
	assert_int_equal(call(c, 1, OP_PUT, "k", "second", carry_on(c)), KV_OK);
	assert_true(version_less(first, seen(c, "k")));
	cluster_free(c);
}

static void a_write_with_a_time_below_its_session_is_refused(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg_request write = {.level = LEVEL_SESSION, .rid = {1, 1}, .t0 = clock_of(c, 0) - hlc_from_ms(5)};
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", write), KV_OK);
	struct version first = seen(c, "k");
	write.session = buf_slice(&c->token);
	/* The same write again is the same write. */
	assert_int_equal(call(c, 1, OP_PUT, "k", "one", write), KV_OK);
	assert_true(version_equal(first, seen(c, "k")));
	write.session = buf_slice(&c->token);
	write.rid.seq = 2;
	write.t0 -= 1;
	assert_int_equal(call(c, 1, OP_PUT, "k", "two", write), KV_INVALID);
	assert_false(c->result.in_doubt);
	cluster_free(c);
}

static void what_does_not_fit_its_level_is_refused(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg_request bad = {.level = LEVEL_SESSION, .session = slice_str("nonsense")};
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, bad), KV_INVALID);
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, bounded(0)), KV_INVALID);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", bounded(1000)), KV_INVALID);
	cluster_free(c);
}

/* ---- bounded ---- */

static void a_bounded_read_is_served_by_an_own_copy_that_is_fresh_enough(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", eventual), KV_OK);
	pass(c, 2 * USEC_PER_SEC);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, bounded(1000)), KV_OK);
	assert_value(c, "one");
	assert_int_equal(c->result.receipt.acks, 1);
	assert_in_range(c->result.staleness_ms, 1, 1000);
	assert_int_equal(c->result.receipt.staleness_ms, c->result.staleness_ms);
	assert_int_equal(c->result.receipt.achieved, LEVEL_BOUNDED);
	/* Heartbeats are half a second apart: nobody can promise 1 ms without asking. */
	pass(c, 100 * USEC_PER_MSEC);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, bounded(1)), KV_OK);
	assert_true(c->result.receipt.acks >= 2);
	assert_int_equal(c->result.staleness_ms, 1);
	cluster_free(c);
}

static void a_silent_peer_sends_bounded_reads_to_a_majority(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, 2 * USEC_PER_SEC);
	drop(c, 1, 2, OP_HEARTBEAT, FOR_BOTH);
	drop(c, 1, 0, OP_PUSH, FOR_REPLIES);
	/* Node 1 coordinates a write that node 2 does not get. */
	drop(c, 1, 2, OP_PUSH, FOR_REQUESTS);
	assert_int_equal(call(c, 1, OP_PUT, "k", "new", eventual), KV_OK);
	pass(c, 1500 * USEC_PER_MSEC);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, eventual), KV_NOT_FOUND);
	assert_true(c->result.staleness_ms > 1000);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, bounded(1000)), KV_OK);
	assert_value(c, "new");
	assert_true(c->result.receipt.acks >= 1);
	cluster_free(c);
}

static void a_write_that_waits_as_a_hint_holds_the_bound_back(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, 2 * USEC_PER_SEC);
	drop(c, 0, 2, OP_PUSH, FOR_REQUESTS);
	assert_int_equal(call(c, 0, OP_PUT, "k", "new", eventual), KV_OK);
	pass(c, 3 * USEC_PER_SEC); /* heartbeats and pings pass, the hint's push does not */
	assert_true(stats_of(c, 0).hints_pending > 0);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, eventual), KV_NOT_FOUND);
	assert_true(c->result.staleness_ms > 3000);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, bounded(2000)), KV_OK);
	assert_value(c, "new");
	/* Once it is delivered, the own copy serves again. */
	heal(c);
	pass(c, 8 * USEC_PER_SEC);
	assert_int_equal(stats_of(c, 0).hints_pending, 0);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, bounded(1000)), KV_OK);
	assert_value(c, "new");
	assert_int_equal(c->result.receipt.acks, 1);
	cluster_free(c);
}

static void a_dirty_partition_holds_the_bound_back(void **state)
{
	struct cluster *c = cluster_new(3, 1);
	pass(c, 2 * USEC_PER_SEC);
	drop(c, 0, 2, OP_PUSH, FOR_REQUESTS);
	assert_int_equal(call(c, 0, OP_PUT, "a", "new", eventual), KV_OK);
	pass(c, USEC_PER_SEC);
	assert_int_equal(call(c, 0, OP_PUT, "k", "new", eventual), KV_OK);
	pass(c, 2 * USEC_PER_SEC);
	assert_int_equal(stats_of(c, 0).partitions_dirty, 1);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, bounded(1500)), KV_OK);
	assert_value(c, "new");
	assert_true(c->result.receipt.acks >= 2);
	cluster_free(c);
}

static void a_wrong_clock_makes_no_copy_fresher(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, 2 * USEC_PER_SEC);
	drop(c, 0, 2, OP_PUSH, FOR_REQUESTS);
	assert_int_equal(call(c, 0, OP_PUT, "k", "new", eventual), KV_OK);
	pass(c, 700 * USEC_PER_MSEC);
	c->nodes[0].wall_us -= 600 * USEC_PER_SEC; /* its hybrid clock all but stands still from now on */
	pass(c, 4 * USEC_PER_SEC);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, eventual), KV_NOT_FOUND);
	assert_true(c->result.staleness_ms > 4000);
	cluster_free(c);
}

static void after_a_restart_a_key_is_checked_with_a_majority_once(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, 2 * USEC_PER_SEC);
	/* Node 0 acknowledges a write that nodes 0 and 1 have, and dies before it leaves a hint. */
	drop(c, 0, 2, OP_PUSH, FOR_REQUESTS);
	struct msg_request majority = {.acks = ACKS_MAJORITY};
	assert_int_equal(call(c, 0, OP_PUT, "k", "new", majority), KV_OK);
	crash(c, 0);
	heal(c);
	drop(c, ANY, ANY, OP_TREE_ROOTS, FOR_BOTH); /* else it is found and mended before anyone reads */
	start_node(c, 0, &c->map);
	pass(c, 5 * USEC_PER_SEC);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, eventual), KV_NOT_FOUND);
	assert_int_equal(c->result.staleness_ms, 0); /* it knows that it does not know */
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, bounded(2000)), KV_OK);
	assert_value(c, "new");
	pass(c, USEC_PER_SEC); /* read repair */
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, bounded(2000)), KV_OK);
	assert_true(c->result.receipt.acks >= 2);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, bounded(2000)), KV_OK);
	assert_int_equal(c->result.receipt.acks, 1);
	assert_value(c, "new");
	cluster_free(c);
}

static void hints_of_the_life_before_hold_the_bound_back(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	drop(c, 0, 2, OP_PUSH, FOR_REQUESTS);
	assert_int_equal(call(c, 0, OP_PUT, "k", "new", eventual), KV_OK);
	pass(c, USEC_PER_SEC);
	assert_true(stats_of(c, 0).hints_pending > 0);
	crash(c, 0);
	start_node(c, 0, &c->map);
	pass(c, 6 * USEC_PER_SEC);
	assert_int_equal(call(c, 2, OP_GET, "other", NULL, bounded(5000)), KV_NOT_FOUND); /* checked from now on */
	assert_int_equal(call(c, 2, OP_GET, "other", NULL, bounded(5000)), KV_NOT_FOUND);
	assert_true(c->result.receipt.acks >= 2);
	heal(c);
	pass(c, 8 * USEC_PER_SEC);
	assert_int_equal(call(c, 2, OP_GET, "other", NULL, bounded(5000)), KV_NOT_FOUND);
	assert_int_equal(c->result.receipt.acks, 1);
	cluster_free(c);
}

static void a_copy_that_grows_too_old_while_it_is_read_is_not_answered(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", eventual), KV_OK);
	pass(c, 2 * USEC_PER_SEC);
	assert_int_equal(call(c, 2, OP_GET, "k", NULL, eventual), KV_OK);
	uint32_t age_ms = c->result.staleness_ms, before = c->answers;
	c->nodes[2].hold_reads = true;
	ask(c, 2, OP_GET, "k", NULL, bounded(age_ms + 200));
	pass(c, 350 * USEC_PER_MSEC);
	assert_int_equal(c->answers, before);
	c->nodes[2].hold_reads = false;
	run(c);
	assert_int_equal(c->answers, before + 1);
	assert_value(c, "one");
	assert_true(c->result.receipt.acks >= 2);
	assert_int_equal(c->result.staleness_ms, 1);
	cluster_free(c);
}

static void what_the_own_copy_missed_is_not_served_from_it(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	pass(c, 2 * USEC_PER_SEC);
	c->nodes[0].hold_writes = true;
	struct msg_request majority = {.acks = ACKS_MAJORITY};
	assert_int_equal(call(c, 0, OP_PUT, "k", "new", majority), KV_OK);
	assert_int_equal(call(c, 0, OP_GET, "other", NULL, bounded(2000)), KV_NOT_FOUND);
	assert_int_equal(c->result.receipt.acks, 1);
	c->nodes[0].hold_writes = false;
	run(c);
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, bounded(2000)), KV_OK);
	assert_value(c, "new");
	cluster_free(c);
}

/* ---- what hints are owed ---- */

static void a_hint_written_anew_while_it_is_replayed_is_replayed_again(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	drop(c, 0, 2, OP_PUSH, FOR_REQUESTS);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", eventual), KV_OK);
	pass(c, USEC_PER_SEC); /* hinted */
	heal(c);
	keep(c, 2, 0, OP_PUSH, FOR_REPLIES); /* the replay arrives, and its answer is late */
	for (uint32_t i = 0; i < 500 && kept_count(c) == 0; i++)
		pass(c, TICK_US);
	assert_int_equal(kept_count(c), 1);
	heal(c);
	c->nodes[2].wall_us = -10 * USEC_PER_SEC; /* so that it refuses the write at once */
	assert_int_equal(call(c, 0, OP_PUT, "k", "two", eventual), KV_OK);
	c->nodes[2].wall_us = 0;
	release_kept(c);
	pass(c, 10 * USEC_PER_SEC);
	assert_slice_equal(on_disk(c, 2, "k").value, slice_str("two"));
	assert_int_equal(stats_of(c, 0).hints_pending, 0);
	cluster_free(c);
}

/* ---- receipts ---- */

static void a_receipt_tells_who_holds_what(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	struct msg_request put = {.acks = ACKS_MAJORITY, .receipt_wanted = true};
	c->nodes[2].hold_writes = true;
	assert_int_equal(call(c, 3, OP_PUT, "k", "one", put), KV_OK);
	const struct msg_receipt *r = &c->result.receipt;
	assert_true(c->result.has_receipt);
	assert_int_equal(r->asked, LEVEL_DEFAULT);
	assert_int_equal(r->achieved, LEVEL_EVENTUAL);
	assert_int_equal(r->acks, 2);
	assert_int_equal(r->replica_count, 3);
	assert_true(version_equal(r->version, c->result.version));
	assert_true(version_equal(r->replicas[0].ver, on_disk(c, 0, "k").ver));
	assert_int_equal(r->replicas[1].status, KV_OK);
	assert_int_equal(r->replicas[2].status, KV_UNAVAILABLE);
	assert_true(version_is_none(r->replicas[2].ver));
	cluster_free(c);
}

static void a_receipt_of_a_read_tells_of_stale_replicas_and_their_repair(void **state)
{
	struct msg_request more;
	struct cluster *c = cluster_with_a_stale_node(&more);
	struct msg_request all = {.acks = ACKS_ALL, .receipt_wanted = true};
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, all), KV_OK);
	const struct msg_receipt *r = &c->result.receipt;
	assert_int_equal(r->acks, 2);
	assert_true(r->repaired);
	assert_int_equal(r->replicas[2].status, KV_OK); /* it answered, with something older */
	assert_true(version_equal(r->replicas[2].ver, on_disk(c, 2, "k").ver));
	struct msg_request strongly = {.level = LEVEL_STRONG, .receipt_wanted = true};
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, strongly), KV_OK);
	assert_int_equal(r->achieved, LEVEL_STRONG);
	assert_int_equal(r->staleness_ms, 1);
	assert_true(r->acks >= 2);
	cluster_free(c);
}

static void a_receipt_of_a_refused_write_tells_what_is_there(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", strong), KV_OK);
	struct version present = c->result.version;
	struct msg_request if_absent = {.level = LEVEL_STRONG, .has_expected = true, .receipt_wanted = true};
	assert_int_equal(call(c, 1, OP_CAS, "k", "two", if_absent), KV_CONDITION_FAILED);
	const struct msg_receipt *r = &c->result.receipt;
	assert_int_equal(r->achieved, LEVEL_STRONG);
	assert_true(version_equal(r->version, present));
	assert_true(r->acks >= 2);
	cluster_free(c);
}

static void a_strong_request_moves_the_session_whose_token_it_brings(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, session), KV_NOT_FOUND);
	struct msg_request more = {.level = LEVEL_STRONG, .session = buf_slice(&c->token)};
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", more), KV_OK);
	assert_true(version_equal(seen(c, "k"), c->result.version));
	more.session = buf_slice(&c->token);
	assert_int_equal(call(c, 1, OP_GET, "k", NULL, more), KV_OK);
	assert_true(version_equal(seen(c, "k"), on_disk(c, 0, "k").ver));
	cluster_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_write_answers_a_token_with_its_version),
		cmocka_unit_test(a_key_that_never_was_has_no_entry),
		cmocka_unit_test(a_stale_node_asks_others_for_a_session_and_repairs_itself),
		cmocka_unit_test(a_session_waits_until_the_write_arrives),
		cmocka_unit_test(a_session_is_never_answered_something_older),
		cmocka_unit_test(a_token_passes_through_a_node_that_is_no_replica),
		cmocka_unit_test(a_session_that_forgot_asks_all_replicas),
		cmocka_unit_test(keys_of_one_tag_are_different_keys_of_a_session),
		cmocka_unit_test(a_session_orders_its_own_writes),
		cmocka_unit_test(a_write_with_a_time_below_its_session_is_refused),
		cmocka_unit_test(what_does_not_fit_its_level_is_refused),
		cmocka_unit_test(a_bounded_read_is_served_by_an_own_copy_that_is_fresh_enough),
		cmocka_unit_test(a_silent_peer_sends_bounded_reads_to_a_majority),
		cmocka_unit_test(a_write_that_waits_as_a_hint_holds_the_bound_back),
		cmocka_unit_test(a_dirty_partition_holds_the_bound_back),
		cmocka_unit_test(a_wrong_clock_makes_no_copy_fresher),
		cmocka_unit_test(after_a_restart_a_key_is_checked_with_a_majority_once),
		cmocka_unit_test(hints_of_the_life_before_hold_the_bound_back),
		cmocka_unit_test(a_copy_that_grows_too_old_while_it_is_read_is_not_answered),
		cmocka_unit_test(what_the_own_copy_missed_is_not_served_from_it),
		cmocka_unit_test(a_hint_written_anew_while_it_is_replayed_is_replayed_again),
		cmocka_unit_test(a_receipt_tells_who_holds_what),
		cmocka_unit_test(a_receipt_of_a_read_tells_of_stale_replicas_and_their_repair),
		cmocka_unit_test(a_receipt_of_a_refused_write_tells_what_is_there),
		cmocka_unit_test(a_strong_request_moves_the_session_whose_token_it_brings),
	};
	return test_run("levels", tests);
}
