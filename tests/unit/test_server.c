/* SPDX-License-Identifier: Apache-2.0 */
/* Three whole nodes in one process, each with two shards: what crosses between threads runs under the sanitizers here. */
#include "tests/support/test.h"

#include <ftw.h>
#include <sched.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/klog.h"
#include "proto/keyhash.h"
#include "server/files.h"
#include "server/server.h"
#include "tests/support/wire.h"

enum { NODES = 3, KEYS = 64, PATIENCE_SEC = 60 };

struct test_node {
	char data_dir[96];
	struct config config;
	struct server server;
	bool open;
};

static char root[64];
static struct test_node nodes[NODES];

static void node_configure(struct test_node *n, unsigned number)
{
	snprintf(n->data_dir, sizeof n->data_dir, "%s/n%u", root, number);
	CLEANUP(buf_release) struct buf yaml = BUF_INIT;
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	buf_printf(
		&yaml,
		"node: {name: n%u, data_dir: %s}\nlisten: {client: \"127.0.0.1:0\", peer: \"127.0.0.1:0\", http: \"127.0.0.1:0\"}\nshards: 2\n"
		"limits: {connections: 16}\nstorage: {cache_size: 8MiB, write_buffer_size: 8MiB}\n",
		number, n->data_dir);
	assert_int_equal(config_parse(buf_slice(&yaml), "test", NULL, &n->config, &why), KV_OK);
}

static void node_open(struct test_node *n)
{
	struct error error;
	enum kv_status status = server_open(&n->server, &n->config, /* moved: */ false, &error);
	if (status != KV_OK)
		print_error("%s\n", error.message);
	assert_int_equal(status, KV_OK);
	server_start(&n->server, /* form: */ false);
	n->open = true;
}

static void node_close(struct test_node *n)
{
	if (n->open)
		server_close(&n->server);
	n->open = false;
}

static void node_dial(struct test_node *n, struct wire *w)
{
	assert_true(wire_connect(w, n->server.client_door.address));
	assert_int_equal(wire_hello(w, HELLO_CLIENT), KV_OK);
}

static uint64_t counter(const struct msg_status *status, const char *name)
{
	for (uint32_t i = 0; i < status->counter_count; i++) {
		if (slice_equal(status->counters[i].name, slice_str(name)))
			return status->counters[i].value;
	}
	fail_msg("no counter %s", name);
	return 0;
}

static bool is_ready(struct test_node *n)
{
	struct wire w;
	node_dial(n, &w);
	struct msg ask = {.opcode = OP_STATUS}, said;
	assert_true(wire_call(&w, &ask, &said));
	bool ready = said.status.ready && said.status.map_epoch > 0;
	for (uint32_t i = 0; i < said.status.peer_count; i++)
		ready &= said.status.peers[i].state == 1 || said.status.peers[i].state == 4;
	ready &= said.status.peer_count >= NODES - 1;
	wire_close(&w);
	return ready;
}

static void wait_ready(void)
{
	usec_t until_us = clock_mono_us() + PATIENCE_SEC * USEC_PER_SEC;
	for (int i = 0; i < NODES; i++) {
		while (!is_ready(&nodes[i])) {
			assert_true(clock_mono_us() < until_us);
			sched_yield();
		}
	}
}

/** Repeats REQUEST until it is answered OK. */
static void call_until_ok(struct wire *w, struct msg *request, struct msg *ret)
{
	usec_t until_us = clock_mono_us() + PATIENCE_SEC * USEC_PER_SEC;
	do {
		assert_true(clock_mono_us() < until_us);
		assert_true(wire_call(w, request, ret));
	} while (ret->result.status != KV_OK);
}

static void put(struct wire *w, const char *key, const char *value, enum msg_level level)
{
	static uint64_t seq;
	struct msg ask = {.opcode = OP_PUT,
			  .request = {.key = slice_str(key),
				      .value = slice_str(value),
				      .level = level,
				      .acks = ACKS_MAJORITY,
				      .rid = {.client = 4711, .seq = ++seq}}};
	struct msg said;
	call_until_ok(w, &ask, &said);
}

