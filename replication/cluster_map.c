/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/cluster_map.h"

/* A map of the largest size: 4096 x 7 rows, epochs, 256 nodes with addresses. */
enum { CLUSTER_MAP_SIZE_MAX = 4 << 20 };

static enum kv_status check_sizes(const struct map_desc *d, struct error *err)
{
	bool power_of_two = d->partitions && (d->partitions & (d->partitions - 1)) == 0;
	if (!power_of_two || d->partitions < PARTITIONS_MIN || d->partitions > PARTITIONS_MAX)
		return error_set(err, KV_INVALID, "partitions is %u: must be a power of two from %u to %u",
				 d->partitions, PARTITIONS_MIN, PARTITIONS_MAX);
	if (d->replicas < 1 || d->replicas > REPLICAS_MAX || d->replicas % 2 == 0)
		return error_set(err, KV_INVALID, "replicas is %u: must be odd and at most %u", d->replicas,
				 REPLICAS_MAX);
	if (d->node_count < d->replicas || d->node_count > NODES_MAX)
		return error_set(err, KV_INVALID,
				 "%u nodes for %u replicas: must be at least as many and at most %u", d->node_count,
				 d->replicas, NODES_MAX);
	if (d->epoch == 0 || uuid_is_zero(&d->cluster))
		return error_set(err, KV_INVALID, "the map has no epoch or no cluster identity");
	if (d->voter_count < 1 || d->voter_count > ARRAY_SIZE(d->voters) || d->token_count > TOKENS_MAX)
		return error_set(err, KV_INVALID, "the map has %u voters: must be 1 to 5", d->voter_count);
	return KV_OK;
}

static const struct map_node *desc_node(const struct map_desc *d, node_id index)
{
	return index < d->node_count ? &d->nodes[index] : NULL;
}

/** What rows, moves and voters may name: any node that was ever more than staged. */
static bool may_be_named(const struct map_desc *d, node_id index)
{
	const struct map_node *node = desc_node(d, index);
	return node && node->state != NODE_STAGED;
}

static enum kv_status check_nodes(const struct map_desc *d, struct error *err)
{
	for (uint32_t i = 0; i < d->node_count; i++) {
		const struct map_node *node = &d->nodes[i];
		if (node->index >= NODES_MAX || uuid_is_zero(&node->uuid) || node->peer_address.size == 0)
			return error_set(err, KV_INVALID, "node %u has no valid index, identity or address",
					 node->index);
		for (uint32_t j = 0; j < i; j++) {
			if (d->nodes[j].index == node->index)
				return error_set(err, KV_INVALID, "two nodes have index %u", node->index);
			if (uuid_equal(&d->nodes[j].uuid, &node->uuid))
				return error_set(
					err, KV_INVALID,
					"nodes %u and %u have one identity: one data directory is a copy of the other",
					d->nodes[j].index, node->index);
		}
		if (node->index != i)
			return error_set(err, KV_INVALID, "node %u is at place %u", node->index, i);
	}
	return KV_OK;
}

static enum kv_status check_voters(const struct map_desc *d, struct error *err)
{
	for (uint32_t i = 0; i < d->voter_count; i++) {
		if (!may_be_named(d, d->voters[i]))
			return error_set(err, KV_INVALID, "the voters name unknown node %u", d->voters[i]);
		for (uint32_t j = 0; j < i; j++) {
			if (d->voters[j] == d->voters[i])
				return error_set(err, KV_INVALID, "the voters name node %u twice", d->voters[i]);
		}
	}
	return KV_OK;
}

static enum kv_status check_row(const struct map_desc *d, uint32_t partition, struct error *err)
{
	const node_id *row = d->rows + (size_t)partition * d->replicas;
	for (uint32_t i = 0; i < d->replicas; i++) {
		if (!may_be_named(d, row[i]))
			return error_set(err, KV_INVALID, "partition %u names unknown node %u", partition, row[i]);
		for (uint32_t j = 0; j < i; j++) {
			if (row[j] == row[i])
				return error_set(err, KV_INVALID, "partition %u names node %u twice", partition,
						 row[i]);
		}
	}
	if (d->config_epochs[partition] == 0 || d->config_epochs[partition] > d->epoch)
		return error_set(err, KV_INVALID, "partition %u has an epoch outside 1 to the map's", partition);
	return KV_OK;
}

/** A move leads from the row as it is to another of the same size, and no two moves have one partition. */
static enum kv_status check_move(const struct map_desc *d, uint32_t number, struct error *err)
{
	const struct map_move *move = &d->moves[number];
	if (move->partition >= d->partitions || move->old_count != d->replicas || move->new_count != d->replicas ||
	    uuid_is_zero(&move->session))
		return error_set(err, KV_INVALID, "move %u has no valid partition, rows or session", number);
	const node_id *row = d->rows + (size_t)move->partition * d->replicas;
	if (memcmp(row, move->old_row, d->replicas * sizeof row[0]) != 0)
		return error_set(err, KV_INVALID, "the move of partition %u does not start from its row",
				 move->partition);
	for (uint32_t i = 0; i < d->replicas; i++) {
		if (!may_be_named(d, move->new_row[i]))
			return error_set(err, KV_INVALID, "the move of partition %u names unknown node %u",
					 move->partition, move->new_row[i]);
		for (uint32_t j = 0; j < i; j++) {
			if (move->new_row[i] == move->new_row[j])
				return error_set(err, KV_INVALID, "the move of partition %u names node %u twice",
						 move->partition, move->new_row[i]);
		}
	}
	for (uint32_t i = 0; i < number; i++) {
		if (d->moves[i].partition == move->partition)
			return error_set(err, KV_INVALID, "partition %u has two moves", move->partition);
	}
	return KV_OK;
}

