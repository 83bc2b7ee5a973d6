/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How much copying of partitions a core may do without hurting its clients: a budget of bytes a second each way.
 *
 * The core sees what copying costs by itself: the time from handing a write out until it is durable. While that is short against
 * what it usually is, the budget grows by a tenth every 5 s up to MOVE_RATE_MAX; while it is long, or client operations pile up,
 * the budget halves every half a second, down to MOVE_RATE_MIN. The budget may be overdrawn by one page, which is then paid off.
 */
#ifndef KV_REPLICATION_PACE_H
#define KV_REPLICATION_PACE_H

#include "replication/step.h"

struct node_core;

enum pace_way { PACE_IN, PACE_OUT, PACE_WAYS };

struct pace {
	uint64_t rate;              /* read-only: bytes a second, each way */
	int64_t left[PACE_WAYS];    /* bytes that may be copied now; below 0: overdrawn */
	usec_t filled_us;           /* bytes were added then */
	usec_t judged_us;           /* a slow core was slowed down then */
	usec_t raised_us;           /* or let go faster */
	uint64_t probe_token;       /* a write whose time is taken; 0 none */
	usec_t probe_us;            /* when it was handed out */
	uint64_t short_us, long_us; /* commit time, smoothed over a second or so and over minutes; 0: not known */
	usec_t long_at_us;          /* the long one was moved then */
};

void pace_init(struct node_core *core);

/** A write was handed out; all up to core->write_done are durable. */
void pace_write(struct node_core *core);
void pace_written(struct node_core *core);

/** Adds to the budgets and judges. */
void pace_tick(struct node_core *core);

/** True if something may be copied that way now. */
bool pace_allows(const struct node_core *core, enum pace_way way);

/** BYTES were. */
void pace_spend(struct node_core *core, enum pace_way way, uint64_t bytes);

/** BYTES of what was spent were not copied after all. */
void pace_return(struct node_core *core, enum pace_way way, uint64_t bytes);

#endif
