/* SPDX-License-Identifier: Apache-2.0 */
/* Deleted keys leave the disks of all nodes once all nodes agree, and not before; none comes back. */
#include "tests/cluster/harness.h"

#include "tests/cluster/change.h"
#include "tests/cluster/fill.h"

enum { KEYS = 120, AWAY = 2, KEEP_MS = 3000, PURGE_MS = 60000 };

static const char settings[] = "deletes: {keep: 3s}\n";

static struct kv_slice key_of(unsigned k, char text[32])
{
	snprintf(text, 32, "deleted-%u", k);
	return kv_slice_str(text);
}

static void put_all(struct cluster *c)
{
	char text[32];
	struct kv_error err;
	struct kv_options options = KV_OPTIONS_INIT;
	for (unsigned k = 0; k < KEYS; k++) {
		options.level = k % 2 ? KV_LEVEL_STRONG : KV_LEVEL_EVENTUAL;
		options.acks = k % 2 ? KV_ACKS_DEFAULT : KV_ACKS_ALL;
		if (kv_put(c->client, &options, key_of(k, text), kv_slice_str("old"), NULL, &err) != KV_OK)
			fail_msg("a put of %s failed: %s: %s", text, kv_status_name(err.status), err.message);
	}
}

static void delete_some(struct cluster *c, unsigned from, unsigned to)
{
	char text[32];
	struct kv_error err;
	struct kv_options options = KV_OPTIONS_INIT;
	for (unsigned k = from; k < to; k++) {
		options.level = k % 2 ? KV_LEVEL_STRONG : KV_LEVEL_EVENTUAL;
		options.acks = k % 2 ? KV_ACKS_DEFAULT : KV_ACKS_MAJORITY;
		if (kv_del(c->client, &options, key_of(k, text), NULL, &err) != KV_OK)
			fail_msg("a delete of %s failed: %s: %s", text, kv_status_name(err.status), err.message);
	}
}

/** Strongly read everywhere; EVENTUAL: and by reads of one replica, which may be late until the deletions are purged. */
static void check_gone(struct cluster *c, bool eventual)
{
	char text[32];
	struct kv_error err;
	for (unsigned i = 0; i < c->count; i++) {
		struct kv_client *client = cluster_open_client(c->nodes[i].client, 5000);
		struct kv_options options = KV_OPTIONS_INIT;
		for (unsigned k = 0; k < KEYS; k++) {
			struct kv_item item;
			options.level = eventual && k % 2 ? KV_LEVEL_EVENTUAL : KV_LEVEL_STRONG;
			if (kv_get(client, &options, key_of(k, text), &item, &err) != KV_NOT_FOUND)
				fail_msg("node %u: %s is not gone: %s", i, text, kv_status_name(err.status));
		}
		kv_close(client, 0);
	}
}

static bool nothing_is_purged(void *arg)
{
	struct cluster *c = arg;
	return cluster_counter_of(c, 0, "gc_purged") == 0 && cluster_counter_of(c, 1, "gc_purged") == 0;
}

static bool purge_is_blocked(void *arg)
{
	return cluster_counter_of(arg, 0, "gc_blocked") > 0 && cluster_counter_of(arg, 1, "gc_blocked") > 0;
}

/** What `kvctl repair status` shows of a node; the caller frees it. */
static struct kv_repair *repair_of(struct cluster *c, unsigned index)
{
	struct kv_repair *repair;
	struct kv_error err;
	if (kv_repair_get(c->client, c->nodes[index].client, 0, KV_REPAIR_ASK, harness_ms(5000), &repair, &err) !=
	    KV_OK)
		fail_msg("node %u does not tell: %s", index, err.message);
	return repair;
}

static bool no_tombstones(void *arg)
{
	struct cluster *c = arg;
	uint64_t tombstones = 0;
	for (unsigned i = 0; i < c->count; i++) {
		struct kv_repair *repair = repair_of(c, i);
		tombstones += repair->tombstones;
		kv_repair_free(repair);
	}
	return tombstones == 0;
}

