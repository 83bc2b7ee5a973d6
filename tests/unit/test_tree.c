/* SPDX-License-Identifier: Apache-2.0 */
/* Hash trees in a whole core: after any writes, crashes and restarts a tree equals one made from the records. */
#include "tests/support/test.h"

#include <sys/stat.h>

#include "base/bytes.h"
#include "base/mutant.h"
#include "base/rng.h"
#include "proto/keyhash.h"
#include "replication/record.h"
#include "replication/tree.h"
#include "server/diskkey.h"
#include "storage/store_rocks.h"
#include "tests/unit/ledger_bench.h"

enum { KEYS = 60, STEPS = 1500, ROCKS_STEPS = 400 };

/* ---- trees made from the records ---- */

struct made {
	struct tree_leaf leaves[PARTITIONS][LEAVES_PER_PARTITION];
	size_t rows; /* leaves that are not empty */
};

static struct made *make_trees(struct bench *b)
{
	struct made *made = xcalloc(1, sizeof *made);
	struct store_scan *scan;
	assert_int_equal(store_scan_open(b->store, STORE_DATA, slice_of(NULL, 0), slice_of(NULL, 0), &scan), KV_OK);
	struct store_row row;
	enum kv_status status;
	while (store_scan_next(b->store, scan, &row, &status)) {
		struct disk_key key;
		struct record rec;
		assert_true(diskkey_decode(DISK_DATA, row.key, &key));
		assert_int_equal(record_peek(row.value, &rec), KV_OK);
		struct tree_leaf *l = &made->leaves[key.partition][key.leaf];
		made->rows += l->keys == 0;
		l->hash ^= tree_hash(key.bucket, key.key, rec.ver, rec.tombstone);
		l->bytes += key.key.size + row.value.size;
		l->keys++;
		l->tombstones += rec.tombstone;
		l->weak += rec.weak;
	}
	assert_int_equal(status, KV_OK);
	store_scan_close(b->store, scan);
	return made;
}

static size_t count_rows(struct bench *b, enum store_table table)
{
	struct store_scan *scan;
	assert_int_equal(store_scan_open(b->store, table, slice_of(NULL, 0), slice_of(NULL, 0), &scan), KV_OK);
	struct store_row row;
	enum kv_status status;
	size_t count = 0;
	while (store_scan_next(b->store, scan, &row, &status))
		count++;
	store_scan_close(b->store, scan);
	return count;
}

/** Ticks until all trees are ready. */
static void wait_ready(struct bench *b)
{
	bench_settle(b);
	for (int i = 0; i < 1000 && bench_stats(b).trees_building > 0; i++) {
		b->mono_us += TICK_US;
		bench_tick(b);
	}
	assert_int_equal(bench_stats(b).trees_building, 0);
}

/** True if each tree that is ready is what the records make, and so many are. */
static bool trees_are_right(struct bench *b, uint32_t ready)
{
	struct made *made = make_trees(b);
	bool right = true;
	for (uint16_t p = 0; p < PARTITIONS; p++) {
		const struct tree_leaf *leaves = tree_leaves(b->core, p);
		if (!leaves)
			continue;
		ready--;
		uint64_t keys = 0, keys_told = 0;
		for (uint32_t i = 0; i < LEAVES_PER_PARTITION; i++) {
			const struct tree_leaf *want = &made->leaves[p][i], *l = &leaves[i];
			right &= l->hash == want->hash && l->keys == want->keys && l->bytes == want->bytes &&
				 l->tombstones == want->tombstones && l->weak == want->weak;
			keys += want->keys;
		}
		right &= tree_totals(b->core, p, &keys_told, NULL, NULL) && keys_told == keys;
	}
	free(made);
	return right && ready == 0;
}

static void assert_trees_are_right(struct bench *b)
{
	wait_ready(b);
	assert_true(trees_are_right(b, PARTITIONS));
	struct made *made = make_trees(b);
	assert_int_equal(count_rows(b, STORE_TREE), made->rows + PARTITIONS); /* and a mark each */
	free(made);
}

