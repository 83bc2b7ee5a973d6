/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/cluster_map.h"
#include "server/recovery.h"

enum { NODES = 5, PARTITIONS = 16, REPLICAS = 3, EPOCH = 7 };

struct fixture {
	struct map_node nodes[NODES];
	node_id rows[PARTITIONS * REPLICAS];
	uint64_t epochs[PARTITIONS];
	struct map_move move;
	struct map_desc map;
};

static const char *const names[NODES] = {"n0", "n1", "n2", "n3", "n4"};

/** Row p is p, p + 1, p + 2 on the ring of five; partition 0 is moving from 0, 1, 2 to 0, 1, 3. */
static void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof *f);
	for (node_id i = 0; i < NODES; i++)
		f->nodes[i] = (struct map_node){.index = i,
						.uuid = {.bytes = {(uint8_t)(i + 1)}},
						.state = NODE_NORMAL,
						.name = slice_str(names[i]),
						.peer_address = slice_str("h:1")};
	for (uint32_t p = 0; p < PARTITIONS; p++) {
		f->epochs[p] = 1 + p % EPOCH;
		for (uint32_t r = 0; r < REPLICAS; r++)
			f->rows[p * REPLICAS + r] = (node_id)((p + r) % NODES);
	}
	f->move = (struct map_move){.old_count = 3, .new_count = 3, .session = {.bytes = {9}}};
	memcpy(f->move.old_row, f->rows, 3 * sizeof(node_id));
	memcpy(f->move.new_row, (const node_id[]){0, 1, 3}, 3 * sizeof(node_id));
	f->map = (struct map_desc){
		.cluster = {.bytes = {1}},
		.name = slice_str("test"),
		.epoch = EPOCH,
		.partitions = PARTITIONS,
		.replicas = REPLICAS,
		.node_count = NODES,
		.nodes = f->nodes,
		.rows = f->rows,
		.config_epochs = f->epochs,
		.move_count = 1,
		.moves = &f->move,
		.voter_count = 3,
		.voters = {0, 1, 2},
		.token_count = 1,
	};
	assert_int_equal(cluster_map_check(&f->map, NULL), KV_OK);
}

static bool partition_has(const struct map_desc *map, uint32_t partition, node_id node)
{
	for (uint32_t r = 0; r < map->replicas; r++) {
		if (map->rows[partition * map->replicas + r] == node)
			return true;
	}
	return false;
}

static void what_kept_a_majority_stays_as_it_is_and_the_rest_goes_to_the_survivors(void **state)
{
	struct fixture f;
	fixture_init(&f);
	CLEANUP(recovery_release) struct recovery r = {0};
	const char *const survivors[] = {"n0", "1"};
	assert_int_equal(recovery_make(&f.map, &f.nodes[0].uuid, survivors, 2, &r, NULL), KV_OK);
	assert_int_equal(r.map.epoch, EPOCH + RECOVERY_EPOCHS);
	assert_int_equal(r.map.replicas, REPLICAS);
	assert_int_equal(r.survivors, 2);
	assert_int_equal(r.removed, 3);
	assert_int_equal(r.map.move_count + r.map.token_count, 0);
	assert_int_equal(r.map.voter_count, 1);
	assert_int_equal(r.map.nodes[1].state, NODE_NORMAL);
	assert_int_equal(r.map.nodes[2].state, NODE_REMOVED);
	uint32_t kept = 0, lost = 0;
	for (uint32_t p = 0; p < PARTITIONS; p++) {
		bool both = partition_has(&f.map, p, 0) && partition_has(&f.map, p, 1);
		bool same =
			memcmp(&r.map.rows[p * REPLICAS], &f.rows[p * REPLICAS], REPLICAS * sizeof(node_id)) == 0;
		assert_true(partition_has(&r.map, p, 0) && partition_has(&r.map, p, 1));
		assert_true(!both || same);
		bool untouched = both && p != 0; /* the move of 0 is given up */
		assert_int_equal(r.map.config_epochs[p], untouched ? f.epochs[p] : r.map.epoch);
		kept += both;
		lost += !partition_has(&f.map, p, 0) && !partition_has(&f.map, p, 1);
	}
	assert_int_equal(r.kept, kept);
	assert_int_equal(r.without_majority, PARTITIONS - kept);
	assert_int_equal(r.lost, lost);
	assert_int_equal(cluster_map_check_next(&f.map, &r.map, NULL), KV_OK);
}

