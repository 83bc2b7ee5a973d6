/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/dev_node.h"

/** A process that has the store of the node at DIR open, as RocksDB does, until its standard input ends. */
static pid_t hold_store(const char *lock_path, int *ret_release)
{
	int ready[2], release[2];
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(release), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(release[1]);
		int fd = open(lock_path, O_RDWR | O_CREAT, 0644);
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		char byte = 'x';
		bool good = fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 && write(ready[1], &byte, 1) == 1;
		ssize_t got = good ? read(release[0], &byte, 1) : -1;
		_exit(got == 0 ? 0 : 1);
	}
	char byte;
	close(ready[1]);
	close(release[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*ret_release = release[1];
	return pid;
}

/* A killed node's last thread may still have the store open when its process looks dead; who starts it again then fails. */
static void a_dead_node_whose_store_is_open_is_waited_for(void **state)
{
	(void)state;
	char base[] = "/tmp/kvd-dev-node-XXXXXX", path[64];
	struct dev_node node;
	assert_non_null(mkdtemp(base));
	dev_node_init(&node, base, 1);
	static const char *const steps[] = {"n1", "n1/data", "n1/data/store"};
	assert_false(dev_node_holds_store(&node));
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		snprintf(path, sizeof path, "%s/%s", base, steps[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	snprintf(path, sizeof path, "%s/n1/data/store/LOCK", base);
	int release, status;
	pid_t holder = hold_store(path, &release);
	assert_true(dev_node_holds_store(&node));
	close(release);
	assert_int_equal(waitpid(holder, &status, 0), holder);
	assert_int_equal(status, 0);
	assert_false(dev_node_holds_store(&node));
	assert_int_equal(unlink(path), 0);
	for (size_t i = ARRAY_SIZE(steps); i-- > 0;) {
		snprintf(path, sizeof path, "%s/%s", base, steps[i]);
		assert_int_equal(rmdir(path), 0);
	}
	assert_int_equal(rmdir(base), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(a_dead_node_whose_store_is_open_is_waited_for)};
	return test_run("dev_node", tests);
}
