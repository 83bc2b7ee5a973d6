/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <pthread.h>

#include "base/bytes.h"
#include "client/session.h"

static struct version ver(uint64_t hlc) { return (struct version){.hlc = hlc, .id = 5}; }

static uint64_t token_hlc(struct kv_session *s, uint64_t key_hash)
{
	uint8_t token[SESSION_KEY_TOKEN_SIZE];
	size_t size = session_key_token(s, key_hash, token);
	assert_int_equal(token[0], SESSION_FORMAT);
	if (size == SESSION_HEAD_SIZE)
		return 0;
	assert_int_equal(size, SESSION_KEY_TOKEN_SIZE);
	assert_int_equal(load_le64(token + 2), key_hash);
	assert_int_equal(load_le64(token + 18), 5);
	return load_le64(token + 10);
}

static bool is_overflowed(struct kv_session *s)
{
	uint8_t token[SESSION_KEY_TOKEN_SIZE];
	session_key_token(s, 0, token);
	return token[1] == SESSION_OVERFLOWED;
}

static void a_key_keeps_the_newest_version_seen(void **state)
{
	struct kv_session *s = kv_session_new();
	assert_int_equal(token_hlc(s, 1), 0);
	session_note(s, 1, ver(10));
	session_note(s, 1, ver(8));
	session_note(s, 2, ver(3));
	session_note(s, 3, (struct version){0});
	assert_int_equal(token_hlc(s, 1), 10);
	assert_int_equal(token_hlc(s, 2), 3);
	assert_int_equal(token_hlc(s, 3), 0);
	assert_int_equal(s->count, 2);
	kv_session_free(s);
}

static void the_key_used_longest_ago_makes_room_and_that_is_remembered(void **state)
{
	struct kv_session *s = kv_session_new();
	for (uint64_t i = 1; i <= SESSION_ENTRIES_MAX; i++)
		session_note(s, i, ver(i));
	assert_false(is_overflowed(s));
	session_note(s, 1, ver(1)); /* used again */
	session_note(s, 1000, ver(9));
	assert_true(is_overflowed(s));
	assert_int_equal(token_hlc(s, 1), 1);
	assert_int_equal(token_hlc(s, 2), 0);
	assert_int_equal(token_hlc(s, 3), 3);
	assert_int_equal(token_hlc(s, 1000), 9);
	kv_session_free(s);
}

static void a_session_goes_on_elsewhere_by_its_token(void **state)
{
	static uint8_t token[KV_SESSION_TOKEN_SIZE_MAX], again[KV_SESSION_TOKEN_SIZE_MAX];
	struct kv_session *a = kv_session_new(), *b = kv_session_new();
	for (uint64_t i = 1; i <= SESSION_ENTRIES_MAX + 1; i++)
		session_note(a, i, ver(i));
	size_t size = kv_session_export(a, token);
	assert_int_equal(size, SESSION_HEAD_SIZE + SESSION_ENTRIES_MAX * SESSION_ENTRY_SIZE);
	assert_int_equal(kv_session_import(b, kv_slice_of(token, size), NULL), KV_OK);
	assert_int_equal(kv_session_export(b, again), size);
	assert_memory_equal(token, again, size);
	assert_true(is_overflowed(b));
	/* What both saw counts. */
	session_note(b, 7, ver(100));
	assert_int_equal(kv_session_import(b, kv_slice_of(token, size), NULL), KV_OK);
	assert_int_equal(token_hlc(b, 7), 100);
	kv_session_free(a);
	kv_session_free(b);
}

static void bytes_that_are_no_token_are_refused_and_change_nothing(void **state)
{
	struct kv_session *s = kv_session_new();
	uint8_t token[SESSION_KEY_TOKEN_SIZE + 1] = {SESSION_FORMAT};
	struct kv_error err;
	assert_int_equal(kv_session_import(s, kv_slice_of(NULL, 0), &err), KV_OK);
	assert_int_equal(kv_session_import(s, kv_slice_of(token, 2), &err), KV_OK);
	assert_int_equal(kv_session_import(s, kv_slice_of(token, 1), &err), KV_INVALID);
	assert_int_equal(kv_session_import(s, kv_slice_of(token, 25), &err), KV_INVALID);
	assert_int_equal(kv_session_import(s, kv_slice_of(token, 27), &err), KV_INVALID);
	token[1] = 2;
	assert_int_equal(kv_session_import(s, kv_slice_of(token, 26), &err), KV_INVALID);
	token[0] = 2;
	token[1] = 0;
	assert_int_equal(kv_session_import(s, kv_slice_of(token, 26), &err), KV_INVALID);
	assert_true(strlen(err.message) > 0);
	assert_int_equal(s->count, 0);
	kv_session_free(s);
}

static void *note_many(void *arg)
{
	for (uint64_t i = 1; i <= 20000; i++)
		session_note(arg, i % 200 + 1, ver(i));
	return NULL;
}

static void threads_share_a_session(void **state)
{
	struct kv_session *s = kv_session_new();
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, note_many, s), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(s->count, SESSION_ENTRIES_MAX);
	assert_int_equal(token_hlc(s, 20000 % 200 + 1), 20000);
	kv_session_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_keeps_the_newest_version_seen),
		cmocka_unit_test(the_key_used_longest_ago_makes_room_and_that_is_remembered),
		cmocka_unit_test(a_session_goes_on_elsewhere_by_its_token),
		cmocka_unit_test(bytes_that_are_no_token_are_refused_and_change_nothing),
		cmocka_unit_test(threads_share_a_session),
	};
	return test_run("client_session", tests);
}
