/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Hybrid logical clock: time that never goes back on one node and never contradicts cause and effect between nodes.
 *
 * A value is 48 bits of milliseconds since 1970 above 16 bits of fraction: one unit is 2^-16 ms (about 15 ns). A
 * reading is the greater of the physical clock and the last reading plus one, so values are unique on a node. The clock is
 * given the physical time with each call and reads none itself.
 *
 * A durable limit bounds what may be issued: after a restart the clock starts at the limit, so no value is ever issued
 * twice. The owner makes a higher limit durable ahead of need (see hlc_wants_limit).
 */
#ifndef KV_BASE_HLC_H
#define KV_BASE_HLC_H

#include "base/types.h"

typedef uint64_t hlc_t;

#define HLC_UNITS_PER_MS ((hlc_t)65536)

struct hlc {
	hlc_t last;  /* read-only: greatest value issued or observed */
	hlc_t limit; /* read-only: durable bound; nothing above it is issued */
};

/** Value of a physical time in microseconds since 1970. */
static inline hlc_t hlc_from_wall_us(usec_t wall_us)
{
	return (wall_us / USEC_PER_MSEC) * HLC_UNITS_PER_MS +
	       (wall_us % USEC_PER_MSEC) * HLC_UNITS_PER_MS / USEC_PER_MSEC;
}

static inline hlc_t hlc_from_ms(uint64_t ms) { return ms * HLC_UNITS_PER_MS; }

static inline uint64_t hlc_ms(hlc_t value) { return value / HLC_UNITS_PER_MS; }

/** Starts a clock at its durable limit; 0 for a node that never ran. */
void hlc_init(struct hlc *clock, hlc_t limit);

/**
 * Issues the next value, greater than all before. Returns false and leaves *ret alone if that would pass the
 * durable limit: a higher one must be made durable first.
 */
MUST_USE bool hlc_now(struct hlc *clock, usec_t wall_us, hlc_t *ret);

/** The clock's present reading without issuing it. */
hlc_t hlc_peek(const struct hlc *clock, usec_t wall_us);

/**
 * Takes note of a value seen in a message. Values further than MAX_DRIFT_MS ahead of physical time are not adopted
 * (returns false): one bad clock must not drag the others along.
 */
bool hlc_observe(struct hlc *clock, usec_t wall_us, hlc_t seen, uint64_t drift_max_ms);

/** The limit that should be made durable now, or 0 if the present one is AHEAD_MS/2 or more away. */
hlc_t hlc_wants_limit(const struct hlc *clock, usec_t wall_us, uint64_t ahead_ms);

/** Records that LIMIT is durable. Lower ones than the present are ignored. */
void hlc_set_limit(struct hlc *clock, hlc_t limit);

#endif
