/* SPDX-License-Identifier: Apache-2.0 */
/* SIGTERM under load: nodes leave in good order. */
#include "tests/cluster/harness.h"

#include "tests/cluster/judge.h"

enum { ROUNDS = 3, PROGRESS = 20, DRAIN_MS = 15000, SLACK_MS = 1000 };

static void a_node_told_to_end_drains_and_loses_nothing(void **state)
{
	struct cluster *c = cluster_new(NULL);
	struct load *load = load_start(c, &(struct load_options){.prefix = "drain", .clocks_are_right = true});
	for (unsigned round = 0; round < harness_rounds(ROUNDS); round++) {
		struct process *p = &c->nodes[round % c->count];
		load_await_progress(load, /* strong: */ true, PROGRESS);
		process_terminate(p);
		int code = process_wait(p, DRAIN_MS);
		if (code != 0)
			fail_msg("%s ended with code %d", p->name, code);
		load_await_progress(load, /* strong: */ true, PROGRESS);
		cluster_restart(c, round % c->count);
	}
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
	load_check_times(load, SLACK_MS);
}

static void all_nodes_told_to_end_at_once_end_and_come_back(void **state)
{
	struct cluster *c = cluster_new(NULL);
	struct load *load = load_start(c, &(struct load_options){.prefix = "whole", .clocks_are_right = true});
	load_await_progress(load, /* strong: */ true, PROGRESS);
	for (unsigned i = 0; i < c->count; i++)
		process_terminate(&c->nodes[i]);
	for (unsigned i = 0; i < c->count; i++)
		assert_int_equal(process_wait(&c->nodes[i], DRAIN_MS), 0);
	for (unsigned i = 0; i < c->count; i++)
		process_start(&c->nodes[i]);
	cluster_await_together(c);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(a_node_told_to_end_drains_and_loses_nothing),
		harness_test(all_nodes_told_to_end_at_once_end_and_come_back),
	};
	return harness_run(argc, argv, "drain", tests);
}
