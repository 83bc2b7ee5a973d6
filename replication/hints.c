/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/hints.h"

#include "base/bytes.h"
#include "replication/core.h"
#include "replication/hint_hand.h"
#include "replication/hint_push.h"
#include "replication/hint_replay.h"

enum { HINT_VALUE_SIZE = 33, HINT_FLAG_STRONG = 2, HINT_FLAG_TOMBSTONE = 4 };

struct hint_target *hints_target(struct node_core *core, node_id node)
{
	KV_ASSERT(node < NODES_MAX && node != core->self);
	struct hint_target **at = &core->hints.targets[node];
	if (!*at) {
		*at = xcalloc(1, sizeof **at);
		(*at)->node = node;
		ilist_init(&(*at)->rows);
		core->hints.targets_end = MAX(core->hints.targets_end, (node_id)(node + 1));
	}
	return *at;
}

/* ---- two sets of partitions ---- */

static bool bit_is_set(const uint8_t *bits, uint32_t at) { return bits[at / 8] & 1u << at % 8; }

static void bit_flip(uint8_t *bits, uint32_t *count, uint32_t at)
{
	bits[at / 8] = (uint8_t)(bits[at / 8] ^ 1u << at % 8);
	*count = bit_is_set(bits, at) ? *count + 1 : *count - 1;
}

bool hints_is_dirty(const struct hint_target *t, uint32_t partition) { return bit_is_set(t->dirty, partition); }

bool hints_is_keyed(const struct hint_target *t, uint32_t partition) { return bit_is_set(t->keyed, partition); }

void hints_set_keyed(struct hint_target *t, uint32_t partition, bool keyed)
{
	KV_ASSERT(partition < PARTITIONS_MAX);
	if (hints_is_keyed(t, partition) != keyed)
		bit_flip(t->keyed, &t->keyed_count, partition);
}

static void write_mark(struct node_core *core, const struct hint_target *t, uint32_t partition, bool dirty)
{
	struct disk_put put = {
		.key = {.table = DISK_HINT,
			.target = t->node,
			.partition = (uint16_t)partition,
			.leaf = HINT_MARK_LEAF,
			.key = slice_str("dirty")},
		.remove = !dirty,
	};
	core_write(core, &put, 1);
}

void hints_found_mark(struct hint_target *t, uint32_t partition)
{
	if (!hints_is_dirty(t, partition))
		bit_flip(t->dirty, &t->dirty_count, partition);
}

void hints_set_dirty(struct node_core *core, struct hint_target *t, uint32_t partition, bool dirty)
{
	KV_ASSERT(partition < PARTITIONS_MAX);
	/* What is missed while the partition's records are pushed may lie behind the scan. */
	if (dirty && t->whole && t->partition == partition)
		t->whole_failed = true;
	if (hints_is_dirty(t, partition) == dirty)
		return;
	bit_flip(t->dirty, &t->dirty_count, partition);
	write_mark(core, t, partition, dirty);
}

/* ---- the map ---- */

void hints_set_map(struct node_core *core)
{
	const struct map_desc *d = &core->map->desc;
	for (uint32_t i = 0; i < d->node_count; i++) {
		node_id node = d->nodes[i].index;
		if (node == core->self || core->hints.targets[node])
			continue;
		hint_replay_count(core, hints_target(core, node));
	}
}

static bool owe_others(const struct node_core *core, const struct row *row, node_id but, uint32_t partition)
{
	for (uint32_t i = 0; i < row->count; i++) {
		if (row->nodes[i] != but && hints_owe_node(core, row->nodes[i], partition))
			return true;
	}
	return false;
}

static void row_changed(struct node_core *core, uint16_t partition, const struct row *old, const struct row *row)
{
	int own = row_position(row, core->self);
	if (own < 0 || !(row->old & 1u << own) || row_position(old, core->self) < 0)
		return;
	for (uint32_t i = 0; i < row->count; i++) {
		node_id node = row->nodes[i];
		if (node == core->self || row_position(old, node) >= 0)
			continue;
		/* It copies from one member, who may be the one that misses what this node has acknowledged. */
		if (!COVER_IF(owe_others(core, row, node, partition), hint_for_new_member))
			continue;
		staleness_hinted(core, node, /* since_us= */ 0);
		hints_set_dirty(core, hints_target(core, node), partition, true);
	}
}

void hints_map_changed(struct node_core *core, const struct cluster_map *before)
{
	uint32_t shards = core->config.shard_count;
	for (uint32_t p = core->config.shard; before && p < core->map->desc.partitions; p += shards) {
		struct row old = cluster_map_row(before, (uint16_t)p);
		struct row row = cluster_map_row(core->map, (uint16_t)p);
		if (old.config_epoch != row.config_epoch)
			row_changed(core, (uint16_t)p, &old, &row);
	}
}

void hints_release(struct node_core *core)
{
	hint_push_release(core);
	hint_replay_release(core);
	for (size_t i = 0; i < NODES_MAX; i++) {
		struct hint_target *t = core->hints.targets[i];
		if (!t)
			continue;
		blob_unref(t->after_key);
		free(t);
	}
}

/* ---- what is owed ---- */

