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
#include "tests/sim/cover.h"
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
	enum sim_event_kind kind;
	uint16_t node;    /* FRAME, DISK, SYNC, TICK: who handles it. FAULT: the victim */
	uint16_t from;    /* FRAME, ANSWER: end of the network it came from */
	uint32_t core;    /* DISK, TICK */
	uint32_t client;  /* CLIENT, ANSWER, and FRAME of a client */
	uint32_t boot;    /* start of the node it is for, 0 if any: DISK, SYNC, both copies of a repeated forward */
	uint64_t token;   /* DISK: the core's; FRAME and ANSWER of a client: the request; CLIENT: its turn */
	struct buf bytes; /* FRAME, ANSWER: the frame */
	struct disk_work *work;                                  /* DISK */
	void (*fault)(struct sim *sim, struct sim_event *event); /* FAULT */
	uint64_t a, b;                                           /* FAULT: its own */
};

struct sim {
	struct sim_options options;
	struct rng rng;
	usec_t now_us;
	struct iheap queue;
	struct net net;
	struct sim_node nodes[SIM_NODES_MAX];
	struct workload work;
	struct history history;
	struct replicas replicas;
	struct trace trace;
	struct cover cover;
	struct verdict verdict;
	bool healed;      /* no more faults begin */
	uint64_t handled; /* events */
};

/** Prepares a run; nothing has happened yet. RUN is the caller's memory, several 100 KB: not on a stack. */
void sim_init(struct sim *sim, const struct sim_options *options);
void sim_release(struct sim *sim);

/** Runs to the end and judges. Returns false if sim->verdict holds a violation. */
bool sim_run(struct sim *sim);

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

static inline uint16_t sim_client_end(const struct sim *sim, uint32_t client)
{
	return (uint16_t)(sim->options.node_count + client);
}

#endif
