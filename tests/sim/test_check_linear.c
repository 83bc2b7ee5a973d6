/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The black-box search judged by hand-written histories of conditions, sums, appends and outcomes, and by a second opinion:
 * brute force over all orders of random small histories. Plain reads and writes are in test_checkers.c.
 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "tests/sim/script.h"
#include "verify/check_linear.h"
#include "verify/model.h"
#include "verify/resolve.h"

static bool linear(const struct history *h, struct verdict *v)
{
	uint32_t undecided;
	bool holds = check_linear(h, v, &undecided);
	assert_int_equal(undecided, 0);
	return holds;
}

#define GOOD(text) assert_true(script_holds(linear, text))
#define BAD(text)  assert_false(script_holds(linear, text))

/* --- conditions --- */

static void a_condition_by_version_holds_right_after_that_write(void **state)
{
	GOOD("1-2 put v1 ver=10\n3-4 put v2 if_ver=10 ver=20\n5-6 get v2 ver=20");
	BAD("1-2 put v1 ver=10\n3-4 put v2 ver=20\n5-6 put v3 if_ver=10 ver=30");
}

static void of_two_writes_on_one_version_one_fails(void **state)
{
	GOOD("1-2 put v1 ver=10\n3-8 put v2 if_ver=10 ver=20\n4-7 put v3 if_ver=10 failed found=v2 ver=20");
	BAD("1-2 put v1 ver=10\n3-8 put v2 if_ver=10 ver=20\n4-7 put v3 if_ver=10 ver=30");
}

static void a_failure_must_have_a_reason(void **state)
{
	BAD("1-2 put v1 ver=10\n3-4 put v2 if_ver=10 failed found=v1 ver=10");
	BAD("1-2 put v1 ver=10\n3-4 put v2 present failed found=v1");
	BAD("1-2 delete ver=10\n3-4 put v2 if_ver=0 failed found=");
}

static void a_failure_reads_what_is_there(void **state)
{
	GOOD("1-2 put v1 ver=10\n3-4 put v2 ver=20\n5-6 put v3 if_ver=10 failed found=v2 ver=20");
	BAD("1-2 put v1 ver=10\n3-4 put v2 ver=20\n5-6 put v3 if_ver=15 failed found=v1 ver=10");
	BAD("1-2 put v1 ver=10\n3-4 put v2 if_ver=0 failed found=v9");
}

static void a_failed_write_is_never_seen(void **state)
{
	BAD("1-2 put v1 ver=10\n3-4 put v2 if_ver=0 failed found=v1\n5-6 get v2");
}

static void absent_and_present_are_conditions(void **state)
{
	GOOD("1-2 put v1 if_ver=0\n3-4 delete present\n5-6 put v2 if_ver=0\n7-8 get v2");
	BAD("1-2 put v1\n3-4 put v2 if_ver=0");
	BAD("1-2 put v1 present");
	BAD("1-2 put v1\n3-4 delete\n5-6 delete present");
}

static void a_condition_by_value_needs_that_value(void **state)
{
	GOOD("1-2 put v1\n3-4 put v2 if=v1\n5-6 get v2");
	BAD("1-2 put v1\n3-4 put v2\n5-6 put v3 if=v1");
}

static void a_conditional_write_in_doubt_happens_only_where_its_condition_holds(void **state)
{
	GOOD("1-2 put v1 ver=10\n3-4 put v2 if_ver=10 doubt\n5-6 get v2");
	GOOD("1-2 put v1 ver=10\n3-4 put v2 if_ver=10 doubt\n5-6 put v3 ver=30\n7-8 get v3");
	BAD("1-2 put v1 ver=10\n3-4 put v3 ver=30\n5-6 put v2 if_ver=10 doubt\n7-8 get v2");
}

static void writes_in_doubt_chain_up_to_what_was_seen(void **state)
{
	GOOD("1-2 put v1 ver=10\n3-4 put v2 if=v1 doubt\n5- put v3 if=v2\n6-7 get v3");
	BAD("1-2 put v1 ver=10\n5- put v3 if=v2\n6-7 get v3\n8-9 put v2 if=v1 doubt");
}

static void a_version_seen_only_by_a_read_stands_for_its_content(void **state)
{
	GOOD("1- put v1\n2-3 get v1 ver=10\n4-5 put v2 if_ver=10 ver=20\n6-7 get v2 ver=20");
	BAD("1- put v1\n2-3 get v1 ver=10\n4-5 put v3\n6-7 put v2 if_ver=10 ver=20");
}

