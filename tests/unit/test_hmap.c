/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/hash.h"
#include "base/hmap.h"
#include "base/rng.h"
#include "tests/support/death.h"

enum { ITEMS = 500 };

struct item {
	uint64_t key;
	struct hmap_node node;
	bool present;
	bool seen;
};

static struct item *find(const struct hmap *map, uint64_t key, uint64_t hash)
{
	for (struct hmap_node *node = hmap_first_same(map, hash); node; node = hmap_next_same(node)) {
		struct item *item = container_of(node, struct item, node);
		if (item->key == key)
			return item;
	}
	return NULL;
}

/* Sixteen hash values for 500 keys: every chain holds elements of several hashes and several keys of one hash. */
static uint64_t bad_hash(uint64_t key) { return key % 16 * 1000; }

static void check_iteration(struct hmap *map, struct item items[ITEMS])
{
	size_t visited = 0;
	for (struct hmap_node *node = hmap_first(map); node; node = hmap_next(map, node)) {
		struct item *item = container_of(node, struct item, node);
		assert_true(item->present);
		assert_false(item->seen);
		item->seen = true;
		visited++;
	}
	assert_int_equal(visited, map->count);
	for (size_t i = 0; i < ITEMS; i++)
		items[i].seen = false;
}

static void churn(uint64_t (*hash)(uint64_t), uint64_t seed)
{
	struct rng rng;
	rng_init(&rng, seed);
	CLEANUP(hmap_release) struct hmap map = {0};
	struct item *items = xcalloc(ITEMS, sizeof *items);
	for (size_t i = 0; i < ITEMS; i++)
		items[i].key = i;
	for (int step = 0; step < 20000; step++) {
		struct item *item = &items[rng_below(&rng, ITEMS)];
		assert_ptr_equal(find(&map, item->key, hash(item->key)), item->present ? item : NULL);
		if (item->present)
			hmap_remove(&map, &item->node);
		else
			hmap_add(&map, &item->node, hash(item->key));
		item->present = !item->present;
		if (step % 500 == 0)
			check_iteration(&map, items);
	}
	free(items);
}

static void random_changes_with_a_good_hash_match_a_set(void **state) { churn(hash_u64, 7); }

static void random_changes_with_many_collisions_match_a_set(void **state) { churn(bad_hash, 8); }

static void an_empty_map_finds_nothing_and_needs_no_memory(void **state)
{
	struct hmap map = {0};
	assert_null(hmap_first_same(&map, 1));
	assert_null(hmap_first(&map));
	hmap_release(&map);
}

static void nothing_is_moved_while_there_is_room(void **state)
{
	struct hmap map = {0};
	static struct item items[ITEMS];
	hmap_reserve(&map, ITEMS);
	struct hmap_node **buckets = map.buckets;
	for (uint64_t i = 0; i < ITEMS; i++) {
		items[i].key = i;
		hmap_add(&map, &items[i].node, hash_u64(i));
	}
	assert_ptr_equal(map.buckets, buckets);
	hmap_reserve(&map, 1); /* never less */
	assert_ptr_equal(map.buckets, buckets);
	hmap_reserve(&map, 100 * ITEMS);
	for (uint64_t i = 0; i < ITEMS; i++)
		assert_ptr_equal(find(&map, i, hash_u64(i)), &items[i]);
	hmap_release(&map);
}

static void only_nodes_of_exactly_one_hash_are_offered(void **state)
{
	CLEANUP(hmap_release) struct hmap map = {0};
	struct item items[12] = {0};
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		hmap_add(&map, &items[i].node, i % 3 << 32); /* one bucket, three hashes */
	for (uint64_t hash = 0; hash < 4; hash++) {
		size_t offered = 0;
		struct hmap_node *node = hmap_first_same(&map, hash << 32);
		for (; node; node = hmap_next_same(node)) {
			assert_true(node->hash == hash << 32);
			offered++;
		}
		assert_int_equal(offered, hash < 3 ? 4 : 0);
	}
}

static void every_element_may_be_removed_while_iterating(void **state)
{
	CLEANUP(hmap_release) struct hmap map = {0};
	struct item items[100] = {0};
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		hmap_add(&map, &items[i].node, hash_u64(i));
	struct hmap_node *node = hmap_first(&map);
	while (node) {
		struct hmap_node *next = hmap_next(&map, node);
		hmap_remove(&map, node);
		node = next;
	}
	assert_int_equal(map.count, 0);
}

static void the_order_of_iteration_does_not_depend_on_addresses(void **state)
{
	CLEANUP(hmap_release) struct hmap one = {0};
	CLEANUP(hmap_release) struct hmap two = {0};
	struct item forward[100] = {0};
	struct item backward[100] = {0};
	for (size_t i = 0; i < 100; i++) {
		forward[i].key = backward[99 - i].key = i;
		hmap_add(&one, &forward[i].node, hash_u64(i));
		hmap_add(&two, &backward[99 - i].node, hash_u64(i));
	}
	struct hmap_node *a = hmap_first(&one);
	struct hmap_node *b = hmap_first(&two);
	for (; a && b; a = hmap_next(&one, a), b = hmap_next(&two, b))
		assert_true(container_of(a, struct item, node)->key == container_of(b, struct item, node)->key);
	assert_null(a);
	assert_null(b);
}

static void removing_a_stranger_dies(void **state)
{
	CLEANUP(hmap_release) struct hmap map = {0};
	struct item inside = {0};
	struct item outside = {0};
	assert_dies(hmap_remove(&map, &outside.node));
	hmap_add(&map, &inside.node, 1);
	outside.node.hash = 1;
	assert_dies(hmap_remove(&map, &outside.node));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes_with_a_good_hash_match_a_set),
		cmocka_unit_test(random_changes_with_many_collisions_match_a_set),
		cmocka_unit_test(an_empty_map_finds_nothing_and_needs_no_memory),
		cmocka_unit_test(nothing_is_moved_while_there_is_room),
		cmocka_unit_test(only_nodes_of_exactly_one_hash_are_offered),
		cmocka_unit_test(every_element_may_be_removed_while_iterating),
		cmocka_unit_test(the_order_of_iteration_does_not_depend_on_addresses),
		cmocka_unit_test(removing_a_stranger_dies),
	};
	return test_run("hmap", tests);
}
