/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/hist.h"
#include "base/rng.h"

/* Numbers of all magnitudes, as durations have them. */
static uint64_t any_magnitude(struct rng *rng) { return rng_next(rng) >> rng_below(rng, 64); }

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static void an_empty_histogram_says_zero(void **state)
{
	struct hist h;
	hist_init(&h);
	assert_true(hist_quantile(&h, 500) == 0);
	assert_true(hist_quantile(&h, 1000) == 0);
	assert_true(hist_count_upto(&h, UINT64_MAX) == 0);
	assert_true(h.min == UINT64_MAX);
	assert_true(h.max == 0);
}

static void quantiles_are_within_the_promised_error(void **state)
{
	enum { SAMPLES = 4999 };
	static uint64_t samples[SAMPLES];
	struct rng rng;
	rng_init(&rng, 16);
	for (int round = 0; round < 20; round++) {
		struct hist h;
		hist_init(&h);
		for (size_t i = 0; i < SAMPLES; i++) {
			samples[i] = round % 2 ? any_magnitude(&rng) : rng_below(&rng, 100000);
			hist_add(&h, samples[i]);
		}
		qsort(samples, SAMPLES, sizeof samples[0], compare_u64);
		for (unsigned per_mille = 0; per_mille <= 1000; per_mille++) {
			size_t rank = MAX((SAMPLES * (size_t)per_mille + 999) / 1000, (size_t)1);
			uint64_t exact = samples[rank - 1];
			uint64_t said = hist_quantile(&h, per_mille);
			assert_true(said >= exact);
			assert_true(said - exact <= exact / 31);
		}
		assert_true(h.min == samples[0]);
		assert_true(h.max == samples[SAMPLES - 1]);
		assert_true(hist_quantile(&h, 1000) == h.max);
	}
}

static void small_values_are_exact(void **state)
{
	for (uint64_t v = 0; v < 64; v++) {
		struct hist h;
		hist_init(&h);
		hist_add(&h, v);
		hist_add(&h, v + 1000);
		assert_true(hist_quantile(&h, 500) == v);
	}
}

static void the_ends_of_the_range_have_buckets(void **state)
{
	struct hist h;
	hist_init(&h);
	hist_add(&h, 0);
	hist_add(&h, UINT64_MAX);
	assert_true(h.buckets[0] == 1);
	assert_true(h.buckets[HIST_BUCKETS - 1] == 1);
	assert_true(h.sum == UINT64_MAX);
	hist_add(&h, UINT64_MAX);
	assert_true(h.sum == UINT64_MAX); /* saturated, not wrapped */
	assert_true(hist_quantile(&h, 1) == 0);
	assert_true(hist_quantile(&h, 999) == UINT64_MAX);
}

static void cumulative_counts_never_fall_and_end_at_the_count(void **state)
{
	struct rng rng;
	rng_init(&rng, 17);
	struct hist h;
	hist_init(&h);
	for (int i = 0; i < 1000; i++)
		hist_add(&h, any_magnitude(&rng));
	uint64_t last = 0;
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t count = hist_count_upto(&h, (uint64_t)1 << bit);
		assert_true(count >= last);
		last = count;
	}
	assert_true(hist_count_upto(&h, UINT64_MAX) == h.count);
	assert_true(hist_count_upto(&h, h.max) == h.count);
}

static void merging_is_adding_all_samples_to_one(void **state)
{
	struct rng rng;
	rng_init(&rng, 18);
	struct hist parts[3];
	struct hist whole;
	struct hist merged;
	hist_init(&whole);
	hist_init(&merged);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		hist_init(&parts[i]);
	for (int i = 0; i < 3000; i++) {
		uint64_t v = any_magnitude(&rng) >> 16; /* the sum must not saturate here */
		hist_add(&whole, v);
		hist_add(&parts[rng_below(&rng, 2)], v); /* the third stays empty */
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		hist_merge(&merged, &parts[i]);
	assert_memory_equal(&merged, &whole, sizeof whole);
}

static void a_difference_has_what_came_since(void **state)
{
	struct rng rng;
	rng_init(&rng, 19);
	struct hist live, before, now, since;
	hist_init(&live);
	hist_init(&before);
	hist_init(&now);
	for (int i = 0; i < 500; i++)
		hist_add(&live, any_magnitude(&rng) >> 16);
	hist_merge_live(&before, &live);
	hist_merge_live(&now, &live);
	hist_since(&since, &now, &before);
	assert_true(since.count == 0);
	hist_init(&now);
	hist_add(&live, 1000);
	hist_add(&live, 3000);
	hist_merge_live(&now, &live);
	assert_memory_equal(&now, &live, sizeof now);
	hist_since(&since, &now, &before);
	assert_true(since.count == 2);
	assert_true(since.sum == 4000);
	assert_in_range(hist_quantile(&since, 500), 968, 1032);
	assert_in_range(since.max, 2904, 3096);
	assert_in_range(since.min, 968, 1032);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_histogram_says_zero),
		cmocka_unit_test(quantiles_are_within_the_promised_error),
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(the_ends_of_the_range_have_buckets),
		cmocka_unit_test(cumulative_counts_never_fall_and_end_at_the_count),
		cmocka_unit_test(merging_is_adding_all_samples_to_one),
		cmocka_unit_test(a_difference_has_what_came_since),
	};
	return test_run("hist", tests);
}
