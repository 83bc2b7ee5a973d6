/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "server/latency_window.h"

struct bed {
	struct opstats *o;
	struct latency_window window;
	struct hist got[LATENCY_GROUPS];
};

static int begin(void **state)
{
	struct bed *b = xcalloc(1, sizeof *b);
	b->o = opstats_new();
	latency_window_init(&b->window);
	*state = b;
	return 0;
}

static int end(void **state)
{
	struct bed *b = *state;
	free(b->o);
	free(b);
	return 0;
}

static void answer(struct bed *b, uint16_t opcode, enum msg_level level, uint64_t took_us)
{
	opstats_answered(b->o, opcode, level, KV_OK, took_us);
}

static const struct hist *turn(struct bed *b)
{
	latency_window_turn(&b->window, b->o, b->got);
	return b->got;
}

static void requests_fall_into_four_groups(void **state)
{
	struct bed *b = *state;
	answer(b, OP_GET, LEVEL_EVENTUAL, 10);
	answer(b, OP_SCAN, LEVEL_BOUNDED, 20);
	answer(b, OP_LEDGER, LEVEL_SESSION, 20);
	answer(b, OP_GET, LEVEL_STRONG, 1000);
	answer(b, OP_PUT, LEVEL_EVENTUAL, 300);
	answer(b, OP_DEL, LEVEL_STRONG, 5000);
	answer(b, OP_ADD, LEVEL_STRONG, 6000);
	answer(b, OP_HEARTBEAT, LEVEL_DEFAULT, 7); /* no client's */
	const struct hist *got = turn(b);
	assert_int_equal(got[LATENCY_READS].count, 3);
	assert_int_equal(got[LATENCY_READS_STRONG].count, 1);
	assert_int_equal(got[LATENCY_WRITES].count, 1);
	assert_int_equal(got[LATENCY_WRITES_STRONG].count, 2);
	assert_in_range(hist_quantile(&got[LATENCY_READS_STRONG], 500), 968, 1032);
	assert_in_range(hist_quantile(&got[LATENCY_WRITES_STRONG], 1000), 5800, 6200);
}

static void a_window_has_what_came_since_the_one_before(void **state)
{
	struct bed *b = *state;
	for (int i = 0; i < 100; i++)
		answer(b, OP_GET, LEVEL_EVENTUAL, 50000);
	assert_int_equal(turn(b)[LATENCY_READS].count, 100);
	for (int i = 0; i < 10; i++)
		answer(b, OP_GET, LEVEL_EVENTUAL, 100);
	const struct hist *got = turn(b);
	assert_int_equal(got[LATENCY_READS].count, 10);
	/* The slow ones are over. */
	assert_in_range(hist_quantile(&got[LATENCY_READS], 999), 96, 104);
	got = turn(b);
	assert_int_equal(got[LATENCY_READS].count, 0);
	assert_int_equal(hist_quantile(&got[LATENCY_READS], 990), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_fall_into_four_groups, begin, end),
		cmocka_unit_test_setup_teardown(a_window_has_what_came_since_the_one_before, begin, end),
	};
	return test_run("latency_window", tests);
}
