/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A map that is being changed: a deep copy of one in force, with room for more, and the changes that keep its rules.
 *
 * Memory comes from one arena; map_draft_release frees all of it. desc is good for cluster_map_check and cluster_map_new at
 * any time. Its epoch is one above that of the map it was made from.
 */
#ifndef KV_REPLICATION_MAP_DRAFT_H
#define KV_REPLICATION_MAP_DRAFT_H

#include "base/arena.h"
#include "proto/msg.h"

struct map_draft {
	struct map_desc desc;   /* read-only but for voters, tokens and paused */
	struct arena arena;     /* private */
	struct map_node *nodes; /* desc.nodes: may be changed */
	node_id *rows;
	uint64_t *epochs;
	struct map_move *moves; /* room for one a partition */
	uint16_t *move_of;      /* private: of each partition, one above its move's number; 0 none */
};

void map_draft_init(struct map_draft *d, const struct map_desc *from);
void map_draft_release(struct map_draft *d);

/** A node behind the others, its texts copied; false if the map is full. */
MUST_USE bool map_draft_add(struct map_draft *d, const struct map_node *node);

/** Changes the addresses of a node; texts are copied. */
void map_draft_address(struct map_draft *d, node_id node, struct slice peer, struct slice client);

/** Where the partition is, or is moving to: replicas indices. */
const node_id *map_draft_goal(const struct map_draft *d, uint32_t partition);

/** Starts a move of a partition that has none to NEW_ROW, another set of nodes. */
void map_draft_move(struct map_draft *d, uint32_t partition, const node_id *new_row, const struct uuid *session);

/** Ends the partition's move: with its new row, or given up with its old one. */
void map_draft_end(struct map_draft *d, uint32_t partition, bool arrived);

/** The move of a partition, or NULL. */
const struct map_move *map_draft_move_of(const struct map_draft *d, uint32_t partition);

/** What was staged begins: JOINING, LEAVING, REMOVED; who is kept gives nothing more away. Returns how many nodes changed. */
uint32_t map_draft_commit(struct map_draft *d);

#endif
