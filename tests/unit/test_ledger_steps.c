/* SPDX-License-Identifier: Apache-2.0 */
/* The conflict ledger in a whole core: what is kept, for how long, and over restarts. */
#include "tests/support/test.h"

#include "base/rng.h"
#include "replication/ledger.h"
#include "replication/ledger_row.h"
#include "server/diskkey.h"
#include "tests/unit/ledger_bench.h"

/* ---- what is kept ---- */

static void an_overwritten_value_is_kept_in_the_same_write_as_its_successor(void **state)
{
	struct bench *b = bench_new();
	bench_push(b, "k", 1, 0, "first");
	assert_int_equal(bench_list(b, NULL, 0), 0);
	uint64_t writes = bench_stats(b).disk_writes;
	bench_push(b, "k", 2, 10, "second");
	assert_int_equal(b->answer, ANSWER_STORED);
	assert_int_equal(bench_stats(b).disk_writes, writes + 1);
	assert_int_equal(b->last_puts, 2);
	bench_assert_only(b, "k", "first", 0, 10, LEDGER_OVERWRITTEN);
	/* The cluster's clock is at the newer version at least. */
	assert_int_equal(b->seen[0].item.expires_ms, START_MS + 10 + LEDGER_AGE_MS);
	struct core_stats stats = bench_stats(b);
	assert_int_equal(stats.ledger_entries, 1);
	assert_int_equal(stats.ledger_added, 1);
	assert_int_equal(stats.ledger_overwritten, 1);
	bench_free(b);
}

static void a_successor_of_the_same_client_or_much_later_costs_no_entry(void **state)
{
	struct bench *b = bench_new();
	b->mono_us += 10 * USEC_PER_SEC;
	bench_push(b, "k", 1, 0, "a");
	bench_push(b, "k", 1, 10, "b");
	bench_push(b, "k", 2, 10 + LEDGER_WINDOW_MS, "c");
	assert_int_equal(b->last_puts, 1);
	assert_int_equal(bench_list(b, NULL, 0), 0);
	assert_int_equal(bench_stats(b).ledger_added, 0);
	bench_free(b);
}

static void a_value_that_a_strong_write_replaces_is_kept(void **state)
{
	struct bench *b = bench_new();
	bench_push(b, "k", 1, 0, "eventual");
	struct record rec = bench_value(2, 10, slice_str("strong"));
	rec.strong = true;
	struct msg m = bench_write(b, OP_ACCEPT, "k", &rec);
	bench_tell(b, &m);
	assert_int_equal(b->answer, ANSWER_ACK);
	bench_assert_only(b, "k", "eventual", 0, 10, LEDGER_STRONG);
	assert_int_equal(bench_stats(b).ledger_strong, 1);
	bench_free(b);
}

static void a_late_value_is_kept_once_and_no_answer_waits_for_it(void **state)
{
	struct bench *b = bench_new();
	bench_push(b, "k", 2, 10, "here");
	b->hold_writes = true;
	uint32_t answers = b->answers;
	bench_push(b, "k", 1, 0, "late");
	assert_int_equal(b->answers, answers + 1);
	assert_int_equal(b->answer, ANSWER_OLD);
	bench_push(b, "k", 1, 0, "late"); /* tried again */
	b->hold_writes = false;
	bench_settle(b);
	bench_assert_only(b, "k", "late", 0, 10, LEDGER_LATE);
	assert_int_equal(bench_stats(b).ledger_late, 1);
	assert_int_equal(bench_stats(b).ledger_added, 1);
	bench_free(b);
}

static void replays_and_repairs_that_come_late_cost_no_entry(void **state)
{
	struct bench *b = bench_new();
	bench_push(b, "k", 2, 10, "here");
	struct record rec = bench_value(1, 0, slice_str("old"));
	struct msg m = bench_write(b, OP_PUSH, "k", &rec);
	m.replica.hinted = true;
	bench_tell(b, &m);
	assert_int_equal(b->answer, ANSWER_OLD);
	m.replica.hinted = false;
	m.replica.deadline_ms = 0; /* as read repair sends it */
	bench_tell(b, &m);
	assert_int_equal(b->answer, ANSWER_OLD);
	assert_int_equal(bench_list(b, NULL, 0), 0);
	bench_free(b);
}

