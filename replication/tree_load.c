/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a tree comes to be known: by its rows, or, if they are not complete, by reading the partition's records in their order
 * while they change.
 *
 * Building keeps a cursor. A change of a key up to it changes the leaf. A change behind it is noted: a page read from the disk
 * shows what was durable when it was asked for and perhaps more, so for keys noted since, or noted before and not durable then,
 * the note counts and the page does not.
 */
#include "base/bytes.h"
#include "base/mutant.h"
#include "replication/tree_inside.h"

/* ---- order of keys ---- */

static int key_compare(const struct disk_key *a, const struct disk_key *b)
{
	if (a->leaf != b->leaf)
		return a->leaf < b->leaf ? -1 : 1;
	if (a->bucket != b->bucket)
		return a->bucket < b->bucket ? -1 : 1;
	return slice_compare(a->key, b->key);
}

/* ---- keys that changed behind the cursor ---- */

static struct tree_touched *find_touched(const struct tree_build *b, const struct disk_key *key)
{
	struct hmap_node *node = hmap_first_same(&b->touched, hash64_seeded(key->key, key->bucket));
	for (; node; node = hmap_next_same(node)) {
		struct tree_touched *k = container_of(node, struct tree_touched, node);
		if (k->bucket == key->bucket && slice_equal(blob_slice(k->key), key->key))
			return k;
	}
	return NULL;
}

static void forget_touched(struct tree_build *b, struct tree_touched *k)
{
	hmap_remove(&b->touched, &k->node);
	blob_unref(k->key);
	free(k);
}

static void note_touched(struct node_core *core, struct tree_build *b, const struct disk_key *key,
			 const struct tree_item *item)
{
	struct tree_touched *k = find_touched(b, key);
	if (!k) {
		k = xcalloc(1, sizeof *k);
		k->leaf = key->leaf;
		k->bucket = key->bucket;
		k->key = blob_new(key->key);
		KV_ASSERT(k->key);
		hmap_add(&b->touched, &k->node, hash64_seeded(key->key, key->bucket));
	}
	k->item = *item;
	k->token = core->write_issued + 1;
}

void tree_build_change(struct node_core *core, struct tree *t, const struct disk_key *key,
		       const struct tree_item *before, const struct tree_item *after)
{
	struct tree_build *b = t->build;
	KV_ASSERT(t->state == TREE_BUILDING && b);
	if (!b->has_cursor || key_compare(key, &b->cursor) > 0) {
		note_touched(core, b, key, after);
		return;
	}
	COVER(tree_changes_before_cursor);
	tree_take(t, key->leaf, before);
	tree_add(t, key->leaf, after);
}

void tree_build_free(struct tree *t)
{
	struct tree_build *b = t->build;
	if (!b)
		return;
	struct hmap_node *node;
	while ((node = hmap_first(&b->touched)))
		forget_touched(b, container_of(node, struct tree_touched, node));
	hmap_release(&b->touched);
	blob_unref(b->cursor_key);
	free(b);
	t->build = NULL;
}

/* ---- scans ---- */

static void start_scan(struct node_core *core, struct tree *t, const struct disk_scan *scan)
{
	KV_ASSERT(!t->scanning);
	t->scanning = true;
	t->scan_outdated = false;
	core->trees.scanning++;
	core_scan(core, WAIT_TREE_SCAN, t, scan);
}

static void load(struct node_core *core, struct tree *t)
{
	KV_ASSERT(t->state == TREE_WAITING && core->trees.waiting > 0);
	core->trees.waiting--;
	t->state = TREE_LOADING;
	struct disk_scan scan = {.table = DISK_TREE,
				 .partition = t->partition,
				 .rows_max = LEAVES_PER_PARTITION + 2,
				 .bytes_max = SCAN_SIZE_MAX};
	start_scan(core, t, &scan);
}

