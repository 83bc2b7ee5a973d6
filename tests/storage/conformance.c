/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "tests/storage/conformance.h"

static const struct conformance_engine *engine; /* under test */

static int setup(void **state)
{
	*state = engine->open_empty();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	engine->discard(*state);
	return 0;
}

static void put(struct store *s, enum store_table table, struct slice key, struct slice value, bool sync)
{
	struct store_op op = {.table = table, .key = key, .value = value};
	assert_int_equal(store_write(s, &op, 1, sync), KV_OK);
}

static void put_str(struct store *s, enum store_table table, const char *key, const char *value)
{
	put(s, table, slice_str(key), slice_str(value), /* sync= */ true);
}

static void assert_value(struct store *s, enum store_table table, struct slice key, struct slice expected)
{
	CLEANUP(buf_release) struct buf got = BUF_INIT;
	assert_int_equal(store_get(s, table, key, false, &got), KV_OK);
	assert_slice_equal(buf_slice(&got), expected);
}

static void assert_value_str(struct store *s, enum store_table table, const char *key, const char *expected)
{
	assert_value(s, table, slice_str(key), slice_str(expected));
}

static void assert_absent(struct store *s, enum store_table table, struct slice key)
{
	CLEANUP(buf_release) struct buf got = BUF_INIT;
	buf_append_str(&got, "untouched");
	assert_int_equal(store_get(s, table, key, false, &got), KV_NOT_FOUND);
	assert_slice_equal(buf_slice(&got), slice_str("untouched"));
}

/** The keys of a scan, each followed by a space. */
static void assert_scan(struct store *s, enum store_table table, const char *first, const char *end,
			const char *expected)
{
	CLEANUP(buf_release) struct buf got = BUF_INIT;
	struct store_scan *scan;
	assert_int_equal(store_scan_open(s, table, slice_str(first), slice_str(end), &scan), KV_OK);
	struct store_row row;
	enum kv_status status = KV_INTERNAL;
	while (store_scan_next(s, scan, &row, &status)) {
		buf_append_slice(&got, row.key);
		buf_append_u8(&got, ' ');
	}
	assert_int_equal(status, KV_OK);
	store_scan_close(s, scan);
	assert_string_equal(buf_cstr(&got), expected);
}

static void written_value_comes_back_appended(void **state)
{
	struct store *s = *state;
	put_str(s, STORE_DATA, "k", "value");
	CLEANUP(buf_release) struct buf got = BUF_INIT;
	buf_append_str(&got, "before+");
	assert_int_equal(store_get(s, STORE_DATA, slice_str("k"), false, &got), KV_OK);
	assert_slice_equal(buf_slice(&got), slice_str("before+value"));
	put_str(s, STORE_DATA, "k", "other");
	assert_value_str(s, STORE_DATA, "k", "other");
}

static void absent_key_is_not_found(void **state)
{
	assert_absent(*state, STORE_DATA, slice_str("k"));
	assert_absent(*state, STORE_HINT, slice_str("k"));
}

static void removed_key_is_gone(void **state)
{
	struct store *s = *state;
	put_str(s, STORE_DATA, "k", "value");
	struct store_op op = {.table = STORE_DATA, .remove = true, .key = slice_str("k")};
	assert_int_equal(store_write(s, &op, 1, true), KV_OK);
	assert_absent(s, STORE_DATA, slice_str("k"));
	assert_int_equal(store_write(s, &op, 1, true), KV_OK); /* again: no matter */
	assert_scan(s, STORE_DATA, "", "", "");
}

static void later_change_of_a_batch_wins(void **state)
{
	struct store *s = *state;
	const struct store_op ops[] = {
		{.table = STORE_DATA, .key = slice_str("a"), .value = slice_str("1")},
		{.table = STORE_DATA, .key = slice_str("a"), .value = slice_str("2")},
		{.table = STORE_DATA, .key = slice_str("b"), .value = slice_str("1")},
		{.table = STORE_DATA, .key = slice_str("b"), .remove = true},
		{.table = STORE_DATA, .key = slice_str("c"), .remove = true},
		{.table = STORE_DATA, .key = slice_str("c"), .value = slice_str("3")},
	};
	assert_int_equal(store_write(s, ops, ARRAY_SIZE(ops), true), KV_OK);
	assert_value_str(s, STORE_DATA, "a", "2");
	assert_absent(s, STORE_DATA, slice_str("b"));
	assert_value_str(s, STORE_DATA, "c", "3");
}

