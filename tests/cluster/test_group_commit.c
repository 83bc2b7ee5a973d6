/* SPDX-License-Identifier: Apache-2.0 */
/* What durability costs: one synced write a replica, shared by all who wait at the time. */
#include "tests/cluster/harness.h"

#include <pthread.h>
#include <stdatomic.h>

#include "tests/cluster/cluster.h"

enum { THREADS = 64, PUTS_EACH = 20, SINGLE_PUTS = 100, PUT_MS = 20000, OTHER_WRITES_MAX = 20 };

/* A sync that all have time to come for, however busy the machine is. */
enum { SYNC_US = 50000 };

struct writer {
	struct kv_client *client;
	unsigned index;
	pthread_t thread;
	struct kv_error error; /* the first */
};

static enum kv_status put(struct kv_client *client, const char *key, bool strong, struct kv_error *err)
{
	struct kv_options options = KV_OPTIONS_INIT;
	options.level = strong ? KV_LEVEL_STRONG : KV_LEVEL_EVENTUAL;
	options.acks = strong ? KV_ACKS_DEFAULT : KV_ACKS_MAJORITY;
	return kv_put(client, &options, kv_slice_str(key), kv_slice_str("value of some length"), NULL, err);
}

static void *write_all(void *arg)
{
	struct writer *w = arg;
	for (unsigned i = 0; i < PUTS_EACH && w->error.status == KV_OK; i++) {
		char key[32];
		snprintf(key, sizeof key, "w%u-%u", w->index, i);
		put(w->client, key, i % 2 == 0, &w->error);
	}
	return NULL;
}

/** What one node's disk did. */
struct cost {
	uint64_t syncs, groups, writes, records;
};

static struct cost cost_of(struct cluster *c, unsigned node)
{
	CLEANUP(cluster_status_free) struct kv_node_status *status = cluster_status(c, node);
	assert_non_null(status);
	return (struct cost){.syncs = cluster_counter(status, "store_syncs"),
			     .groups = cluster_counter(status, "commit_groups"),
			     .writes = cluster_counter(status, "commit_writes"),
			     .records = cluster_counter(status, "commit_records")};
}

static struct cost cost_since(struct cluster *c, unsigned node, const struct cost *before)
{
	struct cost now = cost_of(c, node);
	return (struct cost){.syncs = now.syncs - before->syncs,
			     .groups = now.groups - before->groups,
			     .writes = now.writes - before->writes,
			     .records = now.records - before->records};
}

static void sixty_four_clients_share_syncs(void **state)
{
	struct cluster *c = cluster_new(&(struct cluster_options){.faulty = true});
	struct kv_client *client = cluster_open_client(c->endpoints, harness_ms(PUT_MS));
	struct writer writers[THREADS] = {0};
	struct cost before[CLUSTER_NODES_MAX];
	for (unsigned i = 0; i < c->count; i++) {
		before[i] = cost_of(c, i);
		c->nodes[i].faults->sync_delay_us = SYNC_US;
	}
	for (unsigned i = 0; i < THREADS; i++) {
		writers[i].client = client;
		writers[i].index = i;
		assert_int_equal(pthread_create(&writers[i].thread, NULL, write_all, &writers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(writers[i].thread, NULL);
	kv_close(client, 0);
	for (unsigned i = 0; i < THREADS; i++)
		if (writers[i].error.status != KV_OK)
			fail_msg("a put failed: %s: %s", kv_status_name(writers[i].error.status),
				 writers[i].error.message);
	for (unsigned i = 0; i < c->count; i++) {
		struct cost cost = cost_since(c, i, &before[i]);
		fprintf(stderr, "# node %u: %llu records, %llu writes, %llu groups, %llu syncs\n", i,
			(unsigned long long)cost.records, (unsigned long long)cost.writes,
			(unsigned long long)cost.groups, (unsigned long long)cost.syncs);
		/* Two replicas make a put; the third may still be storing the last one of each thread. */
		assert_true(cost.records + THREADS >= THREADS * PUTS_EACH);
		assert_true(cost.records > 4 * cost.syncs);
		assert_true(cost.syncs > 0 && cost.syncs <= cost.groups + 1); /* one may be under way */
	}
}

/** Alone, so that nothing can be shared: the number of syncs is that of the writes, but for the clock's own now and then. */
static void check_single_puts(struct cluster *c, bool strong)
{
	uint64_t syncs = 0;
	struct cost before[CLUSTER_NODES_MAX];
	struct kv_error err;
	assert_int_equal(put(c->client, "warm", strong, &err), KV_OK);
	for (unsigned i = 0; i < c->count; i++)
		before[i] = cost_of(c, i);
	for (unsigned i = 0; i < SINGLE_PUTS; i++) {
		char key[32];
		snprintf(key, sizeof key, "single-%d-%u", strong, i);
		if (put(c->client, key, strong, &err) != KV_OK)
			fail_msg("a put failed: %s: %s", kv_status_name(err.status), err.message);
	}
	for (unsigned i = 0; i < c->count; i++) {
		struct cost cost = cost_since(c, i, &before[i]);
		fprintf(stderr, "# node %u: %llu syncs for %d puts\n", i, (unsigned long long)cost.syncs,
			SINGLE_PUTS);
		assert_true(cost.syncs <= SINGLE_PUTS + harness_ms(OTHER_WRITES_MAX));
		syncs += cost.syncs;
	}
	assert_true(syncs >= 2 * SINGLE_PUTS); /* a majority's, before each answer */
}

static void a_quorum_put_costs_each_replica_one_sync(void **state)
{
	struct cluster *c = cluster_new(NULL);
	check_single_puts(c, /* strong: */ false);
	check_single_puts(c, /* strong: */ true);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(sixty_four_clients_share_syncs),
		harness_test(a_quorum_put_costs_each_replica_one_sync),
	};
	return harness_run(argc, argv, "group_commit", tests);
}
