/* SPDX-License-Identifier: Apache-2.0 */
/* What a shard keeps of traces, and the two texts that are made of them: the slow log's and OTLP. */
#include "tests/support/test.h"

#include "server/otlp.h"

static const struct timeline_span spans[] = {
	{.kind = SPAN_REQUEST, .node = 0, .peer = NODE_NONE, .took_us = 900, .result = KV_OK, .id = 0x10},
	{.kind = SPAN_QUEUE, .node = 0, .peer = NODE_NONE, .took_us = 20, .id = 0x11},
	{.kind = SPAN_DIRECT, .node = 0, .peer = NODE_NONE, .start_us = 20, .took_us = 880, .id = 0x12},
	{.kind = SPAN_REPLICA,
	 .parent = 2,
	 .node = 0,
	 .peer = 1,
	 .start_us = 20,
	 .took_us = 800,
	 .result = ANSWER_ACK,
	 .id = 0x13},
	{.kind = SPAN_SYNC, .parent = 3, .node = 1, .peer = NODE_NONE, .start_us = 30, .took_us = 700},
	{.kind = SPAN_REPLICA,
	 .parent = 2,
	 .node = 0,
	 .peer = 2,
	 .start_us = 20,
	 .took_us = 880,
	 .open = true,
	 .id = 0x14},
};

static struct msg_timeline timeline(uint64_t trace_lo)
{
	return (struct msg_timeline){
		.context = {.trace_hi = 1, .trace_lo = trace_lo, .span = 0xf0, .sampled = true},
		.span = 0x10,
		.opcode = OP_PUT,
		.level = LEVEL_STRONG,
		.partition = 7,
		.epoch = 3,
		.rounds = 1,
		.took_us = 900,
		.span_count = ARRAY_SIZE(spans),
		.spans = spans};
}

static void keep(struct traces *t, uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct msg_timeline one = timeline(first + i);
		traces_keep(t, &one, /* wall_us= */ first + i);
	}
}

static void release(struct kept_trace **traces, size_t count)
{
	for (size_t i = 0; i < count; i++)
		kept_trace_unref(traces[i]);
}

static void traces_are_taken_once_and_in_order(void **state)
{
	struct traces t;
	struct kept_trace *taken[8];
	uint64_t lost;
	traces_init(&t);
	keep(&t, 1, 5);
	assert_int_equal(traces_take(&t, taken, 3, &lost), 3);
	assert_int_equal(taken[0]->timeline.context.trace_lo, 1);
	assert_int_equal(taken[2]->timeline.context.trace_lo, 3);
	release(taken, 3);
	assert_int_equal(traces_take(&t, taken, 8, &lost), 2);
	assert_int_equal(taken[0]->timeline.context.trace_lo, 4);
	release(taken, 2);
	assert_int_equal(traces_take(&t, taken, 8, &lost), 0);
	assert_int_equal(lost, 0);
	traces_release(&t);
}

static void what_was_not_taken_in_time_makes_room_and_is_counted(void **state)
{
	struct traces t;
	struct kept_trace *taken[TRACES_KEPT];
	uint64_t lost;
	traces_init(&t);
	keep(&t, 1, TRACES_KEPT + 10);
	assert_int_equal(traces_take(&t, taken, 1, &lost), 1);
	assert_int_equal(lost, 10);
	assert_int_equal(taken[0]->timeline.context.trace_lo, 11);
	release(taken, 1);
	assert_int_equal(traces_take(&t, taken, TRACES_KEPT, &lost), TRACES_KEPT - 1);
	assert_int_equal(lost, 0);
	release(taken, TRACES_KEPT - 1);
	traces_release(&t);
}

static void the_newest_can_be_looked_at_again_and_again(void **state)
{
	struct traces t;
	struct kept_trace *seen[4];
	traces_init(&t);
	keep(&t, 1, 3);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(traces_recent(&t, seen, 4), 3);
		assert_int_equal(seen[0]->timeline.context.trace_lo, 3);
		release(seen, 3);
	}
	/* A reference outlives the ring. */
	assert_int_equal(traces_recent(&t, seen, 1), 1);
	traces_release(&t);
	assert_int_equal(seen[0]->spans[3].peer, 1);
	release(seen, 1);
}

