/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How nodes find and admit each other: an index of the cluster's map is reached at an address, whoever listens there says who
 * it is, and is judged, as a server does when a connection begins.
 *
 * A node that is refused for its identity stops, as a server does. What an earlier process has sent before it ended was
 * judged then and still arrives.
 */
#ifndef KV_SIM_LINK_H
#define KV_SIM_LINK_H

#include "replication/node_core.h"
#include "tests/sim/options.h"

struct sim;
struct sim_node;
struct sim_event;

#define LINK_NOWHERE 0xFFFFu

/* What one machine has told another of itself. */
struct sim_greeting {
	uint32_t boot, own_boot; /* of both processes; 0: nothing was said */
	uint32_t life;
	bool in_cluster;
	node_id index;
	bool refused;
};

/** Whom the nodes of a map are, as one node was told, and who has said HELLO to it. Of one process. */
struct sim_links {
	uint16_t at[NODE_GUEST + 1]; /* machine that an index is reached at; LINK_NOWHERE: none */
	struct sim_greeting greetings[SIM_NODES_MAX];
};

void links_reset(struct sim_links *links);

/** ACT_PEER: INDEX is reached at ADDRESS from now on. */
void links_point(struct sim_node *n, node_id index, struct slice address);

/** Machine that listens at ADDRESS, or LINK_NOWHERE. */
uint16_t links_find(const struct sim *sim, struct slice address);

/** ACT_SEND: to whoever is there. */
void links_send(struct sim_node *n, node_id to, const struct msg *m);

/** True if the message may reach N's cores; *ret_from is then who it comes from. */
bool links_admit(struct sim_node *n, const struct sim_event *event, const struct msg *m, node_id *ret_from);

#endif
