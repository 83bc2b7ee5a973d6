/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "storage/keyspace.h"

static void assert_bytes(const struct buf *b, const void *expected, size_t size)
{
	assert_slice_equal(buf_slice(b), slice_of(expected, size));
}

static void data_key_has_its_golden_bytes(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct keyspace_key key = {.target = 0x7777,
				   .partition = 0x0102,
				   .leaf = 0x03FF,
				   .bucket = 0x0A0B0C0D,
				   .key = slice_of("k\0z", 3)};
	keyspace_data_key(&b, &key);
	assert_bytes(&b,
		     "\x01\x02\x03\xFF\x0A\x0B\x0C\x0D"
		     "k\0z",
		     11);
	keyspace_data_key(&b, &key);
	assert_int_equal(b.size, 22); /* appended */
}

static void hint_key_has_its_golden_bytes(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct keyspace_key key = {
		.target = 0x00FE, .partition = 0x0102, .leaf = 0x0304, .bucket = 5, .key = slice_str("key")};
	keyspace_hint_key(&b, &key);
	assert_bytes(&b,
		     "\x00\xFE\x01\x02\x03\x04\x00\x00\x00\x05"
		     "key",
		     13);
}

static void keys_come_back_from_their_bytes(void **state)
{
	struct keyspace_key key = {.target = 9, .partition = 1, .leaf = 2, .bucket = 3, .key = slice_str("abc")};
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	keyspace_hint_key(&b, &key);
	struct keyspace_key got;
	assert_true(keyspace_hint_parse(buf_slice(&b), &got));
	assert_int_equal(got.target, 9);
	assert_int_equal(got.partition, 1);
	assert_int_equal(got.leaf, 2);
	assert_int_equal(got.bucket, 3);
	assert_true(slice_equal(got.key, key.key));
	buf_clear(&b);
	keyspace_data_key(&b, &key);
	assert_true(keyspace_data_parse(buf_slice(&b), &got));
	assert_int_equal(got.target, 0);
	assert_int_equal(got.bucket, 3);
	assert_true(slice_equal(got.key, key.key));
}

static void short_bytes_are_no_keys(void **state)
{
	static const uint8_t zeros[HINT_KEY_PREFIX_SIZE + 1];
	struct keyspace_key got;
	for (size_t size = 0; size <= DATA_KEY_PREFIX_SIZE; size++)
		assert_false(keyspace_data_parse(slice_of(zeros, size), &got));
	assert_true(keyspace_data_parse(slice_of(zeros, DATA_KEY_PREFIX_SIZE + 1), &got));
	for (size_t size = 0; size <= HINT_KEY_PREFIX_SIZE; size++)
		assert_false(keyspace_hint_parse(slice_of(zeros, size), &got));
	assert_true(keyspace_hint_parse(slice_of(zeros, HINT_KEY_PREFIX_SIZE + 1), &got));
}

/** Numbers at the places where a wrong byte order or a sign shows. */
static uint32_t edge_number(struct rng *rng, uint32_t max)
{
	static const uint32_t edges[] = {0,      1,      0x7F,   0x80,    0xFF,       0x100,      0x7FFF,
					 0x8000, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
	uint32_t number = edges[rng_below(rng, ARRAY_SIZE(edges))];
	return number > max ? max : number;
}

static struct keyspace_key random_key(struct rng *rng, uint8_t bytes[4])
{
	size_t size = (size_t)rng_between(rng, 1, 4);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)edge_number(rng, 0xFF);
	return (struct keyspace_key){.target = (uint16_t)edge_number(rng, 0xFFFF),
				     .partition = (uint16_t)edge_number(rng, 0xFFFF),
				     .leaf = (uint16_t)edge_number(rng, 1023),
				     .bucket = edge_number(rng, 0xFFFFFFFF),
				     .key = slice_of(bytes, size)};
}

static int sign(int64_t v) { return v < 0 ? -1 : v > 0; }

static int tuple_compare(const struct keyspace_key *a, const struct keyspace_key *b, bool with_target)
{
	if (with_target && a->target != b->target)
		return a->target < b->target ? -1 : 1;
	if (a->partition != b->partition)
		return a->partition < b->partition ? -1 : 1;
	if (a->leaf != b->leaf)
		return a->leaf < b->leaf ? -1 : 1;
	if (a->bucket != b->bucket)
		return a->bucket < b->bucket ? -1 : 1;
	return sign(slice_compare(a->key, b->key));
}