static void batch_reaches_all_tables(void **state)
{
	struct store *s = *state;
	struct store_op ops[STORE_TABLE_COUNT];
	static const char *const values[STORE_TABLE_COUNT] = {"data", "meta", "tree", "hint", "ledger"};
	for (size_t i = 0; i < STORE_TABLE_COUNT; i++)
		ops[i] = (struct store_op){
			.table = (enum store_table)i, .key = slice_str("same"), .value = slice_str(values[i])};
	assert_int_equal(store_write(s, ops, STORE_TABLE_COUNT, true), KV_OK);
	for (size_t i = 0; i < STORE_TABLE_COUNT; i++)
		assert_value_str(s, (enum store_table)i, "same", values[i]);
}

static void tables_are_separate(void **state)
{
	struct store *s = *state;
	put_str(s, STORE_DATA, "k", "data");
	put_str(s, STORE_TREE, "k", "tree");
	struct store_op op = {.table = STORE_DATA, .remove = true, .key = slice_str("k")};
	assert_int_equal(store_write(s, &op, 1, true), KV_OK);
	assert_absent(s, STORE_DATA, slice_str("k"));
	assert_absent(s, STORE_META, slice_str("k"));
	assert_value_str(s, STORE_TREE, "k", "tree");
	assert_int_equal(store_remove_range(s, STORE_HINT, (struct slice){0}, (struct slice){0}), KV_OK);
	assert_scan(s, STORE_TREE, "", "", "k ");
	assert_scan(s, STORE_META, "", "", "");
}

static void empty_batch_is_allowed(void **state)
{
	struct store *s = *state;
	put(s, STORE_DATA, slice_str("k"), slice_str("v"), /* sync= */ false);
	assert_int_equal(store_write(s, NULL, 0, false), KV_OK);
	assert_int_equal(store_write(s, NULL, 0, true), KV_OK); /* makes what came before durable */
	s = *state = engine->reopen(s);
	assert_value_str(s, STORE_DATA, "k", "v");
}

static void empty_value_is_not_absence(void **state)
{
	struct store *s = *state;
	put(s, STORE_META, slice_str("k"), (struct slice){0}, true);
	assert_value(s, STORE_META, slice_str("k"), (struct slice){0});
	s = *state = engine->reopen(s);
	assert_value(s, STORE_META, slice_str("k"), (struct slice){0});
	assert_scan(s, STORE_META, "", "", "k ");
}

static void fill(uint8_t *bytes, size_t size, uint32_t seed)
{
	struct rng rng;
	rng_init(&rng, seed);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)rng_next(&rng);
}