static void a_value_that_was_here_and_comes_again_is_not_late(void **state)
{
	struct bench *b = bench_new();
	b->mono_us += 10 * USEC_PER_SEC;
	bench_push(b, "k", 1, 0, "first");
	bench_push(b, "k", 2, 5000, "its successor");
	bench_push(b, "k", 1, 0, "first");
	assert_int_equal(b->answer, ANSWER_OLD);
	assert_int_equal(bench_list(b, NULL, 0), 0);
	bench_free(b);
}

static void a_delete_that_loses_is_kept_without_a_value(void **state)
{
	struct bench *b = bench_new();
	struct record rec = {.ver = bench_version(0),
			     .org = bench_version(0),
			     .tombstone = true,
			     .rid = {.client = 1, .seq = 1}};
	bench_push_record(b, "k", &rec);
	bench_push(b, "k", 2, 10, "value");
	assert_int_equal(bench_list(b, NULL, 0), 1);
	assert_true(b->seen[0].item.tombstone);
	assert_int_equal(b->seen[0].value.size, 0);
	bench_free(b);
}

static void of_a_large_value_only_the_hash_is_kept(void **state)
{
	struct bench *b = bench_new();
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	while (value.size < LEDGER_VALUE_MAX)
		buf_append_u8(&value, 'x');
	struct record most = bench_value(1, 0, buf_slice(&value));
	bench_push_record(b, "most", &most);
	bench_push(b, "most", 2, 10, "winner");
	assert_int_equal(bench_list(b, NULL, 0), 1);
	assert_slice_equal(buf_slice(&b->seen[0].value), buf_slice(&value));
	buf_append_u8(&value, 'x');
	struct record large = bench_value(1, 0, buf_slice(&value));
	bench_push_record(b, "large", &large);
	bench_push(b, "large", 2, 10, "winner");
	assert_int_equal(bench_list(b, "large", 0), 1);
	assert_int_equal(b->seen[0].value.size, 0);
	assert_int_equal(b->seen[0].item.value_hash, large.value_hash);
	bench_free(b);
}

/* ---- how long and how much ---- */

static void an_entry_ends_after_a_day_and_leaves_the_disk(void **state)
{
	struct bench *b = bench_new();
	bench_push(b, "k", 1, 0, "first");
	bench_push(b, "k", 2, 10, "second");
	b->mono_us += (10 + LEDGER_AGE_MS - 1) * USEC_PER_MSEC;
	bench_tick(b);
	assert_int_equal(bench_list(b, NULL, 0), 1);
	b->mono_us += USEC_PER_MSEC;
	assert_int_equal(bench_list(b, NULL, 0), 0); /* before any tick has removed it */
	assert_int_equal(bench_rows(b), 1);
	bench_tick(b);
	assert_int_equal(bench_rows(b), 0);
	assert_int_equal(bench_stats(b).ledger_entries, 0);
	assert_int_equal(bench_stats(b).ledger_expired, 1);
	bench_free(b);
}

static void an_entry_does_not_outlive_its_values_own_time(void **state)
{
	struct bench *b = bench_new();
	struct record rec = bench_value(1, 0, slice_str("short-lived"));
	rec.expires_ms = START_MS + 5000;
	bench_push_record(b, "k", &rec);
	bench_push(b, "k", 2, 10, "winner");
	assert_int_equal(bench_list(b, NULL, 0), 1);
	assert_int_equal(b->seen[0].item.expires_ms, START_MS + 5000);
	b->mono_us += 5 * USEC_PER_SEC;
	assert_int_equal(bench_list(b, NULL, 0), 0);
	bench_tick(b);
	assert_int_equal(bench_rows(b), 0);
	bench_free(b);
}

