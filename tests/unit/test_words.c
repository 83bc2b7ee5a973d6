/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "cli/words.h"

/** The words of LINE, joined by "|". */
static const char *split(const char *line, struct buf *out)
{
	CLEANUP(words_release) struct words words = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	buf_clear(out);
	assert_true(words_split(&words, line, &why));
	for (int i = 0; i < words.count; i++)
		buf_printf(out, "%s%s", i ? "|" : "", words.list[i]);
	if (words.count > 0)
		assert_null(words.list[words.count]);
	return buf_cstr(out);
}

static void lines_are_cut_as_a_shell_does(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	assert_string_equal(split("get key", &out), "get|key");
	assert_string_equal(split("  put\ta  'b c'\t\"d e\" ", &out), "put|a|b c|d e");
	assert_string_equal(split("a'b'\"c\"d", &out), "abcd");
	assert_string_equal(split("a\\ b \\\\ \\'", &out), "a b|\\|'");
	assert_string_equal(split("\"a\\\"b\\\\\\n\" 'a\\'", &out), "a\"b\\\\n|a\\");
	assert_string_equal(split("'' \"\"", &out), "|");
	assert_string_equal(split("a#b 'c' # d 'e", &out), "a#b|c");
	assert_string_equal(split("# nothing", &out), "");
	assert_string_equal(split(" ", &out), "");
}

static void an_open_quote_is_a_mistake(void **state)
{
	(void)state;
	static const char *const lines[] = {"get 'k", "get \"k", "\"\\\"", "a 'b' \"c"};
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		CLEANUP(words_release) struct words words = {0};
		CLEANUP(buf_release) struct buf why = BUF_INIT;
		assert_false(words_split(&words, lines[i], &why));
		assert_string_equal(buf_cstr(&why), "a quote is left open");
	}
}

static void assert_begun(const char *line, int count, const char *last, size_t at)
{
	CLEANUP(words_release) struct words words = {0};
	words_split_begun(&words, line);
	assert_int_equal(words.count, count);
	assert_string_equal(words.list[count - 1], last);
	assert_int_equal(words.last_at, at);
}

static void a_line_that_is_begun_ends_with_the_word_at_the_cursor(void **state)
{
	(void)state;
	assert_begun("", 1, "", 0);
	assert_begun("ge", 1, "ge", 0);
	assert_begun("get ", 2, "", 4);
	assert_begun("get 'a b", 2, "a b", 4);
	assert_begun("get  a\\ b", 2, "a b", 5);
}

static void what_is_quoted_comes_back(void **state)
{
	(void)state;
	static const char *const texts[] = {"",    "plain",          "two words", "it's",  "\"",
					    "\\",  "#not a comment", "a#b",       "tab\t", "-5",
					    "ä€😀", "a'b\"c\\d e"};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		CLEANUP(buf_release) struct buf line = BUF_INIT;
		CLEANUP(words_release) struct words words = {0};
		CLEANUP(buf_release) struct buf why = BUF_INIT;
		buf_append_str(&line, "put ");
		words_quote(&line, texts[i]);
		assert_true(words_split(&words, buf_cstr(&line), &why));
		assert_int_equal(words.count, 2);
		assert_string_equal(words.list[1], texts[i]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_cut_as_a_shell_does),
		cmocka_unit_test(an_open_quote_is_a_mistake),
		cmocka_unit_test(a_line_that_is_begun_ends_with_the_word_at_the_cursor),
		cmocka_unit_test(what_is_quoted_comes_back),
	};
	return test_run("words", tests);
}
