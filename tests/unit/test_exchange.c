/* SPDX-License-Identifier: Apache-2.0 */
/* Anti-entropy in whole cores: what differs is found without being told, and brought in step; what does not costs nothing. */
#include "tests/support/test.h"

#include "base/mutant.h"
#include "replication/core.h"
#include "tests/unit/core_cluster.h"

#define CYCLES(n) ((n) * (EXCHANGE_INTERVAL_US + EXCHANGE_INTERVAL_US / 4))

/** A record that only node I gets. */
static void plant(struct cluster *c, node_id i, const char *key, const struct record *rec)
{
	struct msg m = replica_msg(c, OP_PUSH, key);
	m.id = 0; /* nobody waits for the answer */
	m.replica.record = *rec;
	tell(c, i == 2 ? 1 : 2, i, &m);
	run(c);
	assert_int_equal(version_compare(on_disk(c, i, key).ver, rec->ver), 0);
}

static struct record dead_record(struct version ver)
{
	return (struct record){.ver = ver, .org = ver, .tombstone = true, .rid = {5, 6}};
}

static struct version now_version(const struct cluster *c) { return version_of_node(clock_of(c, 0), 1); }

static void assert_everywhere(struct cluster *c, const char *key, struct version ver)
{
	for (node_id i = 0; i < REPLICAS; i++)
		assert_int_equal(version_compare(on_disk(c, i, key).ver, ver), 0);
}

static uint64_t sum(const struct cluster *c, size_t offset)
{
	uint64_t all = 0;
	for (node_id i = 0; i < c->node_count; i++) {
		struct core_stats stats = stats_of(c, i);
		all += *(uint64_t *)((char *)&stats + offset);
	}
	return all;
}

#define SUM(c, counter) sum(c, offsetof(struct core_stats, counter))

/** What the last repair status told. */
static struct repair_pair told_pairs[REPAIR_PAIRS_MAX];

static struct msg_repair ask_repair(struct cluster *c, node_id i, bool run, bool scrub)
{
	struct msg m = {.opcode = OP_REPAIR, .id = 1, .repair = {.run = run, .scrub = scrub}};
	struct node_event ev = {.kind = EV_REQUEST,
				.request = {.client = CLIENT, .msg = &m, .arrived_us = c->mono_us},
				.now = now_of(c, i)};
	struct actions out;
	actions_init(&out);
	node_core_step(c->nodes[i].core, &ev, &out);
	struct msg_repair reply = {0};
	for (size_t k = 0; k < out.count; k++) {
		if (out.items[k].kind == ACT_REPLY)
			reply = out.items[k].reply.msg->repair;
	}
	if (reply.pair_count > 0)
		memcpy(told_pairs, reply.pairs, reply.pair_count * sizeof told_pairs[0]);
	reply.pairs = told_pairs;
	actions_reset(&out);
	actions_release(&out);
	return reply;
}

/* ---- what is found ---- */

static void what_one_replica_alone_has_reaches_the_others(void **state)
{
	for (node_id i = 0; i < REPLICAS; i++) {
		struct cluster *c = cluster_new(REPLICAS, 0);
		struct record rec = whole_record(now_version(c), "planted");
		plant(c, i, "k", &rec);
		pass(c, CYCLES(2));
		assert_everywhere(c, "k", rec.ver);
		assert_reads(c, 0, "k", "planted");
		assert_true(SUM(c, records_repaired) >= 2);
		cluster_free(c);
	}
}

static void what_one_replica_lacks_is_given_to_it(void **state)
{
	for (node_id i = 0; i < REPLICAS; i++) {
		struct cluster *c = cluster_new(REPLICAS, 0);
		assert_int_equal(call(c, 0, OP_PUT, "k", "old", strong), KV_OK);
		pass(c, USEC_PER_SEC);
		struct record rec = whole_record(now_version(c), "new");
		for (node_id k = 0; k < REPLICAS; k++) {
			if (k != i)
				plant(c, k, "k", &rec);
		}
		pass(c, CYCLES(2));
		assert_everywhere(c, "k", rec.ver);
		cluster_free(c);
	}
}

static void many_differences_of_many_leaves_are_all_mended(void **state)
{
	enum { COUNT = 300 };
	struct cluster *c = cluster_new(REPLICAS, 0);
	char key[16];
	struct record rec = whole_record(now_version(c), "v");
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(key, sizeof key, "key-%u", i);
		plant(c, (node_id)(i % REPLICAS), key, &rec);
		snprintf(key, sizeof key, "{one}-%u", i); /* all in one leaf */
		plant(c, (node_id)(i % REPLICAS), key, &rec);
	}
	pass(c, CYCLES(2));
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(key, sizeof key, "key-%u", i);
		assert_everywhere(c, key, rec.ver);
		snprintf(key, sizeof key, "{one}-%u", i);
		assert_everywhere(c, key, rec.ver);
	}
	cluster_free(c);
}

