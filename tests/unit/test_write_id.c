/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <kv/client.h>

#include "base/types.h"

static void goes_through_text(const void *key, size_t size, const char *expected)
{
	struct kv_write_id id = {.t0 = 0x18bcfe568000001, .client = 0xab, .seq = 7}, back;
	char text[KV_WRITE_TEXT_SIZE(256)];
	uint8_t found[KV_WRITE_TEXT_SIZE(256)];
	size_t found_size;
	size_t written = kv_write_id_format(&id, kv_slice_of(key, size), text, sizeof text);
	assert_int_equal(written, strlen(text));
	if (expected)
		assert_string_equal(text, expected);
	assert_true(kv_write_id_parse(text, &back, found, &found_size));
	assert_true(back.t0 == id.t0 && back.client == id.client && back.seq == id.seq);
	assert_int_equal(back.attempt, 1);
	assert_int_equal(found_size, size);
	assert_memory_equal(found, key, size);
}

static void a_write_goes_through_text_and_back(void **state)
{
	uint8_t bytes[256];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)i;
	goes_through_text("account/7", 9, "18bcfe568000001-ab-7:account/7");
	goes_through_text("a b:%", 5, "18bcfe568000001-ab-7:a%20b%3a%25");
	goes_through_text(bytes, sizeof bytes, NULL);
}

static void the_longest_text_fits_the_size_told(void **state)
{
	struct kv_write_id id = {.t0 = UINT64_MAX, .client = UINT64_MAX, .seq = UINT64_MAX};
	char text[KV_WRITE_TEXT_SIZE(1)];
	assert_int_equal(kv_write_id_format(&id, kv_slice_str(" "), text, sizeof text), sizeof text - 1);
	assert_int_equal(strlen(text), sizeof text - 1);
}

static void a_text_without_room_is_cut_and_its_size_told(void **state)
{
	struct kv_write_id id = {.t0 = 1, .client = 2, .seq = 3};
	char text[8];
	assert_int_equal(kv_write_id_format(&id, kv_slice_str("key"), text, sizeof text), 9);
	assert_string_equal(text, "1-2-3:k");
	assert_int_equal(kv_write_id_format(&id, kv_slice_str("key"), NULL, 0), 9);
}

static void anything_else_names_no_write(void **state)
{
	static const char *const texts[] = {"",           "k",          "1-2-3",
					    "1-2-3:",     "1-2:k",      "-2-3:k",
					    "1-2-:k",     "01-2-3:k",   "1-2-3:k%2",
					    "1-2-3:k%g0", "1-2-3:k%6b", "1-2-3:k k",
					    "0-2-3:k",    "1-0-3:k",    "A-2-3:k",
					    " 1-2-3:k",   "1-2-3:%2F",  "1-2-3:%",
					    "1 -2-3:k",   "1-2-3-4:k",  "11111111111111111-2-3:k"};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct kv_write_id id = {.seq = 99};
		uint8_t key[32];
		size_t size;
		assert_false(kv_write_id_parse(texts[i], &id, key, &size));
		assert_int_equal(id.seq, 99);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_goes_through_text_and_back),
		cmocka_unit_test(the_longest_text_fits_the_size_told),
		cmocka_unit_test(a_text_without_room_is_cut_and_its_size_told),
		cmocka_unit_test(anything_else_names_no_write),
	};
	return test_run("write_id", tests);
}
