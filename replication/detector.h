/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which nodes can this core reach now? Heartbeats over the links that requests take; a node counts as reachable only if it
 * answers. The verdict is local and a hint for routing: it never changes who owns what.
 *
 *   UP --silent for PING_SUSPECT_US--> SUSPECT --silent for PING_DOWN_US--> DOWN --PING_UP_COUNT answers in a row--> UP
 *   UP --REQUEST_TIMEOUTS_MAX requests in a row without an answer--> SUSPECT --an answered request, or a while without any--> UP
 *
 * All time-outs are multiplied by one more than this core's own health (replication/health.h): who is late itself blames
 * others less. While a node is silent others are asked about it (replication/probe.h): that tells a bad link from a
 * bad node, and changes nothing about the verdict.
 *
 * Heartbeats carry how the sender is: its health, how long requests wait there, and how slow its disk is. A node whose disk is
 * degraded is asked last.
 *
 * It also compares clocks: a core whose physical clock disagrees with a majority of the nodes does not issue versions.
 */
#ifndef KV_REPLICATION_DETECTOR_H
#define KV_REPLICATION_DETECTOR_H

#include "proto/msg.h"
#include "replication/disk_watch.h"
#include "replication/health.h"
#include "replication/probe.h"
#include "replication/replica_took.h"
#include "replication/step.h"

struct node_core;

enum peer_state { PEER_UP = 1, PEER_SUSPECT = 2, PEER_DOWN = 3, PEER_SELF = 4 };

struct peer {
	bool known; /* in the map, not removed, and not this node */
	enum peer_state state;
	usec_t heard_us;      /* last answer; start of the core before the first */
	usec_t asked_us;      /* last heartbeat of its own that came here; 0 before */
	uint32_t answers;     /* in a row while DOWN */
	usec_t round_trip_us; /* of heartbeats, smoothed; 0 before the first */
	usec_t read_us;       /* of reads, smoothed; 0 before the first */
	struct replica_took took[REPLICA_WORK_COUNT];
	uint32_t timeouts;      /* requests in a row that it did not answer */
	usec_t timed_out_us;    /* the last of them */
	uint64_t incarnation;   /* greatest seen */
	uint64_t boot_nonce;    /* of that incarnation, 0 before its HELLO */
	uint64_t map_epoch;     /* as last told; 0 before */
	int64_t clock_ahead_ms; /* its clock minus ours at the last answer */
	usec_t up_since_us;
	bool same_zone;
	struct probe probe;

	/* As it tells itself. */
	uint32_t health; /* 0 best to HEALTH_MAX */
	uint32_t queue_us;
	uint32_t shards;
	struct disk_state disk;
	uint64_t drained_cores; /* bits */
	bool drained; /* a node that leaves: every core of it says that it holds nothing for others any more */
};

struct detector {
	struct peer peers[NODES_MAX];
	node_id peers_end; /* known ones are below it */
	usec_t ping_us;    /* when the next heartbeats go out */
	usec_t looked_us;  /* last tick */
	uint64_t seq;
};

/** Takes the nodes of the core's map as peers; those already known keep their state, those removed are forgotten. */
void detector_set_map(struct node_core *core);

/** Sends heartbeats when due and lets silent peers grow suspect. */
void detector_tick(struct node_core *core);

/** A heartbeat of FROM: answers it. */
void detector_heartbeat(struct node_core *core, node_id from, const struct msg *m);

/** The answer to one of ours. */
void detector_answer(struct node_core *core, node_id from, const struct msg *m);

/** A process of the peer's identity was heard of. One that is new has no past: what was measured of the one before is forgotten. */
void detector_hear_life(struct peer *p, uint64_t incarnation);

/** NODE answered a round of one of this core's operations TOOK_US after it began. */
void detector_replica_answered(struct node_core *core, node_id node, enum replica_work work, usec_t took_us);

/** NODE answered, or did not answer in time, a request of this core. READ: after TOOK_US, for a record. */
void detector_request_answered(struct node_core *core, node_id node, bool read, usec_t took_us);
void detector_request_failed(struct node_core *core, node_id node);

/** State of NODE; unknown nodes are DOWN. */
enum peer_state detector_state(const struct node_core *core, node_id node);

/** True if requests to NODE are worth sending: itself, UP or SUSPECT. */
bool detector_is_reachable(const struct node_core *core, node_id node);

/** True if NODE does not answer this core although it asks us, or others hear it: the link is at fault. */
bool detector_link_is_bad(const struct node_core *core, node_id node);

/** True if NODE's disk (of this node too) has been slow for a while. */
bool detector_is_degraded(const struct node_core *core, node_id node);

/** True if NODE's disk (of this node too) is so full that it stores no record that grows. */
bool detector_disk_is_low(const struct node_core *core, node_id node);

/** Fills what is known of NODE, this one too: state, link, and what it says of itself. */
void detector_tell(const struct node_core *core, node_id node, struct status_peer *ret);

/** True if this node's physical clock is further than MAX_DRIFT_MS from those of a majority of all nodes. */
bool detector_clock_is_off(const struct node_core *core);

#endif
