/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The traces that a shard keeps: a ring of the last TRACES_KEPT, and the slow operations among them for longer.
 *
 * The shard's thread adds; any thread reads. What is added here is rare (sampled, failed or slow), so that one mutex a shard,
 * which nobody else holds for long, is enough.
 */
#ifndef KV_SERVER_TRACES_H
#define KV_SERVER_TRACES_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/slow_ops.h"

/** Kept a shard. */
#define TRACES_KEPT 256u

/** One trace. Counted: whoever has a reference may read it on any thread. */
struct kept_trace {
	_Atomic uint32_t refs;
	usec_t wall_us; /* when it arrived, since 1970 */
	struct msg_timeline timeline;
	struct timeline_span spans[];
};

/** NULL is allowed. */
void kept_trace_unref(struct kept_trace *trace);

struct traces {
	pthread_mutex_t mutex; /* private, and all below under it */
	struct kept_trace *ring[TRACES_KEPT];
	uint64_t count; /* ever kept: the next one's number */
	uint64_t taken; /* traces_take is here */
	struct slow_op *slow;
	uint64_t slow_count;
};

void traces_init(struct traces *t);
void traces_release(struct traces *t);

/** Copies TIMELINE, which arrived at WALL_US. */
void traces_keep(struct traces *t, const struct msg_timeline *timeline, usec_t wall_us);

/** Adds what slow_op tells. */
void traces_keep_slow(struct traces *t, const struct slow_op *slow);

/**
 * At most MAX traces that were not taken yet, oldest first, as references of the caller. *RET_LOST is how many had to make room before
 * they were taken. For one taker.
 */
size_t traces_take(struct traces *t, struct kept_trace **ret, size_t max, uint64_t *ret_lost);

/** The last MAX traces, newest first, as references of the caller. */
size_t traces_recent(struct traces *t, struct kept_trace **ret, size_t max);

/** The last MAX slow operations, newest first. */
size_t traces_slow(struct traces *t, struct slow_op *ret, size_t max);

#endif