static void a_delete_that_one_replica_missed_does_not_come_back(void **state)
{
	for (node_id i = 0; i < REPLICAS; i++) {
		struct cluster *c = cluster_new(REPLICAS, 0);
		assert_int_equal(call(c, 0, OP_PUT, "k", "alive", strong), KV_OK);
		pass(c, USEC_PER_SEC);
		struct record dead = dead_record(now_version(c));
		for (node_id k = 0; k < REPLICAS; k++) {
			if (k != i)
				plant(c, k, "k", &dead);
		}
		pass(c, CYCLES(2));
		assert_everywhere(c, "k", dead.ver);
		assert_reads(c, i, "k", NULL);
		cluster_free(c);
	}
}

static void a_node_that_was_down_is_compared_soon(void **state)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	pass(c, CYCLES(1));
	crash(c, 2);
	struct record rec = whole_record(now_version(c), "v");
	plant(c, 0, "k", &rec);
	pass(c, 4 * USEC_PER_SEC);
	start_node(c, 2, &c->map);
	pass(c, 10 * USEC_PER_SEC);
	assert_true(version_equal(on_disk(c, 2, "k").ver, rec.ver));
	cluster_free(c);
}

/** As if someone had taken a row away with a tool while the node was down. */
static void what_is_missing_on_disk_is_found_by_scrubbing(void **state)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "value", strong), KV_OK);
	pass(c, 2 * TREE_QUIET_US); /* the tree is read after the restart, not built */
	struct version ver = on_disk(c, 0, "k").ver;
	crash(c, 2);
	struct disk_put removal = {.key = data_key("k"), .remove = true};
	row_put(&c->nodes[2], &removal);
	start_node(c, 2, &c->map);
	pass(c, 5 * USEC_PER_SEC);
	assert_true(version_is_none(on_disk(c, 2, "k").ver));
	ask_repair(c, 2, /* run= */ false, /* scrub= */ true);
	pass(c, CYCLES(2));
	assert_everywhere(c, "k", ver);
	assert_int_equal(stats_of(c, 2).tree_leaves_mended, 1);
	cluster_free(c);
}

static void a_damaged_record_is_found_by_scrubbing_and_stops_the_node(void **state)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "value", strong), KV_OK);
	pass(c, 20 * USEC_PER_SEC);
	struct disk_put damage = {.key = data_key("k"), .value = slice_str("no record of any kind")};
	row_put(&c->nodes[2], &damage);
	assert_false(c->nodes[2].stopped);
	pass(c, CYCLES(2)); /* the first pass begins by itself */
	assert_true(c->nodes[2].stopped);
	assert_true(stats_of(c, 2).records_corrupt > 0);
	assert_false(c->nodes[0].stopped || c->nodes[1].stopped);
	cluster_free(c);
}

static void scrubbing_finds_nothing_wrong_while_clients_write(void **state)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	char key[16];
	for (uint32_t i = 0; i < 400; i++) {
		snprintf(key, sizeof key, "key-%u", i % 100);
		assert_int_equal(call(c, (node_id)(i % REPLICAS), OP_PUT, key, "v", (struct msg_request){0}),
				 KV_OK);
		if (i % 100 == 50)
			ask_repair(c, 1, false, /* scrub= */ true);
		pass(c, TICK_US);
	}
	pass(c, USEC_PER_SEC);
	assert_true(stats_of(c, 1).records_scrubbed >= 200);
	assert_int_equal(SUM(c, tree_leaves_mended), 0);
	cluster_free(c);
}

/* ---- what it costs ---- */

static void equal_replicas_exchange_one_number(void **state)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "value", strong), KV_OK);
	pass(c, 5 * USEC_PER_SEC);
	uint64_t roots = SUM(c, roots_sent);
	pass(c, 10 * EXCHANGE_INTERVAL_US);
	assert_int_equal(SUM(c, exchanges), 0);
	roots = SUM(c, roots_sent) - roots;
	assert_true(roots >= 3 * 8 && roots <= 3 * 12); /* three pairs */
	for (node_id i = 0; i < REPLICAS; i++)
		assert_int_equal(c->nodes[i].sent_trees, 0);
	cluster_free(c);
}

