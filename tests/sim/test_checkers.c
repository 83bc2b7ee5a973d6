/* SPDX-License-Identifier: Apache-2.0 */
/* The checkers judged by hand-written histories that are known to be good or bad. */
#include "tests/support/test.h"

#include "verify/check_agree.h"
#include "verify/check_durable.h"
#include "verify/check_honest.h"
#include "verify/check_linear.h"
#include "verify/check_version.h"

/* Lines of a history leave out what they do not need. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* One line of a history: when, what, how it ended. Versions are small numbers; 0 gives none. */
struct line {
	uint64_t invoke, complete;
	char op; /* g, p, d strong; G, P, D eventual */
	uint64_t value;
	char end; /* d done, a absent, ? in doubt, - no answer, x refused */
	uint64_t version;
	uint64_t ttl_ms;
};

#define NEVER HISTORY_NEVER

static enum history_outcome outcome_of(char end)
{
	switch (end) {
	case 'd':
		return HISTORY_DONE;
	case 'a':
		return HISTORY_ABSENT;
	case '?':
		return HISTORY_DOUBT;
	case 'x':
		return HISTORY_REFUSED;
	default:
		return HISTORY_PENDING;
	}
}

static void history_from(struct history *h, const struct line *lines, size_t count, usec_t skew_us)
{
	history_init(h, 1, skew_us);
	for (size_t i = 0; i < count; i++) {
		struct history_op *op = history_place(h, lines[i].invoke, lines[i].complete);
		char low = (char)(lines[i].op | 0x20);
		op->kind = low == 'g' ? HISTORY_GET : low == 'p' ? HISTORY_PUT : HISTORY_DELETE;
		op->level = low == lines[i].op ? HISTORY_STRONG : HISTORY_EVENTUAL;
		op->value = lines[i].value;
		op->ttl_ms = lines[i].ttl_ms;
		op->outcome = outcome_of(lines[i].end);
		op->version = (struct stamp){.hi = lines[i].version};
	}
}

static enum linear_answer linear_of(const struct line *lines, size_t count)
{
	struct history h;
	history_from(&h, lines, count, 0);
	enum linear_answer answer = check_linear_key(&h, 0, NULL);
	history_release(&h);
	return answer;
}

static bool versions_hold(const struct line *lines, size_t count)
{
	struct history h;
	history_from(&h, lines, count, 0);
	struct verdict v = {0};
	bool holds = check_version(&h, &v);
	assert_int_equal(holds, !v.violated);
	history_release(&h);
	return holds;
}

#define LINES(...)         ((const struct line[]){__VA_ARGS__}), ARRAY_SIZE(((const struct line[]){__VA_ARGS__}))
#define GOOD(...)          assert_int_equal(linear_of(LINES(__VA_ARGS__)), LINEAR_YES)
#define BAD(...)           assert_int_equal(linear_of(LINES(__VA_ARGS__)), LINEAR_NO)
#define VERSIONS_GOOD(...) assert_true(versions_hold(LINES(__VA_ARGS__)))
#define VERSIONS_BAD(...)  assert_false(versions_hold(LINES(__VA_ARGS__)))

/* --- linearizable --- */

static void an_empty_history_is_linearizable(void **state)
{
	struct history h;
	history_init(&h, 1, 0);
	assert_int_equal(check_linear_key(&h, 0, NULL), LINEAR_YES);
	history_release(&h);
}

static void reads_follow_writes_in_sequence(void **state)
{
	GOOD({1, 2, 'g', 0, 'a'}, {3, 4, 'p', 1, 'd'}, {5, 6, 'g', 1, 'd'}, {7, 8, 'd', 0, 'd'},
	     {9, 10, 'g', 0, 'a'});
}

static void a_read_beside_a_write_may_return_old_or_new(void **state)
{
	GOOD({1, 2, 'p', 1, 'd'}, {3, 10, 'p', 2, 'd'}, {4, 5, 'g', 1, 'd'}, {6, 7, 'g', 2, 'd'},
	     {11, 12, 'g', 2, 'd'});
}

