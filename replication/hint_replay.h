/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Telling a node that is back what it missed: passes over the partitions of which it is owed something.
 *
 * A pass asks the target for credit, reads hints in pages and pushes them (replication/hint_push.h). After a partition's
 * hints come, if it is marked dirty, an exchange with the target, or all its records where there can be none: this node is no
 * replica any more, its tree is not ready, or exchanges keep failing. What stays undelivered waits for the next pass.
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

/** A push to the target has ended: goes on with the pass, if there is one. */
void hint_replay_continue(struct node_core *core, struct hint_target *target);

/** Sets the target down at the start of a partition; WHOLE: at its records, not its hints. */
void hint_replay_at(struct hint_target *target, uint32_t partition, bool whole);

/** Starts to read the next page of where the target stands, in PHASE. */
void hint_replay_read(struct node_core *core, struct hint_target *target, enum hint_phase phase);

/** The answer to OP_HINT_OPEN. */
void hint_replay_granted(struct node_core *core, node_id from, const struct msg *m);

/** A disk scan of this module is done. */
void hint_replay_scan_done(struct node_core *core, struct hint_target *target, const struct disk_row *rows,
			   uint32_t count, bool done);

/** ROW was the last that a page brought. */
void hint_replay_remember(struct hint_target *target, const struct disk_key *key);

#endif
