/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/page.h"

static struct disk_row row_of(const char *key, const char *value)
{
	return (struct disk_row){.key = {.table = DISK_DATA, .leaf = 5, .bucket = 7, .key = slice_str(key)},
				 .value = slice_str(value)};
}

static void records_come_out_as_they_went_in(void **state)
{
	struct actions out;
	actions_init(&out);
	struct disk_row rows[] = {row_of("a", "one"), row_of("bb", ""), row_of("ccc", "three")};
	struct slice page = page_of_rows(&out, rows, 3);
	struct reader in = reader_of(page);
	struct page_record r;
	for (size_t i = 0; i < 3; i++) {
		assert_true(page_take_record(&in, &r));
		assert_int_equal(r.bucket, 7);
		assert_slice_equal(r.key, rows[i].key.key);
		assert_slice_equal(r.record, rows[i].value);
	}
	assert_false(page_take_record(&in, &r));
	assert_false(in.failed);
	actions_release(&out);
}

static void keys_come_out_as_they_went_in(void **state)
{
	struct page_key k = {
		.bucket = 9, .key = slice_str("name"), .ver = {3, 4}, .flags = PAGE_WEAK | PAGE_STRONG};
	uint8_t bytes[64];
	assert_ptr_equal(page_put_key(bytes, &k), bytes + page_key_size(&k));
	struct reader in = reader_of(slice_of(bytes, page_key_size(&k)));
	struct page_key got;
	assert_true(page_take_key(&in, &got));
	assert_slice_equal(got.key, k.key);
	assert_int_equal(got.ver.hlc, 3);
	assert_int_equal(got.ver.id, 4);
	assert_int_equal(got.flags, k.flags);
	assert_false(page_take_key(&in, &got));
	assert_false(in.failed);
}

static void every_cut_of_a_page_is_noticed_or_ends_at_a_row(void **state)
{
	struct actions out;
	actions_init(&out);
	struct disk_row rows[] = {row_of("key", "value")};
	struct slice page = page_of_rows(&out, rows, 1);
	for (size_t size = 1; size < page.size; size++) {
		struct reader in = reader_of(slice_of(page.data, size));
		struct page_record r;
		assert_false(page_take_record(&in, &r));
		assert_true(in.failed);
	}
	actions_release(&out);
}

static void a_page_with_a_key_that_cannot_be_is_refused(void **state)
{
	uint8_t bytes[PAGE_KEY_HEADER_SIZE + 8] = {0};
	struct reader in = reader_of(slice_of(bytes, sizeof bytes));
	struct page_key k;
	assert_false(page_take_key(&in, &k)); /* no name */
	assert_true(in.failed);
	struct page_record r;
	store_le16(bytes + 4, KEY_SIZE_MAX + 1);
	in = reader_of(slice_of(bytes, sizeof bytes));
	assert_false(page_take_record(&in, &r));
	assert_true(in.failed);
}

static void an_empty_page_is_a_page(void **state)
{
	struct actions out;
	actions_init(&out);
	struct reader in = reader_of(page_of_rows(&out, NULL, 0));
	struct page_record r;
	assert_false(page_take_record(&in, &r));
	assert_false(in.failed);
	actions_release(&out);
}

static void a_cursor_leads_behind_its_key(void **state)
{
	struct actions out;
	actions_init(&out);
	struct disk_row row = row_of("k", "v");
	struct slice cursor = page_cursor(&out, &row.key);
	struct disk_scan scan = {.table = DISK_DATA, .partition = 3};
	assert_true(page_seek(cursor, &scan));
	assert_true(scan.has_after);
	assert_int_equal(scan.after.partition, 3);
	assert_int_equal(scan.after.leaf, 5);
	assert_int_equal(scan.after.bucket, 7);
	assert_slice_equal(scan.after.key, slice_str("k"));
	assert_false(page_seek(slice_of(cursor.data, PAGE_CURSOR_HEADER_SIZE), &scan));
	assert_true(page_seek(slice_of(NULL, 0), &scan));
	assert_false(scan.has_after);
	actions_release(&out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_out_as_they_went_in),
		cmocka_unit_test(keys_come_out_as_they_went_in),
		cmocka_unit_test(every_cut_of_a_page_is_noticed_or_ends_at_a_row),
		cmocka_unit_test(a_page_with_a_key_that_cannot_be_is_refused),
		cmocka_unit_test(an_empty_page_is_a_page),
		cmocka_unit_test(a_cursor_leads_behind_its_key),
	};
	return test_run("page", tests);
}