/* --- sums --- */

static void sums_follow_each_other(void **state)
{
	GOOD("1-9 add 1 res=2\n2-8 add 1 res=1\n10-11 get n2");
	GOOD("1-2 add 5 res=5\n3-4 add -7 res=-2\n5-6 get n-2\n7-8 add 2 res=0\n9-10 get n0");
}

static void a_lost_or_repeated_addition_is_found(void **state)
{
	BAD("1-2 add 1 res=1\n3-4 add 1 res=1");
	BAD("1-2 add 1 res=1\n3-4 get n2");
	BAD("1-2 add 1 res=1\n3-4 add 1 res=3\n5-6 get n3");
	BAD("1-2 add 1 res=2\n3-4 add 1 res=1");
}

static void additions_in_doubt_count_once_or_not(void **state)
{
	GOOD("1-2 add 1 res=1\n3-4 add 1 doubt\n5-6 add 1 res=3\n7-8 get n3");
	GOOD("1-2 add 1 res=1\n3-4 add 1 doubt\n5-6 add 1 res=2\n7-8 get n2\n9-10 get n3");
	BAD("1-2 add 1 res=1\n3-4 add 1 doubt\n5-6 add 1 res=2\n7-8 get n3\n9-10 get n4");
	GOOD("1- add 3\n2- add 5\n3- add 7\n4-5 get n8\n6-7 get n15");
	BAD("1- add 3\n2- add 5\n3- add 7\n4-5 get n8\n6-7 get n13");
}

static void additions_start_anew_after_a_delete_and_fail_on_text(void **state)
{
	GOOD("1-2 add 4 res=4\n3-4 delete\n5-6 add 1 res=1");
	GOOD("1-2 put v1\n3-4 add 1 failed found=v1\n5-6 get v1");
	GOOD("1-2 put v1\n3-4 delete doubt\n5-6 add 1 res=1");
	BAD("1-2 put v1\n3-4 add 1 res=1");
	BAD("1-2 add 4 res=4\n3-4 add 1 failed found=n4");
}

/* --- appends --- */

static void appends_build_a_content(void **state)
{
	GOOD("1-2 append v1 size=3 res=3\n3-8 append v2 size=4 res=12\n4-7 append v3 size=5 res=8\n9-10 get v1+v3+v2");
	BAD("1-2 append v1 size=3 res=3\n3-4 append v2 size=4 res=7\n5-6 get v2+v1");
	BAD("1-2 append v1 size=3 res=3\n3-4 append v2 size=4 res=7\n5-6 get v1");
}

static void sizes_tell_lost_and_repeated_appends(void **state)
{
	BAD("1-2 append v1 size=3 res=3\n3-4 append v2 size=4 res=4");
	BAD("1-2 append v1 size=3 res=3\n3-4 append v2 size=4 res=10");
	GOOD("1- append v1 size=3\n2- append v2 size=4\n3-4 append v3 size=5 res=12");
	GOOD("1- append v1 size=3\n2- put v2 size=9\n3-4 append v3 size=5 res=17");
	BAD("1- append v1 size=3\n2- append v2 size=4\n3-4 append v3 size=5 res=13");
}

/* Seed 38690: the append fits as it is, but only behind the delete does it lead to what is seen later. */
static void an_append_in_doubt_may_need_a_delete_in_doubt_before_it(void **state)
{
	GOOD("1-2 put v1 size=9 ver=10\n3- delete if=v1\n4- append v2 size=4\n5-6 put v3 if_ver=10 failed ver=30\n"
	     "7-8 append v4 size=5 res=9");
}

static void a_content_may_end_in_appends_in_doubt(void **state)
{
	GOOD("1-2 put v1\n3-4 append v2 doubt\n5- append v3\n6-7 get v1+v3+v2\n8-9 get v1+v3+v2");
	BAD("1-2 put v1\n3-4 append v2 doubt\n5-6 get v1+v2\n7-8 get v1");
	GOOD("1-2 add 7 res=7\n3-4 append v1\n5-6 get n7+v1\n7-8 add 1 failed found=n7+v1");
}

/* --- outcomes, fences, time to live --- */

