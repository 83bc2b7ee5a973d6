/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's own parts: what they do to messages and disks is what the runs rest on. */
#include "tests/support/test.h"

#include "storage/keyspace.h"
#include "storage/store_mem.h"
#include "tests/sim/costs.h"
#include "tests/sim/disk.h"
#include "tests/sim/net.h"
#include "tests/sim/options.h"
#include "tests/sim/trace.h"
#include "tests/sim/wire.h"

static void a_whole_network_delivers_each_frame_once(void **state)
{
	struct rng rng;
	struct net net;
	rng_init(&rng, 1);
	net_init(&net, &rng, 3);
	for (int i = 0; i < 1000; i++) {
		usec_t delays_us[2];
		assert_int_equal(net_send(&net, 0, 1, /* may_repeat= */ true, delays_us), 1);
		assert_true(delays_us[0] >= net.base_us);
	}
}

static void a_cut_is_one_way_until_joined(void **state)
{
	struct rng rng;
	struct net net;
	usec_t delays_us[2];
	rng_init(&rng, 1);
	net_init(&net, &rng, 3);
	net_cut(&net, 0, 1, true);
	assert_int_equal(net_send(&net, 0, 1, true, delays_us), 0);
	assert_int_equal(net_send(&net, 1, 0, true, delays_us), 1);
	net_cut(&net, 0, 1, false);
	assert_int_equal(net_send(&net, 0, 1, true, delays_us), 1);
}

static void partitions_may_overlap(void **state)
{
	struct rng rng;
	struct net net;
	usec_t delays_us[2];
	rng_init(&rng, 1);
	net_init(&net, &rng, 2);
	net_cut(&net, 0, 1, true);
	net_cut(&net, 0, 1, true);
	net_cut(&net, 0, 1, false);
	assert_int_equal(net_send(&net, 0, 1, true, delays_us), 0);
	net_heal(&net);
	net_cut(&net, 0, 1, false); /* the end of a partition that healing ended before */
	assert_int_equal(net_send(&net, 0, 1, true, delays_us), 1);
}

static void losses_and_repeats_come_at_their_rates(void **state)
{
	struct rng rng;
	struct net net;
	rng_init(&rng, 1);
	net_init(&net, &rng, 2);
	net.drop_ppm = 100000;
	net.repeat_ppm = 200000;
	uint32_t lost = 0, twice = 0;
	for (int i = 0; i < 10000; i++) {
		usec_t delays_us[2];
		uint32_t copies = net_send(&net, 0, 1, /* may_repeat= */ true, delays_us);
		lost += copies == 0;
		twice += copies == 2;
		assert_true(net_send(&net, 0, 1, /* may_repeat= */ false, delays_us) < 2);
	}
	assert_in_range(lost, 800, 1200);
	assert_in_range(twice, 1600, 2000);
}

static void delays_have_the_mean_asked_for(void **state)
{
	struct rng rng;
	struct net net;
	rng_init(&rng, 1);
	net_init(&net, &rng, 2);
	net.base_us = 0;
	net.tail_us = 10000;
	usec_t sum_us = 0;
	for (int i = 0; i < 10000; i++) {
		usec_t delays_us[2];
		net_send(&net, 0, 1, /* may_repeat= */ false, delays_us);
		sum_us += delays_us[0];
	}
	assert_in_range(sum_us / 10000, 9000, 12000);
}

static struct disk_key data_key(const char *text)
{
	return (struct disk_key){.table = DISK_DATA, .partition = 3, .leaf = 7, .key = slice_str(text)};
}

static void put(struct store *store, struct disk_key key, const char *value)
{
	struct disk_put change = {.key = key, .value = slice_str(value)};
	disk_apply(store, &change, 1);
}

static void a_read_finds_what_was_written(void **state)
{
	struct store *store = store_mem_new(1);
	struct disk_key key = data_key("a");
	struct disk_work *before = disk_work_read(&key), *after = disk_work_read(&key);
	disk_work_carry_out(before, store);
	put(store, key, "one");
	disk_work_carry_out(before, store); /* carried out once and for all */
	disk_work_carry_out(after, store);
	assert_false(before->found);
	assert_true(after->found);
	assert_slice_equal(buf_slice(&after->bytes), slice_str("one"));
	disk_work_free(before);
	disk_work_free(after);
	store_close(store);
}