static void concurrent_writes_take_any_order(void **state)
{
	GOOD({1, 10, 'p', 1, 'd'}, {2, 9, 'p', 2, 'd'}, {11, 12, 'g', 1, 'd'});
	GOOD({1, 10, 'p', 1, 'd'}, {2, 9, 'p', 2, 'd'}, {11, 12, 'g', 2, 'd'});
}

static void a_write_in_doubt_may_be_seen_much_later(void **state)
{
	GOOD({1, 2, 'p', 1, 'd'}, {3, 4, 'p', 2, '?'}, {5, 6, 'g', 1, 'd'}, {7, 8, 'g', 2, 'd'},
	     {9, 10, 'g', 2, 'd'});
}

static void a_write_in_doubt_may_never_be_seen(void **state)
{
	GOOD({1, 2, 'p', 1, 'd'}, {3, 4, 'p', 2, '?'}, {5, 6, 'g', 1, 'd'}, {7, 8, 'g', 1, 'd'});
	GOOD({1, 2, 'p', 1, 'd'}, {3, NEVER, 'p', 2, '-'}, {5, 6, 'g', 1, 'd'});
}

static void an_acknowledged_eventual_write_may_be_seen_late_or_never(void **state)
{
	GOOD({1, 2, 'p', 1, 'd'}, {3, 4, 'P', 2, 'd'}, {5, 6, 'g', 1, 'd'}, {7, 8, 'g', 2, 'd'});
	GOOD({1, 2, 'p', 1, 'd'}, {3, 4, 'P', 2, 'd'}, {5, 6, 'g', 1, 'd'}, {7, 8, 'g', 1, 'd'});
}

static void deletes_in_doubt_each_empty_the_key_once(void **state)
{
	GOOD({1, 2, 'd', 0, '?'}, {3, 4, 'D', 0, 'd'}, {5, 6, 'p', 1, 'd'}, {7, 8, 'g', 0, 'a'},
	     {9, 10, 'p', 2, 'd'}, {11, 12, 'g', 0, 'a'});
}

static void eventual_reads_prove_nothing(void **state)
{
	GOOD({1, 2, 'p', 1, 'd'}, {3, 4, 'p', 2, 'd'}, {5, 6, 'G', 1, 'd'}, {7, 8, 'g', 2, 'd'});
}

static void a_refused_write_plays_no_part(void **state)
{
	GOOD({1, 2, 'p', 1, 'd'}, {3, 4, 'p', 2, 'x'}, {5, 6, 'g', 1, 'd'});
}

static void a_failed_read_proves_nothing(void **state)
{
	GOOD({1, 2, 'p', 1, 'd'}, {3, 4, 'g', 0, 'x'}, {5, 6, 'g', 0, '?'}, {7, 8, 'g', 1, 'd'});
}

static void a_value_ends_after_its_time_to_live(void **state)
{
	GOOD({1, 2, 'p', 1, 'd', 0, 1}, {100, 101, 'g', 1, 'd'}, {1100, 1101, 'g', 0, 'a'},
	     {1102, 1103, 'g', 0, 'a'});
}

static void an_unseen_value_with_a_time_to_live_hides_an_older_one(void **state)
{
	GOOD({1, 2, 'p', 1, 'd'}, {3, 4, 'P', 2, 'd', 0, 1}, {2000, 2001, 'g', 0, 'a'});
}

static void many_concurrent_operations_are_decided(void **state)
{
	struct line lines[120];
	size_t count = 0;
	for (uint64_t i = 0; i < 60; i++)
		lines[count++] = (struct line){1 + i, 1000 + i, 'p', 1 + i, 'd'};
	for (uint64_t i = 0; i < 60; i++)
		lines[count++] = (struct line){100 + i, 2000 + i, 'g', 60 - i, 'd'};
	assert_int_equal(linear_of(lines, count), LINEAR_YES);
}

/* --- not linearizable --- */

static void a_stale_read_is_found(void **state)
{
	BAD({1, 2, 'p', 1, 'd'}, {3, 4, 'p', 2, 'd'}, {5, 6, 'g', 1, 'd'});
}

