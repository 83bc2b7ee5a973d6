/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "replication/record.h"

static struct version ver(uint64_t n) { return (struct version){.hlc = n, .id = 1}; }

static struct record sample(struct rng *rng, struct lineage lin[LIN_MAX], uint8_t value[64])
{
	struct record r = {.ver = {.hlc = rng_between(rng, 1, 1000), .id = rng_next(rng)}};
	r.org = rng_chance(rng, 500000) ? r.ver : ver(rng_between(rng, 1, 9));
	r.weak = rng_chance(rng, 500000);
	r.strong = rng_chance(rng, 500000);
	r.tombstone = rng_chance(rng, 300000);
	r.rid = (struct request_id){rng_next(rng), rng_next(rng)};
	r.result = rng_below(rng, 3);
	r.fence = rng_below(rng, 2);
	r.expires_ms = rng_below(rng, 2) * rng_next(rng);
	r.lin_floor = rng_chance(rng, 500000) ? VERSION_NONE : ver(7);
	r.lin_count = (uint32_t)rng_below(rng, LIN_MAX + 1);
	for (uint32_t i = 0; i < r.lin_count; i++)
		lin[i] = (struct lineage){.ver = ver(i + 1), .rid = {i, i}, .result = i};
	r.lin = lin;
	if (!r.tombstone) {
		r.has_value = true;
		r.value = slice_of(value, rng_below(rng, 65));
		for (size_t i = 0; i < r.value.size; i++)
			value[i] = (uint8_t)rng_next(rng);
		r.value_hash = hash64(r.value);
	}
	return r;
}

static void assert_record_equal(const struct record *a, const struct record *b)
{
	assert_true(version_equal(a->ver, b->ver));
	assert_true(version_equal(a->org, b->org));
	assert_true(version_equal(a->lin_floor, b->lin_floor));
	assert_int_equal(a->weak, b->weak);
	assert_int_equal(a->strong, b->strong);
	assert_int_equal(a->tombstone, b->tombstone);
	assert_int_equal(a->result, b->result);
	assert_int_equal(a->fence, b->fence);
	assert_int_equal(a->expires_ms, b->expires_ms);
	assert_int_equal(a->value_hash, b->value_hash);
	assert_true(request_id_equal(a->rid, b->rid));
	assert_int_equal(a->lin_count, b->lin_count);
	if (a->lin_count > 0)
		assert_memory_equal(a->lin, b->lin, a->lin_count * sizeof a->lin[0]);
	assert_slice_equal(a->value, b->value);
}

static void what_was_encoded_is_decoded(void **state)
{
	struct rng rng;
	rng_init(&rng, 1);
	for (int i = 0; i < 2000; i++) {
		struct lineage lin[LIN_MAX];
		uint8_t value[64];
		struct record in = sample(&rng, lin, value), out;
		struct blob *bytes = record_encode(&in);
		assert_int_equal(record_decode(blob_slice(bytes), &out), KV_OK);
		assert_record_equal(&in, &out);
		blob_unref(bytes);
	}
}

static void every_flipped_bit_is_noticed(void **state)
{
	struct rng rng;
	rng_init(&rng, 2);
	struct lineage lin[LIN_MAX];
	uint8_t value[64];
	struct record in = sample(&rng, lin, value), out;
	struct blob *bytes = record_encode(&in);
	for (size_t bit = 0; bit < bytes->size * 8; bit++) {
		bytes->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(record_decode(blob_slice(bytes), &out), KV_CORRUPT);
		bytes->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t size = 0; size < bytes->size; size++)
		assert_int_equal(record_decode(slice_of(bytes->data, size), &out), KV_CORRUPT);
	blob_unref(bytes);
}

static void a_plain_value_costs_48_bytes_of_header(void **state)
{
	struct record in = {.ver = ver(1), .org = ver(1), .has_value = true, .value = slice_str("x")};
	struct blob *bytes = record_encode(&in);
	assert_int_equal(bytes->size, RECORD_HEADER_SIZE + 1);
	blob_unref(bytes);
}

static void a_copy_owns_what_it_points_to(void **state)
{
	char text[] = "hello";
	struct lineage lin[1] = {{.ver = ver(3)}};
	struct record in = {.ver = ver(4), .has_value = true, .value = slice_str(text), .lin_count = 1, .lin = lin};
	struct record_copy copy = {0};
	assert_true(record_copy_set(&copy, &in));
	text[0] = 'j';
	lin[0].ver = ver(9);
	assert_slice_equal(copy.rec.value, slice_str("hello"));
	assert_true(version_equal(copy.rec.lin[0].ver, ver(3)));
	assert_true(record_copy_set(&copy, &copy.rec)); /* onto itself */
	assert_slice_equal(copy.rec.value, slice_str("hello"));
	record_copy_release(&copy);
	assert_true(version_is_none(copy.rec.ver));
}

static void lineage_starts_with_the_base_and_drops_what_is_old(void **state)
{
	hlc_t now = hlc_from_ms(LIN_AGE_MS * 2);
	struct lineage old[2] = {{.ver = {now - hlc_from_ms(10), 1}},
				 {.ver = {now - hlc_from_ms(LIN_AGE_MS + 1), 1}}};
	struct record base = {.ver = {now - 5, 1}, .rid = {7, 8}, .lin_count = 2, .lin = old, .lin_floor = {3, 3}};
	struct lineage entries[LIN_MAX];
	struct record ret = {0};
	record_lineage(&base, now, entries, &ret);
	assert_int_equal(ret.lin_count, 2);
	assert_true(version_equal(ret.lin[0].ver, base.ver));
	assert_int_equal(ret.lin[0].rid.seq, 8);
	assert_true(version_equal(ret.lin[1].ver, old[0].ver));
	assert_true(version_equal(ret.lin_floor, old[1].ver));
	assert_true(record_has_ancestor(&ret, old[0].ver));
	assert_false(record_has_ancestor(&ret, old[1].ver));
}

static void a_full_lineage_raises_its_floor(void **state)
{
	struct lineage old[LIN_MAX];
	for (uint32_t i = 0; i < LIN_MAX; i++)
		old[i] = (struct lineage){.ver = ver(LIN_MAX - i)};
	struct record base = {.ver = ver(LIN_MAX + 1), .lin_count = LIN_MAX, .lin = old};
	struct lineage entries[LIN_MAX];
	struct record ret = {0};
	record_lineage(&base, LIN_MAX + 2, entries, &ret);
	assert_int_equal(ret.lin_count, LIN_MAX);
	assert_true(version_equal(ret.lin_floor, ver(1)));
}

static void expiry_is_inclusive(void **state)
{
	struct record r = {.ver = ver(1), .has_value = true, .expires_ms = 10};
	assert_false(record_hidden(&r, hlc_from_ms(10) - 1));
	assert_true(record_hidden(&r, hlc_from_ms(10)));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_encoded_is_decoded),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(a_plain_value_costs_48_bytes_of_header),
		cmocka_unit_test(a_copy_owns_what_it_points_to),
		cmocka_unit_test(lineage_starts_with_the_base_and_drops_what_is_old),
		cmocka_unit_test(a_full_lineage_raises_its_floor),
		cmocka_unit_test(expiry_is_inclusive),
	};
	return test_run("record", tests);
}
