/* SPDX-License-Identifier: Apache-2.0 */
#include "server/traces.h"

static struct kept_trace *kept_ref(struct kept_trace *trace)
{
	atomic_fetch_add_explicit(&trace->refs, 1, memory_order_relaxed);
	return trace;
}

void kept_trace_unref(struct kept_trace *trace)
{
	if (trace && atomic_fetch_sub_explicit(&trace->refs, 1, memory_order_acq_rel) == 1)
		free(trace);
}

void traces_init(struct traces *t)
{
	*t = (struct traces){.slow = xcalloc(SLOW_OPS_KEPT, sizeof *t->slow)};
	pthread_mutex_init(&t->mutex, NULL);
}

void traces_release(struct traces *t)
{
	for (size_t i = 0; i < TRACES_KEPT; i++)
		kept_trace_unref(t->ring[i]);
	free(t->slow);
	pthread_mutex_destroy(&t->mutex);
}

void traces_keep(struct traces *t, const struct msg_timeline *timeline, usec_t wall_us)
{
	size_t size = timeline->span_count * sizeof timeline->spans[0];
	struct kept_trace *kept = xmalloc(sizeof *kept + size);
	atomic_init(&kept->refs, 1);
	kept->wall_us = wall_us;
	kept->timeline = *timeline;
	memcpy(kept->spans, timeline->spans, size);
	kept->timeline.spans = kept->spans;
	pthread_mutex_lock(&t->mutex);
	struct kept_trace **place = &t->ring[t->count++ % TRACES_KEPT];
	struct kept_trace *oldest = *place;
	*place = kept;
	pthread_mutex_unlock(&t->mutex);
	kept_trace_unref(oldest);
}

void traces_keep_slow(struct traces *t, const struct slow_op *slow)
{
	pthread_mutex_lock(&t->mutex);
	t->slow[t->slow_count++ % SLOW_OPS_KEPT] = *slow;
	pthread_mutex_unlock(&t->mutex);
}

size_t traces_take(struct traces *t, struct kept_trace **ret, size_t max, uint64_t *ret_lost)
{
	size_t count = 0;
	pthread_mutex_lock(&t->mutex);
	uint64_t oldest = t->count - MIN(t->count, TRACES_KEPT);
	*ret_lost = oldest - MIN(oldest, t->taken);
	t->taken = MAX(t->taken, oldest);
	for (; count < max && t->taken < t->count; t->taken++)
		ret[count++] = kept_ref(t->ring[t->taken % TRACES_KEPT]);
	pthread_mutex_unlock(&t->mutex);
	return count;
}

size_t traces_recent(struct traces *t, struct kept_trace **ret, size_t max)
{
	size_t count = 0;
	pthread_mutex_lock(&t->mutex);
	for (; count < max && count < MIN(t->count, TRACES_KEPT); count++)
		ret[count] = kept_ref(t->ring[(t->count - 1 - count) % TRACES_KEPT]);
	pthread_mutex_unlock(&t->mutex);
	return count;
}

size_t traces_slow(struct traces *t, struct slow_op *ret, size_t max)
{
	size_t count = 0;
	pthread_mutex_lock(&t->mutex);
	for (; count < max && count < MIN(t->slow_count, SLOW_OPS_KEPT); count++)
		ret[count] = t->slow[(t->slow_count - 1 - count) % SLOW_OPS_KEPT];
	pthread_mutex_unlock(&t->mutex);
	return count;
}