static void a_lost_write_is_found(void **state) { BAD({1, 2, 'p', 1, 'd'}, {3, 4, 'g', 0, 'a'}); }

static void a_value_that_flips_back_is_found(void **state)
{
	BAD({1, 2, 'p', 1, 'd'}, {3, 4, 'p', 2, '?'}, {5, 6, 'g', 2, 'd'}, {7, 8, 'g', 1, 'd'});
	BAD({1, 2, 'P', 1, 'd'}, {3, 4, 'P', 2, 'd'}, {5, 6, 'g', 1, 'd'}, {7, 8, 'g', 2, 'd'},
	    {9, 10, 'g', 1, 'd'});
}

static void a_read_that_goes_back_beside_a_write_is_found(void **state)
{
	BAD({1, 2, 'p', 1, 'd'}, {3, 20, 'p', 2, 'd'}, {4, 5, 'g', 2, 'd'}, {6, 7, 'g', 1, 'd'});
}

static void a_deleted_value_that_returns_is_found(void **state)
{
	BAD({1, 2, 'p', 1, 'd'}, {3, 4, 'd', 0, 'd'}, {5, 6, 'g', 0, 'a'}, {7, 8, 'g', 1, 'd'});
	BAD({1, 2, 'p', 1, 'd'}, {3, 4, 'd', 0, 'd'}, {5, 6, 'g', 1, 'd'});
}

static void a_read_of_the_future_is_found(void **state)
{
	BAD({1, 2, 'g', 1, 'd'}, {3, 4, 'p', 1, 'd'});
	BAD({1, 2, 'g', 1, 'd'}, {3, 4, 'P', 1, 'd'});
}

static void a_value_that_nobody_wrote_is_found(void **state) { BAD({1, 2, 'p', 1, 'd'}, {3, 4, 'g', 7, 'd'}); }

static void a_refused_write_that_is_seen_is_found(void **state)
{
	BAD({1, 2, 'p', 1, 'd'}, {3, 4, 'p', 2, 'x'}, {5, 6, 'g', 2, 'd'});
}

static void an_eventual_write_that_takes_effect_twice_is_found(void **state)
{
	BAD({1, 2, 'P', 1, 'd'}, {3, 4, 'g', 1, 'd'}, {5, 6, 'p', 2, 'd'}, {7, 8, 'g', 1, 'd'});
}

static void one_delete_in_doubt_cannot_empty_twice(void **state)
{
	BAD({1, 2, 'd', 0, '?'}, {5, 6, 'p', 1, 'd'}, {7, 8, 'g', 0, 'a'}, {9, 10, 'p', 2, 'd'},
	    {11, 12, 'g', 0, 'a'});
}

static void a_value_that_ends_too_early_is_found(void **state)
{
	BAD({1, 2, 'p', 1, 'd', 0, 1}, {100, 101, 'g', 0, 'a'});
	BAD({1, 2, 'p', 1, 'd'}, {3, 4, 'P', 2, 'd', 0, 1}, {500, 501, 'g', 0, 'a'});
}

static void a_value_that_returns_after_its_end_is_found(void **state)
{
	BAD({1, 2, 'p', 1, 'd', 0, 1}, {2000, 2001, 'g', 0, 'a'}, {2002, 2003, 'g', 1, 'd'});
}

static void two_readers_that_disagree_on_the_order_are_found(void **state)
{
	BAD({1, 100, 'p', 1, 'd'}, {2, 99, 'p', 2, 'd'}, {3, 4, 'g', 1, 'd'}, {5, 6, 'g', 2, 'd'},
	    {7, 8, 'g', 1, 'd'});
}

static void skew_of_the_clocks_lets_a_value_end_early(void **state)
{
	struct history h;
	const struct line lines[] = {{1, 2, 'p', 1, 'd', 0, 1}, {950, 951, 'g', 0, 'a'}};
	history_from(&h, lines, ARRAY_SIZE(lines), 100);
	assert_int_equal(check_linear_key(&h, 0, NULL), LINEAR_YES);
	history_release(&h);
}

/* --- versions --- */

