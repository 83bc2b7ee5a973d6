/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/tree.h"

#include "base/bytes.h"
#include "base/mutant.h"
#include "replication/tree_inside.h"

enum { TREE_ROW_SIZE = 32 };

uint64_t tree_hash(uint32_t bucket, struct slice key, struct version ver, bool tombstone)
{
	uint64_t seed = hash_u64(ver.hlc ^ hash_u64(ver.id ^ hash_u64((uint64_t)bucket << 1 | tombstone)));
	return hash64_seeded(key, seed);
}

static bool is_ready(const struct tree *t)
{
	return t && (t->state == TREE_READY || (MUTANT(treeunready) && t->state == TREE_BUILDING));
}

/* ---- leaves ---- */

void tree_add(struct tree *t, uint16_t leaf, const struct tree_item *item)
{
	KV_ASSERT(leaf < LEAVES_PER_PARTITION);
	if (item->size == 0)
		return;
	struct tree_leaf *l = &t->leaves[leaf];
	l->hash ^= item->hash;
	l->bytes += item->size;
	l->keys++;
	l->tombstones += item->tombstone;
	l->weak += item->weak;
	l->ending += item->ending;
	t->keys++;
	t->bytes += item->size;
	t->tombstones += item->tombstone;
	t->root_known = false;
}

void tree_take(struct tree *t, uint16_t leaf, const struct tree_item *item)
{
	KV_ASSERT(leaf < LEAVES_PER_PARTITION);
	if (item->size == 0 || MUTANT(treehalf))
		return;
	struct tree_leaf *l = &t->leaves[leaf];
	KV_ASSERT(l->keys > 0 && l->bytes >= item->size);
	KV_ASSERT(l->tombstones >= item->tombstone && l->weak >= item->weak && l->ending >= item->ending);
	l->hash ^= item->hash;
	l->bytes -= item->size;
	l->keys--;
	l->tombstones -= item->tombstone;
	l->weak -= item->weak;
	l->ending -= item->ending;
	t->keys--;
	t->bytes -= item->size;
	t->tombstones -= item->tombstone;
	t->root_known = false;
}

struct disk_put tree_leaf_put(struct node_core *core, const struct tree *t, uint16_t leaf)
{
	const struct tree_leaf *l = &t->leaves[leaf];
	struct disk_put put = {.key = {.table = DISK_TREE, .partition = t->partition, .leaf = leaf}};
	put.remove = l->keys == 0;
	if (put.remove)
		return put;
	uint8_t *bytes = actions_alloc(core->out, TREE_ROW_SIZE);
	store_le64(bytes, l->hash);
	store_le64(bytes + 8, l->bytes);
	store_le32(bytes + 16, l->keys);
	store_le32(bytes + 20, l->tombstones);
	store_le32(bytes + 24, l->weak);
	store_le32(bytes + 28, l->ending);
	put.value = slice_of(bytes, TREE_ROW_SIZE);
	return put;
}

struct disk_put tree_mark_put(struct node_core *core, uint16_t partition, bool remove)
{
	struct disk_put put = {.key = {.table = DISK_TREE, .partition = partition, .leaf = TREE_MARK_LEAF}};
	put.remove = remove;
	uint8_t *format = actions_alloc(core->out, 1);
	*format = TREE_MARK_FORMAT;
	if (!remove)
		put.value = slice_of(format, 1);
	return put;
}

bool tree_leaf_parse(struct slice value, struct tree_leaf *ret)
{
	struct reader in = reader_of(value);
	struct tree_leaf l;
	l.hash = reader_le64(&in);
	l.bytes = reader_le64(&in);
	l.keys = reader_le32(&in);
	l.tombstones = reader_le32(&in);
	l.weak = reader_le32(&in);
	l.ending = reader_le32(&in);
	if (in.failed || in.rest.size > 0 || l.keys == 0 || l.tombstones > l.keys || l.weak > l.keys ||
	    l.ending > l.keys)
		return false;
	*ret = l;
	return true;
}

/* ---- changes ---- */

static struct tree_item item_of(const struct slot *slot, const struct record *rec)
{
	if (!rec || version_is_none(rec->ver))
		return (struct tree_item){0};
	return (struct tree_item){
		.hash = tree_hash(slot->bucket, blob_slice(slot->key), rec->ver, rec->tombstone),
		.size = slot->key->size + record_size(rec),
		.tombstone = rec->tombstone,
		.weak = rec->weak,
		.ending = !rec->tombstone && rec->expires_ms != 0,
	};
}

static bool is_known(const struct tree *t) { return t && (t->state == TREE_BUILDING || t->state == TREE_READY); }

bool tree_takes(struct node_core *core, uint16_t partition)
{
	struct tree *t = tree_at(core, partition);
	if (!t)
		return false;
	tree_load_now(core, t);
	return is_known(t);
}

