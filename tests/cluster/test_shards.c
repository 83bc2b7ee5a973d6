/* SPDX-License-Identifier: Apache-2.0 */
/* Five nodes of three shards each with three replicas a key: requests cross shards, and nodes that hold no replica. */
#include "tests/cluster/harness.h"

#include "tests/cluster/judge.h"
#include "tests/support/wire.h"

enum { NODES = 5, SHARDS = 3, PROGRESS = 20, KEYS = 60, TRIES_MS = 10000 };

struct request {
	struct wire *wire;
	struct msg ask, said;
};

static bool is_carried_out(void *arg)
{
	struct request *r = arg;
	assert_true(wire_call(r->wire, &r->ask, &r->said));
	return r->said.result.status == KV_OK;
}

static void call(struct wire *w, enum msg_opcode opcode, const char *key, const char *value, enum msg_level level)
{
	static uint64_t seq;
	struct request r = {
		.wire = w,
		.ask = {.opcode = (uint16_t)opcode,
			.request = {.key = slice_str(key),
				    .value = slice_str(opcode == OP_PUT ? value : ""),
				    .level = level,
				    .acks = opcode == OP_PUT && level == LEVEL_EVENTUAL ? ACKS_ALL
											: ACKS_DEFAULT}}};
	if (opcode == OP_PUT)
		r.ask.request.rid = (struct request_id){.client = 4711, .seq = ++seq};
	if (!harness_wait(is_carried_out, &r, TRIES_MS))
		fail_msg("%s: %.*s", kv_status_name(r.said.result.status), (int)r.said.result.message.size,
			 (const char *)r.said.result.message.data);
	if (opcode == OP_GET)
		assert_slice_equal(r.said.result.value, slice_str(value));
}

/** Every node takes requests for every key, whoever holds it. */
static void any_node_carries_out_requests_for_any_key(void **state)
{
	struct cluster *c = cluster_new(&(struct cluster_options){.nodes = NODES, .shards = SHARDS});
	struct wire wires[NODES];
	for (unsigned i = 0; i < NODES; i++) {
		assert_true(wire_connect(&wires[i], c->nodes[i].client));
		assert_int_equal(wire_hello(&wires[i], HELLO_CLIENT), KV_OK);
	}
	for (unsigned k = 0; k < KEYS; k++) {
		char key[32], value[32];
		snprintf(key, sizeof key, "any-%u", k);
		enum msg_level level = k % 2 ? LEVEL_STRONG : LEVEL_EVENTUAL;
		for (unsigned i = 0; i < NODES; i++) {
			snprintf(value, sizeof value, "%u by %u", k, i);
			call(&wires[i], OP_PUT, key, value, level);
			call(&wires[(i + 2) % NODES], OP_GET, key, value, level);
		}
	}
	for (unsigned i = 0; i < NODES; i++)
		wire_close(&wires[i]);
	uint64_t crossed = 0;
	for (unsigned i = 0; i < NODES; i++)
		crossed += cluster_counter_of(c, i, "requests_crossed");
	assert_true(crossed > 0);
}

static void five_nodes_of_three_shards_survive_the_loss_of_one_and_agree(void **state)
{
	struct cluster *c = cluster_new(&(struct cluster_options){.nodes = NODES, .shards = SHARDS});
	struct load *load = load_start(
		c, &(struct load_options){.prefix = "shards", .single_keys = 300, .clocks_are_right = true});
	load_await_progress(load, /* strong: */ true, PROGRESS);
	process_kill(&c->nodes[3]);
	load_await_progress(load, /* strong: */ true, 3 * PROGRESS);
	/* The number of shards is the node's own business, and may change. */
	c->nodes[3].shards = 2;
	cluster_restart(c, 3);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(any_node_carries_out_requests_for_any_key),
		harness_test(five_nodes_of_three_shards_survive_the_loss_of_one_and_agree),
	};
	return harness_run(argc, argv, "shards", tests);
}
