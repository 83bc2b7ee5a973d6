/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "server/trend.h"

#define SECOND USEC_PER_SEC
#define START  (1000 * USEC_PER_SEC)

static struct status model;
static struct trend trend;
static struct hist recent_us[OPSTATS_OP_COUNT][OPSTATS_LEVEL_COUNT];

static int begin(void **state)
{
	memset(&model, 0, sizeof model);
	for (unsigned op = 0; op < OPSTATS_OP_COUNT; op++) {
		for (unsigned level = 0; level < OPSTATS_LEVEL_COUNT; level++)
			hist_init(&model.took_us[op][level]);
	}
	trend_init(&trend);
	return 0;
}

static int end(void **state)
{
	trend_release(&trend);
	return 0;
}

static void answer(enum opstats_op op, enum msg_level level, enum kv_status status, uint64_t took_us,
		   unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		hist_add(&model.took_us[op][level - LEVEL_EVENTUAL], took_us);
	model.results[op][level - LEVEL_EVENTUAL][status] += count;
}

static void what_was_answered_within_a_step_is_its_rate(void **state)
{
	answer(OPSTATS_GET, LEVEL_EVENTUAL, KV_OK, 10, 50); /* before anybody looked */
	trend_take(&trend, &model, START);
	assert_int_equal(trend.count, 0);
	answer(OPSTATS_GET, LEVEL_BOUNDED, KV_OK, 100, 10);
	answer(OPSTATS_PUT, LEVEL_STRONG, KV_UNAVAILABLE, 3000, 4);
	trend_take(&trend, &model, START + TREND_STEP_US / 2); /* too early */
	assert_int_equal(trend.count, 0);
	trend_take(&trend, &model, START + TREND_STEP_US);
	assert_int_equal(trend.count, 1);
	const struct trend_point *p = trend_at(&trend, 0);
	assert_int_equal(p->rate_milli[TREND_READS], 5000);
	assert_int_equal(p->rate_milli[TREND_WRITES_STRONG], 2000);
	assert_int_equal(p->rate_milli[TREND_READS_STRONG], 0);
	assert_int_equal(p->failed_milli, 2000);
	assert_in_range(p->p99_us[TREND_READS], 97, 104);
	assert_in_range(p->p50_us[TREND_WRITES_STRONG], 2900, 3100);
	assert_int_equal(p->p50_us[TREND_READS_STRONG], 0);
}

static void the_oldest_points_make_room(void **state)
{
	for (unsigned i = 0; i <= TREND_POINTS + 5; i++) {
		answer(OPSTATS_DEL, LEVEL_EVENTUAL, KV_OK, 10, i);
		trend_take(&trend, &model, START + i * TREND_STEP_US);
	}
	assert_int_equal(trend.count, TREND_POINTS);
	assert_int_equal(trend.taken, TREND_POINTS + 5);
	assert_int_equal(trend_at(&trend, 0)->rate_milli[TREND_WRITES], 6 * 500);
	assert_int_equal(trend_at(&trend, TREND_POINTS - 1)->rate_milli[TREND_WRITES], (TREND_POINTS + 5) * 500);
}

static void recent_latencies_forget_what_is_long_ago(void **state)
{
	usec_t now_us = START;
	trend_take(&trend, &model, now_us);
	answer(OPSTATS_GET, LEVEL_STRONG, KV_OK, 900000, 10);
	trend_recent(&trend, &model, recent_us);
	assert_int_equal(recent_us[OPSTATS_GET][3].count, 10); /* also before the first step is over */
	for (unsigned i = 0; i < 12; i++) {
		now_us += TREND_STEP_US;
		trend_take(&trend, &model, now_us);
	}
	answer(OPSTATS_GET, LEVEL_STRONG, KV_OK, 100, 3);
	trend_recent(&trend, &model, recent_us);
	assert_int_equal(recent_us[OPSTATS_GET][3].count, 3);
	assert_in_range(hist_quantile(&recent_us[OPSTATS_GET][3], 1000), 97, 104);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_answered_within_a_step_is_its_rate, begin, end),
		cmocka_unit_test_setup_teardown(the_oldest_points_make_room, begin, end),
		cmocka_unit_test_setup_teardown(recent_latencies_forget_what_is_long_ago, begin, end),
	};
	return test_run("trend", tests);
}
