/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What clients ask of this core: judged, then turned into an operation or answered at once.
 *
 * Every request is answered exactly once.
 */
#ifndef KV_REPLICATION_REQUEST_H
#define KV_REPLICATION_REQUEST_H

#include "replication/core.h"

/** True for what a node that is no replica sends on, and takes from one. */
bool request_is_forwardable(uint16_t opcode);

/** EV is an EV_REQUEST: a client opcode, MAP or CLUSTER_INIT. */
void request_from_client(struct node_core *core, const struct node_event *ev);

/** A client's request that FROM, no replica of its key, sent on. One that comes twice is carried out once. */
void request_forwarded(struct node_core *core, node_id from, const struct msg *m, usec_t arrived_us);

#endif
