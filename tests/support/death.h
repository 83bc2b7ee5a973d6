/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Shows that a programmer error stops the process: the statement runs in a child, which must end by SIGABRT.
 *
 * Only for tests with one thread: the child is a fork.
 */
#ifndef KV_TESTS_SUPPORT_DEATH_H
#define KV_TESTS_SUPPORT_DEATH_H

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

/* In the child: no core file, no message in the test log, and none of cmocka's signal handlers. */
static inline void death_prepare_child(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	signal(SIGABRT, SIG_DFL);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDERR_FILENO);
}

static inline bool death_was_abort(pid_t child)
{
	int status;
	return waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#define assert_dies(statement)                                                                                     \
	do {                                                                                                       \
		pid_t child_ = fork();                                                                             \
		assert_true(child_ >= 0);                                                                          \
		if (child_ == 0) {                                                                                 \
			death_prepare_child();                                                                     \
			statement;                                                                                 \
			_exit(0);                                                                                  \
		}                                                                                                  \
		assert_true(death_was_abort(child_));                                                              \
	} while (0)

#endif
