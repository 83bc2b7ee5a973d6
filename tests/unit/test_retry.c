/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "client/retry.h"

static void refusals_that_changed_nothing_may_be_repeated_by_anyone(void **state)
{
	static const enum kv_status refusals[] = {KV_UNAVAILABLE, KV_OVERLOADED, KV_THROTTLED, KV_STALE,
						  KV_NOT_READY,   KV_CLOCK,      KV_CONFLICT,  KV_CLOSED};
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		assert_true(retry_answer(RETRY_READ, refusals[i], false));
		assert_true(retry_answer(RETRY_SAME, refusals[i], false));
		assert_true(retry_answer(RETRY_ONCE, refusals[i], false));
	}
}

static void a_write_in_doubt_is_not_repeated(void **state)
{
	assert_false(retry_answer(RETRY_ONCE, KV_UNAVAILABLE, true));
	assert_false(retry_answer(RETRY_SAME, KV_UNAVAILABLE, true));
	assert_false(retry_answer(RETRY_ONCE, KV_IN_DOUBT, true));
	assert_false(retry_answer(RETRY_ONCE, KV_INTERNAL, false));
}

static void a_write_that_nodes_find_by_its_id_is_settled_elsewhere(void **state)
{
	assert_true(retry_answer(RETRY_FOUND, KV_IN_DOUBT, true));
	assert_true(retry_answer(RETRY_FOUND, KV_UNAVAILABLE, true));
	assert_true(retry_answer(RETRY_FOUND, KV_INTERNAL, true));
	assert_false(retry_answer(RETRY_FOUND, KV_DENIED, false));
	assert_false(retry_answer(RETRY_FOUND, KV_DEADLINE, true));
}

static void only_a_conflict_without_doubt_is_contention(void **state)
{
	assert_true(retry_is_contention(KV_CONFLICT, false));
	assert_false(retry_is_contention(KV_CONFLICT, true));
	assert_false(retry_is_contention(KV_OVERLOADED, false));
}

static void final_answers_are_not_repeated(void **state)
{
	static const enum kv_status finals[] = {KV_DENIED,      KV_TOO_LARGE, KV_INVALID,
						KV_UNSUPPORTED, KV_NO_SPACE,  KV_DEADLINE};
	for (size_t i = 0; i < ARRAY_SIZE(finals); i++) {
		assert_false(retry_answer(RETRY_READ, finals[i], false));
		assert_false(retry_answer(RETRY_SAME, finals[i], false));
	}
}

static void a_read_goes_on_after_the_failure_of_one_replica(void **state)
{
	assert_true(retry_answer(RETRY_READ, KV_CORRUPT, false));
	assert_true(retry_answer(RETRY_READ, KV_IO, false));
	assert_false(retry_answer(RETRY_SAME, KV_IO, false));
}

static void only_what_may_have_a_second_effect_is_not_sent_again(void **state)
{
	assert_true(retry_unanswered(RETRY_READ));
	assert_true(retry_unanswered(RETRY_SAME));
	assert_true(retry_unanswered(RETRY_FOUND));
	assert_false(retry_unanswered(RETRY_ONCE));
}

static void pauses_grow_are_bounded_and_honour_the_node(void **state)
{
	struct rng rng;
	rng_init(&rng, 1);
	usec_t greatest_first = 0, greatest_late = 0;
	for (int i = 0; i < 2000; i++) {
		greatest_first = MAX(greatest_first, retry_pause_us(&rng, 1, 0));
		greatest_late = MAX(greatest_late, retry_pause_us(&rng, 40, 0));
		assert_true(retry_pause_us(&rng, 1, 70) >= 70 * USEC_PER_MSEC);
	}
	assert_in_range(greatest_first, 15 * USEC_PER_MSEC, 20 * USEC_PER_MSEC);
	assert_in_range(greatest_late, 900 * USEC_PER_MSEC, USEC_PER_SEC);
}

static void the_budget_ends_at_half_and_comes_back_with_successes(void **state)
{
	struct retry_budget b;
	retry_budget_init(&b, 10);
	for (int i = 0; i < 4; i++)
		retry_budget_failed(&b);
	assert_true(retry_budget_allows(&b));
	retry_budget_failed(&b);
	assert_false(retry_budget_allows(&b));
	for (int i = 0; i < 100; i++)
		retry_budget_failed(&b);
	for (int i = 0; i < 50; i++)
		retry_budget_succeeded(&b);
	assert_false(retry_budget_allows(&b));
	retry_budget_succeeded(&b);
	assert_true(retry_budget_allows(&b));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_that_changed_nothing_may_be_repeated_by_anyone),
		cmocka_unit_test(a_write_in_doubt_is_not_repeated),
		cmocka_unit_test(a_write_that_nodes_find_by_its_id_is_settled_elsewhere),
		cmocka_unit_test(only_a_conflict_without_doubt_is_contention),
		cmocka_unit_test(final_answers_are_not_repeated),
		cmocka_unit_test(a_read_goes_on_after_the_failure_of_one_replica),
		cmocka_unit_test(only_what_may_have_a_second_effect_is_not_sent_again),
		cmocka_unit_test(pauses_grow_are_bounded_and_honour_the_node),
		cmocka_unit_test(the_budget_ends_at_half_and_comes_back_with_successes),
	};
	return test_run("retry", tests);
}
