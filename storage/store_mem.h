/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The storage engine in memory: the whole contract of storage/store.h, plus crashes and faults on command.
 *
 * What is written without sync is visible at once and pending: a crash loses a suffix of the pending batches, each of
 * them whole, since a torn last batch is dropped whole at recovery. A write with sync, store_mem_sync and
 * store_remove_range make all that was pending durable.
 *
 * A simulated node writes in two steps, store_write(sync=false) when it starts and store_mem_sync when its disk is
 * done, so that a crash in between loses the write. Reads between the two steps see it; the caller knows that it
 * is not durable yet.
 *
 * Deterministic: same seed and calls, same answers. No address, clock or libc randomness decides anything.
 *
 * Every call below takes a store that store_mem_new made; anything else is a programmer error. Calls are safe from
 * several threads, as the contract asks.
 */
#ifndef KV_STORAGE_STORE_MEM_H
#define KV_STORAGE_STORE_MEM_H

#include "base/rng.h"
#include "storage/store.h"

/** An empty store; store_close frees it and all it holds. */
struct store *store_mem_new(uint64_t seed);

/** Makes all pending batches durable. KV_IO if a fault is planned or one happened before. */
MUST_USE enum kv_status store_mem_sync(struct store *s);

/** Batches that a crash may lose now. */
size_t store_mem_pending(struct store *s);

/**
 * A crash and the restart after it: keeps what is durable and a random prefix of the pending batches (RNG NULL: none
 * of them), forgets faults that are planned or happened, and goes on. All scans must be closed. Returns how
 * many batches were lost. What was kept is durable.
 */
size_t store_mem_crash(struct store *s, struct rng *rng);

/**
 * Plans one fault each; the call that meets it answers the fault's status, and so does every later call until
 * store_mem_crash, as the contract demands of a store whose disk failed.
 *
 * A failed write leaves nothing behind. A failed sync (of store_mem_sync, a synced write or remove_range) leaves all
 * batches, that of the failed call included, pending: after the crash they may be there or not.
 */
void store_mem_fail_next_write(struct store *s);
void store_mem_fail_next_sync(struct store *s);

/** The next get that may touch the disk, or scan, answers STATUS: KV_IO or KV_CORRUPT. KV_OK takes such a plan back. */
void store_mem_fail_next_read(struct store *s, enum kv_status status);

/** How many of a million cache-only reads answer KV_AGAIN, by the store's own seeded dice; 0 at first. */
void store_mem_set_cold(struct store *s, uint32_t per_million);

/** Rows of a table. */
size_t store_mem_count(struct store *s, enum store_table table);

/**
 * Calls FN for every row of a table in key order until it returns false: for checkers, which see all, pending and after
 * faults as well. FN calls nothing on this store. The slices are borrowed for the call.
 */
void store_mem_foreach(struct store *s, enum store_table table,
		       bool (*fn)(void *arg, struct slice key, struct slice value), void *arg);

#endif
