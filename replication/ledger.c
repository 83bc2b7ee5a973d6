/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/ledger.h"

#include "replication/core.h"
#include "replication/ledger_row.h"

/** One row of the table. */
struct ledger_entry {
	struct hmap_node node;
	struct iheap_item end; /* key: milliseconds on the cluster's clock */
	uint16_t partition, leaf;
	uint32_t bucket;
	uint32_t size; /* of the row: key and value */
	size_t key_size;
	uint8_t key[]; /* of the row: the user's key and the version that lost */
};

/** Changes of one write, in the actions' memory. */
struct put_list {
	struct disk_put *items;
	uint32_t count, capacity;
};

/* ---- what is a loss ---- */

static bool same_content(const struct record *a, const struct record *b)
{
	return a->tombstone == b->tombstone && (a->tombstone || a->value_hash == b->value_hash);
}

/** One client's writes follow each other, in the order of the times it gave them. */
static bool is_sequel(const struct record *loser, const struct record *winner)
{
	return loser->rid.client == winner->rid.client && version_less(loser->org, winner->org);
}

/** An eventual value that is not in WINNER in any form. */
static bool is_lost(const struct record *loser, const struct record *winner)
{
	return !version_is_none(loser->ver) && !loser->strong && !version_equal(loser->org, winner->org) &&
	       !same_content(loser, winner) && !is_sequel(loser, winner);
}

enum ledger_cause ledger_judge_overwrite(const struct record *before, const struct record *after)
{
	if (!is_lost(before, after) || record_expired(before, after->ver.hlc))
		return 0;
	/* A result is what an update of the value before made of it: nothing is lost. */
	if (after->result != 0 && record_has_ancestor(after, before->ver))
		return 0;
	if (after->org.hlc >= before->org.hlc + hlc_from_ms(LEDGER_WINDOW_MS))
		return 0;
	return after->strong ? LEDGER_STRONG : LEDGER_OVERWRITTEN;
}

enum ledger_cause ledger_judge_late(const struct record *late, const struct record *here, hlc_t now)
{
	bool lost = is_lost(late, here) && version_less(late->ver, here->ver) && !record_expired(late, now) &&
		    !record_has_ancestor(here, late->ver);
	return lost ? LEDGER_LATE : 0;
}

/* ---- the index ---- */

static uint64_t entry_hash(uint32_t bucket, struct slice key) { return hash64_seeded(key, bucket); }

static struct ledger_entry *find_entry(const struct ledger *l, const struct disk_key *key)
{
	struct hmap_node *node = hmap_first_same(&l->entries, entry_hash(key->bucket, key->key));
	for (; node; node = hmap_next_same(node)) {
		struct ledger_entry *e = container_of(node, struct ledger_entry, node);
		if (e->bucket == key->bucket && slice_equal(slice_of(e->key, e->key_size), key->key))
			return e;
	}
	return NULL;
}

static void remember_entry(struct ledger *l, const struct disk_key *key, uint64_t ends_ms, uint32_t size)
{
	struct ledger_entry *e = xmalloc(sizeof *e + key->key.size);
	*e = (struct ledger_entry){.partition = key->partition,
				   .leaf = key->leaf,
				   .bucket = key->bucket,
				   .size = size,
				   .key_size = key->key.size};
	memcpy(e->key, key->key.data, key->key.size);
	hmap_add(&l->entries, &e->node, entry_hash(key->bucket, key->key));
	iheap_add(&l->by_end, &e->end, ends_ms);
	l->bytes += size;
	KV_ASSERT(l->entries.count == l->by_end.count);
}

static void forget_entry(struct ledger *l, struct ledger_entry *e)
{
	KV_ASSERT(l->bytes >= e->size);
	hmap_remove(&l->entries, &e->node);
	iheap_remove(&l->by_end, &e->end);
	l->bytes -= e->size;
	free(e);
}

static struct ledger_entry *first_to_end(const struct ledger *l)
{
	struct iheap_item *item = iheap_first(&l->by_end);
	return item ? container_of(item, struct ledger_entry, end) : NULL;
}