static void assert_value(struct wire *w, const char *key, const char *value, enum msg_level level)
{
	struct msg ask = {.opcode = OP_GET, .request = {.key = slice_str(key), .level = level}};
	struct msg said;
	call_until_ok(w, &ask, &said);
	assert_slice_equal(said.result.value, slice_str(value));
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *at)
{
	return remove(path);
}

static int cluster_up(void **state)
{
	log_configure(LOG_ERROR, LOG_LOGFMT);
	snprintf(root, sizeof root, "/tmp/kvd-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	for (unsigned i = 0; i < NODES; i++) {
		node_configure(&nodes[i], i + 1);
		node_open(&nodes[i]);
	}
	return 0;
}

static int cluster_down(void **state)
{
	for (unsigned i = 0; i < NODES; i++) {
		node_close(&nodes[i]);
		config_release(&nodes[i].config);
	}
	nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static void a_node_without_a_cluster_says_so(void **state)
{
	struct wire w;
	node_dial(&nodes[0], &w);
	struct msg ask = {.opcode = OP_GET, .request = {.key = slice_str("k")}}, said;
	assert_true(wire_call(&w, &ask, &said));
	assert_int_equal(said.result.status, KV_NOT_READY);
	wire_close(&w);
}

static void three_nodes_form_a_cluster(void **state)
{
	struct wire w;
	node_dial(&nodes[0], &w);
	struct slice addresses[NODES];
	for (int i = 0; i < NODES; i++)
		addresses[i] = slice_str(nodes[i].server.peer_door.address);
	struct msg ask = {.opcode = OP_CLUSTER_INIT,
			  .cluster_init = {.name = slice_str("test"),
					   .partitions = 64,
					   .address_count = NODES,
					   .addresses = addresses,
					   .deadline_ms = 10000}};
	struct msg said;
	assert_true(wire_call(&w, &ask, &said));
	if (said.result.status != KV_OK)
		print_error("%.*s\n", (int)said.result.message.size, (const char *)said.result.message.data);
	assert_int_equal(said.result.status, KV_OK);
	wire_close(&w);
	wait_ready();
}

static void what_one_node_took_the_others_answer(void **state)
{
	struct wire wires[NODES];
	for (int i = 0; i < NODES; i++)
		node_dial(&nodes[i], &wires[i]);
	char key[32], value[32];
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "key-%u", i);
		snprintf(value, sizeof value, "value-%u", i);
		put(&wires[i % NODES], key, value, LEVEL_STRONG);
		assert_value(&wires[(i + 1) % NODES], key, value, LEVEL_STRONG);
	}
	put(&wires[0], "soft", "eventual", LEVEL_EVENTUAL);
	assert_value(&wires[0], "soft", "eventual", LEVEL_EVENTUAL);
	for (int i = 0; i < NODES; i++)
		wire_close(&wires[i]);
}

