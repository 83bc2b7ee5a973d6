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

static bool is_in_zone(const struct map_desc *map, node_id node, struct slice zone)
{
	return node < map->node_count && slice_equal(map->nodes[node].zone, zone);
}

void route_prefer_zone(const struct map_desc *map, const char *zone, node_id *row, uint32_t count)
{
	KV_ASSERT(count <= ROW_MAX);
	if (!zone || zone[0] == '\0')
		return;
	node_id sorted[ROW_MAX];
	uint32_t used = 0;
	for (int other = 0; other <= 1; other++) {
		for (uint32_t i = 0; i < count; i++) {
			if (is_in_zone(map, row[i], slice_str(zone)) != (bool)other)
				sorted[used++] = row[i];
		}
	}
	KV_ASSERT(used == count);
	memcpy(row, sorted, count * sizeof row[0]);
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
