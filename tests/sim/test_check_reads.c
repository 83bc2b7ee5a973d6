/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, bounds and deletions: hand-written histories that are known to be good or bad. */
#include "tests/support/test.h"

#include "tests/sim/script.h"
#include "verify/check_bounded.h"
#include "verify/check_gone.h"
#include "verify/check_session.h"

#define SESSION_GOOD(text) assert_true(script_holds(check_session, text))
#define SESSION_BAD(text)  assert_false(script_holds(check_session, text))
#define BOUNDED_GOOD(text) assert_true(script_holds(check_bounded, text))
#define BOUNDED_BAD(text)  assert_false(script_holds(check_bounded, text))
#define GONE_GOOD(text)    assert_true(script_holds(check_gone, text))
#define GONE_BAD(text)     assert_false(script_holds(check_gone, text))

/* --- sessions --- */

static void a_session_reads_its_writes(void **state)
{
	SESSION_GOOD("1-2 session put v1 s=1 ver=10 token=10\n3-4 session get v1 s=1 ver=10 token=10");
	SESSION_GOOD("1-2 session put v1 s=1 ver=10 token=10\n3-4 session get v2 s=1 ver=20 token=20");
	SESSION_BAD("1-2 session put v1 s=1 ver=10 token=10\n3-4 session get v0 s=1 ver=5 token=5");
	SESSION_BAD("1-2 session put v1 s=1 ver=10 token=10\n3-4 session get s=1");
}

static void reads_of_a_session_never_go_back(void **state)
{
	SESSION_BAD("1-2 session get v2 s=1 ver=20 token=20\n3-4 session get v1 s=1 ver=10 token=10");
	SESSION_GOOD("1-2 session get v2 s=1 ver=20 token=20\n3-4 session get v1 s=2 ver=10 token=10");
	SESSION_GOOD("1-2 session get v2 s=1 ver=20 token=20\n3-4 session get v1 key=1 s=1 ver=10 token=10");
	SESSION_GOOD("1-5 session get v2 s=1 ver=20 token=20\n3-4 session get v1 s=1 ver=10 token=10");
}

static void whoever_carries_the_token_on_is_of_the_session(void **state)
{
	SESSION_BAD("1-2 session put v2 s=1 client=1 ver=20 token=20\n"
		    "3-4 session get v1 s=1 client=2 floor=20 ver=10 token=10");
	SESSION_BAD("3-4 session get v1 s=1 client=2 floor=20 ver=10 token=10");
}

static void a_copy_may_be_newer_than_its_value(void **state)
{
	/* A ballot gave the value of version 5 the copy 30. */
	SESSION_GOOD("1-2 session put v2 s=1 ver=20 token=20\n2-3 get v1 ver=5\n"
		     "4-5 session get v1 s=1 ver=5 token=30");
	SESSION_BAD("1-2 session put v2 s=1 ver=20 token=20\n4-5 session get v1 s=1 ver=5 token=30");
}

/** Seed 25986 of changing clusters: a ballot had given the deletion a copy above its own version, and then it was forgotten. */
static void a_session_may_find_a_deletion_forgotten_however_new_its_copy_was(void **state)
{
#define FORGOTTEN_GOOD(text) assert_true(script_holds_with_purges(check_session, text))
#define FORGOTTEN_BAD(text)  assert_false(script_holds_with_purges(check_session, text))
	FORGOTTEN_GOOD("1-2 delete ver=20\n3-4 session get s=1 ver=20 token=30\n5-6 session get s=1");
	FORGOTTEN_GOOD(
		"1-2 delete ver=20\n3-4 session get s=1 ver=20 token=30\n5-6 session get s=1 floor=30 token=30");
	/* A value that was written since is not forgotten with it. */
	FORGOTTEN_BAD(
		"1-2 delete ver=20\n3-4 put v1 ver=25\n5-6 session get v1 s=1 ver=25 token=30\n7-8 session get s=1");
	FORGOTTEN_BAD("3-4 session get v1 s=1 ver=20 token=30\n5-6 session get s=1");
	FORGOTTEN_BAD(
		"1-2 delete ver=20\n3-4 session get s=1 ver=20 token=30\n5-6 session get v1 s=1 ver=10 token=10");
}

static void a_refused_session_read_promises_nothing(void **state)
{
	SESSION_GOOD("1-2 session put v1 s=1 ver=10 token=10\n3-4 session get s=1 refused");
}

/* --- bounds; a number of the order is a millisecond --- */

static void a_bounded_read_shows_what_is_older_than_its_bound(void **state)
{
	BOUNDED_GOOD("1-2 put v1 ver=10\n5-6 put v2 ver=20\n20-21 get v2 bound=10 ver=20");
	BOUNDED_GOOD("1-2 put v1 ver=10\n5-6 put v2 ver=20\n10-11 get v1 bound=10 ver=10");
	BOUNDED_BAD("1-2 put v1 ver=10\n5-6 put v2 ver=20\n20-21 get v1 bound=10 ver=10");
	BOUNDED_BAD("1-2 put v1 ver=10\n20-21 get bound=10");
}

