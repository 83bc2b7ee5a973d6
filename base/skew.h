/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which of several clocks are right: those that agree. A clock is told by its distance from any common point, in milliseconds.
 */
#ifndef KV_BASE_SKEW_H
#define KV_BASE_SKEW_H

#include "base/types.h"

/**
 * The middle of the largest group of clocks of which no two are more than WINDOW_MS apart. Of groups of one size the one whose middle
 * is nearest to PREFERRED_MS, the clock of whoever asks. COUNT is 1 or more. Sorts CLOCKS_MS.
 */
int64_t skew_agreed(int64_t *clocks_ms, size_t count, int64_t window_ms, int64_t preferred_ms);

#endif
