/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <unistd.h>

#include "base/buf.h"
#include "storage/wal_check.h"

/* As RocksDB writes them: checksum, length, type, bytes. */
static const uint8_t hello[] = {0x0B, 0xB9, 0x57, 0x58, 0x05, 0x00, 0x01, 'h', 'e', 'l', 'l', 'o'};
static const uint8_t world[] = {0xEE, 0x8D, 0x45, 0xD6, 0x06, 0x00, 0x02, 'w', 'o', 'r', 'l', 'd', '!'};

static enum kv_status check(const struct buf *log)
{
	char path[] = "/tmp/kvd-wal-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, log->data, log->size), log->size);
	enum kv_status status = wal_check_file(fd);
	close(fd);
	return status;
}

static void add(struct buf *log, const uint8_t *record, size_t size) { buf_append(log, record, size); }

static void add_zeros(struct buf *log, size_t count) { memset(buf_extend(log, count), 0, count); }

static void whole_records_pass(void **state)
{
	CLEANUP(buf_release) struct buf log = BUF_INIT;
	assert_int_equal(check(&log), KV_OK);
	add(&log, hello, sizeof hello);
	add(&log, world, sizeof world);
	assert_int_equal(wal_block_break(buf_slice(&log)), log.size);
	assert_int_equal(check(&log), KV_OK);
}

static void log_cut_at_any_byte_passes(void **state)
{
	CLEANUP(buf_release) struct buf log = BUF_INIT;
	add(&log, hello, sizeof hello);
	add(&log, world, sizeof world);
	add(&log, hello, sizeof hello);
	while (log.size > 0) {
		log.size--;
		assert_int_equal(check(&log), KV_OK);
	}
}

static void record_behind_a_break_is_damage(void **state)
{
	CLEANUP(buf_release) struct buf log = BUF_INIT;
	add(&log, hello, sizeof hello);
	add(&log, world, sizeof world);
	add(&log, hello, sizeof hello);
	log.data[sizeof hello + 5] = 0x7F; /* length of the second */
	assert_int_equal(wal_block_break(buf_slice(&log)), sizeof hello);
	assert_true(wal_block_has_record(buf_slice(&log), sizeof hello));
	assert_int_equal(check(&log), KV_CORRUPT);
	memset(log.data + sizeof hello, 0, WAL_HEADER_SIZE);
	assert_int_equal(check(&log), KV_CORRUPT);
	log.size -= 1; /* with the third cut short, nothing proves that the second was whole */
	assert_int_equal(check(&log), KV_OK);
}

static void break_in_one_block_and_record_in_the_next_is_damage(void **state)
{
	CLEANUP(buf_release) struct buf log = BUF_INIT;
	add(&log, hello, sizeof hello);
	add_zeros(&log, WAL_BLOCK_SIZE - sizeof hello);
	assert_int_equal(check(&log), KV_OK);
	add(&log, world, sizeof world);
	assert_int_equal(check(&log), KV_CORRUPT);
}

static void padding_at_a_block_end_is_no_break(void **state)
{
	CLEANUP(buf_release) struct buf log = BUF_INIT;
	while (log.size + sizeof hello + 2 * sizeof world <= WAL_BLOCK_SIZE)
		add(&log, hello, sizeof hello);
	add(&log, world, sizeof world);
	add(&log, world, sizeof world);
	size_t padding = WAL_BLOCK_SIZE - log.size;
	assert_in_range(padding, 1, WAL_HEADER_SIZE - 1);
	add_zeros(&log, padding);
	add(&log, world, sizeof world);
	assert_int_equal(log.size, WAL_BLOCK_SIZE + sizeof world);
	assert_int_equal(wal_block_break(slice_of(log.data, WAL_BLOCK_SIZE)), WAL_BLOCK_SIZE);
	assert_int_equal(check(&log), KV_OK);
}

static void wrong_checksum_is_no_record(void **state)
{
	CLEANUP(buf_release) struct buf log = BUF_INIT;
	add_zeros(&log, 3);
	add(&log, hello, sizeof hello);
	assert_true(wal_block_has_record(buf_slice(&log), 0));
	assert_true(wal_block_has_record(buf_slice(&log), 3));
	assert_false(wal_block_has_record(buf_slice(&log), 4));
	log.data[log.size - 1] ^= 1;
	assert_false(wal_block_has_record(buf_slice(&log), 0));
}

static void unreadable_file_is_an_io_error(void **state) { assert_int_equal(wal_check_file(-1), KV_IO); }

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_records_pass),
		cmocka_unit_test(log_cut_at_any_byte_passes),
		cmocka_unit_test(record_behind_a_break_is_damage),
		cmocka_unit_test(break_in_one_block_and_record_in_the_next_is_damage),
		cmocka_unit_test(padding_at_a_block_end_is_no_break),
		cmocka_unit_test(wrong_checksum_is_no_record),
		cmocka_unit_test(unreadable_file_is_an_io_error),
	};
	return test_run("wal_check", tests);
}