static void byte_order_is_tuple_order(void **state)
{
	struct rng rng;
	rng_init(&rng, 1);
	CLEANUP(buf_release) struct buf a_bytes = BUF_INIT;
	CLEANUP(buf_release) struct buf b_bytes = BUF_INIT;
	for (int i = 0; i < 20000; i++) {
		uint8_t a_key[4], b_key[4];
		struct keyspace_key a = random_key(&rng, a_key);
		struct keyspace_key b = random_key(&rng, b_key);
		if (rng_chance(&rng, 500000)) { /* equal up to somewhere */
			b.target = a.target;
			b.partition = a.partition;
			b.leaf = rng_chance(&rng, 700000) ? a.leaf : b.leaf;
			b.bucket = rng_chance(&rng, 700000) ? a.bucket : b.bucket;
		}
		buf_clear(&a_bytes);
		buf_clear(&b_bytes);
		keyspace_data_key(&a_bytes, &a);
		keyspace_data_key(&b_bytes, &b);
		assert_int_equal(sign(slice_compare(buf_slice(&a_bytes), buf_slice(&b_bytes))),
				 tuple_compare(&a, &b, /* with_target= */ false));
		buf_clear(&a_bytes);
		buf_clear(&b_bytes);
		keyspace_hint_key(&a_bytes, &a);
		keyspace_hint_key(&b_bytes, &b);
		assert_int_equal(sign(slice_compare(buf_slice(&a_bytes), buf_slice(&b_bytes))),
				 tuple_compare(&a, &b, /* with_target= */ true));
	}
}

static bool in_range(const struct buf *bytes, const struct buf *first, const struct buf *end)
{
	return slice_compare(buf_slice(bytes), buf_slice(first)) >= 0 &&
	       (end->size == 0 || slice_compare(buf_slice(bytes), buf_slice(end)) < 0);
}

static void ranges_hold_exactly_their_keys(void **state)
{
	struct rng rng;
	rng_init(&rng, 2);
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	CLEANUP(buf_release) struct buf first = BUF_INIT;
	CLEANUP(buf_release) struct buf end = BUF_INIT;
	for (int i = 0; i < 20000; i++) {
		uint8_t user_key[4];
		struct keyspace_key key = random_key(&rng, user_key);
		uint16_t partition = rng_chance(&rng, 400000) ? key.partition : (uint16_t)edge_number(&rng, 0xFFFF);
		uint16_t target = rng_chance(&rng, 400000) ? key.target : (uint16_t)edge_number(&rng, 0xFFFF);
		buf_clear(&bytes);
		keyspace_data_key(&bytes, &key);
		keyspace_data_range(partition, &first, &end);
		assert_int_equal(in_range(&bytes, &first, &end), key.partition == partition);
		buf_clear(&bytes);
		keyspace_hint_key(&bytes, &key);
		keyspace_hint_range(target, &first, &end);
		assert_int_equal(in_range(&bytes, &first, &end), key.target == target);
		keyspace_hint_partition_range(target, partition, &first, &end);
		assert_int_equal(in_range(&bytes, &first, &end),
				 key.target == target && key.partition == partition);
	}
}

static void ranges_have_their_golden_bounds(void **state)
{
	CLEANUP(buf_release) struct buf first = BUF_INIT;
	CLEANUP(buf_release) struct buf end = BUF_INIT;
	keyspace_data_range(0x00FF, &first, &end);
	assert_bytes(&first, "\x00\xFF", 2);
	assert_bytes(&end, "\x01\x00", 2);
	keyspace_data_range(0xFFFF, &first, &end);
	assert_bytes(&first, "\xFF\xFF", 2);
	assert_bytes(&end, "", 0);
	keyspace_hint_range(1, &first, &end);
	assert_bytes(&first, "\x00\x01", 2);
	assert_bytes(&end, "\x00\x02", 2);
	keyspace_hint_partition_range(1, 0xFFFE, &first, &end);
	assert_bytes(&first, "\x00\x01\xFF\xFE", 4);
	assert_bytes(&end, "\x00\x01\xFF\xFF", 4);
	keyspace_hint_partition_range(1, 0xFFFF, &first, &end);
	assert_bytes(&first, "\x00\x01\xFF\xFF", 4);
	assert_bytes(&end, "\x00\x02", 2);
	keyspace_hint_partition_range(0xFFFF, 0xFFFF, &first, &end);
	assert_bytes(&first, "\xFF\xFF\xFF\xFF", 4);
	assert_bytes(&end, "", 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_key_has_its_golden_bytes),   cmocka_unit_test(hint_key_has_its_golden_bytes),
		cmocka_unit_test(keys_come_back_from_their_bytes), cmocka_unit_test(short_bytes_are_no_keys),
		cmocka_unit_test(byte_order_is_tuple_order),       cmocka_unit_test(ranges_hold_exactly_their_keys),
		cmocka_unit_test(ranges_have_their_golden_bounds),
	};
	return test_run("keyspace", tests);
}
