/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "client/route.h"

enum { COUNT = 5 };

static struct map_node nodes[COUNT];

static struct map_desc map_of(void)
{
	static const char *const zones[COUNT] = {"a", "b", "a", "", "b"};
	for (node_id i = 0; i < COUNT; i++)
		nodes[i] = (struct map_node){.index = i, .state = NODE_NORMAL, .zone = slice_str(zones[i])};
	static const node_id rows[] = {4, 2, 0, 3, 1, 0};
	return (struct map_desc){
		.epoch = 1, .partitions = 2, .replicas = 3, .node_count = COUNT, .nodes = nodes, .rows = rows};
}

static void assert_row(const node_id *row, uint32_t count, const node_id *expected, uint32_t expected_count)
{
	assert_int_equal(count, expected_count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(row[i], expected[i]);
}

static void nodes_of_the_clients_zone_come_first_and_keep_their_order(void **state)
{
	struct map_desc map = map_of();
	node_id row[ROW_MAX];
	static const node_id in_a[] = {2, 0, 4}, in_b[] = {4, 2, 0}, second[] = {0, 3, 1};
	uint32_t count = route_row(&map, 0, row);
	route_prefer_zone(&map, "a", row, count);
	assert_row(row, count, in_a, 3);
	count = route_row(&map, 0, row);
	route_prefer_zone(&map, "b", row, count);
	assert_row(row, count, in_b, 3);
	count = route_row(&map, 1, row);
	route_prefer_zone(&map, "a", row, count);
	assert_row(row, count, second, 3);
}

static void without_a_zone_the_row_stays_as_it_is(void **state)
{
	struct map_desc map = map_of();
	node_id row[ROW_MAX];
	static const node_id expected[] = {3, 1, 0};
	static const char *const zones[] = {NULL, "", "nowhere"};
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
		uint32_t count = route_row(&map, 1, row);
		route_prefer_zone(&map, zones[i], row, count);
		assert_row(row, count, expected, 3);
	}
}

static void members_to_be_are_sorted_in_too(void **state)
{
	struct map_desc map = map_of();
	struct map_move move = {.partition = 1, .old_count = 3, .new_count = 3, .new_row = {2, 1, 0}};
	map.moves = &move;
	map.move_count = 1;
	node_id row[ROW_MAX];
	static const node_id expected[] = {0, 2, 3, 1};
	uint32_t count = route_row(&map, 1, row);
	route_prefer_zone(&map, "a", row, count);
	assert_row(row, count, expected, 4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_of_the_clients_zone_come_first_and_keep_their_order),
		cmocka_unit_test(without_a_zone_the_row_stays_as_it_is),
		cmocka_unit_test(members_to_be_are_sorted_in_too),
	};
	return test_run("route", tests);
}
