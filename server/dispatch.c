/* SPDX-License-Identifier: Apache-2.0 */
#include "server/dispatch.h"

#include "proto/keyhash.h"
#include "proto/opcode.h"

static uint32_t request_shard(const struct msg *msg, uint32_t partitions, uint32_t shards)
{
	if (partitions == 0)
		return 0;
	if (opcode_has_page(msg->opcode))
		return msg->request.partition % shards;
	return hash_partition(key_hash(msg->request.key), partitions) % shards;
}

/** Copying, comparing, cleaning: a request goes to the partition, its reply to the core that asked. */
static uint32_t partition_shard(const struct msg *msg, uint16_t partition, uint32_t shards)
{
	return (msg->reply ? msg->shard : partition) % shards;
}

static uint32_t tree_shard(const struct msg *msg, uint32_t shards)
{
	/* The sender puts only partitions of one of our cores into one message. */
	if (msg->opcode == OP_TREE_ROOTS)
		return partition_shard(msg, msg->tree.root_count > 0 ? msg->tree.roots[0].partition : 0, shards);
	return partition_shard(msg, msg->tree.partition, shards);
}

uint32_t dispatch_shard(const struct msg *msg, uint32_t partitions, uint32_t shards)
{
	KV_ASSERT(shards > 0);
	switch (opcode_body(msg->opcode, msg->reply)) {
	case BODY_REQUEST:
		return request_shard(msg, partitions, shards);
	case BODY_REPLICA:
		return msg->replica.partition % shards;
	case BODY_ANSWER:
		return msg->answer.partition % shards;
	case BODY_MOVE:
		/* Where all moves are known, so that any node can list them. */
		return msg->opcode == OP_MOVE_REPORT ? 0 : partition_shard(msg, msg->move.partition, shards);
	case BODY_TREE:
		return tree_shard(msg, shards);
	case BODY_GC:
		return partition_shard(msg, msg->gc.partition, shards);
	case BODY_EXPLAIN:
		return partitions == 0 ? 0 : hash_partition(key_hash(msg->explain.key), partitions) % shards;
	case BODY_REPAIR:
		return msg->repair.shard % shards;
	case BODY_RESULT:    /* of a request that a core of ours sent on: it said which it is */
	case BODY_HEARTBEAT: /* core to core */
	case BODY_HINT:
	case BODY_PROBE:
		return msg->shard % shards;
	default:
		return 0;
	}
}
