/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/core.h"

enum { TICKS_PER_SEC = 100 };

static struct node_core *core_new(void)
{
	struct node_core *core = xcalloc(1, sizeof *core);
	core->config.ops_max = 100;
	core->now.mono_us = 10 * USEC_PER_SEC;
	pace_init(core);
	return core;
}

/** A hundred ticks, in each of which a write is handed out that takes COMMIT_US. */
static void seconds(struct node_core *core, uint32_t count, usec_t commit_us)
{
	for (uint32_t i = 0; i < count * TICKS_PER_SEC; i++) {
		core->write_issued++;
		pace_write(core);
		core->now.mono_us += commit_us;
		core->write_done = core->write_issued;
		pace_written(core);
		core->now.mono_us += commit_us < TICK_US ? TICK_US - commit_us : 0;
		pace_tick(core);
	}
}

static void commits_that_take_longer_than_usual_slow_copying_down(void **state)
{
	struct node_core *core = core_new();
	seconds(core, 20, 2000);
	assert_int_equal(core->pace.rate, MOVE_RATE_MAX);
	seconds(core, 2, 9000);
	assert_true(core->pace.rate <= MOVE_RATE_MAX / 4);
	seconds(core, 5, 9000);
	assert_int_equal(core->pace.rate, MOVE_RATE_MIN);
	free(core);
}

static void copying_recovers_by_a_tenth_every_five_seconds(void **state)
{
	struct node_core *core = core_new();
	seconds(core, 20, 2000);
	seconds(core, 7, 9000);
	seconds(core, 2, 2000); /* the short average comes down */
	uint64_t before = core->pace.rate;
	seconds(core, 10, 2000);
	assert_in_range(core->pace.rate, before * 11 / 10, before * 13 / 10);
	seconds(core, 400, 2000);
	assert_int_equal(core->pace.rate, MOVE_RATE_MAX);
	free(core);
}

static void a_fast_disk_may_double_its_time(void **state)
{
	struct node_core *core = core_new();
	seconds(core, 10, 200);
	seconds(core, 10, 1500);
	assert_int_equal(core->pace.rate, MOVE_RATE_MAX);
	free(core);
}

static void operations_that_pile_up_slow_copying_down(void **state)
{
	struct node_core *core = core_new();
	seconds(core, 10, 1000);
	core->op_count = 60;
	seconds(core, 2, 1000);
	assert_true(core->pace.rate <= MOVE_RATE_MAX / 4);
	free(core);
}

static void a_budget_is_overdrawn_by_one_page_and_paid_off(void **state)
{
	struct node_core *core = core_new();
	core->pace.rate = MOVE_RATE_MIN;
	pace_tick(core);
	core->now.mono_us += USEC_PER_SEC;
	pace_tick(core);
	assert_true(pace_allows(core, PACE_IN));
	pace_spend(core, PACE_IN, 4 * MOVE_RATE_MIN);
	assert_false(pace_allows(core, PACE_IN));
	assert_true(pace_allows(core, PACE_OUT)); /* the ways do not share */
	uint32_t ticks = 0;
	for (; !pace_allows(core, PACE_IN); ticks++) {
		core->now.mono_us += TICK_US;
		pace_tick(core);
	}
	assert_in_range(ticks, 3 * TICKS_PER_SEC, 5 * TICKS_PER_SEC);
	free(core);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(commits_that_take_longer_than_usual_slow_copying_down),
		cmocka_unit_test(copying_recovers_by_a_tenth_every_five_seconds),
		cmocka_unit_test(a_fast_disk_may_double_its_time),
		cmocka_unit_test(operations_that_pile_up_slow_copying_down),
		cmocka_unit_test(a_budget_is_overdrawn_by_one_page_and_paid_off),
	};
	return test_run("pace", tests);
}
