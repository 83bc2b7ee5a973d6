/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/actions.h"

/* Bookkeeping only: messages are bounded by the events of one step, values are held by reference. */
enum { ACTIONS_ARENA_MAX = 256 << 20, ACTIONS_ARENA_KEEP = 64 << 10 };

void actions_init(struct actions *a)
{
	*a = (struct actions){.arena = {.limit = ACTIONS_ARENA_MAX, .keep = ACTIONS_ARENA_KEEP}};
}

void actions_reset(struct actions *a)
{
	for (size_t i = 0; i < a->held_count; i++)
		blob_unref(a->held[i]);
	a->held_count = 0;
	while (a->map) {
		struct cluster_map *map = a->map;
		a->map = map->next;
		cluster_map_free(map);
	}
	a->count = 0;
	arena_reset(&a->arena);
}

void actions_release(struct actions *a)
{
	actions_reset(a);
	arena_release(&a->arena);
	free(a->items);
	free(a->held);
	*a = (struct actions){0};
}

void *actions_alloc(struct actions *a, size_t size)
{
	void *ptr = arena_alloc(&a->arena, size);
	KV_ASSERT(ptr);
	return ptr;
}

void *actions_copy(struct actions *a, const void *data, size_t size)
{
	void *ptr = actions_alloc(a, size);
	if (size > 0)
		memcpy(ptr, data, size);
	return ptr;
}

struct slice actions_copy_slice(struct actions *a, struct slice s)
{
	if (s.size == 0)
		return slice_of(NULL, 0);
	return slice_of(actions_copy(a, s.data, s.size), s.size);
}

void actions_hold(struct actions *a, struct blob *blob)
{
	if (!blob)
		return;
	if (a->held_count == a->held_capacity) {
		a->held_capacity = MAX(a->held_capacity * 2, (size_t)16);
		a->held = xrealloc(a->held, a->held_capacity * sizeof a->held[0]);
	}
	a->held[a->held_count++] = blob_ref(blob);
}

const struct map_desc *actions_hold_map(struct actions *a, struct cluster_map *map)
{
	KV_ASSERT(!map->next);
	map->next = a->map;
	a->map = map;
	return &map->desc;
}

struct action *actions_add(struct actions *a, enum action_kind kind)
{
	if (a->count == a->capacity) {
		a->capacity = MAX(a->capacity * 2, (size_t)32);
		a->items = xrealloc(a->items, a->capacity * sizeof a->items[0]);
	}
	struct action *action = &a->items[a->count++];
	*action = (struct action){.kind = kind};
	return action;
}

struct msg *actions_msg(struct actions *a)
{
	struct msg *m = actions_alloc(a, sizeof *m);
	*m = (struct msg){0};
	return m;
}
