/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "cli/rows.h"

/** Parses TEXT and checks that it says KEY and VALUE. */
static void assert_row(enum rows_format format, const char *text, const char *key, struct slice value,
		       uint64_t ttl_ms)
{
	CLEANUP(row_release) struct row row = {0};
	struct error err;
	enum kv_status status = rows_parse(format, slice_str(text), &row, &err);
	if (status != KV_OK)
		print_message("%s: %s\n", text, err.message);
	assert_int_equal(status, KV_OK);
	assert_slice_equal(buf_slice(&row.key), slice_str(key));
	assert_slice_equal(buf_slice(&row.value), value);
	assert_int_equal(row.ttl_ms, ttl_ms);
	assert_false(row.tombstone);
}

static void json_rows_hold_text_bytes_and_documents(void **state)
{
	(void)state;
	assert_row(ROWS_JSONL, "{\"key\":\"k\",\"value\":\"v\"}", "k", slice_str("v"), 0);
	assert_row(ROWS_JSONL, " { \"value\" : \"\", \"key\" : \"k\" } ", "k", slice_str(""), 0);
	assert_row(ROWS_JSONL, "{\"key_b64\":\"aw==\",\"value_b64\":\"AP8=\",\"ttl_ms\":5000}", "k",
		   slice_of("\0\xFF", 2), 5000);
	assert_row(ROWS_JSONL, "{\"key\":\"k\",\"value\":\"a\\u0000b\\n\"}", "k", slice_of("a\0b\n", 4), 0);
	assert_row(ROWS_JSONL, "{\"key\":\"k\",\"value\":{ \"b\": [1, true, null], \"a\": \"\xC3\xA4\" }}", "k",
		   slice_str("{\"b\":[1,true,null],\"a\":\"\xC3\xA4\"}"), 0);
	assert_row(ROWS_JSONL, "{\"key\":\"k\",\"value\":[]}", "k", slice_str("[]"), 0);
}

static void what_a_raw_export_adds_is_read_over(void **state)
{
	(void)state;
	assert_row(
		ROWS_JSONL,
		"{\"key\":\"k\",\"value\":\"v\",\"version\":\"1-2\",\"copy\":\"1-2\",\"partition\":7,\"expires_ms\":9}",
		"k", slice_str("v"), 0);
	CLEANUP(row_release) struct row row = {0};
	assert_int_equal(rows_parse(ROWS_JSONL, slice_str("{\"key\":\"k\",\"tombstone\":true}"), &row, NULL),
			 KV_OK);
	assert_true(row.tombstone);
}

static void tsv_rows_have_two_or_three_columns(void **state)
{
	(void)state;
	assert_row(ROWS_TSV, "k\tv", "k", slice_str("v"), 0);
	assert_row(ROWS_TSV, "k\t", "k", slice_str(""), 0);
	assert_row(ROWS_TSV, "k\ta\\tb\\nc\\rd\\\\e", "k", slice_str("a\tb\nc\rd\\e"), 0);
	assert_row(ROWS_TSV, "k\tv\t1500", "k", slice_str("v"), 1500);
}

