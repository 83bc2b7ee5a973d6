/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/arena.h"
#include "base/rng.h"
#include "proto/msg_check.h"
#include "proto/opcode.h"
#include "tests/support/msg_examples.h"
#include "tests/support/msg_gen.h"

static const uint8_t filler[PAGE_SIZE_MAX + 1];

static struct slice of_size(size_t size) { return slice_of(filler, size); }

/** Expects STATUS for the message M after STATEMENT changed it. */
#define verdict_after(base, statement, status)                                                                     \
	do {                                                                                                       \
		struct msg m = *(base);                                                                            \
		statement;                                                                                         \
		assert_int_equal(msg_check(&m), status);                                                           \
	} while (0)

static void generated_messages_keep_the_rules(void **state)
{
	struct rng rng;
	rng_init(&rng, 1);
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(MSG_GEN_ARENA_MAX);
	for (size_t k = 0; k < msg_kind_count; k++)
		for (int i = 0; i < 50; i++) {
			struct msg m;
			arena_reset(&arena);
			msg_gen(&rng, msg_kinds[k], &arena, &m);
			assert_int_equal(msg_check(&m), KV_OK);
		}
}

static void an_empty_key_is_invalid_and_a_long_one_too_large(void **state)
{
	static const uint16_t opcodes[] = {OP_GET, OP_PUT, OP_DEL, OP_CAS, OP_ADD, OP_APPEND, OP_WAIT, OP_OUTCOME};
	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++) {
		struct msg m = {.opcode = opcodes[i]};
		assert_int_equal(msg_check(&m), KV_INVALID);
		m.request.key = of_size(1);
		assert_int_equal(msg_check(&m), KV_OK);
		m.request.key = of_size(KEY_SIZE_MAX);
		assert_int_equal(msg_check(&m), KV_OK);
		m.request.key = of_size(KEY_SIZE_MAX + 1);
		assert_int_equal(msg_check(&m), KV_TOO_LARGE);
	}
	const struct msg *accept = msg_example_get("ACCEPT");
	verdict_after(accept, m.replica.key = of_size(0), KV_INVALID);
	verdict_after(accept, m.replica.key = of_size(KEY_SIZE_MAX + 1), KV_TOO_LARGE);
}

static void a_request_keeps_its_limits(void **state)
{
	const struct msg *put = msg_example_get("PUT");
	verdict_after(put, m.request.value = of_size(VALUE_SIZE_MAX), KV_OK);
	verdict_after(put, m.request.value = of_size(VALUE_SIZE_MAX + 1), KV_TOO_LARGE);
	verdict_after(put, m.opcode = OP_GET, KV_INVALID);
	verdict_after(put, m.request.level = (enum msg_level)5, KV_INVALID);
	verdict_after(put, m.request.level = (enum msg_level) - 1, KV_INVALID);
	verdict_after(put, m.request.acks = (enum msg_acks)4, KV_INVALID);
	verdict_after(put, m.request.deadline_ms = DEADLINE_MAX_MS + 1, KV_INVALID);
	verdict_after(put, m.request.ttl_ms = TTL_MS_MAX + 1, KV_INVALID);
	verdict_after(put, m.request.session = of_size(SESSION_TOKEN_SIZE_MAX + 1), KV_TOO_LARGE);
	verdict_after(put, m.request.cursor = of_size(CURSOR_SIZE_MAX + 1), KV_TOO_LARGE);
	verdict_after(put, m.request.prefix = of_size(KEY_SIZE_MAX + 1), KV_TOO_LARGE);
	verdict_after(put, m.request.limit = SCAN_ITEMS_MAX + 1, KV_TOO_LARGE);
	verdict_after(put, m.request.partition = PARTITIONS_MAX, KV_INVALID);
}

