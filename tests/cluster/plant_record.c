/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no node does: changes one record on a node's disk behind its back. The node does not run meanwhile.
 *
 * usage: plant_record DATA_DIR KEY flip|remove|touch
 *
 *   flip    one bit of it: it no longer matches its checksum
 *   remove  takes it away
 *   touch   leaves it as it is
 *
 * Afterwards all records of a table are in one file, uncompressed, and none in the log: the node that starts next has nothing to merge, so
 * that it meets what is done to the file only when it is asked for it.
 */
#include <rocksdb/c.h>
#include <stdio.h>

#include "base/buf.h"
#include "storage/keyspace.h"
#include "storage/store_rocks.h"

/** Finds the row of KEY and appends its bytes. */
static bool find_row(struct store *store, const char *key, struct buf *ret_key, struct buf *ret_value)
{
	static const struct slice all = {NULL, 0};
	struct store_scan *scan;
	struct store_row row;
	enum kv_status status;
	bool found = false;
	if (store_scan_open(store, STORE_DATA, all, all, &scan) != KV_OK)
		return false;
	while (!found && store_scan_next(store, scan, &row, &status)) {
		struct keyspace_key parsed;
		found = keyspace_data_parse(row.key, &parsed) && slice_equal(parsed.key, slice_str(key));
		if (!found)
			continue;
		buf_append_slice(ret_key, row.key);
		buf_append_slice(ret_value, row.value);
	}
	store_scan_close(store, scan);
	return found;
}

static bool plant(struct store *store, const char *key, const char *what)
{
	bool remove = strcmp(what, "remove") == 0;
	CLEANUP(buf_release) struct buf row = BUF_INIT, value = BUF_INIT;
	if (!find_row(store, key, &row, &value) || value.size == 0)
		return false;
	if (strcmp(what, "flip") == 0)
		value.data[value.size - 1] ^= 1;
	if (strcmp(what, "touch") == 0)
		return true;
	const struct store_op op = {
		.table = STORE_DATA, .remove = remove, .key = buf_slice(&row), .value = buf_slice(&value)};
	return store_write(store, &op, 1, /* sync: */ true) == KV_OK;
}

static bool failed(char *message)
{
	if (message)
		fprintf(stderr, "%s\n", message);
	rocksdb_free(message);
	return message;
}

static bool merge_tables(const char *path)
{
	char *message = NULL;
	size_t count = 0;
	rocksdb_options_t *options = rocksdb_options_create();
	rocksdb_options_set_compression(options, rocksdb_no_compression);
	char **names = rocksdb_list_column_families(options, path, &count, &message);
	if (failed(message))
		return false;
	const rocksdb_options_t **all = xcalloc(count, sizeof(all[0]));
	rocksdb_column_family_handle_t **tables = xcalloc(count, sizeof(tables[0]));
	for (size_t i = 0; i < count; i++)
		all[i] = options;
	rocksdb_t *db = rocksdb_open_column_families(options, path, (int)count, (const char *const *)names, all,
						     tables, &message);
	if (failed(message))
		return false;
	for (size_t i = 0; i < count; i++) {
		rocksdb_compact_range_cf(db, tables[i], NULL, 0, NULL, 0);
		rocksdb_column_family_handle_destroy(tables[i]);
	}
	rocksdb_close(db);
	rocksdb_list_column_families_destroy(names, count);
	rocksdb_options_destroy(options);
	free(tables);
	free(all);
	return true;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	struct store *store;
	struct error err;
	buf_printf(&path, "%s/store", argv[1]);
	if (store_rocks_open(&(struct rocks_config){.path = buf_cstr(&path)}, &store, &err) != KV_OK) {
		fprintf(stderr, "%s: %s\n", buf_cstr(&path), err.message);
		return 1;
	}
	bool done = plant(store, argv[2], argv[3]);
	store_close(store);
	if (!done)
		fprintf(stderr, "%s has no record of %s\n", argv[1], argv[2]);
	return done && merge_tables(buf_cstr(&path)) ? 0 : 1;
}