static void check_blocked_by(struct cluster *c, unsigned who)
{
	uint16_t node = change_map_index(c, who);
	for (unsigned i = 0; i < c->count; i++) {
		if (i == who)
			continue;
		struct kv_repair *repair = repair_of(c, i);
		assert_true(repair->purge_blocked > 0);
		assert_int_equal(repair->purge_blocked_by, node);
		assert_true(repair->tombstones > 0);
		kv_repair_free(repair);
	}
}

static bool all_is_purged(void *arg)
{
	struct cluster *c = arg;
	for (unsigned i = 0; i < c->count; i++) {
		if (cluster_counter_of(c, i, "gc_purged") < KEYS || cluster_counter_of(c, i, "gc_blocked") > 0)
			return false;
	}
	return true;
}

static void deleted_keys_leave_the_disks_once_all_nodes_agree(void **state)
{
	struct cluster *c = cluster_new(&(struct cluster_options){.partitions = 16, .settings = settings});
	put_all(c);
	process_kill(&c->nodes[AWAY]);
	delete_some(c, 0, KEYS);
	harness_await(purge_is_blocked, c, PURGE_MS, "a purge that waits for the node that is away");
	assert_true(harness_holds(nothing_is_purged, c, 2 * KEEP_MS));
	check_blocked_by(c, AWAY);
	cluster_restart(c, AWAY);
	cluster_await_settled(c);
	harness_await(all_is_purged, c, PURGE_MS, "nodes without tombstones");
	harness_await(no_tombstones, c, PURGE_MS, "repair status without tombstones");
	check_gone(c, /* eventual: */ true);
}

/* ---- what might bring them back ---- */

static const struct proxy_weather cut = {.cut = true};

static void part(struct cluster *c, unsigned node)
{
	for (unsigned i = 0; i < c->count; i++) {
		if (i != node) {
			proxy_set(c->net, i, node, &cut);
			proxy_set(c->net, node, i, &cut);
		}
	}
	proxy_set(c->net, PROXY_CLIENTS, node, &cut);
}

static bool always(void *arg)
{
	cluster_check_alive(arg);
	return true;
}

/** A node has old values while they are deleted, and comes back when what was deleted is older than what is kept. */
static void delete_behind_its_back(struct cluster *c, unsigned round)
{
	unsigned away = round % c->count, other = (away + 1) % c->count;
	put_all(c);
	part(c, away);
	delete_some(c, 0, KEYS);
	if (round % 2) {
		/* Whoever has hints for it dies with them and comes back as late. */
		process_kill(&c->nodes[other]);
		proxy_heal(c->net);
		assert_true(harness_holds(always, c, KEEP_MS + KEEP_MS / 2));
		cluster_start(c, other);
	} else {
		assert_true(harness_holds(always, c, KEEP_MS + KEEP_MS / 2));
		proxy_heal(c->net);
	}
	cluster_await_settled(c);
	check_gone(c, /* eventual: */ false);
}

static void nothing_comes_back_after_partitions_late_hints_and_restarts(void **state)
{
	static const struct fill keys = {.prefix = "deleted", .count = KEYS};
	struct cluster *c = cluster_new(&(struct cluster_options){
		.partitions = 16, .settings = settings, .proxied = true, .compare_ms = 1000});
	for (unsigned round = 0; round < harness_rounds(2); round++)
		delete_behind_its_back(c, round);
	harness_await(no_tombstones, c, PURGE_MS, "nodes without tombstones");
	/* Nothing is on any disk, and nothing returns there. */
	fill_await_equal(c, &keys, /* replicas: */ 0, PURGE_MS);
	for (unsigned i = 0; i < c->count; i++)
		process_kill(&c->nodes[i]);
	for (unsigned i = 0; i < c->count; i++)
		cluster_start(c, i);
	cluster_await_settled(c);
	assert_true(harness_holds(always, c, KEEP_MS));
	check_gone(c, /* eventual: */ true);
	assert_int_equal(fill_differences(c, &keys, 0), 0);
	assert_true(no_tombstones(c));
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(deleted_keys_leave_the_disks_once_all_nodes_agree),
		harness_test(nothing_comes_back_after_partitions_late_hints_and_restarts),
	};
	return harness_run(argc, argv, "deletes", tests);
}
