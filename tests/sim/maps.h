/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The cluster's maps as a run saw them, from above: every map that a node made durable, checked against all others. One map an
 * epoch, epochs of a node never go back, one set of owners for each partition and epoch of its row, identities that never
 * change their index nor come back.
 *
 * Also who is dead: identities whose disk is gone. Faults and the operator ask how many of them the newest map still
 * counts on.
 */
#ifndef KV_SIM_MAPS_H
#define KV_SIM_MAPS_H

#include "base/buf.h"
#include "replication/cluster_map.h"

struct sim;
struct sim_node;

#define MAPS_DEAD_MAX 64u

/* The members of a partition under one epoch of its row. */
struct maps_owners {
	uint64_t config_epoch, hash;
};

struct maps_partition {
	struct maps_owners *items;
	uint32_t count, capacity;
};

struct maps {
	uint64_t *hashes; /* private: of the map of each epoch, from 1 on; 0: none was seen */
	uint64_t capacity;
	struct cluster_map *newest;      /* read-only; NULL before the first */
	struct maps_partition *owners;   /* private: of each partition */
	struct uuid dead[MAPS_DEAD_MAX]; /* private */
	uint32_t dead_count;
	uint32_t partitions; /* private */
};

void maps_release(struct maps *maps);

/** N made MAP durable. */
void maps_saw(struct sim *sim, struct sim_node *n, const struct map_desc *map);

/** The node of this identity in the newest map, or NULL. */
const struct map_node *maps_find(const struct maps *maps, const struct uuid *uuid);

/** The disk of this identity is gone. */
void maps_bury(struct maps *maps, const struct uuid *uuid);
bool maps_is_dead(const struct maps *maps, const struct uuid *uuid);

/** True if a row, a move or the voters of the newest map count on NODE. */
bool maps_needs(const struct maps *maps, node_id node);

/** Dead identities that the newest map counts on or does not call removed. */
uint32_t maps_dead_left(const struct maps *maps);

/** Nodes of the newest map that are alive and neither leaving, staged nor removed. */
uint32_t maps_live(const struct maps *maps);

/** True if the newest map has nothing more to do: nothing staged, moving, joining or leaving, every row as planned. */
bool maps_are_settled(const struct maps *maps);

/** Appends the newest map as text: epoch, nodes, moves, for people. */
void maps_print(const struct maps *maps, struct buf *out);

/** Appends how far its moves are, as a voter has heard. */
void maps_print_moves(const struct sim *sim, struct buf *out);

#endif
