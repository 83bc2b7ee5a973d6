/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which core of the node a message is for. Pure function of the message and the node's shape.
 */
#ifndef KV_SERVER_DISPATCH_H
#define KV_SERVER_DISPATCH_H

#include "proto/msg.h"

/** Shard below SHARDS that MSG belongs to. PARTITIONS 0: the node has no map yet. */
uint32_t dispatch_shard(const struct msg *msg, uint32_t partitions, uint32_t shards);

#endif