void ledger_forget(struct node_core *core, uint16_t partition)
{
	struct ledger *l = &core->ledger;
	struct hmap_node *node = hmap_first(&l->entries);
	while (node) {
		struct ledger_entry *e = container_of(node, struct ledger_entry, node);
		node = hmap_next(&l->entries, node);
		if (e->partition == partition)
			forget_entry(l, e);
	}
}

void ledger_release(struct node_core *core)
{
	struct ledger *l = &core->ledger;
	struct ledger_entry *e;
	while ((e = first_to_end(l)))
		forget_entry(l, e);
	hmap_release(&l->entries);
	iheap_release(&l->by_end);
	blob_unref(l->after_key);
	l->after_key = NULL;
}

/* ---- writing ---- */

static struct disk_put *add_put(struct node_core *core, struct put_list *list)
{
	if (list->count == list->capacity) {
		uint32_t capacity = MAX(list->capacity * 2, 4u);
		struct disk_put *items = actions_alloc(core->out, capacity * sizeof *items);
		if (list->count > 0)
			memcpy(items, list->items, list->count * sizeof *items);
		list->items = items;
		list->capacity = capacity;
	}
	return &list->items[list->count++];
}

static void remove_first(struct node_core *core, struct put_list *puts)
{
	struct ledger *l = &core->ledger;
	struct ledger_entry *e = first_to_end(l);
	*add_put(core, puts) = (struct disk_put){
		.key = {.table = DISK_LEDGER,
			.partition = e->partition,
			.leaf = e->leaf,
			.bucket = e->bucket,
			.key = actions_copy_slice(core->out, slice_of(e->key, e->key_size))},
		.remove = true,
	};
	forget_entry(l, e);
}

/** Drops entries until another of SIZE bytes, if not 0, has room. */
static void make_room(struct node_core *core, uint32_t size, struct put_list *puts)
{
	const struct ledger *l = &core->ledger;
	while (l->entries.count + (size > 0) > LEDGER_ENTRIES_MAX || l->bytes + size > LEDGER_BYTES_MAX) {
		remove_first(core, puts);
		core->stats.ledger_dropped++;
	}
}

static void count_added(struct node_core *core, enum ledger_cause cause)
{
	core->stats.ledger_added++;
	core->stats.ledger_late += cause == LEDGER_LATE;
	core->stats.ledger_overwritten += cause == LEDGER_OVERWRITTEN;
	core->stats.ledger_strong += cause == LEDGER_STRONG;
}

static uint64_t end_of(const struct node_core *core, const struct record *loser)
{
	uint64_t ends_ms = hlc_ms(core_clock(core)) + LEDGER_AGE_MS;
	return loser->expires_ms ? MIN(ends_ms, loser->expires_ms) : ends_ms;
}

/** Adds the entry of LOSER's value, which is WINNER's loss, to PUTS, with the removals that make room for it. */
static void add_entry(struct node_core *core, const struct slot *slot, const struct record *loser,
		      const struct record *winner, enum ledger_cause cause, struct put_list *puts)
{
	size_t name_size = slot->key->size + LEDGER_KEY_SUFFIX_SIZE;
	uint8_t *name = actions_alloc(core->out, name_size);
	ledger_key_encode(blob_slice(slot->key), loser->org, name);
	struct disk_key key = {.table = DISK_LEDGER,
			       .partition = slot->partition,
			       .leaf = slot->leaf,
			       .bucket = slot->bucket,
			       .key = slice_of(name, name_size)};
	if (find_entry(&core->ledger, &key))
		return;
	struct ledger_row row = {
		.cause = cause,
		.tombstone = loser->tombstone,
		.has_value = loser->has_value && loser->value.size <= LEDGER_VALUE_MAX,
		.winner = winner->org,
		.ends_ms = end_of(core, loser),
		.value_hash = loser->value_hash,
		.value_size = loser->value_size,
	};
	if (row.has_value)
		row.value = loser->value;
	uint8_t *value = actions_alloc(core->out, ledger_row_size(&row));
	ledger_row_encode(&row, value);
	uint32_t size = (uint32_t)(name_size + ledger_row_size(&row));
	make_room(core, size, puts);
	*add_put(core, puts) = (struct disk_put){.key = key, .value = slice_of(value, ledger_row_size(&row))};
	remember_entry(&core->ledger, &key, row.ends_ms, size);
	count_added(core, cause);
}