static void requests_in_one_burst_share_syncs_and_all_are_answered(void **state)
{
	struct wire w;
	node_dial(&nodes[0], &w);
	enum { BURST = 128 };
	for (unsigned i = 0; i < BURST; i++) {
		char key[32];
		snprintf(key, sizeof key, "burst-%u", i);
		const struct msg ask = {.opcode = OP_PUT,
					.id = 1000 + i,
					.request = {.key = slice_str(key),
						    .value = slice_str("v"),
						    .level = LEVEL_STRONG,
						    .deadline_ms = 10000,
						    .rid = {.client = 4712, .seq = 1 + i}}};
		assert_true(wire_send(&w, &ask));
	}
	bool answered[BURST] = {false};
	for (unsigned i = 0; i < BURST; i++) {
		struct msg said;
		assert_true(wire_receive(&w, &said));
		assert_int_equal(said.result.status, KV_OK);
		assert_in_range(said.id, 1000, 1000 + BURST - 1);
		assert_false(answered[said.id - 1000]);
		answered[said.id - 1000] = true;
	}
	struct msg ask = {.opcode = OP_STATUS}, said;
	assert_true(wire_call(&w, &ask, &said));
	assert_true(counter(&said.status, "commit_writes") > counter(&said.status, "commit_groups"));
	/* One sync a group, and one of the identity; a group may be under way while the counters are read. */
	uint64_t groups = counter(&said.status, "commit_groups");
	assert_in_range(counter(&said.status, "store_syncs"), groups + 1, groups + 2);
	assert_true(counter(&said.status, "store_batches") <= groups + 2);
	assert_true(counter(&said.status, "requests_crossed") > 0);
	assert_int_equal(said.status.shards, 2);
	wire_close(&w);
}

static void the_doors_take_only_their_own(void **state)
{
	struct wire w;
	assert_true(wire_connect(&w, nodes[0].server.peer_door.address));
	assert_int_equal(wire_hello(&w, HELLO_CLIENT), KV_DENIED);
	wire_close(&w);
	assert_true(wire_connect(&w, nodes[0].server.client_door.address));
	assert_int_equal(wire_hello(&w, HELLO_PEER), KV_DENIED);
	wire_close(&w);
}

static void a_stranger_among_the_nodes_is_refused(void **state)
{
	struct wire w;
	assert_true(wire_connect(&w, nodes[0].server.peer_door.address));
	struct msg hello = {.opcode = OP_HELLO,
			    .hello = {.kind = HELLO_PEER,
				      .proto_min = PROTO_VERSION_MIN,
				      .proto_max = PROTO_VERSION_MAX,
				      .cluster.bytes = {1, 2, 3},
				      .node.bytes = {4, 5, 6},
				      .incarnation = 1,
				      .boot_nonce = 1,
				      .index = 1,
				      .peer_address = slice_str("127.0.0.1:1")}};
	struct msg said;
	assert_true(wire_call(&w, &hello, &said));
	assert_int_equal(said.hello.status, KV_WRONG_CLUSTER);
	assert_true(said.hello.message.size > 0);
	assert_true(wire_is_closed(&w));
	wire_close(&w);
}

static void connections_over_the_limit_are_told(void **state)
{
	struct wire held[16], one_more;
	for (size_t i = 0; i < ARRAY_SIZE(held); i++)
		node_dial(&nodes[1], &held[i]);
	assert_true(wire_connect(&one_more, nodes[1].server.client_door.address));
	struct msg said;
	assert_true(wire_receive(&one_more, &said));
	assert_int_equal(said.opcode, OP_GOAWAY);
	assert_int_equal(said.result.status, KV_OVERLOADED);
	assert_true(wire_is_closed(&one_more));
	wire_close(&one_more);
	for (size_t i = 0; i < ARRAY_SIZE(held); i++)
		wire_close(&held[i]);
}

static void a_node_that_comes_back_keeps_address_and_data(void **state)
{
	char peer[ADDRESS_SIZE_MAX + 8];
	snprintf(peer, sizeof peer, "%s", nodes[2].server.peer_door.address);
	node_close(&nodes[2]);
	struct wire w;
	node_dial(&nodes[0], &w);
	put(&w, "key-0", "while one is down", LEVEL_STRONG);
	put(&w, "late", "new", LEVEL_STRONG);
	wire_close(&w);
	node_open(&nodes[2]);
	assert_string_equal(nodes[2].server.peer_door.address, peer);
	assert_int_equal(nodes[2].server.identity.incarnation, 2);
	wait_ready();
	node_dial(&nodes[2], &w);
	assert_value(&w, "key-0", "while one is down", LEVEL_STRONG);
	assert_value(&w, "key-1", "value-1", LEVEL_STRONG);
	assert_value(&w, "late", "new", LEVEL_STRONG);
	wire_close(&w);
}

