/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The cluster map as the core uses it: built once from a value, then immutable.
 */
#ifndef KV_REPLICATION_CLUSTER_MAP_H
#define KV_REPLICATION_CLUSTER_MAP_H

#include "base/arena.h"
#include "proto/msg.h"

/** True if NODE is among the COUNT nodes of ROW. */
static inline bool row_has(const node_id *row, uint32_t count, node_id node)
{
	for (uint32_t i = 0; i < count; i++) {
		if (row[i] == node)
			return true;
	}
	return false;
}

struct cluster_map {
	struct map_desc desc;     /* read-only; a deep copy */
	struct arena arena;       /* private */
	struct cluster_map *next; /* for a list its owner keeps */
	node_id *joint;           /* private: old and new members of each move, ROW_MAX a move */
	uint16_t *move_of;        /* private: of each partition, one above its move's number; 0 none */
};

/**
 * The replicas of one partition, in order of preference. While a move is under way they are the old members, then those that
 * join; a node may be in both sets, in one, and never in none.
 */
struct row {
	uint32_t count;
	const node_id *nodes;
	uint64_t config_epoch;
	uint32_t old, next; /* bits by position: members of the old and of the new set; both all, if no move */
	const struct map_move *move; /* or NULL */
};

/**
 * Checks a map's inner rules: sizes in their limits, each node at the place of its index, rows, moves and voters of distinct
 * nodes that are not just staged, no epoch above the map's. Returns KV_INVALID with the broken rule in ERR.
 */
MUST_USE enum kv_status cluster_map_check(const struct map_desc *desc, struct error *err);

/**
 * Checks NEXT as a later map than PRESENT: the same cluster, partitions and replicas, every node still there under its identity,
 * none back that was removed, no partition epoch that goes back or stays where the row or the move differs. Both are checked maps.
 */
MUST_USE enum kv_status cluster_map_check_next(const struct map_desc *present, const struct map_desc *next,
					       struct error *err);

/** Deep copy of a checked DESC. Never NULL. */
struct cluster_map *cluster_map_new(const struct map_desc *desc);
void cluster_map_free(struct cluster_map *map);

/** PARTITION must be below desc.partitions. */
struct row cluster_map_row(const struct cluster_map *map, uint16_t partition);

/** True if the two rows have the same old and new members. Their order does not matter. */
bool row_same_members(const struct row *a, const struct row *b);

/** Position of NODE in the row, or -1. */
int row_position(const struct row *row, node_id node);

/** True if NODE is in any row, or in the new row of a move. */
bool cluster_map_holds(const struct map_desc *map, node_id node);

/** Node with this index or identity, or NULL. */
const struct map_node *cluster_map_node(const struct cluster_map *map, node_id index);
const struct map_node *cluster_map_find(const struct cluster_map *map, const struct uuid *uuid);

#endif
