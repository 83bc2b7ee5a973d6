/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Asking others about a node that does not answer this core (OP_PROBE): have they heard it just now?
 *
 * That they have does not make it reachable from here. It tells that the link is at fault, which status shows, and that a
 * client is better off elsewhere. That they do not even answer speaks against this core itself.
 */
#ifndef KV_REPLICATION_PROBE_H
#define KV_REPLICATION_PROBE_H

#include "proto/msg.h"

struct node_core;
struct peer;

/** About one silent node. */
struct probe {
	uint64_t id; /* of the question's messages; 0: none is open */
	node_id helpers[PROBE_HELPERS];
	uint32_t asked, answered; /* helpers; bits of those that answered */
	usec_t until_us;          /* the question is open until then */
	usec_t next_us;           /* and not put again before */
	usec_t reached_us;        /* when a helper last said that it hears the node; 0: never */
};

/** Begins, goes on with or ends the questions about NODE, which is silent or not. */
void probe_tick(struct node_core *core, node_id node, bool silent);

/** OP_PROBE of FROM, and the answer to one of ours. */
void probe_asked(struct node_core *core, node_id from, const struct msg *m);
void probe_answered(struct node_core *core, node_id from, const struct msg *m);

#endif
