/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a fuzz target is: one function that takes any bytes and aborts if something is wrong, and seeds for it.
 *
 * The same target is built twice: with libFuzzer (option fuzz, clang) and with fuzz_main.c, which runs the seeds
 * and a fixed number of mutations of each as a unit test, and any files named as arguments.
 */
#ifndef KV_TESTS_FUZZ_FUZZ_H
#define KV_TESTS_FUZZ_FUZZ_H

#include "base/buf.h"

/** Called by libFuzzer and by fuzz_main.c. Always 0. Keeps nothing between calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Appends seed number INDEX (0, 1, ...) to OUT. False, and OUT unchanged, if there is none of that number. */
bool fuzz_seed(uint32_t index, struct buf *out);

#endif
