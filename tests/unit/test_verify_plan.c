/* SPDX-License-Identifier: Apache-2.0 */
/* What kvctl verify draws, writes and reads. */
#include "tests/support/test.h"

#include "cli/verify_plan.h"
#include "cli/verify_value.h"

enum { DRAWS = 5000 };

static void draw(struct verify_plan *p, struct history_op *op, uint32_t client)
{
	uint64_t hash;
	*op = (struct history_op){.client = client};
	verify_plan_draw(p, op, &hash);
}

static void a_seed_draws_the_same_again(void **state)
{
	struct verify_plan a, b;
	verify_plan_init(&a, 7, 5);
	verify_plan_init(&b, 7, 5);
	for (uint32_t i = 0; i < DRAWS; i++) {
		struct history_op x, y;
		draw(&a, &x, i % 8);
		draw(&b, &y, i % 8);
		assert_memory_equal(&x, &y, sizeof x);
	}
}

static void roles_keep_apart_what_must_not_meet(void **state)
{
	struct verify_plan p;
	uint64_t seen[VERIFY_ROLES] = {0};
	verify_plan_init(&p, 1, 7);
	for (uint32_t i = 0; i < DRAWS; i++) {
		struct history_op op;
		draw(&p, &op, i % 8);
		enum verify_role role = verify_plan_role(&p, op.key);
		seen[role]++;
		bool strong = history_is_strong(&op), write = history_is_write(&op);
		assert_true(op.key < p.key_count);
		assert_true(op.session == 0 || op.level == HISTORY_SESSION);
		if (role == VERIFY_REGISTER)
			assert_true(strong);
		if (role == VERIFY_SESSION)
			assert_false(strong);
		if (role == VERIFY_COUNTER)
			assert_true(!write || (op.kind == HISTORY_ADD && op.delta > 0));
		if (role == VERIFY_LOG)
			assert_true(!write || op.kind == HISTORY_APPEND);
		if (history_is_conditional(&op) || op.fence)
			assert_true(strong && write);
		if (op.level == HISTORY_BOUNDED)
			assert_true(!write && op.bound_ms > 0);
	}
	for (int role = 0; role < VERIFY_ROLES; role++)
		assert_true(seen[role] > 0);
	assert_true(p.key_count > 7); /* busy keys had successors */
}

static void keys_have_names_that_are_found_again(void **state)
{
	struct verify_plan p;
	struct history_op op;
	verify_plan_init(&p, 1, 5);
	for (uint32_t i = 0; i < DRAWS; i++)
		draw(&p, &op, 0);
	for (uint32_t key = 0; key < p.key_count; key++) {
		char text[VERIFY_KEY_TEXT];
		uint32_t found;
		verify_plan_key(&p, key, text);
		assert_true(verify_plan_find(&p, slice_str(text), &found));
		assert_int_equal(found, key);
	}
	uint32_t none;
	assert_false(verify_plan_find(&p, slice_str("counter/0"), &none));
	assert_false(verify_plan_find(&p, slice_str("register/05"), &none));
	assert_false(verify_plan_find(&p, slice_str("register/1000000"), &none));
	assert_false(verify_plan_find(&p, slice_str("register"), &none));
}

static uint64_t content_of(struct history *h, struct buf *bytes)
{
	return verify_value_content(h, buf_slice(bytes), 3);
}

static void values_are_taken_apart_and_damage_shows(void **state)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	struct history h;
	history_init(&h, 4, 0);
	verify_value_write(17, 3, &bytes);
	assert_int_equal(content_of(&h, &bytes), 17);
	assert_true(verify_value_content(&h, buf_slice(&bytes), 2) == CONTENT_FOREIGN);
	verify_value_write(18, 3, &bytes);
	assert_true(content_of(&h, &bytes) == content_append(17, 18));
	bytes.size--;
	assert_true(content_of(&h, &bytes) == CONTENT_FOREIGN);
	bytes.size = 0;
	buf_append_str(&bytes, "-12");
	assert_true(content_of(&h, &bytes) == content_number(-12));
	buf_append_str(&bytes, "x");
	assert_true(content_of(&h, &bytes) == CONTENT_FOREIGN);
	history_release(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seed_draws_the_same_again),
		cmocka_unit_test(roles_keep_apart_what_must_not_meet),
		cmocka_unit_test(keys_have_names_that_are_found_again),
		cmocka_unit_test(values_are_taken_apart_and_damage_shows),
	};
	return test_run("verify_plan", tests);
}
