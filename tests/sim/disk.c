/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/disk.h"

#include "storage/keyspace.h"

static enum store_table table_of(enum disk_table table)
{
	switch (table) {
	case DISK_DATA:
		return STORE_DATA;
	case DISK_HINT:
		return STORE_HINT;
	case DISK_META:
		return STORE_META;
	case DISK_LEDGER:
		return STORE_LEDGER;
	case DISK_TREE:
		return STORE_TREE;
	}
	KV_UNREACHABLE("no such table");
}

static enum disk_table table_from(enum store_table table)
{
	switch (table) {
	case STORE_DATA:
		return DISK_DATA;
	case STORE_HINT:
		return DISK_HINT;
	case STORE_LEDGER:
		return DISK_LEDGER;
	case STORE_META:
		return DISK_META;
	case STORE_TREE:
		return DISK_TREE;
	default:
		KV_UNREACHABLE("no table that a core scans");
	}
}

static void key_encode(const struct disk_key *key, struct buf *out)
{
	struct keyspace_key parts = {.target = key->target,
				     .partition = key->partition,
				     .leaf = key->leaf,
				     .bucket = key->bucket,
				     .key = key->key};
	switch (key->table) {
	case DISK_DATA:
	case DISK_LEDGER:
		keyspace_data_key(out, &parts);
		return;
	case DISK_HINT:
		keyspace_hint_key(out, &parts);
		return;
	case DISK_TREE:
		keyspace_tree_key(out, &parts);
		return;
	case DISK_META:
		buf_append_slice(out, key->key);
		return;
	}
}

struct disk_work *disk_work_read(const struct disk_key *key)
{
	struct disk_work *work = xcalloc(1, sizeof(*work));
	work->table = table_of(key->table);
	key_encode(key, &work->first);
	return work;
}

struct disk_work *disk_work_scan(const struct disk_scan *scan)
{
	struct disk_work *work = xcalloc(1, sizeof(*work));
	work->is_scan = true;
	work->table = table_of(scan->table);
	work->rows_max = scan->rows_max;
	work->bytes_max = scan->bytes_max;
	if (scan->table == DISK_HINT)
		keyspace_hint_partition_range(scan->target, scan->partition, &work->first, &work->end);
	else if (scan->table == DISK_META)
		buf_append_u8(&work->first, 0);
	else if (scan->one_leaf)
		keyspace_leaf_range(scan->partition, scan->leaf, &work->first, &work->end);
	else
		keyspace_data_range(scan->partition, &work->first, &work->end);
	if (scan->has_after) {
		buf_clear(&work->first);
		key_encode(&scan->after, &work->first);
		buf_append_u8(&work->first, 0); /* the next key in byte order */
	}
	return work;
}

void disk_work_free(struct disk_work *work)
{
	if (!work)
		return;
	buf_release(&work->first);
	buf_release(&work->end);
	buf_release(&work->bytes);
	free(work->spans);
	free(work);
}

static void work_add_row(struct disk_work *work, const struct store_row *row)
{
	if (work->count == work->capacity) {
		work->capacity = MAX(work->capacity * 2, 16u);
		work->spans = xrealloc(work->spans, work->capacity * sizeof(work->spans[0]));
	}
	struct disk_span *span = &work->spans[work->count++];
	span->key_at = work->bytes.size;
	span->key_size = row->key.size;
	buf_append_slice(&work->bytes, row->key);
	while (work->bytes.size % 8 != 0)
		buf_append_u8(&work->bytes, 0); /* values are aligned, as in the server */
	span->value_at = work->bytes.size;
	span->value_size = row->value.size;
	buf_append_slice(&work->bytes, row->value);
}

