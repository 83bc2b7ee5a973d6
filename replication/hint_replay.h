/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Telling a node that is back what it missed: passes over the hints of a target, partition by partition.
 *
 * A pass asks the target for credit, reads hints in pages, and for each reads the node's own record and pushes it. A hint is
 * deleted when the target has what was pushed, or newer. After a partition's hints come, if it is marked dirty, all its
 * records. What stays undelivered waits for the next pass.
 */
#ifndef KV_REPLICATION_HINT_REPLAY_H
#define KV_REPLICATION_HINT_REPLAY_H

#include "replication/hints.h"

/** At start: counts the target's hints on disk. */
void hint_replay_count(struct node_core *core, struct hint_target *target);

/** Frees what passes hold; the targets are the caller's. */
void hint_replay_release(struct node_core *core);

/** A hint of the key is written anew: one that is being replayed must not be deleted for an older version's sake. */
void hint_replay_renew(struct node_core *core, struct hint_target *target, uint16_t partition, uint32_t bucket,
		       struct slice key, struct version ver);

void hint_replay_tick(struct node_core *core);

/** The answer to OP_HINT_OPEN. */
void hint_replay_granted(struct node_core *core, node_id from, const struct msg *m);

/** A disk read or scan of this module is done. */
void hint_replay_read_done(struct node_core *core, struct hint_push *push, bool found, struct slice bytes);
void hint_replay_scan_done(struct node_core *core, struct hint_target *target, const struct disk_row *rows,
			   uint32_t count, bool done);

/** A read of all replicas for a push is over; COMPLETE if all answered, GREATEST being the newest version told. */
void hint_replay_probed(struct node_core *core, uint64_t push_id, bool complete, struct version greatest);

/** The answer to a push, if its id is one of ours; false if not. */
bool hint_replay_push_done(struct node_core *core, const struct msg *m);

#endif
