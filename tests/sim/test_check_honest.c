/* SPDX-License-Identifier: Apache-2.0 */
/* Honest answers and fences: hand-written histories that are known to be good or bad. */
#include "tests/support/test.h"

#include "tests/sim/script.h"
#include "verify/check_fence.h"
#include "verify/check_honest.h"
#include "verify/verify.h"

/* Honesty is judged by what clients were told, so not by a resolved history. */
static bool honest(const char *text)
{
	struct history h;
	struct verdict v = {0};
	script_history(&h, text);
	bool holds = check_honest(&h, &v);
	history_release(&h);
	return holds;
}

#define GOOD(text)       assert_true(honest(text))
#define BAD(text)        assert_false(honest(text))
#define FENCE_GOOD(text) assert_true(script_holds(check_fence, text))
#define FENCE_BAD(text)  assert_false(script_holds(check_fence, text))

static void what_was_refused_is_not_seen(void **state)
{
	GOOD("1-2 put v1 refused\n3-4 get");
	BAD("1-2 put v1 refused\n3-4 get v1");
	BAD("1-2 put v1 if_ver=0 failed found=v2\n3-4 put v2\n5-6 get v1");
	BAD("1-2 append v1\n3-4 append v2 refused\n5-6 get v1+v2");
	BAD("1-2 append v1 refused\n3-4 append v2\n5-6 get v1+v2");
	BAD("1-2 put v1 refused\n3-4 put v2 if_ver=0 failed found=v1");
}

static void weak_reads_may_show_an_attempt_of_a_strong_write(void **state)
{
	GOOD("1-2 put v1 refused\n3-4 eventual get v1");
	BAD("1-2 eventual put v1 refused\n3-4 eventual get v1");
}

static void what_nobody_wrote_is_not_seen(void **state)
{
	BAD("1-2 put v1\n3-4 eventual get v7");
	BAD("1-2 put v1 key=1\n3-4 get v1 key=2");
	BAD("1-2 get v1\n3-4 put v1");
	GOOD("1-2 add 3 res=3\n3-4 get n3");
}

static void outcomes_agree_with_answers_and_each_other(void **state)
{
	GOOD("1-2 put v1 doubt\n3-4 ask 0 committed\n5-6 ask 0 committed");
	GOOD("1-2 put v1 doubt\n3-4 ask 0 expired\n5-6 ask 0 never");
	BAD("1-2 put v1 doubt\n3-4 ask 0 committed\n5-6 ask 0 never");
	BAD("1-2 put v1 refused\n3-4 ask 0 committed");
	BAD("1-2 put v1 if_ver=0 failed found=v2\n3-4 ask 0 committed");
	BAD("1-2 put v1 ver=10\n3-4 ask 0 never");
	BAD("1-2 put v1 ver=10\n3-4 ask 0 committed ver=11");
	BAD("1-2 add 1 res=1\n3-4 ask 0 committed res=2");
	BAD("1-2 put v1 doubt\n3-4 ask 0 never\n5-6 get v1");
}

static void an_outcome_told_while_the_write_is_under_way_is_final(void **state)
{
	BAD("1-9 put v1 ver=10\n3-4 ask 0 never");
	GOOD("1-9 put v1 refused\n3-4 ask 0 never");
	GOOD("1-9 put v1 ver=10\n3-4 ask 0 committed ver=10");
}

static void replicas_hold_no_part_that_was_refused(void **state)
{
	struct history h;
	struct verdict v = {0};
	struct replicas r = {0};
	script_history(&h, "1-2 append v1\n3-4 append v2\n5-6 put v3 refused");
	const uint64_t pieces[] = {1, 2, 3};
	replicas_add(&r, &(struct replica_copy){.value = history_saw(&h, CONTENT_NONE, pieces, 2)});
	assert_true(check_honest_replicas(&h, &r, &v));
	replicas_add(&r, &(struct replica_copy){.value = history_saw(&h, CONTENT_NONE, pieces, 3)});
	assert_false(check_honest_replicas(&h, &r, &v));
	replicas_release(&r);
	history_release(&h);
}

static void fences_keep_lower_ones_out(void **state)
{
	FENCE_GOOD("1-2 put v1 fence=1 ver=10\n3-4 put v2 fence=1 ver=20\n5-6 put v3 fence=5 ver=30");
	FENCE_GOOD("1-2 put v1 fence=5 ver=10\n3-4 put v2 fence=1 fenced\n5-6 put v3 ver=30");
	FENCE_BAD("1-2 put v1 fence=5 ver=10\n3-4 put v2 fence=1 ver=20");
	FENCE_BAD("1-9 put v1 fence=5 ver=10\n2-8 put v2 fence=1 ver=20");
	FENCE_GOOD("1-9 put v1 fence=5 ver=20\n2-8 put v2 fence=1 ver=10");
	FENCE_BAD("1-2 put v1 fence=5 doubt\n3-4 ask 0 committed ver=10\n5-6 put v2 fence=4 ver=20");
}

static void a_refusal_for_a_fence_needs_a_higher_one(void **state)
{
	FENCE_GOOD("1-2 put v1 fence=5 doubt\n3-4 put v2 fence=1 fenced");
	FENCE_GOOD("1-2 put v1 fence=5 refused\n3-4 put v2 fence=1 fenced");
	FENCE_BAD("1-2 put v1 fence=5 ver=10\n3-4 put v2 fence=5 fenced");
	FENCE_BAD("1-2 put v1 fence=1 fenced\n3-4 put v2 fence=5 ver=10");
}

static void an_eventual_write_may_take_the_fence_away(void **state)
{
	FENCE_GOOD("1-2 put v1 fence=5 ver=10\n3-4 eventual put v2 ver=20\n5-6 put v3 fence=1 ver=30");
}

static void all_checkers_at_once_name_the_first_that_fails(void **state)
{
	struct history h;
	struct verdict v = {0};
	uint32_t undecided;
	script_history(
		&h, "1-2 put v1 ver=10\n3-4 put v2 if_ver=10 doubt\n5-6 ask 1 committed ver=20\n7-8 get v2 ver=20");
	assert_true(verify_history(&h, &v, &undecided));
	history_release(&h);
	script_history(&h, "1-2 put v1 ver=10\n3-4 put v2 ver=20\n5-6 get v1 ver=10");
	assert_false(verify_history(&h, &v, &undecided));
	assert_string_equal(v.check, "version");
	history_release(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_refused_is_not_seen),
		cmocka_unit_test(weak_reads_may_show_an_attempt_of_a_strong_write),
		cmocka_unit_test(what_nobody_wrote_is_not_seen),
		cmocka_unit_test(outcomes_agree_with_answers_and_each_other),
		cmocka_unit_test(an_outcome_told_while_the_write_is_under_way_is_final),
		cmocka_unit_test(replicas_hold_no_part_that_was_refused),
		cmocka_unit_test(fences_keep_lower_ones_out),
		cmocka_unit_test(a_refusal_for_a_fence_needs_a_higher_one),
		cmocka_unit_test(an_eventual_write_may_take_the_fence_away),
		cmocka_unit_test(all_checkers_at_once_name_the_first_that_fails),
	};
	return test_run("check_honest", tests);
}
