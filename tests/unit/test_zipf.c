/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "cli/zipf.h"

enum { DRAWS = 200000, RANKS = 100 };

/** Chi-squared of DRAWS draws against the law, ranks beyond RANKS taken together. */
static double chi_squared(uint64_t count, double exponent)
{
	struct zipf z;
	struct rng rng;
	uint64_t seen[RANKS + 1] = {0};
	double sum = 0, result = 0, rest = 1;
	zipf_init(&z, count, exponent);
	rng_init(&rng, 17);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t rank = zipf_draw(&z, &rng);
		assert_true(rank < count);
		seen[MIN(rank, (uint64_t)RANKS)]++;
	}
	for (uint64_t k = 1; k <= count; k++)
		sum += pow((double)k, -exponent);
	for (uint64_t k = 1; k <= MIN(count, (uint64_t)RANKS); k++) {
		double share = pow((double)k, -exponent) / sum, expected = share * DRAWS;
		result += ((double)seen[k - 1] - expected) * ((double)seen[k - 1] - expected) / expected;
		rest -= share;
	}
	if (count > RANKS) {
		double expected = rest * DRAWS;
		result += ((double)seen[RANKS] - expected) * ((double)seen[RANKS] - expected) / expected;
	}
	return result;
}

/* With 100 degrees of freedom, 161 is passed once in 10000 times; the seed is fixed. */
static void ranks_come_as_the_law_says(void **state)
{
	assert_true(chi_squared(100000, 0.99) < 161);
	assert_true(chi_squared(100000, 0.5) < 161);
	assert_true(chi_squared(100000, 1.0) < 161);
	assert_true(chi_squared(100000, 1.5) < 161);
	assert_true(chi_squared(RANKS, 0.99) < 161);
}

/* The test can fail: the ranks of a slightly steeper law do not fit. */
static void another_law_is_noticed(void **state)
{
	struct zipf z;
	struct rng rng;
	uint64_t first = 0;
	zipf_init(&z, 1000, 1.2);
	rng_init(&rng, 17);
	for (int i = 0; i < DRAWS; i++)
		first += zipf_draw(&z, &rng) == 0;
	double sum = 0;
	for (uint64_t k = 1; k <= 1000; k++)
		sum += pow((double)k, -1.1);
	assert_true((double)first > 1.1 * DRAWS / sum);
}

static void one_rank_is_always_drawn(void **state)
{
	struct zipf z;
	struct rng rng;
	zipf_init(&z, 1, 0.99);
	rng_init(&rng, 1);
	for (int i = 0; i < 1000; i++)
		assert_true(zipf_draw(&z, &rng) == 0);
}

static void billions_of_ranks_need_no_table(void **state)
{
	struct zipf z;
	struct rng rng;
	uint64_t greatest = 0;
	zipf_init(&z, UINT64_C(1) << 40, 0.8);
	rng_init(&rng, 3);
	for (int i = 0; i < 10000; i++)
		greatest = MAX(greatest, zipf_draw(&z, &rng));
	assert_true(greatest > UINT64_C(1) << 38);
	assert_true(greatest < UINT64_C(1) << 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks_come_as_the_law_says),
		cmocka_unit_test(another_law_is_noticed),
		cmocka_unit_test(one_rank_is_always_drawn),
		cmocka_unit_test(billions_of_ranks_need_no_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
