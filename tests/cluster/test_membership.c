/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that come, go, die, move and try to come back, while clients go on. */
#include "tests/cluster/harness.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/cluster/change.h"
#include "tests/cluster/fill.h"
#include "tests/cluster/judge.h"
#include "tests/cluster/latency.h"

enum { EXIT_REFUSED = 11, EXIT_FAILED = 1, END_MS = 30000, KNOWN_MS = 20000, PROGRESS = 30, QUIET_MS = 1500 };

static const struct fill rest = {.prefix = "rest", .count = 6000, .size = 1000};

static void run(const char *format, const char *a, const char *b)
{
	char command[2 * PROCESS_PATH_MAX + 64];
	snprintf(command, sizeof command, format, a, b);
	int status = system(command);
	if (status != 0)
		fail_msg("%s: %d", command, status);
}

static bool all_live(void *arg)
{
	cluster_check_alive(arg);
	return true;
}

/** Every node that is there holds its share. */
static void check_shares(struct cluster *c, unsigned nodes)
{
	unsigned total = 0;
	for (unsigned i = 0; i < c->count; i++) {
		if (c->gone[i])
			continue;
		unsigned share = change_partitions(c, i);
		if (share < 64 * 3 / nodes || share > (64 * 3 + nodes - 1) / nodes)
			fail_msg("%s holds %u partitions of %u replicas on %u nodes", c->nodes[i].name, share,
				 64 * 3, nodes);
		total += share;
	}
	assert_int_equal(total, 64 * 3);
}

/* ---- 3, 5, 4, and one replaced ---- */

static void grow(struct cluster *c)
{
	change_add(c, CHANGE_NOBODY);
	change_add(c, CHANGE_NOBODY);
	change_commit(c);
	change_await_done(c);
	check_shares(c, 5);
}

static void shrink(struct cluster *c)
{
	change_remove(c, 1, /* gone: */ false);
	change_commit(c);
	change_await_done(c);
	assert_int_equal(process_wait(&c->nodes[1], END_MS), 0);
	assert_int_equal(change_state(c, 1), KV_NODE_REMOVED);
	check_shares(c, 4);
}

static void replace(struct cluster *c, struct load *load)
{
	process_kill(&c->nodes[2]);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	change_add(c, 2);
	change_commit(c);
	change_await_done(c);
	assert_int_equal(change_state(c, 2), KV_NODE_REMOVED);
	check_shares(c, 4);
}

static void no_write_is_lost_and_no_request_fails_while_nodes_come_go_and_die(void **state)
{
	struct cluster *c = cluster_new(NULL);
	fill_write(c, &rest);
	struct load *load = load_start(c, &(struct load_options){.prefix = "m",
								 .timeout_ms = harness_ms(3000),
								 .single_keys = 3000,
								 .clocks_are_right = true});
	usec_t at[6];
	at[0] = clock_mono_us();
	load_await_progress(load, /* strong: */ true, 10 * PROGRESS);
	at[1] = clock_mono_us();
	grow(c);
	at[2] = clock_mono_us();
	load_await_progress(load, /* strong: */ true, PROGRESS);
	shrink(c);
	at[3] = clock_mono_us();
	replace(c, load);
	at[4] = clock_mono_us();
	load_await_progress(load, /* strong: */ true, 2 * PROGRESS);
	at[5] = clock_mono_us();
	judge(c, load);
	static const char *const names[] = {"before", "3 to 5", "5 to 4", "replacing", "after"};
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		latency_tell(load, names[i], at[i], at[i + 1]);
	latency_check_strong(load);
	fill_check(c, &rest);
	fill_await_equal(c, &rest, 3, END_MS);
}

/* ---- who a node is ---- */

static void a_node_that_moved_is_found_at_its_new_address(void **state)
{
	struct cluster *c = cluster_new(NULL);
	struct process *p = &c->nodes[1];
	char before[PROCESS_ADDRESS_MAX], taken[PROCESS_ADDRESS_MAX];
	struct load *load = load_start(c, &(struct load_options){.prefix = "a"});
	load_await_progress(load, /* strong: */ true, PROGRESS);
	memcpy(before, p->peer, sizeof before);
	process_kill(p);
	run("rm '%s/%s'", p->data_dir, "addresses");
	/* At another address it does not start, unless it is told that it moved. */
	process_spawn(p);
	assert_int_equal(process_wait(p, END_MS), EXIT_REFUSED);
	assert_true(harness_file_has(p->log, "copied data directory"));
	run("rm -f '%s/%s'", p->data_dir, "addresses");
	p->argument = "--moved";
	cluster_restart(c, 1);
	p->argument = NULL;
	memcpy(taken, p->peer, sizeof taken);
	assert_string_not_equal(taken, before);
	cluster_await_together(c);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	/* From then on that is its address. */
	process_kill(p);
	cluster_restart(c, 1);
	assert_string_equal(p->peer, taken);
	judge(c, load);
}

