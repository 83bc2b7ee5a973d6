/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Intrusive chained hash map: the node lives inside the element, the caller computes the hash and compares keys.
 *
 * Iteration follows bucket order, which depends only on hashes and the order of insertion, never on addresses;
 * code whose behaviour depends on the order sorts first.
 */
#ifndef KV_BASE_HMAP_H
#define KV_BASE_HMAP_H

#include "base/base.h"

struct hmap_node {
	struct hmap_node *next; /* private */
	uint64_t hash;          /* read-only */
};

struct hmap {
	struct hmap_node **buckets; /* private; NULL until first insertion */
	size_t bucket_count;        /* private; power of two */
	size_t count;               /* read-only */
};

/** Frees the buckets and leaves an empty map; the elements are the caller's. */
void hmap_release(struct hmap *map);

/** Makes room for COUNT nodes at once, so that no later insertion has to move those before it. */
void hmap_reserve(struct hmap *map, size_t count);

/** Adds NODE under HASH. The caller has checked that an equal element is not there. */
void hmap_add(struct hmap *map, struct hmap_node *node, uint64_t hash);

/** Removes NODE, which must be in the map. */
void hmap_remove(struct hmap *map, struct hmap_node *node);

/** First node with exactly this hash, or NULL; the caller compares keys and goes on with hmap_next_same. */
struct hmap_node *hmap_first_same(const struct hmap *map, uint64_t hash);
struct hmap_node *hmap_next_same(const struct hmap_node *node);

/** Any first node and the one after NODE, or NULL. NODE may not be removed before hmap_next was called for it. */
struct hmap_node *hmap_first(const struct hmap *map);
struct hmap_node *hmap_next(const struct hmap *map, const struct hmap_node *node);

#endif
