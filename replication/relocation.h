/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A node that is reached elsewhere than others believe tells them; so does one that can do other things since it was upgraded.
 *
 * One that was started with other addresses than the map has asks one peer after the other to put them there: until the map has
 * them, only peers that were asked reach it. One that a peer does not answer tells that peer too, whatever the map here says:
 * the peer, or a newer map, may have a wrong address, and nobody who has it can tell this node so. If no peer answers at all the
 * seeds are told as well: when all nodes have moved, no address in the map is good for anything.
 *
 * Runs on shard 0 of a node that has a map. membership_told is the other side.
 */
#ifndef KV_REPLICATION_RELOCATION_H
#define KV_REPLICATION_RELOCATION_H

#include "proto/msg.h"
#include "replication/step.h"

struct node_core;

struct relocation {
	usec_t next_us; /* when the node tells again */
	node_id peer;   /* whom it told last */
	uint32_t seed;  /* which seed is next */
};

/** True if the map's NODE has these addresses, empty ones not compared, and these features. */
bool relocation_is_known(const struct map_node *node, struct slice peer, struct slice client, uint64_t features);

/** Time passes. */
void relocation_tick(struct node_core *core);

#endif
