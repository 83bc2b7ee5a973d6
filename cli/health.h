/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How a cluster is: one model, from which the words, the JSON and the exit code of `status` come. Pure: what was asked and
 * answered is put in, the judgement comes out.
 */
#ifndef KV_CLI_HEALTH_H
#define KV_CLI_HEALTH_H

#include "base/buf.h"

#define HEALTH_ROW_MAX 14

enum health_state {
	HEALTH_HEALTHY,
	HEALTH_DEGRADED,    /* every key has a majority; something is down or behind */
	HEALTH_QUORUM_LOST, /* some keys have none */
	HEALTH_NO_CLUSTER,  /* nodes answer, and are part of no cluster */
};

struct health_node {
	const char *name;          /* borrowed */
	bool answers;              /* us */
	bool ready;                /* and serves requests */
	bool removed;              /* part of the cluster no more, though rows may still name it; not counted */
	uint64_t hints_pending;    /* on others, for it */
	uint32_t partitions_dirty; /* on others, for it */
	uint32_t unreached_by;     /* nodes that it does not answer although it is alive */
	bool degraded;             /* its disk is slow */
	uint32_t seen_down_by;     /* nodes that answer us and hold it for down */
	bool clock_wrong;          /* too far from the others': it takes no part in strong requests */
	bool insecure;             /* whoever reaches it may ask for anything */
};

struct health {
	/* In. */
	const struct health_node *nodes; /* borrowed */
	size_t node_count;
	uint32_t replicas; /* of each key, as the map wants it */
	uint32_t moving;   /* partitions on their way to other nodes; set after health_init, as the two below */
	uint32_t waiting;  /* partitions that have to move and have not begun */
	bool paused;       /* and do not begin */

	/* Per partition, through health_add_partition. */
	uint32_t partitions, without_quorum;
	uint32_t present_min, present_max; /* replicas that serve, strong requests or only eventual ones */
	uint32_t losable;                  /* nodes any of which may be lost, and every key keeps its majority */
	uint32_t eventual_lost;            /* partitions with no replica that serves */

	/* Out, through health_judge. */
	enum health_state state;
	size_t nodes_up, members;
	uint64_t hints_pending, partitions_dirty;
};

void health_init(struct health *h, const struct health_node *nodes, size_t node_count, uint32_t replicas);

/** A partition that lives on ROW, positions in nodes. */
void health_add_partition(struct health *h, const uint16_t *row, size_t count);

void health_judge(struct health *h);

/** Appends the verdict: one line, no full stop, no newline. After health_judge. */
void health_words(const struct health *h, struct buf *out);

/** "healthy", "degraded", "quorum_lost", "no_cluster". */
const char *health_state_name(enum health_state state);

/** 0, or 5 (unavailable). */
int health_exit_code(enum health_state state);

#endif
