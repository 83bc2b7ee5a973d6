/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/prediction.h"

#include <stdarg.h>

#include "replication/core.h"
#include "replication/driver.h"
#include "replication/tree.h"
#include "replication/voters.h"

/* What a move costs beside its bytes: two maps, opening, comparing. Judged, not measured. */
enum { MOVE_OVERHEAD_MS = 300 };

/** A plan being drawn up. */
struct draft_plan {
	struct map_draft draft; /* the map with all that is staged begun */
	node_id *rows;          /* planned */
	struct msg_plan *plan;
	struct plan_node *nodes;
	uint64_t partition_bytes; /* average of one replica; 0 not known */
	char text[MESSAGE_SIZE_MAX];
	size_t text_size;
};

static void PRINTF_LIKE(2, 3) mind(struct draft_plan *d, const char *format, ...)
{
	va_list args;
	size_t room = sizeof d->text - d->text_size;
	if (d->text_size > 0 && room > 3) {
		memcpy(d->text + d->text_size, "; ", 2);
		d->text_size += 2;
		room -= 2;
	}
	va_start(args, format);
	int size = vsnprintf(d->text + d->text_size, room, format, args);
	va_end(args);
	if (size > 0)
		d->text_size += MIN((size_t)size, room - 1);
}

static bool is_staged(const struct map_desc *map)
{
	for (uint32_t i = 0; i < map->node_count; i++) {
		const struct map_node *node = &map->nodes[i];
		if (map_node_is_staged(node))
			return true;
	}
	return false;
}

/** What this core holds of its own partitions, taken for all. */
static uint64_t average_bytes(const struct node_core *core)
{
	uint64_t sum = 0, count = 0;
	for (uint32_t p = 0; p < core->map->desc.partitions; p++) {
		uint64_t bytes;
		struct row row = cluster_map_row(core->map, (uint16_t)p);
		bool ours =
			p % core->config.shard_count == core->config.shard && row_position(&row, core->self) >= 0;
		if (!ours || !tree_totals(core, (uint16_t)p, NULL, &bytes, NULL))
			continue;
		sum += bytes;
		count++;
	}
	return count > 0 ? sum / count : 0;
}

static void count_moves(struct draft_plan *d)
{
	const struct map_desc *map = &d->draft.desc;
	for (uint32_t p = 0; p < map->partitions; p++) {
		const node_id *from = map->rows + (size_t)p * map->replicas,
			      *to = d->rows + (size_t)p * map->replicas;
		uint32_t joining = 0;
		for (uint32_t i = 0; i < map->replicas; i++) {
			d->nodes[from[i]].before++;
			d->nodes[to[i]].after++;
			if (!row_has(to, map->replicas, from[i])) {
				d->nodes[from[i]].moves_out++;
				d->nodes[from[i]].bytes_out += d->partition_bytes;
			}
			if (!row_has(from, map->replicas, to[i])) {
				d->nodes[to[i]].moves_in++;
				d->nodes[to[i]].bytes_in += d->partition_bytes;
				joining++;
			}
		}
		d->plan->moves += joining > 0;
		d->plan->bytes += joining * d->partition_bytes;
	}
}

/** The busiest node decides: so many partitions at a time, RATE bytes a second. */
static uint64_t estimate_ms(const struct draft_plan *d, uint64_t rate)
{
	uint64_t longest = 0;
	for (uint32_t i = 0; i < d->draft.desc.node_count; i++) {
		uint32_t most = MAX(d->nodes[i].moves_in, d->nodes[i].moves_out);
		uint64_t turns = (most + MOVES_IN_MAX - 1) / MOVES_IN_MAX;
		longest = MAX(longest, turns * MOVE_OVERHEAD_MS + d->nodes[i].bytes_in * 1000 / rate);
	}
	return longest;
}

/** An acknowledged strong write is on a majority of its replicas; those that are given up may have been among them. */
static uint32_t count_spare(const struct map_desc *map)
{
	uint32_t spare = map->replicas / 2;
	for (uint32_t p = 0; p < map->partitions; p++) {
		const node_id *row = map->rows + (size_t)p * map->replicas;
		uint32_t dead = 0;
		for (uint32_t i = 0; i < map->replicas; i++)
			dead += map->nodes[row[i]].state == NODE_REMOVED;
		spare = MIN(spare, map->replicas / 2 - MIN(dead, map->replicas / 2));
	}
	return spare;
}

static bool is_usable(const struct map_node *node)
{
	return node->state == NODE_NORMAL || node->state == NODE_JOINING;
}

/** Zones in use; the least and the greatest sum of weights in one. */
static uint32_t measure_zones(const struct map_desc *map, uint32_t *ret_least, uint32_t *ret_most)
{
	uint32_t zones = 0;
	*ret_least = UINT32_MAX;
	*ret_most = 0;
	for (uint32_t i = 0; i < map->node_count; i++) {
		uint32_t weight = 0;
		bool first = is_usable(&map->nodes[i]);
		for (uint32_t j = 0; j < map->node_count && first; j++) {
			bool same =
				is_usable(&map->nodes[j]) && slice_equal(map->nodes[i].zone, map->nodes[j].zone);
			first = !same || j >= i;
			weight += same ? MAX(map->nodes[j].weight, 1u) : 0;
		}
		if (!first)
			continue;
		zones++;
		*ret_least = MIN(*ret_least, weight);
		*ret_most = MAX(*ret_most, weight);
	}
	return zones;
}

