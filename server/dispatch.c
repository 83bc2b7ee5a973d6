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
	case BODY_RESULT:    /* of a request that a core of ours sent on: it said which it is */
	case BODY_HEARTBEAT: /* core to core */
	case BODY_HINT:
		return msg->shard % shards;
	default:
		return 0;
	}
}
