/* SPDX-License-Identifier: Apache-2.0 */
/* Deleted keys leave the disks of all nodes once all nodes agree, and not before; none comes back. */
#include "tests/cluster/harness.h"

#include "tests/cluster/cluster.h"

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

static void check_gone(struct cluster *c)
{
	char text[32];
	struct kv_error err;
	for (unsigned i = 0; i < c->count; i++) {
		struct kv_client *client = cluster_open_client(c->nodes[i].client, 5000);
		struct kv_options options = KV_OPTIONS_INIT;
		for (unsigned k = 0; k < KEYS; k++) {
			struct kv_item item;
			options.level = k % 2 ? KV_LEVEL_EVENTUAL : KV_LEVEL_STRONG;
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
	cluster_restart(c, AWAY);
	cluster_await_settled(c);
	harness_await(all_is_purged, c, PURGE_MS, "nodes without tombstones");
	check_gone(c);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(deleted_keys_leave_the_disks_once_all_nodes_agree),
	};
	return harness_run(argc, argv, "deletes", tests);
}
