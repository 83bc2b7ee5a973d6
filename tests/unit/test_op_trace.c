/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cores tell of the time that operations take: to clients that ask, to replicas, and to whoever keeps traces.
 */
#include "tests/support/test.h"

#include "replication/timeline.h"
#include "tests/unit/core_cluster.h"

#define TRACE ((struct trace_context){.trace_hi = 0x4bf9, .trace_lo = 0x0e47, .span = 0x00f0, .sampled = true})

static const struct msg_request traced = {.level = LEVEL_STRONG, .trace = TRACE};
static const struct msg_request timed = {.level = LEVEL_STRONG, .timeline_wanted = true};

/** The index-th span of a kind, or NULL. */
static const struct timeline_span *span_of(const struct msg_timeline *t, enum span_kind kind, uint32_t index)
{
	for (uint32_t i = 0; i < t->span_count; i++) {
		if (t->spans[i].kind == kind && index-- == 0)
			return &t->spans[i];
	}
	return NULL;
}

static const struct told *trace_of(const struct cluster *c, node_id node, enum span_kind whole)
{
	for (uint32_t i = 0; i < c->trace_count; i++) {
		if (c->traces[i].node == node && c->traces[i].spans[0].kind == whole)
			return &c->traces[i];
	}
	return NULL;
}

static void nobody_is_told_of_an_operation_that_is_quick_and_not_traced(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	assert_int_equal(call(c, 1, OP_GET, "nothing", NULL, strong), KV_NOT_FOUND);
	pass(c, USEC_PER_SEC);
	assert_int_equal(c->trace_count, 0);
	assert_int_equal(c->told_client.timeline.span_count, 0);
	cluster_free(c);
}

static void a_traced_write_is_told_of_by_all_who_took_part_each_below_the_other(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", traced), KV_OK);
	pass(c, USEC_PER_SEC);
	assert_int_equal(c->trace_count, 4);
	const struct told *whole = trace_of(c, 0, SPAN_REQUEST);
	assert_non_null(whole);
	assert_int_equal(whole->timeline.context.trace_hi, 0x4bf9);
	assert_int_equal(whole->timeline.context.span, 0x00f0);
	assert_int_equal(whole->timeline.opcode, OP_PUT);
	assert_false(whole->timeline.slow);
	for (node_id i = 0; i < 3; i++) {
		const struct told *part = trace_of(c, i, SPAN_SERVE);
		assert_non_null(part);
		assert_int_equal(part->timeline.context.trace_lo, 0x0e47);
		const struct timeline_span *call_span = NULL;
		for (uint32_t k = 0; k < 3; k++) {
			const struct timeline_span *s = span_of(&whole->timeline, SPAN_REPLICA, k);
			assert_non_null(s);
			assert_false(s->open);
			assert_int_equal(s->result, ANSWER_ACK);
			call_span = s->peer == i ? s : call_span;
		}
		assert_non_null(call_span);
		assert_int_equal(part->timeline.context.span, call_span->id);
		assert_int_equal(part->spans[0].result, ANSWER_ACK);
	}
	cluster_free(c);
}

static void a_context_that_is_not_sampled_goes_along_and_is_not_kept(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg_request more = traced;
	more.trace.sampled = false;
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(1 << 20);
	keep(c, 0, 1, OP_ACCEPT, FOR_REQUESTS);
	ask(c, 0, OP_PUT, "k", "v", more);
	struct msg sent = kept_msg(c, &arena);
	assert_int_equal(sent.replica.trace.trace_hi, 0x4bf9);
	assert_false(sent.replica.trace.sampled);
	assert_true(sent.replica.trace.span != 0 && sent.replica.trace.span != 0x00f0);
	heal(c);
	pass(c, USEC_PER_SEC);
	assert_int_equal(c->trace_count, 0);
	cluster_free(c);
}

