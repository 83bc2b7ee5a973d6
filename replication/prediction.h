/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a change of the cluster will cost, told before it begins.
 *
 * Applies what is staged to a copy of the map and compares the rows planned for it with those in force. Sizes are estimates: what
 * this core holds of its partitions, taken for all.
 */
#ifndef KV_REPLICATION_PREDICTION_H
#define KV_REPLICATION_PREDICTION_H

#include "proto/msg.h"

struct node_core;

/** OP_CLUSTER_PLAN from a client. */
void prediction_ask(struct node_core *core, uint64_t client, const struct msg *m);

#endif
