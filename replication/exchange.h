/* SPDX-License-Identifier: Apache-2.0 */
/**
 * An exchange: brings this node's copy of one partition and those of other replicas in step.
 *
 * It asks the others for their trees' leaves, twice, some time apart: what differs only once was a write under way. Of
 * leaves that differ both times it lists the keys of everyone, a page at a time, and moves the newest record of each key whose
 * versions differ to whoever lacks it, as the way says. Each leaf is gone through once, so an exchange ends however fast its
 * keys change.
 *
 * COMPLETE means: every leaf was equal at some moment after BEGAN, or all its keys that differed were brought in step, and
 * what this node stored by it is durable. It never rests on a tree that is not ready, nor on what a peer has not made durable.
 *
 * One exchange a partition at a time. Those that repair.c starts give way to those that are asked for.
 */
#ifndef KV_REPLICATION_EXCHANGE_H
#define KV_REPLICATION_EXCHANGE_H

#include "base/hmap.h"
#include "base/ilist.h"
#include "replication/step.h"

struct node_core;
struct exchange_scan;

enum exchange_way {
	EXCHANGE_PUSH,   /* the newest record is pushed; not while the partition moves */
	EXCHANGE_STRONG, /* a strong read of each key that differs, or is weak anywhere */
	EXCHANGE_SYNC,   /* as PUSH, by GC_SYNC, which passes the seal */
};

struct exchanges {
	struct ilist running; /* private: of struct exchange, oldest first; and all below */
	struct hmap moving;   /* of struct exchange_key, by message id */
	struct ilist scans;   /* of struct exchange_scan: the exchange may have ended */
	uint32_t count;
	uint32_t background; /* of them repair.c's */
};

/** The end; not called within exchange_start. BEGAN: this core's clock before the others were asked. */
typedef void (*exchange_done_fn)(struct node_core *core, void *owner, bool complete, hlc_t began);

void exchanges_init(struct node_core *core);
void exchanges_release(struct node_core *core);

/**
 * Starts one. PEERS are bits of positions in the partition's row, this node not among them and at least one. False, and DONE is
 * never called, if the own tree is not ready, another exchange of the partition was asked for and is under way, or too many are.
 */
MUST_USE bool exchange_start(struct node_core *core, uint16_t partition, uint32_t peers, enum exchange_way way,
			     exchange_done_fn done, void *owner);

/** The same for repair.c, by PUSH: gives way to others, and to clients. */
MUST_USE bool exchange_start_background(struct node_core *core, uint16_t partition, uint32_t peers,
					exchange_done_fn done, void *owner);

/** True while one of the partition is under way. */
bool exchange_is_running(const struct node_core *core, uint16_t partition);

/** Ends OWNER's exchanges without calling DONE. What they sent stays sent. */
void exchange_cancel(struct node_core *core, const void *owner);

/** The answer to TREE_LEAVES or TREE_KEYS. */
void exchange_answered(struct node_core *core, node_id from, const struct msg *m);

/** A replica's answer to READ or PUSH, or the answer to GC_SYNC: false if it is none of ours. */
bool exchange_key_answered(struct node_core *core, node_id from, const struct msg *m);

/** A page of the own keys is read. */
void exchange_scan_done(struct node_core *core, struct exchange_scan *scan, const struct disk_row *rows,
			uint32_t count, bool done);

/** Writes became durable. */
void exchanges_written(struct node_core *core);

void exchanges_tick(struct node_core *core);

#endif
