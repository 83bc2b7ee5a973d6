/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two releases in one cluster, under load: nodes go to the next one and back, until the upgrade is finalized. The first argument after
 * the usual ones is the next release.
 */
#include "tests/cluster/harness.h"

#include <kv/admin.h>

#include "tests/cluster/judge.h"

enum { PROGRESS = 20, END_MS = 20000, TOLD_MS = 20000, REFUSED = 11 };

static void replace(struct cluster *c, unsigned index, const char *kvd)
{
	struct process *p = &c->nodes[index];
	process_terminate(p);
	int code = process_wait(p, END_MS);
	if (code != 0)
		fail_msg("%s ended with code %d", p->name, code);
	p->kvd = kvd;
	cluster_restart(c, index);
	cluster_await_together(c);
}

struct told {
	struct cluster *cluster;
	uint32_t levels[3];
};

/** A client hears of a newer map in the answer to a request. */
static void hear_of_maps(struct cluster *c)
{
	struct kv_error err;
	struct kv_item item;
	if (kv_get(c->client, NULL, kv_slice_str("any"), &item, &err) == KV_OK)
		kv_item_release(&item);
}

static bool map_tells(void *arg)
{
	const struct told *t = arg;
	struct kv_node *nodes;
	size_t count;
	struct kv_error err;
	hear_of_maps(t->cluster);
	if (kv_nodes(t->cluster->client, &nodes, &count, &err) != KV_OK)
		return false;
	bool equal = count == 3;
	for (size_t i = 0; equal && i < count; i++)
		equal = nodes[i].feature_level == t->levels[i];
	kv_nodes_free(nodes);
	return equal;
}

static void await_levels(struct cluster *c, uint32_t first, uint32_t second, uint32_t third)
{
	struct told told = {.cluster = c, .levels = {first, second, third}};
	harness_await(map_tells, &told, TOLD_MS, "a map that tells what each node can do");
}

static uint64_t level_of(struct cluster *c)
{
	struct kv_cluster_info info;
	struct kv_error err;
	assert_int_equal(kv_cluster_info(c->client, &info, &err), KV_OK);
	return info.feature_level;
}

static void assert_not_finalized(struct cluster *c, const char *behind)
{
	struct kv_error err;
	assert_int_equal(kv_upgrade_finalize(c->client, 0, &err), KV_REFUSED);
	assert_non_null(strstr(err.message, behind));
	assert_int_equal(level_of(c), 1);
}

static bool is_level_2(void *arg)
{
	hear_of_maps(arg);
	return level_of(arg) == 2;
}

static void nodes_go_to_the_next_release_and_back_until_that_is_finalized(void **state)
{
	const char *next = harness_argument(1);
	assert_non_null(next);
	struct cluster *c = cluster_new(NULL);
	struct load *load = load_start(c, &(struct load_options){.prefix = "upgrade", .clocks_are_right = true});
	assert_int_equal(level_of(c), 1);
	replace(c, 0, next);
	await_levels(c, 2, 1, 1);
	assert_not_finalized(c, c->nodes[1].name);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	replace(c, 1, next);
	await_levels(c, 2, 2, 1);
	replace(c, 0, NULL);
	await_levels(c, 1, 2, 1);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	replace(c, 2, next);
	await_levels(c, 1, 2, 2);
	assert_not_finalized(c, c->nodes[0].name);
	replace(c, 0, next);
	await_levels(c, 2, 2, 2);
	load_await_progress(load, /* strong: */ true, PROGRESS);

	struct kv_error err;
	assert_int_equal(kv_upgrade_finalize(c->client, 0, &err), KV_OK);
	harness_await(is_level_2, c, TOLD_MS, "a map with the new level");
	assert_int_equal(kv_upgrade_finalize(c->client, 0, &err), KV_OK); /* asked again */
	load_await_progress(load, /* strong: */ true, PROGRESS);

	/* Nobody goes back any more. */
	struct process *p = &c->nodes[2];
	process_terminate(p);
	assert_int_equal(process_wait(p, END_MS), 0);
	p->kvd = NULL;
	process_spawn(p);
	assert_int_equal(process_wait(p, END_MS), REFUSED);
	assert_true(harness_file_has(p->log, "install the version that the node had"));
	p->kvd = next;
	cluster_restart(c, 2);
	cluster_await_together(c);
	judge(c, load);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(nodes_go_to_the_next_release_and_back_until_that_is_finalized),
	};
	return harness_run(argc, argv, "upgrade", tests);
}
