/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/maps.h"

#include <inttypes.h>

#include "base/hash.h"
#include "proto/codec.h"
#include "replication/move_status.h"
#include "replication/placement.h"
#include "tests/sim/sim.h"

#define CHECK "map"

/* --- who is dead --- */

const struct map_node *maps_find(const struct maps *maps, const struct uuid *uuid)
{
	return maps->newest ? cluster_map_find(maps->newest, uuid) : NULL;
}

void maps_bury(struct maps *maps, const struct uuid *uuid)
{
	if (maps_is_dead(maps, uuid))
		return;
	KV_ASSERT(maps->dead_count < MAPS_DEAD_MAX);
	maps->dead[maps->dead_count++] = *uuid;
}

bool maps_is_dead(const struct maps *maps, const struct uuid *uuid)
{
	for (uint32_t i = 0; i < maps->dead_count; i++)
		if (uuid_equal(&maps->dead[i], uuid))
			return true;
	return false;
}

static bool names(const node_id *row, uint32_t count, node_id node)
{
	for (uint32_t i = 0; i < count; i++)
		if (row[i] == node)
			return true;
	return false;
}

bool maps_needs(const struct maps *maps, node_id node)
{
	const struct map_desc *d = &maps->newest->desc;
	for (uint32_t i = 0; i < d->move_count; i++)
		if (names(d->moves[i].new_row, d->moves[i].new_count, node))
			return true;
	return names(d->rows, d->partitions * d->replicas, node) || names(d->voters, d->voter_count, node);
}

uint32_t maps_dead_left(const struct maps *maps)
{
	uint32_t count = 0;
	for (uint32_t i = 0; maps->newest && i < maps->newest->desc.node_count; i++) {
		const struct map_node *node = &maps->newest->desc.nodes[i];
		bool left = node->state != NODE_REMOVED || maps_needs(maps, node->index);
		count += left && maps_is_dead(maps, &node->uuid);
	}
	return count;
}

uint32_t maps_live(const struct maps *maps)
{
	uint32_t count = 0;
	for (uint32_t i = 0; maps->newest && i < maps->newest->desc.node_count; i++) {
		const struct map_node *node = &maps->newest->desc.nodes[i];
		bool stays = (node->state == NODE_NORMAL || node->state == NODE_JOINING) && !node->leave_staged &&
			     !node->gone_staged;
		count += stays && !maps_is_dead(maps, &node->uuid);
	}
	return count;
}

static bool is_being_replaced(const struct map_desc *d, node_id node)
{
	for (uint32_t i = 0; i < d->node_count; i++)
		if (d->nodes[i].state == NODE_STAGED && d->nodes[i].replaces == node)
			return true;
	return false;
}

/* Who is given up counts as dead, whatever it is. */
static void bury_given_up(struct maps *maps)
{
	const struct map_desc *d = &maps->newest->desc;
	for (uint32_t i = 0; i < d->node_count; i++)
		if (d->nodes[i].state != NODE_REMOVED &&
		    (d->nodes[i].gone_staged || is_being_replaced(d, d->nodes[i].index)))
			maps_bury(maps, &d->nodes[i].uuid);
}

/* --- rules --- */

static bool fail(struct sim *sim, const char *what, uint64_t epoch, const struct sim_node *n)
{
	return verdict_fail(&sim->verdict, CHECK, UINT32_MAX, "node %u saved map %" PRIu64 ": %s", n->index, epoch,
			    what);
}

static uint64_t map_hash(const struct map_desc *map)
{
	struct buf bytes = BUF_INIT;
	enum kv_status status = codec_map_encode(map, &bytes);
	KV_ASSERT(status == KV_OK);
	uint64_t hash = hash64(buf_slice(&bytes)) | 1;
	buf_release(&bytes);
	return hash;
}

/* Room for the hash of this epoch. */
static uint64_t *hash_of_epoch(struct maps *maps, uint64_t epoch)
{
	KV_ASSERT(epoch > 0 && epoch < 1u << 20);
	if (epoch > maps->capacity) {
		uint64_t capacity = MAX(epoch * 2, UINT64_C(64));
		maps->hashes = xrealloc(maps->hashes, capacity * sizeof maps->hashes[0]);
		memset(maps->hashes + maps->capacity, 0, (capacity - maps->capacity) * sizeof maps->hashes[0]);
		maps->capacity = capacity;
	}
	return &maps->hashes[epoch - 1];
}

