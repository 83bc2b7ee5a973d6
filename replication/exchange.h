/* SPDX-License-Identifier: Apache-2.0 */
/**
 * An exchange: brings this node's copy of one partition and those of other replicas in step.
 *
 * It asks the others for their trees' leaves, twice, EXCHANGE_SETTLE_US apart: what differs only once was a write under
 * way. Of leaves that differ both times it lists the keys of everyone and, for each key whose versions differ, moves the newest
 * record to whoever lacks it, as the way says. Each leaf is gone through once, so an exchange ends however fast
 * its keys change.
 *
 * COMPLETE means: every leaf was equal at some moment after BEGAN, or all its keys that differed were brought in step, and
 * what this node stored by it is durable. It never rests on a tree that is not ready.
 *
 * One exchange a partition at a time. Those that this module starts by itself give way to those that are asked for.
 */
#ifndef KV_REPLICATION_EXCHANGE_H
#define KV_REPLICATION_EXCHANGE_H

#include "replication/step.h"

struct node_core;

enum exchange_way {
	EXCHANGE_PUSH,   /* the newest record is pushed; not while the partition moves */
	EXCHANGE_STRONG, /* a strong read of every key of a leaf that differs, or holds weak copies anywhere */
	EXCHANGE_SYNC,   /* as PUSH, by GC_SYNC, which passes the seal */
};

/** The end; not called within exchange_start. BEGAN: this core's clock before the others were asked. */
typedef void (*exchange_done_fn)(struct node_core *core, void *owner, bool complete, hlc_t began);

/**
 * Starts one. PEERS are bits of positions in the partition's row, this node not among them and at least one. False, and DONE is
 * never called, if the own tree is not ready, another exchange of the partition was asked for and is under way, or too many are.
 */
MUST_USE bool exchange_start(struct node_core *core, uint16_t partition, uint32_t peers, enum exchange_way way,
			     exchange_done_fn done, void *owner);

/** Ends OWNER's exchanges without calling DONE. What they sent stays sent. */
void exchange_cancel(struct node_core *core, const void *owner);

#endif