static void an_unsynced_write_is_lost_in_a_crash(void **state)
{
	struct store *store = store_mem_new(1);
	put(store, data_key("a"), "one");
	assert_int_equal(store_mem_sync(store), KV_OK);
	put(store, data_key("b"), "two");
	assert_int_equal(store_mem_crash(store, NULL), 1);
	assert_int_equal(store_mem_count(store, STORE_DATA), 1);
	store_close(store);
}

static void a_scan_goes_on_behind_its_last_row(void **state)
{
	struct store *store = store_mem_new(1);
	put(store, data_key("a"), "1");
	put(store, data_key("b"), "22");
	put(store, data_key("c"), "333");
	struct disk_key other = data_key("z");
	other.partition = 4;
	put(store, other, "4");

	struct disk_row rows[2];
	struct disk_scan scan = {.table = DISK_DATA, .partition = 3, .rows_max = 2, .bytes_max = 1000};
	struct disk_work *first = disk_work_scan(&scan);
	disk_work_carry_out(first, store);
	assert_int_equal(first->count, 2);
	assert_false(first->complete);
	disk_work_rows(first, rows);
	assert_slice_equal(rows[1].key.key, slice_str("b"));
	assert_slice_equal(rows[1].value, slice_str("22"));
	assert_int_equal(rows[1].key.leaf, 7);

	scan.has_after = true;
	scan.after = rows[1].key;
	struct disk_work *second = disk_work_scan(&scan);
	disk_work_carry_out(second, store);
	assert_int_equal(second->count, 1);
	assert_true(second->complete);
	disk_work_rows(second, rows);
	assert_slice_equal(rows[0].key.key, slice_str("c"));
	disk_work_free(first);
	disk_work_free(second);
	store_close(store);
}

static void a_scan_stops_at_its_bytes(void **state)
{
	struct store *store = store_mem_new(1);
	put(store, data_key("a"), "0123456789");
	put(store, data_key("b"), "0123456789");
	struct disk_scan scan = {.table = DISK_DATA, .partition = 3, .rows_max = 100, .bytes_max = 1};
	struct disk_work *work = disk_work_scan(&scan);
	disk_work_carry_out(work, store);
	assert_int_equal(work->count, 1);
	assert_false(work->complete);
	disk_work_free(work);
	store_close(store);
}

static void a_damaged_record_says_so(void **state)
{
	struct store *store = store_mem_new(1);
	struct disk_key key = data_key("a");
	put(store, key, "one");
	store_mem_fail_next_read(store, KV_CORRUPT);
	struct disk_work *work = disk_work_read(&key);
	disk_work_carry_out(work, store);
	assert_int_equal(work->status, KV_CORRUPT);
	assert_false(work->found);
	disk_work_free(work);
	store_close(store);
}

static void a_planned_damage_can_be_taken_back(void **state)
{
	struct store *store = store_mem_new(1);
	struct disk_key key = data_key("a");
	put(store, key, "one");
	store_mem_fail_next_read(store, KV_CORRUPT);
	store_mem_fail_next_read(store, KV_OK);
	struct disk_work *work = disk_work_read(&key);
	disk_work_carry_out(work, store);
	assert_int_equal(work->status, KV_OK);
	assert_true(work->found);
	disk_work_free(work);
	store_close(store);
}

