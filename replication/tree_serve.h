/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What this node tells others of its trees: TREE_ROOTS, TREE_LEAVES and TREE_KEYS. Reads only.
 *
 * An answer leaves when every write that its numbers tell of is durable: who takes two replicas for equal may rely on it after a
 * crash of either. A partition whose tree is not ready, or whose replicas the asker sees otherwise, is answered so.
 *
 * A single root whose epoch is 0 stands for all partitions that the two cores share: see roots_sum.
 */
#ifndef KV_REPLICATION_TREE_SERVE_H
#define KV_REPLICATION_TREE_SERVE_H

#include "base/blob.h"
#include "base/ilist.h"
#include "replication/step.h"

struct node_core;
struct served_scan;

struct tree_served {
	struct ilist scans; /* private: of struct served_scan */
	struct ilist held;  /* private: of struct held_tree, in order of token */
	uint32_t count;     /* private: in both */
};

void tree_served_init(struct node_core *core);
void tree_served_release(struct node_core *core);

/** A question of FROM. */
void tree_asked(struct node_core *core, node_id from, const struct msg *m);

/** A page of keys for someone is read. */
void tree_served_scan_done(struct node_core *core, struct served_scan *scan, const struct disk_row *rows,
			   uint32_t count, bool done);

/** Writes became durable: answers go. */
void tree_served_written(struct node_core *core);

/** The leaves' hashes, and which have weak copies, as TREE_LEAVES carries them. The tree must be ready. */
struct blob *page_of_leaves(const struct node_core *core, uint16_t partition);

/** Packs the keys of a DATA scan as TREE_KEYS carries them; false if a record is damaged. */
MUST_USE bool page_of_keys(const struct disk_row *rows, uint32_t count, struct blob **ret);

/** True if the partition is this core's, this node and NODE are both among its replicas, and it does not move. */
bool roots_share(const struct node_core *core, uint16_t partition, node_id node);

/**
 * Hash over number, epoch and root of all partitions that this core shares with core SHARD of SHARDS of NODE. False if there are
 * none, or a tree is not ready.
 */
MUST_USE bool roots_sum(struct node_core *core, node_id node, uint32_t shard, uint32_t shards, uint64_t *ret);

#endif
