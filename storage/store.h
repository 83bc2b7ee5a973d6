/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a storage engine does: ordered byte strings in a few tables, atomic batches, durable when it says so.
 *
 * Two engines keep this contract and pass one conformance suite: store_rocks (RocksDB) and store_mem (memory, with
 * planned crashes and faults, for the simulator and tests).
 *
 * Durability: store_write with sync returns after the batch and every batch before it survive a crash of process and
 * machine. A batch is all or nothing. Batches survive in order: a later one never without an earlier one.
 *
 * Errors: KV_IO and KV_CORRUPT from any call mean that the state on disk is uncertain. The caller stops the process; no call
 * may follow but store_close.
 *
 * Threads: store_write from one thread at a time; the read calls from any number of threads beside it.
 */
#ifndef KV_STORAGE_STORE_H
#define KV_STORAGE_STORE_H

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

/** Column families. Numbers are only in memory; names on disk are in docs/storage-format.md. */
enum store_table {
	STORE_DATA,   /* records */
	STORE_META,   /* identity, cluster map, clock limits, floors */
	STORE_TREE,   /* leaf hashes */
	STORE_HINT,   /* dirty keys of other replicas */
	STORE_LEDGER, /* values that lost to concurrent ones */
	STORE_TABLE_COUNT,
};

/** One change of a batch. */
struct store_op {
	enum store_table table;
	bool remove;      /* delete the key; value is ignored */
	struct slice key; /* 1 byte or more */
	struct slice value;
};

struct store;
struct store_scan;

/** One row of a scan; borrowed until the next call on that scan. */
struct store_row {
	struct slice key;
	struct slice value;
};

/** What an engine counts. Monotonic unless said. */
struct store_stats {
	uint64_t batches; /* store_write calls */
	uint64_t syncs;   /* of them with sync */
	uint64_t ops;     /* changes in them */
	uint64_t reads;
	uint64_t reads_again; /* cache-only reads that answered KV_AGAIN */
	uint64_t bytes_live;  /* estimate, gauge */
	bool write_stopped;   /* gauge: the engine refuses writes for now */
};

struct store_class {
	enum kv_status (*write)(struct store *s, const struct store_op *ops, size_t count, bool sync);
	enum kv_status (*get)(struct store *s, enum store_table table, struct slice key, bool cache_only,
			      struct buf *ret);
	enum kv_status (*look)(struct store *s, enum store_table table, struct slice key, struct buf *ret);
	enum kv_status (*scan_open)(struct store *s, enum store_table table, struct slice first, struct slice end,
				    struct store_scan **ret);
	bool (*scan_next)(struct store_scan *scan, struct store_row *ret, enum kv_status *ret_status);
	void (*scan_close)(struct store_scan *scan);
	enum kv_status (*remove_range)(struct store *s, enum store_table table, struct slice first,
				       struct slice end);
	void (*stats)(struct store *s, struct store_stats *ret);
	void (*close)(struct store *s);
};

/** First member of every engine's own struct. */
struct store {
	const struct store_class *class;
};

/** Applies COUNT changes atomically, in order (a later change of one key wins). Everything is copied. */
MUST_USE static inline enum kv_status store_write(struct store *s, const struct store_op *ops, size_t count,
						  bool sync)
{
	return s->class->write(s, ops, count, sync);
}

/**
 * Appends the key's value to RET. KV_NOT_FOUND leaves RET alone. With cache_only no disk is touched: KV_AGAIN means
 * that memory cannot tell, and RET is untouched.
 */
MUST_USE static inline enum kv_status store_get(struct store *s, enum store_table table, struct slice key,
						bool cache_only, struct buf *ret)
{
	return s->class->get(s, table, key, cache_only, ret);
}

/**
 * As store_get from the disk, for who only wants to tell what is there: KV_CORRUPT or KV_IO if it cannot be read, and the store goes
 * on as if nobody had asked. The answer is not to be built on.
 */
MUST_USE static inline enum kv_status store_look(struct store *s, enum store_table table, struct slice key,
						 struct buf *ret)
{
	return s->class->look(s, table, key, ret);
}

/**
 * Opens a scan of all keys with first <= key < end in byte order, as of now: later writes are not seen.
 * end {NULL,0} means to the table's end. May touch the disk. The slices are copied.
 */
MUST_USE static inline enum kv_status store_scan_open(struct store *s, enum store_table table, struct slice first,
						      struct slice end, struct store_scan **ret)
{
	return s->class->scan_open(s, table, first, end, ret);
}

/** Next row: true and *ret, or false with *ret_status KV_OK at the end or an error. */
static inline bool store_scan_next(struct store *s, struct store_scan *scan, struct store_row *ret,
				   enum kv_status *ret_status)
{
	return s->class->scan_next(scan, ret, ret_status);
}

/** Every scan is closed before the store is. NULL is allowed. */
static inline void store_scan_close(struct store *s, struct store_scan *scan)
{
	if (scan)
		s->class->scan_close(scan);
}

/** Removes all keys with first <= key < end, durably. Rare and for large ranges only (partitions, a target's hints). */
MUST_USE static inline enum kv_status store_remove_range(struct store *s, enum store_table table,
							 struct slice first, struct slice end)
{
	return s->class->remove_range(s, table, first, end);
}

static inline void store_stats(struct store *s, struct store_stats *ret) { s->class->stats(s, ret); }

/** Flushes and frees. NULL is allowed. */
static inline void store_close(struct store *s)
{
	if (s)
		s->class->close(s);
}

#endif
