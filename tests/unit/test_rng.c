/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "tests/support/death.h"

static void a_seed_gives_the_pinned_numbers(void **state)
{
	static const struct {
		uint64_t seed;
		uint64_t numbers[4];
	} goldens[] = {
		{0, {0x99ec5f36cb75f2b4, 0xbf6e1f784956452a, 0x1a5f849d4933e6e0, 0x6aa594f1262d2d2c}},
		{42, {0x15780b2e0c2ec716, 0x6104d9866d113a7e, 0xae17533239e499a1, 0xecb8ad4703b360a1}},
		{UINT64_MAX, {0x8f5520d52a7ead08, 0xc476a018caa1802d, 0x81de31c0d260469e, 0xbf658d7e065f3c2f}},
	};
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		struct rng rng;
		rng_init(&rng, goldens[i].seed);
		for (size_t j = 0; j < 4; j++)
			assert_true(rng_next(&rng) == goldens[i].numbers[j]);
	}
}

static void below_stays_below_and_reaches_every_value_equally(void **state)
{
	enum { BOUND = 10, ROUNDS = 100000 };
	struct rng rng;
	rng_init(&rng, 10);
	unsigned counts[BOUND] = {0};
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t v = rng_below(&rng, BOUND);
		assert_true(v < BOUND);
		counts[v]++;
	}
	for (size_t i = 0; i < BOUND; i++)
		assert_in_range(counts[i], ROUNDS / BOUND * 95 / 100, ROUNDS / BOUND * 105 / 100);
	for (int i = 0; i < 1000; i++) {
		assert_true(rng_below(&rng, 1) == 0);
		uint64_t bound = rng_next(&rng) | 1;
		assert_true(rng_below(&rng, bound) < bound);
	}
}

static void between_includes_both_ends(void **state)
{
	struct rng rng;
	rng_init(&rng, 11);
	bool low = false;
	bool high = false;
	for (int i = 0; i < 1000; i++) {
		uint64_t v = rng_between(&rng, 5, 8);
		assert_in_range(v, 5, 8);
		low |= v == 5;
		high |= v == 8;
		assert_true(rng_between(&rng, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
		(void)rng_between(&rng, 0, UINT64_MAX);
	}
	assert_true(low && high);
}

static void chance_is_per_million(void **state)
{
	struct rng rng;
	rng_init(&rng, 12);
	unsigned hits = 0;
	for (int i = 0; i < 100000; i++) {
		assert_false(rng_chance(&rng, 0));
		assert_true(rng_chance(&rng, 1000000));
		hits += rng_chance(&rng, 250000);
	}
	assert_in_range(hits, 24000, 26000);
}

static void impossible_ranges_die(void **state)
{
	struct rng rng;
	rng_init(&rng, 13);
	assert_dies(rng_below(&rng, 0));
	assert_dies(rng_between(&rng, 2, 1));
}

static void entropy_differs_from_call_to_call(void **state)
{
	assert_true(rng_entropy() != rng_entropy());
	uint8_t one[256];
	uint8_t two[256];
	rng_entropy_bytes(one, sizeof one);
	rng_entropy_bytes(two, sizeof two);
	assert_memory_not_equal(one, two, sizeof one);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seed_gives_the_pinned_numbers),
		cmocka_unit_test(below_stays_below_and_reaches_every_value_equally),
		cmocka_unit_test(between_includes_both_ends),
		cmocka_unit_test(chance_is_per_million),
		cmocka_unit_test(impossible_ranges_die),
		cmocka_unit_test(entropy_differs_from_call_to_call),
	};
	return test_run("rng", tests);
}
