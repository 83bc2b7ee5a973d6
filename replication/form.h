/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Forming a cluster out of empty nodes.
 *
 * The asked node reserves every named node, learns who they are, plans the first map, makes it durable and hands it to all.
 * It answers when every node has it on disk. A node without a map joins at most one cluster at a time, and one with a map
 * never another. Nodes that missed the map get it later (map_spread.h).
 */
#ifndef KV_REPLICATION_FORM_H
#define KV_REPLICATION_FORM_H

#include "replication/core.h"

/** OP_CLUSTER_INIT from a client of this node. */
void form_start(struct node_core *core, uint64_t client, const struct msg *m, usec_t arrived_us);

/** OP_INIT_RESERVE at the node asked, and its answer at the asker. */
void form_reserve(struct node_core *core, const struct msg *m);
void form_reserved(struct node_core *core, const struct msg *m);

/** The answer to OP_MAP_PUSH. */
void form_map_acked(struct node_core *core, node_id from, const struct msg *m);

/** What this node says of itself to whoever admits it to a cluster as number INDEX. Slices live as long as the core. */
struct map_node form_describe_self(const struct node_core *core, node_id index);

/** A map is durable and in force. */
void form_map_saved(struct node_core *core);

void form_tick(struct node_core *core);
void form_release(struct node_core *core);

#endif
