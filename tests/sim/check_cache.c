/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/check_cache.h"

#include "replication/core.h"
#include "storage/keyspace.h"
#include "storage/store_mem.h"
#include "tests/sim/sim.h"

struct look {
	struct sim *sim;
	const struct sim_node *node;
	size_t found; /* rows whose record rests in memory */
};

static const struct slots *slots_of(const struct look *look, uint16_t partition)
{
	return &look->node->cores[partition % look->sim->options.core_count].core->slots;
}

static bool compare_row(void *arg, struct slice name, struct slice value)
{
	struct look *look = arg;
	struct keyspace_key at;
	bool read = keyspace_data_parse(name, &at);
	KV_ASSERT(read);
	const struct slot *slot = slots_find(slots_of(look, at.partition), at.bucket, at.key);
	if (!slot || slot->rest_bytes == 0)
		return true;
	look->found++;
	if (!slot->bytes || !slice_equal(blob_slice(slot->bytes), value))
		verdict_fail(&look->sim->verdict, "cache", UINT32_MAX,
			     "node %u has another record in memory than on its disk, of a key of partition %u",
			     look->node->index, at.partition);
	return true;
}

/** Returns how many slots rest with a record. */
static size_t check_sums(const struct look *look, const struct slots *s)
{
	size_t count = 0, bytes = 0, records = 0;
	for (const struct ilink *l = ilist_first(&s->resting); l; l = ilist_next(&s->resting, l)) {
		const struct slot *slot = container_of(l, struct slot, age_link);
		count++;
		bytes += slot->rest_bytes;
		records += slot->bytes != NULL;
	}
	if (count != s->rest_count || bytes != s->rest_bytes || bytes > s->rest_bytes_max)
		verdict_fail(
			&look->sim->verdict, "cache", UINT32_MAX,
			"node %u has %zu records of %zu bytes in memory, counts %zu of %zu, and may have %zu bytes",
			look->node->index, count, bytes, s->rest_count, s->rest_bytes, s->rest_bytes_max);
	return records;
}

void check_cache(struct sim *sim, const struct sim_node *n)
{
	struct look look = {.sim = sim, .node = n};
	size_t records = 0;
	if (!n->up || sim->options.record_cache_bytes == 0)
		return;
	for (uint32_t core = 0; core < sim->options.core_count; core++)
		records += check_sums(&look, &n->cores[core].core->slots);
	store_mem_foreach(n->store, STORE_DATA, compare_row, &look);
	if (look.found != records)
		verdict_fail(&sim->verdict, "cache", UINT32_MAX,
			     "node %u has %zu records in memory, its disk has %zu of them", n->index, records,
			     look.found);
}