static void a_result_keeps_its_limits(void **state)
{
	const struct msg *reply = msg_example_get("PUT reply");
	verdict_after(reply, m.result.status = (enum kv_status)999, KV_OK);
	verdict_after(reply, m.result.message = of_size(MESSAGE_SIZE_MAX + 1), KV_TOO_LARGE);
	verdict_after(reply, m.result.row_count = ROW_MAX + 1, KV_TOO_LARGE);
	verdict_after(reply, (m.result.has_receipt = true, m.result.receipt.replica_count = ROW_MAX + 1),
		      KV_TOO_LARGE);
	verdict_after(reply, (m.result.has_receipt = true, m.result.receipt.asked = (enum msg_level)9), KV_INVALID);
	verdict_after(reply, m.result.item_count = 1, KV_INVALID);
	verdict_after(reply, (m.opcode = OP_ERROR, m.result.value = of_size(1)), KV_INVALID);
	verdict_after(reply, (m.opcode = OP_PING, m.result.value = of_size(1)), KV_OK);
}

static void a_page_keeps_its_limits(void **state)
{
	struct scan_item items[] = {{.key = of_size(1), .value = of_size(1)}, {.key = of_size(1)}};
	struct msg page = {.opcode = OP_SCAN, .reply = true, .result = {.item_count = 2, .items = items}};
	assert_int_equal(msg_check(&page), KV_OK);
	items[1].value = of_size(VALUE_SIZE_MAX);
	assert_int_equal(msg_check(&page), KV_TOO_LARGE);
	items[1].value = of_size(VALUE_SIZE_MAX - 1);
	assert_int_equal(msg_check(&page), KV_OK);
	items[1].tombstone = true;
	assert_int_equal(msg_check(&page), KV_INVALID);
	items[1] = (struct scan_item){.key = of_size(0)};
	assert_int_equal(msg_check(&page), KV_INVALID);
	page.result.item_count = SCAN_ITEMS_MAX + 1;
	assert_int_equal(msg_check(&page), KV_TOO_LARGE);
}

static void a_record_is_whole(void **state)
{
	const struct msg *accept = msg_example_get("ACCEPT");
	assert_int_equal(msg_check(accept), KV_OK);
	verdict_after(accept, m.replica.record.ver = (struct version){0}, KV_INVALID);
	verdict_after(accept, m.replica.record.tombstone = true, KV_INVALID);
	verdict_after(accept, m.replica.record.has_value = false, KV_INVALID);
	verdict_after(accept, m.replica.record.value_size = 4, KV_INVALID);
	verdict_after(accept, m.replica.record.lin_count = LIN_MAX + 1, KV_TOO_LARGE);
	verdict_after(accept, m.replica.attempt_count = ATTEMPTS_MAX + 1, KV_TOO_LARGE);
	verdict_after(accept, m.replica.partition = PARTITION_META, KV_OK);
	verdict_after(accept, m.replica.partition = PARTITIONS_MAX, KV_INVALID);
	verdict_after(accept, m.replica.deadline_ms = DEADLINE_MAX_MS + 1, KV_INVALID);
	verdict_after(accept, m.opcode = OP_PREPARE, KV_INVALID); /* no ballot */
}

static void an_answer_keeps_its_limits(void **state)
{
	struct msg read = {.opcode = OP_READ, .reply = true, .answer = {.answer = ANSWER_RECORD}};
	const struct msg *answer = &read;
	assert_int_equal(msg_check(answer), KV_OK);
	verdict_after(answer, m.answer.answer = (enum replica_answer)0, KV_INVALID);
	verdict_after(answer, m.answer.answer = (enum replica_answer)10, KV_INVALID);
	verdict_after(answer, m.answer.carrier_count = CARRIERS_MAX + 1, KV_TOO_LARGE);
	verdict_after(answer, m.answer.record.has_value = true, KV_INVALID); /* absent */
	verdict_after(answer, m.answer.record.value_size = VALUE_SIZE_MAX + 1, KV_TOO_LARGE);
	verdict_after(answer, m.answer.partition = 5000, KV_INVALID);
}