/* ---- writes ---- */

static void push_now(struct bench *b, struct rng *rng)
{
	char key[16];
	snprintf(key, sizeof key, "key-%u", (unsigned)rng_below(rng, KEYS));
	struct record rec = bench_value(rng_below(rng, 3), rng_below(rng, 100000), slice_str("some value"));
	rec.value = slice_of("a value of some length", (size_t)rng_below(rng, 22));
	rec.value_size = (uint32_t)rec.value.size;
	rec.value_hash = hash64(rec.value);
	rec.ver.hlc += rng_below(rng, 1000);
	rec.org = rec.ver;
	if (rng_chance(rng, 200000)) {
		rec.tombstone = true;
		rec.has_value = false;
		rec.value = slice_of(NULL, 0);
		rec.value_size = 0;
	}
	struct msg m = bench_write(b, rng_chance(rng, 700000) ? OP_PUSH : OP_PREPARE, key, &rec);
	if (m.opcode == OP_PREPARE)
		m.replica.ballot = rec.ver; /* what is pushed below it is weak */
	m.replica.deadline_ms = 0;
	struct node_event ev = {.kind = EV_MESSAGE, .message = {.from = PEER, .msg = &m, .arrived_us = b->mono_us}};
	bench_step(b, &ev);
}

static void remove_mark(struct bench *b, uint16_t partition)
{
	CLEANUP(buf_release) struct buf name = BUF_INIT;
	struct disk_key key = {.table = DISK_TREE, .partition = partition, .leaf = TREE_MARK_LEAF};
	diskkey_encode(&name, &key);
	struct store_op op = {.table = STORE_TREE, .remove = true, .key = buf_slice(&name)};
	assert_int_equal(store_write(b->store, &op, 1, /* sync= */ true), KV_OK);
}

static void remove_trees(struct bench *b)
{
	assert_int_equal(store_remove_range(b->store, STORE_TREE, slice_of("", 0), slice_of(NULL, 0)), KV_OK);
}

/** A few partitions lose their trees before the next start, as after an upgrade. */
static void lose_some_trees(struct bench *b, struct rng *rng)
{
	if (rng_chance(rng, 300000))
		remove_trees(b);
	for (uint16_t p = 0; p < PARTITIONS; p++) {
		if (rng_chance(rng, 300000))
			remove_mark(b, p);
	}
}

/* ---- tests ---- */

static void crash(struct bench *b, struct rng *rng)
{
	bench_end(b);
	store_mem_crash(b->store, rng);
	lose_some_trees(b, rng);
	b->buggify = rng_next(rng) | 1;
	b->hold_scans = true; /* writes come while trees are read and built */
	bench_begin(b);
	b->hold_scans = false;
}

/** True if the trees are right at its end. */
static bool random_life(uint64_t seed)
{
	struct rng rng;
	rng_init(&rng, seed);
	struct bench *b = bench_new();
	b->late = seed % 2 == 0;
	b->lazy = !b->late;
	for (int i = 0; i < STEPS; i++) {
		uint64_t dice = rng_below(&rng, 1000);
		if (dice < 5) {
			crash(b, &rng);
		} else if (dice < 300) {
			push_now(b, &rng);
		} else if (dice < 400) {
			b->mono_us += TICK_US;
			struct node_event ev = {.kind = EV_TICK};
			bench_step(b, &ev);
		} else {
			bench_one(b, &rng);
		}
		if (dice == 405) {
			wait_ready(b);
			if (!trees_are_right(b, PARTITIONS))
				break;
		}
	}
	wait_ready(b);
	bool right = trees_are_right(b, PARTITIONS);
	crash(b, &rng);
	wait_ready(b);
	right &= trees_are_right(b, PARTITIONS);
	if (right)
		assert_trees_are_right(b);
	bench_free(b);
	return right;
}

