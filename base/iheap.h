/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Intrusive binary min-heap: what is due first. Each element holds an iheap_item; ties are broken by the order in
 * which items were added, so that two runs of one seed take the same path.
 */
#ifndef KV_BASE_IHEAP_H
#define KV_BASE_IHEAP_H

#include "base/base.h"

struct iheap_item {
	uint64_t key;      /* read-only: what the heap is ordered by, mostly a time */
	uint64_t sequence; /* private */
	size_t index;      /* private: position + 1, 0 when not in a heap */
};

struct iheap {
	struct iheap_item **items; /* private */
	size_t count;              /* read-only */
	size_t capacity;           /* private */
	uint64_t sequence;         /* private */
};

/** Frees the array. Items still inside are not touched and must not be used with a heap again. */
void iheap_release(struct iheap *heap);

static inline bool iheap_contains(const struct iheap_item *item) { return item->index != 0; }

/** Adds ITEM, which must not be in a heap. */
void iheap_add(struct iheap *heap, struct iheap_item *item, uint64_t key);

/** Removes ITEM, which must be in this heap. */
void iheap_remove(struct iheap *heap, struct iheap_item *item);

/** Adds or moves ITEM. */
void iheap_set(struct iheap *heap, struct iheap_item *item, uint64_t key);

/** Item with the smallest key, or NULL. */
static inline struct iheap_item *iheap_first(const struct iheap *heap)
{
	return heap->count ? heap->items[0] : NULL;
}

#endif
