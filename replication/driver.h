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

#include "proto/msg.h"
#include "replication/map_draft.h"

struct node_core;

/** What the driver knows beside the map. Nodes are indices of it. */
struct driver_view {
	bool live[NODES_MAX];    /* answers */
	bool voting[NODES_MAX];  /* has not been silent for long: fit to stay a voter */
	bool drained[NODES_MAX]; /* owes others nothing */
	uint64_t seed;           /* of the sessions of new moves */
	const uint8_t *done;     /* of each move of the map: all new members have all */
	const uint8_t *stuck;    /* of each move: no progress for MOVE_STUCK_US */
	const node_id *plan;     /* rows that placement_plan gave for driver_plan_input; NULL: there is no plan */
};

/**
 * Makes DRAFT, a copy of the map in force, the next map. Returns false if there is nothing to do; DRAFT is then as it was.
 */
MUST_USE bool driver_next(struct map_draft *draft, const struct driver_view *view);

/**
 * The rows to move towards: where each partition is or is moving to, planned anew for the nodes as they are. RET_ROWS has room
 * for partitions x replicas. KV_INVALID if nodes are too few; RET_ROWS is then untouched.
 */
MUST_USE enum kv_status driver_plan(const struct map_desc *map, node_id *ret_rows, struct error *err);

struct driver {
	usec_t next_us;           /* when a map may be proposed again */
	uint64_t plan_epoch;      /* of plan; 0: none */
	node_id *plan;            /* or NULL: nodes are too few */
	uint32_t waiting;         /* partitions that have to move and have not begun */
	struct move_watch *watch; /* of the moves of the map */
	uint32_t watch_count;
	usec_t silent_us[NODES_MAX]; /* since when a node does not answer; 0: it does */
};

void driver_tick(struct node_core *core);
void driver_map_changed(struct node_core *core);
void driver_release(struct node_core *core);

/** Partitions that have to move and have not begun, as this node's map and plan say. */
uint32_t driver_waiting(struct node_core *core);

#endif
