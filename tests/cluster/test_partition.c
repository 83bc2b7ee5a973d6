/* SPDX-License-Identifier: Apache-2.0 */
/* Bad networks between five nodes, three of which keep each key: nothing breaks, and all is well once they are whole. */
#include "tests/cluster/harness.h"

#include "tests/cluster/judge.h"

enum { NODES = 5, PROGRESS = 20, WHILE_MS = 4000, SLACK_MS = 1000 };

static const struct proxy_weather cut = {.cut = true};

static struct cluster *new_cluster(void)
{
	return cluster_new(&(struct cluster_options){.nodes = NODES, .proxied = true, .seed = 1});
}

static struct load *start(struct cluster *c, const char *prefix)
{
	struct load *load = load_start(
		c, &(struct load_options){.prefix = prefix, .single_keys = 300, .clocks_are_right = true});
	load_await_progress(load, /* strong: */ true, PROGRESS);
	return load;
}

/** Whole again: all goes on, and everything answered so far was right. */
static void heal_and_judge(struct cluster *c, struct load *load)
{
	proxy_heal(c->net);
	cluster_await_together(c);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
	load_check_times(load, SLACK_MS);
}

static bool all_live(void *arg)
{
	cluster_check_alive(arg);
	return true;
}

/** Everything between two sets of nodes, given as bits. */
static void part(struct cluster *c, unsigned here, unsigned there)
{
	for (unsigned i = 0; i < c->count; i++) {
		for (unsigned j = 0; j < c->count; j++) {
			if ((here & 1u << i) && (there & 1u << j)) {
				proxy_set(c->net, i, j, &cut);
				proxy_set(c->net, j, i, &cut);
			}
		}
	}
}

static void a_cluster_behind_a_proxy_works(void **state)
{
	struct cluster *c = new_cluster();
	struct load *load = start(c, "whole");
	for (unsigned i = 0; i < NODES; i++) {
		for (unsigned j = 0; j < NODES; j++) {
			if (i != j)
				assert_true(proxy_bytes(c->net, i, j) > 0);
		}
		assert_true(proxy_bytes(c->net, PROXY_CLIENTS, i) > 0);
	}
	heal_and_judge(c, load);
}

static void two_nodes_cut_off_from_three_break_nothing(void **state)
{
	struct cluster *c = new_cluster();
	struct load *load = start(c, "halves");
	part(c, 0x03, 0x1c);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	assert_true(harness_holds(all_live, c, WHILE_MS));
	load_await_progress(load, /* strong: */ true, PROGRESS);
	heal_and_judge(c, load);
}

/** One node that hears everybody and is heard by none, then the other way about. */
static void cuts_of_one_direction_break_nothing(void **state)
{
	struct cluster *c = new_cluster();
	struct load *load = start(c, "oneway");
	for (unsigned other = 1; other < NODES; other++)
		proxy_set(c->net, 0, other, &cut);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	assert_true(harness_holds(all_live, c, WHILE_MS));
	proxy_heal(c->net);
	for (unsigned other = 0; other < NODES; other++)
		if (other != 1)
			proxy_set(c->net, other, 1, &cut);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	assert_true(harness_holds(all_live, c, WHILE_MS));
	heal_and_judge(c, load);
}

/** Two pairs that only the fifth node connects. */
static void a_bridge_between_two_pairs_breaks_nothing(void **state)
{
	struct cluster *c = new_cluster();
	struct load *load = start(c, "bridge");
	part(c, 0x03, 0x18);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	assert_true(harness_holds(all_live, c, WHILE_MS));
	load_await_progress(load, /* strong: */ true, PROGRESS);
	heal_and_judge(c, load);
}

static void clients_that_lose_their_nodes_find_others(void **state)
{
	struct cluster *c = new_cluster();
	struct load *load = start(c, "clients");
	/* Requests get through and answers do not; then nothing does. */
	proxy_set(c->net, 0, PROXY_CLIENTS, &cut);
	proxy_set(c->net, 1, PROXY_CLIENTS, &cut);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	proxy_set(c->net, PROXY_CLIENTS, 0, &cut);
	proxy_reset(c->net, PROXY_CLIENTS, 1);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	heal_and_judge(c, load);
}

static void slow_lines_and_broken_connections_break_nothing(void **state)
{
	struct cluster *c = new_cluster();
	struct load *load = start(c, "weather");
	const struct proxy_weather late = {.delay_ms = 20, .jitter_ms = 60};
	const struct proxy_weather narrow = {.bytes_per_ms = 20};
	for (unsigned i = 0; i < NODES; i++) {
		for (unsigned j = 0; j < NODES; j++)
			if (i != j)
				proxy_set(c->net, i, j, (i + j) % 2 ? &late : &narrow);
	}
	for (unsigned round = 0; round < harness_rounds(5); round++) {
		load_await_progress(load, /* strong: */ true, PROGRESS / 2);
		for (unsigned i = 0; i < NODES; i++)
			proxy_reset(c->net, i, (i + 1 + round % 4) % NODES);
		proxy_reset(c->net, PROXY_CLIENTS, round % NODES);
	}
	heal_and_judge(c, load);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(a_cluster_behind_a_proxy_works),
		harness_test(two_nodes_cut_off_from_three_break_nothing),
		harness_test(cuts_of_one_direction_break_nothing),
		harness_test(a_bridge_between_two_pairs_breaks_nothing),
		harness_test(clients_that_lose_their_nodes_find_others),
		harness_test(slow_lines_and_broken_connections_break_nothing),
	};
	return harness_run(argc, argv, "partition", tests);
}
