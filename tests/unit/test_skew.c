/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/skew.h"

enum { WINDOW_MS = 500, OURS_MS = 0 };

#define agreed(...)                                                                                                \
	skew_agreed((int64_t[]){__VA_ARGS__}, ARRAY_SIZE(((int64_t[]){__VA_ARGS__})), WINDOW_MS, OURS_MS)

static void most_clocks_are_right(void **state)
{
	assert_int_equal(agreed(0, -2000, 10), 0);
	assert_int_equal(agreed(9000, -5001, -5000, -4999), -5000); /* ours is wrong then */
	assert_int_equal(agreed(7, 7, 7, 7), 7);
	assert_int_equal(agreed(42), 42);
}

static void a_group_is_no_wider_than_the_window(void **state)
{
	assert_int_equal(agreed(1000, 1400, 1800), 1000);             /* 1400 may be with either: nearer to ours */
	assert_int_equal(agreed(1000, 1400, 1800, 2200, 2300), 2200); /* three of them */
	assert_int_equal(agreed(1000, 1500), 1000);
}

static void where_none_is_the_largest_group_our_own_clock_decides(void **state)
{
	assert_int_equal(agreed(-2000, 3), 3);
	assert_int_equal(agreed(2000, -3), -3);
	assert_int_equal(agreed(-9000, 4000, -5000), 4000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(most_clocks_are_right),
		cmocka_unit_test(a_group_is_no_wider_than_the_window),
		cmocka_unit_test(where_none_is_the_largest_group_our_own_clock_decides),
	};
	return test_run("skew", tests);
}
