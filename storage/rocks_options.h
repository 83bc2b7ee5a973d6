/* SPDX-License-Identifier: Apache-2.0 */
/**
 * RocksDB's options for our tables. Each departure from a default has its reason in rocks_options.c.
 *
 * Included by store_rocks.c only: no other file sees RocksDB.
 */
#ifndef KV_STORAGE_ROCKS_OPTIONS_H
#define KV_STORAGE_ROCKS_OPTIONS_H

#include <rocksdb/c.h>

#include "storage/store_rocks.h"

struct rocks_options {
	rocksdb_options_t *db; /* of the database and of the column family "default" */
	rocksdb_options_t *tables[STORE_TABLE_COUNT];
	rocksdb_cache_t *cache; /* one for all tables */
};

/** Builds all options. The database copies what it needs: release after opening. */
void rocks_options_init(struct rocks_options *o, const struct rocks_config *config);
void rocks_options_release(struct rocks_options *o);

/** Name of a table's column family on disk. Never changes. */
const char *rocks_table_name(enum store_table table);

#endif