static void versions_in_real_time_order_hold(void **state)
{
	VERSIONS_GOOD({1, 2, 'p', 1, 'd', 10}, {3, 4, 'g', 1, 'd', 10}, {5, 6, 'p', 2, 'd', 20},
		      {7, 8, 'g', 2, 'd', 20}, {9, 10, 'd', 0, 'd', 30}, {11, 12, 'g', 0, 'a', 30});
}

static void concurrent_versions_may_come_in_any_order(void **state)
{
	VERSIONS_GOOD({1, 10, 'p', 1, 'd', 20}, {2, 9, 'p', 2, 'd', 10}, {3, 4, 'g', 2, 'd', 10},
		      {11, 12, 'g', 1, 'd', 20});
}

static void a_read_may_reveal_the_version_of_a_write_in_doubt(void **state)
{
	VERSIONS_GOOD({1, 2, 'p', 1, '?'}, {3, 4, 'g', 1, 'd', 10}, {5, 6, 'P', 2, 'd', 5},
		      {7, 8, 'g', 1, 'd', 10});
}

static void an_ended_value_keeps_its_version(void **state)
{
	VERSIONS_GOOD({1, 2, 'p', 1, 'd', 10, 1}, {2000, 2001, 'g', 0, 'a', 10});
}

static void an_older_version_after_a_newer_one_is_found(void **state)
{
	VERSIONS_BAD({1, 2, 'p', 1, 'd', 10}, {3, 4, 'p', 2, 'd', 20}, {5, 6, 'g', 1, 'd', 10});
	VERSIONS_BAD({1, 2, 'p', 1, 'd', 20}, {3, 4, 'p', 2, 'd', 10});
}

static void one_version_with_two_values_is_found(void **state)
{
	VERSIONS_BAD({1, 5, 'p', 1, 'd', 10}, {2, 6, 'p', 2, 'd', 10});
	VERSIONS_BAD({1, 2, 'p', 1, 'd', 10}, {3, 4, 'g', 0, 'a', 10});
}

static void a_value_under_another_version_is_found(void **state)
{
	VERSIONS_BAD({1, 2, 'p', 1, 'd', 10}, {3, 4, 'g', 1, 'd', 11});
}

static void a_write_that_reuses_the_version_it_follows_is_found(void **state)
{
	VERSIONS_BAD({1, 2, 'g', 0, 'a', 10}, {3, 4, 'p', 1, 'd', 10});
}

/* --- replicas --- */

static struct replica_copy copy_of(uint16_t node, uint64_t ver, uint64_t org, uint64_t value)
{
	return (struct replica_copy){.node = node, .ver = {.hi = ver}, .org = {.hi = org}, .value = value};
}

static void equal_replicas_agree_and_different_ones_do_not(void **state)
{
	struct replicas r = {0};
	struct verdict v = {0};
	struct replica_copy copies[] = {copy_of(0, 5, 5, 1), copy_of(1, 5, 5, 1)};
	replicas_add(&r, &copies[0]);
	replicas_add(&r, &copies[1]);
	assert_true(check_agree(&r, &v));
	r.copies[1].ver.hi = 6;
	assert_false(check_agree(&r, &v));
	assert_string_equal(v.check, "agree");
	replicas_release(&r);
}

static void durable_with(const struct line *lines, size_t count, struct replica_copy copy, bool expected)
{
	struct history h;
	struct replicas r = {0};
	struct verdict v = {0};
	history_from(&h, lines, count, 0);
	replicas_add(&r, &copy);
	assert_int_equal(check_durable(&h, &r, &v), expected);
	history_release(&h);
	replicas_release(&r);
}

static void acknowledged_writes_must_be_there(void **state)
{
	const struct line strong[] = {{1, 2, 'p', 1, 'd', 10}};
	const struct line eventual[] = {{1, 2, 'P', 1, 'd', 10}};
	durable_with(strong, 1, copy_of(0, 10, 10, 1), true);
	durable_with(strong, 1, copy_of(0, 9, 9, 3), false);
	durable_with(strong, 1, copy_of(0, 11, 9, 3), false);
	durable_with(eventual, 1, copy_of(0, 11, 9, 3), true);
	durable_with(eventual, 1, copy_of(0, 9, 9, 3), false);
}

