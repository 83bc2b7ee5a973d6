/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/partition.h"

#include "base/bytes.h"
#include "base/cover.h"
#include "base/mutant.h"
#include "replication/core.h"

enum {
	ROW_FORMAT = 1,
	ROW_HEAD_SIZE = 60,
	ROW_SUM_SIZE = 8,
	NAME_PREFIX_SIZE = 10,
	NAME_SIZE = NAME_PREFIX_SIZE + 4,
	LOAD_ITEMS = 256,
};

static const char name_prefix[] = "partition/";

_Static_assert(sizeof name_prefix - 1 == NAME_PREFIX_SIZE, "the prefix as counted");
_Static_assert(CURSOR_SIZE_MAX <= UINT16_MAX, "a cursor's size fits its field");

/* ---- rows as bytes ---- */

static void store_version(uint8_t *at, struct version v)
{
	store_le64(at, v.hlc);
	store_le64(at + 8, v.id);
}

static struct version reader_version(struct reader *r)
{
	struct version v = {.hlc = reader_le64(r)};
	v.id = reader_le64(r);
	return v;
}

static struct slice row_encode(struct node_core *core, const struct partition *p)
{
	size_t cursor_size = p->cursor ? p->cursor->size : 0;
	size_t sum_at = ROW_HEAD_SIZE + cursor_size;
	uint8_t *row = actions_alloc(core->out, sum_at + ROW_SUM_SIZE);
	row[0] = ROW_FORMAT;
	row[1] = (uint8_t)p->stage;
	store_le16(row + 2, (uint16_t)cursor_size);
	store_version(row + 4, p->seal);
	store_version(row + 20, p->drop);
	memcpy(row + 36, p->session.bytes, sizeof p->session.bytes);
	store_le64(row + 52, p->joined);
	if (cursor_size > 0)
		memcpy(row + ROW_HEAD_SIZE, p->cursor->data, cursor_size);
	store_le64(row + sum_at, hash64(slice_of(row, sum_at)));
	return slice_of(row, sum_at + ROW_SUM_SIZE);
}

static bool row_decode(struct slice bytes, struct partition *ret)
{
	if (bytes.size < ROW_HEAD_SIZE + ROW_SUM_SIZE)
		return false;
	size_t sum_at = bytes.size - ROW_SUM_SIZE;
	struct reader r = reader_of(slice_of(bytes.data, sum_at));
	uint8_t format = reader_u8(&r), stage = reader_u8(&r);
	uint16_t cursor_size = reader_le16(&r);
	struct partition p = {.stage = (enum move_stage)stage};
	p.seal = reader_version(&r);
	p.drop = reader_version(&r);
	memcpy(p.session.bytes, reader_take(&r, sizeof p.session.bytes), sizeof p.session.bytes);
	p.joined = reader_le64(&r);
	if (format != ROW_FORMAT || stage > MOVE_DONE || r.failed || r.rest.size != cursor_size ||
	    load_le64(bytes.data + sum_at) != hash64(slice_of(bytes.data, sum_at)))
		return false;
	p.cursor = cursor_size > 0 ? blob_new(r.rest) : NULL;
	KV_ASSERT(p.cursor || cursor_size == 0);
	*ret = p;
	return true;
}

static struct slice row_name(struct node_core *core, uint16_t partition)
{
	char *name = actions_alloc(core->out, NAME_SIZE + 1);
	int size = snprintf(name, NAME_SIZE + 1, "%s%04x", name_prefix, partition);
	KV_ASSERT(size == NAME_SIZE);
	return slice_of(name, NAME_SIZE);
}

static bool is_row_name(struct slice name)
{
	return name.size >= NAME_PREFIX_SIZE && memcmp(name.data, name_prefix, NAME_PREFIX_SIZE) == 0;
}

static bool parse_name(struct slice name, uint32_t *ret)
{
	uint32_t number = 0;
	if (name.size != NAME_SIZE)
		return false;
	for (size_t i = NAME_PREFIX_SIZE; i < NAME_SIZE; i++) {
		uint8_t c = name.data[i];
		bool digit = c >= '0' && c <= '9', letter = c >= 'a' && c <= 'f';
		if (!digit && !letter)
			return false;
		number = number << 4 | (uint32_t)(digit ? c - '0' : c - 'a' + 10);
	}
	*ret = number;
	return true;
}

/* ---- loading ---- */

void partitions_release(struct node_core *core)
{
	struct partitions *all = &core->partitions;
	for (uint32_t i = 0; i < all->count; i++)
		blob_unref(all->items[i].cursor);
	free(all->items);
	*all = (struct partitions){0};
}

