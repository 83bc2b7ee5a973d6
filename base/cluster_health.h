/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How a cluster is, from what is known of its nodes: what works, what does not, what can still be lost. The one model of that:
 * `kvctl status`, which has asked every node, and a node's page and metrics, for which it tells what it hears of the others, differ
 * in what they know and not in how they judge it. Pure.
 */
#ifndef KV_BASE_CLUSTER_HEALTH_H
#define KV_BASE_CLUSTER_HEALTH_H

#include "base/buf.h"

enum cluster_state {
	CLUSTER_HEALTHY,
	CLUSTER_DEGRADED,    /* every key has a majority; something is down or behind */
	CLUSTER_QUORUM_LOST, /* some keys have none */
	CLUSTER_NONE,        /* nodes are up, and part of no cluster */
};

struct node_health {
	struct slice name; /* borrowed */
	bool member;       /* neither removed nor only staged: others are not counted, though rows may name them */
	bool answers;      /* is alive */
	bool ready;        /* and serves requests */
	uint64_t hints_pending;    /* kept on others, for it */
	uint32_t partitions_dirty; /* on others, for it */
	uint32_t seen_down_by;     /* nodes that hold it for down although it answers */
	uint32_t
		unreached_by; /* nodes that it does not answer although it is alive; no reason to call a cluster degraded */
	bool disk_slow;   /* neither is this */
	bool disk_low;    /* nearly full: it stores no value that takes more room; that is degraded */
	bool clock_wrong; /* too far from the others': it takes no part in strong requests */
	bool insecure;    /* whoever reaches it may ask for anything */
};

struct cluster_health {
	/* In: cluster_health_init, and these three afterwards. */
	const struct node_health *nodes; /* borrowed */
	size_t node_count;
	uint32_t replicas; /* of each key, as the map wants it */
	uint32_t moving;   /* partitions on their way to other nodes */
	uint32_t waiting;  /* partitions that have to move and have not begun */
	bool paused;       /* and do not begin */

	/* Per partition: cluster_health_add_partition. */
	uint32_t partitions;
	uint32_t without_quorum;           /* their strong requests are refused */
	uint32_t unreachable;              /* without any replica that serves */
	uint32_t under_replicated;         /* with fewer of them than REPLICAS */
	uint32_t present_min, present_max; /* replicas that serve, strong requests or only eventual ones */
	uint32_t losable; /* nodes any of which may be lost besides, and every key keeps its majority */

	/* Out: cluster_health_judge. */
	enum cluster_state state;
	uint32_t members, members_up;
	uint64_t hints_pending, partitions_dirty;
};

/** Replicas of a partition, positions in nodes. */
struct health_row {
	const uint16_t *nodes;
	size_t count;
};

void cluster_health_init(struct cluster_health *h, const struct node_health *nodes, size_t node_count,
			 uint32_t replicas);

/** A partition that lives on ROW and moves to NEXT (empty: it stays). While it moves, majorities of both have to agree. */
void cluster_health_add_partition(struct cluster_health *h, struct health_row row, struct health_row next);

/** Without partitions: CLUSTER_NONE. */
void cluster_health_judge(struct cluster_health *h);

/** Appends the verdict: one line, parts separated by "; ", no full stop, no newline. After cluster_health_judge. */
void cluster_health_words(const struct cluster_health *h, struct buf *out);

/** "healthy", "degraded", "quorum_lost", "no_cluster". Static storage. */
const char *cluster_state_name(enum cluster_state state);

#endif
