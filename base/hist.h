/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Log-linear histogram of durations or sizes: 32 buckets an octave, at most 3.2 % error, fixed memory, no allocation.
 * One writer. hist_merge_live may be called by any thread meanwhile; everything else by the writer, or after it stopped.
 */
#ifndef KV_BASE_HIST_H
#define KV_BASE_HIST_H

#include "base/base.h"

enum { HIST_SUB_BITS = 5, HIST_BUCKETS = (64 - HIST_SUB_BITS + 1) << HIST_SUB_BITS };

struct hist {
	uint64_t count; /* read-only */
	uint64_t sum;   /* read-only */
	uint64_t min;   /* read-only; UINT64_MAX when empty */
	uint64_t max;   /* read-only */
	uint64_t buckets[HIST_BUCKETS];
};

void hist_init(struct hist *h);
void hist_add(struct hist *h, uint64_t value);
void hist_merge(struct hist *into, const struct hist *from);

/**
 * Adds what FROM holds now, while its writer goes on. Each sample is counted whole or not at all; the sum may be a few
 * samples ahead of the count or behind it.
 */
void hist_merge_live(struct hist *into, const struct hist *from);

/** NOW without what was in BEFORE, an earlier copy of it. Least and greatest are those of the buckets. */
void hist_since(struct hist *ret, const struct hist *now, const struct hist *before);

/** Value below which PER_MILLE of the samples lie (500 = median, 999 = p99.9), within 3.2 %. 0 when empty. */
uint64_t hist_quantile(const struct hist *h, unsigned per_mille);

/** Number of samples at or below VALUE, to the bucket's precision: for cumulative export. */
uint64_t hist_count_upto(const struct hist *h, uint64_t value);

#endif
