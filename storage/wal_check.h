/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Tells a write-ahead log that a crash cut short from one that is damaged, where RocksDB itself does not.
 *
 * RocksDB checks each record's checksum and refuses a wrong one. But in two places it takes damage for a log's natural
 * end and drops acknowledged records in silence: a length, in the last block, that points past the file's end; and
 * a header of zeros. After a crash nothing follows such a place. So: if a record with a right checksum follows, the log
 * is damaged.
 *
 * What no one can tell apart is damage to the very last record from a record that was never finished. And an unfinished
 * record whose value holds bytes of some RocksDB log is refused: wrong, but on the safe side.
 */
#ifndef KV_STORAGE_WAL_CHECK_H
#define KV_STORAGE_WAL_CHECK_H

#include "base/slice.h"
#include "base/status.h"

#define WAL_BLOCK_SIZE  32768u
#define WAL_HEADER_SIZE 7u

/** Checks one log file, open for reading at FD. KV_OK, KV_CORRUPT, or KV_IO with errno set. */
MUST_USE enum kv_status wal_check_file(int fd);

/**
 * Where the chain of records in a block breaks: the offset of the first header that is no header or whose record does
 * not fit, or the block's size if there is none. Checksums are not looked at.
 */
size_t wal_block_break(struct slice block);

/** True if a record with a right checksum begins anywhere at or behind FROM in the block. */
MUST_USE bool wal_block_has_record(struct slice block, size_t from);

#endif