static void every_survivor_makes_the_same_map(void **state)
{
	struct fixture f;
	fixture_init(&f);
	CLEANUP(recovery_release) struct recovery a = {0}, b = {0};
	const char *const one[] = {"n4", "n0", "n2"}, *const other[] = {"2", "4", "0"};
	assert_int_equal(recovery_make(&f.map, &f.nodes[0].uuid, one, 3, &a, NULL), KV_OK);
	assert_int_equal(recovery_make(&f.map, &f.nodes[4].uuid, other, 3, &b, NULL), KV_OK);
	assert_memory_equal(a.map.rows, b.map.rows, sizeof f.rows);
	assert_memory_equal(a.map.config_epochs, b.map.config_epochs, sizeof f.epochs);
	assert_int_equal(a.map.voter_count, 3);
	assert_memory_equal(a.map.voters, b.map.voters, sizeof a.map.voters);
	recovery_release(&b);
}

static void fewer_survivors_than_a_majority_of_the_replicas_are_fewer_replicas(void **state)
{
	struct fixture f;
	fixture_init(&f);
	CLEANUP(recovery_release) struct recovery r = {0};
	const char *const survivors[] = {"n2"};
	assert_int_equal(recovery_make(&f.map, &f.nodes[2].uuid, survivors, 1, &r, NULL), KV_OK);
	assert_int_equal(r.map.replicas, 1);
	assert_int_equal(r.kept, 0);
	for (uint32_t p = 0; p < PARTITIONS; p++)
		assert_int_equal(r.map.rows[p], 2);
	assert_int_equal(r.map.voters[0], 2);
}

static void a_list_that_may_be_a_mistake_is_refused(void **state)
{
	struct fixture f;
	fixture_init(&f);
	struct recovery r;
	struct error err;
	const char *const unknown[] = {"n0", "n9"}, *const without_self[] = {"n1", "n2"}, *const twins[] = {"twin"};
	assert_int_equal(recovery_make(&f.map, &f.nodes[0].uuid, unknown, 2, &r, &err), KV_INVALID);
	recovery_release(&r);
	assert_int_equal(recovery_make(&f.map, &f.nodes[0].uuid, without_self, 2, &r, &err), KV_INVALID);
	recovery_release(&r);
	assert_int_equal(recovery_make(&f.map, &f.nodes[0].uuid, NULL, 0, &r, &err), KV_INVALID);
	recovery_release(&r);
	f.nodes[0].name = f.nodes[1].name = slice_str("twin");
	assert_int_equal(recovery_make(&f.map, &f.nodes[0].uuid, twins, 1, &r, &err), KV_INVALID);
	assert_non_null(strstr(err.message, "node 0 or 1"));
	recovery_release(&r);
	f.nodes[1].state = NODE_REMOVED;
	assert_int_equal(recovery_make(&f.map, &f.nodes[0].uuid, twins, 1, &r, &err), KV_OK);
	recovery_release(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_kept_a_majority_stays_as_it_is_and_the_rest_goes_to_the_survivors),
		cmocka_unit_test(every_survivor_makes_the_same_map),
		cmocka_unit_test(fewer_survivors_than_a_majority_of_the_replicas_are_fewer_replicas),
		cmocka_unit_test(a_list_that_may_be_a_mistake_is_refused),
	};
	return test_run("recovery", tests);
}
