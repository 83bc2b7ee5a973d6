/* SPDX-License-Identifier: Apache-2.0 */
/* The order of versions under conditions and failures; plain reads and writes are in test_checkers.c. */
#include "tests/support/test.h"

#include "tests/sim/script.h"
#include "verify/check_version.h"

#define GOOD(text) assert_true(script_holds(check_version, text))
#define BAD(text)  assert_false(script_holds(check_version, text))

static void a_demanded_version_is_the_one_before(void **state)
{
	GOOD("1-2 put v1 ver=10\n3-4 put v2 if_ver=10 ver=20\n5-6 delete if_ver=20 ver=30");
	BAD("1-2 put v1 ver=10\n3-9 put v2 ver=20\n4-8 put v3 if_ver=10 ver=30");
	BAD("1-2 put v1 ver=10\n3-9 put v2 if_ver=10 ver=20\n4-8 put v3 if_ver=10 ver=15");
	BAD("1-2 put v1 ver=10\n3-4 put v2 if_ver=10 ver=10");
}

static void an_eventual_version_between_counts_only_if_a_strong_read_saw_it(void **state)
{
	GOOD("1-2 put v1 ver=10\n3-4 eventual put v2 ver=15\n5-6 put v3 if_ver=10 ver=20");
	BAD("1-2 put v1 ver=10\n3-4 eventual put v2 ver=15\n5-6 get v2 ver=15\n7-8 put v3 if_ver=10 ver=20");
}

static void absence_was_there_before(void **state)
{
	GOOD("1-2 put v1 if_ver=0 ver=10\n3-4 delete ver=20\n5-6 put v2 if_ver=0 ver=30");
	GOOD("1-2 put v1 ver=10\n3-4 delete doubt\n5-6 put v2 if_ver=0 ver=30");
	GOOD("1-2 put v1 ttl=1 ver=10\n5-6 put v2 if_ver=0 ver=30");
	BAD("1-2 put v1 ver=10\n3-4 put v2 if_ver=0 ver=20");
	BAD("1-2 put v1 ver=10\n3-4 eventual delete ver=5\n5-6 put v2 if_ver=0 ver=20");
}

static void a_demanded_value_was_there_before(void **state)
{
	GOOD("1-2 put v1 ver=10\n3-4 put v2 if=v1 ver=20");
	GOOD("1-2 put v1 ver=10\n3- put v2\n4-5 put v3 if=v2 ver=20");
	BAD("1-2 put v1 ver=10\n3-4 put v2 ver=20\n5-6 put v3 if=v1 ver=30");
}

static void a_failure_is_a_read(void **state)
{
	GOOD("1-2 put v1 ver=10\n3-4 put v2 ver=20\n5-6 put v3 if_ver=10 failed found=v2 ver=20");
	BAD("1-2 put v1 ver=10\n3-4 put v2 ver=20\n5-6 put v3 if_ver=20 failed found=v1 ver=10");
	BAD("1-2 put v1 ver=10\n3-4 put v3 if_ver=20 failed found=v7 ver=10");
}

static void sums_and_appends_have_versions_of_their_own(void **state)
{
	GOOD("1-2 add 1 res=1 ver=10\n3-4 add 1 res=2 ver=20\n5-6 get n2 ver=20");
	BAD("1-2 add 1 res=1 ver=10\n3-4 add 1 res=2 ver=20\n5-6 get n1 ver=20");
	BAD("1-2 add 1 res=1 ver=10\n3-4 add 1 res=2 ver=10");
	GOOD("1-2 append v1 ver=10\n3-4 append v2 ver=20\n5-6 get v1+v2 ver=20");
	BAD("1-2 append v1 ver=10\n3-4 append v2 ver=20\n5-6 get v1+v2 ver=25");
}

static void a_version_told_later_counts(void **state)
{
	GOOD("1-2 put v1 doubt\n3-4 ask 0 committed ver=10\n5-6 get v1 ver=10");
	BAD("1-2 put v1 doubt\n3-4 ask 0 committed ver=10\n5-6 get v1 ver=11");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_demanded_version_is_the_one_before),
		cmocka_unit_test(an_eventual_version_between_counts_only_if_a_strong_read_saw_it),
		cmocka_unit_test(absence_was_there_before),
		cmocka_unit_test(a_demanded_value_was_there_before),
		cmocka_unit_test(a_failure_is_a_read),
		cmocka_unit_test(sums_and_appends_have_versions_of_their_own),
		cmocka_unit_test(a_version_told_later_counts),
	};
	return test_run("check_version", tests);
}
