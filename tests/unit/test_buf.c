/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/buf.h"
#include "base/bytes.h"
#include "base/rng.h"
#include "tests/support/death.h"

static void a_zeroed_buffer_is_empty_and_may_be_released(void **state)
{
	struct buf b = {0};
	assert_int_equal(buf_slice(&b).size, 0);
	buf_release(&b);
	buf_release(&b);
	buf_release(NULL);
	assert_null(b.data);
}

static void random_appends_and_consumes_match_a_plain_array(void **state)
{
	enum { MODEL_SIZE = 1 << 16 };
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	uint8_t *model = xmalloc(MODEL_SIZE);
	size_t begin = 0;
	size_t end = 0;
	struct rng rng;
	rng_init(&rng, 1);
	while (end + 300 < MODEL_SIZE) {
		uint8_t piece[300];
		size_t size = rng_below(&rng, sizeof piece + 1);
		for (size_t i = 0; i < size; i++)
			piece[i] = (uint8_t)rng_next(&rng);
		buf_append(&b, piece, size);
		memcpy(model + end, piece, size);
		end += size;
		size_t gone = rng_below(&rng, end - begin + 1) / 2;
		buf_consume(&b, gone);
		begin += gone;
		assert_slice_equal(buf_slice(&b), slice_of(model + begin, end - begin));
		assert_true(b.size <= b.capacity);
	}
	free(model);
}

static void extending_by_nothing_gives_a_pointer_and_no_bytes(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	assert_non_null(buf_extend(&b, 0));
	assert_int_equal(b.size, 0);
}

static void extended_bytes_are_where_the_pointer_says(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	buf_append_str(&b, "ab");
	memcpy(buf_extend(&b, 3), "cde", 3);
	buf_append_slice(&b, slice_str("f"));
	buf_append_slice(&b, slice_of(NULL, 0));
	assert_slice_equal(buf_slice(&b), slice_str("abcdef"));
}

static void a_cleared_buffer_keeps_its_memory(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	buf_append_str(&b, "something");
	size_t capacity = b.capacity;
	const uint8_t *data = b.data;
	buf_clear(&b);
	buf_append_str(&b, "else");
	assert_ptr_equal(b.data, data);
	assert_int_equal(b.capacity, capacity);
}

static void printf_appends_any_length_and_cstr_ends_it(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	buf_printf(&b, "%d-%s", 42, "x");
	buf_printf(&b, "%s", "");
	buf_printf(&b, "%0300d", 7);
	assert_int_equal(b.size, 4 + 300);
	assert_int_equal(strlen(buf_cstr(&b)), b.size);
	assert_memory_equal(buf_cstr(&b), "42-x000", 7);
	CLEANUP(buf_release) struct buf empty = BUF_INIT;
	assert_string_equal(buf_cstr(&empty), "");
}

static void integers_have_the_byte_order_of_their_name(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	buf_append_u8(&b, 0x00);
	buf_append_le16(&b, 0x0201);
	buf_append_le32(&b, 0x06050403);
	buf_append_le64(&b, 0x0e0d0c0b0a090807);
	buf_append_be16(&b, 0x0f10);
	buf_append_be32(&b, 0x11121314);
	assert_int_equal(b.size, 21);
	for (size_t i = 0; i < b.size; i++)
		assert_int_equal(b.data[i], i);
}

static void consuming_more_than_there_is_dies(void **state)
{
	struct buf b = BUF_INIT;
	buf_append_str(&b, "abc");
	assert_dies(buf_consume(&b, 4));
	buf_release(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zeroed_buffer_is_empty_and_may_be_released),
		cmocka_unit_test(random_appends_and_consumes_match_a_plain_array),
		cmocka_unit_test(extending_by_nothing_gives_a_pointer_and_no_bytes),
		cmocka_unit_test(extended_bytes_are_where_the_pointer_says),
		cmocka_unit_test(a_cleared_buffer_keeps_its_memory),
		cmocka_unit_test(printf_appends_any_length_and_cstr_ends_it),
		cmocka_unit_test(integers_have_the_byte_order_of_their_name),
		cmocka_unit_test(consuming_more_than_there_is_dies),
	};
	return test_run("buf", tests);
}
