/* SPDX-License-Identifier: Apache-2.0 */
/**
 * An ordered map of byte strings whose copies are free: omap_copy shares all nodes with the original, and a change to
 * either one copies only the nodes on its own path. That makes scans of a fixed state and "the state before the
 * crash" one pointer each.
 *
 * A treap: a search tree by key that is a heap by priority, and the priority is a seeded hash of the key. So the shape
 * depends on seed and content alone, never on the order of changes or on addresses; expected depth is O(log n).
 *
 * Keys and values are copied in. Slices handed out are borrowed from the map: they stay valid as long as some copy that
 * holds that very row lives. Nodes are counted without atomics: maps that share nodes are changed, copied and released
 * under one lock; reading one while another changes is safe.
 */
#ifndef KV_STORAGE_OMAP_H
#define KV_STORAGE_OMAP_H

#include "base/slice.h"

struct omap_node;

struct omap {
	struct omap_node *root; /* private */
	uint64_t seed;          /* private */
	size_t count;           /* read-only: rows */
	size_t size;            /* read-only: bytes of keys and values */
};

/** One row, borrowed. */
struct omap_row {
	struct slice key;
	struct slice value;
};

void omap_init(struct omap *m, uint64_t seed);

/** Drops this map's hold on its nodes and leaves an empty map. */
void omap_release(struct omap *m);

/** Makes *RET, which holds nothing yet, a copy of M in constant time. */
void omap_copy(const struct omap *m, struct omap *ret);

/** Adds or replaces a row. */
void omap_set(struct omap *m, struct slice key, struct slice value);

/** Removes a row; false if there was none. */
bool omap_remove(struct omap *m, struct slice key);

/** Removes all rows with first <= key < end (end of size 0: to the last) and returns how many. */
size_t omap_remove_range(struct omap *m, struct slice first, struct slice end);

/** Finds a row; false leaves *RET alone. RET may be NULL. */
bool omap_get(const struct omap *m, struct slice key, struct slice *ret);

/** The first row with a key >= KEY (AFTER false) or > KEY (AFTER true); false if there is none. */
bool omap_seek(const struct omap *m, struct slice key, bool after, struct omap_row *ret);

/** Calls FN for every row in key order until it returns false. FN does not change the map. */
void omap_foreach(const struct omap *m, bool (*fn)(void *arg, struct slice key, struct slice value), void *arg);

/** Asserts order, heap order, counts; for tests. */
void omap_check(const struct omap *m);

#endif
