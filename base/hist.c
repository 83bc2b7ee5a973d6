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

/* The least value that does. */
static uint64_t bucket_first(size_t index) { return index == 0 ? 0 : bucket_last(index - 1) + 1; }

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	uint64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void hist_init(struct hist *h) { *h = (struct hist){.min = UINT64_MAX}; }

/* Plain moves on the machines we know: one writer needs no locked addition, readers see each number whole. */
static void set(uint64_t *field, uint64_t value) { __atomic_store_n(field, value, __ATOMIC_RELAXED); }

static uint64_t get(const uint64_t *field) { return __atomic_load_n(field, __ATOMIC_RELAXED); }

void hist_add(struct hist *h, uint64_t value)
{
	uint64_t *bucket = &h->buckets[bucket_of(value)];
	set(bucket, *bucket + 1);
	set(&h->count, h->count + 1);
	set(&h->sum, add_saturated(h->sum, value));
	set(&h->min, MIN(h->min, value));
	set(&h->max, MAX(h->max, value));
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

void hist_merge_live(struct hist *into, const struct hist *from)
{
	KV_ASSERT(into != from);
	if (get(&from->count) == 0)
		return;
	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		uint64_t seen = get(&from->buckets[i]);
		into->buckets[i] += seen;
		into->count += seen;
	}
	into->sum = add_saturated(into->sum, get(&from->sum));
	into->min = MIN(into->min, get(&from->min));
	into->max = MAX(into->max, get(&from->max));
}

void hist_since(struct hist *ret, const struct hist *now, const struct hist *before)
{
	hist_init(ret);
	if (now->count == before->count)
		return;
	for (size_t i = 0; i < HIST_BUCKETS; i++) {
		KV_ASSERT(now->buckets[i] >= before->buckets[i]);
		uint64_t count = now->buckets[i] - before->buckets[i];
		if (count == 0)
			continue;
		ret->buckets[i] = count;
		ret->count += count;
		ret->min = MIN(ret->min, bucket_first(i));
		ret->max = MIN(bucket_last(i), now->max);
	}
	ret->sum = now->sum - before->sum;
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
