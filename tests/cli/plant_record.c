/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no node does: changes one record on a node's disk behind its back. The node does not run meanwhile.
 *
 * usage: plant_record DATA_DIR KEY flip|remove
 *
 *   flip    one bit of it: it no longer matches its checksum
 *   remove  takes it away
 *
 * Afterwards all records are in table files, none in the log.
 */
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

static bool plant(struct store *store, const char *key, bool remove)
{
	CLEANUP(buf_release) struct buf row = BUF_INIT, value = BUF_INIT;
	if (!find_row(store, key, &row, &value) || value.size == 0)
		return false;
	value.data[value.size - 1] ^= 1;
	const struct store_op op = {
		.table = STORE_DATA, .remove = remove, .key = buf_slice(&row), .value = buf_slice(&value)};
	return store_write(store, &op, 1, /* sync: */ true) == KV_OK;
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
	bool done = plant(store, argv[2], strcmp(argv[3], "remove") == 0);
	store_close(store);
	if (!done)
		fprintf(stderr, "%s has no record of %s\n", argv[1], argv[2]);
	return done ? 0 : 1;
}
