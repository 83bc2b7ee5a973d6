/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Anti-entropy: finds replicas that differ, without being told, and brings them in step.
 *
 * Once an interval each core asks each core of each other node whether all that they share is the same: one number. If it
 * is not, it sends its root of each shared partition, and the other tells which of them differ; these are gone through by exchanges
 * (exchange.h), a few at a time. Of two nodes the one with the lower index asks. Partitions that hints left a mark for come
 * first.
 *
 * It knows since when each pair of this node and another replica was last known to hold the same: `repair status`.
 */
#ifndef KV_REPLICATION_REPAIR_H
#define KV_REPLICATION_REPAIR_H

#include "replication/step.h"

struct node_core;
struct repair_peer;
struct repair_known;

struct repair {
	struct repair_peer *peers[NODES_MAX]; /* private: NULL until needed; and all below */
	struct repair_known *known;           /* ROW_MAX a partition; NULL before the first map */
	uint32_t count;                       /* partitions */
};

void repair_release(struct node_core *core);
void repair_set_map(struct node_core *core);
void repair_tick(struct node_core *core);

/** The answer to TREE_ROOTS. */
void repair_roots_told(struct node_core *core, node_id from, const struct msg *m);

/** This node and NODE held the same of the partition at AT_US; of all they share, NODE's core SHARD of SHARDS, now. */
void repair_note_equal(struct node_core *core, uint16_t partition, node_id node, usec_t at_us);
void repair_note_all_equal(struct node_core *core, node_id node, uint32_t shard, uint32_t shards);

/** How long ago this node and NODE were last known to hold the same of the partition; UINT64_MAX: never in this life. */
uint64_t repair_equal_age_ms(const struct node_core *core, uint16_t partition, node_id node);

/** OP_REPAIR of a client: compares everything now if it says so; answers how things stand. */
void repair_asked(struct node_core *core, uint64_t client, const struct msg *m);

#endif
