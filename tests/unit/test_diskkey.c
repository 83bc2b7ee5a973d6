/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "server/diskkey.h"

static const struct disk_key examples[] = {
	{.table = DISK_DATA, .partition = 7, .leaf = 9, .bucket = 3, .key = {(const uint8_t *)"key", 3}},
	{.table = DISK_HINT,
	 .target = 2,
	 .partition = 7,
	 .leaf = 9,
	 .bucket = 3,
	 .key = {(const uint8_t *)"key", 3}},
	{.table = DISK_LEDGER,
	 .partition = 7,
	 .leaf = 9,
	 .bucket = 3,
	 .key = {(const uint8_t *)"key and a version", 17}},
	{.table = DISK_META, .key = {(const uint8_t *)"hlc_limit/0", 11}},
};

static void a_key_comes_back_from_its_bytes(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
		const struct disk_key *key = &examples[i];
		CLEANUP(buf_release) struct buf bytes = BUF_INIT;
		diskkey_encode(&bytes, key);
		struct disk_key back;
		assert_true(diskkey_decode(key->table, buf_slice(&bytes), &back));
		assert_int_equal(back.table, key->table);
		assert_int_equal(back.target, key->target);
		assert_int_equal(back.partition, key->partition);
		assert_int_equal(back.leaf, key->leaf);
		assert_int_equal(back.bucket, key->bucket);
		assert_slice_equal(back.key, key->key);
	}
}

static void bytes_of_another_shape_are_refused(void **state)
{
	struct disk_key key;
	assert_false(diskkey_decode(DISK_DATA, slice_str("short"), &key));
	assert_false(diskkey_decode(DISK_HINT, slice_str("short"), &key));
}

static bool is_within(const struct disk_scan *scan, const struct disk_key *key)
{
	CLEANUP(buf_release) struct buf first = BUF_INIT;
	CLEANUP(buf_release) struct buf end = BUF_INIT;
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	diskkey_range(scan, &first, &end);
	diskkey_encode(&bytes, key);
	return slice_compare(buf_slice(&first), buf_slice(&bytes)) <= 0 &&
	       (end.size == 0 || slice_compare(buf_slice(&bytes), buf_slice(&end)) < 0);
}

static void a_scan_covers_its_partition_and_no_other(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		struct disk_key key = examples[i];
		struct disk_scan scan = {.table = key.table, .target = key.target, .partition = key.partition};
		assert_true(is_within(&scan, &key));
		scan.partition++;
		assert_false(is_within(&scan, &key));
		scan.partition -= 2;
		assert_false(is_within(&scan, &key));
	}
	struct disk_scan scan = {.table = DISK_HINT, .target = 3, .partition = 7};
	assert_false(is_within(&scan, &examples[1]));
}

static void a_scan_goes_on_behind_its_cursor(void **state)
{
	struct disk_key key = examples[0], longer = examples[0];
	longer.key = slice_str("key0");
	struct disk_scan scan = {.table = DISK_DATA, .partition = key.partition, .has_after = true, .after = key};
	assert_false(is_within(&scan, &key));
	assert_true(is_within(&scan, &longer));
	scan.after = longer;
	assert_false(is_within(&scan, &longer));
	assert_false(is_within(&scan, &key));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_comes_back_from_its_bytes),
		cmocka_unit_test(bytes_of_another_shape_are_refused),
		cmocka_unit_test(a_scan_covers_its_partition_and_no_other),
		cmocka_unit_test(a_scan_goes_on_behind_its_cursor),
	};
	return test_run("diskkey", tests);
}