static void hello_names_a_kind_and_a_range(void **state)
{
	const struct msg *hello = msg_example_get("HELLO");
	verdict_after(hello, m.hello.kind = (enum hello_kind)0, KV_INVALID);
	verdict_after(hello, m.hello.kind = (enum hello_kind)3, KV_INVALID);
	verdict_after(hello, m.hello.proto_min = 0, KV_INVALID);
	verdict_after(hello, m.hello.proto_min = 2, KV_INVALID);
	verdict_after(hello, (m.reply = true, m.hello.status = KV_VERSION, m.hello.proto_min = 0), KV_OK);
	verdict_after(hello, m.hello.name = of_size(NAME_SIZE_MAX + 1), KV_TOO_LARGE);
	verdict_after(hello, m.hello.peer_address = of_size(ADDRESS_SIZE_MAX + 1), KV_TOO_LARGE);
	verdict_after(hello, m.hello.http_address = of_size(ADDRESS_SIZE_MAX + 1), KV_TOO_LARGE);
	verdict_after(hello, m.hello.auth_mechanisms = of_size(AUTH_MECHANISMS_SIZE_MAX + 1), KV_TOO_LARGE);
	verdict_after(hello, m.hello.message = of_size(MESSAGE_SIZE_MAX + 1), KV_TOO_LARGE);
}

enum { NODES = 3, PARTITIONS = 16, REPLICAS = 2 };

struct test_map {
	struct map_node nodes[NODES];
	node_id rows[PARTITIONS * REPLICAS];
	uint64_t epochs[PARTITIONS];
	struct map_move moves[1];
	struct map_desc map;
};

static void test_map_init(struct test_map *t)
{
	memset(t, 0, sizeof *t);
	for (node_id i = 0; i < NODES; i++)
		t->nodes[i] = (struct map_node){.index = i, .state = NODE_NORMAL};
	for (size_t i = 0; i < ARRAY_SIZE(t->rows); i++)
		t->rows[i] = (node_id)(i % REPLICAS);
	t->map = (struct map_desc){
		.cluster = {.bytes = {1}},
		.epoch = 1,
		.partitions = PARTITIONS,
		.replicas = REPLICAS,
		.node_count = NODES,
		.nodes = t->nodes,
		.rows = t->rows,
		.config_epochs = t->epochs,
		.move_count = 1,
		.moves = t->moves,
		.voter_count = 1,
	};
}

#define map_verdict_after(statement, status)                                                                       \
	do {                                                                                                       \
		struct test_map t;                                                                                 \
		test_map_init(&t);                                                                                 \
		statement;                                                                                         \
		assert_int_equal(msg_check_map(&t.map), status);                                                   \
	} while (0)

static void a_map_is_consistent(void **state)
{
	map_verdict_after((void)t, KV_OK);
	map_verdict_after(t.map.epoch = 0, KV_INVALID);
	map_verdict_after(t.map.cluster.bytes[0] = 0, KV_INVALID);
	map_verdict_after(t.map.partitions = 8, KV_INVALID);
	map_verdict_after(t.map.partitions = 17, KV_INVALID);
	map_verdict_after(t.map.partitions = 2 * PARTITIONS_MAX, KV_TOO_LARGE);
	map_verdict_after(t.map.replicas = 0, KV_INVALID);
	map_verdict_after(t.map.replicas = REPLICAS_MAX + 1, KV_TOO_LARGE);
	map_verdict_after(t.map.node_count = 0, KV_INVALID);
	map_verdict_after(t.map.node_count = NODES_MAX + 1, KV_TOO_LARGE);
	map_verdict_after(t.map.voter_count = VOTERS_MAX + 1, KV_TOO_LARGE);
	map_verdict_after(t.map.move_count = PARTITIONS + 1, KV_TOO_LARGE);
	map_verdict_after(t.map.name = of_size(NAME_SIZE_MAX + 1), KV_TOO_LARGE);
}

static void a_map_names_only_nodes_it_has_and_each_once_a_row(void **state)
{
	map_verdict_after(t.nodes[1].index = 2, KV_INVALID);
	map_verdict_after(t.nodes[1].state = (enum node_state)0, KV_INVALID);
	map_verdict_after(t.nodes[1].zone = of_size(NAME_SIZE_MAX + 1), KV_TOO_LARGE);
	map_verdict_after(t.rows[5] = NODES, KV_INVALID);
	map_verdict_after(t.rows[5] = NODE_NONE, KV_INVALID);
	map_verdict_after(t.rows[5] = t.rows[4], KV_INVALID);
	map_verdict_after(t.map.voters[0] = NODES, KV_INVALID);
	map_verdict_after(t.moves[0].partition = PARTITIONS, KV_INVALID);
	map_verdict_after(t.moves[0].old_count = REPLICAS_MAX + 1, KV_TOO_LARGE);
	map_verdict_after(t.moves[0].new_count = 2, KV_INVALID); /* node 0 twice */
}

