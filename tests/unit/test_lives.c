/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "server/lives.h"
#include "storage/store_mem.h"

enum { NODE = 3 };

#define NOW_US (100 * USEC_PER_SEC)

static struct lives lives;

static struct msg_hello hello(uint64_t start, uint64_t nonce)
{
	return (struct msg_hello){.kind = HELLO_PEER, .index = NODE, .incarnation = start, .boot_nonce = nonce};
}

static int set_up(void **state)
{
	lives_init(&lives);
	return 0;
}

static void expect(uint64_t start, uint64_t nonce, usec_t now_us, enum kv_status status)
{
	struct msg_hello h = hello(start, nonce);
	struct error err;
	assert_int_equal(lives_judge(&lives, NODE, &h, now_us, &err), status);
}

static bool enter(uint64_t start, uint64_t nonce, usec_t now_us)
{
	struct msg_hello h = hello(start, nonce);
	expect(start, nonce, now_us, KV_OK);
	return lives_enter(&lives, NODE, &h, now_us);
}

static void a_later_start_waits_until_the_earlier_one_is_gone(void **state)
{
	assert_true(enter(5, 50, NOW_US));
	assert_false(enter(5, 50, NOW_US)); /* its second connection */
	expect(6, 60, NOW_US + 1, KV_NOT_READY);
	lives_leave(&lives, NODE, 5);
	expect(6, 60, NOW_US + 1, KV_NOT_READY);
	lives_leave(&lives, NODE, 5);
	assert_true(enter(6, 60, NOW_US + 1));
	expect(5, 50, NOW_US + 2, KV_IDENTITY);
}

static void silence_is_taken_for_an_end(void **state)
{
	assert_true(enter(5, 50, NOW_US));
	assert_true(lives_hear(&lives, NODE, 5, NOW_US + USEC_PER_SEC));
	expect(6, 60, NOW_US + USEC_PER_SEC + LIFE_HEARD_US - 1, KV_NOT_READY);
	usec_t later_us = NOW_US + USEC_PER_SEC + LIFE_HEARD_US;
	assert_true(enter(6, 60, later_us));
	/* It only stood still: from now on nobody listens to it. */
	assert_false(lives_hear(&lives, NODE, 5, later_us));
	lives_leave(&lives, NODE, 5);
	assert_true(lives_hear(&lives, NODE, 6, later_us));
	expect(7, 70, later_us, KV_NOT_READY);
}

/** Nothing that a HELLO leaves out makes two connections one. */
static void connections_of_a_process_without_a_number_are_counted(void **state)
{
	assert_true(enter(5, 0, NOW_US));
	assert_false(enter(5, 0, NOW_US));
	lives_leave(&lives, NODE, 5);
	expect(6, 60, NOW_US, KV_NOT_READY);
	lives_leave(&lives, NODE, 5);
	assert_true(enter(6, 60, NOW_US));
}

static void two_processes_have_no_start_in_common(void **state)
{
	assert_true(enter(5, 50, NOW_US));
	lives_leave(&lives, NODE, 5);
	expect(5, 51, NOW_US + 60 * USEC_PER_SEC, KV_IDENTITY);
	assert_false(enter(5, 50, NOW_US + 60 * USEC_PER_SEC));
}

static void what_was_let_in_is_known_after_a_restart(void **state)
{
	struct loop loop;
	struct store *store = store_mem_new(1);
	assert_int_equal(loop_init(&loop, NULL), KV_OK);
	struct commit *commit = commit_new(store);
	assert_int_equal(lives_load(&lives, store, NULL), KV_OK); /* nothing yet */
	assert_true(enter(5, 50, NOW_US));
	lives_save(&lives, commit, &loop);
	commit_free(commit);
	lives_init(&lives);
	assert_int_equal(lives_load(&lives, store, NULL), KV_OK);
	expect(4, 40, NOW_US, KV_IDENTITY);
	expect(5, 51, NOW_US, KV_IDENTITY);
	assert_false(enter(5, 50, NOW_US));
	loop_release(&loop);
	store_close(store);
}

#define lives_test(fn) cmocka_unit_test_setup(fn, set_up)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		lives_test(a_later_start_waits_until_the_earlier_one_is_gone),
		lives_test(silence_is_taken_for_an_end),
		lives_test(connections_of_a_process_without_a_number_are_counted),
		lives_test(two_processes_have_no_start_in_common),
		lives_test(what_was_let_in_is_known_after_a_restart),
	};
	return test_run("lives", tests);
}
