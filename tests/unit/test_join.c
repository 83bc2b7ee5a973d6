/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/join.h"

static char path[64];

static void write_token(const char *text, mode_t mode)
{
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static enum kv_status load(const char *seeds, struct join *ret, struct error *err)
{
	static char kept[128]; /* the result points into it */
	snprintf(kept, sizeof kept, "%s", seeds);
	const struct config config = {.join_seeds = kept, .join_token_file = path};
	join_take_seeds(&config, ret);
	return join_load_token(&config, ret, err);
}

static void seeds_and_token_are_taken_without_what_is_around_them(void **state)
{
	struct join join;
	struct error err;
	write_token("token-1\n", 0600);
	assert_int_equal(load("127.0.0.1:1, [::1]:2", &join, &err), KV_OK);
	assert_int_equal(join.seed_count, 2);
	assert_true(slice_equal(join.seeds[1], slice_str("[::1]:2")));
	assert_string_equal(join.token, "token-1");
}

static void a_token_that_others_can_read_is_refused(void **state)
{
	struct join join;
	struct error err;
	write_token("token-1\n", 0640);
	assert_int_equal(load("127.0.0.1:1", &join, &err), KV_REFUSED);
	assert_non_null(strstr(err.message, "chmod 600"));
}

static void a_file_that_holds_no_token_is_refused(void **state)
{
	struct join join;
	struct error err;
	write_token(" \n", 0600);
	assert_int_equal(load("127.0.0.1:1", &join, &err), KV_INVALID);
	char text[TOKEN_SIZE_MAX + 2];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	write_token(text, 0600);
	assert_int_equal(load("127.0.0.1:1", &join, &err), KV_INVALID);
	text[sizeof text - 2] = '\0';
	write_token(text, 0600);
	assert_int_equal(load("127.0.0.1:1", &join, &err), KV_OK);
	unlink(path);
	assert_int_equal(load("127.0.0.1:1", &join, &err), KV_IO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(seeds_and_token_are_taken_without_what_is_around_them),
		cmocka_unit_test(a_token_that_others_can_read_is_refused),
		cmocka_unit_test(a_file_that_holds_no_token_is_refused),
	};
	snprintf(path, sizeof path, "/tmp/kvd-test-join-%ld", (long)getpid());
	int failed = test_run("join", tests);
	unlink(path);
	return failed;
}
