/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/map_draft.h"

#include "base/cover.h"
#include "replication/cluster_map.h"

enum { MAP_DRAFT_SIZE_MAX = 8 << 20 };

static void *draft_alloc(struct map_draft *d, size_t size)
{
	void *p = arena_alloc(&d->arena, size);
	KV_ASSERT(p);
	return p;
}

static void *draft_copy(struct map_draft *d, const void *data, size_t size, size_t room)
{
	KV_ASSERT(size <= room);
	void *p = draft_alloc(d, room);
	if (size > 0)
		memcpy(p, data, size);
	return p;
}

static struct slice draft_text(struct map_draft *d, struct slice text)
{
	struct slice copy = arena_copy(&d->arena, text);
	KV_ASSERT(copy.size == text.size);
	return copy;
}

static void copy_texts(struct map_draft *d, struct map_node *node)
{
	node->name = draft_text(d, node->name);
	node->peer_address = draft_text(d, node->peer_address);
	node->client_address = draft_text(d, node->client_address);
	node->zone = draft_text(d, node->zone);
}

static void index_moves(struct map_draft *d)
{
	memset(d->move_of, 0, d->desc.partitions * sizeof d->move_of[0]);
	for (uint32_t i = 0; i < d->desc.move_count; i++)
		d->move_of[d->moves[i].partition] = (uint16_t)(i + 1);
}

void map_draft_init(struct map_draft *d, const struct map_desc *from)
{
	*d = (struct map_draft){.desc = *from, .arena = ARENA_INIT(MAP_DRAFT_SIZE_MAX)};
	size_t cells = (size_t)from->partitions * from->replicas;
	d->desc.epoch = from->epoch + 1;
	d->desc.name = draft_text(d, from->name);
	d->nodes =
		draft_copy(d, from->nodes, from->node_count * sizeof d->nodes[0], NODES_MAX * sizeof d->nodes[0]);
	for (uint32_t i = 0; i < from->node_count; i++)
		copy_texts(d, &d->nodes[i]);
	d->rows = draft_copy(d, from->rows, cells * sizeof d->rows[0], cells * sizeof d->rows[0]);
	d->epochs = draft_copy(d, from->config_epochs, from->partitions * sizeof d->epochs[0],
			       from->partitions * sizeof d->epochs[0]);
	d->moves = draft_copy(d, from->moves, from->move_count * sizeof d->moves[0],
			      from->partitions * sizeof d->moves[0]);
	d->move_of = draft_alloc(d, from->partitions * sizeof d->move_of[0]);
	d->desc.nodes = d->nodes;
	d->desc.rows = d->rows;
	d->desc.config_epochs = d->epochs;
	d->desc.moves = d->moves;
	index_moves(d);
}

void map_draft_release(struct map_draft *d)
{
	arena_release(&d->arena);
	*d = (struct map_draft){0};
}

bool map_draft_add(struct map_draft *d, const struct map_node *node)
{
	if (d->desc.node_count == NODES_MAX)
		return false;
	KV_ASSERT(node->index == d->desc.node_count);
	struct map_node *at = &d->nodes[d->desc.node_count++];
	*at = *node;
	copy_texts(d, at);
	return true;
}

void map_draft_address(struct map_draft *d, node_id node, struct slice peer, struct slice client)
{
	KV_ASSERT(node < d->desc.node_count);
	d->nodes[node].peer_address = draft_text(d, peer);
	d->nodes[node].client_address = draft_text(d, client);
}

const struct map_move *map_draft_move_of(const struct map_draft *d, uint32_t partition)
{
	KV_ASSERT(partition < d->desc.partitions);
	uint16_t number = d->move_of[partition];
	return number ? &d->moves[number - 1] : NULL;
}

const node_id *map_draft_goal(const struct map_draft *d, uint32_t partition)
{
	const struct map_move *move = map_draft_move_of(d, partition);
	return move ? move->new_row : d->rows + (size_t)partition * d->desc.replicas;
}

void map_draft_move(struct map_draft *d, uint32_t partition, const node_id *new_row, const struct uuid *session)
{
	uint32_t replicas = d->desc.replicas;
	KV_ASSERT(!map_draft_move_of(d, partition));
	KV_ASSERT(!uuid_is_zero(session));
	struct map_move *move = &d->moves[d->desc.move_count++];
	*move = (struct map_move){.partition = (uint16_t)partition,
				  .old_count = (uint16_t)replicas,
				  .new_count = (uint16_t)replicas,
				  .session = *session};
	memcpy(move->old_row, d->rows + (size_t)partition * replicas, replicas * sizeof move->old_row[0]);
	memcpy(move->new_row, new_row, replicas * sizeof move->new_row[0]);
	d->move_of[partition] = (uint16_t)d->desc.move_count;
	d->epochs[partition] = d->desc.epoch;
}

void map_draft_end(struct map_draft *d, uint32_t partition, bool arrived)
{
	uint32_t number = d->move_of[partition];
	KV_ASSERT(number > 0);
	const struct map_move *move = &d->moves[number - 1];
	size_t at = (size_t)partition * d->desc.replicas;
	if (arrived)
		memcpy(d->rows + at, move->new_row, d->desc.replicas * sizeof d->rows[0]);
	d->epochs[partition] = d->desc.epoch;
	uint32_t behind = d->desc.move_count - number;
	memmove(&d->moves[number - 1], &d->moves[number], behind * sizeof d->moves[0]);
	d->desc.move_count--;
	index_moves(d);
}

/** Whoever is staged to take NODE's place takes it. */
static void retire(struct map_draft *d, node_id node)
{
	KV_ASSERT(node < d->desc.node_count);
	d->nodes[node].state = NODE_REMOVED;
	d->nodes[node].gone_staged = false;
	d->nodes[node].leave_staged = false;
	d->nodes[node].keep_staged = false;
}

/** Moves that would take something from the node end where they began. What it has given away already the next plan gives it back. */
static void stay(struct map_draft *d, struct map_node *node)
{
	for (uint32_t i = d->desc.move_count; i-- > 0;) {
		const struct map_move *move = &d->moves[i];
		if (row_has(move->old_row, move->old_count, node->index) &&
		    !row_has(move->new_row, move->new_count, node->index)) {
			COVER(move_turned_round);
			map_draft_end(d, move->partition, /* arrived= */ false);
		}
	}
	node->keep_staged = false;
	node->state =
		row_has(d->rows, d->desc.partitions * d->desc.replicas, node->index) ? NODE_NORMAL : NODE_JOINING;
}

uint32_t map_draft_commit(struct map_draft *d)
{
	uint32_t changed = 0;
	for (uint32_t i = 0; i < d->desc.node_count; i++) {
		struct map_node *node = &d->nodes[i];
		if (node->state == NODE_STAGED) {
			if (node->replaces != NODE_NONE && node->replaces < d->desc.node_count)
				retire(d, node->replaces);
			node->replaces = 0;
			node->state = NODE_JOINING;
			changed++;
		} else if (node->gone_staged) {
			retire(d, node->index);
			changed++;
		} else if (node->leave_staged) {
			node->leave_staged = false;
			node->state = NODE_LEAVING;
			changed++;
		} else if (node->keep_staged) {
			stay(d, node);
			changed++;
		}
	}
	return changed;
}