void tree_put(struct node_core *core, const struct slot *slot, const struct record *before,
	      const struct record *after, struct disk_put *puts, uint32_t *count)
{
	struct tree *t = tree_at(core, slot->partition);
	if (!is_known(t)) {
		/* What is on disk, if anything, is wrong from this write on. */
		if (t)
			t->spoiled = true;
		puts[(*count)++] = tree_mark_put(core, slot->partition, /* remove= */ true);
		return;
	}
	struct tree_item out = item_of(slot, before), in = item_of(slot, after);
	struct disk_key key = {.leaf = slot->leaf, .bucket = slot->bucket, .key = blob_slice(slot->key)};
	if (t->state == TREE_BUILDING) {
		tree_build_change(core, t, &key, &out, &in);
		return;
	}
	if (t->shadow)
		tree_build_change(core, t->shadow, &key, &out, &in);
	tree_take(t, slot->leaf, &out);
	tree_add(t, slot->leaf, &in);
	puts[(*count)++] = tree_leaf_put(core, t, slot->leaf);
}

/* ---- what it says ---- */

bool tree_is_ready(const struct node_core *core, uint16_t partition) { return is_ready(tree_at(core, partition)); }

const struct tree_leaf *tree_leaves(const struct node_core *core, uint16_t partition)
{
	const struct tree *t = tree_at(core, partition);
	return is_ready(t) ? t->leaves : NULL;
}

uint64_t tree_root(struct node_core *core, uint16_t partition)
{
	struct tree *t = tree_at(core, partition);
	KV_ASSERT(is_ready(t));
	if (t->root_known)
		return t->root;
	uint8_t *hashes = actions_alloc(core->out, LEAVES_PER_PARTITION * sizeof(uint64_t));
	for (uint32_t i = 0; i < LEAVES_PER_PARTITION; i++)
		store_le64(hashes + i * sizeof(uint64_t), t->leaves[i].hash);
	t->root = hash64(slice_of(hashes, LEAVES_PER_PARTITION * sizeof(uint64_t)));
	t->root_known = true;
	return t->root;
}

bool tree_totals(const struct node_core *core, uint16_t partition, uint64_t *ret_keys, uint64_t *ret_bytes,
		 uint64_t *ret_tombstones)
{
	const struct tree *t = tree_at(core, partition);
	if (!is_ready(t))
		return false;
	if (ret_keys)
		*ret_keys = t->keys;
	if (ret_bytes)
		*ret_bytes = t->bytes;
	if (ret_tombstones)
		*ret_tombstones = t->tombstones;
	return true;
}

uint32_t trees_building(const struct node_core *core)
{
	uint32_t building = 0;
	for (uint32_t p = core->config.shard; p < core->trees.count; p += core->config.shard_count)
		building += core->trees.of[p] && core->trees.of[p]->state != TREE_READY;
	return building;
}

/* ---- life ---- */

/** Back to nothing known, in STATE. */
static void forget(struct node_core *core, struct tree *t, enum tree_state state)
{
	core->trees.waiting -= t->state == TREE_WAITING;
	core->trees.building -= t->state == TREE_BUILDING;
	core->trees.waiting += state == TREE_WAITING;
	tree_build_free(t);
	if (t->shadow) {
		t->shadow->state = TREE_AWAY;
		t->shadow = NULL;
	}
	memset(t->leaves, 0, sizeof t->leaves);
	memset(t->had_row, 0, sizeof t->had_row);
	t->keys = t->bytes = t->tombstones = 0;
	t->root_known = false;
	t->spoiled = false;
	t->scan_outdated = t->scanning;
	t->state = state;
}

static void leave(struct node_core *core, struct tree *t)
{
	forget(core, t, TREE_AWAY);
	if (t->scanning)
		return;
	core->trees.of[t->partition] = NULL;
	free(t);
}

static bool is_member(const struct node_core *core, uint16_t partition)
{
	struct row row = cluster_map_row(core->map, partition);
	return row_position(&row, core->self) >= 0;
}

void tree_clear(struct node_core *core, uint16_t partition)
{
	struct tree *t = tree_at(core, partition);
	if (!t)
		return;
	if (!is_member(core, partition)) {
		leave(core, t);
		return;
	}
	COVER(tree_cleared);
	forget(core, t, TREE_READY);
	struct disk_put mark = tree_mark_put(core, partition, /* remove= */ false);
	core_write(core, &mark, 1);
}

void trees_set_map(struct node_core *core)
{
	struct trees *trees = &core->trees;
	uint32_t partitions = core->map->desc.partitions;
	KV_ASSERT(!trees->of || trees->count == partitions);
	if (!trees->of)
		trees->of = xcalloc(partitions, sizeof trees->of[0]);
	if (trees->count == 0)
		trees->next = core->config.shard;
	trees->count = partitions;
	for (uint32_t p = core->config.shard; p < partitions; p += core->config.shard_count) {
		if ((trees->of[p] && trees->of[p]->state != TREE_AWAY) || !is_member(core, (uint16_t)p))
			continue;
		if (!trees->of[p])
			trees->of[p] = xcalloc(1, sizeof *trees->of[p]);
		trees->of[p]->partition = (uint16_t)p;
		trees->of[p]->state = TREE_AWAY;
		forget(core, trees->of[p], TREE_WAITING);
	}
	trees_tick(core);
}

void trees_release(struct node_core *core)
{
	for (uint32_t p = 0; p < core->trees.count; p++) {
		struct tree *t = core->trees.of[p];
		if (!t)
			continue;
		tree_build_free(t);
		free(t);
	}
	free(core->trees.of);
	core->trees = (struct trees){0};
}
