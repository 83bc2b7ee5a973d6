/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "proto/limits.h"
#include "replication/disk_watch.h"

static void the_slowest_hundredth_is_found_to_a_quarter(void **state)
{
	static const usec_t slow_us[] = {1, 7, 100, 999, 4096, 123456, 20000000};
	for (size_t i = 0; i < ARRAY_SIZE(slow_us); i++) {
		struct disk_watch w = {0};
		for (uint32_t k = 0; k < 980; k++)
			disk_watch_add(&w, slow_us[i] / 10);
		for (uint32_t k = 0; k < 20; k++)
			disk_watch_add(&w, slow_us[i]);
		disk_watch_tick(&w, DISK_WINDOW_US, 0);
		assert_in_range(w.state.p99_us, slow_us[i] * 3 / 4, slow_us[i]);
	}
}

static void one_slow_commit_among_many_does_not_count(void **state)
{
	struct disk_watch w = {0};
	for (uint32_t k = 0; k < 999; k++)
		disk_watch_add(&w, 1000);
	disk_watch_add(&w, 900000);
	disk_watch_tick(&w, DISK_WINDOW_US, 0);
	assert_true(w.state.p99_us <= 1000);
}

/** SECONDS of commits that take US each. */
static void run(struct disk_watch *w, usec_t *now_us, uint32_t seconds, usec_t us)
{
	for (uint32_t i = 0; i < seconds; i++) {
		for (uint32_t k = 0; k < 50; k++)
			disk_watch_add(w, us);
		*now_us += DISK_WINDOW_US;
		disk_watch_tick(w, *now_us, 0);
	}
}

static void a_disk_is_degraded_after_a_while_and_well_again_after_a_while(void **state)
{
	struct disk_watch w = {0};
	usec_t now_us = 5 * USEC_PER_SEC;
	run(&w, &now_us, 5, 2000);
	run(&w, &now_us, 8, 2 * DISK_SLOW_US);
	assert_false(w.state.degraded);
	run(&w, &now_us, 8, 2 * DISK_SLOW_US);
	assert_true(w.state.degraded);
	run(&w, &now_us, 20, DISK_SLOW_US * 3 / 4); /* better is not well */
	assert_true(w.state.degraded);
	run(&w, &now_us, 8, 2000);
	assert_true(w.state.degraded);
	run(&w, &now_us, 12, 2000);
	assert_false(w.state.degraded);
}

static void a_write_that_does_not_end_is_counted_as_it_grows(void **state)
{
	struct disk_watch w = {0};
	usec_t now_us = 5 * USEC_PER_SEC;
	run(&w, &now_us, 3, 2000);
	for (usec_t age_us = USEC_PER_SEC; age_us < 15 * USEC_PER_SEC; age_us += USEC_PER_SEC) {
		now_us += DISK_WINDOW_US;
		disk_watch_tick(&w, now_us, age_us);
	}
	assert_true(w.state.degraded);
	assert_true(w.state.p99_us > DISK_SLOW_US);
}

static void without_commits_nothing_changes(void **state)
{
	struct disk_watch w = {0};
	usec_t now_us = 5 * USEC_PER_SEC;
	run(&w, &now_us, 3, 2000);
	uint32_t before_us = w.state.p99_us;
	for (uint32_t i = 0; i < 100; i++)
		disk_watch_tick(&w, now_us += DISK_WINDOW_US, 0);
	assert_int_equal(w.state.p99_us, before_us);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_slowest_hundredth_is_found_to_a_quarter),
		cmocka_unit_test(one_slow_commit_among_many_does_not_count),
		cmocka_unit_test(a_disk_is_degraded_after_a_while_and_well_again_after_a_while),
		cmocka_unit_test(a_write_that_does_not_end_is_counted_as_it_grows),
		cmocka_unit_test(without_commits_nothing_changes),
	};
	return test_run("disk_watch", tests);
}
