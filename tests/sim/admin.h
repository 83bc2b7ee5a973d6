/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The operator of a run whose cluster changes: adds empty nodes, by address or with a join token, takes nodes out, declares
 * dead ones gone or replaces them, gives nodes new addresses, commits or discards, pauses and resumes, at any time and while everything else goes
 * wrong. It asks as kvctl does, any node, and looks at the newest map from above to know what makes sense to ask.
 *
 * It also sees to the machines: one whose disk was lost or whose node was removed comes back empty, as a new node.
 * After healing it finishes what it began, until nothing is staged, paused or dead.
 */
#ifndef KV_SIM_ADMIN_H
#define KV_SIM_ADMIN_H

#include "proto/msg.h"

struct sim;
struct sim_event;
struct sim_node;
struct buf;

struct admin {
	uint32_t left; /* changes it still begins */
	bool busy;     /* waits for an answer */
	uint64_t turn; /* counts requests; older answers are void */
	struct msg_change asked;
	char address[16];  /* in it */
	bool refused;      /* the last commit was */
	uint32_t refusals; /* in a row */
	char said[160];    /* the last refusal, for people */
};

/** Begins with the faults. Nothing happens in a run without changes. */
void admin_start(struct sim *sim);

/** With the end of the faults. */
void admin_heal(struct sim *sim);

/** True if nothing is left to ask and the cluster has come to rest. */
bool admin_is_done(const struct sim *sim);

/** An answer reached it. */
void admin_on_answer(struct sim *sim, const struct sim_event *event, const struct msg *m);

/** N, which is down, has no identity any more: its machine comes back empty. */
void admin_machine_is_free(struct sim *sim, struct sim_node *n);

#endif