static void too_many_entries_drop_the_oldest(void **state)
{
	struct bench *b = bench_new();
	bench_conflicts(b, LEDGER_ENTRIES_MAX + 5, 10);
	struct core_stats stats = bench_stats(b);
	assert_int_equal(stats.ledger_entries, LEDGER_ENTRIES_MAX);
	assert_int_equal(stats.ledger_dropped, 5);
	assert_int_equal(bench_rows(b), LEDGER_ENTRIES_MAX);
	assert_int_equal(bench_list(b, "key-00004", 0), 0);
	assert_int_equal(bench_list(b, "key-00005", 0), 1);
	bench_free(b);
}

static void too_many_bytes_drop_the_oldest(void **state)
{
	struct bench *b = bench_new();
	bench_conflicts(b, 300, LEDGER_VALUE_MAX);
	struct core_stats stats = bench_stats(b);
	assert_true(stats.ledger_entries * LEDGER_VALUE_MAX <= LEDGER_BYTES_MAX);
	assert_true(stats.ledger_entries >= 250);
	assert_int_equal(stats.ledger_entries + stats.ledger_dropped, 300);
	assert_int_equal(bench_rows(b), stats.ledger_entries);
	bench_free(b);
}

static void entries_that_end_together_are_removed_a_few_at_a_time(void **state)
{
	struct bench *b = bench_new();
	bench_conflicts(b, 100, 10);
	b->mono_us += (usec_t)LEDGER_AGE_MS * USEC_PER_MSEC;
	bench_tick(b);
	assert_int_equal(bench_rows(b), 100 - LEDGER_SWEEP_ITEMS);
	assert_int_equal(bench_list(b, NULL, 0), 0);
	for (int i = 0; i < 3; i++)
		bench_tick(b);
	assert_int_equal(bench_rows(b), 0);
	assert_int_equal(bench_stats(b).ledger_expired, 100);
	bench_free(b);
}

/* ---- restarts ---- */

static void a_restart_keeps_the_entries_and_their_bounds(void **state)
{
	struct bench *b = bench_new();
	bench_conflicts(b, 400, 10);
	bench_end(b);
	bench_begin(b);
	bench_settle(b);
	assert_int_equal(bench_stats(b).ledger_entries, 400);
	assert_int_equal(bench_list(b, NULL, 0), 400);
	b->mono_us += (usec_t)LEDGER_AGE_MS * USEC_PER_MSEC;
	for (int i = 0; i < 13; i++)
		bench_tick(b);
	assert_int_equal(bench_rows(b), 0);
	bench_free(b);
}

static void an_entry_added_before_all_are_loaded_counts_once(void **state)
{
	struct bench *b = bench_new();
	bench_push(b, "a", 1, 0, "first");
	bench_push(b, "a", 2, 10, "second");
	bench_push(b, "b", 2, 10, "here");
	bench_end(b);
	bench_begin(b);
	/* No scan has been answered yet. */
	struct record rec = bench_value(1, 0, slice_str("late"));
	struct msg m = bench_write(b, OP_PUSH, "b", &rec);
	struct node_event ev = {.kind = EV_MESSAGE, .message = {.from = PEER, .msg = &m, .arrived_us = b->mono_us}};
	bench_step(b, &ev);
	bench_settle(b);
	assert_int_equal(bench_stats(b).ledger_entries, 2);
	assert_int_equal(bench_list(b, NULL, 0), 2);
	bench_free(b);
}

