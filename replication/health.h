/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How far this core trusts itself, 0 (fully) to HEALTH_MAX: one worse for each time that its tick comes HEALTH_LAG_US late and for each
 * probe whose helpers did not even answer, one better for each interval of heartbeats without either.
 *
 * Late, it is its own loop that is slow, or its own network: judging others by the usual time-outs would blame them.
 */
#ifndef KV_REPLICATION_HEALTH_H
#define KV_REPLICATION_HEALTH_H

#include "base/base.h"
#include "base/types.h"

struct node_core;

struct health {
	uint32_t value;   /* read-only */
	bool strained;    /* since the last heartbeats */
	usec_t queue_us;  /* smoothed: how long requests and messages wait for this core */
	usec_t waited_us; /* the worst of the present interval */
};

/** An event comes GAP_US after the one before: later than tick_us means that the tick between them is late. */
void health_step(struct node_core *core, usec_t gap_us);

/** Something that speaks against this core, other than a late tick. */
void health_strain(struct node_core *core);

/** Heartbeats go out: an interval is over. */
void health_interval(struct node_core *core);

/** What is handled now arrived at ARRIVED_US. */
void health_waited(struct node_core *core, usec_t arrived_us);

/** How long US is for a core in this state. */
usec_t health_patience_us(const struct node_core *core, usec_t us);

/** True if this core has more to do than it can do in good time. */
bool health_is_overloaded(const struct node_core *core);

#endif
