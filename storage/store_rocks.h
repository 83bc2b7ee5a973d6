/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The storage engine on disk: RocksDB behind the contract of storage/store.h.
 *
 * One database a node, one directory, one process at a time (a lock file sees to it). What is in the directory, which
 * options are set and why is in docs/storage-format.md. RocksDB's build may keep its own assertions, which abort the
 * process on misuse; so every scan is closed before the store is, and that is asserted here first.
 *
 * Never fork after opening and go on in the child: RocksDB's threads do not exist there. fork and exec is fine.
 *
 * Threads: as in the contract. store_rocks_failure may be called from any.
 */
#ifndef KV_STORAGE_STORE_ROCKS_H
#define KV_STORAGE_STORE_ROCKS_H

#include "storage/store.h"

#define ROCKS_CACHE_SIZE_DEFAULT        (64u << 20)
#define ROCKS_WRITE_BUFFER_SIZE_DEFAULT (8u << 20)

struct rocks_config {
	const char *path;           /* the directory; borrowed for the call */
	uint64_t memory;            /* bytes of cache and memtables together; 0: the cache's and two memtables' */
	uint64_t cache_size;        /* bytes of the block cache, less than memory; 0: the default */
	uint64_t write_buffer_size; /* bytes of one memtable of the data table, up to three exist; 0: the default */
	bool create_if_missing;     /* make the directory (its parent must exist) and an empty store in it */
};

/**
 * Opens, replays the write-ahead log and tests that reads answered from memory alone can be trusted.
 *
 *   KV_NOT_FOUND  there is no store at the path, and create_if_missing is off
 *   KV_REFUSED    another process has it open
 *   KV_CORRUPT    a file is damaged or missing, the log in its middle; nothing on disk was changed. A log
 *                 that merely ends in the middle of a record is what a crash leaves: that record is dropped
 *   KV_VERSION    written by a newer version
 *   KV_INTERNAL   this build of RocksDB failed the test
 *   KV_IO         anything else: rights, full disk, no such parent directory
 *
 * On success *RET is closed with store_close. On failure *RET is untouched and ERR (may be NULL) says what to do.
 */
MUST_USE enum kv_status store_rocks_open(const struct rocks_config *config, struct store **ret, struct error *err);

/**
 * The first error that made a call answer KV_IO or KV_CORRUPT, with RocksDB's own words, for the one who stops the
 * process. False, and *RET untouched, if there was none. S was made by store_rocks_open.
 */
bool store_rocks_failure(struct store *s, struct error *ret);

#endif