/* Of the members' sets, not their order. */
static uint64_t owners_hash(const struct cluster_map *map, uint16_t partition)
{
	struct row row = cluster_map_row(map, partition);
	uint64_t hash = 0;
	for (uint32_t i = 0; i < row.count; i++)
		hash += hash_u64(row.nodes[i] * 4u + (row.old >> i & 1) * 2 + (row.next >> i & 1) + 1);
	return hash;
}

static void check_owners(struct sim *sim, const struct sim_node *n, const struct cluster_map *map)
{
	struct maps *maps = &sim->maps;
	for (uint16_t p = 0; p < map->desc.partitions; p++) {
		struct maps_partition *known = &maps->owners[p];
		struct maps_owners here = {map->desc.config_epochs[p], owners_hash(map, p)};
		bool found = false;
		for (uint32_t i = 0; i < known->count; i++) {
			if (known->items[i].config_epoch != here.config_epoch)
				continue;
			found = true;
			if (known->items[i].hash != here.hash)
				fail(sim, "a partition has two sets of owners under one epoch", map->desc.epoch, n);
		}
		if (found)
			continue;
		if (known->count == known->capacity) {
			known->capacity = MAX(known->capacity * 2, 8u);
			known->items = xrealloc(known->items, known->capacity * sizeof known->items[0]);
		}
		known->items[known->count++] = here;
	}
}

static bool voters_are_fit(const struct map_desc *map)
{
	if (map->voter_count % 2 == 0)
		return false;
	for (uint32_t i = 0; i < map->voter_count; i++)
		if (names(map->voters, i, map->voters[i]) || map->voters[i] >= map->node_count)
			return false;
	return true;
}

/* Nodes keep their places, and who is removed stays so. */
static const char *nodes_fault(const struct map_desc *before, const struct map_desc *after)
{
	if (after->node_count < before->node_count)
		return "a node is missing";
	for (uint32_t i = 0; i < before->node_count; i++) {
		const struct map_node *was = &before->nodes[i], *is = &after->nodes[i];
		if (is->index != was->index || !uuid_equal(&is->uuid, &was->uuid))
			return "a node has another place";
		if (was->state == NODE_REMOVED && is->state != NODE_REMOVED)
			return "a removed node is back";
		if (was->state == NODE_NORMAL && (is->state == NODE_JOINING || is->state == NODE_STAGED))
			return "a node joins again";
	}
	return NULL;
}

static void check_rules(struct sim *sim, const struct sim_node *n, const struct map_desc *map)
{
	struct error err = {0};
	const struct cluster_map *newest = sim->maps.newest;
	if (cluster_map_check(map, &err) != KV_OK) {
		fail(sim, err.message, map->epoch, n);
		return;
	}
	if (!voters_are_fit(map))
		fail(sim, "its voters are no odd number of its nodes", map->epoch, n);
	if (!newest || map->epoch <= newest->desc.epoch)
		return;
	const char *fault = nodes_fault(&newest->desc, map);
	if (fault)
		fail(sim, fault, map->epoch, n);
	if (cluster_map_check_next(&newest->desc, map, &err) != KV_OK)
		fail(sim, err.message, map->epoch, n);
}

void maps_saw(struct sim *sim, struct sim_node *n, const struct map_desc *map)
{
	struct maps *maps = &sim->maps;
	if (map->epoch < n->epoch)
		fail(sim, "it had a newer one", map->epoch, n);
	n->epoch = map->epoch;
	uint64_t *known = hash_of_epoch(maps, map->epoch);
	uint64_t hash = map_hash(map);
	if (*known) {
		if (*known != hash)
			fail(sim, "another node has another map of that epoch", map->epoch, n);
		return;
	}
	*known = hash;
	check_rules(sim, n, map);
	if (sim->verdict.violated)
		return;
	if (!maps->owners) {
		maps->partitions = map->partitions;
		maps->owners = xcalloc(map->partitions, sizeof maps->owners[0]);
	}
	struct cluster_map *copy = cluster_map_new(map);
	check_owners(sim, n, copy);
	if (maps->newest && maps->newest->desc.epoch > map->epoch) {
		cluster_map_free(copy);
		return;
	}
	cluster_map_free(maps->newest);
	maps->newest = copy;
	bury_given_up(maps);
	sim->cover.maps += map->epoch > 1;
}

void maps_release(struct maps *maps)
{
	for (uint32_t i = 0; i < maps->partitions; i++)
		free(maps->owners[i].items);
	free(maps->owners);
	free(maps->hashes);
	cluster_map_free(maps->newest);
	*maps = (struct maps){0};
}

/* --- the end --- */

