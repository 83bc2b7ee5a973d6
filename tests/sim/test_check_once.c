/* SPDX-License-Identifier: Apache-2.0 */
/* Exactly once: hand-written histories that are known to be good or bad. */
#include "tests/support/test.h"

#include "tests/sim/script.h"
#include "verify/check_once.h"

#define GOOD(text) assert_true(script_holds(check_once, text))
#define BAD(text)  assert_false(script_holds(check_once, text))

static void every_acknowledged_addition_counts_once(void **state)
{
	GOOD("1-2 add 1 res=1\n3-8 add 1 res=3\n4-7 add 1 res=2\n9-10 get n3");
	BAD("1-2 add 1 res=1\n3-4 add 1 res=2\n5-6 get n3");
	BAD("1-2 add 1 res=1\n3-4 add 1 res=2\n5-6 get n1");
	BAD("1-2 add 1 res=1\n5-6 get");
}

static void two_equal_sums_are_found(void **state)
{
	BAD("1-8 add 1 res=1\n2-7 add 1 res=1");
	BAD("1-8 add 3 res=3\n2-7 add 2 res=4");
}

static void doubtful_additions_explain_gaps_and_no_more(void **state)
{
	GOOD("1-2 add 1 res=1\n3-4 add 2 doubt\n5-6 add 1 res=4\n7-8 get n4");
	GOOD("1-2 add 1 res=1\n3-4 add 2 doubt\n5-6 add 1 res=2\n7-8 get n2");
	BAD("1-2 add 1 res=1\n3-4 add 2 doubt\n5-6 add 1 res=6");
	BAD("1-2 add 1 res=1\n3-4 add 2 doubt\n7-8 get n5");
	BAD("1-2 add 1 res=1\n3-4 add 2 refused\n7-8 get n3");
}

static void an_outcome_settles_what_counts(void **state)
{
	BAD("1-2 add 1 doubt\n3-4 ask 0 never\n5-6 get n1");
	BAD("1-2 add 1 doubt\n3-4 ask 0 committed res=1\n5-6 get");
	GOOD("1-2 add 1 doubt\n3-4 ask 0 committed res=1\n5-6 get n1");
}

static void subtractions_are_judged_too(void **state)
{
	GOOD("1-2 add -1 res=-1\n3-4 add -2 res=-3\n5-6 get n-3");
	BAD("1-2 add -1 res=-1\n3-4 add -2 res=-3\n5-6 get n-4");
}

static void every_piece_is_there_once(void **state)
{
	GOOD("1-2 append v1 size=2 res=2\n3-4 append v2 size=3 res=5\n5-6 get v1+v2");
	BAD("1-2 append v1 size=2 res=2\n3-4 append v2 size=3 res=5\n5-6 get v1+v2+v1");
	BAD("1-2 append v1 size=2 res=2\n3-4 append v2 size=3 res=5\n5-6 get v1");
	BAD("1-2 append v1 size=2 res=2\n3-4 append v2 size=3 res=5\n5-6 get");
}

static void sizes_say_where_a_piece_is(void **state)
{
	BAD("1-2 append v1 size=2 res=2\n3-8 append v2 size=3 res=5\n4-7 append v3 size=4 res=6\n9-10 get v1+v2+v3");
	GOOD("1-2 append v1 size=2 res=2\n3-8 append v2 size=3 res=9\n4-7 append v3 size=4 res=6\n9-10 get v1+v3+v2");
}

static void one_put_has_one_version(void **state)
{
	GOOD("1- put v1\n2-3 get v1 ver=10\n4-5 get v1 ver=10");
	BAD("1- put v1\n2-3 get v1 ver=10\n4-5 get v1 ver=20");
	GOOD("1- put v1\n2-3 eventual get v1 ver=5\n4-5 get v1 ver=10");
}

static void keys_with_other_writes_are_left_to_the_search(void **state)
{
	GOOD("1-2 add 1 res=1\n3-4 delete\n5-6 add 1 res=1\n7-8 get n1");
	GOOD("1-2 add 1 res=1 key=1\n3-4 add 1 res=1 key=2\n5-6 get n1 key=1");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_acknowledged_addition_counts_once),
		cmocka_unit_test(two_equal_sums_are_found),
		cmocka_unit_test(doubtful_additions_explain_gaps_and_no_more),
		cmocka_unit_test(an_outcome_settles_what_counts),
		cmocka_unit_test(subtractions_are_judged_too),
		cmocka_unit_test(every_piece_is_there_once),
		cmocka_unit_test(sizes_say_where_a_piece_is),
		cmocka_unit_test(one_put_has_one_version),
		cmocka_unit_test(keys_with_other_writes_are_left_to_the_search),
	};
	return test_run("check_once", tests);
}
