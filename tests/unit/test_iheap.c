/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/iheap.h"
#include "base/rng.h"
#include "tests/support/death.h"

enum { ITEMS = 60 };

/* One item with the number its present key was given at: the tie-break. */
struct item {
	struct iheap_item heap;
	uint64_t set_at;
};

static struct item *model_first(struct item items[ITEMS])
{
	struct item *first = NULL;
	for (size_t i = 0; i < ITEMS; i++) {
		struct item *item = &items[i];
		if (!iheap_contains(&item->heap))
			continue;
		if (!first || item->heap.key < first->heap.key ||
		    (item->heap.key == first->heap.key && item->set_at < first->set_at))
			first = item;
	}
	return first;
}

static struct item *heap_first(const struct iheap *heap)
{
	struct iheap_item *item = iheap_first(heap);
	return item ? container_of(item, struct item, heap) : NULL;
}

static void the_first_is_the_least_key_and_the_earliest_of_equals(void **state)
{
	struct rng rng;
	rng_init(&rng, 5);
	CLEANUP(iheap_release) struct iheap heap = {0};
	struct item items[ITEMS] = {0};
	size_t count = 0;
	for (uint64_t step = 0; step < 50000; step++) {
		struct item *item = &items[rng_below(&rng, ITEMS)];
		uint64_t key = rng_below(&rng, 12); /* few values, many ties */
		bool inside = iheap_contains(&item->heap);
		if (inside && rng_chance(&rng, 500000)) {
			iheap_remove(&heap, &item->heap);
			count--;
		} else {
			iheap_set(&heap, &item->heap, key);
			item->set_at = step;
			count += !inside;
		}
		assert_int_equal(heap.count, count);
		assert_ptr_equal(heap_first(&heap), model_first(items));
	}
}

static void emptying_the_heap_sorts_it(void **state)
{
	struct rng rng;
	rng_init(&rng, 6);
	CLEANUP(iheap_release) struct iheap heap = {0};
	struct item items[ITEMS] = {0};
	for (size_t i = 0; i < ITEMS; i++)
		iheap_add(&heap, &items[i].heap, rng_next(&rng));
	uint64_t last = 0;
	for (size_t i = 0; i < ITEMS; i++) {
		struct iheap_item *first = iheap_first(&heap);
		assert_true(first->key >= last);
		last = first->key;
		iheap_remove(&heap, first);
		assert_false(iheap_contains(first));
	}
	assert_null(iheap_first(&heap));
}

static void misuse_dies(void **state)
{
	CLEANUP(iheap_release) struct iheap heap = {0};
	CLEANUP(iheap_release) struct iheap other = {0};
	struct iheap_item item = {0};
	struct iheap_item stranger = {0};
	assert_dies(iheap_remove(&heap, &item));
	iheap_add(&heap, &item, 1);
	iheap_add(&other, &stranger, 1);
	assert_dies(iheap_add(&heap, &item, 2));
	assert_dies(iheap_remove(&heap, &stranger));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_is_the_least_key_and_the_earliest_of_equals),
		cmocka_unit_test(emptying_the_heap_sorts_it),
		cmocka_unit_test(misuse_dies),
	};
	return test_run("iheap", tests);
}
