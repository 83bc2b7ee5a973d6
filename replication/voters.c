/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/voters.h"

static bool may_vote(const struct map_node *node)
{
	return node->state == NODE_NORMAL || node->state == NODE_JOINING;
}

static uint32_t voters_wanted(const struct map_desc *map)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < map->node_count; i++)
		count += may_vote(&map->nodes[i]);
	return count >= 5 ? 5 : count >= 3 ? 3 : MIN(count, 1u);
}

static bool names(const node_id *nodes, uint32_t count, node_id node)
{
	for (uint32_t i = 0; i < count; i++) {
		if (nodes[i] == node)
			return true;
	}
	return false;
}

static bool zone_is_taken(const struct map_desc *map, const node_id *chosen, uint32_t count, struct slice zone)
{
	for (uint32_t i = 0; i < count; i++) {
		if (slice_equal(map->nodes[chosen[i]].zone, zone))
			return true;
	}
	return false;
}

static void sort(node_id *nodes, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		for (uint32_t j = i; j > 0 && nodes[j - 1] > nodes[j]; j--) {
			node_id swap = nodes[j];
			nodes[j] = nodes[j - 1];
			nodes[j - 1] = swap;
		}
	}
}

uint32_t voters_choose(const struct map_desc *map, const bool *fit, node_id ret[VOTERS_MAX])
{
	uint32_t wanted = voters_wanted(map);
	KV_ASSERT(wanted <= VOTERS_MAX);
	for (uint32_t count = 0; count < wanted; count++) {
		node_id best = NODE_NONE;
		uint32_t best_rank = 0;
		for (uint32_t i = 0; i < map->node_count; i++) {
			const struct map_node *node = &map->nodes[i];
			if (!may_vote(node) || names(ret, count, (node_id)i))
				continue;
			uint32_t rank = 1 + (!fit || fit[i] ? 4u : 0) +
					(zone_is_taken(map, ret, count, node->zone) ? 0 : 2u) +
					(names(map->voters, map->voter_count, (node_id)i) ? 1u : 0);
			if (rank > best_rank) {
				best = (node_id)i;
				best_rank = rank;
			}
		}
		KV_ASSERT(best != NODE_NONE);
		ret[count] = best;
	}
	sort(ret, wanted);
	return wanted;
}
