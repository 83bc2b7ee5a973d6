/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hmap.h"

enum { HMAP_BUCKETS_MIN = 16 };

static struct hmap_node **bucket_of(const struct hmap *map, uint64_t hash)
{
	return &map->buckets[hash & (map->bucket_count - 1)];
}

static void hmap_resize(struct hmap *map, size_t bucket_count)
{
	struct hmap old = *map;
	map->buckets = xcalloc(bucket_count, sizeof(map->buckets[0]));
	map->bucket_count = bucket_count;
	for (size_t i = 0; i < old.bucket_count; i++) {
		struct hmap_node *node = old.buckets[i];
		while (node) {
			struct hmap_node *next = node->next;
			struct hmap_node **bucket = bucket_of(map, node->hash);
			node->next = *bucket;
			*bucket = node;
			node = next;
		}
	}
	free(old.buckets);
}

void hmap_release(struct hmap *map)
{
	free(map->buckets);
	*map = (struct hmap){0};
}

void hmap_reserve(struct hmap *map, size_t count)
{
	size_t buckets = MAX(map->bucket_count, (size_t)HMAP_BUCKETS_MIN);
	while (buckets < count)
		buckets *= 2;
	if (buckets > map->bucket_count)
		hmap_resize(map, buckets);
}

void hmap_add(struct hmap *map, struct hmap_node *node, uint64_t hash)
{
	if (map->bucket_count == 0)
		hmap_resize(map, HMAP_BUCKETS_MIN);
	else if (map->count >= map->bucket_count)
		hmap_resize(map, map->bucket_count * 2);
	struct hmap_node **bucket = bucket_of(map, hash);
	node->hash = hash;
	node->next = *bucket;
	*bucket = node;
	map->count++;
}

void hmap_remove(struct hmap *map, struct hmap_node *node)
{
	KV_ASSERT(map->count > 0);
	struct hmap_node **at = bucket_of(map, node->hash);
	while (*at != node) {
		KV_ASSERT(*at);
		at = &(*at)->next;
	}
	*at = node->next;
	node->next = NULL;
	map->count--;
}

struct hmap_node *hmap_first_same(const struct hmap *map, uint64_t hash)
{
	if (map->bucket_count == 0)
		return NULL;
	struct hmap_node *node = *bucket_of(map, hash);
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct hmap_node *hmap_next_same(const struct hmap_node *node)
{
	struct hmap_node *next = node->next;
	while (next && next->hash != node->hash)
		next = next->next;
	return next;
}

static struct hmap_node *first_from(const struct hmap *map, size_t bucket)
{
	for (; bucket < map->bucket_count; bucket++) {
		if (map->buckets[bucket])
			return map->buckets[bucket];
	}
	return NULL;
}

struct hmap_node *hmap_first(const struct hmap *map) { return first_from(map, 0); }

struct hmap_node *hmap_next(const struct hmap *map, const struct hmap_node *node)
{
	if (node->next)
		return node->next;
	return first_from(map, (node->hash & (map->bucket_count - 1)) + 1);
}
