/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that stand still for longer than every time-out and then go on as if nothing had happened. */
#include "tests/cluster/harness.h"

#include "base/clock.h"
#include "tests/cluster/judge.h"

enum { PROGRESS = 20, STANDSTILL_MS = 6500, SLACK_MS = 1000 };

static bool never_ends(void *arg)
{
	cluster_check_alive(arg);
	return true;
}

static void stand_still(struct cluster *c, unsigned first, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		process_pause(&c->nodes[(first + i) % c->count]);
}

static void go_on(struct cluster *c, unsigned first, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		process_resume(&c->nodes[(first + i) % c->count]);
}

static void one_node_that_stands_still_and_goes_on_breaks_nothing(void **state)
{
	struct cluster *c = cluster_new(NULL);
	struct load *load = load_start(c, &(struct load_options){.prefix = "one", .clocks_are_right = true});
	load_await_progress(load, /* strong: */ true, PROGRESS);
	stand_still(c, 0, 1);
	usec_t began_us = clock_mono_us();
	load_await_progress(load, /* strong: */ true, 5 * PROGRESS);
	usec_t spent_us = clock_mono_us() - began_us;
	if (spent_us < STANDSTILL_MS * USEC_PER_MSEC)
		assert_true(harness_holds(never_ends, c, STANDSTILL_MS - (unsigned)(spent_us / USEC_PER_MSEC)));
	go_on(c, 0, 1);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
	load_check_times(load, SLACK_MS);
}

static void two_nodes_that_stand_still_and_go_on_break_nothing(void **state)
{
	struct cluster *c = cluster_new(NULL);
	struct load *load = load_start(c, &(struct load_options){.prefix = "two", .clocks_are_right = true});
	load_await_progress(load, /* strong: */ true, PROGRESS);
	stand_still(c, 1, 2);
	assert_true(harness_holds(never_ends, c, STANDSTILL_MS));
	load_await_progress(load, /* strong: */ false, PROGRESS / 4);
	go_on(c, 1, 2);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
	load_check_times(load, SLACK_MS);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(one_node_that_stands_still_and_goes_on_breaks_nothing),
		harness_test(two_nodes_that_stand_still_and_go_on_break_nothing),
	};
	return harness_run(argc, argv, "pause", tests);
}
