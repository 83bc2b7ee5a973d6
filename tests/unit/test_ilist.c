/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/ilist.h"
#include "base/rng.h"
#include "tests/support/death.h"

struct item {
	int number;
	struct ilink link;
};

static struct item *item_of(struct ilink *link) { return link ? container_of(link, struct item, link) : NULL; }

static void an_empty_list_has_no_first(void **state)
{
	struct ilist list;
	ilist_init(&list);
	assert_true(ilist_is_empty(&list));
	assert_null(ilist_first(&list));
	assert_null(ilist_pop_front(&list));
}

static void elements_come_out_in_the_order_of_their_ends(void **state)
{
	struct ilist list;
	ilist_init(&list);
	struct item items[5] = {0};
	for (int i = 0; i < 5; i++)
		items[i].number = i;
	ilist_push_back(&list, &items[2].link);
	ilist_push_back(&list, &items[3].link);
	ilist_push_front(&list, &items[1].link);
	ilist_push_front(&list, &items[0].link);
	ilist_push_back(&list, &items[4].link);
	int expected = 0;
	for (struct ilink *link = ilist_first(&list); link; link = ilist_next(&list, link))
		assert_int_equal(item_of(link)->number, expected++);
	assert_int_equal(expected, 5);
	for (int i = 0; i < 5; i++)
		assert_ptr_equal(item_of(ilist_pop_front(&list)), &items[i]);
	assert_true(ilist_is_empty(&list));
}

static void random_changes_match_an_array(void **state)
{
	enum { ITEMS = 40 };
	struct rng rng;
	rng_init(&rng, 4);
	struct ilist list;
	ilist_init(&list);
	struct item items[ITEMS] = {0};
	struct item *model[ITEMS];
	size_t count = 0;
	for (int step = 0; step < 20000; step++) {
		struct item *item = &items[rng_below(&rng, ITEMS)];
		if (!ilink_is_linked(&item->link)) {
			ilist_push_back(&list, &item->link);
			model[count++] = item;
		} else {
			size_t at = 0;
			while (model[at] != item)
				at++;
			memmove(model + at, model + at + 1, (--count - at) * sizeof(struct item *));
			ilist_remove(&item->link);
			assert_false(ilink_is_linked(&item->link));
		}
		size_t i = 0;
		for (struct ilink *link = ilist_first(&list); link; link = ilist_next(&list, link))
			assert_ptr_equal(item_of(link), model[i++]);
		assert_int_equal(i, count);
	}
}

static void linking_twice_and_removing_twice_die(void **state)
{
	struct ilist list;
	ilist_init(&list);
	struct ilink link = {0};
	assert_dies(ilist_remove(&link));
	ilist_push_back(&list, &link);
	assert_dies(ilist_push_back(&list, &link));
	assert_dies(ilist_push_front(&list, &link));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_list_has_no_first),
		cmocka_unit_test(elements_come_out_in_the_order_of_their_ends),
		cmocka_unit_test(random_changes_match_an_array),
		cmocka_unit_test(linking_twice_and_removing_twice_die),
	};
	return test_run("ilist", tests);
}