enum kv_status cluster_map_check(const struct map_desc *desc, struct error *err)
{
	KV_ASSERT(desc);
	enum kv_status status = check_sizes(desc, err);
	if (status == KV_OK)
		status = check_nodes(desc, err);
	if (status == KV_OK)
		status = check_voters(desc, err);
	for (uint32_t p = 0; status == KV_OK && p < desc->partitions; p++)
		status = check_row(desc, p, err);
	for (uint32_t i = 0; status == KV_OK && i < desc->move_count; i++)
		status = check_move(desc, i, err);
	return status;
}

static const struct map_move *desc_move(const struct map_desc *d, uint32_t partition)
{
	for (uint32_t i = 0; i < d->move_count; i++) {
		if (d->moves[i].partition == partition)
			return &d->moves[i];
	}
	return NULL;
}

/** The same session names the same try; what it copies towards never changes. */
static bool same_move(const struct map_move *a, const struct map_move *b)
{
	if (!a || !b)
		return a == b;
	return uuid_equal(&a->session, &b->session) &&
	       memcmp(a->new_row, b->new_row, a->new_count * sizeof a->new_row[0]) == 0;
}

static enum kv_status check_next_row(const struct map_desc *present, const struct map_desc *next,
				     uint32_t partition, struct error *err)
{
	size_t at = (size_t)partition * next->replicas;
	bool same = memcmp(present->rows + at, next->rows + at, next->replicas * sizeof next->rows[0]) == 0 &&
		    same_move(desc_move(present, partition), desc_move(next, partition));
	uint64_t before = present->config_epochs[partition], after = next->config_epochs[partition];
	if (after < before || (!same && after == before))
		return error_set(err, KV_INVALID,
				 "partition %u has other replicas under an epoch that did not rise", partition);
	return KV_OK;
}

static enum kv_status check_next_node(const struct map_node *present, const struct map_node *next,
				      struct error *err)
{
	if (!next)
		return error_set(err, KV_INVALID, "node %u is gone: a node stays in the map when it is removed",
				 present->index);
	if (!uuid_equal(&next->uuid, &present->uuid))
		return error_set(err, KV_INVALID, "index %u has another identity", next->index);
	if (present->state == NODE_REMOVED && next->state != NODE_REMOVED)
		return error_set(err, KV_INVALID, "node %u was removed and may not come back", next->index);
	if (present->state != NODE_STAGED && next->state == NODE_STAGED)
		return error_set(err, KV_INVALID, "node %u is admitted and may not be staged again", next->index);
	return KV_OK;
}

enum kv_status cluster_map_check_next(const struct map_desc *present, const struct map_desc *next,
				      struct error *err)
{
	if (!uuid_equal(&present->cluster, &next->cluster))
		return error_set(err, KV_WRONG_CLUSTER, "the map is of another cluster");
	if (present->partitions != next->partitions || present->replicas != next->replicas)
		return error_set(err, KV_INVALID, "partitions and replicas of a cluster never change");
	if (next->feature_level < present->feature_level)
		return error_set(err, KV_INVALID, "the feature level never goes back");
	for (uint32_t i = 0; i < present->node_count; i++) {
		enum kv_status status = check_next_node(&present->nodes[i], desc_node(next, (node_id)i), err);
		if (status != KV_OK)
			return status;
	}
	enum kv_status status = KV_OK;
	for (uint32_t p = 0; status == KV_OK && p < next->partitions; p++)
		status = check_next_row(present, next, p, err);
	return status;
}

static void *copy_array(struct arena *a, const void *data, size_t count, size_t size)
{
	void *copy = arena_alloc(a, count * size);
	KV_ASSERT(copy);
	if (count > 0)
		memcpy(copy, data, count * size);
	return copy;
}

static void copy_text(struct arena *a, struct slice *text)
{
	*text = slice_of(copy_array(a, text->data, text->size, 1), text->size);
}

/** Old and new members of a move in one array; returns how many. */
static uint32_t join_rows(const struct map_move *move, node_id *ret)
{
	uint32_t count = move->old_count;
	memcpy(ret, move->old_row, count * sizeof ret[0]);
	for (uint32_t i = 0; i < move->new_count; i++) {
		bool old = false;
		for (uint32_t j = 0; j < move->old_count; j++)
			old |= move->old_row[j] == move->new_row[i];
		if (!old)
			ret[count++] = move->new_row[i];
	}
	KV_ASSERT(count <= ROW_MAX);
	return count;
}

