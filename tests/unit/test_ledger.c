/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "replication/ledger.h"
#include "replication/ledger_row.h"

#define NOW_MS 1700000000000ull

static struct version at(uint64_t ms) { return (struct version){.hlc = hlc_from_ms(NOW_MS + ms), .id = 1}; }

/** An eventual value of CLIENT, made MS after the start. */
static struct record value_of(uint64_t client, uint64_t ms, const char *text)
{
	struct slice value = slice_str(text);
	return (struct record){.ver = at(ms),
			       .org = at(ms),
			       .has_value = true,
			       .rid = {.client = client, .seq = ms + 1},
			       .value_hash = hash64(value),
			       .value_size = (uint32_t)value.size,
			       .value = value};
}

static struct record deleted_by(uint64_t client, uint64_t ms)
{
	return (struct record){
		.ver = at(ms), .org = at(ms), .tombstone = true, .rid = {.client = client, .seq = ms + 1}};
}

/* ---- overwritten ---- */

static void another_clients_write_within_the_window_is_a_conflict(void **state)
{
	struct record a = value_of(1, 0, "a");
	struct record b = value_of(2, LEDGER_WINDOW_MS - 1, "b");
	assert_int_equal(ledger_judge_overwrite(&a, &b), LEDGER_OVERWRITTEN);
	b.strong = true;
	assert_int_equal(ledger_judge_overwrite(&a, &b), LEDGER_STRONG);
}

static void a_write_after_the_window_is_a_successor(void **state)
{
	struct record a = value_of(1, 0, "a");
	struct record b = value_of(2, LEDGER_WINDOW_MS, "b");
	assert_int_equal(ledger_judge_overwrite(&a, &b), 0);
}

static void the_same_clients_next_write_is_a_successor(void **state)
{
	struct record a = value_of(1, 0, "a");
	struct record b = value_of(1, 1, "b");
	assert_int_equal(ledger_judge_overwrite(&a, &b), 0);
}

static void an_older_value_made_stable_over_a_newer_one_is_a_conflict_whoever_wrote_it(void **state)
{
	struct record older = value_of(1, 0, "a");
	struct record newer = value_of(1, 1, "b");
	older.ver = at(5000);
	older.strong = true;
	assert_int_equal(ledger_judge_overwrite(&newer, &older), LEDGER_STRONG);
}

static void a_strong_value_is_not_for_the_ledger(void **state)
{
	struct record a = value_of(1, 0, "a");
	struct record b = value_of(2, 1, "b");
	a.strong = true;
	assert_int_equal(ledger_judge_overwrite(&a, &b), 0);
	assert_int_equal(ledger_judge_late(&a, &b, at(2).hlc), 0);
}

static void an_absent_record_loses_nothing(void **state)
{
	struct record none = {0};
	struct record b = value_of(2, 1, "b");
	assert_int_equal(ledger_judge_overwrite(&none, &b), 0);
}

static void the_same_content_is_no_conflict(void **state)
{
	struct record a = value_of(1, 0, "same"), b = value_of(2, 1, "same");
	assert_int_equal(ledger_judge_overwrite(&a, &b), 0);
	struct record c = deleted_by(1, 0), d = deleted_by(2, 1);
	assert_int_equal(ledger_judge_overwrite(&c, &d), 0);
}

static void a_delete_may_lose_and_win(void **state)
{
	struct record a = value_of(1, 0, ""), d = deleted_by(2, 1), b = value_of(3, 2, "");
	assert_int_equal(ledger_judge_overwrite(&a, &d), LEDGER_OVERWRITTEN);
	assert_int_equal(ledger_judge_overwrite(&d, &b), LEDGER_OVERWRITTEN);
}

static void the_same_value_under_a_new_version_is_no_conflict(void **state)
{
	struct record a = value_of(1, 0, "a"), copy = a;
	copy.ver = at(1);
	copy.strong = true;
	copy.rid.client = 9;
	copy.value_hash++; /* it is the attempt that counts */
	assert_int_equal(ledger_judge_overwrite(&a, &copy), 0);
}

static void an_expired_value_is_not_lost(void **state)
{
	struct record a = value_of(1, 0, "a"), b = value_of(2, 20, "b");
	a.expires_ms = NOW_MS + 20;
	assert_int_equal(ledger_judge_overwrite(&a, &b), 0);
	a.expires_ms = NOW_MS + 21;
	assert_int_equal(ledger_judge_overwrite(&a, &b), LEDGER_OVERWRITTEN);
}