static void an_idle_node_sends_less_than_two_kilobytes_a_second(void **state)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	pass(c, 5 * USEC_PER_SEC);
	for (node_id i = 0; i < REPLICAS; i++)
		c->nodes[i].sent_bytes = 0;
	pass(c, 2 * EXCHANGE_INTERVAL_US);
	for (node_id i = 0; i < REPLICAS; i++) {
		uint64_t rate = c->nodes[i].sent_bytes * USEC_PER_SEC / (2 * EXCHANGE_INTERVAL_US);
		printf("# node %u sends %llu bytes a second\n", i, (unsigned long long)rate);
		assert_true(rate < 2000);
	}
	cluster_free(c);
}

static void a_leaf_under_constant_writes_ends_an_exchange_all_the_same(void **state)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	char value[16];
	usec_t end_us = c->mono_us + CYCLES(4);
	for (uint32_t i = 0; c->mono_us < end_us; i++) {
		/* Each replica is always a write ahead of the others. */
		snprintf(value, sizeof value, "%u", i);
		struct record rec = whole_record(now_version(c), value);
		plant(c, (node_id)(i % REPLICAS), "hot", &rec);
		pass(c, 50 * USEC_PER_MSEC);
	}
	/* Three pairs, four cycles, and the one after the start. */
	assert_true(SUM(c, exchanges) <= 18);
	assert_true(SUM(c, exchange_leaves) <= 18);
	pass(c, CYCLES(2));
	struct version ver = on_disk(c, 0, "hot").ver;
	assert_everywhere(c, "hot", ver);
	cluster_free(c);
}

static void a_copy_that_is_weak_in_one_place_is_no_difference(void **state)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	struct version ver = now_version(c);
	struct msg m = replica_msg(c, OP_PREPARE, "k");
	m.id = 0;
	m.replica.ballot = (struct version){.hlc = ver.hlc + 1, .id = 0};
	tell(c, 2, 0, &m);
	run(c);
	struct record rec = whole_record(ver, "v");
	for (node_id i = 0; i < REPLICAS; i++)
		plant(c, i, "k", &rec);
	assert_true(on_disk(c, 0, "k").weak);
	assert_false(on_disk(c, 1, "k").weak);
	uint64_t roots = SUM(c, roots_sent);
	pass(c, CYCLES(3));
	assert_int_equal(SUM(c, exchange_leaves), 0);
	assert_true(SUM(c, roots_sent) - roots <= 20);
	cluster_free(c);
}

/* ---- what must not be concluded ---- */

/** The age of the oldest pair of node I; UINT64_MAX: a pair was never known to be equal. */
static uint64_t oldest_ms(struct cluster *c, node_id i) { return ask_repair(c, i, false, false).oldest_ms; }

/** True if node I takes any partition for equal on itself and PEER. */
static bool knows_equal(struct cluster *c, node_id i, node_id peer)
{
	struct msg_repair r = ask_repair(c, i, false, false);
	bool known = false;
	for (uint32_t k = 0; k < r.pair_count; k++)
		known |= r.pairs[k].peer == peer && r.pairs[k].equal_age_ms != UINT64_MAX;
	return known;
}

static bool equality_is_claimed_of_a_tree_that_is_not_ready(void)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	crash(c, 2);
	for (size_t k = 0; k < c->nodes[2].row_count;) {
		struct disk_put gone = {.key = c->nodes[2].rows[k].key, .remove = true};
		if (gone.key.table == DISK_TREE)
			row_put(&c->nodes[2], &gone);
		else
			k++;
	}
	c->nodes[2].hold_reads = true;
	start_node(c, 2, &c->map);
	/* META is read, and the first look for trees; then the disk stands still. */
	for (int i = 0; i < 200 && trees_building(c->nodes[2].core) > 0 && !c->nodes[2].core->trees.building; i++)
		do_one_job(c, 2);
	assert_true(c->nodes[2].core->trees.building > 0);
	crash(c, 1);
	start_node(c, 1, &c->map); /* knows nothing of anyone yet */
	pass(c, CYCLES(2));
	bool claimed = knows_equal(c, 1, 2);
	c->nodes[2].hold_reads = false;
	pass(c, CYCLES(2));
	assert_true(oldest_ms(c, 1) <= CYCLES(1) / USEC_PER_MSEC);
	cluster_free(c);
	return claimed;
}

static void a_tree_that_is_not_ready_is_never_called_equal(void **state)
{
	assert_false(equality_is_claimed_of_a_tree_that_is_not_ready());
}