/** The entries of KEY on a node: how many, and asserts that the first keeps VALUE as overwritten. */
static uint32_t ledger_of(struct wire *w, const char *key, const char *value)
{
	struct msg ask = {.opcode = OP_MAP}, said;
	assert_true(wire_call(w, &ask, &said));
	uint32_t partitions = said.map.map->partitions;
	ask = (struct msg){.opcode = OP_LEDGER,
			   .request = {.key = slice_str(key),
				       .partition = hash_partition(key_hash(slice_str(key)), partitions)}};
	assert_true(wire_call(w, &ask, &said));
	assert_int_equal(said.result.status, KV_OK);
	if (said.result.item_count > 0) {
		assert_slice_equal(said.result.items[0].value, slice_str(value));
		assert_int_equal(said.result.items[0].cause, LEDGER_OVERWRITTEN);
	}
	return said.result.item_count;
}

static void a_value_that_lost_is_in_the_ledger_of_a_replica_and_outlives_a_restart(void **state)
{
	struct wire w;
	node_dial(&nodes[2], &w);
	hlc_t t0 = hlc_from_wall_us(clock_wall_us());
	for (uint64_t client = 1; client <= 2; client++) {
		struct msg ask = {.opcode = OP_PUT,
				  .request = {.key = slice_str("contended"),
					      .value = slice_str(client == 1 ? "first" : "second"),
					      .acks = ACKS_ALL,
					      .t0 = t0 + client, /* so close that neither saw the other */
					      .rid = {.client = client, .seq = 1}}};
		struct msg said;
		call_until_ok(&w, &ask, &said);
	}
	assert_int_equal(ledger_of(&w, "contended", "first"), 1);
	wire_close(&w);
	node_close(&nodes[2]);
	node_open(&nodes[2]);
	wait_ready();
	node_dial(&nodes[2], &w);
	assert_int_equal(ledger_of(&w, "contended", "first"), 1);
	assert_int_equal(ledger_of(&w, "late", ""), 0);
	wire_close(&w);
}

static void a_copied_directory_is_refused(void **state)
{
	node_close(&nodes[2]);
	struct error error;
	CLEANUP(buf_release) struct buf addresses = BUF_INIT;
	assert_int_equal(files_read(nodes[2].data_dir, "addresses", &addresses, &error), KV_OK);
	/* As after a copy to another machine: the directory is the node's, the address is not. */
	const struct slice elsewhere = slice_str("client=127.0.0.1:0\npeer=127.0.0.1:0\n");
	assert_int_equal(files_replace(nodes[2].data_dir, "addresses", elsewhere, &error), KV_OK);
	assert_int_equal(server_open(&nodes[2].server, &nodes[2].config, /* moved: */ false, &error), KV_IDENTITY);
	assert_non_null(strstr(error.message, "copied data directory"));
	assert_int_equal(files_replace(nodes[2].data_dir, "addresses", buf_slice(&addresses), &error), KV_OK);
	node_open(&nodes[2]);
	wait_ready();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_without_a_cluster_says_so),
		cmocka_unit_test(three_nodes_form_a_cluster),
		cmocka_unit_test(what_one_node_took_the_others_answer),
		cmocka_unit_test(requests_in_one_burst_share_syncs_and_all_are_answered),
		cmocka_unit_test(the_doors_take_only_their_own),
		cmocka_unit_test(a_stranger_among_the_nodes_is_refused),
		cmocka_unit_test(connections_over_the_limit_are_told),
		cmocka_unit_test(a_node_that_comes_back_keeps_address_and_data),
		cmocka_unit_test(a_value_that_lost_is_in_the_ledger_of_a_replica_and_outlives_a_restart),
		cmocka_unit_test(a_copied_directory_is_refused),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("server", tests, cluster_up, cluster_down) == 0 ? 0 : 1;
}
