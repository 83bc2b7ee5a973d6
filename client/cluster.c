/* SPDX-License-Identifier: Apache-2.0 */
#include "client/call.h"
#include "client/map_call.h"
#include "proto/keyhash.h"

enum kv_status map_get(struct kv_client *client, struct reply **ret_source, struct kv_error *err)
{
	struct call call;
	call_init(client, &call, OP_MAP, TARGET_MAP, RETRY_READ, client->engine.config.timeout_ms);
	enum kv_status status = call_run(client, &call, err);
	if (status == KV_OK)
		*ret_source = call.request.reply;
	return status;
}

enum kv_status kv_cluster_info(struct kv_client *client, struct kv_cluster_info *ret_info, struct kv_error *err)
{
	struct reply *source;
	enum kv_status status = map_get(client, &source, err);
	if (status != KV_OK)
		return status;
	const struct map_desc *map = source->msg.map.map;
	*ret_info = (struct kv_cluster_info){
		.epoch = map->epoch,
		.partitions = map->partitions,
		.replicas = map->replicas,
		.node_count = map->node_count,
		.move_count = map->move_count,
		.voter_count = map->voter_count,
		.feature_level = map->feature_level,
	};
	uuid_format(&map->cluster, ret_info->uuid);
	call_copy_text(ret_info->name, sizeof ret_info->name, map->name);
	for (uint32_t i = 0; i < map->voter_count && i < ARRAY_SIZE(ret_info->voters); i++)
		ret_info->voters[i] = map->voters[i];
	reply_unref(source);
	return KV_OK;
}

static void node_fill(struct kv_node *to, const struct map_node *from)
{
	to->index = from->index;
	to->state = (enum kv_node_state)from->state;
	to->weight = from->weight;
	to->leave_staged = from->leave_staged;
	to->gone_staged = from->gone_staged;
	to->keep_staged = from->keep_staged;
	to->replaces = from->state == NODE_STAGED ? from->replaces : NODE_NONE;
	to->feature_level = feature_level_of(from->features);
	uuid_format(&from->uuid, to->uuid);
	call_copy_text(to->name, sizeof to->name, from->name);
	call_copy_text(to->zone, sizeof to->zone, from->zone);
	call_copy_text(to->client_address, sizeof to->client_address, from->client_address);
	call_copy_text(to->peer_address, sizeof to->peer_address, from->peer_address);
}

enum kv_status kv_nodes(struct kv_client *client, struct kv_node **ret_nodes, size_t *ret_count,
			struct kv_error *err)
{
	struct reply *source;
	enum kv_status status = map_get(client, &source, err);
	if (status != KV_OK)
		return status;
	const struct map_desc *map = source->msg.map.map;
	struct kv_node *nodes = xcalloc(map->node_count + 1, sizeof *nodes);
	for (uint32_t i = 0; i < map->node_count; i++)
		node_fill(&nodes[i], &map->nodes[i]);
	for (uint32_t p = 0; p < map->partitions; p++) {
		node_id row[ROW_MAX];
		uint32_t count = route_row(map, (uint16_t)p, row);
		for (uint32_t i = 0; i < count; i++)
			nodes[row[i]].partitions += row[i] < map->node_count;
	}
	*ret_nodes = nodes;
	*ret_count = map->node_count;
	reply_unref(source);
	return KV_OK;
}

void kv_nodes_free(struct kv_node *nodes) { free(nodes); }

/** Which of TO's nodes are in ROW, a bit each. */
static uint16_t members_in(const struct kv_location *to, const node_id *row, uint32_t count)
{
	uint16_t bits = 0;
	for (uint16_t i = 0; i < to->node_count; i++) {
		for (uint32_t j = 0; j < count; j++)
			bits |= (uint16_t)((row[j] == to->nodes[i]) << i);
	}
	return bits;
}

static void location_fill(struct kv_location *to, const struct map_desc *map, uint16_t partition)
{
	*to = (struct kv_location){.epoch = map->epoch, .partition = partition};
	to->node_count = (uint16_t)route_row(map, partition, to->nodes);
	to->members = members_in(to, &map->rows[(size_t)partition * map->replicas], map->replicas);
	to->members_next = to->members;
	for (uint32_t i = 0; i < map->move_count; i++) {
		if (map->moves[i].partition == partition)
			to->members_next = members_in(to, map->moves[i].new_row, map->moves[i].new_count);
	}
}

enum kv_status kv_locate(struct kv_client *client, struct kv_slice key, struct kv_location *ret_location,
			 struct kv_error *err)
{
	struct reply *source;
	if (key.size == 0 || key.size > KEY_SIZE_MAX)
		return client_error(err, key.size ? KV_TOO_LARGE : KV_INVALID, "a key has 1 to %u bytes, not %zu",
				    KEY_SIZE_MAX, key.size);
	enum kv_status status = map_get(client, &source, err);
	if (status != KV_OK)
		return status;
	const struct map_desc *map = source->msg.map.map;
	uint64_t hash = key_hash(slice_in(key));
	location_fill(ret_location, map, hash_partition(hash, map->partitions));
	ret_location->hash = hash;
	ret_location->leaf = hash_leaf(hash, map->partitions);
	reply_unref(source);
	return KV_OK;
}

enum kv_status kv_locate_partition(struct kv_client *client, uint32_t partition, struct kv_location *ret_location,
				   struct kv_error *err)
{
	struct reply *source;
	enum kv_status status = map_get(client, &source, err);
	if (status != KV_OK)
		return status;
	const struct map_desc *map = source->msg.map.map;
	if (partition < map->partitions)
		location_fill(ret_location, map, (uint16_t)partition);
	else
		status = client_error(err, KV_INVALID, "partition %u does not exist: there are %u", partition,
				      map->partitions);
	reply_unref(source);
	return status;
}
