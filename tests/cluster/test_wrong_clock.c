/* SPDX-License-Identifier: Apache-2.0 */
/* A node whose clock is ten minutes wrong, under load through all nodes. */
#include "tests/cluster/harness.h"

#include "tests/cluster/judge.h"
#include "tests/support/wire.h"

enum { PROGRESS = 20, WRONG_MS = 600000, WRONG_NODE = 1, WHILE_MS = 3000, SAYS_MS = 10000 };

static bool stays_alive(void *arg)
{
	cluster_check_alive(arg);
	return true;
}

static void restart_with_offset(struct cluster *c, unsigned node, int64_t offset_ms)
{
	struct process *p = &c->nodes[node];
	process_kill(p);
	p->wall_offset_ms = offset_ms;
	process_start(p);
}

/** What the node answers to a put that is sent to it and no other. */
static enum kv_status put_at(struct cluster *c, unsigned node, enum msg_level level)
{
	static uint64_t seq;
	struct wire w;
	struct msg said;
	struct msg ask = {.opcode = OP_PUT,
			  .request = {.key = slice_str("asked-of-one"),
				      .value = slice_str("v"),
				      .level = level,
				      .acks = level == LEVEL_EVENTUAL ? ACKS_ONE : ACKS_DEFAULT,
				      .deadline_ms = harness_ms(2000),
				      .rid = {.client = 815, .seq = ++seq}}};
	assert_true(wire_connect(&w, c->nodes[node].client));
	assert_int_equal(wire_hello(&w, HELLO_CLIENT), KV_OK);
	assert_true(wire_call(&w, &ask, &said));
	enum kv_status status = said.result.status;
	wire_close(&w);
	return status;
}

struct refusal {
	struct cluster *cluster;
	enum kv_status status;
};

static bool refuses(void *arg)
{
	const struct refusal *r = arg;
	cluster_check_alive(r->cluster);
	return put_at(r->cluster, WRONG_NODE, LEVEL_STRONG) == r->status &&
	       put_at(r->cluster, WRONG_NODE, LEVEL_EVENTUAL) == r->status;
}

/** The node starts again with a wrong clock: it gives no times to writes, and the others go on. */
static struct load *load_with_wrong_clock(struct cluster *c, int64_t offset_ms, enum kv_status status,
					  const char *prefix)
{
	struct refusal refusal = {.cluster = c, .status = status};
	struct load *load = load_start(c, &(struct load_options){.prefix = prefix});
	load_await_progress(load, /* strong: */ true, PROGRESS);
	restart_with_offset(c, WRONG_NODE, offset_ms);
	load_await_progress(load, /* strong: */ true, 3 * PROGRESS);
	harness_await(refuses, &refusal, SAYS_MS, "a node with a wrong clock that refuses writes");
	assert_true(harness_holds(stays_alive, c, WHILE_MS));
	load_await_progress(load, /* strong: */ true, PROGRESS);
	return load;
}

static void a_clock_that_is_behind_breaks_no_strong_history_and_corrected_leaves_equal_replicas(void **state)
{
	struct cluster *c = cluster_new(NULL);
	/* It waits for the times it gave out itself, which are ten minutes away for it. */
	struct load *load = load_with_wrong_clock(c, -WRONG_MS, KV_NOT_READY, "behind");
	restart_with_offset(c, WRONG_NODE, 0);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	cluster_await_together(c);
	judge(c, load);
}

/** Corrected, the node waits until the times it may have given out have passed: here, until all clocks are set ahead. */
static void a_clock_that_is_ahead_breaks_no_strong_history_and_corrected_leaves_equal_replicas(void **state)
{
	struct cluster *c = cluster_new(NULL);
	struct load *load = load_with_wrong_clock(c, WRONG_MS, KV_CLOCK, "ahead");
	restart_with_offset(c, WRONG_NODE, 0);
	assert_int_equal(put_at(c, WRONG_NODE, LEVEL_STRONG), KV_NOT_READY);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	for (unsigned i = 0; i < c->count; i++)
		restart_with_offset(c, i, WRONG_MS + WHILE_MS);
	cluster_await_together(c);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(a_clock_that_is_ahead_breaks_no_strong_history_and_corrected_leaves_equal_replicas),
		harness_test(a_clock_that_is_behind_breaks_no_strong_history_and_corrected_leaves_equal_replicas),
	};
	return harness_run(argc, argv, "wrong_clock", tests);
}