static void a_slow_disk_shows_in_the_timeline_and_at_its_replica(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[1].hold_writes = c->nodes[2].hold_writes = true;
	ask(c, 0, OP_PUT, "k", "v",
	    (struct msg_request){.level = LEVEL_STRONG, .deadline_ms = 2000, .trace = TRACE});
	pass(c, 150 * USEC_PER_MSEC);
	c->nodes[1].hold_writes = c->nodes[2].hold_writes = false;
	pass(c, USEC_PER_SEC);
	const struct told *whole = trace_of(c, 0, SPAN_REQUEST), *part = trace_of(c, 1, SPAN_SERVE);
	assert_true(whole && part);
	assert_true(whole->timeline.slow && part->timeline.slow);
	assert_in_range(whole->timeline.took_us, 150000, 200000);
	const struct timeline_span *sync = span_of(&part->timeline, SPAN_SYNC, 0);
	assert_non_null(sync);
	assert_in_range(sync->took_us, 150000, 200000);
	/* The coordinator was told of it, and lays it inside the round trip. */
	const struct timeline_span *told = span_of(&whole->timeline, SPAN_SYNC, 0);
	assert_non_null(told);
	assert_int_equal(told->took_us, sync->took_us);
	assert_int_equal(told->node, whole->spans[told->parent].peer);
	assert_int_equal(told->id, 0);
	cluster_free(c);
}

static void a_slow_replica_tells_of_itself_though_nobody_traces(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[1].hold_writes = true;
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	pass(c, 150 * USEC_PER_MSEC);
	c->nodes[1].hold_writes = false;
	pass(c, USEC_PER_SEC);
	assert_int_equal(c->trace_count, 1);
	assert_int_equal(c->traces[0].node, 1);
	assert_int_equal(c->traces[0].spans[0].kind, SPAN_SERVE);
	assert_true(c->traces[0].timeline.slow);
	assert_int_equal(c->traces[0].timeline.context.span, 0);
	assert_false(trace_is_none(&c->traces[0].timeline.context));
	cluster_free(c);
}

static void a_failed_operation_is_told_of_with_who_was_silent(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	drop(c, 1, 0, OP_READ, FOR_REPLIES);
	drop(c, 2, 0, OP_READ, FOR_REPLIES);
	struct msg_request more = {.level = LEVEL_STRONG, .deadline_ms = 60};
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, more), KV_UNAVAILABLE);
	pass(c, USEC_PER_SEC);
	const struct told *whole = trace_of(c, 0, SPAN_REQUEST);
	assert_non_null(whole);
	assert_int_equal(whole->timeline.status, KV_UNAVAILABLE);
	const struct timeline_span *own = NULL, *other = NULL;
	for (uint32_t k = 0; k < 3; k++) {
		const struct timeline_span *s = span_of(&whole->timeline, SPAN_REPLICA, k);
		assert_non_null(s);
		if (s->peer == 0)
			own = s;
		else
			other = s;
	}
	assert_true(own && other);
	assert_false(own->open);
	assert_true(other->open);
	assert_true(other->took_us > 0);
	cluster_free(c);
}

static void an_answer_brings_the_timeline_that_was_asked_for(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", timed), KV_OK);
	const struct msg_timeline *t = &c->told_client.timeline;
	assert_true(t->span_count > 0);
	assert_int_equal(t->node, 0);
	assert_int_equal(t->status, KV_OK);
	assert_int_equal(t->level, LEVEL_STRONG);
	assert_int_equal(t->rounds, 1);
	assert_false(version_is_none(t->ballot));
	assert_non_null(span_of(t, SPAN_DIRECT, 0));
	assert_false(span_of(t, SPAN_DIRECT, 0)->open);
	/* It is traced for that, and replicas know. */
	pass(c, USEC_PER_SEC);
	assert_non_null(trace_of(c, 2, SPAN_SERVE));
	assert_int_equal(trace_of(c, 2, SPAN_SERVE)->timeline.context.trace_lo, t->context.trace_lo);
	cluster_free(c);
}

/** The least node that is not in ROW. */
static node_id outside_of(const node_id *row)
{
	for (node_id node = 0;; node++) {
		bool inside = false;
		for (uint32_t i = 0; i < REPLICAS; i++)
			inside |= row[i] == node;
		if (!inside)
			return node;
	}
}

static void the_timeline_of_what_was_sent_on_lies_in_the_middle_of_the_wait(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	uint16_t partition = hash_partition(key_hash(slice_str("k")), PARTITIONS);
	node_id outside = outside_of(&c->map.rows[partition * REPLICAS]);
	assert_int_equal(call(c, outside, OP_PUT, "k", "v", timed), KV_OK);
	const struct msg_timeline *t = &c->told_client.timeline;
	assert_int_equal(t->node, outside);
	const struct timeline_span *forward = span_of(t, SPAN_FORWARD, 0), *inner = span_of(t, SPAN_REQUEST, 1);
	assert_true(forward && inner);
	assert_int_equal(inner->parent, forward - t->spans);
	assert_int_equal(inner->node, forward->peer);
	assert_in_range(inner->start_us, forward->start_us, forward->start_us + forward->took_us);
	assert_non_null(span_of(t, SPAN_REPLICA, 0));
	assert_int_equal(t->spans[span_of(t, SPAN_REPLICA, 0)->parent].kind, SPAN_DIRECT);
	cluster_free(c);
}

