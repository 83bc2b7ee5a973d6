/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "base/rng.h"
#include "replication/placement.h"

enum { NODES = 24 };

struct bed {
	struct map_node nodes[NODES];
	char zones[NODES][16];
	node_id rows[PARTITIONS_MAX * REPLICAS_MAX];
};

static void bed_init(struct bed *b, uint32_t nodes, uint32_t zones)
{
	for (uint32_t i = 0; i < nodes; i++) {
		snprintf(b->zones[i], sizeof b->zones[i], "z%u", i % zones);
		b->nodes[i] = (struct map_node){
			.index = (node_id)i, .state = NODE_NORMAL, .zone = slice_str(b->zones[i]), .weight = 1};
	}
}

static struct placement_input input(struct bed *b, uint32_t nodes, uint32_t partitions, uint32_t replicas)
{
	return (struct placement_input){
		.partitions = partitions, .replicas = replicas, .node_count = nodes, .nodes = b->nodes};
}

static uint32_t load_of(const node_id *rows, size_t cells, node_id node)
{
	uint32_t load = 0;
	for (size_t i = 0; i < cells; i++)
		load += rows[i] == node;
	return load;
}

static void rows_name_distinct_nodes_and_loads_differ_by_one_at_most(void **state)
{
	struct bed b;
	for (uint32_t nodes = 3; nodes <= 12; nodes++) {
		bed_init(&b, nodes, nodes); /* a zone each */
		struct placement_input in = input(&b, nodes, 256, 3);
		assert_int_equal(placement_plan(&in, b.rows, NULL), KV_OK);
		uint32_t least = UINT32_MAX, most = 0;
		for (node_id i = 0; i < nodes; i++) {
			uint32_t load = load_of(b.rows, 256 * 3, i);
			least = MIN(least, load);
			most = MAX(most, load);
		}
		assert_true(most - least <= 1);
		for (uint32_t p = 0; p < 256; p++) {
			const node_id *row = b.rows + p * 3;
			assert_true(row[0] != row[1] && row[1] != row[2] && row[0] != row[2]);
		}
	}
}

static void every_row_spans_the_zones(void **state)
{
	struct bed b;
	bed_init(&b, 9, 3);
	struct placement_input in = input(&b, 9, 512, 3);
	assert_int_equal(placement_plan(&in, b.rows, NULL), KV_OK);
	for (uint32_t p = 0; p < 512; p++) {
		const node_id *row = b.rows + p * 3;
		assert_true(row[0] % 3 != row[1] % 3 && row[1] % 3 != row[2] % 3 && row[0] % 3 != row[2] % 3);
	}
}

static void one_zone_for_all_still_gives_full_rows(void **state)
{
	struct bed b;
	bed_init(&b, 5, 1);
	struct placement_input in = input(&b, 5, 64, 5);
	assert_int_equal(placement_plan(&in, b.rows, NULL), KV_OK);
}

static void firsts_are_spread(void **state)
{
	struct bed b;
	bed_init(&b, 3, 3);
	struct placement_input in = input(&b, 3, 1024, 3);
	assert_int_equal(placement_plan(&in, b.rows, NULL), KV_OK);
	uint32_t firsts[3] = {0};
	for (uint32_t p = 0; p < 1024; p++)
		firsts[b.rows[p * 3]]++;
	for (int i = 0; i < 3; i++)
		assert_in_range(firsts[i], 340, 343);
}

static uint32_t replicas_moved(const node_id *before, const node_id *after, uint32_t partitions, uint32_t replicas)
{
	uint32_t moved = 0;
	for (uint32_t p = 0; p < partitions; p++) {
		for (uint32_t i = 0; i < replicas; i++) {
			node_id now = after[p * replicas + i];
			moved += load_of(before + p * replicas, replicas, now) == 0;
		}
	}
	return moved;
}

static void adding_a_node_moves_only_its_share(void **state)
{
	static node_id before[1024 * 3];
	struct bed b;
	bed_init(&b, 5, 5);
	struct placement_input in = input(&b, 4, 1024, 3);
	assert_int_equal(placement_plan(&in, before, NULL), KV_OK);
	in.node_count = 5;
	in.rows = before;
	assert_int_equal(placement_plan(&in, b.rows, NULL), KV_OK);
	assert_in_range(replicas_moved(before, b.rows, 1024, 3), 610, 620); /* ideal: 1024 x 3 / 5 */
}

static void a_leaving_node_loses_its_rows(void **state)
{
	static node_id before[256 * 3];
	struct bed b;
	bed_init(&b, 5, 5);
	struct placement_input in = input(&b, 5, 256, 3);
	assert_int_equal(placement_plan(&in, before, NULL), KV_OK);
	b.nodes[2].state = NODE_LEAVING;
	in.rows = before;
	assert_int_equal(placement_plan(&in, b.rows, NULL), KV_OK);
	assert_int_equal(load_of(b.rows, 256 * 3, 2), 0);
	assert_in_range(replicas_moved(before, b.rows, 256, 3), 153, 156);
}

static void weight_decides_the_share(void **state)
{
	struct bed b;
	bed_init(&b, 6, 6);
	b.nodes[0].weight = 2;
	struct placement_input in = input(&b, 6, 1024, 3);
	assert_int_equal(placement_plan(&in, b.rows, NULL), KV_OK);
	uint32_t heavy = load_of(b.rows, 1024 * 3, 0);
	assert_in_range(heavy, 870, 885); /* 3072 x 2 / 7 */
}

static void the_same_input_gives_the_same_table(void **state)
{
	static node_id again[512 * 3];
	struct bed b;
	bed_init(&b, 7, 3);
	struct placement_input in = input(&b, 7, 512, 3);
	assert_int_equal(placement_plan(&in, b.rows, NULL), KV_OK);
	assert_int_equal(placement_plan(&in, again, NULL), KV_OK);
	assert_memory_equal(b.rows, again, sizeof again);
}

static void what_cannot_be_placed_is_refused_with_a_reason(void **state)
{
	struct bed b;
	struct error err;
	bed_init(&b, 2, 2);
	struct placement_input in = input(&b, 2, 64, 3);
	assert_int_equal(placement_plan(&in, b.rows, &err), KV_INVALID);
	assert_non_null(strstr(err.message, "2 nodes cannot hold 3 replicas"));
	in = input(&b, 2, 63, 1);
	assert_int_equal(placement_plan(&in, b.rows, &err), KV_INVALID);
	assert_non_null(strstr(err.message, "power of two"));
	in = input(&b, 2, 64, 2);
	assert_int_equal(placement_plan(&in, b.rows, &err), KV_INVALID);
	assert_non_null(strstr(err.message, "odd"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_name_distinct_nodes_and_loads_differ_by_one_at_most),
		cmocka_unit_test(every_row_spans_the_zones),
		cmocka_unit_test(one_zone_for_all_still_gives_full_rows),
		cmocka_unit_test(firsts_are_spread),
		cmocka_unit_test(adding_a_node_moves_only_its_share),
		cmocka_unit_test(a_leaving_node_loses_its_rows),
		cmocka_unit_test(weight_decides_the_share),
		cmocka_unit_test(the_same_input_gives_the_same_table),
		cmocka_unit_test(what_cannot_be_placed_is_refused_with_a_reason),
	};
	return test_run("placement", tests);
}
