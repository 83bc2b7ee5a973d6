/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/tree.h"

#include "replication/core.h"

uint64_t tree_hash(uint32_t bucket, struct slice key, struct version ver, bool tombstone)
{
	uint64_t seed = hash_u64(ver.hlc ^ hash_u64(ver.id ^ hash_u64((uint64_t)bucket << 1 | tombstone)));
	return hash64_seeded(key, seed);
}

void trees_set_map(struct node_core *core) {}
void trees_release(struct node_core *core) {}
void trees_tick(struct node_core *core) {}
bool tree_takes(struct node_core *core, uint16_t partition) { return true; }

void tree_put(struct node_core *core, const struct slot *slot, const struct record *before,
	      const struct record *after, struct disk_put *puts, uint32_t *count)
{
}

bool tree_is_ready(const struct node_core *core, uint16_t partition) { return false; }
const struct tree_leaf *tree_leaves(const struct node_core *core, uint16_t partition) { return NULL; }
uint64_t tree_root(struct node_core *core, uint16_t partition) { return 0; }

bool tree_totals(const struct node_core *core, uint16_t partition, uint64_t *ret_keys, uint64_t *ret_bytes,
		 uint64_t *ret_tombstones)
{
	return false;
}

void tree_clear(struct node_core *core, uint16_t partition) {}
uint32_t trees_building(const struct node_core *core) { return 0; }

void tree_scan_done(struct node_core *core, struct tree *tree, const struct disk_row *rows, uint32_t count,
		    bool done)
{
}
