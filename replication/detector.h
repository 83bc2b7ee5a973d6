/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which nodes can this core reach now? Heartbeats over the links that requests take; a node counts as reachable only if it
 * answers. The verdict is local and a hint for routing: it never changes who owns what.
 *
 *   UP --silent for PING_SUSPECT_US--> SUSPECT --silent for PING_DOWN_US--> DOWN --PING_UP_COUNT answers in a row--> UP
 *
 * It also compares clocks: a core whose physical clock disagrees with a majority of the nodes does not issue versions.
 */
#ifndef KV_REPLICATION_DETECTOR_H
#define KV_REPLICATION_DETECTOR_H

#include "proto/msg.h"
#include "replication/step.h"

struct node_core;

enum peer_state { PEER_UP = 1, PEER_SUSPECT = 2, PEER_DOWN = 3, PEER_SELF = 4 };

struct peer {
	bool known; /* in the map and not this node */
	enum peer_state state;
	usec_t heard_us;        /* last answer; start of the core before the first */
	uint32_t answers;       /* in a row while DOWN */
	usec_t round_trip_us;   /* smoothed */
	uint64_t incarnation;   /* greatest seen */
	uint64_t boot_nonce;    /* of that incarnation, 0 before its HELLO */
	uint64_t map_epoch;     /* as last told; 0 before */
	int64_t clock_ahead_ms; /* its clock minus ours at the last answer */
	usec_t up_since_us;
	bool drained; /* a node that leaves: every core of it says that it holds nothing for others any more */
};

struct detector {
	struct peer peers[NODES_MAX];
	node_id peers_end; /* known ones are below it */
	usec_t ping_us;    /* when the next heartbeats go out */
	usec_t looked_us;  /* last tick */
	uint64_t seq;
};

/** Takes the nodes of the core's map as peers; those already known keep their state. */
void detector_set_map(struct node_core *core);

/** Sends heartbeats when due and lets silent peers grow suspect. */
void detector_tick(struct node_core *core);

/** A heartbeat of FROM: answers it. */
void detector_heartbeat(struct node_core *core, node_id from, const struct msg *m);

/** The answer to one of ours. */
void detector_answer(struct node_core *core, node_id from, const struct msg *m);

/** State of NODE; unknown nodes are DOWN. */
enum peer_state detector_state(const struct node_core *core, node_id node);

/** True if requests to NODE are worth sending: itself, UP or SUSPECT. */
bool detector_is_reachable(const struct node_core *core, node_id node);

/** True if this node's physical clock is further than MAX_DRIFT_MS from those of a majority of all nodes. */
bool detector_clock_is_off(const struct node_core *core);

#endif
