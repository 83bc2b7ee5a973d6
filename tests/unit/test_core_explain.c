/* SPDX-License-Identifier: Apache-2.0 */
/* EXPLAIN: what a core says of a key, and that saying it changes nothing. */
#include "tests/support/test.h"

#include "replication/core.h"
#include "tests/unit/core_cluster.h"

static const struct msg_request by_majority = {.level = LEVEL_EVENTUAL, .acks = ACKS_MAJORITY};

static void begin(struct cluster *c, node_id i, const char *key)
{
	struct msg m = {.opcode = OP_EXPLAIN, .id = 77, .explain = {.key = slice_str(key)}};
	struct node_event ev = {.kind = EV_REQUEST,
				.request = {.client = CLIENT, .msg = &m, .arrived_us = c->mono_us}};
	c->explained = (struct msg_explanation){.status = KV_INTERNAL};
	step(c, i, &ev);
}

static const struct msg_explanation *explain(struct cluster *c, node_id i, const char *key)
{
	uint32_t before = c->answers;
	begin(c, i, key);
	run(c);
	assert_int_equal(c->answers, before + 1);
	return &c->explained;
}

static void a_record_is_told_as_it_is_on_disk(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", strong), KV_OK);
	pass(c, 50 * USEC_PER_MSEC);
	for (node_id i = 0; i < 3; i++) {
		const struct msg_explanation *e = explain(c, i, "k");
		struct record rec = on_disk(c, i, "k");
		assert_int_equal(e->status, KV_OK);
		assert_int_equal(e->disk, EXPLAIN_WHOLE);
		assert_true(version_equal(e->record.ver, rec.ver) && version_equal(e->record.org, rec.org));
		assert_int_equal(e->record.value_hash, hash64(slice_str("one")));
		assert_int_equal(e->record.value_size, 3);
		assert_true(e->record.strong && !e->record.weak && !e->writing && e->serves);
		assert_int_equal(e->member, EXPLAIN_PRESENT | EXPLAIN_TO_BE);
		assert_int_equal(e->tree, 2);
		assert_int_equal(e->pair_count, 2);
		assert_int_equal(e->hint_count, 0);
	}
	const struct msg_explanation *stranger = explain(c, 3, "k");
	assert_int_equal(stranger->disk, EXPLAIN_ABSENT);
	assert_int_equal(stranger->member, 0);
	assert_false(stranger->serves);
	cluster_free(c);
}

static void a_look_makes_no_slot_and_writes_nothing(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", strong), KV_OK);
	pass(c, 30 * USEC_PER_SEC); /* nothing of it is in memory any more */
	struct core_stats before = stats_of(c, 1);
	assert_int_equal(before.slots, 0);
	assert_false(explain(c, 1, "k")->in_memory);
	explain(c, 1, "nothing");
	struct core_stats after = stats_of(c, 1);
	assert_int_equal(after.slots, 0);
	assert_int_equal(after.disk_writes, before.disk_writes);
	assert_int_equal(after.disk_reads, before.disk_reads + 2);
	cluster_free(c);
}

static void what_is_not_durable_yet_is_told_from_memory(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[0].hold_writes = true;
	ask(c, 0, OP_PUT, "k", "one", strong);
	const struct msg_explanation *e = explain(c, 0, "k");
	assert_int_equal(e->disk, EXPLAIN_ABSENT);
	assert_true(e->in_memory && e->writing);
	assert_int_equal(e->record.value_hash, hash64(slice_str("one")));
	c->nodes[0].hold_writes = false;
	run(c);
	assert_false(explain(c, 0, "k")->writing);
	cluster_free(c);
}

static void a_promise_is_told_until_a_restart_and_then_the_floor(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct version ballot = {clock_of(c, 0), 2};
	struct msg prepare = replica_msg(c, OP_PREPARE, "k");
	prepare.replica.ballot = ballot;
	assert_int_equal(answer_to(c, &prepare), ANSWER_PROMISE);
	assert_true(version_equal(explain(c, 0, "k")->promised, ballot));
	/* The look did not take the promise away. */
	assert_int_equal(answer_to(c, &prepare), ANSWER_REJECT);
	assert_true(version_is_none(explain(c, 1, "k")->promised));
	crash(c, 0);
	start_node(c, 0, &c->map);
	pass(c, 50 * USEC_PER_MSEC);
	assert_true(version_is_none(explain(c, 0, "k")->promised));
	assert_true(version_less(ballot, c->explained.promise));
	cluster_free(c);
}