/* True if whoever plans on this map finds nothing to move. */
static bool rows_are_planned(const struct map_desc *d)
{
	struct placement_input in = {.partitions = d->partitions,
				     .replicas = d->replicas,
				     .node_count = d->node_count,
				     .nodes = d->nodes,
				     .rows = d->rows};
	struct error err;
	size_t count = (size_t)d->partitions * d->replicas;
	node_id *rows = xcalloc(count, sizeof rows[0]);
	bool same = placement_plan(&in, rows, &err) != KV_OK;
	if (!same) {
		same = true;
		for (uint32_t p = 0; p < d->partitions; p++)
			for (uint32_t i = 0; i < d->replicas; i++)
				same &= names(d->rows + (size_t)p * d->replicas, d->replicas,
					      rows[(size_t)p * d->replicas + i]);
	}
	free(rows);
	return same;
}

bool maps_are_settled(const struct maps *maps)
{
	const struct map_desc *d = &maps->newest->desc;
	for (uint32_t i = 0; i < d->node_count; i++) {
		const struct map_node *node = &d->nodes[i];
		if (node->state != NODE_NORMAL && node->state != NODE_REMOVED)
			return false;
		if (node->state == NODE_NORMAL && (node->leave_staged || node->gone_staged))
			return false;
		if (node->state == NODE_REMOVED && maps_needs(maps, node->index))
			return false;
	}
	return d->move_count == 0 && !d->paused && rows_are_planned(d);
}

/* What the node that drives knows of the new members of a move. */
static void print_reports(const struct sim *sim, const struct node_core *core, const struct map_move *move,
			  struct buf *out)
{
	static const char *const stages[] = {"unheard of", "opening", "copying", "checking", "done"};
	for (uint32_t i = 0; i < move->new_count; i++) {
		const struct msg_move *r = moves_report(core, move->partition, move->new_row[i]);
		if (names(move->old_row, move->old_count, move->new_row[i]))
			continue;
		buf_printf(out, "  move of %u at %u: %s, %" PRIu64 " keys from %d, %u retries %.*s\n",
			   move->partition, move->new_row[i], stages[r ? r->stage : 0], r ? r->keys_done : 0,
			   r ? (int)(int16_t)r->source : -1, r ? r->retries : 0, r ? (int)r->message.size : 0,
			   r ? (const char *)r->message.data : "");
	}
}

void maps_print_moves(const struct sim *sim, struct buf *out)
{
	const struct map_desc *d = &sim->maps.newest->desc;
	for (uint32_t n = 0; n < sim->options.node_count; n++) {
		const struct sim_node *node = &sim->nodes[n];
		const struct map_node *known = maps_find(&sim->maps, &node->uuid);
		if (!node->up || !known || known->index != d->voters[0])
			continue;
		buf_printf(out, "as node %u knows:\n", n);
		for (uint32_t i = 0; i < d->move_count; i++)
			print_reports(sim, node->cores[0].core, &d->moves[i], out);
	}
}

void maps_print(const struct maps *maps, struct buf *out)
{
	static const char *const states[] = {"?", "joining", "normal", "leaving", "removed", "staged"};
	if (!maps->newest)
		return;
	const struct map_desc *d = &maps->newest->desc;
	buf_printf(out, "map %" PRIu64 "%s, %u moves, voters", d->epoch, d->paused ? " paused" : "", d->move_count);
	for (uint32_t i = 0; i < d->voter_count; i++)
		buf_printf(out, " %u", d->voters[i]);
	for (uint32_t i = 0; i < d->node_count; i++) {
		const struct map_node *node = &d->nodes[i];
		buf_printf(out, "; %u at %.*s %.*s %s%s%s%s", node->index, (int)node->peer_address.size,
			   (const char *)node->peer_address.data, (int)node->zone.size,
			   (const char *)node->zone.data, states[node->state],
			   node->leave_staged  ? " to leave"
			   : node->keep_staged ? " to stay"
					       : "",
			   node->gone_staged ? " gone" : "", maps_is_dead(maps, &node->uuid) ? " dead" : "");
	}
	for (uint32_t i = 0; i < d->move_count; i++) {
		const struct map_move *move = &d->moves[i];
		buf_printf(out, "; move of %u:", move->partition);
		for (uint32_t j = 0; j < move->old_count; j++)
			buf_printf(out, " %u", move->old_row[j]);
		buf_append_str(out, " ->");
		for (uint32_t j = 0; j < move->new_count; j++)
			buf_printf(out, " %u", move->new_row[j]);
	}
	buf_append_str(out, "\n");
}
