/* SPDX-License-Identifier: Apache-2.0 */
/* From a key to its replicas: hash, partition, row, and this node's place in it. */
#include <stdio.h>

#include "bench/micro/micro.h"
#include "proto/keyhash.h"
#include "replication/cluster_map.h"

enum { NODE_COUNT = 9, PARTITION_COUNT = 1024, REPLICA_COUNT = 3, KEY_SIZE = 16 };

static char keys[MICRO_CALLS][KEY_SIZE + 1];

static struct cluster_map *map_make(void)
{
	static struct map_node nodes[NODE_COUNT];
	static node_id rows[PARTITION_COUNT * REPLICA_COUNT];
	static uint64_t epochs[PARTITION_COUNT];
	for (node_id i = 0; i < NODE_COUNT; i++)
		nodes[i] = (struct map_node){.index = i,
					     .uuid = {{(uint8_t)(i + 1)}},
					     .state = NODE_NORMAL,
					     .peer_address = slice_str("h:1")};
	for (uint32_t p = 0; p < PARTITION_COUNT; p++) {
		for (uint32_t i = 0; i < REPLICA_COUNT; i++)
			rows[p * REPLICA_COUNT + i] = (node_id)((p + i) % NODE_COUNT);
		epochs[p] = 1;
	}
	const struct map_desc desc = {.cluster = {{9}},
				      .epoch = 1,
				      .partitions = PARTITION_COUNT,
				      .replicas = REPLICA_COUNT,
				      .node_count = NODE_COUNT,
				      .nodes = nodes,
				      .rows = rows,
				      .config_epochs = epochs,
				      .voter_count = 1};
	return cluster_map_new(&desc);
}

MEASURED static void measure_ring_lookup(const struct cluster_map *map)
{
	for (int i = 0; i < MICRO_CALLS; i++) {
		uint64_t hash = key_hash(slice_of(keys[i], KEY_SIZE));
		struct row row = cluster_map_row(map, hash_partition(hash, PARTITION_COUNT));
		MICRO_USE(row_position(&row, 1));
		MICRO_USE(hash_leaf(hash, PARTITION_COUNT));
	}
}

int main(void)
{
	struct cluster_map *map = map_make();
	for (int i = 0; i < MICRO_CALLS; i++)
		snprintf(keys[i], sizeof keys[i], "bench/%010u", (unsigned)i % 1000000000u);
	measure_ring_lookup(map);
	cluster_map_free(map);
	return 0;
}
