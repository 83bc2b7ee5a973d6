/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The only place that reads the machine's clocks.
 */
#ifndef KV_BASE_CLOCK_H
#define KV_BASE_CLOCK_H

#include "base/types.h"

/** Microseconds on a clock that never goes back (CLOCK_MONOTONIC); only differences mean anything. */
usec_t clock_mono_us(void);

/** Microseconds since 1970 (CLOCK_REALTIME) plus the test offset; may jump. */
usec_t clock_wall_us(void);

/** Shifts clock_wall_us by OFFSET_US from now on, for tests of wrong clocks. Process-wide; set before threads start. */
void clock_set_wall_offset_us(int64_t offset_us);

#endif