void tree_load_now(struct node_core *core, struct tree *t)
{
	if (t->state == TREE_WAITING && !t->scanning)
		load(core, t);
}

/** Once durable, what a note tells is in every page that is read from now on. */
static void drop_durable(const struct node_core *core, struct tree_build *b)
{
	struct hmap_node *node = hmap_first(&b->touched);
	while (node) {
		struct tree_touched *k = container_of(node, struct tree_touched, node);
		node = hmap_next(&b->touched, node);
		if (k->token <= core->write_done)
			forget_touched(b, k);
	}
}

void tree_build_page(struct node_core *core, struct tree *t, uint32_t rows_max)
{
	struct tree_build *b = t->build;
	drop_durable(core, b);
	struct disk_scan scan = {.table = DISK_DATA,
				 .partition = t->partition,
				 .has_after = b->has_cursor,
				 .after = b->cursor,
				 .rows_max = BUGGIFY(core, tree_page_short) ? 1 : rows_max,
				 .bytes_max = SCAN_SIZE_MAX};
	actions_hold(core->out, b->cursor_key);
	start_scan(core, t, &scan);
}

void tree_build_begin(struct node_core *core, struct tree *t)
{
	KV_ASSERT(t->keys == 0 && !t->build);
	t->state = TREE_BUILDING;
	t->build = xcalloc(1, sizeof *t->build);
	t->build->barrier = core->write_issued;
}

bool tree_may_build(const struct node_core *core, const struct tree *t)
{
	return t->state == TREE_BUILDING && !t->scanning && t->build->barrier <= core->write_done;
}

void trees_tick(struct node_core *core)
{
	struct trees *trees = &core->trees;
	uint32_t steps = trees->count / core->config.shard_count + 1;
	bool busy = trees->waiting + trees->building > 0;
	for (uint32_t i = 0; busy && i < steps && trees->scanning < TREE_SCANS_MAX; i++) {
		struct tree *t = trees->of[trees->next];
		trees->next += core->config.shard_count;
		if (trees->next >= trees->count)
			trees->next = core->config.shard;
		if (!t || t->scanning)
			continue;
		if (t->state == TREE_WAITING)
			load(core, t);
		else if (tree_may_build(core, t) && !core_yields(core))
			tree_build_page(core, t, TREE_BUILD_ROWS);
	}
}

/* ---- what a scan found ---- */

static void clear_leaves(struct tree *t)
{
	memset(t->leaves, 0, sizeof t->leaves);
	t->keys = t->bytes = t->tombstones = 0;
	t->root_known = false;
}

static bool take_leaf_row(struct tree *t, const struct disk_row *row)
{
	uint16_t leaf = row->key.leaf;
	struct tree_leaf l;
	if (leaf >= LEAVES_PER_PARTITION)
		return false;
	t->had_row[leaf / 8] |= (uint8_t)(1u << leaf % 8);
	if (!tree_leaf_parse(row->value, &l))
		return false;
	t->leaves[leaf] = l;
	t->keys += l.keys;
	t->bytes += l.bytes;
	t->tombstones += l.tombstones;
	return true;
}

static void loaded(struct node_core *core, struct tree *t, const struct disk_row *rows, uint32_t count, bool done)
{
	bool complete = false, good = done;
	for (uint32_t i = 0; i < count; i++) {
		if (rows[i].key.leaf == TREE_MARK_LEAF)
			complete = rows[i].value.size == 1 && rows[i].value.data[0] == TREE_MARK_FORMAT;
		else
			good &= take_leaf_row(t, &rows[i]);
	}
	if (complete && good && !COVER_IF(t->spoiled, tree_spoiled)) {
		t->state = TREE_READY;
		return;
	}
	clear_leaves(t);
	core->trees.building++;
	COVER(tree_built);
	tree_build_begin(core, t);
}

