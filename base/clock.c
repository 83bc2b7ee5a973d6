/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

static int64_t wall_offset_us;

static usec_t read_clock(clockid_t id)
{
	struct timespec ts;
	int rc = clock_gettime(id, &ts);
	KV_ASSERT(rc == 0);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + (usec_t)ts.tv_nsec / 1000;
}

usec_t clock_mono_us(void) { return read_clock(CLOCK_MONOTONIC); }

usec_t clock_wall_us(void) { return (usec_t)((int64_t)read_clock(CLOCK_REALTIME) + wall_offset_us); }

void clock_set_wall_offset_us(int64_t offset_us) { wall_offset_us = offset_us; }
