/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How a map that was decided reaches every node: pushed by the node that decided it, offered to those that are seen to lack it,
 * and asked for by whoever meets a message of a newer one. Taking one makes it durable first; a node never goes back.
 *
 * A node that a map removes is told so for a while, then forgotten.
 */
#ifndef KV_REPLICATION_MAP_SPREAD_H
#define KV_REPLICATION_MAP_SPREAD_H

#include "proto/msg.h"
#include "replication/step.h"

struct node_core;

struct map_spread {
	bool saving;     /* a map is being made durable; another waits its turn */
	usec_t offer_us; /* next time to offer the map to nodes that lack it */
	usec_t pull_us;  /* next time to ask for a newer one */
	bool asked;      /* somebody pushed the map that is being saved and wants to know */
	node_id asker;
	uint64_t ask_id;
	uint32_t ask_shard;
	usec_t farewell_us[NODES_MAX]; /* removed nodes: until when they are told; 0: not, or no more */
};

/**
 * Makes MAP the node's map if it is a newer one of this cluster, or the first one that names this node. KV_OK also if it is not
 * newer; KV_AGAIN if another one is being saved. Else why it cannot be taken.
 */
MUST_USE enum kv_status map_spread_take(struct node_core *core, const struct map_desc *map);

/** OP_MAP_PUSH: takes a newer map; tells what this node has. Its answer. */
void map_spread_pushed(struct node_core *core, node_id from, const struct msg *m);
void map_spread_acked(struct node_core *core, node_id from, const struct msg *m);

/** OP_MAP_PULL and its answer. */
void map_spread_pulled(struct node_core *core, node_id from, const struct msg *m);

/** Asks FROM, whose messages show a newer map, for it; not more often than FORM_PULL_US. */
void map_spread_pull(struct node_core *core, node_id from);

/** Sends the map in force to TO, or to all that are not known to have it. */
void map_spread_push(struct node_core *core, node_id to);
void map_spread_push_all(struct node_core *core);

/** A map came into force: BEFORE was, or NULL. Points the links to the nodes as the map says. */
void map_spread_map_changed(struct node_core *core, const struct map_desc *before);

/** The map that was being saved is in force. */
void map_spread_saved(struct node_core *core);

void map_spread_tick(struct node_core *core);

#endif
