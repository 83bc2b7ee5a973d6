/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Calls to one node, or to any, that are not about a key.
 */
#ifndef KV_CLIENT_ADMIN_H
#define KV_CLIENT_ADMIN_H

#include "client/call.h"

/**
 * Makes a call to TARGET: host:port, the name of a node in the map (which is waited for), or NULL for any node. One to a target is
 * not repeated elsewhere.
 */
MUST_USE enum kv_status admin_call_init(struct kv_client *client, struct call *call, uint16_t opcode,
					enum retry_safety safety, const char *target, unsigned timeout_ms,
					struct kv_error *err);

#endif
