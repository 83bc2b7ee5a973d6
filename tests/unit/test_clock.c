/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/clock.h"

static void the_monotonic_clock_never_goes_back(void **state)
{
	usec_t last_us = clock_mono_us();
	for (int i = 0; i < 10000; i++) {
		usec_t now_us = clock_mono_us();
		assert_true(now_us >= last_us);
		last_us = now_us;
	}
}

static void the_wall_clock_counts_microseconds_since_1970(void **state)
{
	usec_t before_us = (usec_t)time(NULL) * USEC_PER_SEC;
	usec_t now_us = clock_wall_us();
	/* time() may be a tick behind clock_gettime(). */
	assert_true(now_us + USEC_PER_SEC >= before_us);
	assert_true(now_us < before_us + 60 * USEC_PER_SEC);
}

static void the_test_offset_shifts_the_wall_clock_both_ways(void **state)
{
	static const int64_t hour_us = 3600 * (int64_t)USEC_PER_SEC;
	for (int64_t sign = -1; sign <= 1; sign += 2) {
		usec_t plain_us = clock_wall_us();
		clock_set_wall_offset_us(sign * hour_us);
		int64_t shift_us = (int64_t)(clock_wall_us() - plain_us);
		clock_set_wall_offset_us(0);
		assert_true(shift_us >= sign * hour_us);
		assert_true(shift_us < sign * hour_us + 60 * (int64_t)USEC_PER_SEC);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_monotonic_clock_never_goes_back),
		cmocka_unit_test(the_wall_clock_counts_microseconds_since_1970),
		cmocka_unit_test(the_test_offset_shifts_the_wall_clock_both_ways),
	};
	return test_run("clock", tests);
}