/* A message with something behind every pointer. */
static void a_copied_message_shares_nothing(void **state)
{
	char key[] = "key", value[] = "value";
	struct lineage lin[2] = {{.ver = {1, 2}}, {.ver = {3, 4}}};
	struct version attempts[1] = {{5, 6}};
	struct msg m = {.opcode = OP_ACCEPT,
			.id = 9,
			.replica = {.key = slice_str(key),
				    .attempt_count = 1,
				    .attempts = attempts,
				    .record = {.ver = {7, 8},
					       .has_value = true,
					       .value = slice_str(value),
					       .lin_count = 2,
					       .lin = lin}}};
	struct arena arena = ARENA_INIT(1 << 20);
	assert_true(wire_can_copy(&m));
	const struct msg *copy = wire_copy(&m, &arena);
	key[0] = value[0] = 'X';
	lin[1].ver.hlc = attempts[0].hlc = 99;
	assert_int_equal(copy->id, 9);
	assert_slice_equal(copy->replica.key, slice_str("key"));
	assert_slice_equal(copy->replica.record.value, slice_str("value"));
	assert_int_equal(copy->replica.record.lin[1].ver.hlc, 3);
	assert_int_equal(copy->replica.attempts[0].hlc, 5);
	arena_release(&arena);
}

/* One request through two nodes: a message out and an answer back are one round. */
static void costs_follow_the_longest_way(void **state)
{
	struct costs c = {.counting = true};
	uint32_t request = costs_request(&c);
	costs_begin(&c, request, 0, 0);
	assert_int_equal(costs_send(&c, 0), 1);
	assert_int_equal(costs_send(&c, 0), 1);
	costs_write(&c, 0);
	costs_end(&c);
	costs_begin(&c, request, 1, 1);
	costs_write(&c, 1);
	costs_write(&c, 1);
	assert_int_equal(costs_send(&c, 1), 2);
	costs_end(&c);
	assert_int_equal(costs_send(&c, 2), 0); /* of no request */
	costs_begin(&c, request, 0, 2);
	costs_answer(&c, 0);
	costs_write(&c, 0); /* after the answer */
	costs_end(&c);
	const struct cost *cost = costs_of(&c, request);
	assert_true(cost->answered);
	assert_int_equal(cost->rounds, 1);
	assert_int_equal(cost->messages, 3);
	assert_int_equal(cost->writes[0], 1);
	assert_int_equal(cost_writes_max(cost), 2);
	costs_release(&c);
}

static void a_trace_hashes_every_number(void **state)
{
	struct trace *a = xcalloc(1, sizeof *a), *b = xcalloc(1, sizeof *b);
	trace_add(a, 1, TRACE_send, 1, 2, 3, 4);
	trace_add(b, 1, TRACE_send, 1, 2, 3, 4);
	assert_true(a->hash == b->hash);
	trace_add(a, 2, TRACE_send, 1, 2, 3, 4);
	trace_add(b, 2, TRACE_send, 1, 2, 3, 5);
	assert_true(a->hash != b->hash);
	free(a);
	free(b);
}

static void options_depend_on_the_seed_alone(void **state)
{
	struct sim_options a, b;
	sim_options_draw(7, 0, &a);
	sim_options_draw(7, 0, &b);
	assert_memory_equal(&a, &b, sizeof a);
	for (uint64_t seed = 0; seed < 1000; seed++) {
		sim_options_draw(seed, 0, &a);
		assert_in_range(a.node_count, 3, SIM_NODES_MAX);
		assert_true(a.node_count + a.client_count <= NET_ENDS_MAX);
		assert_true(a.replicas <= a.node_count);
		assert_in_range(a.key_count, 1, SIM_KEYS_MAX);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_network_delivers_each_frame_once),
		cmocka_unit_test(a_cut_is_one_way_until_joined),
		cmocka_unit_test(partitions_may_overlap),
		cmocka_unit_test(losses_and_repeats_come_at_their_rates),
		cmocka_unit_test(delays_have_the_mean_asked_for),
		cmocka_unit_test(a_read_finds_what_was_written),
		cmocka_unit_test(an_unsynced_write_is_lost_in_a_crash),
		cmocka_unit_test(a_scan_goes_on_behind_its_last_row),
		cmocka_unit_test(a_scan_stops_at_its_bytes),
		cmocka_unit_test(a_damaged_record_says_so),
		cmocka_unit_test(a_planned_damage_can_be_taken_back),
		cmocka_unit_test(a_copied_message_shares_nothing),
		cmocka_unit_test(costs_follow_the_longest_way),
		cmocka_unit_test(a_trace_hashes_every_number),
		cmocka_unit_test(options_depend_on_the_seed_alone),
	};
	return test_run("sim_parts", tests);
}