static void a_tree_equals_one_made_from_the_records_whatever_happens(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		assert_true(random_life(seed));
}

static void a_tree_that_forgets_to_subtract_or_counts_twice_is_noticed(void **state)
{
	static const enum mutant mutants[] = {MUTANT_treehalf, MUTANT_treetwice};
	for (size_t i = 0; mutant_is_built() && i < ARRAY_SIZE(mutants); i++) {
		assert_true(mutant_switch(mutants[i]));
		bool right = true;
		for (uint64_t seed = 1; right && seed <= 20; seed++)
			right = random_life(seed);
		assert_true(mutant_switch(MUTANT_NONE));
		assert_false(right);
	}
}

static struct store *open_rocks(const char *path)
{
	struct rocks_config config = {.path = path, .create_if_missing = true};
	struct store *store;
	assert_int_equal(store_rocks_open(&config, &store, NULL), KV_OK);
	return store;
}

static void the_same_on_disk(void **state)
{
	char dir[] = "/tmp/kvd-tree-XXXXXX";
	char command[64];
	assert_non_null(mkdtemp(dir));
	struct rng rng;
	rng_init(&rng, 7);
	struct bench *b = bench_new_on(open_rocks(dir));
	for (int i = 0; i < ROCKS_STEPS; i++) {
		uint64_t dice = rng_below(&rng, 1000);
		if (dice < 15) {
			bench_end(b);
			store_close(b->store);
			b->store = open_rocks(dir);
			lose_some_trees(b, &rng);
			bench_begin(b);
		} else if (dice < 600) {
			push_now(b, &rng);
		} else {
			bench_one(b, &rng);
		}
	}
	assert_trees_are_right(b);
	bench_free(b);
	snprintf(command, sizeof command, "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void a_record_and_its_leaf_are_one_write(void **state)
{
	struct bench *b = bench_new();
	uint64_t writes = bench_stats(b).disk_writes;
	bench_push(b, "k", 1, 0, "value");
	assert_int_equal(bench_stats(b).disk_writes, writes + 1);
	assert_trees_are_right(b);
	bench_free(b);
}

static void a_tree_that_is_being_built_says_nothing(void **state)
{
	struct bench *b = bench_new();
	bench_push(b, "k", 1, 0, "value");
	uint16_t partition = hash_partition(key_hash(slice_str("k")), PARTITIONS);
	bench_end(b);
	remove_trees(b);
	bench_begin(b);
	assert_int_equal(bench_stats(b).trees_building, 0); /* the bench lets it read */
	bench_end(b);
	remove_trees(b);
	b->hold_scans = true;
	bench_begin(b);
	assert_int_equal(bench_stats(b).trees_building, PARTITIONS);
	uint64_t keys;
	assert_false(tree_is_ready(b->core, partition));
	assert_null(tree_leaves(b->core, partition));
	assert_false(tree_totals(b->core, partition, &keys, NULL, NULL));
	b->hold_scans = false;
	assert_trees_are_right(b);
	bench_free(b);
}

static void the_hash_of_a_copy_never_changes(void **state)
{
	struct version ver = {.hlc = 1, .id = 2};
	assert_int_equal(tree_hash(0, slice_str("key"), ver, false), UINT64_C(0x5c512e01499eb726));
	assert_int_equal(tree_hash(3, slice_str("key"), ver, true), UINT64_C(0x2ae069b1aa4f998b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_equals_one_made_from_the_records_whatever_happens),
		cmocka_unit_test(a_tree_that_forgets_to_subtract_or_counts_twice_is_noticed),
		cmocka_unit_test(the_same_on_disk),
		cmocka_unit_test(a_record_and_its_leaf_are_one_write),
		cmocka_unit_test(a_tree_that_is_being_built_says_nothing),
		cmocka_unit_test(the_hash_of_a_copy_never_changes),
	};
	return test_run("tree", tests);
}
