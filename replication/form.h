/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Forming a cluster out of empty nodes, and spreading its map.
 *
 * The asked node reserves every named node, learns who they are, plans the first map, makes it durable and hands it to all.
 * It answers when every node has it on disk. A node without a map joins at most one cluster at a time, and one with a map
 * never another. Nodes that missed the map get it later from any node that has it.
 */
#ifndef KV_REPLICATION_FORM_H
#define KV_REPLICATION_FORM_H

#include "replication/core.h"

/** OP_CLUSTER_INIT from a client of this node. */
void form_start(struct node_core *core, uint64_t client, const struct msg *m, usec_t arrived_us);

/** OP_INIT_RESERVE at the node asked, and its answer at the asker. */
void form_reserve(struct node_core *core, const struct msg *m);
void form_reserved(struct node_core *core, const struct msg *m);

/** OP_MAP_PUSH: takes a newer map of this cluster, or the first one; tells what this node has. Its answer. */
void form_map_pushed(struct node_core *core, node_id from, const struct msg *m);
void form_map_acked(struct node_core *core, node_id from, const struct msg *m);

/** OP_MAP_PULL and its answer. */
void form_map_pulled(struct node_core *core, node_id from, const struct msg *m);

/** Asks FROM, whose messages show a newer map, for it; not more often than FORM_PULL_US. */
void form_pull_map(struct node_core *core, node_id from);

/** A map is durable and in force. */
void form_map_saved(struct node_core *core);

void form_tick(struct node_core *core);
void form_release(struct node_core *core);

#endif
