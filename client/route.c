/* SPDX-License-Identifier: Apache-2.0 */
#include "client/route.h"

void route_release(struct route *r)
{
	reply_unref(r->source);
	*r = (struct route){0};
}

bool route_adopt(struct route *r, struct reply *source)
{
	const struct map_desc *map = source->msg.map.map;
	KV_ASSERT(map);
	if (map->epoch <= route_epoch(r))
		return false;
	if (r->map && !uuid_equal(&r->map->cluster, &map->cluster))
		return false;
	reply_unref(r->source);
	r->source = reply_ref(source);
	r->map = map;
	memset(r->links, 0, sizeof r->links);
	return true;
}

static void row_add(node_id ret_row[ROW_MAX], uint32_t *count, node_id node)
{
	for (uint32_t i = 0; i < *count; i++) {
		if (ret_row[i] == node)
			return;
	}
	if (node != NODE_NONE && *count < ROW_MAX)
		ret_row[(*count)++] = node;
}

uint32_t route_row(const struct map_desc *map, uint16_t partition, node_id ret_row[ROW_MAX])
{
	KV_ASSERT(partition < map->partitions);
	uint32_t count = 0;
	for (uint32_t i = 0; i < map->replicas; i++)
		row_add(ret_row, &count, map->rows[(size_t)partition * map->replicas + i]);
	for (uint32_t i = 0; i < map->move_count; i++) {
		const struct map_move *move = &map->moves[i];
		if (move->partition != partition)
			continue;
		for (uint16_t n = 0; n < move->new_count; n++)
			row_add(ret_row, &count, move->new_row[n]);
	}
	return count;
}

node_id route_find_name(const struct map_desc *map, const char *name)
{
	for (uint32_t i = 0; i < map->node_count; i++) {
		const struct map_node *node = &map->nodes[i];
		if (node->state != NODE_REMOVED && slice_equal(node->name, slice_str(name)))
			return node->index;
	}
	return NODE_NONE;
}
