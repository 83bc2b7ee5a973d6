/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "proto/keyhash.h"
#include "server/dispatch.h"

enum { PARTITIONS = 64, SHARDS = 3 };

static void a_request_goes_where_its_keys_partition_is(void **state)
{
	char key[16];
	unsigned seen[SHARDS] = {0};
	for (unsigned i = 0; i < 300; i++) {
		snprintf(key, sizeof key, "key%u", i);
		const struct msg msg = {.opcode = OP_PUT, .request = {.key = slice_str(key)}};
		uint32_t shard = dispatch_shard(&msg, PARTITIONS, SHARDS);
		assert_int_equal(shard, hash_partition(key_hash(slice_str(key)), PARTITIONS) % SHARDS);
		seen[shard]++;
	}
	for (unsigned i = 0; i < SHARDS; i++)
		assert_true(seen[i] > 0);
}

static void without_a_map_everything_goes_to_the_first(void **state)
{
	const struct msg get = {.opcode = OP_GET, .request = {.key = slice_str("key")}};
	assert_int_equal(dispatch_shard(&get, 0, SHARDS), 0);
	const struct msg init = {.opcode = OP_CLUSTER_INIT};
	assert_int_equal(dispatch_shard(&init, 0, SHARDS), 0);
}

static void a_replicas_work_and_its_answer_meet_at_the_same_shard(void **state)
{
	for (uint16_t p = 0; p < PARTITIONS; p++) {
		const struct msg ask = {.opcode = OP_ACCEPT, .replica = {.partition = p}};
		const struct msg said = {.opcode = OP_ACCEPT, .reply = true, .answer = {.partition = p}};
		const struct msg scan = {.opcode = OP_SCAN, .request = {.partition = p}};
		assert_int_equal(dispatch_shard(&ask, PARTITIONS, SHARDS), p % SHARDS);
		assert_int_equal(dispatch_shard(&said, PARTITIONS, SHARDS), p % SHARDS);
		assert_int_equal(dispatch_shard(&scan, PARTITIONS, SHARDS), p % SHARDS);
	}
}

static void background_messages_go_from_core_to_core(void **state)
{
	for (uint32_t shard = 0; shard < 2 * SHARDS; shard++) {
		const struct msg heartbeat = {.opcode = OP_HEARTBEAT, .shard = shard};
		const struct msg hint = {.opcode = OP_HINT_OPEN, .reply = true, .shard = shard};
		const struct msg forwarded = {.opcode = OP_GET, .reply = true, .shard = shard};
		assert_int_equal(dispatch_shard(&heartbeat, PARTITIONS, SHARDS), shard % SHARDS);
		assert_int_equal(dispatch_shard(&hint, PARTITIONS, SHARDS), shard % SHARDS);
		assert_int_equal(dispatch_shard(&forwarded, PARTITIONS, SHARDS), shard % SHARDS);
	}
}

static void copying_goes_to_the_partition_and_its_reply_to_the_core_that_asked(void **state)
{
	static const uint16_t opcodes[] = {OP_MOVE_OPEN, OP_MOVE_PULL, OP_TREE_LEAVES, OP_TREE_KEYS, OP_GC};
	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++)
		for (uint16_t p = 0; p < PARTITIONS; p++) {
			struct msg m = {.opcode = opcodes[i], .shard = p + 1};
			if (opcodes[i] == OP_GC)
				m.gc.partition = p;
			else if (opcodes[i] == OP_MOVE_OPEN || opcodes[i] == OP_MOVE_PULL)
				m.move.partition = p;
			else
				m.tree.partition = p;
			assert_int_equal(dispatch_shard(&m, PARTITIONS, SHARDS), p % SHARDS);
			m.reply = true;
			assert_int_equal(dispatch_shard(&m, PARTITIONS, SHARDS), (p + 1) % SHARDS);
		}
}

static void roots_go_where_the_first_of_them_is(void **state)
{
	const struct tree_root roots[] = {{.partition = 5}, {.partition = 8}};
	struct msg m = {.opcode = OP_TREE_ROOTS, .shard = 1, .tree = {.root_count = 2, .roots = roots}};
	assert_int_equal(dispatch_shard(&m, PARTITIONS, SHARDS), 5 % SHARDS);
	m.tree.root_count = 0;
	assert_int_equal(dispatch_shard(&m, PARTITIONS, SHARDS), 0);
	m.reply = true;
	assert_int_equal(dispatch_shard(&m, PARTITIONS, SHARDS), 1);
}

static void repair_names_its_core_and_a_probe_comes_from_its_own(void **state)
{
	const struct msg repair = {.opcode = OP_REPAIR, .shard = 1, .repair = {.shard = 2}};
	assert_int_equal(dispatch_shard(&repair, PARTITIONS, SHARDS), 2);
	const struct msg probe = {.opcode = OP_PROBE, .shard = 1, .probe = {.target = 2}};
	assert_int_equal(dispatch_shard(&probe, PARTITIONS, SHARDS), 1);
}

static void the_map_is_the_first_shards_affair(void **state)
{
	static const uint16_t opcodes[] = {OP_MAP,          OP_MAP_PUSH,       OP_MAP_PULL,     OP_INIT_RESERVE,
					   OP_CLUSTER_INIT, OP_MAP_PREPARE,    OP_MAP_ACCEPT,   OP_JOIN,
					   OP_MOVE_REPORT,  OP_CLUSTER_CHANGE, OP_CLUSTER_PLAN, OP_MOVE_LIST};
	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++) {
		struct msg msg = {.opcode = opcodes[i], .shard = 2};
		if (msg.opcode == OP_MOVE_REPORT)
			msg.move.partition = 2;
		assert_int_equal(dispatch_shard(&msg, PARTITIONS, SHARDS), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_goes_where_its_keys_partition_is),
		cmocka_unit_test(without_a_map_everything_goes_to_the_first),
		cmocka_unit_test(a_replicas_work_and_its_answer_meet_at_the_same_shard),
		cmocka_unit_test(background_messages_go_from_core_to_core),
		cmocka_unit_test(copying_goes_to_the_partition_and_its_reply_to_the_core_that_asked),
		cmocka_unit_test(roots_go_where_the_first_of_them_is),
		cmocka_unit_test(repair_names_its_core_and_a_probe_comes_from_its_own),
		cmocka_unit_test(the_map_is_the_first_shards_affair),
	};
	return test_run("dispatch", tests);
}
