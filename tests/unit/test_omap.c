/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "storage/omap.h"

enum { KEYS = 200 };

/** What the map should hold: value + 1 of each numbered key, 0 for none. */
struct model {
	uint32_t values[KEYS];
};

static struct slice key_of(uint32_t number, uint8_t bytes[2])
{
	bytes[0] = (uint8_t)(number >> 8);
	bytes[1] = (uint8_t)number;
	return slice_of(bytes, 2);
}

static void set(struct omap *m, uint32_t number, uint32_t value)
{
	uint8_t bytes[2];
	omap_set(m, key_of(number, bytes), slice_of(&value, sizeof value));
}

static void assert_is(const struct omap *m, const struct model *model)
{
	omap_check(m);
	size_t count = 0;
	struct omap_row row = {0};
	bool more = omap_seek(m, (struct slice){0}, /* after= */ false, &row);
	for (uint32_t i = 0; i < KEYS; i++) {
		uint8_t bytes[2];
		struct slice value;
		struct slice key = key_of(i, bytes);
		bool found = omap_get(m, key, &value);
		assert_int_equal(found, model->values[i] > 0);
		if (!found)
			continue;
		uint32_t number = model->values[i] - 1;
		assert_true(slice_equal(value, slice_of(&number, sizeof number)));
		assert_true(more);
		assert_true(slice_equal(row.key, key));
		assert_true(slice_equal(row.value, value));
		more = omap_seek(m, row.key, /* after= */ true, &row);
		count++;
	}
	assert_false(more);
	assert_int_equal(m->count, count);
	assert_int_equal(m->size, count * 6);
}

static void change(struct omap *m, struct model *model, struct rng *rng)
{
	uint32_t number = (uint32_t)rng_below(rng, KEYS);
	uint8_t bytes[2], end_bytes[2];
	if (rng_chance(rng, 550000)) {
		uint32_t value = (uint32_t)rng_below(rng, 1000);
		set(m, number, value);
		model->values[number] = value + 1;
	} else if (rng_chance(rng, 950000)) {
		assert_int_equal(omap_remove(m, key_of(number, bytes)), model->values[number] > 0);
		model->values[number] = 0;
	} else {
		uint32_t end = (uint32_t)rng_below(rng, KEYS);
		size_t expected = 0;
		for (uint32_t i = number; i < end; i++) {
			expected += model->values[i] > 0;
			model->values[i] = 0;
		}
		assert_int_equal(omap_remove_range(m, key_of(number, bytes), key_of(end, end_bytes)), expected);
	}
}

static void random_changes_match_a_model(void **state)
{
	struct rng rng;
	rng_init(&rng, 3);
	struct omap m;
	omap_init(&m, 3);
	struct model model = {0};
	for (int i = 0; i < 20000; i++) {
		change(&m, &model, &rng);
		if (i % 50 == 0)
			assert_is(&m, &model);
	}
	assert_is(&m, &model);
	omap_release(&m);
	assert_int_equal(m.count, 0);
}

static void copies_do_not_see_each_other(void **state)
{
	enum { COPIES = 8 };
	struct rng rng;
	rng_init(&rng, 4);
	struct omap maps[COPIES];
	struct model models[COPIES] = {0};
	for (size_t i = 0; i < COPIES; i++)
		omap_init(&maps[i], 4);
	for (int i = 0; i < 20000; i++) {
		size_t at = (size_t)rng_below(&rng, COPIES);
		if (rng_chance(&rng, 20000)) {
			size_t from = (size_t)rng_below(&rng, COPIES);
			if (from == at)
				continue;
			omap_release(&maps[at]);
			omap_copy(&maps[from], &maps[at]);
			models[at] = models[from];
		} else {
			change(&maps[at], &models[at], &rng);
		}
		if (i % 500 == 0)
			for (size_t j = 0; j < COPIES; j++)
				assert_is(&maps[j], &models[j]);
	}
	for (size_t j = 0; j < COPIES; j++) {
		assert_is(&maps[j], &models[j]);
		omap_release(&maps[j]);
	}
}

static void range_without_end_reaches_the_last_row(void **state)
{
	struct omap m;
	omap_init(&m, 5);
	for (uint32_t i = 0; i < 100; i++)
		set(&m, i, i);
	uint8_t bytes[2];
	assert_int_equal(omap_remove_range(&m, key_of(90, bytes), (struct slice){0}), 10);
	assert_int_equal(m.count, 90);
	assert_int_equal(omap_remove_range(&m, key_of(90, bytes), (struct slice){0}), 0);
	assert_int_equal(omap_remove_range(&m, (struct slice){0}, (struct slice){0}), 90);
	omap_check(&m);
	omap_release(&m);
}

static void seek_stops_at_and_behind_a_key(void **state)
{
	struct omap m;
	omap_init(&m, 6);
	set(&m, 10, 0);
	set(&m, 20, 0);
	uint8_t bytes[2], expected[2];
	struct omap_row row;
	assert_true(omap_seek(&m, key_of(10, bytes), /* after= */ false, &row));
	assert_true(slice_equal(row.key, key_of(10, expected)));
	assert_true(omap_seek(&m, key_of(10, bytes), /* after= */ true, &row));
	assert_true(slice_equal(row.key, key_of(20, expected)));
	assert_true(omap_seek(&m, key_of(11, bytes), /* after= */ false, &row));
	assert_true(slice_equal(row.key, key_of(20, expected)));
	assert_false(omap_seek(&m, key_of(20, bytes), /* after= */ true, &row));
	omap_release(&m);
}

static void empty_value_is_a_row(void **state)
{
	struct omap m;
	omap_init(&m, 7);
	omap_set(&m, slice_str("k"), (struct slice){0});
	struct slice value = slice_str("untouched");
	assert_true(omap_get(&m, slice_str("k"), &value));
	assert_int_equal(value.size, 0);
	assert_true(omap_remove(&m, slice_str("k")));
	assert_false(omap_remove(&m, slice_str("k")));
	omap_release(&m);
}

static void sorted_keys_do_not_make_it_deep(void **state)
{
	/* Recursive walks of a list-shaped tree of this length would overflow the stack. */
	struct omap m;
	omap_init(&m, 8);
	for (uint32_t i = 0; i < 200000; i++) {
		uint8_t bytes[4] = {(uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
		omap_set(&m, slice_of(bytes, sizeof bytes), (struct slice){0});
	}
	assert_int_equal(m.count, 200000);
	omap_check(&m);
	omap_release(&m);
}

static bool stop_after_three(void *arg, struct slice key, struct slice value)
{
	size_t *count = arg;
	return ++*count < 3;
}

static void foreach_stops_when_told(void **state)
{
	struct omap m;
	omap_init(&m, 9);
	for (uint32_t i = 0; i < 50; i++)
		set(&m, i, i);
	size_t count = 0;
	omap_foreach(&m, stop_after_three, &count);
	assert_int_equal(count, 3);
	omap_release(&m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes_match_a_model),
		cmocka_unit_test(copies_do_not_see_each_other),
		cmocka_unit_test(range_without_end_reaches_the_last_row),
		cmocka_unit_test(seek_stops_at_and_behind_a_key),
		cmocka_unit_test(empty_value_is_a_row),
		cmocka_unit_test(sorted_keys_do_not_make_it_deep),
		cmocka_unit_test(foreach_stops_when_told),
	};
	return test_run("omap", tests);
}
