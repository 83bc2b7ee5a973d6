/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "storage/store_mem.h"
#include "tests/storage/conformance.h"

static struct store *open_empty(void) { return store_mem_new(/* seed= */ 1); }

static struct store *reopen(struct store *s)
{
	(void)store_mem_crash(s, /* rng= */ NULL);
	return s;
}

static const struct conformance_engine mem_engine = {
	.name = "conformance_mem",
	.open_empty = open_empty,
	.reopen = reopen,
	.discard = store_close,
};

static void crash_keeps_a_prefix_of_whole_batches(void **state)
{
	struct rng rng;
	rng_init(&rng, 21);
	size_t rounds_with_loss = 0, rounds_with_rest = 0;
	for (int round = 0; round < 200; round++) {
		struct store *s = store_mem_new(/* seed= */ 2);
		uint32_t number = 0;
		for (int crash = 0; crash < 4; crash++) {
			uint32_t acked = number;
			uint32_t to = number + (uint32_t)rng_below(&rng, 12);
			while (number < to) {
				bool sync = rng_chance(&rng, 200000);
				assert_int_equal(numbered_write(s, ++number, sync), KV_OK);
				if (!sync && rng_chance(&rng, 100000)) {
					assert_int_equal(store_mem_sync(s), KV_OK);
					sync = true;
				}
				if (sync)
					acked = number;
			}
			assert_int_equal(store_mem_pending(s), number - acked);
			uint32_t written = number;
			size_t lost = store_mem_crash(s, &rng);
			number = numbered_check(s, acked, written);
			assert_int_equal(lost, written - number);
			assert_int_equal(store_mem_pending(s), 0);
			rounds_with_loss += lost > 0;
			rounds_with_rest += number > acked;
		}
		/* What a crash kept is durable: a second one takes nothing. */
		assert_int_equal(store_mem_crash(s, NULL), 0);
		(void)numbered_check(s, number, number);
		store_close(s);
	}
	assert_true(rounds_with_loss > 50);
	assert_true(rounds_with_rest > 50);
}

static void crash_without_dice_loses_all_that_is_pending(void **state)
{
	struct store *s = store_mem_new(/* seed= */ 3);
	for (uint32_t number = 1; number <= 10; number++)
		assert_int_equal(numbered_write(s, number, /* sync= */ number == 4), KV_OK);
	assert_int_equal(numbered_check(s, 10, 10), 10); /* visible before it is durable */
	assert_int_equal(store_mem_crash(s, NULL), 6);
	assert_int_equal(numbered_check(s, 4, 4), 4);
	store_close(s);
}

static void removed_range_makes_all_before_it_durable(void **state)
{
	struct store *s = store_mem_new(/* seed= */ 4);
	assert_int_equal(numbered_write(s, 1, /* sync= */ false), KV_OK);
	assert_int_equal(store_remove_range(s, STORE_HINT, slice_str("x"), (struct slice){0}), KV_OK);
	assert_int_equal(store_mem_pending(s), 0);
	(void)store_mem_crash(s, NULL);
	assert_int_equal(numbered_check(s, 1, 1), 1);
	store_close(s);
}

static void failed_sync_leaves_the_batch_in_doubt(void **state)
{
	struct rng rng;
	rng_init(&rng, 22);
	size_t kept = 0;
	enum { ROUNDS = 64 };
	for (int round = 0; round < ROUNDS; round++) {
		struct store *s = store_mem_new(/* seed= */ 5);
		assert_int_equal(numbered_write(s, 1, true), KV_OK);
		store_mem_fail_next_sync(s);
		assert_int_equal(numbered_write(s, 2, true), KV_IO);
		struct buf got = BUF_INIT;
		assert_int_equal(store_get(s, STORE_META, slice_str("last"), false, &got), KV_IO);
		assert_int_equal(numbered_write(s, 3, true), KV_IO);
		assert_int_equal(store_mem_sync(s), KV_IO);
		(void)store_mem_crash(s, &rng);
		kept += numbered_check(s, 1, 2) == 2;
		store_close(s);
	}
	assert_in_range(kept, 1, ROUNDS - 1);
}