static void what_an_update_was_computed_from_is_not_lost(void **state)
{
	struct record a = value_of(1, 0, "41"), sum = value_of(2, 1, "42");
	struct lineage lin = {.ver = a.ver};
	sum.strong = true;
	sum.lin = &lin;
	sum.lin_count = 1;
	assert_int_equal(ledger_judge_overwrite(&a, &sum), LEDGER_STRONG); /* a put, which looked at nothing */
	sum.result = 42;
	assert_int_equal(ledger_judge_overwrite(&a, &sum), 0);
	lin.ver = at(7); /* of something else */
	assert_int_equal(ledger_judge_overwrite(&a, &sum), LEDGER_STRONG);
}

/* ---- late ---- */

static void a_value_that_comes_after_a_newer_one_is_late_however_old_it_is(void **state)
{
	struct record late = value_of(1, 0, "late"), here = value_of(2, 3600000, "here");
	assert_int_equal(ledger_judge_late(&late, &here, here.ver.hlc), LEDGER_LATE);
	here.strong = true;
	assert_int_equal(ledger_judge_late(&late, &here, here.ver.hlc), LEDGER_LATE);
}

static void the_same_write_again_is_not_late(void **state)
{
	struct record late = value_of(1, 0, "a"), here = late;
	assert_int_equal(ledger_judge_late(&late, &here, here.ver.hlc), 0);
	here.ver = at(10); /* made stable by a ballot meanwhile */
	assert_int_equal(ledger_judge_late(&late, &here, here.ver.hlc), 0);
}

static void what_is_built_on_a_value_does_not_make_it_late(void **state)
{
	struct record late = value_of(1, 0, "a"), here = value_of(2, 10, "b");
	struct lineage lin = {.ver = late.ver};
	here.lin = &lin;
	here.lin_count = 1;
	assert_int_equal(ledger_judge_late(&late, &here, here.ver.hlc), 0);
}

static void a_client_overtaken_by_itself_or_by_time_loses_nothing(void **state)
{
	struct record late = value_of(1, 0, "a"), here = value_of(1, 10, "b");
	assert_int_equal(ledger_judge_late(&late, &here, here.ver.hlc), 0);
	here.rid.client = 2;
	late.expires_ms = NOW_MS + 100;
	assert_int_equal(ledger_judge_late(&late, &here, at(100).hlc), 0);
	assert_int_equal(ledger_judge_late(&late, &here, at(99).hlc), LEDGER_LATE);
}

/* ---- rows ---- */

static struct ledger_row random_row(struct rng *rng, uint8_t *bytes, size_t size_max)
{
	struct ledger_row row = {
		.cause = (enum ledger_cause)rng_between(rng, LEDGER_LATE, LEDGER_STRONG),
		.tombstone = rng_below(rng, 3) == 0,
		.winner = {rng_next(rng), rng_next(rng)},
		.ends_ms = rng_next(rng),
		.value_hash = rng_next(rng),
		.value_size = rng_next(rng),
	};
	row.has_value = !row.tombstone && rng_below(rng, 3) > 0;
	size_t size = row.has_value ? rng_below(rng, size_max) : 0;
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)rng_next(rng);
	row.value = slice_of(bytes, size);
	return row;
}

static void an_entry_comes_back_from_its_bytes(void **state)
{
	struct rng rng;
	rng_init(&rng, rng_entropy());
	for (int i = 0; i < 1000; i++) {
		uint8_t value[64], bytes[LEDGER_ROW_HEADER_SIZE + sizeof value];
		struct ledger_row row = random_row(&rng, value, sizeof value), back;
		ledger_row_encode(&row, bytes);
		assert_int_equal(ledger_row_decode(slice_of(bytes, ledger_row_size(&row)), &back), KV_OK);
		assert_int_equal(back.cause, row.cause);
		assert_int_equal(back.tombstone, row.tombstone);
		assert_int_equal(back.has_value, row.has_value);
		assert_int_equal(back.winner.hlc, row.winner.hlc);
		assert_int_equal(back.winner.id, row.winner.id);
		assert_int_equal(back.ends_ms, row.ends_ms);
		assert_int_equal(back.value_hash, row.value_hash);
		assert_int_equal(back.value_size, row.value_size);
		assert_slice_equal(back.value, row.value);
	}
}

