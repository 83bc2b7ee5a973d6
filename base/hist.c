/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hist.h"

enum { HIST_SUB_COUNT = 1 << HIST_SUB_BITS };

/*
 * Values below 32 have a bucket each. Above, the position of the highest set bit selects an octave and the five bits
 * after it one of its 32 buckets.
 */
static size_t bucket_of(uint64_t value)
{
	if (value < HIST_SUB_COUNT)
		return (size_t)value;
	unsigned shift = 63U - (unsigned)__builtin_clzll(value) - HIST_SUB_BITS;
	size_t index = ((size_t)(shift + 1) << HIST_SUB_BITS) + (size_t)((value >> shift) - HIST_SUB_COUNT);
	KV_ASSERT(index < HIST_BUCKETS);
	return index;
}

/* The greatest value that falls into the bucket. */
static uint64_t bucket_last(size_t index)
{
	KV_ASSERT(index < HIST_BUCKETS);
	if (index < HIST_SUB_COUNT)
		return index;
	unsigned shift = (unsigned)(index >> HIST_SUB_BITS) - 1;
	uint64_t low = (uint64_t)(HIST_SUB_COUNT + (index & (HIST_SUB_COUNT - 1))) << shift;
	return low + (((uint64_t)1 << shift) - 1);
}

uint64_t hist_bucket_first(size_t index)
{
	KV_ASSERT(index < HIST_BUCKETS);
	return index == 0 ? 0 : bucket_last(index - 1) + 1;
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	uint64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void hist_init(struct hist *h) { *h = (struct hist){.min = UINT64_MAX}; }

void hist_add(struct hist *h, uint64_t value)
{
	h->buckets[bucket_of(value)]++;
	h->count++;
	h->sum = add_saturated(h->sum, value);
	h->min = MIN(h->min, value);
	h->max = MAX(h->max, value);
}

void hist_merge(struct hist *into, const struct hist *from)
{
	KV_ASSERT(into != from);
	for (size_t i = 0; i < HIST_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
	into->count += from->count;
	into->sum = add_saturated(into->sum, from->sum);
	into->min = MIN(into->min, from->min);
	into->max = MAX(into->max, from->max);
}

uint64_t hist_quantile(const struct hist *h, unsigned per_mille)
{
	KV_ASSERT(per_mille <= 1000);
	if (h->count == 0)
		return 0;
	/* Rank of the sample asked for, counted from 1; split so that no product overflows. */
	uint64_t rank = h->count / 1000 * per_mille + (h->count % 1000 * per_mille + 999) / 1000;
	uint64_t seen = 0;
	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen > 0 && seen >= rank)
			return MIN(bucket_last(i), h->max);
	}
	KV_UNREACHABLE("bucket counts add up to count");
}

uint64_t hist_count_upto(const struct hist *h, uint64_t value)
{
	uint64_t seen = 0;
	size_t last = bucket_of(value);
	for (size_t i = 0; i <= last; i++)
		seen += h->buckets[i];
	KV_ASSERT(seen <= h->count);
	return seen;
}
