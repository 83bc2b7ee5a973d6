/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One key on its way to a target that may lack it: the node's own record is read, pushed, and the hint deleted when the target
 * has what was pushed, or newer. Whatever else happens, the hint stays for another pass.
 */
#ifndef KV_REPLICATION_HINT_PUSH_H
#define KV_REPLICATION_HINT_PUSH_H

#include "replication/hints.h"

struct op;

struct hint_push {
	struct hmap_node node; /* in hints.pushes, by message id */
	struct hint_target *target;
	uint64_t id;
	uint64_t read_token; /* while the record is read; 0 after */
	uint64_t epoch;      /* of the partition's row when the record was asked for */
	uint16_t partition, leaf;
	uint32_t bucket;
	struct blob *key;
	struct version ver;  /* of the hint; none for a record of a dirty partition */
	struct version sent; /* of the record pushed: all this node can hand over */
	bool renewed;        /* a newer hint of the key was written meanwhile: keep it */
	usec_t deadline_us;
};

void hint_push_start(struct node_core *core, struct hint_target *target, const struct hint_row *row);
void hint_push_release(struct node_core *core);

/** Gives up those that nobody answers. */
void hint_push_tick(struct node_core *core);

/** A hint of the key is written anew: one that is on its way must not be deleted for an older version's sake. */
void hint_push_renew(struct node_core *core, const struct hint_target *target, uint32_t bucket, struct slice key);

/** A disk read of a push is done. */
void hint_push_read_done(struct node_core *core, struct hint_push *push, bool found, struct slice bytes);

/** A read of all replicas for a push is over; COMPLETE if all answered. */
void hint_push_probed(struct node_core *core, const struct op *op, bool complete);

/** The answer to a push, if its id is one of ours; false if not. */
bool hint_push_answered(struct node_core *core, const struct msg *m);

#endif