uint64_t hints_pending(const struct node_core *core, node_id target)
{
	return core->hints.targets[target] ? core->hints.targets[target]->pending : 0;
}

uint32_t hints_dirty(const struct node_core *core, node_id target)
{
	return core->hints.targets[target] ? core->hints.targets[target]->dirty_count : 0;
}

bool hints_are_counted(const struct node_core *core, node_id target)
{
	const struct hint_target *t = core->hints.targets[target];
	return t && t->phase != HINT_COUNTING;
}

bool hints_are_delivered(const struct node_core *core, node_id target)
{
	const struct hint_target *t = core->hints.targets[target];
	return t && t->phase == HINT_IDLE && t->pending == 0 && t->keyed_count == 0 && t->dirty_count == 0 &&
	       t->in_flight == 0;
}

bool hints_owe_node(const struct node_core *core, node_id node, uint32_t partition)
{
	const struct hint_target *t = core->hints.targets[node];
	if (!t)
		return false;
	bool under_way = t->phase != HINT_IDLE && t->phase != HINT_COUNTING && t->partition == partition;
	bool unknown = t->phase == HINT_COUNTING && t->partition <= partition;
	return under_way || unknown || hints_is_keyed(t, partition) || hints_is_dirty(t, partition);
}

bool hints_owe(const struct node_core *core, uint16_t partition)
{
	for (node_id i = 0; i < core->hints.targets_end; i++) {
		if (hints_owe_node(core, i, partition))
			return true;
	}
	return false;
}

static bool has_partitions(const struct node_core *core)
{
	uint32_t shards = core->config.shard_count;
	for (uint32_t p = core->config.shard; p < core->map->desc.partitions; p += shards) {
		struct row row = cluster_map_row(core->map, (uint16_t)p);
		if (row_position(&row, core->self) >= 0)
			return true;
	}
	return false;
}

bool hints_are_drained(const struct node_core *core)
{
	const struct map_node *self = core->map ? cluster_map_node(core->map, core->self) : NULL;
	if (!self || self->state != NODE_LEAVING || has_partitions(core) || !leaving_is_done(core))
		return false;
	for (node_id i = 0; i < core->hints.targets_end; i++) {
		if (core->hints.targets[i] && !hints_are_delivered(core, i))
			return false;
	}
	return true;
}

/* ---- rows ---- */

bool hints_parse(struct slice value, struct version *ret_ver, hlc_t *ret_created)
{
	if (value.size < HINT_VALUE_SIZE)
		return false;
	*ret_ver = (struct version){load_le64(value.data), load_le64(value.data + 8)};
	*ret_created = load_le64(value.data + 16);
	return true;
}

static uint64_t recent_hash(uint32_t bucket, struct slice key) { return hash64_seeded(key, bucket) | 1; }

static uint64_t *recent_place(struct hint_target *t, uint32_t bucket, struct slice key)
{
	return &t->recent[(recent_hash(bucket, key) >> 1) % HINT_RECENT_COUNT];
}

static bool is_removed(const struct node_core *core, node_id node)
{
	const struct map_node *n = cluster_map_node(core->map, node);
	return !n || n->state == NODE_REMOVED;
}

void hints_add(struct node_core *core, node_id target, uint16_t partition, uint16_t leaf, uint32_t bucket,
	       struct slice key, struct version ver, bool strong, bool tombstone)
{
	KV_ASSERT(target != core->self);
	if (is_removed(core, target))
		return; /* rows may still name it; it never comes back */
	struct hint_target *t = hints_target(core, target);
	if (t->pending >= core->config.hints_max) {
		core->stats.hints_overflowed++;
		hints_set_dirty(core, t, partition, true);
		return;
	}
	hint_replay_renew(core, t, partition, bucket, key, ver);
	uint8_t *value = actions_alloc(core->out, HINT_VALUE_SIZE);
	store_le64(value, ver.hlc);
	store_le64(value + 8, ver.id);
	store_le64(value + 16, core_clock(core));
	value[24] = (uint8_t)((strong ? HINT_FLAG_STRONG : 0) | (tombstone ? HINT_FLAG_TOMBSTONE : 0));
	store_le64(value + 25, core->map->desc.epoch);
	struct disk_put put = {
		.key = {.table = DISK_HINT,
			.target = target,
			.partition = partition,
			.leaf = leaf,
			.bucket = bucket,
			.key = actions_copy_slice(core->out, key)},
		.value = slice_of(value, HINT_VALUE_SIZE),
	};
	core_write(core, &put, 1);
	core->stats.hints_written++;
	hints_set_keyed(t, partition, true);
	uint64_t *recent = recent_place(t, bucket, key);
	uint64_t hash = recent_hash(bucket, key);
	if (*recent == hash)
		return; /* the same row again */
	*recent = hash;
	t->pending++;
	t->added++;
}

void hints_remove(struct node_core *core, struct hint_target *t, const struct disk_key *key)
{
	uint64_t *recent = recent_place(t, key->bucket, key->key);
	if (*recent == recent_hash(key->bucket, key->key))
		*recent = 0;
	struct disk_put put = {.key = *key, .remove = true};
	put.key.table = DISK_HINT;
	put.key.target = t->node;
	put.key.key = actions_copy_slice(core->out, key->key);
	core_write(core, &put, 1);
}
