/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Getting rid of hints without delivering them, after the replicas of a partition have changed.
 *
 * What is owed to a node that is no member of the partition, or no node of the cluster, any more is dropped: whoever took its
 * place has copied the partition. What this node owes for a partition of which it is no replica any more it delivers
 * while the target is up; while that is down it asks a replica, to whom it owes nothing itself, to mark the partition for
 * the target, and drops its own hints once that mark is durable.
 */
#ifndef KV_REPLICATION_HINT_HAND_H
#define KV_REPLICATION_HINT_HAND_H

#include "replication/hints.h"

/** The target is idle. True if this module begins to work on it. */
bool hint_hand_tick(struct node_core *core, struct hint_target *target);

/** A page of what is dropped was read. */
void hint_hand_dropped(struct node_core *core, struct hint_target *target, const struct disk_row *rows,
		       uint32_t count, bool done);

/** The answer to OP_HINT_OPEN with a mark. */
void hint_hand_answered(struct node_core *core, node_id from, const struct msg *m);

#endif