static void an_outcome_decides_a_doubt(void **state)
{
	GOOD("1-2 add 1 doubt\n3-4 ask 0 committed res=1\n5-6 get n1");
	BAD("1-2 add 1 doubt\n3-4 ask 0 committed res=1\n5-6 get");
	GOOD("1-2 put v1\n3-4 put v2 doubt\n5-6 ask 1 never\n7-8 get v1");
	BAD("1-2 put v1\n3-4 put v2 doubt\n5-6 ask 1 never\n7-8 get v2");
	GOOD("1-2 put v1\n3-4 put v2 doubt\n5-6 ask 1 expired\n7-8 get v1\n9-10 get v2");
}

static void a_write_refused_for_its_fence_says_nothing_of_its_condition(void **state)
{
	GOOD("1-2 put v1 ver=10 fence=5\n3-4 put v2 if_ver=10 fence=4 fenced found=v1\n5-6 get v1");
}

static void an_addition_keeps_the_end_of_what_it_adds_to(void **state)
{
	GOOD("1-2 put v1 ttl=10\n3-4 append v2\n5-6 get v1+v2\n100-101 get");
	BAD("1-2 put v1 ttl=10\n3-4 put v2\n5-6 get v2\n100-101 get");
}

/* --- a second opinion --- */

#define SMALL 6u

struct brute {
	const struct history *h;
	struct model model;
	bool done[SMALL];
};

static bool brute_must(const struct history_op *op)
{
	return history_is_strong(op) && op->outcome != HISTORY_PENDING && op->outcome != HISTORY_DOUBT &&
	       op->outcome != HISTORY_REFUSED;
}

/* Tries every operation that real time lets come next, by the rules as they are written, with no memory. */
static bool brute_search(struct brute *b, struct model_state state)
{
	uint64_t horizon = HISTORY_NEVER;
	bool all = true;
	for (uint32_t i = 0; i < b->h->count; i++)
		if (!b->done[i] && brute_must(&b->h->ops[i])) {
			horizon = MIN(horizon, b->h->ops[i].complete);
			all = false;
		}
	if (all)
		return true;
	for (uint32_t i = 0; i < b->h->count; i++) {
		const struct history_op *op = &b->h->ops[i];
		bool part = brute_must(op) || (history_is_write(op) && op->outcome != HISTORY_REFUSED);
		if (b->done[i] || !part || op->invoke > horizon || !model_holds(&b->model, op, &state))
			continue;
		b->done[i] = true;
		bool found = brute_search(b, model_apply(op, state));
		b->done[i] = false;
		if (found)
			return true;
	}
	return false;
}

static uint64_t small_content(struct rng *r, struct history *h, uint64_t values)
{
	uint64_t pieces[2] = {rng_between(r, 1, values), rng_between(r, 1, values)};
	switch (rng_below(r, 4)) {
	case 0:
		return content_number((int64_t)rng_between(r, 0, 4));
	case 1:
		return pieces[0] == pieces[1] ? CONTENT_NONE : history_saw(h, CONTENT_NONE, pieces, 2);
	default:
		return pieces[0];
	}
}

static void small_write(struct rng *r, struct history *h, struct history_op *op, uint64_t values)
{
	if (op->kind == HISTORY_ADD) {
		op->delta = (int64_t)rng_between(r, 1, 2);
		op->has_result = op->outcome == HISTORY_DONE;
		op->result = (int64_t)rng_between(r, 1, 4);
		return;
	}
	if (op->kind == HISTORY_APPEND) {
		op->size = 1;
		op->has_result = op->outcome == HISTORY_DONE;
		op->result = (int64_t)rng_between(r, 1, 3);
		return;
	}
	if (rng_below(r, 2))
		return;
	op->when.has_version = rng_below(r, 4) == 0;
	op->when.version.hi = op->when.has_version && rng_below(r, 2) ? rng_between(r, 1, 3) * 10 : 0;
	op->when.present = rng_below(r, 4) == 0;
	op->when.has_value = !op->when.has_version && !op->when.present;
	op->when.value = small_content(r, h, values);
	if (rng_below(r, 3) == 0 && op->outcome == HISTORY_DONE) {
		op->outcome = HISTORY_FAILED;
		op->has_found = true;
		op->found = rng_below(r, 3) ? small_content(r, h, values) : CONTENT_NONE;
	}
}

