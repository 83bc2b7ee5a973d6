/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the micro-benchmarks share. Each is a small program: main prepares, then calls functions named measure_*, once each,
 * and callgrind counts the instructions of these and of what they call (run.py). No clock is read, so the machine does
 * not matter.
 */
#ifndef KV_BENCH_MICRO_H
#define KV_BENCH_MICRO_H

#include "base/base.h"

/** Calls of the thing that is measured, in each measure_* function. run.py divides by it. */
enum { MICRO_CALLS = 1000 };

/** A function whose instructions are counted: a symbol of its own. */
#ifdef __clang__
#define MEASURED __attribute__((noinline, used))
#else
#define MEASURED __attribute__((noinline, noclone, used))
#endif

/** What was computed is used, says this to the compiler. */
#define MICRO_USE(value) __asm__ volatile("" : : "g"(value) : "memory")

#endif
