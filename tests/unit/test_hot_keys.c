/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "server/hot_keys.h"

static struct hot_keys sketch, other;
static struct hot_sum sum;
static struct arena arena;

static void note(struct hot_keys *h, const char *key, unsigned count, bool read)
{
	while (count-- > 0)
		hot_keys_note(h, 0, slice_str(key), read);
}

static struct msg_hot_keys tell(void)
{
	struct msg_hot_keys told;
	arena = ARENA_INIT(1 << 20);
	hot_sum_tell(&sum, &arena, &told);
	return told;
}

static void setup(void)
{
	hot_keys_clear(&sketch);
	hot_keys_clear(&other);
	sum.count = 0;
	sum.total = 0;
}

static void few_keys_are_counted_exactly(void **state)
{
	setup();
	note(&sketch, "a", 3, true);
	note(&sketch, "b", 7, false);
	note(&sketch, "a", 6, false);
	hot_sum_add(&sum, &sketch);
	struct msg_hot_keys told = tell();
	assert_int_equal(told.total, 16);
	assert_int_equal(told.count, 2);
	assert_slice_equal(told.keys[0].key, slice_str("a"));
	assert_int_equal(told.keys[0].reads, 3);
	assert_int_equal(told.keys[0].writes, 6);
	assert_int_equal(told.keys[0].error, 0);
	assert_slice_equal(told.keys[1].key, slice_str("b"));
	arena_release(&arena);
}

static void a_key_of_two_buckets_is_two_keys(void **state)
{
	setup();
	hot_keys_note(&sketch, 0, slice_str("a"), true);
	hot_keys_note(&sketch, 1, slice_str("a"), true);
	hot_sum_add(&sum, &sketch);
	assert_int_equal(tell().count, 2);
	arena_release(&arena);
}

static void shards_are_added_up(void **state)
{
	setup();
	note(&sketch, "a", 2, true);
	note(&other, "a", 3, false);
	note(&other, "b", 4, true);
	hot_sum_add(&sum, &sketch);
	hot_sum_add(&sum, &other);
	struct msg_hot_keys told = tell();
	assert_int_equal(told.total, 9);
	assert_slice_equal(told.keys[0].key, slice_str("a"));
	assert_int_equal(told.keys[0].reads + told.keys[0].writes, 5);
	arena_release(&arena);
}

/** Of many more keys than there are counters: what the header promises. */
static void hot_keys_are_found_among_many_and_figures_are_bounds(void **state)
{
	enum { KEYS = 2000, REQUESTS = 50000 };
	static uint64_t truth[KEYS];
	struct rng rng;
	char key[16];
	setup();
	memset(truth, 0, sizeof truth);
	rng_init(&rng, 20);
	for (unsigned i = 0; i < REQUESTS; i++) {
		/* One request in 16 for key 7, one in 32 for key 8. */
		uint64_t draw = rng_below(&rng, 32);
		uint64_t k = draw < 2 ? 7 : draw == 2 ? 8 : rng_below(&rng, KEYS);
		truth[k]++;
		snprintf(key, sizeof key, "key%llu", (unsigned long long)k);
		hot_keys_note(&sketch, 0, slice_str(key), true);
	}
	hot_sum_add(&sum, &sketch);
	struct msg_hot_keys told = tell();
	assert_int_equal(told.total, REQUESTS);
	assert_int_equal(told.count, HOT_KEYS_MAX);
	assert_slice_equal(told.keys[0].key, slice_str("key7"));
	assert_slice_equal(told.keys[1].key, slice_str("key8"));
	for (uint32_t i = 0; i < sum.count; i++) {
		const struct hot_counter *c = &sum.counters[i];
		snprintf(key, sizeof key, "%.*s", (int)c->key_size, (const char *)c->key);
		uint64_t is = truth[strtoull(key + 3, NULL, 10)];
		assert_true(c->count >= is);
		assert_true(c->count - c->error <= is);
		assert_true(c->error <= REQUESTS / HOT_COUNTERS);
	}
	arena_release(&arena);
}

static void long_keys_are_told_by_their_beginning(void **state)
{
	static char a[KEY_SIZE_MAX], b[KEY_SIZE_MAX];
	setup();
	memset(a, 'x', sizeof a);
	memset(b, 'x', sizeof b);
	b[sizeof b - 1] = 'y';
	hot_keys_note(&sketch, 0, slice_of(a, sizeof a), true);
	hot_keys_note(&sketch, 0, slice_of(b, sizeof b), true);
	hot_sum_add(&sum, &sketch);
	struct msg_hot_keys told = tell();
	assert_int_equal(told.count, 2);
	assert_int_equal(told.keys[0].key.size, HOT_KEY_SIZE);
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_keys_are_counted_exactly),
		cmocka_unit_test(a_key_of_two_buckets_is_two_keys),
		cmocka_unit_test(shards_are_added_up),
		cmocka_unit_test(hot_keys_are_found_among_many_and_figures_are_bounds),
		cmocka_unit_test(long_keys_are_told_by_their_beginning),
	};
	return test_run("hot_keys", tests);
}
