/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The cluster map for calls that wait.
 */
#ifndef KV_CLIENT_MAP_CALL_H
#define KV_CLIENT_MAP_CALL_H

#include "client/call.h"

/**
 * The map as last heard, fetched if there is none: source->msg.map.map. The reference is the caller's to unref.
 * KV_NOT_READY: the nodes are not part of a cluster yet.
 */
MUST_USE enum kv_status map_get(struct kv_client *client, struct reply **ret_source, struct kv_error *err);

#endif