static void failed_write_leaves_nothing(void **state)
{
	struct store *s = store_mem_new(/* seed= */ 6);
	store_mem_fail_next_write(s);
	assert_int_equal(numbered_write(s, 1, false), KV_IO);
	assert_int_equal(store_remove_range(s, STORE_DATA, (struct slice){0}, (struct slice){0}), KV_IO);
	struct store_scan *scan;
	assert_int_equal(store_scan_open(s, STORE_DATA, (struct slice){0}, (struct slice){0}, &scan), KV_IO);
	assert_int_equal(store_mem_crash(s, NULL), 0);
	assert_int_equal(numbered_check(s, 0, 0), 0);
	assert_int_equal(numbered_write(s, 1, true), KV_OK);
	store_close(s);
}

static void failed_read_answers_what_was_planned(void **state)
{
	struct store *s = store_mem_new(/* seed= */ 7);
	CLEANUP(buf_release) struct buf got = BUF_INIT;
	store_mem_fail_next_read(s, KV_CORRUPT);
	assert_int_equal(store_get(s, STORE_DATA, slice_str("k"), /* cache_only= */ true, &got), KV_NOT_FOUND);
	assert_int_equal(store_get(s, STORE_DATA, slice_str("k"), false, &got), KV_CORRUPT);
	assert_int_equal(store_get(s, STORE_DATA, slice_str("k"), /* cache_only= */ true, &got), KV_CORRUPT);
	store_close(s);
}

/** One bit for each of 64 cold reads. */
static uint64_t cold_pattern(uint64_t seed)
{
	struct store *s = store_mem_new(seed);
	struct store_op op = {.table = STORE_DATA, .key = slice_str("k"), .value = slice_str("v")};
	assert_int_equal(store_write(s, &op, 1, true), KV_OK);
	store_mem_set_cold(s, 500000);
	uint64_t pattern = 0;
	struct buf got = BUF_INIT;
	for (int i = 0; i < 64; i++) {
		enum kv_status status = store_get(s, STORE_DATA, op.key, /* cache_only= */ true, &got);
		assert_true(status == KV_OK || status == KV_AGAIN);
		pattern = pattern << 1 | (status == KV_AGAIN);
		assert_int_equal(store_get(s, STORE_DATA, op.key, false, &got), KV_OK);
	}
	struct store_stats stats;
	store_stats(s, &stats);
	assert_int_equal(stats.reads_again, __builtin_popcountll(pattern));
	buf_release(&got);
	store_close(s);
	return pattern;
}

static void cold_reads_follow_the_seed(void **state)
{
	assert_true(cold_pattern(8) == cold_pattern(8));
	assert_true(cold_pattern(8) != cold_pattern(9));
	assert_true(cold_pattern(8) != 0);
}

static bool append_key(void *arg, struct slice key, struct slice value)
{
	buf_append_slice(arg, key);
	return true;
}

static void checkers_see_every_row_in_order(void **state)
{
	struct store *s = store_mem_new(/* seed= */ 10);
	const struct store_op ops[] = {
		{.table = STORE_DATA, .key = slice_str("c")},
		{.table = STORE_DATA, .key = slice_str("a")},
		{.table = STORE_META, .key = slice_str("m")},
		{.table = STORE_DATA, .key = slice_str("b")},
	};
	assert_int_equal(store_write(s, ops, ARRAY_SIZE(ops), false), KV_OK);
	store_mem_fail_next_sync(s);
	assert_int_equal(store_mem_sync(s), KV_IO);
	CLEANUP(buf_release) struct buf keys = BUF_INIT;
	store_mem_foreach(s, STORE_DATA, append_key, &keys);
	assert_slice_equal(buf_slice(&keys), slice_str("abc"));
	assert_int_equal(store_mem_count(s, STORE_DATA), 3);
	assert_int_equal(store_mem_count(s, STORE_META), 1);
	assert_int_equal(store_mem_count(s, STORE_HINT), 0);
	store_close(s);
	store_close(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(crash_keeps_a_prefix_of_whole_batches),
		cmocka_unit_test(crash_without_dice_loses_all_that_is_pending),
		cmocka_unit_test(removed_range_makes_all_before_it_durable),
		cmocka_unit_test(failed_sync_leaves_the_batch_in_doubt),
		cmocka_unit_test(failed_write_leaves_nothing),
		cmocka_unit_test(failed_read_answers_what_was_planned),
		cmocka_unit_test(cold_reads_follow_the_seed),
		cmocka_unit_test(checkers_see_every_row_in_order),
	};
	return conformance_run(&mem_engine, tests, ARRAY_SIZE(tests));
}