static void cluster_init_and_status_keep_their_limits(void **state)
{
	struct slice address = slice_str("127.0.0.1:7001");
	struct msg init = {.opcode = OP_CLUSTER_INIT, .cluster_init = {.address_count = 1, .addresses = &address}};
	const struct msg *base = &init;
	verdict_after(base, (void)m, KV_OK);
	verdict_after(base, m.cluster_init.address_count = 0, KV_INVALID);
	verdict_after(base, m.cluster_init.address_count = NODES_MAX + 1, KV_TOO_LARGE);
	verdict_after(base, m.cluster_init.partitions = 100, KV_INVALID);
	verdict_after(base, m.cluster_init.replicas = REPLICAS_MAX + 1, KV_TOO_LARGE);
	address.size = 0;
	verdict_after(base, (void)m, KV_INVALID);
	struct status_peer peer = {.state = 5};
	struct msg status = {.opcode = OP_STATUS, .reply = true, .status = {.peer_count = 1, .peers = &peer}};
	base = &status;
	verdict_after(base, (void)m, KV_INVALID);
	peer.state = 4;
	verdict_after(base, (void)m, KV_OK);
	verdict_after(base, m.status.counter_count = STATUS_COUNTERS_MAX + 1, KV_TOO_LARGE);
	struct msg heartbeat = {.opcode = OP_HEARTBEAT, .heartbeat = {.health = 8}};
	assert_int_equal(msg_check(&heartbeat), KV_INVALID);
}

static void a_vote_names_its_epoch_and_ballot_and_proposes_a_map_of_that_epoch(void **state)
{
	struct test_map t;
	test_map_init(&t);
	const struct msg prepare = {.opcode = OP_MAP_PREPARE, .vote = {.ballot = {.hlc = 1}, .epoch = 1}};
	verdict_after(&prepare, (void)m, KV_OK);
	verdict_after(&prepare, m.vote.ballot.hlc = 0, KV_INVALID);
	verdict_after(&prepare, m.vote.epoch = 0, KV_INVALID);
	verdict_after(&prepare, m.vote.map = &t.map, KV_INVALID);
	const struct msg accept = {.opcode = OP_MAP_ACCEPT,
				   .vote = {.ballot = {.hlc = 1}, .epoch = 1, .map = &t.map}};
	verdict_after(&accept, (void)m, KV_OK);
	verdict_after(&accept, m.vote.map = NULL, KV_INVALID);
	verdict_after(&accept, m.vote.epoch = 2, KV_INVALID);
	const struct msg stale = {
		.opcode = OP_MAP_ACCEPT, .reply = true, .vote = {.epoch = 7, .map = &t.map, .status = KV_STALE}};
	verdict_after(&stale, (void)m, KV_OK);
	t.rows[0] = NODES;
	verdict_after(&stale, (void)m, KV_INVALID);
}