static bool takes_strong_writes(void *arg)
{
	struct kv_options options = KV_OPTIONS_INIT;
	options.level = KV_LEVEL_STRONG;
	return kv_put(arg, &options, kv_slice_str("moved"), kv_slice_str("together"), NULL, NULL) == KV_OK;
}

/** No address in the map is good for anything: one of the new ones, as a seed, is enough. */
static void nodes_that_all_moved_find_each_other_by_a_seed(void **state)
{
	struct cluster *c = cluster_new(NULL);
	char seeds[PROCESS_ADDRESS_MAX + 32];
	for (unsigned i = 0; i < c->count; i++) {
		process_kill(&c->nodes[i]);
		run("rm '%s/%s'", c->nodes[i].data_dir, "addresses");
		c->nodes[i].argument = "--moved";
	}
	cluster_start(c, 0);
	snprintf(seeds, sizeof seeds, "join: {seeds: \"%s\"}\n", c->nodes[0].peer);
	for (unsigned i = 1; i < c->count; i++) {
		c->nodes[i].settings = seeds;
		cluster_start(c, i);
	}
	/* Clients find them at the new address of any. */
	struct kv_client *client = cluster_open_client(c->nodes[1].client, /* timeout_ms: */ 1000);
	harness_await(takes_strong_writes, client, END_MS, "a strong write");
	kv_close(client, 0);
	cluster_await_together(c);
	for (unsigned i = 0; i < c->count; i++) {
		c->nodes[i].settings = NULL;
		c->nodes[i].argument = NULL;
	}
}

