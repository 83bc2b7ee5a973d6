/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One run: N nodes of real cores over memory disks, clients that ask them, a network and faults between, all in one
 * thread under virtual time and from one seed. The same seed gives the same run on every machine.
 *
 * A run has four parts. The cluster comes up; clients work while faults come and go; everything is healed and
 * becomes quiet; every key is read strongly through every node, and the checkers judge the history and the disks.
 *
 * Virtual time counts microseconds from the start of the run. Everything that will happen is an event in one queue; events at
 * the same time happen in the order in which they were added.
 */
#ifndef KV_SIM_SIM_H
#define KV_SIM_SIM_H

#include "base/iheap.h"
#include "base/rng.h"
#include "tests/sim/admin.h"
#include "tests/sim/aim.h"
#include "tests/sim/costs.h"
#include "tests/sim/cover.h"
#include "tests/sim/maps.h"
#include "tests/sim/net.h"
#include "tests/sim/node.h"
#include "tests/sim/options.h"
#include "tests/sim/trace.h"
#include "tests/sim/workload.h"
#include "verify/history.h"
#include "verify/replicas.h"

enum sim_event_kind {
	SIM_FRAME,  /* a message reaches a node, from another or from a client */
	SIM_ANSWER, /* a reply reaches a client */
	SIM_DISK,   /* a node's read or scan is done */
	SIM_SYNC,   /* a node's disk finished a sync */
	SIM_TICK,   /* a core asked to be called */
	SIM_CLIENT, /* a client's next request or its time-out is due */
	SIM_FAULT,  /* a fault begins or ends */
};

struct sim_event {
	struct iheap_item item;
	struct sim_event *next; /* private: unused ones */
	enum sim_event_kind kind;
	uint16_t node;      /* FRAME, DISK, SYNC, TICK: who handles it. FAULT: the victim */
	uint16_t from;      /* FRAME, ANSWER: end of the network it came from */
	uint32_t core;      /* DISK, TICK */
	node_id to_index;   /* FRAME of a node: whom of its map it means, */
	node_id said;       /* who it says it is, */
	uint32_t from_boot; /* and its start */
	uint32_t client;    /* CLIENT, ANSWER, and FRAME of a client */
	uint32_t boot;    /* start of the node it is for, 0 if any: DISK, SYNC, both copies of a repeated forward */
	uint64_t token;   /* DISK: the core's; FRAME and ANSWER of a client: the request; CLIENT: its turn */
	uint32_t cost;    /* FRAME, ANSWER, DISK: the request that caused it, 0 if not counted; see costs.h */
	uint32_t depth;   /* and messages between nodes since then */
	struct buf bytes; /* FRAME, ANSWER: the frame, if it travels as bytes */
	struct msg *copy; /* otherwise the message, in ARENA */
	struct arena arena;
	struct disk_work *work;                                  /* DISK */
	void (*fault)(struct sim *sim, struct sim_event *event); /* FAULT */
	uint64_t a, b;                                           /* FAULT: its own */
};

struct sim {
	struct sim_options options;
	struct rng rng;        /* of the clients */
	struct rng net_rng;    /* of the network */
	struct rng fault_rng;  /* of what goes wrong and when */
	struct rng disk_rng;   /* of the disks' delays and the nodes' seeds */
	struct rng change_rng; /* of the operator and of what changes of the cluster need */
	usec_t now_us;
	struct iheap queue;
	struct net net;
	struct sim_node nodes[SIM_NODES_MAX];
	struct workload work;
	struct maps maps;
	struct admin admin;
	struct aim aim;
	struct history history;
	struct replicas replicas;
	struct trace trace;
	struct cover cover;
	struct verdict verdict;
	struct costs costs;
	bool healed;              /* no more faults begin */
	uint32_t lost_count;      /* disks that were lost, and their identities with them */
	usec_t storm_until_us;    /* until then clients wait STORM_PATIENCE_US only before they ask again */
	usec_t storm_patience_us; /* of the present storm */
	uint64_t handled;         /* events */
	struct arena frame_arena; /* of the frame being handled */
	/* Hears of answers in place of the clients, if set. */
	void (*on_answer)(struct sim *sim, const struct sim_event *event, const struct msg *m);
	void *on_answer_arg;
};

/** Prepares a run; nothing has happened yet. RUN is the caller's memory, several 100 KB: not on a stack. */
void sim_init(struct sim *sim, const struct sim_options *options);
void sim_release(struct sim *sim);

/** Runs to the end and judges. Returns false if sim->verdict holds a violation. */
bool sim_run(struct sim *sim);

/** Starts the cluster and nothing else; false if it does not come up. For tests that ask for themselves. */
bool sim_start(struct sim *sim);

/** Runs until COND holds (NULL: never), a check is violated or US have passed. Returns whether COND held. */
bool sim_until(struct sim *sim, bool (*cond)(const struct sim *sim), usec_t us);

/** Appends what a person needs to understand a violation: options, the key's history and copies, the last entries. */
void sim_explain(const struct sim *sim, struct buf *out);

/* For the parts of the simulator. */

/** A new event, zeroed but for its kind. */
struct sim_event *sim_event_new(enum sim_event_kind kind);
void sim_event_free(struct sim_event *event);

/** Queues EVENT for AT_US, which is not in the past. The queue owns it. */
void sim_at(struct sim *sim, struct sim_event *event, usec_t at_us);

/** Sends FRAME (taken from) between two ends of the network. Clients' ends come behind the nodes'. */
void sim_send(struct sim *sim, uint16_t from, uint16_t to, const struct msg *m, uint64_t token);

/** Sends M from the process of one machine to another, which is TO_INDEX of the sender's map. */
void sim_send_peer(struct sim *sim, uint16_t from, uint16_t to, node_id to_index, const struct msg *m);

/** The message of a FRAME or ANSWER, until the next call or the end of the event. */
const struct msg *sim_message(struct sim *sim, const struct sim_event *event);

/** How long a client waits for an answer before it asks again or gives up, at most US: less in a retry storm. */
usec_t sim_patience_us(const struct sim *sim, usec_t us);

/** The node asked in place of INDEX: itself, or the next that is part of the cluster. */
uint16_t sim_node_left(const struct sim *sim, uint16_t index);

/** True if every node that is part of the cluster has its newest map. */
bool sim_maps_are_known(const struct sim *sim);

/** The operator is the client behind the last. */
static inline uint32_t sim_admin_client(const struct sim *sim) { return sim->options.client_count; }

static inline uint16_t sim_client_end(const struct sim *sim, uint32_t client)
{
	return (uint16_t)(sim->options.node_count + client);
}

#endif
