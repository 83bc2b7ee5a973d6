/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Calls this code base does not make, so that the compiler explains it and not a reviewer.
 *
 * Unbounded string functions overflow; hidden state (rand, strtok, localtime) breaks determinism and threads.
 * Time comes from base/clock.h, randomness from base/rng.h.
 */
#ifndef KV_BASE_BANNED_H
#define KV_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Fortified headers make macros of some of them, and a macro cannot be poisoned. */
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok
#pragma GCC poison rand srand random srandom drand48
#pragma GCC poison localtime gmtime ctime asctime

#endif