/** All leaves and the mark in one write: later ones find the rows complete. */
static void finish_build(struct node_core *core, struct tree *t)
{
	KV_ASSERT(t->build->touched.count == 0);
	tree_build_free(t);
	struct disk_put *puts = actions_alloc(core->out, (LEAVES_PER_PARTITION + 1) * sizeof puts[0]);
	uint32_t count = 0;
	for (uint16_t leaf = 0; leaf < LEAVES_PER_PARTITION; leaf++) {
		bool had_row = t->had_row[leaf / 8] & 1u << leaf % 8;
		if (had_row || t->leaves[leaf].keys > 0)
			puts[count++] = tree_leaf_put(core, t, leaf);
	}
	puts[count++] = tree_mark_put(core, t->partition, /* remove= */ false);
	core_write(core, puts, count);
	core->trees.building--;
	t->state = TREE_READY;
	t->spoiled = false;
}

static bool add_row(struct tree *t, const struct disk_row *row)
{
	struct record rec;
	if (record_peek(row->value, &rec) != KV_OK)
		return false;
	struct tree_item item = {
		.hash = tree_hash(row->key.bucket, row->key.key, rec.ver, rec.tombstone),
		.size = row->key.key.size + row->value.size,
		.tombstone = rec.tombstone,
		.weak = rec.weak,
		.ending = !rec.tombstone && rec.expires_ms != 0,
	};
	tree_add(t, row->key.leaf, &item);
	return true;
}

static void move_cursor(struct tree_build *b, const struct disk_key *key)
{
	struct blob *name = blob_new(key->key);
	KV_ASSERT(name);
	blob_unref(b->cursor_key);
	b->cursor_key = name;
	b->cursor = *key;
	b->cursor.key = blob_slice(name);
	b->has_cursor = true;
}

/** Notes of keys up to LAST, all if NULL, are counted: the page did not. */
static void count_touched(struct tree *t, const struct disk_key *last)
{
	struct hmap_node *node = hmap_first(&t->build->touched);
	while (node) {
		struct tree_touched *k = container_of(node, struct tree_touched, node);
		node = hmap_next(&t->build->touched, node);
		struct disk_key key = {.leaf = k->leaf, .bucket = k->bucket, .key = blob_slice(k->key)};
		if (last && key_compare(&key, last) > 0)
			continue;
		COVER(tree_counts_touched);
		tree_add(t, k->leaf, &k->item);
		forget_touched(t->build, k);
	}
}

static void built_page(struct node_core *core, struct tree *t, const struct disk_row *rows, uint32_t count,
		       bool done)
{
	KV_ASSERT(done || count > 0);
	for (uint32_t i = 0; i < count; i++) {
		if (!MUTANT(treetwice) && find_touched(t->build, &rows[i].key))
			continue;
		if (!add_row(t, &rows[i])) {
			core->stats.records_corrupt++;
			core_stop(core, KV_CORRUPT, RECORD_CORRUPT_TEXT);
			return;
		}
	}
	count_touched(t, done ? NULL : &rows[count - 1].key);
	if (!done)
		move_cursor(t->build, &rows[count - 1].key);
	if (t->is_shadow)
		scrub_read(core, t, count, done);
	else if (done)
		finish_build(core, t);
}

void tree_scan_done(struct node_core *core, struct tree *t, const struct disk_row *rows, uint32_t count, bool done)
{
	KV_ASSERT(t->scanning && core->trees.scanning > 0);
	t->scanning = false;
	core->trees.scanning--;
	if (t->state == TREE_AWAY && t->is_shadow) {
		COVER(scrub_given_up);
	} else if (t->state == TREE_AWAY) {
		core->trees.of[t->partition] = NULL;
		free(t);
	} else if (t->scan_outdated) {
		t->scan_outdated = false;
	} else if (t->state == TREE_LOADING) {
		loaded(core, t, rows, count, done);
	} else {
		KV_ASSERT(t->state == TREE_BUILDING);
		built_page(core, t, rows, count, done);
	}
	trees_tick(core);
}
