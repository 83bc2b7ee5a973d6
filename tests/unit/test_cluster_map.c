/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/cluster_map.h"

/** A map of three nodes and 16 partitions that follows every rule. */
struct bed {
	struct map_node nodes[3];
	node_id rows[16 * 3];
	uint64_t epochs[16];
	struct map_desc desc;
};

static void bed_init(struct bed *b)
{
	*b = (struct bed){0};
	for (node_id i = 0; i < 3; i++) {
		b->nodes[i] = (struct map_node){.index = i,
						.uuid = {{(uint8_t)(i + 1)}},
						.state = NODE_NORMAL,
						.peer_address = slice_str("h:1")};
	}
	for (uint32_t p = 0; p < 16; p++) {
		for (node_id i = 0; i < 3; i++)
			b->rows[p * 3 + i] = (node_id)((p + i) % 3);
		b->epochs[p] = 1;
	}
	b->desc = (struct map_desc){.cluster = {{9}},
				    .epoch = 1,
				    .partitions = 16,
				    .replicas = 3,
				    .node_count = 3,
				    .nodes = b->nodes,
				    .rows = b->rows,
				    .config_epochs = b->epochs,
				    .voter_count = 3,
				    .voters = {0, 1, 2}};
}

static void a_map_that_follows_the_rules_passes(void **state)
{
	struct bed b;
	bed_init(&b);
	assert_int_equal(cluster_map_check(&b.desc, NULL), KV_OK);
}

static void expect_broken(struct bed *b, const char *why)
{
	struct error err;
	assert_int_equal(cluster_map_check(&b->desc, &err), KV_INVALID);
	assert_non_null(strstr(err.message, why));
	bed_init(b);
}

static void each_broken_rule_is_named(void **state)
{
	struct bed b;
	bed_init(&b);
	b.desc.partitions = 15;
	expect_broken(&b, "power of two");
	b.desc.replicas = 2;
	expect_broken(&b, "odd");
	b.desc.node_count = 2;
	expect_broken(&b, "2 nodes for 3 replicas");
	b.desc.epoch = 0;
	expect_broken(&b, "no epoch");
	b.nodes[2].index = 1;
	expect_broken(&b, "two nodes have index 1");
	b.nodes[2].uuid = b.nodes[0].uuid;
	expect_broken(&b, "copy of the other");
	b.rows[4] = 7;
	expect_broken(&b, "unknown node 7");
	b.rows[0] = b.rows[1];
	expect_broken(&b, "twice");
	b.epochs[3] = 2;
	expect_broken(&b, "partition 3");
	b.desc.voter_count = 0;
	expect_broken(&b, "voters");
}

static void it_owns_its_copy(void **state)
{
	struct bed b;
	bed_init(&b);
	struct cluster_map *map = cluster_map_new(&b.desc);
	memset(b.rows, 0xff, sizeof b.rows);
	memset(b.nodes, 0, sizeof b.nodes);
	struct row row = cluster_map_row(map, 1);
	assert_int_equal(row.count, 3);
	assert_int_equal(row.nodes[0], 1);
	assert_int_equal(row.config_epoch, 1);
	assert_int_equal(row_position(&row, 0), 2);
	assert_int_equal(row_position(&row, 5), -1);
	struct uuid second = {{2}};
	assert_int_equal(cluster_map_find(map, &second)->index, 1);
	assert_null(cluster_map_node(map, 3));
	cluster_map_free(map);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_that_follows_the_rules_passes),
		cmocka_unit_test(each_broken_rule_is_named),
		cmocka_unit_test(it_owns_its_copy),
	};
	return test_run("cluster_map", tests);
}
