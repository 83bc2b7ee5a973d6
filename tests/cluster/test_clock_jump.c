/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks that jump while the nodes run, by minutes and by less than what makes a clock wrong. */
#include "tests/cluster/harness.h"

#include "base/rng.h"
#include "tests/cluster/judge.h"

enum { VICTIM = 1, PROGRESS = 20, JUMP_MS = 600000, WHILE_MS = 2500, ROUNDS = 10, UNEASY_MS = 240 };

static struct cluster *new_cluster(void) { return cluster_new(&(struct cluster_options){.faulty = true}); }

static void set_clock(struct cluster *c, unsigned node, int64_t offset_ms)
{
	c->nodes[node].faults->wall_offset_us = offset_ms * 1000;
}

static bool all_live(void *arg)
{
	cluster_check_alive(arg);
	return true;
}

static struct load *start(struct cluster *c, const char *prefix)
{
	struct load *load = load_start(c, &(struct load_options){.prefix = prefix});
	load_await_progress(load, /* strong: */ true, PROGRESS);
	return load;
}

static void a_jump_back_breaks_nothing(void **state)
{
	struct cluster *c = new_cluster();
	struct load *load = start(c, "back");
	set_clock(c, VICTIM, -JUMP_MS);
	load_await_progress(load, /* strong: */ true, 2 * PROGRESS);
	assert_true(harness_holds(all_live, c, WHILE_MS));
	load_await_progress(load, /* strong: */ true, PROGRESS);
	set_clock(c, VICTIM, 0);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
}

/** Corrected, the node waits until the times that it gave out have come: here, until all clocks are set ahead. */
static void a_jump_ahead_breaks_nothing(void **state)
{
	struct cluster *c = new_cluster();
	struct load *load = start(c, "ahead");
	set_clock(c, VICTIM, JUMP_MS);
	load_await_progress(load, /* strong: */ true, 2 * PROGRESS);
	assert_true(harness_holds(all_live, c, WHILE_MS));
	set_clock(c, VICTIM, 0);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	for (unsigned i = 0; i < c->count; i++)
		set_clock(c, i, JUMP_MS + WHILE_MS);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
}

/** To and fro by so little that no clock counts as wrong. */
static void uneasy_clocks_stop_nothing(void **state)
{
	struct cluster *c = new_cluster();
	struct load *load = start(c, "uneasy");
	struct rng rng;
	rng_init(&rng, 1);
	for (unsigned round = 0; round < harness_rounds(ROUNDS); round++) {
		for (unsigned i = 0; i < c->count; i++)
			set_clock(c, i, (int64_t)rng_below(&rng, 2 * UNEASY_MS) - UNEASY_MS);
		load_await_progress(load, /* strong: */ true, PROGRESS / 2);
	}
	judge(c, load);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(a_jump_back_breaks_nothing),
		harness_test(a_jump_ahead_breaks_nothing),
		harness_test(uneasy_clocks_stop_nothing),
	};
	return harness_run(argc, argv, "clock_jump", tests);
}
