/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/plant.h"

#include "base/hash.h"
#include "replication/record.h"
#include "storage/keyspace.h"
#include "storage/store_rocks.h"
#include "tests/cluster/harness.h"

static struct store *open_store(const struct process *p)
{
	char path[PROCESS_PATH_MAX + 8];
	struct store *store;
	struct error err;
	KV_ASSERT(p->pid == 0);
	snprintf(path, sizeof path, "%s/store", p->data_dir);
	if (store_rocks_open(&(struct rocks_config){.path = path}, &store, &err) != KV_OK)
		fail_msg("%s: %s", path, err.message);
	return store;
}

static void take_away(struct store *store, struct slice key)
{
	const struct store_op op = {.table = STORE_DATA, .remove = true, .key = key};
	assert_int_equal(store_write(store, &op, 1, /* sync: */ true), KV_OK);
}

/** An eventual write of before, as it would be here if the newer one had never come. */
static void make_older(struct store *store, struct slice key, struct slice stored)
{
	static const char value[] = "older";
	struct record now, before = {0};
	assert_int_equal(record_peek(stored, &now), KV_OK);
	before.ver = before.org = (struct version){.hlc = now.ver.hlc - 1000, .id = now.ver.id};
	before.has_value = true;
	before.value = slice_of(value, sizeof value - 1);
	before.value_hash = hash64(before.value);
	struct blob *blob = record_encode(&before);
	assert_non_null(blob);
	const struct store_op op = {.table = STORE_DATA, .key = key, .value = blob_slice(blob)};
	assert_int_equal(store_write(store, &op, 1, /* sync: */ true), KV_OK);
	blob_unref(blob);
}

void plant_differences(const struct process *p, const struct fill *f, unsigned count)
{
	static const struct slice all = {NULL, 0};
	struct store *store = open_store(p);
	struct store_scan *scan;
	struct store_row row;
	enum kv_status status;
	unsigned planted = 0, seen = 0;
	assert_int_equal(store_scan_open(store, STORE_DATA, all, all, &scan), KV_OK);
	while (planted < 2 * count && store_scan_next(store, scan, &row, &status)) {
		struct keyspace_key key;
		assert_true(keyspace_data_parse(row.key, &key));
		/* Not all in a few partitions. */
		if (key.key.size <= strlen(f->prefix) || memcmp(key.key.data, f->prefix, strlen(f->prefix)) != 0 ||
		    seen++ % MAX(f->count / (3 * count), 1u) != 0)
			continue;
		if (planted++ % 2)
			make_older(store, row.key, row.value);
		else
			take_away(store, row.key);
	}
	store_scan_close(store, scan);
	store_close(store);
	assert_int_equal(planted, 2 * count);
}