static void damage_is_told_and_only_who_needs_the_record_stops(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", strong), KV_OK);
	pass(c, 20 * USEC_PER_SEC); /* at rest, so that its tree is not built from the records at the next start */
	crash(c, 0);
	struct disk_key key = data_key("k");
	struct stored *row = row_find(&c->nodes[0], &key);
	row->value->data[row->value->size - 1] ^= 1;
	start_node(c, 0, &c->map);
	pass(c, 50 * USEC_PER_MSEC);
	const struct msg_explanation *e = explain(c, 0, "k");
	assert_int_equal(e->disk, EXPLAIN_DAMAGED);
	assert_true(version_is_none(e->record.ver));
	assert_false(c->nodes[0].stopped);
	c->nodes[0].hold_reads = true;
	struct msg read = replica_msg(c, OP_READ, "k");
	assert_int_equal(answer_to(c, &read), 0);
	do_one_job(c, 0);
	assert_true(c->nodes[0].stopped);
	cluster_free(c);
}

static void a_block_that_cannot_be_read_is_told(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", strong), KV_OK);
	pass(c, 30 * USEC_PER_SEC);
	c->nodes[1].unreadable = true;
	assert_int_equal(explain(c, 1, "k")->disk, EXPLAIN_UNREADABLE);
	assert_false(c->nodes[1].stopped);
	cluster_free(c);
}

static void hints_are_told_by_who_keeps_them(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", by_majority), KV_OK);
	pass(c, USEC_PER_SEC);
	struct version ver = on_disk(c, 0, "k").ver;
	const struct msg_explanation *e = explain(c, 0, "k");
	assert_int_equal(e->hint_count, 1);
	assert_int_equal(c->explained_hints[0].target, 2);
	assert_true(c->explained_hints[0].key && !c->explained_hints[0].partition);
	assert_true(version_equal(c->explained_hints[0].ver, ver));
	/* Another key of the partition, if any, owes nothing. */
	assert_int_equal(explain(c, 0, "other")->hint_count, 0);
	start_node(c, 2, &c->map);
	pass(c, 20 * USEC_PER_SEC);
	assert_int_equal(explain(c, 0, "k")->hint_count, 0);
	assert_int_equal(explain(c, 2, "k")->disk, EXPLAIN_WHOLE);
	cluster_free(c);
}

static void a_mark_of_the_whole_partition_is_told(void **state)
{
	struct cluster *c = cluster_new(3, 1); /* one hint, then marks */
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	assert_int_equal(call(c, 0, OP_PUT, "first", "v", by_majority), KV_OK);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", by_majority), KV_OK);
	pass(c, USEC_PER_SEC);
	assert_int_equal(explain(c, 0, "k")->hint_count, 1);
	assert_true(c->explained_hints[0].partition && !c->explained_hints[0].key);
	cluster_free(c);
}

static void a_move_is_told_by_who_comes_and_who_goes(void **state)
{
	static const node_id next[REPLICAS] = {0, 1, 3};
	struct cluster *c = cluster_new(4, 0);
	c->hold_moves = true;
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", strong), KV_OK);
	begin_move(c, next);
	give_map_to_all(c);
	pass(c, 50 * USEC_PER_MSEC);
	assert_int_equal(explain(c, 0, "k")->member, EXPLAIN_PRESENT | EXPLAIN_TO_BE);
	assert_int_equal(explain(c, 2, "k")->member, EXPLAIN_PRESENT);
	assert_int_equal(explain(c, 3, "k")->member, EXPLAIN_TO_BE);
	assert_false(c->explained.serves);
	assert_int_equal(c->explained.config_epoch, c->map.epoch);
	cluster_free(c);
}

static void too_many_questions_are_refused(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[0].hold_reads = true;
	for (uint32_t i = 0; i < EXPLAINS_MAX; i++)
		begin(c, 0, "k");
	assert_int_equal(c->answers, 0);
	begin(c, 0, "k");
	assert_int_equal(c->explained.status, KV_OVERLOADED);
	c->nodes[0].hold_reads = false;
	run(c);
	assert_int_equal(c->answers, EXPLAINS_MAX + 1);
	assert_int_equal(c->explained.status, KV_OK);
	begin(c, 0, "k"); /* and what is still open is given back with the core */
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_told_as_it_is_on_disk),
		cmocka_unit_test(a_look_makes_no_slot_and_writes_nothing),
		cmocka_unit_test(what_is_not_durable_yet_is_told_from_memory),
		cmocka_unit_test(a_promise_is_told_until_a_restart_and_then_the_floor),
		cmocka_unit_test(damage_is_told_and_only_who_needs_the_record_stops),
		cmocka_unit_test(a_block_that_cannot_be_read_is_told),
		cmocka_unit_test(hints_are_told_by_who_keeps_them),
		cmocka_unit_test(a_mark_of_the_whole_partition_is_told),
		cmocka_unit_test(a_move_is_told_by_who_comes_and_who_goes),
		cmocka_unit_test(too_many_questions_are_refused),
	};
	return test_run("core_explain", tests);
}