static void write_token(const char *path, const char *token)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(token, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

struct sought {
	struct cluster *cluster;
	unsigned index;
	enum kv_node_state state;
};

static bool has_state(void *arg)
{
	struct sought *s = arg;
	return change_map_index(s->cluster, s->index) != KV_NODE_NONE &&
	       change_state(s->cluster, s->index) == s->state;
}

static void await_state(struct cluster *c, unsigned index, enum kv_node_state state)
{
	struct sought s = {.cluster = c, .index = index, .state = state};
	harness_await(has_state, &s, KNOWN_MS, "a node in the state that it should have");
}

static void a_token_admits_one_node_once(void **state)
{
	struct cluster *c = cluster_new(NULL);
	char token[KV_TOKEN_SIZE], path[PROCESS_PATH_MAX], settings[2 * PROCESS_PATH_MAX];
	struct kv_error err;
	if (kv_join_token(c->client, 0, token, 0, &err) != KV_OK)
		fail_msg("no token: %s: %s", kv_status_name(err.status), err.message);
	snprintf(path, sizeof path, "%s/token", c->directory);
	write_token(path, token);
	snprintf(settings, sizeof settings, "join: {seeds: \"%s,%s\", token_file: \"%s\"}\n", c->nodes[0].peer,
		 c->nodes[1].peer, path);
	c->options.settings = settings;
	unsigned first = cluster_spawn(c);
	await_state(c, first, KV_NODE_STAGED);
	/* The same token again: the second one is refused and ends. */
	struct process second;
	process_init(&second, c->directory, "second");
	second.settings = settings;
	process_spawn(&second);
	assert_int_equal(process_wait(&second, END_MS), EXIT_FAILED);
	assert_true(harness_file_has(second.log, "was not admitted"));
	change_commit(c);
	change_await_done(c);
	check_shares(c, 4);
	/* Admitted once, it needs no token any more. */
	process_kill(&c->nodes[first]);
	assert_int_equal(unlink(path), 0);
	cluster_restart(c, first);
	cluster_await_together(c);
	cluster_check_serves(c);
}

static void who_left_does_not_come_back(void **state)
{
	struct cluster *c = cluster_new(&(struct cluster_options){.nodes = 4});
	struct load *load = load_start(c, &(struct load_options){.prefix = "l"});
	/* One leaves in good order, another is removed while it is down. */
	change_remove(c, 3, /* gone: */ false);
	change_commit(c);
	change_await_done(c);
	assert_int_equal(process_wait(&c->nodes[3], END_MS), 0);
	process_spawn(&c->nodes[3]);
	assert_int_equal(process_wait(&c->nodes[3], END_MS), EXIT_REFUSED);
	assert_true(harness_file_has(c->nodes[3].log, "was removed from the cluster"));
	process_kill(&c->nodes[2]);
	unsigned fresh = change_add(c, 2);
	change_commit(c);
	change_await_done(c);
	assert_int_equal(change_state(c, fresh), KV_NODE_NORMAL);
	/* It has not heard of it, and nobody takes it in. */
	process_spawn(&c->nodes[2]);
	assert_int_equal(process_wait(&c->nodes[2], END_MS), EXIT_REFUSED);
	assert_true(harness_holds(all_live, c, QUIET_MS));
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
}

static void check_stranger(const struct process *p)
{
	struct kv_node_status *status;
	struct kv_error err;
	struct kv_client *client = cluster_open_client(p->client, 5000);
	if (kv_status_get(client, p->client, 0, &status, &err) != KV_OK)
		fail_msg("%s does not say how it is: %s", p->name, err.message);
	assert_string_equal(status->cluster, "");
	assert_false(status->ready);
	kv_node_status_free(status);
	kv_close(client, 0);
}

/** Whoever lost its data and listens where it always did is a stranger there, until it is let in as another node. */
static void a_wiped_node_comes_in_only_as_another_one(void **state)
{
	struct cluster *c = cluster_new(NULL);
	const struct fill some = {.prefix = "some", .count = 500, .size = 100};
	char address[PROCESS_ADDRESS_MAX], before[KV_UUID_TEXT_SIZE];
	fill_write(c, &some);
	struct load *load = load_start(c, &(struct load_options){.prefix = "w"});
	struct process *p = &c->nodes[2];
	CLEANUP(cluster_status_free) struct kv_node_status *old = cluster_status(c, 2);
	assert_non_null(old);
	memcpy(before, old->node, sizeof before);
	memcpy(address, p->peer, sizeof address);
	process_kill(p);
	run("rm -r '%s'%s", p->data_dir, "");
	c->gone[2] = true;
	/* The same address, an empty directory: it is in no cluster, and nobody takes it for the old one. */
	c->options.listen_peer = address;
	c->options.nodes = c->count + 1;
	unsigned fresh = cluster_spawn(c);
	assert_string_equal(c->nodes[fresh].peer, address);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	check_stranger(&c->nodes[fresh]);
	change_stage(c, fresh, 2);
	change_commit(c);
	change_await_done(c);
	CLEANUP(cluster_status_free) struct kv_node_status *now = cluster_status(c, fresh);
	assert_non_null(now);
	assert_string_not_equal(now->node, before);
	assert_int_equal(now->index, 3);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
	fill_check(c, &some);
	fill_await_equal(c, &some, 3, END_MS);
}

static bool some_move(void *arg)
{
	struct kv_moves *moves = change_moves(arg);
	bool any = moves && moves->count > 0;
	kv_moves_free(moves);
	return any;
}

static bool none_moves(void *arg)
{
	struct kv_moves *moves = change_moves(arg);
	bool none = moves && moves->count == 0 && moves->paused;
	kv_moves_free(moves);
	return none;
}

static void what_is_staged_is_forgotten_and_what_moves_is_given_up_when_told(void **state)
{
	struct cluster *c = cluster_new(NULL);
	fill_write(c, &rest);
	struct load *load = load_start(c, &(struct load_options){.prefix = "d", .clocks_are_right = true});
	unsigned discarded = change_add(c, CHANGE_NOBODY);
	change_discard(c);
	await_state(c, discarded, KV_NODE_REMOVED);
	c->gone[discarded] = true;
	unsigned fresh = change_add(c, CHANGE_NOBODY);
	change_commit(c);
	harness_await(some_move, c, KNOWN_MS, "partitions that move");
	change_pause(c, true);
	harness_await(none_moves, c, KNOWN_MS, "moves that are given up");
	load_await_progress(load, /* strong: */ true, PROGRESS);
	assert_true(harness_holds(none_moves, c, QUIET_MS));
	change_pause(c, false);
	change_await_done(c);
	assert_int_equal(change_state(c, fresh), KV_NODE_NORMAL);
	check_shares(c, 4);
	judge(c, load);
	fill_check(c, &rest);
	fill_await_equal(c, &rest, 3, END_MS);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(no_write_is_lost_and_no_request_fails_while_nodes_come_go_and_die),
		harness_test(a_node_that_moved_is_found_at_its_new_address),
		harness_test(nodes_that_all_moved_find_each_other_by_a_seed),
		harness_test(a_token_admits_one_node_once),
		harness_test(who_left_does_not_come_back),
		harness_test(a_wiped_node_comes_in_only_as_another_one),
		harness_test(what_is_staged_is_forgotten_and_what_moves_is_given_up_when_told),
	};
	return harness_run(argc, argv, "membership", tests);
}