/* A random history of a few operations on key 0. Most are wrong, some are not. */
static void small_history(struct rng *r, struct history *h)
{
	uint64_t values = 0, order = 0, now = 0;
	uint32_t count = (uint32_t)rng_between(r, 2, SMALL);
	history_init(h, 1, 0);
	for (uint32_t i = 0; i < count; i++) {
		static const enum history_kind kinds[] = {HISTORY_GET, HISTORY_GET,    HISTORY_PUT,   HISTORY_PUT,
							  HISTORY_ADD, HISTORY_DELETE, HISTORY_APPEND};
		now += 10;
		/* No two moments are equal. */
		struct history_op *op = history_place(h, now * 16 + 15, (now + 1 + rng_below(r, 25)) * 16 + i);
		op->level = rng_below(r, 6) ? HISTORY_STRONG : HISTORY_EVENTUAL;
		op->kind = kinds[rng_below(r, ARRAY_SIZE(kinds))];
		op->outcome = rng_below(r, 4) ? HISTORY_DONE : HISTORY_DOUBT;
		if (op->kind == HISTORY_ADD || op->kind == HISTORY_APPEND)
			op->level = HISTORY_STRONG;
		if (op->kind == HISTORY_PUT || op->kind == HISTORY_APPEND)
			op->value = ++values;
		if (op->kind == HISTORY_PUT)
			op->size = 1;
		if (op->outcome == HISTORY_DONE && op->kind != HISTORY_GET)
			op->version.hi = ++order * 10;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct history_op *op = &h->ops[i];
		if (op->kind == HISTORY_GET && op->outcome == HISTORY_DONE)
			op->value = rng_below(r, 4) ? small_content(r, h, MAX(values, 1u)) : CONTENT_NONE;
		if (op->kind == HISTORY_GET && op->outcome == HISTORY_DONE && op->value == CONTENT_NONE)
			op->outcome = HISTORY_ABSENT;
		if (history_is_write(op) && history_is_strong(op))
			small_write(r, h, op, MAX(values, 1u));
	}
}

static void brute_force_agrees_on_random_small_histories(void **state)
{
	struct rng r;
	uint32_t good = 0, bad = 0;
	rng_init(&r, 42);
	for (uint32_t run = 0; run < 200000; run++) {
		struct history h;
		small_history(&r, &h);
		struct brute b = {.h = &h};
		model_init(&b.model, &h, 0);
		bool expected = brute_search(&b, model_absent());
		enum linear_answer answer = check_linear_key(&h, 0, NULL);
		if (answer != LINEAR_UNDECIDED && (answer == LINEAR_YES) != expected) {
			struct buf text = BUF_INIT;
			history_print(&h, 0, &text);
			print_error("run %u: brute force says %s of\n%s", run, expected ? "yes" : "no",
				    buf_cstr(&text));
			fail();
		}
		good += expected;
		bad += !expected;
		model_release(&b.model);
		history_release(&h);
	}
	assert_true(good > 1000);
	assert_true(bad > 1000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_condition_by_version_holds_right_after_that_write),
		cmocka_unit_test(of_two_writes_on_one_version_one_fails),
		cmocka_unit_test(a_failure_must_have_a_reason),
		cmocka_unit_test(a_failure_reads_what_is_there),
		cmocka_unit_test(a_failed_write_is_never_seen),
		cmocka_unit_test(absent_and_present_are_conditions),
		cmocka_unit_test(a_condition_by_value_needs_that_value),
		cmocka_unit_test(a_conditional_write_in_doubt_happens_only_where_its_condition_holds),
		cmocka_unit_test(writes_in_doubt_chain_up_to_what_was_seen),
		cmocka_unit_test(a_version_seen_only_by_a_read_stands_for_its_content),
		cmocka_unit_test(sums_follow_each_other),
		cmocka_unit_test(a_lost_or_repeated_addition_is_found),
		cmocka_unit_test(additions_in_doubt_count_once_or_not),
		cmocka_unit_test(additions_start_anew_after_a_delete_and_fail_on_text),
		cmocka_unit_test(appends_build_a_content),
		cmocka_unit_test(sizes_tell_lost_and_repeated_appends),
		cmocka_unit_test(an_append_in_doubt_may_need_a_delete_in_doubt_before_it),
		cmocka_unit_test(a_content_may_end_in_appends_in_doubt),
		cmocka_unit_test(an_outcome_decides_a_doubt),
		cmocka_unit_test(a_write_refused_for_its_fence_says_nothing_of_its_condition),
		cmocka_unit_test(an_addition_keeps_the_end_of_what_it_adds_to),
		cmocka_unit_test(brute_force_agrees_on_random_small_histories),
	};
	return test_run("check_linear", tests);
}
