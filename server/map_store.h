/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The node's durable cluster map: one row of the meta table, replaced as a whole.
 */
#ifndef KV_SERVER_MAP_STORE_H
#define KV_SERVER_MAP_STORE_H

#include "base/arena.h"
#include "proto/msg.h"
#include "server/commit.h"

/**
 * Reads the map at start. *ret points into ARENA, whose limit is set here. KV_NOT_FOUND: the node is part of no cluster;
 * other errors with the reason in ERR.
 */
MUST_USE enum kv_status map_store_load(struct store *store, struct arena *arena, struct map_desc *ret,
				       struct error *err);

/**
 * Makes MAP durable, then calls SAVED on LOOP with the map's stored bytes, borrowed for the call. The call is left out
 * if the loop ends before. A map that cannot be encoded was built wrong: KV_ASSERT.
 */
void map_store_save(struct commit *commit, struct loop *loop, const struct map_desc *map,
		    void (*saved)(void *owner, struct slice stored), void *owner);

#endif