static bool equality_is_claimed_of_what_is_not_durable(void)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	pass(c, 5 * USEC_PER_SEC);
	struct record rec = whole_record(now_version(c), "v");
	plant(c, 0, "k", &rec);
	plant(c, 2, "k", &rec);
	c->nodes[1].hold_writes = true;
	struct msg m = replica_msg(c, OP_PUSH, "k");
	m.replica.record = rec;
	tell(c, 2, 1, &m);
	run(c);
	uint64_t before = oldest_ms(c, 0);
	pass(c, CYCLES(1));
	bool claimed = oldest_ms(c, 0) < before + CYCLES(1) / USEC_PER_MSEC;
	c->nodes[1].hold_writes = false;
	cluster_free(c);
	return claimed;
}

static void what_is_not_durable_is_not_told(void **state)
{
	assert_false(equality_is_claimed_of_what_is_not_durable());
}

static bool the_older_value_is_spread(void)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	struct record old = whole_record(now_version(c), "old");
	plant(c, 1, "k", &old);
	pass(c, USEC_PER_MSEC);
	struct record rec = whole_record(now_version(c), "new");
	plant(c, 0, "k", &rec);
	pass(c, CYCLES(2));
	bool spread = !version_equal(on_disk(c, 1, "k").ver, rec.ver);
	cluster_free(c);
	return spread;
}

static void seeded_bugs_of_trees_and_exchanges_are_noticed(void **state)
{
	static const struct {
		enum mutant mutant;
		bool (*noticed)(void);
	} cases[] = {
		{MUTANT_treeunready, equality_is_claimed_of_a_tree_that_is_not_ready},
		{MUTANT_treeahead, equality_is_claimed_of_what_is_not_durable},
		{MUTANT_exchangeold, the_older_value_is_spread},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_false(cases[i].noticed());
		if (!mutant_is_built())
			continue;
		assert_true(mutant_switch(cases[i].mutant));
		bool noticed = cases[i].noticed();
		assert_true(mutant_switch(MUTANT_NONE));
		assert_true(noticed);
	}
}

/* ---- asked for ---- */

static void repair_run_compares_at_once_and_repair_status_tells(void **state)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	pass(c, CYCLES(1));
	struct msg_repair r = ask_repair(c, 2, false, false);
	assert_int_equal(r.status, KV_OK);
	assert_int_equal(r.partitions, PARTITIONS);
	assert_int_equal(r.building, 0);
	assert_true(r.oldest_ms < CYCLES(1) / USEC_PER_MSEC);
	assert_int_equal(r.pair_count, MIN(2u * PARTITIONS, REPAIR_PAIRS_MAX));
	struct record rec = whole_record(now_version(c), "v");
	plant(c, 2, "k", &rec);
	ask_repair(c, 2, /* run= */ true, false);
	pass(c, 5 * USEC_PER_SEC);
	assert_everywhere(c, "k", rec.ver);
	assert_true(ask_repair(c, 2, false, false).repaired >= 2);
	cluster_free(c);
}

struct ended {
	uint32_t count;
	bool complete;
	hlc_t began;
};

static void note_end(struct node_core *core, void *owner, bool complete, hlc_t began)
{
	struct ended *e = owner;
	e->count++;
	e->complete = complete;
	e->began = began;
}

/** Starts an exchange of KEY's partition on node I with all others, outside of any event. */
static bool start_exchange(struct cluster *c, node_id i, const char *key, enum exchange_way way, struct ended *e)
{
	struct node_core *core = c->nodes[i].core;
	uint32_t peers = ((1u << REPLICAS) - 1) & ~(1u << i);
	core->now = now_of(c, i);
	core->out = &c->nodes[i].actions;
	bool started = exchange_start(core, data_key(key).partition, peers, way, note_end, e);
	core->out = NULL;
	pass(c, TICK_US); /* its messages leave with the tick's */
	return started;
}

static void an_exchange_that_is_asked_for_makes_all_equal(void **state)
{
	static const enum exchange_way ways[] = {EXCHANGE_PUSH, EXCHANGE_STRONG};
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct cluster *c = cluster_new(REPLICAS, 0);
		struct record rec = whole_record(now_version(c), "v");
		plant(c, 1, "k", &rec);
		struct ended e = {0};
		hlc_t before = clock_of(c, 0);
		assert_true(start_exchange(c, 0, "k", ways[i], &e));
		assert_int_equal(e.count, 0);
		assert_false(start_exchange(c, 0, "k", ways[i], &e)); /* one at a time */
		pass(c, 5 * USEC_PER_SEC);
		assert_int_equal(e.count, 1);
		assert_true(e.complete);
		assert_true(e.began >= before);
		assert_reads(c, 2, "k", "v");
		if (ways[i] == EXCHANGE_PUSH)
			assert_everywhere(c, "k", rec.ver);
		cluster_free(c);
	}
}