static void a_damaged_entry_is_found_out(void **state)
{
	struct ledger_row row = {.cause = LEDGER_LATE, .has_value = true, .value = slice_str("value")}, back;
	uint8_t bytes[LEDGER_ROW_HEADER_SIZE + 5];
	ledger_row_encode(&row, bytes);
	for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
		bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
		assert_int_equal(ledger_row_decode(slice_of(bytes, sizeof bytes), &back), KV_CORRUPT);
		bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
	}
	for (size_t size = 0; size < sizeof bytes; size++)
		assert_int_equal(ledger_row_decode(slice_of(bytes, size), &back), KV_CORRUPT);
	assert_int_equal(ledger_row_decode(slice_of(bytes, sizeof bytes), &back), KV_OK);
}

static void an_entry_and_its_key_have_their_golden_bytes(void **state)
{
	struct ledger_row row = {.cause = LEDGER_STRONG,
				 .has_value = true,
				 .winner = {0x0102030405060708, 0x1112131415161718},
				 .ends_ms = 0x21,
				 .value_hash = 0x31,
				 .value_size = 2,
				 .value = slice_str("hi")};
	uint8_t bytes[LEDGER_ROW_HEADER_SIZE + 2];
	ledger_row_encode(&row, bytes);
	assert_memory_equal(bytes, "\x01\x01\x03\x00", 4);
	assert_memory_equal(bytes + 8,
			    "\x08\x07\x06\x05\x04\x03\x02\x01\x18\x17\x16\x15\x14\x13\x12\x11"
			    "\x21\0\0\0\0\0\0\0\x31\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0hi",
			    sizeof bytes - 8);
	uint8_t key[3 + LEDGER_KEY_SUFFIX_SIZE];
	ledger_key_encode(slice_str("key"), row.winner, key);
	assert_memory_equal(key, "key\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x13\x14\x15\x16\x17\x18", sizeof key);
}

static void a_key_and_its_version_come_apart_again(void **state)
{
	uint8_t bytes[3 + LEDGER_KEY_SUFFIX_SIZE];
	struct version ver = {~0ull, 5}, back;
	struct slice key;
	ledger_key_encode(slice_str("abc"), ver, bytes);
	assert_true(ledger_key_decode(slice_of(bytes, sizeof bytes), &key, &back));
	assert_slice_equal(key, slice_str("abc"));
	assert_int_equal(version_compare(back, ver), 0);
	assert_false(ledger_key_decode(slice_of(bytes, LEDGER_KEY_SUFFIX_SIZE), &key, &back));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_clients_write_within_the_window_is_a_conflict),
		cmocka_unit_test(a_write_after_the_window_is_a_successor),
		cmocka_unit_test(the_same_clients_next_write_is_a_successor),
		cmocka_unit_test(an_older_value_made_stable_over_a_newer_one_is_a_conflict_whoever_wrote_it),
		cmocka_unit_test(a_strong_value_is_not_for_the_ledger),
		cmocka_unit_test(an_absent_record_loses_nothing),
		cmocka_unit_test(the_same_content_is_no_conflict),
		cmocka_unit_test(a_delete_may_lose_and_win),
		cmocka_unit_test(the_same_value_under_a_new_version_is_no_conflict),
		cmocka_unit_test(an_expired_value_is_not_lost),
		cmocka_unit_test(what_an_update_was_computed_from_is_not_lost),
		cmocka_unit_test(a_value_that_comes_after_a_newer_one_is_late_however_old_it_is),
		cmocka_unit_test(the_same_write_again_is_not_late),
		cmocka_unit_test(what_is_built_on_a_value_does_not_make_it_late),
		cmocka_unit_test(a_client_overtaken_by_itself_or_by_time_loses_nothing),
		cmocka_unit_test(an_entry_comes_back_from_its_bytes),
		cmocka_unit_test(a_damaged_entry_is_found_out),
		cmocka_unit_test(an_entry_and_its_key_have_their_golden_bytes),
		cmocka_unit_test(a_key_and_its_version_come_apart_again),
	};
	return test_run("ledger", tests);
}