static void what_is_too_much_on_disk_is_dropped_at_start(void **state)
{
	struct bench *b = bench_new();
	bench_end(b);
	uint8_t bytes[LEDGER_ROW_HEADER_SIZE], name[1 + LEDGER_KEY_SUFFIX_SIZE];
	for (uint32_t i = 0; i < LEDGER_ENTRIES_MAX + 7; i++) {
		struct ledger_row row = {.cause = LEDGER_LATE, .ends_ms = START_MS + 1000000 + i};
		ledger_row_encode(&row, bytes);
		ledger_key_encode(slice_str("k"), bench_version(i), name);
		struct disk_key key = {.table = DISK_LEDGER, .partition = 3, .key = slice_of(name, sizeof name)};
		CLEANUP(buf_release) struct buf encoded = BUF_INIT;
		diskkey_encode(&encoded, &key);
		struct store_op op = {
			.table = STORE_LEDGER, .key = buf_slice(&encoded), .value = slice_of(bytes, sizeof bytes)};
		assert_int_equal(store_write(b->store, &op, 1, true), KV_OK);
	}
	bench_begin(b);
	bench_settle(b);
	assert_int_equal(bench_rows(b), LEDGER_ENTRIES_MAX);
	assert_int_equal(bench_stats(b).ledger_entries, LEDGER_ENTRIES_MAX);
	bench_free(b);
}

static void with_other_shards_each_takes_over_its_partitions(void **state)
{
	struct bench *b = bench_new();
	bench_conflicts(b, 100, 10);
	uint64_t total = 0;
	for (uint32_t shard = 0; shard < 3; shard++) {
		bench_end(b);
		b->shard = shard;
		b->shard_count = 3;
		bench_begin(b);
		bench_settle(b);
		uint64_t entries = bench_stats(b).ledger_entries;
		assert_int_equal(bench_list(b, NULL, 0), entries);
		total += entries;
	}
	assert_int_equal(total, 100);
	bench_free(b);
}

static void a_damaged_entry_stops_the_node(void **state)
{
	struct bench *b = bench_new();
	bench_end(b);
	uint8_t name[1 + LEDGER_KEY_SUFFIX_SIZE];
	ledger_key_encode(slice_str("k"), bench_version(0), name);
	struct disk_key key = {.table = DISK_LEDGER, .partition = 3, .key = slice_of(name, sizeof name)};
	CLEANUP(buf_release) struct buf encoded = BUF_INIT;
	diskkey_encode(&encoded, &key);
	struct store_op op = {.table = STORE_LEDGER, .key = buf_slice(&encoded), .value = slice_str("nonsense")};
	assert_int_equal(store_write(b->store, &op, 1, true), KV_OK);
	bench_begin(b);
	bench_settle(b);
	assert_true(b->stopped);
	bench_free(b);
}

/* ---- any order ---- */

enum { MODEL_KEYS = 4, MODEL_WRITES = 400 };

/** What one replica should know: a register a key, and what was lost. */
struct model {
	struct record keys[MODEL_KEYS];
	struct {
		uint32_t key;
		struct record loser;
		enum ledger_cause cause;
	} lost[MODEL_WRITES];
	uint32_t lost_count;
};

static struct record random_write(struct rng *rng, uint64_t number)
{
	static const char *const texts[] = {"a", "b", "c"};
	uint64_t client = rng_between(rng, 1, 3);
	struct record rec = bench_value(client, rng_below(rng, 3000), slice_str(texts[rng_below(rng, 3)]));
	rec.ver.hlc += number; /* no two alike */
	rec.org = rec.ver;
	rec.rid.seq = number + 1;
	if (rng_below(rng, 5) == 0) {
		rec.tombstone = true;
		rec.has_value = false;
		rec.value = slice_of(NULL, 0);
		rec.value_size = 0;
		rec.value_hash = 0;
	}
	return rec;
}

static void model_write(struct model *m, uint32_t key, const struct record *rec)
{
	struct record *here = &m->keys[key];
	bool newer = version_less(here->ver, rec->ver);
	enum ledger_cause cause = newer ? ledger_judge_overwrite(here, rec) : ledger_judge_late(rec, here, 0);
	if (cause) {
		m->lost[m->lost_count].key = key;
		m->lost[m->lost_count].cause = cause;
		m->lost[m->lost_count++].loser = newer ? *here : *rec;
	}
	if (newer)
		*here = *rec;
}

static const char *model_key(uint32_t key)
{
	static const char *const names[MODEL_KEYS] = {"k", "kk", "{k}", "other"};
	return names[key];
}

