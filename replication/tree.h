/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Hash trees: what this node holds of each of its partitions, in 1024 numbers that another replica can compare with.
 *
 * A leaf's hash is the XOR, over its keys, of tree_hash(bucket, key, version, tombstone). Every change of a record changes its
 * leaf by the difference, and the leaf's new row (DISK_TREE) is in the same write as the record: after a crash the two agree. A
 * mark beside the rows says that they are complete; without it the tree is built by reading the partition, page by
 * page, while writes go on. A tree is ready once it is loaded or built; what is not ready says nothing about what is equal.
 *
 * Whether a copy is weak is counted and not hashed: copies of one version never differ in anything a push could mend.
 *
 * Memory is ahead of the disk by the writes under way: whoever tells others what a tree says does so once they are
 * durable (core->write_done).
 */
#ifndef KV_REPLICATION_TREE_H
#define KV_REPLICATION_TREE_H

#include "replication/step.h"

struct node_core;
struct slot;

/** Leaf of the mark that a partition's rows are complete. */
#define TREE_MARK_LEAF 0xFFFFu

/** Puts that tree_put may add. */
#define TREE_PUTS_MAX 1u

struct tree_leaf {
	uint64_t hash;
	uint64_t bytes;      /* of keys and stored records */
	uint32_t keys;       /* tombstones included */
	uint32_t tombstones; /* of them */
	uint32_t weak;       /* of them: stored below a promise */
	uint32_t ending;     /* of them: values with a time to live */
};

struct tree; /* of one partition (tree.c) */

struct trees {
	struct tree **of;  /* private: of each partition, or NULL; and all below */
	uint32_t count;    /* partitions of the map; 0 before there is one */
	uint32_t waiting;  /* trees that are to be loaded */
	uint32_t building; /* trees that are being built */
	uint32_t scanning; /* scans under way */
	uint32_t next;     /* partition that is looked at next */
};

/** What one copy of a key adds to its leaf's hash. The result never changes: it is on disk and on the wire. */
uint64_t tree_hash(uint32_t bucket, struct slice key, struct version ver, bool tombstone);

/** Takes the map: loads trees of partitions that are new here. */
void trees_set_map(struct node_core *core);
void trees_release(struct node_core *core);

/** Starts what is due: loading, a few partitions at a time. */
void trees_tick(struct node_core *core);

/**
 * True if records of the partition may change: its tree is known, or being built. False while it is being read, which this call
 * hurries: the replica is busy for that moment.
 */
bool tree_takes(struct node_core *core, uint16_t partition);

/**
 * The record of SLOT's key changes from BEFORE to AFTER (NULL or ver none: absent), in a write that the caller starts with
 * core_write next, within this event. Adds what the tree needs to it: at most TREE_PUTS_MAX entries at PUTS[*COUNT]. BEFORE must be
 * exactly what the slot held.
 */
void tree_put(struct node_core *core, const struct slot *slot, const struct record *before,
	      const struct record *after, struct disk_put *puts, uint32_t *count);

/** False while it is loaded or built, and for partitions that are not here. */
bool tree_is_ready(const struct node_core *core, uint16_t partition);

/** LEAVES_PER_PARTITION leaves, or NULL unless ready. Good until the next event. */
const struct tree_leaf *tree_leaves(const struct node_core *core, uint16_t partition);

/** Hash over all leaves' hashes; the tree must be ready. Empty partitions have the same one everywhere. */
uint64_t tree_root(struct node_core *core, uint16_t partition);

/** Sums over the leaves; false and nothing set unless ready. Any RET may be NULL. */
MUST_USE bool tree_totals(const struct node_core *core, uint16_t partition, uint64_t *ret_keys, uint64_t *ret_bytes,
			  uint64_t *ret_tombstones);

/**
 * The partition's rows are being removed: call it in the same event, right after the ACT_DROP, which must remove the TREE
 * rows before the DATA rows, or with them. No slot may remember a record of the partition any more. The tree is then empty and
 * ready if the partition is this node's, otherwise gone.
 */
void tree_clear(struct node_core *core, uint16_t partition);

/** Partitions of this core that are not ready. */
uint32_t trees_building(const struct node_core *core);

/** A page of tree rows, or of the records that a tree is built from, is read. */
void tree_scan_done(struct node_core *core, struct tree *tree, const struct disk_row *rows, uint32_t count,
		    bool done);

#endif
