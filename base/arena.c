/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

enum { ARENA_ALIGN = 16, ARENA_BLOCK_MIN = 2048 };

struct arena_block {
	struct arena_block *next;
	size_t size;
	size_t used;
	_Alignas(ARENA_ALIGN) uint8_t bytes[];
};

static struct arena_block *arena_grow(struct arena *a, size_t size)
{
	size_t want = MAX(size, a->blocks ? a->blocks->size * 2 : (size_t)ARENA_BLOCK_MIN);
	want = MAX(size, MIN(want, a->limit));
	struct arena_block *block = malloc(sizeof *block + want);
	if (!block)
		return NULL;
	block->size = want;
	block->used = 0;
	block->next = a->blocks;
	a->blocks = block;
	return block;
}

void *arena_alloc(struct arena *a, size_t size)
{
	KV_ASSERT(a->used <= a->limit);
	/* Refused first, so that rounding up cannot overflow into a small number. */
	if (size > a->limit - a->used || size > SIZE_MAX / 4)
		return NULL;
	size_t rounded = (MAX(size, (size_t)1) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (rounded > a->limit - a->used)
		return NULL;
	struct arena_block *block = a->blocks;
	if (!block || block->size - block->used < rounded)
		block = arena_grow(a, rounded);
	if (!block)
		return NULL;
	void *at = block->bytes + block->used;
	block->used += rounded;
	a->used += rounded;
	return at;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
	if (s.size == 0)
		return slice_of("", 0);
	uint8_t *copy = arena_alloc(a, s.size);
	if (!copy)
		return slice_of(NULL, 0);
	memcpy(copy, s.data, s.size);
	return slice_of(copy, s.size);
}

static void free_blocks(struct arena_block *block)
{
	while (block) {
		struct arena_block *next = block->next;
		free(block);
		block = next;
	}
}

void arena_reset(struct arena *a)
{
	while (a->blocks && a->blocks->next && a->blocks->size > a->keep) {
		struct arena_block *block = a->blocks;
		a->blocks = block->next;
		free(block);
	}
	if (a->blocks) {
		free_blocks(a->blocks->next);
		a->blocks->next = NULL;
		a->blocks->used = 0;
	}
	a->used = 0;
}

void arena_release(struct arena *a)
{
	arena_reset(a);
	free(a->blocks);
	a->blocks = NULL;
}
