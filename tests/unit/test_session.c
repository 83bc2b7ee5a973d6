/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/bytes.h"
#include "replication/session.h"

static const struct version SEEN = {0x1122334455667788, 0x99AABBCCDDEEFF00};

static void put_entry(uint8_t *at, uint64_t hash, struct version seen)
{
	store_le64(at, hash);
	store_le64(at + 8, seen.hlc);
	store_le64(at + 16, seen.id);
}

static void an_empty_token_says_nothing(void **state)
{
	const char *why = NULL;
	struct session s = {.overflowed = true};
	assert_int_equal(session_decode(slice_of(NULL, 0), 7, &s, &why), KV_OK);
	assert_true(version_is_none(s.seen));
	assert_false(s.overflowed);
}

static void a_token_tells_back_what_was_written_into_it(void **state)
{
	uint8_t token[SESSION_KEY_SIZE];
	assert_int_equal(session_encode(7, SEEN, token), 26);
	const char *why = NULL;
	struct session s;
	assert_int_equal(session_decode(slice_of(token, sizeof token), 7, &s, &why), KV_OK);
	assert_true(version_equal(s.seen, SEEN));
	assert_false(s.overflowed);
	assert_int_equal(session_decode(slice_of(token, sizeof token), 8, &s, &why), KV_OK);
	assert_true(version_is_none(s.seen));
}

static void a_token_has_the_bytes_that_are_documented(void **state)
{
	static const uint8_t expected[26] = {1,    0,    7,    0,    0,    0,    0,    0,    0,
					     0,    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
					     0x00, 0xFF, 0xEE, 0xDD, 0xCC, 0xBB, 0xAA, 0x99};
	uint8_t token[SESSION_KEY_SIZE];
	assert_int_equal(session_encode(7, SEEN, token), sizeof expected);
	assert_memory_equal(token, expected, sizeof expected);
}

static void a_key_never_seen_has_no_entry(void **state)
{
	uint8_t token[SESSION_KEY_SIZE];
	size_t size = session_encode(7, VERSION_NONE, token);
	assert_int_equal(size, 2);
	const char *why = NULL;
	struct session s;
	assert_int_equal(session_decode(slice_of(token, size), 7, &s, &why), KV_OK);
	assert_true(version_is_none(s.seen));
}

static void of_two_entries_of_a_key_the_greater_counts(void **state)
{
	uint8_t token[2 + 3 * 24] = {1, 1};
	put_entry(token + 2, 7, (struct version){5, 1});
	put_entry(token + 26, 7, (struct version){5, 2});
	put_entry(token + 50, 8, (struct version){9, 9});
	const char *why = NULL;
	struct session s;
	assert_int_equal(session_decode(slice_of(token, sizeof token), 7, &s, &why), KV_OK);
	assert_true(version_equal(s.seen, (struct version){5, 2}));
	assert_true(s.overflowed);
}

static void assert_refused(const uint8_t *token, size_t size)
{
	const char *why = NULL;
	struct session s = {.overflowed = true};
	assert_int_equal(session_decode(slice_of(token, size), 7, &s, &why), KV_INVALID);
	assert_non_null(why);
	assert_true(s.overflowed); /* untouched */
}

static void what_is_no_token_is_refused_with_a_reason(void **state)
{
	static const uint8_t head[1] = {1}, other[2] = {2, 0}, flagged[2] = {1, 2}, cut[2 + 23] = {1};
	assert_refused(head, sizeof head);
	assert_refused(other, sizeof other);
	assert_refused(flagged, sizeof flagged);
	assert_refused(cut, sizeof cut);
	static const uint8_t full[2 + 171 * 24] = {1};
	assert_refused(full, sizeof full);
	const char *why = NULL;
	struct session s;
	assert_int_equal(session_decode(slice_of(full, sizeof full - 24), 7, &s, &why), KV_OK);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_token_says_nothing),
		cmocka_unit_test(a_token_tells_back_what_was_written_into_it),
		cmocka_unit_test(a_token_has_the_bytes_that_are_documented),
		cmocka_unit_test(a_key_never_seen_has_no_entry),
		cmocka_unit_test(of_two_entries_of_a_key_the_greater_counts),
		cmocka_unit_test(what_is_no_token_is_refused_with_a_reason),
	};
	return test_run("session", tests);
}
