/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A few whole cores on one clock, for what nodes agree on: messages about the map that are late, lost, doubled and out of order,
 * disks that take their time, nodes that crash at any step and come back with what was durable.
 *
 * One seed, one history. Messages about keys are dropped: no test here has any.
 */
#ifndef KV_UNIT_MAP_WORLD_H
#define KV_UNIT_MAP_WORLD_H

#include "base/buf.h"
#include "base/iheap.h"
#include "base/ilist.h"
#include "base/rng.h"
#include "replication/core.h"
#include "replication/map_image.h"

enum { WORLD_NODES = 8, WORLD_PARTITIONS = 16, WORLD_REPLICAS = 3, WORLD_ROWS = 64 };

#define WORLD_START_US (1000 * USEC_PER_SEC)

struct world_row {
	struct buf key, value;
};

struct world_node {
	struct node_core *core; /* NULL while down */
	struct actions actions;
	uint64_t incarnation;
	uint32_t boot; /* counts up with each crash: events of the life before are void */
	struct world_row rows[WORLD_ROWS];
	uint32_t row_count;
	struct cluster_map *map; /* durable */
	struct ilist jobs;       /* writes that are not durable, in order */
	usec_t disk_free_us;
	bool empty_start;              /* the node has no map at first */
	char address[16];              /* where it is reached now */
	char links[NODES_MAX + 1][16]; /* whom it reaches by which index */
	bool stopped;                  /* by ACT_STOP */
	enum kv_status stop_status;
	bool gone;           /* does not come back */
	usec_t cut_until_us; /* its messages are lost until then */
};

struct world {
	struct rng rng;
	usec_t now_us;
	struct iheap events;
	uint32_t node_count;
	struct world_node nodes[WORLD_NODES];
	/* the network */
	uint32_t loss_ppm, double_ppm, late_ppm;
	usec_t delay_max_us;
	/* what a test wants to see */
	void *owner;
	void (*saves)(void *owner, node_id node, const struct map_desc *map);    /* a node takes a map over */
	void (*in_force)(void *owner, node_id node, const struct map_desc *map); /* and has it */
	void (*answered)(void *owner, node_id node, uint64_t client, const struct msg *reply);
	/* the first map */
	struct map_node map_nodes[WORLD_NODES];
	node_id map_rows[WORLD_PARTITIONS * WORLD_REPLICAS];
	uint64_t map_epochs[WORLD_PARTITIONS];
	char names[WORLD_NODES][16];
	struct map_desc map;
	/* of nodes that ask to be admitted */
	char join_token[64];
	char seed[16]; /* where nodes of the cluster look for others that they do not find; empty: nowhere */
};

/** NODE_COUNT nodes, the first MEMBERS of them in the first map; the others have none and run. Nothing is lost at first. */
void world_init(struct world *w, uint64_t seed, uint32_t node_count, uint32_t members);
void world_release(struct world *w);

/** Boots a node that is down with what its disk has. */
void world_start(struct world *w, node_id node);

/** What is not durable is lost, but for a random part of it. */
void world_crash(struct world *w, node_id node);

/** Drops every message on its way. */
void world_forget_messages(struct world *w);

/** Handles the next event; false if it lies behind END_US, and the clock is then there. */
bool world_step(struct world *w, usec_t end_us);

/** Runs until then. */
void world_run(struct world *w, usec_t end_us);

/** A client's request to a node. */
void world_ask(struct world *w, node_id node, uint64_t client, const struct msg *m);

/** Calls into a core from outside of an event: between these its actions are gathered, then carried out. */
void world_begin(struct world *w, node_id node);
void world_end(struct world *w, node_id node);

bool world_is_up(const struct world *w, node_id node);
uint64_t world_epoch(const struct world *w, node_id node);

#endif