static void bad_lines_say_what_is_wrong(void **state)
{
	(void)state;
	static const struct {
		enum rows_format format;
		const char *line, *says;
	} bad[] = {
		{ROWS_JSONL, "", "not JSON"},
		{ROWS_JSONL, "{\"key\":\"k\"", "not JSON"},
		{ROWS_JSONL, "[1]", "not a JSON object"},
		{ROWS_JSONL, "{\"value\":\"v\"}", "no \"key\""},
		{ROWS_JSONL, "{\"key\":\"k\"}", "no \"value\""},
		{ROWS_JSONL, "{\"key\":\"\",\"value\":\"v\"}", "key is empty"},
		{ROWS_JSONL, "{\"key\":\"k\",\"value\":1}", "value is not a string, object or array"},
		{ROWS_JSONL, "{\"key\":1,\"value\":\"v\"}", "key is not a string"},
		{ROWS_JSONL, "{\"key\":\"k\",\"key\":\"l\",\"value\":\"v\"}", "duplicate"},
		{ROWS_JSONL, "{\"key\":\"k\",\"key_b64\":\"aw==\",\"value\":\"v\"}", "key is given twice"},
		{ROWS_JSONL, "{\"key\":\"k\",\"value\":\"\",\"value_b64\":\"aw==\"}", "value is given twice"},
		{ROWS_JSONL, "{\"key\":\"k\",\"value_b64\":\"a\"}", "value_b64 is not base64"},
		{ROWS_JSONL, "{\"key\":\"k\",\"valeu\":\"v\"}", "did you mean \"value\"?"},
		{ROWS_JSONL, "{\"key\":\"k\",\"value\":\"v\",\"ttl_ms\":0}", "ttl_ms"},
		{ROWS_JSONL, "{\"key\":\"k\",\"value\":\"v\",\"tombstone\":true}", "tombstone has a value"},
		{ROWS_JSONL, "{\"key\":\"k\",\"value\":\"\xFF\"}", "not JSON"},
		{ROWS_TSV, "k", "no tab"},
		{ROWS_TSV, "\tv", "key is empty"},
		{ROWS_TSV, "k\tv\\x", "backslash"},
		{ROWS_TSV, "k\tv\tsoon", "milliseconds"},
		{ROWS_TSV, "k\tv\t", "milliseconds"},
		{ROWS_TSV, "k\tv\t1\t2", "milliseconds"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CLEANUP(row_release) struct row row = {0};
		struct error err;
		assert_int_equal(rows_parse(bad[i].format, slice_str(bad[i].line), &row, &err), KV_INVALID);
		if (!strstr(err.message, bad[i].says))
			fail_msg("%s: %s", bad[i].line, err.message);
	}
}

static void fill_random(struct rng *rng, struct buf *out, size_t size_min)
{
	static const char nasty[] = "\t\n\r\\\"{}\0\xFF\xC3\xA4 a";
	size_t size = rng_between(rng, size_min, 40);
	bool binary = rng_chance(rng, 500000);
	buf_clear(out);
	for (size_t i = 0; i < size; i++)
		buf_append_u8(out,
			      binary ? (uint8_t)rng_next(rng) : (uint8_t)nasty[rng_below(rng, sizeof nasty - 1)]);
}

static void what_was_written_is_read(void **state)
{
	(void)state;
	static const enum rows_format formats[] = {ROWS_JSONL, ROWS_TSV};
	struct rng rng;
	rng_init(&rng, 7);
	CLEANUP(row_release) struct row row = {0}, back = {0};
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	for (int round = 0; round < 4000; round++) {
		enum rows_format format = formats[round % 2];
		fill_random(&rng, &row.key, 1);
		fill_random(&rng, &row.value, 0);
		row.ttl_ms = rng_chance(&rng, 500000) ? rng_between(&rng, 1, INT64_MAX) : 0;
		row.tombstone = format == ROWS_JSONL && rng_chance(&rng, 200000);
		buf_clear(&text);
		rows_format_row(format, &row, &text);
		assert_ptr_equal(memchr(text.data, '\n', text.size), text.data + text.size - 1);
		assert_int_equal(rows_parse(format, slice_of(text.data, text.size - 1), &back, NULL), KV_OK);
		assert_slice_equal(buf_slice(&back.key), buf_slice(&row.key));
		assert_int_equal(back.tombstone, row.tombstone);
		assert_int_equal(back.ttl_ms, row.ttl_ms);
		if (!row.tombstone)
			assert_slice_equal(buf_slice(&back.value), buf_slice(&row.value));
	}
}

static void random_lines_never_harm(void **state)
{
	(void)state;
	static const char *const parts[] = {
		"{",  "}",     "\"key\":",     "\"value\":",  "\"k\"", ",",    "\\",   "\\u0000",       "[",
		"\t", "1e999", "\"key_b64\":", "\"ttl_ms\":", "-1",    "\xFF", "true", "\"tombstone\":"};
	struct rng rng;
	rng_init(&rng, 11);
	CLEANUP(row_release) struct row row = {0};
	CLEANUP(buf_release) struct buf line = BUF_INIT;
	for (int round = 0; round < 50000; round++) {
		buf_clear(&line);
		for (uint64_t i = rng_below(&rng, 12); i > 0; i--)
			buf_append_str(&line, parts[rng_below(&rng, ARRAY_SIZE(parts))]);
		enum rows_format format = rng_chance(&rng, 500000) ? ROWS_JSONL : ROWS_TSV;
		struct error err = {0};
		enum kv_status status = rows_parse(format, buf_slice(&line), &row, &err);
		assert_true(status == KV_OK || (status == KV_INVALID && err.message[0] != '\0'));
		assert_true(status != KV_OK || row.key.size > 0);
	}
}

static FILE *file_of(const char *text, size_t size)
{
	FILE *file = tmpfile();
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	rewind(file);
	return file;
}

static void a_file_is_read_line_by_line_and_goes_on_after_a_bad_one(void **state)
{
	(void)state;
	static const char text[] = "\n{\"key\":\"a\",\"value\":\"1\"}\r\n\nbad\n{\"key\":\"b\",\"value\":\"2\"}";
	FILE *file = file_of(text, sizeof text - 1);
	struct rows_reader reader;
	CLEANUP(row_release) struct row row = {0};
	rows_reader_init(&reader, fileno(file), NULL, ROWS_GUESS);
	assert_int_equal(rows_read(&reader, &row, NULL), KV_OK);
	assert_int_equal(reader.format, ROWS_JSONL);
	assert_int_equal(reader.line_count, 2);
	assert_int_equal(rows_read(&reader, &row, NULL), KV_INVALID);
	assert_int_equal(reader.line_count, 4);
	assert_int_equal(rows_read(&reader, &row, NULL), KV_OK);
	assert_slice_equal(buf_slice(&row.key), slice_str("b"));
	assert_int_equal(rows_read(&reader, &row, NULL), KV_NOT_FOUND);
	assert_int_equal(rows_read(&reader, &row, NULL), KV_NOT_FOUND);
	assert_int_equal(reader.size, sizeof text - 1);
	rows_reader_release(&reader);
	fclose(file);
}

static void a_line_longer_than_the_buffer_is_one_line(void **state)
{
	(void)state;
	enum { SIZE = 3 << 20 };
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	buf_append_str(&text, "k\t");
	memset(buf_extend(&text, SIZE), 'v', SIZE);
	buf_append_str(&text, "\nl\tw\n");
	FILE *file = file_of((const char *)text.data, text.size);
	struct rows_reader reader;
	CLEANUP(row_release) struct row row = {0};
	rows_reader_init(&reader, fileno(file), NULL, ROWS_GUESS);
	assert_int_equal(rows_read(&reader, &row, NULL), KV_OK);
	assert_int_equal(reader.format, ROWS_TSV);
	assert_int_equal(row.value.size, SIZE);
	assert_int_equal(rows_read(&reader, &row, NULL), KV_OK);
	assert_slice_equal(buf_slice(&row.value), slice_str("w"));
	rows_reader_release(&reader);
	fclose(file);
}

static void the_name_tells_the_format(void **state)
{
	(void)state;
	struct rows_reader reader;
	rows_reader_init(&reader, -1, "a.tsv", ROWS_GUESS);
	assert_int_equal(reader.format, ROWS_TSV);
	rows_reader_init(&reader, -1, "a.ndjson", ROWS_GUESS);
	assert_int_equal(reader.format, ROWS_JSONL);
	rows_reader_init(&reader, -1, "a.txt", ROWS_GUESS);
	assert_int_equal(reader.format, ROWS_GUESS);
	rows_reader_init(&reader, -1, "a.tsv", ROWS_JSONL);
	assert_int_equal(reader.format, ROWS_JSONL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_rows_hold_text_bytes_and_documents),
		cmocka_unit_test(what_a_raw_export_adds_is_read_over),
		cmocka_unit_test(tsv_rows_have_two_or_three_columns),
		cmocka_unit_test(bad_lines_say_what_is_wrong),
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(random_lines_never_harm),
		cmocka_unit_test(a_file_is_read_line_by_line_and_goes_on_after_a_bad_one),
		cmocka_unit_test(a_line_longer_than_the_buffer_is_one_line),
		cmocka_unit_test(the_name_tells_the_format),
	};
	return test_run("rows", tests);
}