static void work_scan(struct disk_work *work, struct store *store)
{
	struct store_scan *scan;
	enum kv_status status =
		store_scan_open(store, work->table, buf_slice(&work->first), buf_slice(&work->end), &scan);
	work->status = status;
	if (status != KV_OK)
		return;
	struct store_row row;
	work->complete = true;
	while (store_scan_next(store, scan, &row, &status)) {
		if (work->count == work->rows_max || (work->count && work->bytes.size >= work->bytes_max)) {
			work->complete = false;
			break;
		}
		work_add_row(work, &row);
	}
	store_scan_close(store, scan);
}

void disk_work_carry_out(struct disk_work *work, struct store *store)
{
	if (work->done)
		return;
	work->done = true;
	if (work->is_scan) {
		work_scan(work, store);
		return;
	}
	enum kv_status status =
		store_get(store, work->table, buf_slice(&work->first), /* cache_only: */ false, &work->bytes);
	work->found = status == KV_OK;
	work->status = status == KV_NOT_FOUND ? KV_OK : status;
}

static bool key_parse(enum store_table table, struct slice bytes, struct keyspace_key *ret)
{
	*ret = (struct keyspace_key){.key = bytes};
	if (table == STORE_META)
		return true;
	if (table == STORE_HINT)
		return keyspace_hint_parse(bytes, ret);
	return table == STORE_TREE ? keyspace_tree_parse(bytes, ret) : keyspace_data_parse(bytes, ret);
}

void disk_work_rows(const struct disk_work *work, struct disk_row *rows)
{
	for (uint32_t i = 0; i < work->count; i++) {
		const struct disk_span *span = &work->spans[i];
		struct slice key = slice_of(work->bytes.data + span->key_at, span->key_size);
		struct keyspace_key parts = {0};
		bool parsed = key_parse(work->table, key, &parts);
		KV_ASSERT(parsed);
		rows[i].key = (struct disk_key){.table = table_from(work->table),
						.target = parts.target,
						.partition = parts.partition,
						.leaf = parts.leaf,
						.bucket = parts.bucket,
						.key = parts.key};
		rows[i].value = slice_of(work->bytes.data + span->value_at, span->value_size);
	}
}

void disk_apply(struct store *store, const struct disk_put *puts, uint32_t count)
{
	struct store_op *ops = xcalloc(count, sizeof(ops[0]));
	struct buf *keys = xcalloc(count, sizeof(keys[0]));
	for (uint32_t i = 0; i < count; i++) {
		key_encode(&puts[i].key, &keys[i]);
		ops[i] = (struct store_op){.table = table_of(puts[i].key.table),
					   .remove = puts[i].remove,
					   .key = buf_slice(&keys[i]),
					   .value = puts[i].value};
	}
	enum kv_status status = store_write(store, ops, count, /* sync: */ false);
	KV_ASSERT(status == KV_OK);
	for (uint32_t i = 0; i < count; i++)
		buf_release(&keys[i]);
	free(keys);
	free(ops);
}

/* One batch a row: a crash may leave any part of the range behind. */
static bool remove_range(struct store *store, enum store_table table, struct slice first, struct slice end)
{
	struct store_scan *scan;
	struct store_row row;
	enum kv_status status = store_scan_open(store, table, first, end, &scan);
	if (status != KV_OK)
		return false;
	while (store_scan_next(store, scan, &row, &status)) {
		struct store_op op = {.table = table, .remove = true, .key = row.key};
		enum kv_status written = store_write(store, &op, 1, /* sync: */ false);
		KV_ASSERT(written == KV_OK);
	}
	store_scan_close(store, scan);
	return status == KV_OK;
}

bool disk_drop(struct store *store, uint16_t partition)
{
	static const enum store_table tables[] = {STORE_TREE, STORE_DATA, STORE_LEDGER};
	struct buf first = BUF_INIT, end = BUF_INIT;
	keyspace_data_range(partition, &first, &end); /* the same for all three: the partition comes first */
	bool done = true;
	for (size_t i = 0; done && i < ARRAY_SIZE(tables); i++)
		done = remove_range(store, tables[i], buf_slice(&first), buf_slice(&end));
	buf_release(&first);
	buf_release(&end);
	return done;
}