/** Names behind AFTER; those of partitions follow each other. */
static void load_page(struct node_core *core, struct slice after)
{
	struct disk_scan scan = {.table = DISK_META,
				 .has_after = true,
				 .after = {.table = DISK_META, .key = actions_copy_slice(core->out, after)},
				 .rows_max = LOAD_ITEMS,
				 .bytes_max = SCAN_SIZE_MAX};
	core_scan(core, WAIT_PARTITIONS, NULL, &scan);
}

/** Rows that have changed since the cluster began, or since the map before. */
static void note_changes(struct node_core *core, const struct cluster_map *before)
{
	const struct partitions *all = &core->partitions;
	for (uint32_t p = 0; p < all->count; p++) {
		uint64_t old = before ? before->desc.config_epochs[p] : 1;
		if (core->map->desc.config_epochs[p] != old)
			all->items[p].row_us = MAX(core->now.mono_us, (usec_t)1);
	}
}

void partitions_set_map(struct node_core *core, const struct cluster_map *before)
{
	struct partitions *all = &core->partitions;
	if (!all->items) {
		all->count = core->map->desc.partitions;
		all->items = xcalloc(all->count, sizeof all->items[0]);
		load_page(core, slice_str(name_prefix));
	}
	note_changes(core, before);
}

/** What the row says of this node's part in the partition counts from now on. */
static void apply_floors(struct node_core *core, uint16_t partition)
{
	const struct partition *p = partition_at(core, partition);
	struct partition_floors *f = slots_floors(&core->slots, partition);
	struct version joined = version_floor(p->joined);
	f->seal = version_max(f->seal, p->seal);
	f->drop = p->drop;
	if (p->joined == 0)
		return;
	/* It stands for the promises of members before this one. */
	if (!MUTANT(nofloor))
		f->fence = version_max(f->fence, joined);
	f->memory = version_max(f->memory, joined);
}

static bool load_row(struct node_core *core, const struct disk_row *row)
{
	uint32_t number;
	struct partition loaded;
	if (!parse_name(row->key.key, &number) || number >= core->partitions.count ||
	    !row_decode(row->value, &loaded))
		return false;
	struct partition *p = partition_at(core, (uint16_t)number);
	loaded.row_us = p->row_us;
	blob_unref(p->cursor);
	*p = loaded;
	apply_floors(core, (uint16_t)number);
	return true;
}

void partitions_scanned(struct node_core *core, const struct disk_row *rows, uint32_t count, bool done)
{
	KV_ASSERT(!core->partitions.loaded);
	for (uint32_t i = 0; i < count; i++) {
		if (!is_row_name(rows[i].key.key)) {
			done = true;
			break;
		}
		if (load_row(core, &rows[i]))
			continue;
		core_stop(core, KV_CORRUPT,
			  "the stored state of a partition does not match its checksum; replace this node");
		return;
	}
	if (done || count == 0)
		core->partitions.loaded = true;
	else
		load_page(core, rows[count - 1].key.key);
}

bool partitions_are_loaded(const struct node_core *core) { return core->partitions.loaded; }

struct partition *partition_at(struct node_core *core, uint16_t partition)
{
	KV_ASSERT(partition < core->partitions.count);
	return &core->partitions.items[partition];
}

/* ---- changing ---- */

uint64_t partition_save(struct node_core *core, uint16_t partition)
{
	struct partition *p = partition_at(core, partition);
	KV_ASSERT(core->partitions.loaded);
	KV_ASSERT(!p->cursor || p->cursor->size <= CURSOR_SIZE_MAX);
	apply_floors(core, partition);
	struct disk_put put = {.key = {.table = DISK_META, .key = row_name(core, partition)},
			       .value = row_encode(core, p)};
	p->save_token = core_write(core, &put, 1);
	return p->save_token;
}

bool partition_join(struct node_core *core, uint16_t partition, hlc_t fence, struct version seal)
{
	struct partition *p = partition_at(core, partition);
	struct row row = cluster_map_row(core->map, partition);
	KV_ASSERT(row.move && row_position(&row, core->self) >= 0);
	core_observe(core, fence);
	if (COVER_IF(core_clock(core) < fence, join_waits_for_clock))
		return false;
	p->session = row.move->session;
	p->stage = MOVE_COPYING;
	p->joined = core_clock(core);
	p->seal = version_max(p->seal, seal);
	p->drop = VERSION_NONE;
	blob_unref(p->cursor);
	p->cursor = NULL;
	p->join_token = partition_save(core, partition);
	return true;
}

bool partition_serves(struct node_core *core, uint16_t partition)
{
	struct row row = cluster_map_row(core->map, partition);
	int position = row_position(&row, core->self);
	if (position < 0)
		return false;
	if (row.old & 1u << position)
		return true;
	const struct partition *p = partition_at(core, partition);
	return uuid_equal(&p->session, &row.move->session) && p->stage >= MOVE_COPYING &&
	       core->write_done >= p->join_token;
}
