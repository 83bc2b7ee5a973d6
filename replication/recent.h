/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The last requests that a node sent on to this core: one that comes twice over the network is carried out once.
 */
#ifndef KV_REPLICATION_RECENT_H
#define KV_REPLICATION_RECENT_H

#include "proto/msg.h"

#define RECENT_MAX 4096u

struct recent {
	struct {
		uint64_t id;
		uint32_t shard;
	} taken[RECENT_MAX];
};

/** Notes the request ID of core SHARD of the sender; false if it was taken before. */
static inline bool recent_take(struct recent *r, uint64_t id, uint32_t shard)
{
	KV_ASSERT(id != 0);
	/* Ids count up in each core of the sender, so a place is reused only after thousands of newer messages. */
	size_t at = (id + shard * 977u) % RECENT_MAX;
	if (r->taken[at].id == id && r->taken[at].shard == shard)
		return false;
	r->taken[at].id = id;
	r->taken[at].shard = shard;
	return true;
}

#endif
