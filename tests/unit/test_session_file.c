/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "cli/session_file.h"

/* A directory of its own, and a path in it. */
struct place {
	char dir[64], path[80];
};

static struct place place_make(void)
{
	struct place p = {.dir = "/tmp/kv-session-XXXXXX"};
	assert_non_null(mkdtemp(p.dir));
	snprintf(p.path, sizeof p.path, "%s/session", p.dir);
	return p;
}

static void place_remove(struct place *p)
{
	unlink(p->path);
	assert_int_equal(rmdir(p->dir), 0);
}

/* A session that saw the key of that hash. */
static struct kv_session *session_of(uint8_t key_hash)
{
	uint8_t token[26] = {1, 0, key_hash, 0, 0, 0, 0, 0, 0, 0, 7};
	struct kv_session *s = kv_session_new();
	assert_int_equal(kv_session_import(s, kv_slice_of(token, sizeof token), NULL), KV_OK);
	return s;
}

static size_t session_size(struct kv_session *s)
{
	uint8_t token[KV_SESSION_TOKEN_SIZE_MAX];
	return kv_session_export(s, token);
}

static void a_session_goes_through_a_file(void **state)
{
	struct place p = place_make();
	struct kv_session *a = session_of(1), *b = session_of(2), *c = kv_session_new();
	struct error err;
	struct stat info;
	assert_int_equal(session_file_load(p.path, c, &err), KV_OK); /* no file yet */
	assert_int_equal(session_size(c), 2);
	assert_int_equal(session_file_save(p.path, a, &err), KV_OK);
	assert_int_equal(stat(p.path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	/* Another run that began before adds what it saw. */
	assert_int_equal(session_file_save(p.path, b, &err), KV_OK);
	assert_int_equal(session_file_load(p.path, c, &err), KV_OK);
	assert_int_equal(session_size(c), 2 + 2 * 24);
	kv_session_free(a);
	kv_session_free(b);
	kv_session_free(c);
	place_remove(&p);
}

static void a_file_of_something_else_is_refused_and_left_alone(void **state)
{
	static const char *const texts[] = {"key: value\n", "AAAA\n", "AQA\n", "!"};
	struct place p = place_make();
	struct kv_session *s = session_of(1);
	struct error err;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char back[32] = "";
		FILE *file = fopen(p.path, "we");
		assert_non_null(file);
		fputs(texts[i], file);
		fclose(file);
		assert_int_equal(session_file_load(p.path, s, &err), KV_INVALID);
		assert_int_equal(session_file_save(p.path, s, &err), KV_INVALID);
		assert_non_null(strstr(err.message, p.path));
		file = fopen(p.path, "re");
		assert_non_null(file);
		assert_int_equal(fread(back, 1, sizeof back - 1, file), strlen(texts[i]));
		fclose(file);
		assert_string_equal(back, texts[i]);
	}
	assert_int_equal(session_file_load(p.dir, s, &err), KV_IO);
	kv_session_free(s);
	place_remove(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_goes_through_a_file),
		cmocka_unit_test(a_file_of_something_else_is_refused_and_left_alone),
	};
	return test_run("session_file", tests);
}