static void index_moves(struct cluster_map *map)
{
	const struct map_desc *d = &map->desc;
	map->move_of = arena_alloc(&map->arena, d->partitions * sizeof map->move_of[0]);
	map->joint = arena_alloc(&map->arena, (size_t)(d->move_count + 1) * ROW_MAX * sizeof map->joint[0]);
	KV_ASSERT(map->move_of && map->joint);
	memset(map->move_of, 0, d->partitions * sizeof map->move_of[0]);
	for (uint32_t i = 0; i < d->move_count; i++) {
		map->move_of[d->moves[i].partition] = (uint16_t)(i + 1);
		join_rows(&d->moves[i], map->joint + (size_t)i * ROW_MAX);
	}
}

struct cluster_map *cluster_map_new(const struct map_desc *desc)
{
	KV_ASSERT(cluster_map_check(desc, NULL) == KV_OK);
	struct cluster_map *map = xcalloc(1, sizeof *map);
	map->arena = ARENA_INIT(CLUSTER_MAP_SIZE_MAX);
	struct arena *a = &map->arena;
	map->desc = *desc;
	copy_text(a, &map->desc.name);
	struct map_node *nodes = copy_array(a, desc->nodes, desc->node_count, sizeof *nodes);
	for (uint32_t i = 0; i < desc->node_count; i++) {
		copy_text(a, &nodes[i].name);
		copy_text(a, &nodes[i].peer_address);
		copy_text(a, &nodes[i].client_address);
		copy_text(a, &nodes[i].zone);
	}
	map->desc.nodes = nodes;
	map->desc.rows = copy_array(a, desc->rows, (size_t)desc->partitions * desc->replicas, sizeof desc->rows[0]);
	map->desc.config_epochs =
		copy_array(a, desc->config_epochs, desc->partitions, sizeof desc->config_epochs[0]);
	map->desc.moves = copy_array(a, desc->moves, desc->move_count, sizeof desc->moves[0]);
	index_moves(map);
	return map;
}

void cluster_map_free(struct cluster_map *map)
{
	if (!map)
		return;
	arena_release(&map->arena);
	free(map);
}

static struct row moving_row(const struct cluster_map *map, uint32_t number)
{
	const struct map_move *move = &map->desc.moves[number];
	struct row row = {
		.nodes = map->joint + (size_t)number * ROW_MAX,
		.count = move->old_count,
		.old = (1u << move->old_count) - 1,
		.config_epoch = map->desc.config_epochs[move->partition],
		.move = move,
	};
	for (uint32_t i = 0; i < move->new_count; i++) {
		int position = row_position(&row, move->new_row[i]);
		row.next |= 1u << (position >= 0 ? (uint32_t)position : row.count++);
	}
	KV_ASSERT((row.old | row.next) == (1u << row.count) - 1);
	return row;
}

struct row cluster_map_row(const struct cluster_map *map, uint16_t partition)
{
	KV_ASSERT(partition < map->desc.partitions);
	if (map->move_of[partition] != 0)
		return moving_row(map, map->move_of[partition] - 1u);
	uint32_t everyone = (1u << map->desc.replicas) - 1;
	return (struct row){
		.count = map->desc.replicas,
		.nodes = map->desc.rows + (size_t)partition * map->desc.replicas,
		.config_epoch = map->desc.config_epochs[partition],
		.old = everyone,
		.next = everyone,
	};
}

static bool row_has_set(const struct row *row, const struct row *other, uint32_t own, uint32_t others)
{
	if (__builtin_popcount(own) != __builtin_popcount(others))
		return false;
	for (uint32_t i = 0; i < row->count; i++) {
		int position = row_position(other, row->nodes[i]);
		bool theirs = position >= 0 && (others & 1u << position);
		if (((own & 1u << i) != 0) != theirs)
			return false;
	}
	return true;
}

bool row_same_members(const struct row *a, const struct row *b)
{
	return row_has_set(a, b, a->old, b->old) && row_has_set(a, b, a->next, b->next);
}

int row_position(const struct row *row, node_id node)
{
	for (uint32_t i = 0; i < row->count; i++) {
		if (row->nodes[i] == node)
			return (int)i;
	}
	return -1;
}

const struct map_node *cluster_map_node(const struct cluster_map *map, node_id index)
{
	return desc_node(&map->desc, index);
}

const struct map_node *cluster_map_find(const struct cluster_map *map, const struct uuid *uuid)
{
	for (uint32_t i = 0; i < map->desc.node_count; i++) {
		if (uuid_equal(&map->desc.nodes[i].uuid, uuid))
			return &map->desc.nodes[i];
	}
	return NULL;
}

static bool row_names(const node_id *row, uint32_t count, node_id node)
{
	for (uint32_t i = 0; i < count; i++) {
		if (row[i] == node)
			return true;
	}
	return false;
}

bool cluster_map_holds(const struct map_desc *map, node_id node)
{
	if (row_names(map->rows, map->partitions * map->replicas, node))
		return true;
	for (uint32_t i = 0; i < map->move_count; i++) {
		if (row_names(map->moves[i].new_row, map->moves[i].new_count, node))
			return true;
	}
	return false;
}
