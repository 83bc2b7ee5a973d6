/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Brings the cluster to where its map says it should be, one map after the other.
 *
 * What to do next is a pure function of the map and of what is known about the nodes: end moves whose new members have all,
 * give up those that cannot end, let nodes arrive and leave, choose voters, start the next moves towards the plan. The
 * loop around it runs on shard 0 of the live voter with the lowest index. Two of them at a time do no harm: a map is proposed
 * for one epoch, and each epoch gets one.
 */
#ifndef KV_REPLICATION_DRIVER_H
#define KV_REPLICATION_DRIVER_H

#include "replication/map_draft.h"

struct node_core;

/** How the new members of a move of the map are doing. */
enum move_health {
	MOVE_RUNS = 0,
	MOVE_ARRIVED = 1, /* each of them has all */
	MOVE_STUCK = 2,   /* one of them has not got on for MOVE_STUCK_US */
};

/** What the driver knows beside the map. Nodes are indices of it. */
struct driver_view {
	bool live[NODES_MAX];          /* answers */
	bool fit[NODES_MAX];           /* has not been silent for long: may stay a voter */
	bool drained[NODES_MAX];       /* owes others nothing */
	uint64_t seed;                 /* of the sessions of new moves */
	const enum move_health *moves; /* one a move of the map */
	const node_id *plan;           /* rows that driver_plan gave for the map; NULL: none, nothing is started */
};

/** Makes DRAFT, a fresh copy of the map in force, the next map. False if there is nothing to do. */
MUST_USE bool driver_next(struct map_draft *draft, const struct driver_view *view);

/**
 * The rows to move towards: where each partition is or is moving to, planned anew for the nodes as they are. RET_ROWS has room
 * for partitions x replicas. KV_INVALID if nodes are too few; RET_ROWS is then not to be used.
 */
MUST_USE enum kv_status driver_plan(const struct map_desc *map, node_id *ret_rows, struct error *err);

/** Partitions that have to move to other nodes by PLAN and have no move yet. */
uint32_t driver_count_waiting(const struct map_desc *map, const node_id *plan);

struct driver {
	usec_t next_us;      /* when a map may be proposed again */
	uint64_t plan_epoch; /* of the map that plan is for; 0: none */
	bool plan_is_good;
	node_id *plan;
	uint32_t waiting;
	usec_t heard_us[NODES_MAX]; /* when a node was last seen to answer; 0: never yet */
	/* what this node last voted for, of which nobody told yet whether it became the map */
	struct version vote;
	usec_t vote_us;    /* since then */
	bool vote_is_void; /* asked: it has not, and cannot any more */
};

void driver_tick(struct node_core *core);
void driver_map_changed(struct node_core *core);
void driver_release(struct node_core *core);

/** Partitions that have to move and have not begun, as this node's map says. Plans, if it has not since the map came. */
uint32_t driver_waiting(struct node_core *core);

#endif