static void an_exchange_with_a_silent_replica_is_not_complete(void **state)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	drop(c, 2, ANY, OP_TREE_LEAVES, FOR_REPLIES);
	struct ended e = {0};
	assert_true(start_exchange(c, 0, "k", EXCHANGE_PUSH, &e));
	pass(c, EXCHANGE_TIMEOUT_US + USEC_PER_SEC);
	assert_int_equal(e.count, 1);
	assert_false(e.complete);
	cluster_free(c);
}

static void a_cancelled_exchange_says_nothing(void **state)
{
	struct cluster *c = cluster_new(REPLICAS, 0);
	struct record rec = whole_record(now_version(c), "v");
	plant(c, 1, "k", &rec);
	struct ended e = {0};
	assert_true(start_exchange(c, 0, "k", EXCHANGE_STRONG, &e));
	exchange_cancel(c->nodes[0].core, &e);
	pass(c, 10 * USEC_PER_SEC);
	assert_int_equal(e.count, 0);
	cluster_free(c);
}

/**
 * Node 1 has a record that nodes 0 and 2 lack. Node 2's leaves come first; then node 0 gets the record, from whoever else; then
 * node 1's leaves come. Each page was once like node 0's tree.
 */
static void a_record_that_comes_between_two_pages_is_not_taken_for_one_that_all_have(void **state)
{
	for (int second = 0; second < 2; second++) {
		struct cluster *c = cluster_new(REPLICAS, 0);
		drop(c, ANY, ANY, OP_TREE_ROOTS, FOR_BOTH); /* nor is it mended by and by */
		struct record rec = whole_record(now_version(c), "v");
		struct ended e = {0};
		plant(c, 1, "k", &rec);
		if (!second)
			keep(c, 1, 0, OP_TREE_LEAVES, FOR_REPLIES);
		assert_true(start_exchange(c, 0, "k", EXCHANGE_PUSH, &e));
		if (second) {
			keep(c, 1, 0, OP_TREE_LEAVES, FOR_REPLIES);
			while (kept_count(c) == 0)
				pass(c, TICK_US);
		}
		assert_int_equal(kept_count(c), 1);
		plant(c, 0, "k", &rec);
		c->rule_count = 0;
		drop(c, ANY, ANY, OP_TREE_ROOTS, FOR_BOTH);
		release_kept(c);
		pass(c, EXCHANGE_TIMEOUT_US + USEC_PER_SEC);
		assert_int_equal(e.count, 1);
		assert_true(e.complete);
		assert_everywhere(c, "k", rec.ver);
		cluster_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_replica_alone_has_reaches_the_others),
		cmocka_unit_test(what_one_replica_lacks_is_given_to_it),
		cmocka_unit_test(many_differences_of_many_leaves_are_all_mended),
		cmocka_unit_test(a_delete_that_one_replica_missed_does_not_come_back),
		cmocka_unit_test(a_node_that_was_down_is_compared_soon),
		cmocka_unit_test(what_is_missing_on_disk_is_found_by_scrubbing),
		cmocka_unit_test(a_damaged_record_is_found_by_scrubbing_and_stops_the_node),
		cmocka_unit_test(scrubbing_finds_nothing_wrong_while_clients_write),
		cmocka_unit_test(equal_replicas_exchange_one_number),
		cmocka_unit_test(an_idle_node_sends_less_than_two_kilobytes_a_second),
		cmocka_unit_test(a_leaf_under_constant_writes_ends_an_exchange_all_the_same),
		cmocka_unit_test(a_copy_that_is_weak_in_one_place_is_no_difference),
		cmocka_unit_test(a_tree_that_is_not_ready_is_never_called_equal),
		cmocka_unit_test(what_is_not_durable_is_not_told),
		cmocka_unit_test(seeded_bugs_of_trees_and_exchanges_are_noticed),
		cmocka_unit_test(repair_run_compares_at_once_and_repair_status_tells),
		cmocka_unit_test(an_exchange_that_is_asked_for_makes_all_equal),
		cmocka_unit_test(an_exchange_with_a_silent_replica_is_not_complete),
		cmocka_unit_test(a_cancelled_exchange_says_nothing),
		cmocka_unit_test(a_record_that_comes_between_two_pages_is_not_taken_for_one_that_all_have),
	};
	return test_run("exchange", tests);
}
