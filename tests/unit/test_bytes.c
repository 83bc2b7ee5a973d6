/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/bytes.h"
#include "base/rng.h"

static void stored_integers_load_back_at_any_alignment(void **state)
{
	struct rng rng;
	rng_init(&rng, 3);
	uint8_t space[32];
	for (int i = 0; i < 10000; i++) {
		uint8_t *at = space + rng_below(&rng, 16);
		uint64_t v = rng_next(&rng);
		store_le16(at, (uint16_t)v);
		assert_int_equal(load_le16(at), (uint16_t)v);
		assert_int_equal(load_be16(at), __builtin_bswap16((uint16_t)v));
		store_le32(at, (uint32_t)v);
		assert_int_equal(load_le32(at), (uint32_t)v);
		assert_int_equal(load_be32(at), __builtin_bswap32((uint32_t)v));
		store_le64(at, v);
		assert_true(load_le64(at) == v);
		store_be16(at, (uint16_t)v);
		assert_int_equal(load_be16(at), (uint16_t)v);
		store_be32(at, (uint32_t)v);
		assert_int_equal(load_be32(at), (uint32_t)v);
	}
}

static void the_reader_gives_what_was_stored(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 'x', 'y'};
	struct reader r = reader_of(slice_of(bytes, sizeof bytes));
	assert_int_equal(reader_u8(&r), 1);
	assert_int_equal(reader_le16(&r), 0x0302);
	assert_int_equal(reader_le32(&r), 0x07060504);
	assert_true(reader_le64(&r) == 0x0f0e0d0c0b0a0908);
	assert_memory_equal(reader_take(&r, 2), "xy", 2);
	assert_int_equal(r.rest.size, 0);
	assert_false(r.failed);
}

static void a_read_past_the_end_fails_for_good(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3};
	struct reader r = reader_of(slice_of(bytes, sizeof bytes));
	assert_int_equal(reader_le32(&r), 0);
	assert_true(r.failed);
	assert_int_equal(reader_u8(&r), 0); /* though one byte is there */
	assert_int_equal(reader_le16(&r), 0);
	assert_true(reader_le64(&r) == 0);
	assert_null(reader_take(&r, 1));
	assert_null(reader_take(&r, 0));
	assert_true(r.failed);
}

static void sizes_that_overflow_a_pointer_are_refused(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3};
	struct reader r = reader_of(slice_of(bytes, sizeof bytes));
	assert_null(reader_take(&r, SIZE_MAX));
	assert_true(r.failed);
}

static void taking_nothing_from_nothing_does_not_fail(void **state)
{
	struct reader r = reader_of(slice_of(NULL, 0));
	(void)reader_take(&r, 0);
	assert_false(r.failed);
	assert_int_equal(reader_u8(&r), 0);
	assert_true(r.failed);
}

static void any_cut_of_a_message_fails_exactly_when_bytes_are_missing(void **state)
{
	uint8_t bytes[15] = {0};
	for (size_t size = 0; size <= sizeof bytes; size++) {
		uint8_t *exact = xmalloc(size); /* so that a sanitizer sees a read past the end */
		memcpy(exact, bytes, size);
		struct reader r = reader_of(slice_of(exact, size));
		reader_u8(&r);
		reader_le16(&r);
		reader_le32(&r);
		reader_le64(&r);
		assert_int_equal(r.failed, size < sizeof bytes);
		free(exact);
	}
}

static int sign(int v) { return (v > 0) - (v < 0); }

static void slices_are_ordered_by_bytes_then_by_size(void **state)
{
	static const char *const ordered[] = {"", "a", "aa", "ab", "b", "\xff"};
	for (int i = 0; i < (int)ARRAY_SIZE(ordered); i++) {
		for (int j = 0; j < (int)ARRAY_SIZE(ordered); j++) {
			struct slice a = slice_str(ordered[i]);
			struct slice b = slice_str(ordered[j]);
			assert_int_equal(sign(slice_compare(a, b)), sign(i - j));
			assert_int_equal(slice_equal(a, b), i == j);
		}
	}
	assert_true(slice_equal(slice_of(NULL, 0), slice_str("")));
	assert_int_equal(slice_compare(slice_of(NULL, 0), slice_str("")), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(stored_integers_load_back_at_any_alignment),
		cmocka_unit_test(the_reader_gives_what_was_stored),
		cmocka_unit_test(a_read_past_the_end_fails_for_good),
		cmocka_unit_test(sizes_that_overflow_a_pointer_are_refused),
		cmocka_unit_test(taking_nothing_from_nothing_does_not_fail),
		cmocka_unit_test(any_cut_of_a_message_fails_exactly_when_bytes_are_missing),
		cmocka_unit_test(slices_are_ordered_by_bytes_then_by_size),
	};
	return test_run("bytes", tests);
}