static void writes_in_doubt_need_not_be_there(void **state)
{
	const struct line doubt[] = {{1, 2, 'p', 1, '?'}, {3, NEVER, 'P', 2, '-'}};
	durable_with(doubt, 2, (struct replica_copy){0}, true);
}

static void replicas_hold_only_what_was_written_and_not_refused(void **state)
{
	const struct line lines[] = {{1, 2, 'p', 1, 'x'}, {3, 4, 'p', 2, '?'}};
	struct history h;
	history_from(&h, lines, ARRAY_SIZE(lines), 0);
	static const bool expected[] = {true, false, true, false};
	for (uint64_t value = 0; value < 4; value++) {
		struct replicas r = {0};
		struct verdict v = {0};
		struct replica_copy copy = copy_of(0, 5, 5, value);
		replicas_add(&r, &copy);
		assert_int_equal(check_honest_replicas(&h, &r, &v), expected[value]);
		replicas_release(&r);
	}
	history_release(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_history_is_linearizable),
		cmocka_unit_test(reads_follow_writes_in_sequence),
		cmocka_unit_test(a_read_beside_a_write_may_return_old_or_new),
		cmocka_unit_test(concurrent_writes_take_any_order),
		cmocka_unit_test(a_write_in_doubt_may_be_seen_much_later),
		cmocka_unit_test(a_write_in_doubt_may_never_be_seen),
		cmocka_unit_test(an_acknowledged_eventual_write_may_be_seen_late_or_never),
		cmocka_unit_test(deletes_in_doubt_each_empty_the_key_once),
		cmocka_unit_test(eventual_reads_prove_nothing),
		cmocka_unit_test(a_refused_write_plays_no_part),
		cmocka_unit_test(a_failed_read_proves_nothing),
		cmocka_unit_test(a_value_ends_after_its_time_to_live),
		cmocka_unit_test(an_unseen_value_with_a_time_to_live_hides_an_older_one),
		cmocka_unit_test(many_concurrent_operations_are_decided),
		cmocka_unit_test(a_stale_read_is_found),
		cmocka_unit_test(a_lost_write_is_found),
		cmocka_unit_test(a_value_that_flips_back_is_found),
		cmocka_unit_test(a_read_that_goes_back_beside_a_write_is_found),
		cmocka_unit_test(a_deleted_value_that_returns_is_found),
		cmocka_unit_test(a_read_of_the_future_is_found),
		cmocka_unit_test(a_value_that_nobody_wrote_is_found),
		cmocka_unit_test(a_refused_write_that_is_seen_is_found),
		cmocka_unit_test(an_eventual_write_that_takes_effect_twice_is_found),
		cmocka_unit_test(one_delete_in_doubt_cannot_empty_twice),
		cmocka_unit_test(a_value_that_ends_too_early_is_found),
		cmocka_unit_test(a_value_that_returns_after_its_end_is_found),
		cmocka_unit_test(two_readers_that_disagree_on_the_order_are_found),
		cmocka_unit_test(skew_of_the_clocks_lets_a_value_end_early),
		cmocka_unit_test(versions_in_real_time_order_hold),
		cmocka_unit_test(concurrent_versions_may_come_in_any_order),
		cmocka_unit_test(a_read_may_reveal_the_version_of_a_write_in_doubt),
		cmocka_unit_test(an_ended_value_keeps_its_version),
		cmocka_unit_test(an_older_version_after_a_newer_one_is_found),
		cmocka_unit_test(one_version_with_two_values_is_found),
		cmocka_unit_test(a_value_under_another_version_is_found),
		cmocka_unit_test(a_write_that_reuses_the_version_it_follows_is_found),
		cmocka_unit_test(equal_replicas_agree_and_different_ones_do_not),
		cmocka_unit_test(acknowledged_writes_must_be_there),
		cmocka_unit_test(writes_in_doubt_need_not_be_there),
		cmocka_unit_test(replicas_hold_only_what_was_written_and_not_refused),
	};
	return test_run("checkers", tests);
}