static void a_refusal_is_told_of_if_it_is_traced(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg_request more = timed;
	more.level = LEVEL_EVENTUAL;
	more.delta = 1;
	assert_int_equal(call(c, 0, OP_ADD, "k", NULL, more), KV_INVALID);
	assert_int_equal(c->told_client.timeline.status, KV_INVALID);
	assert_int_equal(c->trace_count, 1);
	cluster_free(c);
}

static void more_events_than_there_is_room_for_are_counted(void **state)
{
	struct timeline t = {.arrived_us = 100, .taken_us = 105, .span = 1};
	timeline_mark(&t, 105, MARK_PHASE, SPAN_READ, NODE_NONE);
	for (uint32_t i = 0; i < TIMELINE_MARKS_MAX; i++)
		timeline_mark(&t, 110 + i, MARK_SENT, 0, (node_id)i);
	struct actions out;
	struct msg_timeline told;
	actions_init(&out);
	timeline_tell(&t, 0, 300, &out, &told);
	assert_int_equal(told.left_out, 1);
	assert_int_equal(told.span_count, TIMELINE_MARKS_MAX + 2);
	assert_true(told.spans[0].open);
	assert_int_equal(told.spans[1].kind, SPAN_QUEUE);
	assert_int_equal(told.spans[1].took_us, 5);
	assert_int_equal(told.spans[3].took_us, 190);
	actions_release(&out);
}

static void a_replica_that_is_asked_twice_in_a_round_has_two_spans(void **state)
{
	struct timeline t = {.arrived_us = 100, .taken_us = 100, .answered_us = 150, .span = 1};
	timeline_mark(&t, 100, MARK_PHASE, SPAN_READ, NODE_NONE);
	timeline_mark(&t, 100, MARK_SENT, 0, 2);
	timeline_mark(&t, 105, MARK_SENT, 0, 2); /* again, before it answered: the same wait */
	timeline_mark(&t, 110, MARK_ANSWERED, ANSWER_RECORD, 2);
	timeline_mark(&t, 120, MARK_SENT, 0, 2);
	timeline_mark(&t, 150, MARK_ANSWERED, ANSWER_RECORD, 2);
	struct actions out;
	struct msg_timeline told;
	actions_init(&out);
	timeline_tell(&t, 0, 200, &out, &told);
	const struct timeline_span *first = span_of(&told, SPAN_REPLICA, 0),
				   *second = span_of(&told, SPAN_REPLICA, 1);
	assert_true(first && second && !span_of(&told, SPAN_REPLICA, 2));
	assert_int_equal(first->took_us, 10);
	assert_int_equal(second->start_us, 20);
	assert_int_equal(second->took_us, 30);
	assert_true(first->id != second->id && first->id != 0 && second->id != 0);
	assert_int_equal(first->id, timeline_call_span(1, 1, 2));
	actions_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_told_of_an_operation_that_is_quick_and_not_traced),
		cmocka_unit_test(a_traced_write_is_told_of_by_all_who_took_part_each_below_the_other),
		cmocka_unit_test(a_context_that_is_not_sampled_goes_along_and_is_not_kept),
		cmocka_unit_test(a_slow_disk_shows_in_the_timeline_and_at_its_replica),
		cmocka_unit_test(a_slow_replica_tells_of_itself_though_nobody_traces),
		cmocka_unit_test(a_failed_operation_is_told_of_with_who_was_silent),
		cmocka_unit_test(an_answer_brings_the_timeline_that_was_asked_for),
		cmocka_unit_test(the_timeline_of_what_was_sent_on_lies_in_the_middle_of_the_wait),
		cmocka_unit_test(a_refusal_is_told_of_if_it_is_traced),
		cmocka_unit_test(more_events_than_there_is_room_for_are_counted),
		cmocka_unit_test(a_replica_that_is_asked_twice_in_a_round_has_two_spans),
	};
	return test_run("op_trace", tests);
}
