/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/arena.h"
#include "base/rng.h"

static void pieces_are_aligned_and_do_not_overlap(void **state)
{
	enum { PIECES_MAX = 2000 };
	struct rng rng;
	rng_init(&rng, 2);
	for (int round = 0; round < 20; round++) {
		CLEANUP(arena_release) struct arena a = ARENA_INIT(1 << 20);
		struct slice pieces[PIECES_MAX];
		size_t count = 0;
		while (count < PIECES_MAX) {
			size_t size = rng_chance(&rng, 20000) ? rng_below(&rng, 20000) : rng_below(&rng, 200);
			uint8_t *at = arena_alloc(&a, size);
			if (!at)
				break;
			assert_int_equal((uintptr_t)at % 16, 0);
			memset(at, (int)(count & 0xff), size);
			pieces[count++] = slice_of(at, size);
		}
		for (size_t i = 0; i < count; i++) {
			for (size_t j = 0; j < pieces[i].size; j++)
				assert_int_equal(pieces[i].data[j], i & 0xff);
		}
	}
}

static void the_cap_holds_to_the_byte(void **state)
{
	CLEANUP(arena_release) struct arena a = ARENA_INIT(4096);
	assert_null(arena_alloc(&a, 4097));
	assert_non_null(arena_alloc(&a, 4080));
	assert_null(arena_alloc(&a, 17));
	assert_non_null(arena_alloc(&a, 16));
	assert_null(arena_alloc(&a, 0));
	assert_int_equal(a.used, a.limit);
}

static void absurd_sizes_are_refused_even_without_a_cap(void **state)
{
	CLEANUP(arena_release) struct arena a = ARENA_INIT(SIZE_MAX);
	for (size_t less = 0; less < 64; less++)
		assert_null(arena_alloc(&a, SIZE_MAX - less));
	assert_null(arena_alloc(&a, SIZE_MAX / 2 + 1));
	assert_int_equal(a.used, 0);
	assert_non_null(arena_alloc(&a, 1));
}

static void a_refusal_changes_nothing(void **state)
{
	CLEANUP(arena_release) struct arena a = ARENA_INIT(1024);
	assert_non_null(arena_alloc(&a, 512));
	size_t used = a.used;
	assert_null(arena_alloc(&a, 1000));
	assert_int_equal(a.used, used);
	assert_non_null(arena_alloc(&a, 512));
}

static void reset_gives_everything_back(void **state)
{
	CLEANUP(arena_release) struct arena a = ARENA_INIT(64 * 1024);
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 64; i++) {
			uint8_t *at = arena_alloc(&a, 1024);
			assert_non_null(at);
			memset(at, 0xee, 1024);
		}
		assert_null(arena_alloc(&a, 1));
		arena_reset(&a);
		assert_int_equal(a.used, 0);
	}
}

static void a_copy_has_the_bytes_and_an_empty_copy_always_succeeds(void **state)
{
	CLEANUP(arena_release) struct arena a = ARENA_INIT(16);
	struct slice copy = arena_copy(&a, slice_str("key"));
	assert_slice_equal(copy, slice_str("key"));
	assert_null(arena_copy(&a, slice_str("more")).data);
	struct slice empty = arena_copy(&a, slice_of(NULL, 0));
	assert_non_null(empty.data);
	assert_int_equal(empty.size, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_and_do_not_overlap),
		cmocka_unit_test(the_cap_holds_to_the_byte),
		cmocka_unit_test(absurd_sizes_are_refused_even_without_a_cap),
		cmocka_unit_test(a_refusal_changes_nothing),
		cmocka_unit_test(reset_gives_everything_back),
		cmocka_unit_test(a_copy_has_the_bytes_and_an_empty_copy_always_succeeds),
	};
	return test_run("arena", tests);
}
