/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "tests/storage/conformance.h"

enum {
	ROWS_MAX = 6,
	VALUE_SIZE_MAX = 3000,
	BIG_EVERY = 16, /* every so many batches one value that spans blocks of a log file */
	BIG_SIZE = 70000,
};

/** The number of the newest batch is in this row. */
static struct slice last_key(void) { return slice_str("last"); }

static size_t row_count(uint32_t number) { return 1 + hash_u64(number) % ROWS_MAX; }

static enum store_table row_table(uint32_t number, size_t row)
{
	return (enum store_table)((number + row) % STORE_TABLE_COUNT);
}

static void row_key(uint32_t number, size_t row, struct buf *ret)
{
	buf_clear(ret);
	buf_printf(ret, "batch-%08u-%zu", number, row);
}

static void row_value(uint32_t number, size_t row, struct buf *ret)
{
	size_t size = hash_u64((uint64_t)number << 8 | row) % VALUE_SIZE_MAX;
	if (number % BIG_EVERY == 0 && row == 0)
		size = BIG_SIZE;
	buf_clear(ret);
	uint8_t *bytes = buf_extend(ret, size);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(number * 31 + row * 7 + i);
}

enum kv_status numbered_write(struct store *s, uint32_t number, bool sync)
{
	KV_ASSERT(number > 0);
	struct buf keys[ROWS_MAX] = {0};
	struct buf values[ROWS_MAX] = {0};
	struct store_op ops[ROWS_MAX + 1];
	uint8_t last[4];
	store_le32(last, number);
	ops[0] = (struct store_op){.table = STORE_META, .key = last_key(), .value = slice_of(last, sizeof last)};
	size_t rows = row_count(number);
	for (size_t row = 0; row < rows; row++) {
		row_key(number, row, &keys[row]);
		row_value(number, row, &values[row]);
		ops[row + 1] = (struct store_op){.table = row_table(number, row),
						 .key = buf_slice(&keys[row]),
						 .value = buf_slice(&values[row])};
	}
	enum kv_status status = store_write(s, ops, rows + 1, sync);
	for (size_t row = 0; row < rows; row++) {
		buf_release(&keys[row]);
		buf_release(&values[row]);
	}
	return status;
}

/** All rows of a batch are there with their bytes. */
static void check_whole(struct store *s, uint32_t number, struct buf *key, struct buf *expected, struct buf *got)
{
	for (size_t row = 0; row < row_count(number); row++) {
		row_key(number, row, key);
		row_value(number, row, expected);
		buf_clear(got);
		enum kv_status status = store_get(s, row_table(number, row), buf_slice(key), false, got);
		if (status != KV_OK)
			fail_msg("%s: %s", buf_cstr(key), status_name(status));
		assert_slice_equal(buf_slice(got), buf_slice(expected));
	}
}

/** Rows of batches, counted over all tables. */
static size_t count_rows(struct store *s)
{
	size_t count = 0;
	for (size_t table = 0; table < STORE_TABLE_COUNT; table++) {
		struct store_scan *scan;
		assert_int_equal(store_scan_open(s, (enum store_table)table, slice_str("batch-"),
						 slice_str("batch."), &scan),
				 KV_OK);
		struct store_row row;
		enum kv_status status;
		while (store_scan_next(s, scan, &row, &status))
			count++;
		assert_int_equal(status, KV_OK);
		store_scan_close(s, scan);
	}
	return count;
}

uint32_t numbered_check(struct store *s, uint32_t acked, uint32_t written)
{
	CLEANUP(buf_release) struct buf key = BUF_INIT;
	CLEANUP(buf_release) struct buf expected = BUF_INIT;
	CLEANUP(buf_release) struct buf got = BUF_INIT;
	uint32_t last = 0;
	enum kv_status status = store_get(s, STORE_META, last_key(), false, &got);
	if (status == KV_OK) {
		assert_int_equal(got.size, 4);
		last = load_le32(got.data);
	} else {
		assert_int_equal(status, KV_NOT_FOUND);
	}
	if (last < acked || last > written)
		fail_msg("last batch is %u, acknowledged were %u, written at most %u", last, acked, written);
	size_t rows = 0;
	for (uint32_t number = 1; number <= last; number++) {
		check_whole(s, number, &key, &expected, &got);
		rows += row_count(number);
	}
	assert_int_equal(count_rows(s), rows); /* none of a later batch */
	return last;
}
