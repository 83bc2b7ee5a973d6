/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/hash.h"
#include "base/rng.h"

/* Of bytes[i] = i * 131 + 7, made by the reference library: placement and stored checksums depend on these numbers. */
static const struct golden {
	size_t size;
	uint64_t plain;
	uint64_t seeded; /* with 2654435761 */
} goldens[] = {
	{0, 0x2d06800538d394c2ULL, 0xf702ca3814de2125ULL},    {1, 0x4c5cca45d0f4811fULL, 0x98b2647a1f47f3a7ULL},
	{3, 0x6e3e2670e61106acULL, 0x22eb02a067d1182aULL},    {4, 0x5c4c63133443d03fULL, 0xb9c80094af54526cULL},
	{8, 0xf9fd4dd0b04d78f5ULL, 0xff815d2d1480cbe3ULL},    {9, 0x7c20df9712c26edfULL, 0x77a001c728b8f3eeULL},
	{16, 0x86abf6baccea0858ULL, 0x06444640cb66c6dcULL},   {17, 0xb58bf5dc5022d071ULL, 0x9690e1070a6260a7ULL},
	{128, 0x10d17f72c0ccba41ULL, 0x36659f44e558f8d0ULL},  {129, 0x1648bdc3db49d1a2ULL, 0xea6e466d0e3efa61ULL},
	{240, 0xb6cfaf343fab81e6ULL, 0x1bcdef0672e73d9cULL},  {241, 0x956cae592c67279eULL, 0xb5242b6cb3492877ULL},
	{1024, 0x70bd377d9574f4bbULL, 0x95369fae4b4ab07fULL}, {1025, 0x66c4487c41e127a7ULL, 0xcb0f8a717643d66fULL},
	{5000, 0xe4007929540f095cULL, 0xb059bec90fcccf57ULL},
};

static uint8_t bytes[5000];

static int fill_bytes(void **state)
{
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 131 + 7);
	return 0;
}

static void results_are_pinned_for_every_length_class(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
		struct slice s = slice_of(bytes, goldens[i].size);
		assert_true(hash64(s) == goldens[i].plain);
		assert_true(hash64_seeded(s, 2654435761) == goldens[i].seeded);
		assert_true(hash64_seeded(s, 0) == goldens[i].plain);
	}
}

static void nothing_has_a_hash_too(void **state)
{
	assert_true(hash64(slice_of(NULL, 0)) == 0x2d06800538d394c2);
	assert_true(hash64_two(slice_of(NULL, 0), slice_of(NULL, 0)) == 0x2d06800538d394c2);
}

static void two_runs_hash_as_one_wherever_they_are_cut(void **state)
{
	struct rng rng;
	rng_init(&rng, 9);
	for (int i = 0; i < 5000; i++) {
		size_t size = rng_below(&rng, rng_chance(&rng, 500000) ? 300 : sizeof bytes + 1);
		size_t cut = rng_below(&rng, size + 1);
		uint64_t whole = hash64(slice_of(bytes, size));
		assert_true(hash64_two(slice_of(bytes, cut), slice_of(bytes + cut, size - cut)) == whole);
	}
}

static void results_do_not_depend_on_alignment(void **state)
{
	uint8_t space[400 + 16];
	for (size_t size = 0; size <= 400; size++) {
		uint64_t expected = hash64(slice_of(bytes, size));
		for (size_t shift = 1; shift < 16; shift += 5) {
			memcpy(space + shift, bytes, size);
			assert_true(hash64(slice_of(space + shift, size)) == expected);
		}
	}
}

static void numbers_hash_to_pinned_values(void **state)
{
	assert_true(hash_u64(0) == 0);
	assert_true(hash_u64(1) == 0xb456bcfc34c2cb2c);
	assert_true(hash_u64(2) == 0x3abf2a20650683e7);
	assert_true(hash_u64(UINT64_MAX) == 0x64b5720b4b825f21);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(results_are_pinned_for_every_length_class, fill_bytes),
		cmocka_unit_test(nothing_has_a_hash_too),
		cmocka_unit_test_setup(two_runs_hash_as_one_wherever_they_are_cut, fill_bytes),
		cmocka_unit_test_setup(results_do_not_depend_on_alignment, fill_bytes),
		cmocka_unit_test(numbers_hash_to_pinned_values),
	};
	return test_run("hash", tests);
}
