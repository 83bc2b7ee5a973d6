/* SPDX-License-Identifier: Apache-2.0 */
/** What tree.c and tree_load.c share: a partition's tree while it is read, built and used. */
#ifndef KV_REPLICATION_TREE_INSIDE_H
#define KV_REPLICATION_TREE_INSIDE_H

#include "replication/core.h"

#define TREE_MARK_FORMAT 1u

enum tree_state {
	TREE_WAITING, /* for its turn to be loaded */
	TREE_LOADING, /* its rows are being read */
	TREE_BUILDING,
	TREE_READY,
	TREE_AWAY, /* the partition has left; kept until a scan under way has ended */
};

/** What one copy of a key adds to its leaf. size 0: there is none. */
struct tree_item {
	uint64_t hash;
	uint64_t size;
	bool tombstone, weak, ending;
};

/** A key that the build has not come to, and that a page read from now on may not show as it is. */
struct tree_touched {
	struct hmap_node node;
	uint64_t token; /* of the write */
	struct tree_item item;
	uint16_t leaf;
	uint32_t bucket;
	struct blob *key;
};

/** Building a tree from the records. */
struct tree_build {
	uint64_t barrier; /* pages are read once writes up to this token are durable: later ones are in `touched` */
	bool has_cursor;
	struct disk_key cursor; /* the last key that is counted; key points into cursor_key */
	struct blob *cursor_key;
	struct hmap touched; /* of struct tree_touched, all behind the cursor */
};

struct tree {
	uint16_t partition;
	enum tree_state state;
	bool scanning;      /* a scan of it is under way */
	bool scan_outdated; /* its result is of no use */
	bool spoiled;       /* records changed before the rows were known: they are wrong */
	bool is_shadow;     /* scrub.c's, beside a ready one */
	bool root_known;
	uint64_t root;
	uint64_t keys, bytes, tombstones;          /* sums over the leaves */
	struct tree_build *build;                  /* while BUILDING */
	struct tree *shadow;                       /* scrub.c's, or NULL */
	uint8_t had_row[LEAVES_PER_PARTITION / 8]; /* leaves with a row on disk from before the build */
	struct tree_leaf leaves[LEAVES_PER_PARTITION];
};

/** Adds a copy to its leaf, or takes it away. */
void tree_add(struct tree *t, uint16_t leaf, const struct tree_item *item);
void tree_take(struct tree *t, uint16_t leaf, const struct tree_item *item);

/** The row of a leaf as it is now: a removal if it is empty. The value lives in the actions' memory. */
struct disk_put tree_leaf_put(struct node_core *core, const struct tree *t, uint16_t leaf);
struct disk_put tree_mark_put(struct node_core *core, uint16_t partition, bool remove);

/** Reads a row into its leaf; false if the bytes are none. */
MUST_USE bool tree_leaf_parse(struct slice value, struct tree_leaf *ret);

/** A change of a key while the tree is built. */
void tree_build_change(struct node_core *core, struct tree *t, const struct disk_key *key,
		       const struct tree_item *before, const struct tree_item *after);

/** Starts loading T now, whatever else is being loaded, if it is waiting. */
void tree_load_now(struct node_core *core, struct tree *t);

/** Begins building T, which is empty; true once its next page may be read; reads it. */
void tree_build_begin(struct node_core *core, struct tree *t);
bool tree_may_build(const struct node_core *core, const struct tree *t);
void tree_build_page(struct node_core *core, struct tree *t, uint32_t rows_max);

void tree_build_free(struct tree *t);

/** A partition's tree in whatever state, or NULL. */
static inline struct tree *tree_at(const struct node_core *core, uint16_t partition)
{
	return partition < core->trees.count ? core->trees.of[partition] : NULL;
}

#endif
