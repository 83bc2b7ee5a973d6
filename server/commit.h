/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Group commit: one thread a node that makes the writes of all shards durable with as few syncs as possible.
 *
 * The thread takes everything that was queued, writes it as one batch with one sync, and posts each write back to its
 * shard's loop. While it syncs, the next group gathers. Writes of one shard become durable, and come back, in the order
 * in which the shard queued them. An engine error is fatal: what is on disk is then uncertain, so the process logs it and
 * aborts; the node's quorum repairs what the restart does not bring back.
 */
#ifndef KV_SERVER_COMMIT_H
#define KV_SERVER_COMMIT_H

#include "base/hist.h"
#include "server/loop.h"
#include "storage/store.h"

/** One atomic write. Embedded in the caller's struct, which holds the operations' bytes. */
struct commit_write {
	struct loop_item done;      /* public: run is called on OWNER's loop when the write is durable */
	usec_t began_us;            /* read-only in run: the engine got it then, on the monotonic clock */
	struct mpsc_node link;      /* private */
	struct loop *owner;         /* public */
	const struct store_op *ops; /* public; they and their bytes live until done runs */
	size_t count;               /* public: 1 or more */
	bool drops; /* public: each operation removes the range from its key up to its value (empty: the table's end) */
};

/** Monotonic, written by the commit thread, readable by any. */
struct commit_stats {
	_Atomic uint64_t groups;  /* batches handed to the engine, each with one sync */
	_Atomic uint64_t writes;  /* of the shards, in those batches */
	_Atomic uint64_t records; /* rows changed by them */
	_Atomic uint64_t bytes;   /* of their keys and values */
	_Atomic uint64_t busy_us; /* time spent in the engine */
	_Atomic uint64_t group_us_max;
	_Atomic usec_t writing_since_us; /* the engine has a batch since then; 0: it has none */
	_Atomic uint32_t free_pct;       /* room on the disk, 1 to 100; 0: not known */
	_Atomic bool room_low;           /* less than is to stay free */
};

struct commit;

/** Starts the thread. STORE outlives the commit. Never NULL. */
struct commit *commit_new(struct store *store);

/** From now on the room in DIRECTORY, which stays there, is looked at now and then. Before the first write. */
void commit_watch_room(struct commit *c, const char *directory);

/** So many bytes are to stay free there; 0: a twentieth of the disk, at most DISK_RESERVE_MAX. Any thread, any time. */
void commit_keep_free(struct commit *c, uint64_t bytes);

/** Ends the thread after everything queued is durable and posted back. NULL is allowed. */
void commit_free(struct commit *c);

/** Queues WRITE. Any thread. */
void commit_submit(struct commit *c, struct commit_write *write);

const struct commit_stats *commit_stats(const struct commit *c);

/** How long batches took, sync included; its writer is the commit thread (hist_merge_live). */
const struct hist *commit_sync_us(const struct commit *c);

#endif
