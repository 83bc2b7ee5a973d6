/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check_settled.h"

#include <inttypes.h>

#include "replication/record.h"
#include "replication/tree.h"
#include "storage/keyspace.h"
#include "storage/store_mem.h"
#include "tests/sim/sim.h"

/** One partition at one node, added up from the rows on its disk. */
struct held {
	bool any;
	uint32_t tombstones;
	struct version tombstone; /* one of them */
	bool weak;
	uint64_t hash; /* of the whole: leaf and hash of each key */
	uint64_t leaves[LEAVES_PER_PARTITION];
	uint32_t keys[LEAVES_PER_PARTITION];
};

struct settled {
	struct sim *sim;
	struct verdict *v;
	const struct sim_node *node;
	struct held *held; /* of each partition */
	bool *fenced;      /* of each partition: a fence is remembered somewhere, and tombstones with it */
};

static bool add_row(void *arg, struct slice name, struct slice value)
{
	struct settled *s = arg;
	struct keyspace_key at;
	struct record rec;
	struct buf bytes = BUF_INIT; /* records are read where they are aligned */
	buf_append_slice(&bytes, value);
	bool read = keyspace_data_parse(name, &at) && record_decode(buf_slice(&bytes), &rec) == KV_OK;
	KV_ASSERT(read);
	struct held *held = &s->held[at.partition];
	uint64_t hash = tree_hash(at.bucket, at.key, rec.ver, rec.tombstone);
	held->any = true;
	s->fenced[at.partition] |= rec.fence != 0;
	if (rec.tombstone) {
		held->tombstones++;
		held->tombstone = rec.ver;
		held->weak = rec.weak;
	}
	held->hash ^= hash;
	held->leaves[at.leaf] ^= hash;
	held->keys[at.leaf]++;
	buf_release(&bytes);
	return true;
}

static bool check_tree(struct settled *s, uint16_t partition)
{
	const struct sim_node *n = s->node;
	const struct node_core *core = n->cores[partition % s->sim->options.core_count].core;
	const struct tree_leaf *leaves = tree_leaves(core, partition);
	if (!leaves)
		return verdict_fail(s->v, "tree", UINT32_MAX, "node %u: the tree of partition %u is not ready",
				    n->index, partition);
	for (uint32_t i = 0; i < LEAVES_PER_PARTITION; i++)
		if (leaves[i].hash != s->held[partition].leaves[i] || leaves[i].keys != s->held[partition].keys[i])
			return verdict_fail(s->v, "tree", UINT32_MAX,
					    "node %u: leaf %u of partition %u is not that of its records", n->index,
					    i, partition);
	return true;
}

static bool check_partition(struct settled *s, uint16_t partition, node_id self, uint64_t *hash)
{
	const struct held *held = &s->held[partition];
	struct row row = cluster_map_row(s->sim->maps.newest, partition);
	if (row_position(&row, self) < 0)
		return !held->any ||
		       verdict_fail(s->v, "cleanup", UINT32_MAX, "node %u still holds records of partition %u",
				    s->node->index, partition);
	if (held->tombstones && !s->fenced[partition])
		return verdict_fail(s->v, "purge", UINT32_MAX,
				    "node %u still holds %u tombstones of partition %u, one %sat %" PRIx64
				    ".%" PRIx64,
				    s->node->index, held->tombstones, partition, held->weak ? "weak " : "",
				    held->tombstone.hlc, held->tombstone.id);
	if (*hash != UINT64_MAX && *hash != held->hash)
		return verdict_fail(s->v, "agree", UINT32_MAX, "node %u holds other records of partition %u",
				    s->node->index, partition);
	*hash = held->hash;
	return check_tree(s, partition);
}

static void read_node(struct settled *s, const struct sim_node *n)
{
	s->node = n;
	memset(s->held, 0, s->sim->options.partitions * sizeof s->held[0]);
	store_mem_foreach(n->store, STORE_DATA, add_row, s);
}

static bool check_node(struct settled *s, const struct sim_node *n, uint64_t *hashes)
{
	uint32_t partitions = s->sim->options.partitions;
	node_id self = maps_find(&s->sim->maps, &n->uuid)->index;
	read_node(s, n);
	for (uint16_t p = 0; p < partitions; p++)
		if (!check_partition(s, p, self, &hashes[p]))
			return false;
	return true;
}

bool check_settled(struct sim *sim, struct verdict *v)
{
	uint32_t partitions = sim->options.partitions;
	struct settled s = {.sim = sim,
			    .v = v,
			    .held = xcalloc(partitions, sizeof s.held[0]),
			    .fenced = xcalloc(partitions, sizeof s.fenced[0])};
	uint64_t *hashes = xcalloc(partitions, sizeof hashes[0]);
	memset(hashes, 0xFF, partitions * sizeof hashes[0]);
	bool good = true;
	for (uint32_t i = 0; i < sim->options.node_count; i++)
		if (sim_node_is_member(&sim->nodes[i]))
			read_node(&s, &sim->nodes[i]);
	for (uint32_t i = 0; good && i < sim->options.node_count; i++)
		if (sim_node_is_member(&sim->nodes[i]))
			good = check_node(&s, &sim->nodes[i], hashes);
	free(hashes);
	free(s.fenced);
	free(s.held);
	return good;
}
