/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "verify/shorten.h"
#include "verify/verify.h"

static bool judge(const struct history *h, struct verdict *v, void *arg)
{
	uint32_t undecided, *tried = arg;
	++*tried;
	return verify_history(h, v, &undecided);
}

static bool shorten_all(const struct history *h, uint32_t key, struct history *ret, struct verdict *v)
{
	uint32_t tried = 0;
	const struct shorten how = {.judge = judge, .arg = &tried, .until_us = USEC_NEVER};
	*v = (struct verdict){0};
	return shorten(&how, h, key, ret, v);
}

static struct history_op *place(struct history *h, uint64_t at, enum history_kind kind, enum history_level level)
{
	struct history_op *op = history_place(h, at, at + 1);
	op->kind = kind;
	op->level = level;
	op->outcome = HISTORY_DONE;
	return op;
}

/** Puts and gets one after the other; after COUNT of each, a get that shows the first value again. */
static void with_old_value(struct history *h, uint32_t count)
{
	uint64_t at = 1;
	history_init(h, 2, 0);
	for (uint32_t i = 1; i <= count; i++, at += 4) {
		struct history_op *put = place(h, at, HISTORY_PUT, HISTORY_STRONG);
		put->key = 1;
		put->value = put->version.hi = i;
		struct history_op *get = place(h, at + 2, HISTORY_GET, HISTORY_STRONG);
		get->key = 1;
		get->value = get->version.hi = i;
	}
	struct history_op *old = place(h, at, HISTORY_GET, HISTORY_STRONG);
	old->key = 1;
	old->value = old->version.hi = 1;
	struct history_op *after = place(h, at + 2, HISTORY_GET, HISTORY_STRONG);
	after->key = 1;
	after->value = after->version.hi = count;
}

static uint32_t count_answered(const struct history *h)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < h->count; i++)
		count += h->ops[i].outcome != HISTORY_PENDING;
	return count;
}

static void only_what_contradicts_is_left(void **state)
{
	struct history h, shortest;
	struct verdict v;
	with_old_value(&h, 100);
	assert_true(shorten_all(&h, 1, &shortest, &v));
	assert_true(v.violated);
	assert_int_equal(v.key, 1);
	/* The old value, and one operation that shows or wrote a newer one before. */
	assert_int_equal(count_answered(&shortest), 2);
	for (uint32_t i = 0; i < shortest.count; i++)
		assert_int_equal(shortest.ops[i].index, i);
	shorten_release(&shortest);
	history_release(&h);
}

static void what_comes_after_is_cut(void **state)
{
	struct history h, shortest;
	struct verdict v;
	with_old_value(&h, 10);
	uint32_t count = h.count;
	uint64_t at = h.ops[count - 1].complete + 1;
	for (uint32_t i = 0; i < 50; i++, at += 2) {
		struct history_op *put = place(&h, at, HISTORY_PUT, HISTORY_STRONG);
		put->key = 1;
		put->value = put->version.hi = 1000 + i;
	}
	assert_true(shorten_all(&h, 1, &shortest, &v));
	assert_true(shortest.count < count);
	shorten_release(&shortest);
	history_release(&h);
}

static void a_good_key_has_nothing_to_show(void **state)
{
	struct history h, shortest;
	struct verdict v;
	with_old_value(&h, 10);
	assert_false(shorten_all(&h, 0, &shortest, &v));
	assert_int_equal(shortest.count, 0);
	assert_false(v.violated);
	history_release(&h);
}

static void a_sum_that_is_too_high_keeps_no_answers_that_it_can_do_without(void **state)
{
	struct history h, shortest;
	struct verdict v;
	history_init(&h, 1, 0);
	for (uint32_t i = 1; i <= 40; i++) {
		struct history_op *add = place(&h, 2 * i, HISTORY_ADD, HISTORY_STRONG);
		add->delta = 1;
		add->has_result = true;
		add->result = i < 30 ? i : i + 1; /* the 30th was added twice */
		add->version.hi = i;
	}
	assert_true(shorten_all(&h, 0, &shortest, &v));
	assert_int_equal(count_answered(&shortest), 1);
	assert_int_equal(shortest.count, 30); /* the others may have been added, and are still one too few */
	shorten_release(&shortest);
	history_release(&h);
}

static void questions_go_on_naming_the_write_they_are_about(void **state)
{
	struct history h, shortest;
	struct verdict v;
	history_init(&h, 2, 0);
	for (uint32_t i = 1; i <= 5; i++)
		place(&h, 10 * i, HISTORY_PUT, HISTORY_STRONG)->value = i;
	struct history_op *put = place(&h, 100, HISTORY_PUT, HISTORY_STRONG);
	put->key = 1;
	put->value = 9;
	put->version.hi = 9;
	struct history_op *ask = place(&h, 110, HISTORY_ASK, HISTORY_STRONG);
	ask->key = 1;
	ask->about = 5;
	ask->told = HISTORY_TOLD_NEVER;
	assert_true(shorten_all(&h, 1, &shortest, &v));
	assert_int_equal(shortest.count, 2);
	assert_int_equal(shortest.ops[1].about, 0);
	assert_string_equal(v.check, "honest");
	shorten_release(&shortest);
	history_release(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_contradicts_is_left),
		cmocka_unit_test(what_comes_after_is_cut),
		cmocka_unit_test(a_good_key_has_nothing_to_show),
		cmocka_unit_test(a_sum_that_is_too_high_keeps_no_answers_that_it_can_do_without),
		cmocka_unit_test(questions_go_on_naming_the_write_they_are_about),
	};
	return test_run("shorten", tests);
}
