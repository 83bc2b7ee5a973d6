/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How the cluster is, as one node can tell: what works, what does not, what can still be lost. Pure.
 *
 * A node knows of the others what its heartbeats tell. kvctl status, which asks every node, judges by more than that; the states mean
 * the same. Slow disks, bad links and moves are said and are no reason to call a cluster degraded.
 */
#ifndef KV_SERVER_VERDICT_H
#define KV_SERVER_VERDICT_H

#include "base/buf.h"
#include "proto/msg.h"

enum verdict_state {
	VERDICT_HEALTHY,
	VERDICT_DEGRADED,    /* every key has a majority; something is down or behind */
	VERDICT_QUORUM_LOST, /* some keys have none */
	VERDICT_NO_CLUSTER,
};

/** What is known of one node of the map. */
struct verdict_node {
	bool serves; /* up, and for this node itself: ready */
	uint64_t hints_pending;
	uint32_t partitions_dirty;
	bool link_bad, degraded;
	bool clock_wrong; /* too far from the others': it takes no part in strong requests */
};

struct verdict {
	enum verdict_state state;
	uint32_t members, members_up;
	uint32_t partitions, moving;
	uint32_t without_quorum; /* partitions whose strong requests are refused */
	uint32_t unreachable;    /* partitions without any replica up */
	uint32_t under_replicated;
	uint32_t losable; /* nodes any of which may be lost besides, and every key keeps its majority */
	uint64_t hints_pending;
	uint32_t partitions_dirty;
};

/** MAP (NULL: none) is checked; NODES has one entry for each of its nodes, at the place of its index. */
void verdict_judge(const struct map_desc *map, const struct verdict_node *nodes, struct verdict *ret);

/** "healthy", "degraded", "quorum_lost", "no_cluster". Static storage. */
const char *verdict_state_name(enum verdict_state state);

/** Appends one sentence for people, without full stop. */
void verdict_words(const struct verdict *v, const struct map_desc *map, const struct verdict_node *nodes,
		   struct buf *out);

#endif
