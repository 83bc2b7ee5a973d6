/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What every test with real processes stands on: the program's name and arguments, waiting for conditions, time that
 * stretches on slow builds, and an end that leaves no process and no directory behind.
 *
 * A program's main is
 *
 *     static const struct CMUnitTest tests[] = {harness_test(a_sentence)};
 *     return harness_run(argc, argv, "name", tests);
 *
 * argv[1] is kvd, argv[2] the library for faulty nodes; without them the environment's KVD and KVD_PRELOAD. If a test failed, the ends of all logs go to stderr and the directory
 * stays. A log that holds a sanitizer's report or a failed assertion of kvd fails the program, whatever the tests say.
 *
 * KV_TEST_FILTER, a pattern with * and ?, runs only the tests whose names match.
 *
 * Everything here is for the main thread.
 */
#ifndef KV_TESTS_CLUSTER_HARNESS_H
#define KV_TESTS_CLUSTER_HARNESS_H

#include "tests/support/test.h"

#include "base/types.h"

/** A test that ends with all its loads stopped and all processes gone, also when it failed half-way. */
#define harness_test(f) cmocka_unit_test_teardown(f, harness_teardown)

/** Runs TESTS (an array) and speaks TAP on stdout. Gives main's exit code. */
#define harness_run(argc, argv, name, tests) harness_run_shared(argc, argv, name, tests, NULL)

/** The same for tests that share what SETUP made; only the last one is torn down. */
#define harness_run_shared(argc, argv, name, tests, setup)                                                         \
	(harness_begin(argc, argv),                                                                                \
	 harness_end(cmocka_run_group_tests_name((name), (tests), (setup), harness_teardown) == 0))

/** Instead of harness_run where the machine lacks what the tests need: one skipped test. Gives main's exit code. */
int harness_skip(const char *why);

void harness_begin(int argc, char **argv);
int harness_end(bool passed);
int harness_teardown(void **state);

/** Paths of kvd and of the library that is loaded into faulty nodes, and argument N after them; NULL if there is none. */
const char *harness_kvd(void);
const char *harness_preload(void);
const char *harness_argument(int n);

/** A fresh directory, removed at the end of the program. The text lives that long. */
const char *harness_directory(void);

/** The file is searched for reports at the end, and shown if something failed. */
void harness_watch_log(const char *path);

/** Called by harness_teardown, latest first. For what a failing test cannot end itself. */
void harness_at_teardown(void (*end)(void *arg), void *arg);

/** Calls now what harness_at_teardown was given, and not again. */
void harness_end_now(void (*end)(void *arg), void *arg);

/** MS milliseconds, stretched by KV_TEST_TIME_SCALE or, without it, by what sanitizers cost. For upper limits only. */
unsigned harness_ms(unsigned ms);

/** The same for the time-out of a call to the client, which has a most. */
unsigned harness_call_ms(unsigned ms);

/** SIZE bytes, stretched where sanitizers keep memory that was given back. For upper limits only. */
size_t harness_bytes(size_t size);

/** KV_CLUSTER_ROUNDS, or the number given: how often the tests that repeat themselves do so. */
unsigned harness_rounds(unsigned rounds);

/** Looks at CONDITION again and again until it holds, at most TIMEOUT_MS (stretched). False: it never did. */
#define harness_wait(condition, arg, timeout_ms) harness_wait_for(#condition, condition, arg, timeout_ms)

/** The same; a long wait is told under NAME, so that a test that takes its time says on what. */
bool harness_wait_for(const char *name, bool (*condition)(void *arg), void *arg, unsigned timeout_ms);

/** Fails the test if it does not hold in time; WHAT says what was waited for. */
#define harness_await(condition, arg, timeout_ms, what)                                                            \
	do {                                                                                                       \
		if (!harness_wait(condition, arg, timeout_ms)) {                                                   \
			print_error("waited in vain: %s\n", what);                                                 \
			fail();                                                                                    \
		}                                                                                                  \
	} while (0)

/** Looks at CONDITION for MS milliseconds (not stretched) and returns if it held all the time. */
bool harness_holds(bool (*condition)(void *arg), void *arg, unsigned ms);

/** The longest that this program has been kept from running while it waited, in microseconds. */
usec_t harness_stalled_us(void);

/** True if the file holds TEXT. False also without the file. */
bool harness_file_has(const char *path, const char *text);

#endif