static void a_change_names_whom_it_is_about(void **state)
{
	const struct msg add = {.opcode = OP_CLUSTER_CHANGE,
				.change = {.kind = NODE_ADD, .node = NODE_NONE, .address = slice_str("h:1")}};
	verdict_after(&add, (void)m, KV_OK);
	verdict_after(&add, m.change.node = 3, KV_OK);
	verdict_after(&add, m.change.node = NODES_MAX, KV_INVALID);
	verdict_after(&add, m.change.address.size = 0, KV_INVALID);
	verdict_after(&add, m.change.address = of_size(ADDRESS_SIZE_MAX + 1), KV_TOO_LARGE);
	verdict_after(&add, m.change.kind = (enum change_kind)0, KV_INVALID);
	verdict_after(&add, m.change.kind = (enum change_kind)(NODE_KEEP + 1), KV_INVALID);
	verdict_after(&add, m.change.kind = NODE_KEEP, KV_INVALID);
	verdict_after(&add, m.change.kind = NODE_LEAVE, KV_INVALID);
	verdict_after(&add, m.change.kind = CHANGE_COMMIT, KV_OK);
	const struct msg token = {.opcode = OP_CLUSTER_CHANGE, .reply = true};
	verdict_after(&token, m.result.value = of_size(TOKEN_SIZE_MAX), KV_OK);
	verdict_after(&token, m.result.value = of_size(TOKEN_SIZE_MAX + 1), KV_TOO_LARGE);
	const struct msg join = {.opcode = OP_JOIN, .join = {.self = {.uuid = {.bytes = {1}}}}};
	verdict_after(&join, (void)m, KV_OK);
	verdict_after(&join, m.join.self.uuid.bytes[0] = 0, KV_INVALID);
	verdict_after(&join, m.join.token = of_size(TOKEN_SIZE_MAX + 1), KV_TOO_LARGE);
}

static void pages_are_only_where_they_mean_something(void **state)
{
	const struct msg pull = {.opcode = OP_MOVE_PULL, .reply = true, .move = {.page = slice_str("page")}};
	verdict_after(&pull, (void)m, KV_OK);
	verdict_after(&pull, m.reply = false, KV_INVALID);
	verdict_after(&pull, m.opcode = OP_MOVE_OPEN, KV_INVALID);
	verdict_after(&pull, m.move.partition = PARTITIONS_MAX, KV_INVALID);
	const struct msg leaves = {
		.opcode = OP_TREE_LEAVES, .reply = true, .tree = {.page = of_size(TREE_LEAVES_SIZE)}};
	verdict_after(&leaves, (void)m, KV_OK);
	verdict_after(&leaves, m.tree.page.size = 0, KV_OK);
	verdict_after(&leaves, m.tree.page.size -= 8, KV_INVALID);
	verdict_after(&leaves, m.reply = false, KV_INVALID);
	verdict_after(&leaves, m.opcode = OP_TREE_ROOTS, KV_INVALID);
	verdict_after(&leaves, m.opcode = OP_TREE_KEYS, KV_OK);
	verdict_after(&leaves, m.tree.leaf = LEAVES_PER_PARTITION, KV_INVALID);
	const struct msg gc = {.opcode = OP_GC, .gc = {.step = GC_SYNC, .page = slice_str("page")}};
	verdict_after(&gc, (void)m, KV_OK);
	verdict_after(&gc, m.gc.step = (enum gc_step)0, KV_INVALID);
	verdict_after(&gc, m.gc.page = of_size(PAGE_SIZE_MAX + 1), KV_TOO_LARGE);
	const struct msg report = {.opcode = OP_MOVE_REPORT, .move = {.stage = MOVE_COPYING}};
	verdict_after(&report, (void)m, KV_OK);
	verdict_after(&report, m.move.stage = (enum move_stage)0, KV_INVALID);
	verdict_after(&report, m.move.message = of_size(MOVE_MESSAGE_MAX + 1), KV_TOO_LARGE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(generated_messages_keep_the_rules),
		cmocka_unit_test(an_empty_key_is_invalid_and_a_long_one_too_large),
		cmocka_unit_test(a_request_keeps_its_limits),
		cmocka_unit_test(a_result_keeps_its_limits),
		cmocka_unit_test(a_page_keeps_its_limits),
		cmocka_unit_test(a_record_is_whole),
		cmocka_unit_test(an_answer_keeps_its_limits),
		cmocka_unit_test(hello_names_a_kind_and_a_range),
		cmocka_unit_test(a_map_is_consistent),
		cmocka_unit_test(a_map_names_only_nodes_it_has_and_each_once_a_row),
		cmocka_unit_test(cluster_init_and_status_keep_their_limits),
		cmocka_unit_test(a_vote_names_its_epoch_and_ballot_and_proposes_a_map_of_that_epoch),
		cmocka_unit_test(a_change_names_whom_it_is_about),
		cmocka_unit_test(pages_are_only_where_they_mean_something),
	};
	return test_run("msg_check", tests);
}
