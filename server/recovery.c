/* SPDX-License-Identifier: Apache-2.0 */
#include "server/recovery.h"

#include "replication/cluster_map.h"

enum { ARENA_MAX = 4 << 20 };

/** Work on one map. */
struct bench {
	const struct map_desc *from;
	struct recovery *to;
	bool stays[NODES_MAX];
	uint32_t load[NODES_MAX]; /* rows that name the node */
	struct map_node *nodes;
	node_id *rows;
	uint64_t *epochs;
};

static void *allocate(struct recovery *r, size_t count, size_t size)
{
	void *at = arena_alloc(&r->arena, count * size + 1);
	KV_ASSERT(at); /* sized for the largest map */
	return at;
}

static bool is_named(const struct map_node *node, const char *name)
{
	char text[UUID_TEXT_SIZE], number[16];
	uuid_format(&node->uuid, text);
	snprintf(number, sizeof number, "%u", node->index);
	return slice_equal(node->name, slice_str(name)) || strcmp(text, name) == 0 || strcmp(number, name) == 0;
}

static enum kv_status find_survivor(struct bench *b, const char *name, struct error *err)
{
	node_id found = NODE_NONE;
	for (uint32_t i = 0; i < b->from->node_count; i++) {
		const struct map_node *node = &b->from->nodes[i];
		if (!is_named(node, name) || node->state == NODE_REMOVED)
			continue;
		if (found != NODE_NONE)
			return error_set(
				err, KV_INVALID,
				"\"%.60s\" may be node %u or %u; write its identity, as in DATA_DIR/IDENTITY", name,
				found, i);
		found = (node_id)i;
	}
	if (found == NODE_NONE)
		return error_set(err, KV_INVALID, "\"%.60s\" is no node of the cluster map here", name);
	b->stays[found] = true;
	return KV_OK;
}

static enum kv_status find_survivors(struct bench *b, const struct uuid *self, const char *const *survivors,
				     size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		enum kv_status status = find_survivor(b, survivors[i], err);
		if (status != KV_OK)
			return status;
	}
	for (uint32_t i = 0; i < b->from->node_count; i++) {
		if (b->stays[i] && uuid_equal(&b->from->nodes[i].uuid, self))
			return KV_OK;
	}
	return error_set(err, KV_INVALID, "the node of this data directory is not in the list of survivors");
}

static void set_nodes(struct bench *b)
{
	struct recovery *r = b->to;
	b->nodes = allocate(r, b->from->node_count, sizeof *b->nodes);
	for (uint32_t i = 0; i < b->from->node_count; i++) {
		struct map_node *node = &b->nodes[i];
		*node = b->from->nodes[i];
		node->leave_staged = node->gone_staged = node->keep_staged = false;
		r->survivors += b->stays[i];
		if (!b->stays[i]) {
			r->removed += node->state != NODE_REMOVED;
			node->state = NODE_REMOVED;
		} else if (node->state == NODE_STAGED) {
			node->state = NODE_JOINING;
		} else if (node->state == NODE_LEAVING) {
			node->state = NODE_NORMAL;
		}
	}
	r->map.nodes = b->nodes;
}

/** Appends the nodes of ROW that stay, or those that do not, and are not there yet, until RET has MAX. */
static uint32_t append(const struct bench *b, const node_id *row, uint32_t count, bool staying, node_id *ret,
		       uint32_t size, uint32_t max)
{
	for (uint32_t i = 0; i < count && size < max; i++) {
		if (b->stays[row[i]] == staying && !row_has(ret, size, row[i]))
			ret[size++] = row[i];
	}
	return size;
}

/** The survivor outside RET that is named least. */
static node_id least_loaded(const struct bench *b, const node_id *ret, uint32_t size)
{
	node_id best = NODE_NONE;
	for (uint32_t i = 0; i < b->from->node_count; i++) {
		if (b->stays[i] && !row_has(ret, size, (node_id)i) &&
		    (best == NODE_NONE || b->load[i] < b->load[best]))
			best = (node_id)i;
	}
	return best;
}