static void a_bound_that_is_told_is_kept_at_every_level(void **state)
{
	BOUNDED_BAD("1-2 put v1 ver=10\n5-6 put v2 ver=20\n20-21 eventual get v1 stale=10 ver=10");
	BOUNDED_GOOD("1-2 put v1 ver=10\n5-6 put v2 ver=20\n20-21 eventual get v1 stale=15 ver=10");
	BOUNDED_GOOD("1-2 put v1 ver=10\n5-6 put v2 ver=20\n20-21 eventual get v1 ver=10");
	BOUNDED_BAD("1-2 put v1 ver=10\n5-6 put v2 ver=20\n20-21 get v1 bound=15 stale=10 ver=10");
}

static void eventual_writes_count_if_a_majority_has_them_and_nothing_strong_came(void **state)
{
	BOUNDED_BAD("1-2 eventual put v1 acks=majority ver=10\n20-21 get bound=5");
	BOUNDED_GOOD("1-2 eventual put v1 acks=one ver=10\n20-21 get bound=5");
	BOUNDED_GOOD("1-2 eventual put v1 acks=all ver=10\n3-4 get v0 ver=5\n20-21 get v0 bound=5 ver=5");
}

static void writes_in_doubt_bind_no_bound(void **state)
{
	BOUNDED_GOOD("1-2 put v1 doubt ver=10\n20-21 get bound=5");
}

static void clocks_that_cannot_be_trusted_are_not_judged(void **state)
{
	struct history h;
	struct verdict v = {0};
	script_history(&h, "1-2 put v1 ver=10\n20-21 get bound=5");
	h.stale_slack_us = 13 * USEC_PER_MSEC;
	assert_true(check_bounded(&h, &v));
	h.stale_slack_us = 12 * USEC_PER_MSEC;
	assert_false(check_bounded(&h, &v));
	h.stale_slack_us = USEC_NEVER;
	v.violated = false;
	assert_true(check_bounded(&h, &v));
	history_release(&h);
}

/* --- deletions --- */

static void a_deleted_value_stays_away(void **state)
{
	GONE_GOOD("1-2 put v1 ver=10\n3-4 delete ver=20\n5-6 get\n7-8 put v2 ver=30\n9-10 get v2 ver=30");
	GONE_BAD("1-2 put v1 ver=10\n3-4 delete ver=20\n5-6 get v1 ver=10");
	GONE_BAD("1-2 put v1 ver=10\n3-4 delete ver=20\n5-6 get v1 ver=30");
	GONE_BAD("1-2 delete ver=20\n3-4 get v1 ver=10");
}

static void weak_reads_may_still_show_it(void **state)
{
	GONE_GOOD("1-2 put v1 ver=10\n3-4 delete ver=20\n5-6 eventual get v1 ver=10");
	GONE_GOOD("1-2 put v1 ver=10\n3-7 delete ver=20\n4-6 get v1 ver=10");
}

static void a_delete_that_all_replicas_have_holds_at_every_level(void **state)
{
	GONE_BAD("1-2 eventual put v1 ver=10\n3-4 eventual delete acks=all ver=20\n5-6 eventual get v1 ver=10");
	GONE_GOOD("1-2 eventual put v1 ver=10\n3-4 eventual delete acks=one ver=20\n5-6 eventual get v1 ver=10");
	GONE_GOOD("1-2 eventual put v1 ver=10\n2-3 get v1 ver=10\n4-5 eventual delete acks=all ver=20\n"
		  "6-7 eventual get v1 ver=10");
	GONE_GOOD("1-2 eventual delete acks=all ver=20\n3-4 eventual put v1 ver=30\n5-6 eventual get v1 ver=30");
}

static void no_replica_ends_with_a_deleted_value(void **state)
{
	struct history h;
	struct verdict v = {0};
	struct replicas r = {0};
	script_history(&h, "1-2 put v1 ver=10\n3-4 delete ver=20");
	replicas_add(&r, &(struct replica_copy){.ver = {.hi = 20}, .org = {.hi = 20}, .tombstone = true});
	assert_true(check_gone_replicas(&h, &r, &v));
	replicas_add(&r, &(struct replica_copy){.node = 1, .ver = {.hi = 30}, .org = {.hi = 10}, .value = 1});
	assert_false(check_gone_replicas(&h, &r, &v));
	replicas_release(&r);
	history_release(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_reads_its_writes),
		cmocka_unit_test(reads_of_a_session_never_go_back),
		cmocka_unit_test(whoever_carries_the_token_on_is_of_the_session),
		cmocka_unit_test(a_copy_may_be_newer_than_its_value),
		cmocka_unit_test(a_session_may_find_a_deletion_forgotten_however_new_its_copy_was),
		cmocka_unit_test(a_refused_session_read_promises_nothing),
		cmocka_unit_test(a_bounded_read_shows_what_is_older_than_its_bound),
		cmocka_unit_test(a_bound_that_is_told_is_kept_at_every_level),
		cmocka_unit_test(eventual_writes_count_if_a_majority_has_them_and_nothing_strong_came),
		cmocka_unit_test(writes_in_doubt_bind_no_bound),
		cmocka_unit_test(clocks_that_cannot_be_trusted_are_not_judged),
		cmocka_unit_test(a_deleted_value_stays_away),
		cmocka_unit_test(weak_reads_may_still_show_it),
		cmocka_unit_test(a_delete_that_all_replicas_have_holds_at_every_level),
		cmocka_unit_test(no_replica_ends_with_a_deleted_value),
	};
	return test_run("check_reads", tests);
}
