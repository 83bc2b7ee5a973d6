/* SPDX-License-Identifier: Apache-2.0 */
#include "server/map_log.h"

#include "base/klog.h"

const char *map_log_state(enum node_state state)
{
	switch (state) {
	case NODE_JOINING:
		return "joining";
	case NODE_NORMAL:
		return "normal";
	case NODE_LEAVING:
		return "leaving";
	case NODE_REMOVED:
		return "removed";
	case NODE_STAGED:
		return "staged";
	}
	return "unknown";
}

static void log_nodes(const struct map_desc *before, const struct map_desc *after)
{
	for (uint32_t i = 0; i < after->node_count; i++) {
		const struct map_node *node = &after->nodes[i];
		const struct map_node *old = i < before->node_count ? &before->nodes[i] : NULL;
		if (!old || old->state != node->state)
			log_info("node.changed", L_U64("node", i), L_BYTES("name", node->name),
				 L_STR("from", old ? map_log_state(old->state) : "none"),
				 L_STR("to", map_log_state(node->state)), L_U64("epoch", after->epoch));
		if (old && !slice_equal(old->peer_address, node->peer_address))
			log_info("node.moved", L_U64("node", i), L_BYTES("name", node->name),
				 L_BYTES("from", old->peer_address), L_BYTES("to", node->peer_address),
				 L_U64("epoch", after->epoch));
	}
}

static void row_text(const node_id *row, uint32_t count, char ret[8 * REPLICAS_MAX])
{
	size_t size = 0;
	ret[0] = '\0';
	for (uint32_t i = 0; i < count && i < REPLICAS_MAX; i++)
		size += (size_t)snprintf(ret + size, 8 * REPLICAS_MAX - size, "%s%u", i ? "," : "", row[i]);
}

static void log_move(const char *event, const struct map_move *move, uint64_t epoch)
{
	char old_row[8 * REPLICAS_MAX], new_row[8 * REPLICAS_MAX];
	row_text(move->old_row, move->old_count, old_row);
	row_text(move->new_row, move->new_count, new_row);
	log_info(event, L_U64("partition", move->partition), L_STR("from", old_row), L_STR("to", new_row),
		 L_U64("epoch", epoch));
}

static const struct map_move *move_of(const struct cluster_map *map, uint16_t partition)
{
	return cluster_map_row(map, partition).move;
}

/** The row that a move left behind is the new one if it arrived. */
static bool has_arrived(const struct cluster_map *after, const struct map_move *move)
{
	struct row row = cluster_map_row(after, move->partition);
	uint32_t found = 0;
	for (uint32_t i = 0; i < move->new_count; i++)
		found += row_position(&row, move->new_row[i]) >= 0;
	return found == move->new_count;
}

static void log_moves(const struct cluster_map *before, const struct cluster_map *after)
{
	uint64_t epoch = after->desc.epoch;
	for (uint32_t i = 0; i < before->desc.move_count; i++) {
		const struct map_move *old = &before->desc.moves[i];
		const struct map_move *now = move_of(after, old->partition);
		if (!now || !uuid_equal(&now->session, &old->session))
			log_move(has_arrived(after, old) ? "move.ended" : "move.given_up", old, epoch);
	}
	for (uint32_t i = 0; i < after->desc.move_count; i++) {
		const struct map_move *now = &after->desc.moves[i];
		const struct map_move *old = move_of(before, now->partition);
		if (!old || !uuid_equal(&now->session, &old->session))
			log_move("move.started", now, epoch);
	}
}

static void log_voters(const struct map_desc *before, const struct map_desc *after)
{
	if (before->voter_count == after->voter_count &&
	    memcmp(before->voters, after->voters, after->voter_count * sizeof after->voters[0]) == 0)
		return;
	char from[8 * REPLICAS_MAX], to[8 * REPLICAS_MAX];
	row_text(before->voters, before->voter_count, from);
	row_text(after->voters, after->voter_count, to);
	log_info("voters.changed", L_STR("from", from), L_STR("to", to), L_U64("epoch", after->epoch));
}

void map_log_changed(struct map_log *log, const struct map_desc *map)
{
	struct cluster_map *last = log->last;
	if (last && last->desc.epoch >= map->epoch)
		return;
	log->last = cluster_map_new(map);
	if (last) {
		log_nodes(&last->desc, map);
		log_voters(&last->desc, map);
		if (last->desc.partitions == map->partitions)
			log_moves(last, log->last);
		if (last->desc.paused != map->paused)
			log_info(map->paused ? "moves.paused" : "moves.resumed", L_U64("epoch", map->epoch));
	}
	log_info("map.changed", L_U64("epoch", map->epoch), L_U64("nodes", map->node_count),
		 L_U64("moves", map->move_count));
	cluster_map_free(last);
}

void map_log_release(struct map_log *log)
{
	cluster_map_free(log->last);
	*log = (struct map_log){0};
}