static const struct map_move *move_of(const struct map_desc *map, uint32_t partition)
{
	for (uint32_t i = 0; i < map->move_count; i++) {
		if (map->moves[i].partition == partition)
			return &map->moves[i];
	}
	return NULL;
}

/** A row for a partition that lost its majority: who has something of it, other survivors, lost nodes to keep the size. */
static void force_row(struct bench *b, const node_id *old, const struct map_move *move, node_id *ret)
{
	uint32_t replicas = b->to->map.replicas, old_count = b->from->replicas;
	uint32_t size = append(b, old, old_count, /* staying= */ true, ret, 0, replicas);
	if (move)
		size = append(b, move->new_row, move->new_count, /* staying= */ true, ret, size, replicas);
	b->to->lost += size == 0;
	for (node_id next; size < replicas && (next = least_loaded(b, ret, size)) != NODE_NONE;)
		ret[size++] = next;
	size = append(b, old, old_count, /* staying= */ false, ret, size, replicas);
	KV_ASSERT(size == replicas);
}

static void set_rows(struct bench *b)
{
	struct recovery *r = b->to;
	const struct map_desc *from = b->from;
	uint32_t replicas = r->map.replicas;
	b->rows = allocate(r, (size_t)from->partitions * replicas, sizeof *b->rows);
	b->epochs = allocate(r, from->partitions, sizeof *b->epochs);
	for (uint32_t p = 0; p < from->partitions; p++) {
		const node_id *old = from->rows + (size_t)p * from->replicas;
		const struct map_move *move = move_of(from, p);
		node_id *row = b->rows + (size_t)p * replicas;
		uint32_t left = 0;
		for (uint32_t i = 0; i < from->replicas; i++)
			left += b->stays[old[i]];
		bool keeps = left > from->replicas / 2;
		KV_ASSERT(!keeps || replicas == from->replicas);
		if (keeps)
			memcpy(row, old, replicas * sizeof *row);
		else
			force_row(b, old, move, row);
		r->kept += keeps;
		r->without_majority += !keeps;
		b->epochs[p] = keeps && !move ? from->config_epochs[p] : r->map.epoch;
		for (uint32_t i = 0; i < replicas; i++)
			b->load[row[i]]++;
	}
	r->map.rows = b->rows;
	r->map.config_epochs = b->epochs;
}

static void set_voters(struct bench *b)
{
	struct map_desc *map = &b->to->map;
	uint32_t wanted = b->to->survivors >= 5 ? 5 : b->to->survivors >= 3 ? 3 : 1;
	map->voter_count = 0;
	for (uint32_t i = 0; i < map->node_count && map->voter_count < wanted; i++) {
		if (b->stays[i])
			map->voters[map->voter_count++] = (node_id)i;
	}
}

enum kv_status recovery_make(const struct map_desc *map, const struct uuid *self, const char *const *survivors,
			     size_t count, struct recovery *ret, struct error *err)
{
	*ret = (struct recovery){.map = *map, .arena = ARENA_INIT(ARENA_MAX)};
	struct bench b = {.from = map, .to = ret};
	enum kv_status status = find_survivors(&b, self, survivors, count, err);
	if (status != KV_OK)
		return status;
	set_nodes(&b);
	/* So many that the survivors are a majority of them. */
	ret->map.replicas = MIN(map->replicas, 2 * ret->survivors - 1);
	ret->map.epoch = map->epoch + RECOVERY_EPOCHS;
	ret->map.moves = NULL;
	ret->map.move_count = 0;
	ret->map.token_count = 0;
	set_rows(&b);
	set_voters(&b);
	return cluster_map_check(&ret->map, err);
}

void recovery_release(struct recovery *r)
{
	arena_release(&r->arena);
	*r = (struct recovery){0};
}