static void model_compare(struct bench *b, const struct model *m)
{
	assert_int_equal(bench_list(b, NULL, 0), m->lost_count);
	assert_int_equal(bench_stats(b).ledger_entries, m->lost_count);
	for (uint32_t i = 0; i < m->lost_count; i++) {
		const struct record *loser = &m->lost[i].loser;
		uint32_t found = 0;
		for (uint32_t k = 0; k < b->seen_count; k++) {
			const struct bench_seen *s = &b->seen[k];
			if (version_compare(s->item.ver, loser->org) != 0)
				continue;
			found++;
			assert_slice_equal(buf_slice(&s->key), slice_str(model_key(m->lost[i].key)));
			assert_slice_equal(buf_slice(&s->value), loser->value);
			assert_int_equal(s->item.cause, m->lost[i].cause);
			assert_int_equal(s->item.tombstone, loser->tombstone);
		}
		assert_int_equal(found, 1);
	}
}

static void model_run(uint64_t seed)
{
	struct rng rng;
	rng_init(&rng, seed);
	struct bench *b = bench_new();
	b->mono_us += 10 * USEC_PER_SEC;
	bench_tick(b);
	bench_settle(b); /* the clock's limit has come along */
	struct model m = {0};
	for (uint64_t i = 0; i < MODEL_WRITES; i++) {
		uint32_t key = (uint32_t)rng_below(&rng, MODEL_KEYS);
		struct record rec = random_write(&rng, i);
		bool newer = version_less(m.keys[key].ver, rec.ver);
		rec.strong = newer && rng_below(&rng, 4) == 0;
		struct msg write = bench_write(b, rec.strong ? OP_ACCEPT : OP_PUSH, model_key(key), &rec);
		bench_tell(b, &write);
		model_write(&m, key, &rec);
		if (rng_below(&rng, 20) == 0) {
			bench_end(b); /* what was written stays */
			bench_begin(b);
		}
		if (m.lost_count > 0 && rng_below(&rng, 4) == 0) { /* a lost one comes once more */
			bench_settle(b); /* before all is loaded its entry would be made anew, as late */
			uint32_t again = (uint32_t)rng_below(&rng, m.lost_count);
			bench_push_record(b, model_key(m.lost[again].key), &m.lost[again].loser);
		}
	}
	bench_settle(b);
	model_compare(b, &m);
	bench_free(b);
}

static void writes_in_any_order_with_restarts_keep_what_they_lose_once(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		model_run(seed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_overwritten_value_is_kept_in_the_same_write_as_its_successor),
		cmocka_unit_test(a_successor_of_the_same_client_or_much_later_costs_no_entry),
		cmocka_unit_test(a_value_that_a_strong_write_replaces_is_kept),
		cmocka_unit_test(a_late_value_is_kept_once_and_no_answer_waits_for_it),
		cmocka_unit_test(replays_and_repairs_that_come_late_cost_no_entry),
		cmocka_unit_test(a_value_that_was_here_and_comes_again_is_not_late),
		cmocka_unit_test(a_delete_that_loses_is_kept_without_a_value),
		cmocka_unit_test(of_a_large_value_only_the_hash_is_kept),
		cmocka_unit_test(an_entry_ends_after_a_day_and_leaves_the_disk),
		cmocka_unit_test(an_entry_does_not_outlive_its_values_own_time),
		cmocka_unit_test(too_many_entries_drop_the_oldest),
		cmocka_unit_test(too_many_bytes_drop_the_oldest),
		cmocka_unit_test(entries_that_end_together_are_removed_a_few_at_a_time),
		cmocka_unit_test(a_restart_keeps_the_entries_and_their_bounds),
		cmocka_unit_test(an_entry_added_before_all_are_loaded_counts_once),
		cmocka_unit_test(what_is_too_much_on_disk_is_dropped_at_start),
		cmocka_unit_test(with_other_shards_each_takes_over_its_partitions),
		cmocka_unit_test(a_damaged_entry_stops_the_node),
		cmocka_unit_test(writes_in_any_order_with_restarts_keep_what_they_lose_once),
	};
	return test_run("ledger_steps", tests);
}