uint64_t ledger_write_over(struct node_core *core, const struct slot *slot, const struct record *before,
			   const struct record *after, const struct disk_put *puts, uint32_t count)
{
	enum ledger_cause cause = ledger_judge_overwrite(before, after);
	if (!cause)
		return core_write(core, puts, count);
	struct put_list list = {0};
	for (uint32_t i = 0; i < count; i++)
		*add_put(core, &list) = puts[i];
	add_entry(core, slot, before, after, cause, &list);
	return core_write(core, list.items, list.count);
}

void ledger_pushed_late(struct node_core *core, const struct slot *slot, const struct msg_replica *push)
{
	/* Replays and repairs, which nobody waits for, bring what some replica has: it judges when it loses it. */
	if (push->hinted || push->deadline_ms == 0)
		return;
	const struct key_state *k = &slot->key_state;
	enum ledger_cause cause = ledger_judge_late(&push->record, &k->rec, core_clock(core));
	/* What was stored here lately is the same message, or the same write, once more. */
	if (!cause || memories_have(&k->mem, push->record.ver))
		return;
	struct put_list puts = {0};
	add_entry(core, slot, &push->record, &k->rec, cause, &puts);
	if (puts.count > 0)
		core_write(core, puts.items, puts.count);
}

void ledger_tick(struct node_core *core)
{
	uint64_t now_ms = hlc_ms(core_clock(core));
	struct put_list puts = {0};
	const struct ledger_entry *e;
	while (puts.count < LEDGER_SWEEP_ITEMS && (e = first_to_end(&core->ledger)) && e->end.key <= now_ms) {
		remove_first(core, &puts);
		core->stats.ledger_expired++;
	}
	if (puts.count > 0)
		core_write(core, puts.items, puts.count);
}

/* ---- loading ---- */

static void load_page(struct node_core *core)
{
	struct ledger *l = &core->ledger;
	struct disk_scan scan = {.table = DISK_LEDGER,
				 .partition = (uint16_t)l->load_partition,
				 .has_after = l->has_after,
				 .after = l->after,
				 .rows_max = LEDGER_LOAD_ITEMS,
				 .bytes_max = SCAN_SIZE_MAX};
	actions_hold(core->out, l->after_key);
	core_scan(core, WAIT_LEDGER_LOAD, NULL, &scan);
}

void ledger_set_map(struct node_core *core)
{
	struct ledger *l = &core->ledger;
	if (l->load_begun)
		return;
	l->load_begun = true;
	l->load_partition = core->config.shard;
	if (l->load_partition < core->map->desc.partitions)
		load_page(core);
}

static bool load_row(struct node_core *core, const struct disk_row *in)
{
	struct ledger_row row;
	struct slice key;
	struct version loser;
	if (!ledger_key_decode(in->key.key, &key, &loser) || ledger_row_decode(in->value, &row) != KV_OK)
		return false;
	if (!find_entry(&core->ledger, &in->key))
		remember_entry(&core->ledger, &in->key, row.ends_ms, (uint32_t)(in->key.key.size + in->value.size));
	return true;
}

static void remember_after(struct ledger *l, const struct disk_key *key)
{
	struct blob *name = blob_new(key->key);
	KV_ASSERT(name);
	blob_unref(l->after_key);
	l->after_key = name;
	l->after = *key;
	l->after.key = blob_slice(name);
	l->has_after = true;
}

void ledger_loaded(struct node_core *core, const struct disk_row *rows, uint32_t count, bool done)
{
	struct ledger *l = &core->ledger;
	for (uint32_t i = 0; i < count; i++) {
		if (load_row(core, &rows[i]))
			continue;
		core_stop(core, KV_CORRUPT, "a stored ledger entry does not match its checksum; replace this node");
		return;
	}
	struct put_list puts = {0};
	make_room(core, /* size= */ 0, &puts);
	if (puts.count > 0)
		core_write(core, puts.items, puts.count);
	if (count > 0)
		remember_after(l, &rows[count - 1].key);
	if (done) {
		l->load_partition += core->config.shard_count;
		l->has_after = false;
	}
	if (l->load_partition < core->map->desc.partitions)
		load_page(core);
}
