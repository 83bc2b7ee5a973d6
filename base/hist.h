/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Log-linear histogram of durations or sizes: 32 buckets an octave, at most 3.2 % error, fixed memory, no allocation.
 * One writer; merging and reading by the same thread or after it stopped.
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

/** The least value of bucket INDEX, for export. */
uint64_t hist_bucket_first(size_t index);

/** Value below which PER_MILLE of the samples lie (500 = median, 999 = p99.9), within 3.2 %. 0 when empty. */
uint64_t hist_quantile(const struct hist *h, unsigned per_mille);

/** Number of samples at or below VALUE, to the bucket's precision: for cumulative export. */
uint64_t hist_count_upto(const struct hist *h, uint64_t value);

#endif
