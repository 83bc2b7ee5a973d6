/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "client/trace.h"

static void a_traceparent_is_read_as_w3c_writes_it(void **state)
{
	struct trace_context c = {0};
	assert_true(traceparent_parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &c));
	assert_true(c.trace_hi == 0x4bf92f3577b34da6 && c.trace_lo == 0xa3ce929d0e0e4736);
	assert_true(c.span == 0x00f067aa0ba902b7);
	assert_true(c.sampled);
	assert_true(traceparent_parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02", &c));
	assert_false(c.sampled);
}

static void a_later_version_may_have_more_behind_it(void **state)
{
	struct trace_context c;
	assert_true(traceparent_parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &c));
	assert_true(traceparent_parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what", &c));
	assert_false(traceparent_parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.", &c));
	assert_false(traceparent_parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what", &c));
}

static void anything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"00",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
		"00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", /* upper case */
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", /* no trace */
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", /* no span */
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", /* never a version */
		"00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
		"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct trace_context c = {.span = 7};
		assert_false(traceparent_parse(bad[i], &c));
		assert_int_equal(c.span, 7);
	}
}

static void spans_are_told_with_what_came_of_them(void **state)
{
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(1 << 16);
	const struct timeline_span spans[] = {
		{.kind = SPAN_REQUEST, .node = 1, .peer = NODE_NONE, .took_us = 90, .result = KV_OK},
		{.kind = SPAN_READ, .node = 1, .peer = NODE_NONE, .start_us = 5, .took_us = 80},
		{.kind = SPAN_REPLICA,
		 .parent = 1,
		 .node = 1,
		 .peer = 2,
		 .start_us = 5,
		 .took_us = 60,
		 .result = ANSWER_RECORD},
		{.kind = SPAN_REPLICA,
		 .parent = 1,
		 .node = 1,
		 .peer = 3,
		 .start_us = 5,
		 .took_us = 85,
		 .open = true},
		{.kind = (enum span_kind)99, .parent = 0, .node = 1, .peer = NODE_NONE},
	};
	const struct msg_timeline t = {.context = {.trace_hi = 1, .trace_lo = 0xa},
				       .node = 1,
				       .opcode = OP_GET,
				       .took_us = 90,
				       .span_count = ARRAY_SIZE(spans),
				       .spans = spans};
	const struct kv_timeline *out = timeline_out(&t, 120, &arena);
	assert_non_null(out);
	assert_string_equal(out->trace_id, "0000000000000001000000000000000a");
	assert_string_equal(out->operation, "GET");
	assert_int_equal(out->client_us, 120);
	assert_string_equal(out->spans[0].result, "OK");
	assert_string_equal(out->spans[1].name, "read");
	assert_null(out->spans[1].result);
	assert_string_equal(out->spans[2].result, "record");
	assert_string_equal(out->spans[3].result, "unanswered");
	assert_int_equal(out->spans[3].peer, 3);
	assert_string_equal(out->spans[4].name, "unknown"); /* of a newer node */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_traceparent_is_read_as_w3c_writes_it),
		cmocka_unit_test(a_later_version_may_have_more_behind_it),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(spans_are_told_with_what_came_of_them),
	};
	return test_run("client_trace", tests);
}