static void mind_zones(struct draft_plan *d)
{
	uint32_t least, most, replicas = d->draft.desc.replicas;
	uint32_t zones = measure_zones(&d->draft.desc, &least, &most);
	if (zones > 1 && zones < replicas)
		mind(d, "%u zones for %u replicas: some zones hold more than one replica of a key", zones,
		     replicas);
	if (zones > 1 && zones <= replicas && most > least)
		mind(d,
		     "zones are uneven: each zone holds a replica of every key, so nodes of small zones hold more than their "
		     "share");
}

static void mind_nodes(struct draft_plan *d, const struct node_core *core)
{
	const struct map_desc *map = &d->draft.desc;
	uint32_t usable = 0;
	for (uint32_t i = 0; i < map->node_count; i++) {
		const struct map_node *node = &map->nodes[i];
		enum peer_state state = detector_state(core, node->index);
		bool here = state == PEER_UP || state == PEER_SELF;
		usable += is_usable(node);
		if (is_usable(node) && !here)
			mind(d, "node %.*s does not answer: what it is to take waits for it", (int)node->name.size,
			     (const char *)node->name.data);
		if (node->state == NODE_LEAVING && !here)
			mind(d, "node %.*s does not answer: it leaves only when it is back, or given up",
			     (int)node->name.size, (const char *)node->name.data);
	}
	if (usable == map->replicas)
		mind(d,
		     "as many nodes as replicas: every node holds every key, and none can take over for another");
	if (map->paused)
		mind(d, "moves are paused: nothing begins until 'kvctl cluster resume'");
}

/** 1 if the plan goes beyond what a node can keep up with in the balance of the table, in thousandths of the mean. */
static void mind_balance(struct draft_plan *d)
{
	const struct map_desc *map = &d->draft.desc;
	uint64_t weights = 0, cells = (uint64_t)map->partitions * map->replicas;
	for (uint32_t i = 0; i < map->node_count; i++)
		weights += is_usable(&map->nodes[i]) ? MAX(map->nodes[i].weight, 1u) : 0;
	uint64_t worst = 0;
	node_id fullest = NODE_NONE;
	for (uint32_t i = 0; i < map->node_count; i++) {
		if (!is_usable(&map->nodes[i]))
			continue;
		uint64_t share = cells * MAX(map->nodes[i].weight, 1u);
		uint64_t part = share > 0 ? (uint64_t)d->nodes[i].after * weights * 1000 / share : 0;
		if (part > worst) {
			worst = part;
			fullest = (node_id)i;
		}
	}
	if (worst > 1050)
		mind(d, "node %.*s will hold %llu.%02llu times its share", (int)map->nodes[fullest].name.size,
		     (const char *)map->nodes[fullest].name.data, (unsigned long long)worst / 1000,
		     (unsigned long long)worst % 1000 / 10);
}

static void draw_up(struct node_core *core, struct draft_plan *d)
{
	struct error err = {0};
	const struct map_desc *map = &d->draft.desc;
	(void)map_draft_commit(&d->draft);
	for (uint32_t i = 0; i < map->node_count; i++)
		d->nodes[i].index = (node_id)i;
	enum kv_status status = driver_plan(map, d->rows, &err);
	if (status != KV_OK) {
		d->plan->status = status;
		mind(d, "%s", err.message);
		return;
	}
	d->partition_bytes = average_bytes(core);
	count_moves(d);
	d->plan->duration_ms = estimate_ms(d, (uint64_t)MOVE_RATE_MAX * core->config.shard_count);
	d->plan->duration_busy_ms = estimate_ms(d, (uint64_t)MOVE_RATE_MIN * core->config.shard_count);
	d->plan->survives = count_spare(map);
	if (d->plan->survives == 0 && map->replicas > 1)
		mind(d,
		     "until the replicas of the nodes given up are made anew, the loss of another node may lose acknowledged "
		     "writes");
	mind_zones(d);
	mind_nodes(d, core);
	mind_balance(d);
}

void prediction_ask(struct node_core *core, uint64_t client, const struct msg *m)
{
	struct msg *reply = core_msg(core, OP_CLUSTER_PLAN, m->id, /* reply= */ true);
	struct msg_plan *plan = &reply->plan;
	if (!core->map) {
		plan->status = KV_NOT_READY;
		plan->message = slice_str("the node is not part of a cluster yet; run 'kvctl cluster init'");
		core_reply(core, client, reply);
		return;
	}
	struct draft_plan *d = actions_alloc(core->out, sizeof *d);
	memset(d, 0, sizeof *d);
	const struct map_desc *map = &core->map->desc;
	map_draft_init(&d->draft, map);
	d->plan = plan;
	d->rows = actions_alloc(core->out, (size_t)map->partitions * map->replicas * sizeof *d->rows);
	d->nodes = actions_alloc(core->out, map->node_count * sizeof *d->nodes);
	memset(d->nodes, 0, map->node_count * sizeof *d->nodes);
	plan->epoch = map->epoch;
	plan->staged = is_staged(map);
	draw_up(core, d);
	plan->node_count = map->node_count;
	plan->nodes = d->nodes;
	plan->message = slice_of(d->text, d->text_size);
	map_draft_release(&d->draft);
	core_reply(core, client, reply);
}
