/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The node as a replica: serves READ, PREPARE, ACCEPT, COPY and PUSH through the keys' slots.
 *
 * An answer leaves only when every write it tells of is durable.
 */
#ifndef KV_REPLICATION_REPLICA_H
#define KV_REPLICATION_REPLICA_H

#include "replication/core.h"

/** Handles a request from FROM (the own node included). M is borrowed. */
void replica_request(struct node_core *core, node_id from, const struct msg *m, usec_t arrived_us);

/** The record of a loading slot arrived; not found is the empty slice with FOUND false. */
void replica_loaded(struct node_core *core, struct slot *slot, bool found, struct slice bytes);

/** Writes up to core->write_done became durable: lets answers go and settles slots. */
void replica_written(struct node_core *core);

void replica_release(struct node_core *core);

#endif
