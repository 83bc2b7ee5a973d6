/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/disk_watch.h"

#include "proto/limits.h"

void disk_state_note(struct disk_state *s, uint32_t p99_us, usec_t now_us)
{
	s->p99_us = p99_us;
	/* What was slow must be clearly faster before it counts as well again. */
	bool other = s->degraded ? p99_us < DISK_SLOW_US / 2 : p99_us > DISK_SLOW_US;
	if (!other) {
		s->since_us = 0;
		return;
	}
	if (s->since_us == 0)
		s->since_us = MAX(now_us, (usec_t)1);
	if (now_us < s->since_us + DISK_SLOW_FOR_US)
		return;
	s->degraded = !s->degraded;
	s->since_us = 0;
}

/** Four buckets an octave: bucket b begins at bucket_start(b). */
static uint32_t bucket_of(usec_t us)
{
	uint32_t v = (uint32_t)MIN(us, (usec_t)UINT32_MAX);
	if (v < DISK_WATCH_SUB)
		return v;
	uint32_t octave = 31 - (uint32_t)__builtin_clz(v);
	return (octave - 1) * DISK_WATCH_SUB + (v >> (octave - 2)) % DISK_WATCH_SUB;
}

static uint32_t bucket_start(uint32_t bucket)
{
	if (bucket < DISK_WATCH_SUB)
		return bucket;
	uint32_t octave = bucket / DISK_WATCH_SUB + 1;
	return (DISK_WATCH_SUB + bucket % DISK_WATCH_SUB) << (octave - 2);
}

void disk_watch_add(struct disk_watch *w, usec_t took_us)
{
	uint32_t bucket = bucket_of(took_us);
	KV_ASSERT(bucket < DISK_WATCH_BUCKETS);
	w->buckets[bucket]++;
	w->count++;
}

/** What 99 of 100 commits of the window do not exceed, to a quarter. */
static uint32_t window_p99_us(const struct disk_watch *w)
{
	uint32_t above = w->count / 100;
	uint32_t bucket = DISK_WATCH_BUCKETS - 1;
	while (bucket > 0 && w->buckets[bucket] <= above)
		above -= w->buckets[bucket--];
	return bucket_start(bucket);
}

void disk_watch_tick(struct disk_watch *w, usec_t now_us, usec_t oldest_us)
{
	if (now_us < w->window_us + DISK_WINDOW_US)
		return;
	w->window_us = now_us;
	if (oldest_us >= DISK_WINDOW_US)
		disk_watch_add(w, oldest_us);
	if (w->count == 0)
		return;
	uint32_t p99_us = window_p99_us(w), before_us = w->state.p99_us;
	uint32_t smooth_us = before_us ? before_us - before_us / 4 + p99_us / 4 : p99_us;
	disk_state_note(&w->state, MAX(smooth_us, 1u), now_us);
	memset(w->buckets, 0, sizeof w->buckets);
	w->count = 0;
}