static void slow_operations_are_remembered_newest_first(void **state)
{
	struct traces t;
	static struct slow_op seen[SLOW_OPS_KEPT];
	traces_init(&t);
	for (uint64_t i = 1; i <= SLOW_OPS_KEPT + 5; i++)
		traces_keep_slow(&t, &(struct slow_op){.wall_us = i});
	assert_int_equal(traces_slow(&t, seen, SLOW_OPS_KEPT), SLOW_OPS_KEPT);
	assert_int_equal(seen[0].wall_us, SLOW_OPS_KEPT + 5);
	assert_int_equal(seen[SLOW_OPS_KEPT - 1].wall_us, 6);
	traces_release(&t);
}

static void the_slow_log_says_all_in_one_line(void **state)
{
	struct slow_op op;
	struct msg_timeline t = timeline(5);
	slow_op_tell(&t, /* wall_us= */ 77, &op);
	assert_string_equal(op.timeline, "queue@0+20 direct@20+880(1=ack@20+800[sync@30+700] 2=unanswered@20+880)");
	assert_int_equal(op.queue_us, 20);
	assert_int_equal(op.wall_us, 77);
	assert_false(op.replica);
}

static void a_long_timeline_is_cut_and_says_so(void **state)
{
	struct timeline_span many[60] = {{.kind = SPAN_REQUEST}};
	for (uint32_t i = 1; i < ARRAY_SIZE(many); i++)
		many[i] = (struct timeline_span){.kind = SPAN_BACKOFF, .start_us = 1000 * i, .took_us = 900};
	struct msg_timeline t = timeline(5);
	struct slow_op op;
	t.spans = many;
	t.span_count = ARRAY_SIZE(many);
	slow_op_tell(&t, 0, &op);
	assert_int_equal(strlen(op.timeline), SLOW_OP_TIMELINE_SIZE - 1);
	assert_string_equal(op.timeline + SLOW_OP_TIMELINE_SIZE - 4, "...");
}

static void otlp_is_what_a_collector_reads(void **state)
{
	static const char *const expected[] = {
		"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"kvd\"}},"
		"{\"key\":\"service.version\",\"value\":{\"stringValue\":\"0.1\"}},"
		"{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"n\\\"1\"}}]}",
		"\"spans\":[{\"traceId\":\"00000000000000010000000000000005\",\"spanId\":\"0000000000000010\","
		"\"parentSpanId\":\"00000000000000f0\",\"flags\":1,\"name\":\"kvd PUT\",\"kind\":2,"
		"\"startTimeUnixNano\":\"2000000\",\"endTimeUnixNano\":\"2900000\",\"attributes\":["
		"{\"key\":\"kvd.opcode\",\"value\":{\"stringValue\":\"PUT\"}},{\"key\":\"kvd.partition\",\"value\":{\"intValue\":\"7\"}}",
		"{\"traceId\":\"00000000000000010000000000000005\",\"spanId\":\"0000000000000013\","
		"\"parentSpanId\":\"0000000000000012\",\"flags\":1,\"name\":\"replica\",\"kind\":3,"
		"\"startTimeUnixNano\":\"2020000\",\"endTimeUnixNano\":\"2820000\",\"attributes\":["
		"{\"key\":\"kvd.peer\",\"value\":{\"intValue\":\"1\"}},{\"key\":\"kvd.answer\",\"value\":{\"stringValue\":\"ack\"}}]}",
		"\"stringValue\":\"unanswered\"}}],\"status\":{\"code\":2,\"message\":\"no answer\"}}]}]}]}",
	};
	struct traces t;
	struct kept_trace *kept;
	uint64_t lost;
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	traces_init(&t);
	struct msg_timeline one = timeline(5);
	traces_keep(&t, &one, /* wall_us= */ 2000);
	assert_int_equal(traces_take(&t, &kept, 1, &lost), 1);
	otlp_encode(&(struct otlp_source){.name = "n\"1", .version = "0.1"}, &kept, 1, &out);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		if (!strstr(buf_cstr(&out), expected[i]))
			fail_msg("%s\nis not in\n%s", expected[i], buf_cstr(&out));
	}
	/* The sync is the replica's to tell. */
	assert_null(strstr(buf_cstr(&out), "\"sync\""));
	kept_trace_unref(kept);
	traces_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traces_are_taken_once_and_in_order),
		cmocka_unit_test(what_was_not_taken_in_time_makes_room_and_is_counted),
		cmocka_unit_test(the_newest_can_be_looked_at_again_and_again),
		cmocka_unit_test(slow_operations_are_remembered_newest_first),
		cmocka_unit_test(the_slow_log_says_all_in_one_line),
		cmocka_unit_test(a_long_timeline_is_cut_and_says_so),
		cmocka_unit_test(otlp_is_what_a_collector_reads),
	};
	return test_run("traces", tests);
}
