/* SPDX-License-Identifier: Apache-2.0 */
/* The conflict ledger as clients list it. */
#include "tests/support/test.h"

#include "proto/keyhash.h"
#include "tests/unit/ledger_bench.h"

static void pages_of_any_size_show_every_entry_once(void **state)
{
	struct bench *b = bench_new();
	bench_conflicts(b, 200, 10);
	for (uint32_t limit = 1; limit < 9; limit += 3) {
		bool shown[200] = {false};
		assert_int_equal(bench_list(b, NULL, limit), 200);
		for (uint32_t i = 0; i < 200; i++) {
			unsigned number;
			assert_int_equal(sscanf(buf_cstr(&b->seen[i].key), "key-%u", &number), 1);
			assert_true(number < 200 && !shown[number]);
			shown[number] = true;
		}
	}
	bench_free(b);
}

static void a_page_of_one_key_or_beginning_shows_that_alone(void **state)
{
	struct bench *b = bench_new();
	/* One tag, so one partition and leaf: the keys stand side by side on disk. */
	static const char *const keys[] = {"{t}", "{t}a", "{t}ab", "{t}\x01", "{t}b"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		bench_push(b, keys[i], 1, 0, "a");
		bench_push(b, keys[i], 2, 10, "b");
		bench_push(b, keys[i], 3, 20, "c");
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		for (uint32_t limit = 0; limit < 3; limit++) {
			assert_int_equal(bench_list(b, keys[i], limit), 2);
			assert_slice_equal(buf_slice(&b->seen[0].key), slice_str(keys[i]));
			assert_slice_equal(buf_slice(&b->seen[1].key), slice_str(keys[i]));
			assert_true(b->seen[0].item.ver.hlc < b->seen[1].item.ver.hlc);
		}
	}
	assert_int_equal(bench_list(b, "{t}c", 0), 0);
	bench_forget_seen(b);
	bench_ask(b, hash_partition(key_hash(slice_str("t")), PARTITIONS), slice_of(NULL, 0), slice_str("{t}a"), 1);
	assert_int_equal(b->seen_count, 4); /* {t}a, {t}ab */
	bench_free(b);
}

static void a_page_shows_its_bucket_alone(void **state)
{
	struct bench *b = bench_new();
	for (uint64_t client = 1; client <= 2; client++) {
		struct record rec = bench_value(client, client, slice_str(client == 1 ? "a" : "b"));
		struct msg m = bench_write(b, OP_PUSH, "k", &rec);
		m.replica.bucket = 9;
		bench_tell(b, &m);
	}
	assert_int_equal(bench_stats(b).ledger_entries, 1);
	assert_int_equal(bench_list(b, NULL, 0), 0);
	assert_int_equal(bench_list(b, "k", 0), 0);
	bench_free(b);
}

static void what_no_page_can_answer_is_refused(void **state)
{
	struct bench *b = bench_new();
	struct msg m = {.opcode = OP_LEDGER, .id = 1, .request = {.partition = PARTITIONS}};
	struct node_event ev = {.kind = EV_REQUEST, .request = {.client = CLIENT, .msg = &m}};
	ev.request.arrived_us = b->mono_us;
	bench_step(b, &ev);
	assert_int_equal(b->status, KV_INVALID);
	m.request = (struct msg_request){.cursor = slice_str("1234561234567890123456")}; /* no key in it */
	bench_step(b, &ev);
	assert_int_equal(b->status, KV_INVALID);
	assert_int_equal(b->replies, 2);
	bench_free(b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_of_any_size_show_every_entry_once),
		cmocka_unit_test(a_page_of_one_key_or_beginning_shows_that_alone),
		cmocka_unit_test(a_page_shows_its_bucket_alone),
		cmocka_unit_test(what_no_page_can_answer_is_refused),
	};
	return test_run("ledger_pages", tests);
}
