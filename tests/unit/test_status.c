/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/status.h"

struct row {
	enum kv_status status;
	uint32_t number;
	enum status_class class;
	int exit_code;
	const char *name;
};

/* Written out once more on purpose: a changed number breaks nodes and scripts in the field, so it must break this. */
static const struct row pinned[] = {
	{KV_OK, 0, STATUS_DONE, 0, "OK"},
	{KV_NOT_FOUND, 1, STATUS_DONE, 3, "NOT_FOUND"},
	{KV_CONDITION_FAILED, 2, STATUS_DONE, 4, "CONDITION_FAILED"},
	{KV_UNAVAILABLE, 3, STATUS_RETRY, 5, "UNAVAILABLE"},
	{KV_DEADLINE, 4, STATUS_DOUBT, 6, "DEADLINE"},
	{KV_OVERLOADED, 5, STATUS_RETRY, 7, "OVERLOADED"},
	{KV_IN_DOUBT, 6, STATUS_DOUBT, 8, "IN_DOUBT"},
	{KV_DENIED, 7, STATUS_FINAL, 9, "DENIED"},
	{KV_TOO_LARGE, 8, STATUS_FINAL, 2, "TOO_LARGE"},
	{KV_INVALID, 9, STATUS_FINAL, 2, "INVALID"},
	{KV_CORRUPT, 10, STATUS_FINAL, 1, "CORRUPT"},
	{KV_CLOSED, 11, STATUS_RETRY, 5, "CLOSED"},
	{KV_UNSUPPORTED, 12, STATUS_FINAL, 2, "UNSUPPORTED"},
	{KV_INTERNAL, 13, STATUS_DOUBT, 1, "INTERNAL"},
	{KV_STALE, 14, STATUS_RETRY, 5, "STALE"},
	{KV_CLOCK, 15, STATUS_RETRY, 5, "CLOCK"},
	{KV_CONFLICT, 16, STATUS_RETRY, 5, "CONFLICT"},
	{KV_NO_SPACE, 17, STATUS_RETRY, 7, "NO_SPACE"},
	{KV_THROTTLED, 18, STATUS_RETRY, 7, "THROTTLED"},
	{KV_WRONG_CLUSTER, 19, STATUS_FINAL, 11, "WRONG_CLUSTER"},
	{KV_IDENTITY, 20, STATUS_FINAL, 11, "IDENTITY"},
	{KV_IO, 21, STATUS_DOUBT, 1, "IO"},
	{KV_NOT_READY, 22, STATUS_RETRY, 5, "NOT_READY"},
	{KV_AGAIN, 23, STATUS_RETRY, 1, "AGAIN"},
	{KV_CHECK_FAILED, 24, STATUS_FINAL, 10, "CHECK_FAILED"},
	{KV_REFUSED, 25, STATUS_FINAL, 11, "REFUSED"},
	{KV_VERSION, 26, STATUS_FINAL, 1, "VERSION"},
};

#define COUNT_ROW(...) +1
enum { STATUS_COUNT = 0 KV_STATUS_TABLE(COUNT_ROW) };

static void numbers_classes_exit_codes_and_names_are_pinned(void **state)
{
	assert_int_equal(ARRAY_SIZE(pinned), STATUS_COUNT);
	for (size_t i = 0; i < ARRAY_SIZE(pinned); i++) {
		assert_int_equal(pinned[i].status, pinned[i].number);
		assert_int_equal(status_class(pinned[i].status), pinned[i].class);
		assert_int_equal(status_exit_code(pinned[i].status), pinned[i].exit_code);
		assert_string_equal(status_name(pinned[i].status), pinned[i].name);
		assert_true(status_is_known(pinned[i].number));
	}
}

static void no_number_and_no_text_is_used_twice(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(pinned); i++) {
		const char *text = status_text(pinned[i].status);
		assert_true(strlen(text) > 0);
		assert_true(text[strlen(text) - 1] != '.');
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(pinned[i].number, pinned[j].number);
			assert_string_not_equal(text, status_text(pinned[j].status));
		}
	}
}

static void a_number_of_a_newer_node_is_read_with_care(void **state)
{
	enum kv_status newer = (enum kv_status)STATUS_COUNT;
	assert_false(status_is_known(STATUS_COUNT));
	assert_false(status_is_known(UINT32_MAX));
	assert_string_equal(status_name(newer), "UNKNOWN");
	assert_string_equal(status_text(newer), "unknown status");
	assert_int_equal(status_class(newer), STATUS_DOUBT);
	assert_int_equal(status_exit_code(newer), 1);
}

static void an_error_holds_its_message_and_cuts_a_long_one(void **state)
{
	struct error err = {.in_doubt = true};
	assert_int_equal(error_set(&err, KV_INVALID, "line %d: %s", 3, "no such key"), KV_INVALID);
	assert_int_equal(err.status, KV_INVALID);
	assert_false(err.in_doubt);
	assert_string_equal(err.message, "line 3: no such key");
	assert_int_equal(error_set(&err, KV_IO, "%0500d", 1), KV_IO);
	assert_int_equal(strlen(err.message), sizeof err.message - 1);
	assert_int_equal(error_set(NULL, KV_DENIED, "nobody reads this"), KV_DENIED);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_classes_exit_codes_and_names_are_pinned),
		cmocka_unit_test(no_number_and_no_text_is_used_twice),
		cmocka_unit_test(a_number_of_a_newer_node_is_read_with_care),
		cmocka_unit_test(an_error_holds_its_message_and_cuts_a_long_one),
	};
	return test_run("status", tests);
}
