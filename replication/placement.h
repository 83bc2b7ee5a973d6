/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The planner: which nodes hold which partition. A pure function of the nodes and the present rows; everyone who runs it
 * on the same input gets the same table.
 *
 * Rows are balanced by weight, spread over zones where that is possible, and moved as little as possible. The first node
 * of a row is the preferred coordinator; firsts are spread evenly too.
 */
#ifndef KV_REPLICATION_PLACEMENT_H
#define KV_REPLICATION_PLACEMENT_H

#include "proto/msg.h"

/** Input: nodes (only JOINING and NORMAL ones get partitions) and, if not NULL, the present table. */
struct placement_input {
	uint32_t partitions;
	uint32_t replicas;
	uint32_t node_count;
	const struct map_node *nodes;
	const node_id *rows; /* partitions x replicas, or NULL for none */
};

/**
 * Fills ret_rows (partitions x replicas, caller's memory). KV_INVALID with the reason in ERR if there are fewer usable
 * nodes than replicas or a size is out of its limits; ret_rows is then untouched.
 */
MUST_USE enum kv_status placement_plan(const struct placement_input *in, node_id *ret_rows, struct error *err);

#endif
