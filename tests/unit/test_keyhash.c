/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "proto/keyhash.h"

static uint64_t hash_of(const char *key) { return key_hash(slice_str(key)); }

static void golden_hashes_never_change(void **state)
{
	static const struct {
		const char *key;
		uint64_t hash;
		uint16_t partition, leaf; /* of 1024 */
	} golden[] = {
		{"a", 0xe6c632b61e964e1f, 923, 99},
		{"user:42", 0x9fc1e605fa7174aa, 639, 30},
		{"{user1}.name", 0xeff89d018b2aae9c, 959, 905},
		{"\xc3\xbc", 0x5da81d070ce09f6e, 374, 641},
		{"hello", 0x9555e8555c62dcfd, 597, 350},
		{"The quick brown fox jumps over the lazy dog", 0xce7d19a5418fb365, 825, 977},
	};
	for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
		uint64_t hash = hash_of(golden[i].key);
		assert_true(hash == golden[i].hash);
		assert_int_equal(hash_partition(hash, 1024), golden[i].partition);
		assert_int_equal(hash_leaf(hash, 1024), golden[i].leaf);
	}
}

static void only_the_first_tag_is_hashed(void **state)
{
	assert_true(hash_of("{user1}.name") == hash_of("user1"));
	assert_true(hash_of("a{user1}b") == hash_of("user1"));
	assert_true(hash_of("{user1}{user2}") == hash_of("user1"));
	assert_true(hash_of("{{x}}") == hash_of("{x"));
}

static void an_empty_or_open_tag_is_no_tag(void **state)
{
	static const char *const plain[] = {"{}", "a{}b", "{", "a{", "{user1", "}", "}{", "user1}", "{}{user1}"};
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		assert_true(hash_of(plain[i]) == hash64(slice_str(plain[i])));
}

static void tags_may_hold_any_bytes(void **state)
{
	assert_true(key_hash(slice_of("\0{\0\xff}x", 6)) == hash64(slice_of("\0\xff", 2)));
}

static void an_absent_key_has_a_hash(void **state)
{
	assert_true(key_hash(slice_of(NULL, 0)) == hash64(slice_of("", 0)));
}

static void partition_and_leaf_are_neighbouring_bits(void **state)
{
	struct rng rng;
	rng_init(&rng, 3);
	for (uint32_t partitions = 2; partitions <= PARTITIONS_MAX; partitions *= 2) {
		assert_int_equal(hash_partition(0, partitions), 0);
		assert_int_equal(hash_partition(UINT64_MAX, partitions), partitions - 1);
		assert_int_equal(hash_leaf(UINT64_MAX, partitions), LEAVES_PER_PARTITION - 1);
		for (int i = 0; i < 1000; i++) {
			uint64_t hash = rng_next(&rng);
			unsigned bits = (unsigned)__builtin_ctz(partitions);
			uint64_t both =
				(uint64_t)hash_partition(hash, partitions) << 10 | hash_leaf(hash, partitions);
			assert_true(both == hash >> (64 - bits - 10));
		}
	}
}

static void keys_spread_evenly_over_partitions(void **state)
{
	enum { PARTITIONS = 64, KEYS = 64000 };
	unsigned counts[PARTITIONS] = {0};
	for (int i = 0; i < KEYS; i++) {
		char key[32];
		int size = snprintf(key, sizeof key, "user:%d", i);
		counts[hash_partition(key_hash(slice_of(key, (size_t)size)), PARTITIONS)]++;
	}
	for (int p = 0; p < PARTITIONS; p++)
		assert_in_range(counts[p], 850, 1150);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_hashes_never_change),
		cmocka_unit_test(only_the_first_tag_is_hashed),
		cmocka_unit_test(an_empty_or_open_tag_is_no_tag),
		cmocka_unit_test(tags_may_hold_any_bytes),
		cmocka_unit_test(an_absent_key_has_a_hash),
		cmocka_unit_test(partition_and_leaf_are_neighbouring_bits),
		cmocka_unit_test(keys_spread_evenly_over_partitions),
	};
	return test_run("keyhash", tests);
}
