/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The cluster map as the client uses it: which nodes hold a partition, and which link leads to a node.
 *
 * Only ever replaced by a map with a greater epoch of the same cluster. Owned by the I/O thread; the reply
 * that holds the map may be shared with other threads.
 */
#ifndef KV_CLIENT_ROUTE_H
#define KV_CLIENT_ROUTE_H

#include "client/reply.h"

struct link;

struct route {
	struct reply *source;          /* read-only: holds the map; NULL: none yet */
	const struct map_desc *map;    /* read-only: in source */
	struct link *links[NODES_MAX]; /* by node; NULL for none */
};

void route_release(struct route *r);

static inline uint64_t route_epoch(const struct route *r) { return r->map ? r->map->epoch : 0; }

/** Takes the map in SOURCE (adding a reference) if it is newer and of the same cluster. False: nothing was changed. The links
 *  are all cleared on success. */
MUST_USE bool route_adopt(struct route *r, struct reply *source);

/** The nodes of PARTITION's row, preferred coordinator first, members to be included. Returns their number. */
uint32_t route_row(const struct map_desc *map, uint16_t partition, node_id ret_row[ROW_MAX]);

/** Moves the nodes of ZONE (NULL or empty: none) to the front of the row; within both parts the order stays. */
void route_prefer_zone(const struct map_desc *map, const char *zone, node_id *row, uint32_t count);

/** Index of the node with that name, or NODE_NONE. */
node_id route_find_name(const struct map_desc *map, const char *name);

#endif
