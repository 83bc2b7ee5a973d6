/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/jsonw.h"

static void members_and_elements_are_separated_by_commas(void **state)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct jsonw w = JSONW_INIT(&out);
	jsonw_object(&w, NULL);
	jsonw_u64(&w, "a", UINT64_MAX);
	jsonw_i64(&w, "b", INT64_MIN);
	jsonw_array(&w, "c");
	jsonw_object(&w, NULL);
	jsonw_object_end(&w);
	jsonw_bool(&w, NULL, true);
	jsonw_null(&w, NULL);
	jsonw_array_end(&w);
	jsonw_str(&w, "d", "");
	jsonw_object_end(&w);
	assert_string_equal(buf_cstr(&out), "{\"a\":18446744073709551615,\"b\":-9223372036854775808,"
					    "\"c\":[{},true,null],\"d\":\"\"}");
}

static void assert_text(const char *text, const char *expected)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct jsonw w = JSONW_INIT(&out);
	jsonw_str(&w, NULL, text);
	assert_string_equal(buf_cstr(&out), expected);
}

static void text_is_escaped(void **state)
{
	assert_text("a\"b\\c\n\x7f", "\"a\\\"b\\\\c\\u000a\\u007f\"");
	assert_text("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x92\xBE",
		    "\"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x92\xBE\"");
}

static void bytes_that_are_not_utf8_are_replaced_one_by_one(void **state)
{
	assert_text("a\xFFz", "\"a\xEF\xBF\xBDz\"");
	assert_text("\xC0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                 /* overlong */
	assert_text("\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""); /* surrogate */
	assert_text("\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                 /* cut */
	assert_text("\xF4\x90\x80\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_elements_are_separated_by_commas),
		cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(bytes_that_are_not_utf8_are_replaced_one_by_one),
	};
	return test_run("jsonw", tests);
}
