/* SPDX-License-Identifier: Apache-2.0 */
#include "base/iheap.h"

static bool item_before(const struct iheap_item *a, const struct iheap_item *b)
{
	return a->key != b->key ? a->key < b->key : a->sequence < b->sequence;
}

static void heap_place(struct iheap *heap, size_t position, struct iheap_item *item)
{
	heap->items[position] = item;
	item->index = position + 1;
}

static void heap_up(struct iheap *heap, size_t position)
{
	struct iheap_item *item = heap->items[position];
	while (position > 0) {
		size_t parent = (position - 1) / 2;
		if (!item_before(item, heap->items[parent]))
			break;
		heap_place(heap, position, heap->items[parent]);
		position = parent;
	}
	heap_place(heap, position, item);
}

static void heap_down(struct iheap *heap, size_t position)
{
	struct iheap_item *item = heap->items[position];
	for (;;) {
		size_t child = 2 * position + 1;
		if (child >= heap->count)
			break;
		if (child + 1 < heap->count && item_before(heap->items[child + 1], heap->items[child]))
			child++;
		if (!item_before(heap->items[child], item))
			break;
		heap_place(heap, position, heap->items[child]);
		position = child;
	}
	heap_place(heap, position, item);
}

void iheap_release(struct iheap *heap)
{
	free(heap->items);
	*heap = (struct iheap){0};
}

void iheap_add(struct iheap *heap, struct iheap_item *item, uint64_t key)
{
	KV_ASSERT(!iheap_contains(item));
	if (heap->count == heap->capacity) {
		heap->capacity = MAX(heap->capacity * 2, (size_t)16);
		heap->items = xrealloc(heap->items, heap->capacity * sizeof(heap->items[0]));
	}
	item->key = key;
	item->sequence = heap->sequence++;
	heap->items[heap->count++] = item;
	heap_up(heap, heap->count - 1);
}

void iheap_remove(struct iheap *heap, struct iheap_item *item)
{
	KV_ASSERT(iheap_contains(item));
	size_t position = item->index - 1;
	KV_ASSERT(position < heap->count);
	KV_ASSERT(heap->items[position] == item);
	struct iheap_item *last = heap->items[--heap->count];
	item->index = 0;
	if (last == item)
		return;
	heap_place(heap, position, last);
	heap_up(heap, position);
	heap_down(heap, last->index - 1);
}

void iheap_set(struct iheap *heap, struct iheap_item *item, uint64_t key)
{
	if (iheap_contains(item))
		iheap_remove(heap, item);
	iheap_add(heap, item, key);
}