static void keys_of_all_sizes_and_bytes_work(void **state)
{
	struct store *s = *state;
	static uint8_t long_key[5000];
	fill(long_key, sizeof long_key, 1);
	static const uint8_t binary[] = {0, 0xFF, 0, '\n', 0x80};
	const struct slice keys[] = {
		slice_of("\0", 1),
		slice_of("\xFF", 1),
		slice_of("\0\0", 2),
		slice_of(binary, sizeof binary),
		slice_of(long_key, sizeof long_key),
		slice_of(long_key, 4999),
	};
	for (uint32_t i = 0; i < ARRAY_SIZE(keys); i++)
		put(s, STORE_DATA, keys[i], slice_of(&i, sizeof i), true);
	s = *state = engine->reopen(s);
	for (uint32_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_value(s, STORE_DATA, keys[i], slice_of(&i, sizeof i));
}

static void value_of_16_mib_comes_back(void **state)
{
	struct store *s = *state;
	size_t size = (size_t)16 << 20;
	CLEANUP(free_ptr) uint8_t *value = xmalloc(size);
	fill(value, size, 2);
	put(s, STORE_DATA, slice_str("big"), slice_of(value, size), true);
	assert_value(s, STORE_DATA, slice_str("big"), slice_of(value, size));
	s = *state = engine->reopen(s);
	assert_value(s, STORE_DATA, slice_str("big"), slice_of(value, size));
}

static void scan_keeps_to_its_bounds(void **state)
{
	struct store *s = *state;
	static const char *const keys[] = {"e", "a", "c", "b", "d", "cc"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		put_str(s, STORE_HINT, keys[i], keys[i]);
	assert_scan(s, STORE_HINT, "", "", "a b c cc d e ");
	assert_scan(s, STORE_HINT, "b", "d", "b c cc ");
	assert_scan(s, STORE_HINT, "bb", "cb", "c ");
	assert_scan(s, STORE_HINT, "c", "", "c cc d e ");
	assert_scan(s, STORE_HINT, "", "b", "a ");
	assert_scan(s, STORE_HINT, "c", "c", "");
	assert_scan(s, STORE_HINT, "d", "b", "");
	assert_scan(s, STORE_HINT, "f", "", "");
	assert_scan(s, STORE_HINT, "ca", "cb", "");
	assert_scan(s, STORE_DATA, "", "", "");
}

static void scan_after_its_end_stays_ended(void **state)
{
	struct store *s = *state;
	put_str(s, STORE_DATA, "a", "1");
	struct store_scan *scan;
	assert_int_equal(store_scan_open(s, STORE_DATA, slice_str("a"), slice_str("b"), &scan), KV_OK);
	struct store_row row;
	enum kv_status status;
	assert_true(store_scan_next(s, scan, &row, &status));
	assert_slice_equal(row.value, slice_str("1"));
	for (int i = 0; i < 3; i++) {
		assert_false(store_scan_next(s, scan, &row, &status));
		assert_int_equal(status, KV_OK);
	}
	store_scan_close(s, scan);
	store_scan_close(s, NULL);
}

static void scan_sees_the_state_as_of_its_opening(void **state)
{
	struct store *s = *state;
	put_str(s, STORE_DATA, "a", "1");
	put_str(s, STORE_DATA, "b", "1");
	put_str(s, STORE_DATA, "d", "1");
	char first[] = "a", end[] = "e"; /* copied by the store: changed below */
	struct store_scan *scan;
	assert_int_equal(store_scan_open(s, STORE_DATA, slice_str(first), slice_str(end), &scan), KV_OK);
	first[0] = end[0] = 'b';
	put_str(s, STORE_DATA, "b", "2");
	put_str(s, STORE_DATA, "c", "2");
	assert_int_equal(store_remove_range(s, STORE_DATA, slice_str("d"), (struct slice){0}), KV_OK);
	CLEANUP(buf_release) struct buf got = BUF_INIT;
	struct store_row row;
	enum kv_status status;
	while (store_scan_next(s, scan, &row, &status)) {
		buf_append_slice(&got, row.key);
		buf_append_slice(&got, row.value);
		put_str(s, STORE_DATA, "cc", "3");
	}
	assert_int_equal(status, KV_OK);
	store_scan_close(s, scan);
	assert_string_equal(buf_cstr(&got), "a1b1d1");
	assert_scan(s, STORE_DATA, "", "", "a b c cc ");
}

static void removed_range_is_exact_and_durable(void **state)
{
	struct store *s = *state;
	static const char *const keys[] = {"a", "b", "c", "d", "e", "f"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		put(s, STORE_DATA, slice_str(keys[i]), slice_str("v"), /* sync= */ false);
	assert_int_equal(store_remove_range(s, STORE_DATA, slice_str("b"), slice_str("d")), KV_OK);
	assert_scan(s, STORE_DATA, "", "", "a d e f ");
	assert_absent(s, STORE_DATA, slice_str("b"));
	assert_int_equal(store_remove_range(s, STORE_DATA, slice_str("d"), slice_str("d")), KV_OK);
	assert_int_equal(store_remove_range(s, STORE_DATA, slice_str("e"), slice_str("a")), KV_OK);
	assert_int_equal(store_remove_range(s, STORE_DATA, slice_str("x"), (struct slice){0}), KV_OK);
	assert_scan(s, STORE_DATA, "", "", "a d e f ");
	assert_int_equal(store_remove_range(s, STORE_DATA, slice_str("f"), (struct slice){0}), KV_OK);
	assert_scan(s, STORE_DATA, "", "", "a d e ");
	put_str(s, STORE_DATA, "c", "back");
	assert_int_equal(store_remove_range(s, STORE_DATA, slice_str("d"), (struct slice){0}), KV_OK);
	s = *state = engine->reopen(s);
	assert_scan(s, STORE_DATA, "", "", "a c ");
	assert_int_equal(store_remove_range(s, STORE_DATA, (struct slice){0}, (struct slice){0}), KV_OK);
	assert_scan(s, STORE_DATA, "", "", "");
}

static void synced_data_survives_reopening(void **state)
{
	struct store *s = *state;
	for (uint32_t number = 1; number <= 40; number++)
		assert_int_equal(numbered_write(s, number, /* sync= */ number == 40), KV_OK);
	for (int i = 0; i < 3; i++) {
		s = *state = engine->reopen(s);
		assert_int_equal(numbered_check(s, 40, 40), 40);
	}
}

static void counters_count(void **state)
{
	struct store *s = *state;
	struct store_stats before, after;
	store_stats(s, &before);
	assert_int_equal(numbered_write(s, 1, true), KV_OK);
	put(s, STORE_DATA, slice_str("k"), slice_str("v"), /* sync= */ false);
	assert_value_str(s, STORE_DATA, "k", "v");
	store_stats(s, &after);
	assert_int_equal(after.batches - before.batches, 2);
	assert_int_equal(after.syncs - before.syncs, 1);
	assert_true(after.ops - before.ops >= 3);
	assert_int_equal(after.reads - before.reads, 1);
	assert_int_equal(after.reads_again, 0);
	assert_true(after.bytes_live > 0);
	assert_false(after.write_stopped);
}

/* Random calls against a table of what should be there. */

enum { MODEL_KEYS = 60, MODEL_STEPS = 3000 };

struct model {
	uint32_t values[STORE_TABLE_COUNT][MODEL_KEYS]; /* 0: absent; else the seed of the value */
};

static struct slice model_key(uint32_t number, uint8_t bytes[8])
{
	/* Sizes 1 and 5, in number order: prefixes of each other in pairs. */
	bytes[0] = (uint8_t)(number / 2 * 8);
	memset(bytes + 1, 0, 4);
	return slice_of(bytes, number % 2 ? 5 : 1);
}

static struct slice model_value(uint32_t seed, uint8_t bytes[64])
{
	size_t size = seed % 61;
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(seed + i);
	return slice_of(bytes, size);
}

static void model_write(struct store *s, struct model *model, struct rng *rng)
{
	enum { OPS = 8 };
	struct store_op ops[OPS];
	uint8_t keys[OPS][8], values[OPS][64];
	size_t count = (size_t)rng_between(rng, 1, OPS);
	for (size_t i = 0; i < count; i++) {
		uint32_t number = (uint32_t)rng_below(rng, MODEL_KEYS);
		uint32_t seed = rng_chance(rng, 300000) ? 0 : (uint32_t)rng_between(rng, 1, 1000000);
		enum store_table table = (enum store_table)rng_below(rng, STORE_TABLE_COUNT);
		ops[i] = (struct store_op){.table = table,
					   .remove = seed == 0,
					   .key = model_key(number, keys[i]),
					   .value = model_value(seed, values[i])};
		model->values[table][number] = seed;
	}
	assert_int_equal(store_write(s, ops, count, /* sync= */ rng_chance(rng, 50000)), KV_OK);
}

static void model_get(struct store *s, const struct model *model, struct rng *rng)
{
	enum store_table table = (enum store_table)rng_below(rng, STORE_TABLE_COUNT);
	uint32_t number = (uint32_t)rng_below(rng, MODEL_KEYS);
	uint8_t key[8], value[64];
	uint32_t seed = model->values[table][number];
	if (seed)
		assert_value(s, table, model_key(number, key), model_value(seed, value));
	else
		assert_absent(s, table, model_key(number, key));
	bool cache_only = true;
	CLEANUP(buf_release) struct buf got = BUF_INIT;
	enum kv_status status = store_get(s, table, model_key(number, key), cache_only, &got);
	if (status != KV_AGAIN) {
		assert_int_equal(status, seed ? KV_OK : KV_NOT_FOUND);
		assert_slice_equal(buf_slice(&got), model_value(seed, value));
	}
}

static void model_scan(struct store *s, const struct model *model, struct rng *rng)
{
	enum store_table table = (enum store_table)rng_below(rng, STORE_TABLE_COUNT);
	uint32_t first = (uint32_t)rng_below(rng, MODEL_KEYS);
	uint32_t end = (uint32_t)rng_below(rng, MODEL_KEYS + 1);
	uint8_t first_bytes[8], end_bytes[8], key[8], value[64];
	struct slice end_key = end == MODEL_KEYS ? (struct slice){0} : model_key(end, end_bytes);
	struct store_scan *scan;
	assert_int_equal(store_scan_open(s, table, model_key(first, first_bytes), end_key, &scan), KV_OK);
	struct store_row row;
	enum kv_status status;
	for (uint32_t number = first; number < end; number++) {
		if (model->values[table][number] == 0)
			continue;
		assert_true(store_scan_next(s, scan, &row, &status));
		assert_slice_equal(row.key, model_key(number, key));
		assert_slice_equal(row.value, model_value(model->values[table][number], value));
	}
	assert_false(store_scan_next(s, scan, &row, &status));
	assert_int_equal(status, KV_OK);
	store_scan_close(s, scan);
}

static void model_remove_range(struct store *s, struct model *model, struct rng *rng)
{
	enum store_table table = (enum store_table)rng_below(rng, STORE_TABLE_COUNT);
	uint32_t first = (uint32_t)rng_below(rng, MODEL_KEYS);
	uint32_t end = (uint32_t)rng_below(rng, MODEL_KEYS + 1);
	uint8_t first_bytes[8], end_bytes[8];
	struct slice end_key = end == MODEL_KEYS ? (struct slice){0} : model_key(end, end_bytes);
	assert_int_equal(store_remove_range(s, table, model_key(first, first_bytes), end_key), KV_OK);
	for (uint32_t number = first; number < end; number++)
		model->values[table][number] = 0;
}

static void random_calls_match_a_model(void **state)
{
	struct rng rng;
	rng_init(&rng, 11);
	struct model model = {0};
	for (int step = 0; step < MODEL_STEPS; step++) {
		uint64_t dice = rng_below(&rng, 1000);
		if (dice < 400) {
			model_write(*state, &model, &rng);
		} else if (dice < 750) {
			model_get(*state, &model, &rng);
		} else if (dice < 980) {
			model_scan(*state, &model, &rng);
		} else if (dice < 998) {
			model_remove_range(*state, &model, &rng);
		} else {
			assert_int_equal(store_write(*state, NULL, 0, true), KV_OK);
			*state = engine->reopen(*state);
		}
	}
}

/* Readers beside the writer. Their findings are counted: cmocka's assertions belong to the main thread. */

enum { READERS = 2, READER_BATCHES = 400, PAIR_KEYS = 16 };

struct reader_state {
	struct store *store;
	atomic_bool stop;
	atomic_uint rounds;
	atomic_uint errors; /* calls that failed */
	atomic_uint torn;   /* scans that saw half a batch */
};

/** Every batch gives all keys of the table the same value: a scan that sees two values saw half of one. */
static void *read_beside_writes(void *arg)
{
	struct reader_state *r = arg;
	struct buf got = BUF_INIT;
	while (!atomic_load(&r->stop)) {
		buf_clear(&got);
		enum kv_status status = store_get(r->store, STORE_TREE, slice_str("a"), false, &got);
		if (status != KV_OK || got.size != 4)
			atomic_fetch_add(&r->errors, 1);
		struct store_scan *scan;
		if (store_scan_open(r->store, STORE_TREE, (struct slice){0}, (struct slice){0}, &scan) != KV_OK) {
			atomic_fetch_add(&r->errors, 1);
			break;
		}
		struct store_row row;
		uint32_t value = 0, rows = 0;
		while (store_scan_next(r->store, scan, &row, &status)) {
			if (rows++ == 0)
				value = load_le32(row.value.data);
			else if (load_le32(row.value.data) != value)
				atomic_fetch_add(&r->torn, 1);
		}
		if (status != KV_OK || rows != PAIR_KEYS)
			atomic_fetch_add(&r->errors, 1);
		store_scan_close(r->store, scan);
		atomic_fetch_add(&r->rounds, 1);
	}
	buf_release(&got);
	return NULL;
}

static void write_all_keys(struct store *s, uint32_t number)
{
	struct store_op ops[PAIR_KEYS];
	char keys[PAIR_KEYS];
	for (size_t i = 0; i < PAIR_KEYS; i++) {
		keys[i] = (char)('a' + i);
		ops[i] = (struct store_op){.table = STORE_TREE,
					   .key = slice_of(&keys[i], 1),
					   .value = slice_of(&number, sizeof number)};
	}
	assert_int_equal(store_write(s, ops, PAIR_KEYS, /* sync= */ number % 16 == 0), KV_OK);
}

static void readers_beside_the_writer_see_whole_batches(void **state)
{
	struct reader_state r = {.store = *state};
	write_all_keys(r.store, 1);
	pthread_t readers[READERS];
	for (size_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_beside_writes, &r), 0);
	for (uint32_t number = 2; number < READER_BATCHES || atomic_load(&r.rounds) < 50; number++)
		write_all_keys(r.store, number);
	atomic_store(&r.stop, true);
	for (size_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_join(readers[i], NULL), 0);
	assert_int_equal(atomic_load(&r.errors), 0);
	assert_int_equal(atomic_load(&r.torn), 0);
}

#define CONFORMANCE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int conformance_run(const struct conformance_engine *engine_, const struct CMUnitTest *extra, size_t extra_count)
{
	static const struct CMUnitTest suite[] = {
		CONFORMANCE_TEST(written_value_comes_back_appended),
		CONFORMANCE_TEST(absent_key_is_not_found),
		CONFORMANCE_TEST(removed_key_is_gone),
		CONFORMANCE_TEST(later_change_of_a_batch_wins),
		CONFORMANCE_TEST(batch_reaches_all_tables),
		CONFORMANCE_TEST(tables_are_separate),
		CONFORMANCE_TEST(empty_batch_is_allowed),
		CONFORMANCE_TEST(empty_value_is_not_absence),
		CONFORMANCE_TEST(keys_of_all_sizes_and_bytes_work),
		CONFORMANCE_TEST(value_of_16_mib_comes_back),
		CONFORMANCE_TEST(scan_keeps_to_its_bounds),
		CONFORMANCE_TEST(scan_after_its_end_stays_ended),
		CONFORMANCE_TEST(scan_sees_the_state_as_of_its_opening),
		CONFORMANCE_TEST(removed_range_is_exact_and_durable),
		CONFORMANCE_TEST(synced_data_survives_reopening),
		CONFORMANCE_TEST(counters_count),
		CONFORMANCE_TEST(random_calls_match_a_model),
		CONFORMANCE_TEST(readers_beside_the_writer_see_whole_batches),
	};
	engine = engine_;
	struct CMUnitTest all[64];
	KV_ASSERT(ARRAY_SIZE(suite) + extra_count <= ARRAY_SIZE(all));
	memset(all, 0, sizeof all); /* unused ones have no test function and are not counted */
	memcpy(all, suite, sizeof suite);
	memcpy(all + ARRAY_SIZE(suite), extra, extra_count * sizeof *extra);
	return test_run(engine->name, all);
}
