/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "base/types.h"
#include "cli/text.h"

static void a_duration_needs_its_unit(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {{"250ms", 250},    {"1s", 1000},        {"5m", 300000},
		    {"12h", 43200000}, {"30d", 2592000000}, {"0s", 0}};
	static const char *const bad[] = {
		"", "1", "s", "1.5s", "-1s", "1 s", "1sec", "99999999999999999999s", "18446744073709551615d"};
	uint64_t ms;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(text_duration_ms(good[i].text, &ms));
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(text_duration_ms(bad[i], &ms));
}

static void counts_and_sizes_keep_their_bounds(void **state)
{
	(void)state;
	uint64_t value;
	assert_true(text_count("16", 16, 4096, &value));
	assert_int_equal(value, 16);
	assert_false(text_count("15", 16, 4096, &value));
	assert_false(text_count("4097", 16, 4096, &value));
	assert_false(text_count("0x20", 16, 4096, &value));
	assert_true(text_size("4KiB", 0, 1 << 20, &value));
	assert_int_equal(value, 4096);
	assert_true(text_size("100", 0, 1 << 20, &value));
	assert_false(text_size("4KB", 0, 1 << 20, &value));
	assert_false(text_size("2MiB", 0, 1 << 20, &value));
}

static void durations_and_sizes_read_well(void **state)
{
	(void)state;
	static const struct {
		uint64_t us;
		const char *text;
	} durations[] = {{850, "850 us"},
			 {12300, "12.3 ms"},
			 {4200 * USEC_PER_MSEC, "4.2 s"},
			 {187 * USEC_PER_SEC, "3m07s"},
			 {3 * USEC_PER_HOUR + 5 * USEC_PER_MINUTE, "3h05m"},
			 {2 * USEC_PER_DAY + 3 * USEC_PER_HOUR, "2d03h"}};
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		CLEANUP(buf_release) struct buf out = BUF_INIT;
		text_append_us(&out, durations[i].us);
		assert_string_equal(buf_cstr(&out), durations[i].text);
	}
}

static void base64_matches_the_vectors_of_its_rfc(void **state)
{
	(void)state;
	static const char *const vectors[][2] = {{"", ""},
						 {"f", "Zg=="},
						 {"fo", "Zm8="},
						 {"foo", "Zm9v"},
						 {"foob", "Zm9vYg=="},
						 {"fooba", "Zm9vYmE="},
						 {"foobar", "Zm9vYmFy"}};
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		CLEANUP(buf_release) struct buf text = BUF_INIT, bytes = BUF_INIT;
		text_base64_encode(&text, slice_str(vectors[i][0]));
		assert_string_equal(buf_cstr(&text), vectors[i][1]);
		assert_true(text_base64_decode(&bytes, slice_str(vectors[i][1])));
		assert_slice_equal(buf_slice(&bytes), slice_str(vectors[i][0]));
	}
}

static void base64_that_no_encoder_writes_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "====", "Zg==Zg==", "Zm 9v", "Z=g=", "Zm9v\n", "Zm9-"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CLEANUP(buf_release) struct buf bytes = BUF_INIT;
		buf_append_str(&bytes, "kept");
		assert_false(text_base64_decode(&bytes, slice_str(bad[i])));
		assert_string_equal(buf_cstr(&bytes), "kept");
	}
}

static void random_bytes_survive_base64_and_escaping(void **state)
{
	(void)state;
	struct rng rng;
	rng_init(&rng, 1);
	for (int round = 0; round < 2000; round++) {
		uint8_t bytes[64];
		size_t size = rng_below(&rng, sizeof bytes + 1);
		for (size_t i = 0; i < size; i++)
			bytes[i] = rng_chance(&rng, 300000) ? (uint8_t) "\t\n\r\\"[rng_below(&rng, 4)]
							    : (uint8_t)rng_next(&rng);
		CLEANUP(buf_release) struct buf text = BUF_INIT, back = BUF_INIT;
		text_base64_encode(&text, slice_of(bytes, size));
		assert_true(text_base64_decode(&back, buf_slice(&text)));
		assert_slice_equal(buf_slice(&back), slice_of(bytes, size));
		buf_clear(&text);
		buf_clear(&back);
		text_escape(&text, slice_of(bytes, size));
		if (text.size > 0) {
			assert_null(memchr(text.data, '\n', text.size));
			assert_null(memchr(text.data, '\t', text.size));
		}
		assert_true(text_unescape(&back, buf_slice(&text)));
		assert_slice_equal(buf_slice(&back), slice_of(bytes, size));
	}
}

static void a_wrong_escape_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"\\", "a\\x", "\\0", "\\\\\\"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CLEANUP(buf_release) struct buf out = BUF_INIT;
		assert_false(text_unescape(&out, slice_str(bad[i])));
		assert_int_equal(out.size, 0);
	}
}

static void only_well_formed_utf8_counts_as_text(void **state)
{
	(void)state;
	static const char *const good[] = {
		"", "plain", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\x7F", "\xF4\x8F\xBF\xBF"};
	static const char *const bad[] = {
		"\x80", "\xC3",     "\xC0\x80",         "\xC1\xBF",         "\xE0\x80\x80",     "\xED\xA0\x80",
		"\xFF", "\xE2\x82", "\xF4\x90\x80\x80", "\xF0\x80\x80\x80", "\xF5\x80\x80\x80", "a\xC3z"};
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(text_is_utf8(slice_str(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(text_is_utf8(slice_str(bad[i])));
	assert_true(text_is_utf8(slice_of("a\0b", 3)));
}

static void the_nearest_word_is_the_likely_one(void **state)
{
	(void)state;
	static const char *const words[] = {"get", "put", NULL, "status", "export"};
	static const char *const expected[][2] = {{"gte", "get"},  {"statsu", "status"}, {"exprot", "export"},
						  {"putt", "put"}, {"stat", NULL},       {"xyz", NULL}};
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const char *found = text_nearest(expected[i][0], words, ARRAY_SIZE(words));
		if (expected[i][1])
			assert_string_equal(found, expected[i][1]);
		else
			assert_null(found);
	}
	assert_null(text_nearest("a word that is much longer than any command of this program", words, 5));
}

static void numbers_may_have_a_sign(void **state)
{
	static const char *const bad[] = {"", "-", "+", "1x", " 1", "--1", "1.0", "9223372036854775808"};
	int64_t value;
	assert_true(text_int64("0", &value) && value == 0);
	assert_true(text_int64("+12", &value) && value == 12);
	assert_true(text_int64("-9223372036854775808", &value) && value == INT64_MIN);
	assert_true(text_int64("9223372036854775807", &value) && value == INT64_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(text_int64(bad[i], &value));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_may_have_a_sign),
		cmocka_unit_test(a_duration_needs_its_unit),
		cmocka_unit_test(counts_and_sizes_keep_their_bounds),
		cmocka_unit_test(durations_and_sizes_read_well),
		cmocka_unit_test(base64_matches_the_vectors_of_its_rfc),
		cmocka_unit_test(base64_that_no_encoder_writes_is_refused),
		cmocka_unit_test(random_bytes_survive_base64_and_escaping),
		cmocka_unit_test(a_wrong_escape_is_refused),
		cmocka_unit_test(only_well_formed_utf8_counts_as_text),
		cmocka_unit_test(the_nearest_word_is_the_likely_one),
	};
	return test_run("text", tests);
}
