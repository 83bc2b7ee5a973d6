/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The one include a test file starts with: cmocka, with the headers it needs in the order it needs them, and base.h.
 *
 * A test file is a list of functions whose names are sentences, and a main:
 *
 *     #include "tests/support/test.h"
 *
 *     #include "base/buf.h"
 *
 *     static void appended_bytes_come_back(void **state) { ... }
 *
 *     int main(void)
 *     {
 *             static const struct CMUnitTest tests[] = {cmocka_unit_test(appended_bytes_come_back)};
 *             return test_run("buf", tests);
 *     }
 *
 * cmocka's assertions leave a test by longjmp: call them on the main thread only. Its skip() reports a failure.
 */
#ifndef KV_TESTS_SUPPORT_TEST_H
#define KV_TESTS_SUPPORT_TEST_H

/* cmocka.h needs these four first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/** 1 where a sanitizer watches, and everything takes ten times as long: what is repeated for the odds is repeated less. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#include <stdlib.h>

#include "base/mutant.h"
#include "base/slice.h"

/** Switches on the seeded bug that KV_TEST_MUTANT names, in a build that has them: a test should fail then. */
static inline void test_break_rule(void)
{
#ifdef KV_MUTANTS
	const char *name = getenv("KV_TEST_MUTANT");
	if (name && (mutant_find(name) == MUTANT_COUNT || !mutant_switch(mutant_find(name))))
		exit(2);
#endif
}

/** Runs TESTS (an array) as the group NAME and speaks TAP on stdout. Gives main's exit code: 1 if a test failed. */
#define test_run(name, tests)                                                                                      \
	(test_break_rule(), cmocka_set_message_output(CM_OUTPUT_TAP),                                              \
	 cmocka_run_group_tests_name((name), (tests), NULL, NULL) == 0 ? 0 : 1)

/** True if the two runs of bytes are the same, else a failed test that prints both. */
#define assert_slice_equal(a, b)                                                                                   \
	do {                                                                                                       \
		struct slice slice_a_ = (a), slice_b_ = (b);                                                       \
		assert_int_equal(slice_a_.size, slice_b_.size);                                                    \
		if (slice_a_.size > 0)                                                                             \
			assert_memory_equal(slice_a_.data, slice_b_.data, slice_a_.size);                          \
	} while (0)

#endif
