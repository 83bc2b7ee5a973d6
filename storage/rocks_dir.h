/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A look at the data directory before RocksDB opens it, for what RocksDB would get wrong.
 *
 * RocksDB takes a directory whose CURRENT file is lost for a new one and begins an empty store on top of the old data, and
 * takes some damaged logs for complete ones (storage/wal_check.h).
 */
#ifndef KV_STORAGE_ROCKS_DIR_H
#define KV_STORAGE_ROCKS_DIR_H

#include "base/status.h"

/**
 * KV_OK if RocksDB may open PATH. Makes the directory, and its name durable, if it is missing and may be made. KV_NOT_FOUND,
 * KV_CORRUPT or KV_IO as in store_rocks_open; changes nothing then.
 */
MUST_USE enum kv_status rocks_dir_prepare(const char *path, bool create_if_missing, struct error *err);

/**
 * Fills ERR with what to do about a damaged store and returns KV_CORRUPT. Acknowledged writes may be gone, and a node that
 * went on without them would break promises it made to others: it is replaced, not repaired.
 */
enum kv_status rocks_dir_damaged(const char *path, const char *what, struct error *err);

#endif
