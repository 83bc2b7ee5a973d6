/* SPDX-License-Identifier: Apache-2.0 */
/* What this node hears of the others, as base/cluster_health.h wants to know it. */
#include "server/status.h"

#include "base/skew.h"

_Static_assert(sizeof(node_id) == sizeof(uint16_t), "rows of the map are rows of health");

/** Clocks as far as heartbeats tell: a hybrid clock may run ahead of the node's own by the drift it allows, hence twice that. */
static void compare_clocks(struct status *s)
{
	int64_t clocks[NODES_MAX];
	size_t count = 0;
	for (uint32_t i = 0; i < s->core.peer_count; i++) {
		const struct node_health *node = &s->nodes[s->core.peers[i].index];
		if (node->answers && node->ready)
			clocks[count++] = s->core.peer_ahead_ms[i];
	}
	if (count < 2)
		return;
	int64_t agreed_ms = skew_agreed(clocks, count, 2 * MAX_DRIFT_MS, /* preferred_ms: this node's */ 0);
	for (uint32_t i = 0; i < s->core.peer_count; i++)
		s->nodes[s->core.peers[i].index].clock_wrong =
			llabs(s->core.peer_ahead_ms[i] - agreed_ms) > 2 * MAX_DRIFT_MS;
}

static void fill_nodes(struct status *s)
{
	memset(s->nodes, 0, sizeof s->nodes);
	for (uint32_t i = 0; i < s->core.peer_count; i++) {
		const struct status_peer *peer = &s->core.peers[i];
		bool myself = peer->state == STATUS_PEER_MYSELF;
		/* Who is silent for a moment only is not down, nor is one of whom others hear. */
		bool silent = peer->state == STATUS_PEER_DOWN;
		s->nodes[peer->index] = (struct node_health){
			.answers = !silent || peer->link_bad,
			.ready = myself ? s->ready : true,
			.hints_pending = peer->hints_pending,
			.partitions_dirty = peer->partitions_dirty,
			.seen_down_by = silent && peer->link_bad,
			.unreached_by = peer->link_bad,
			.disk_slow = peer->degraded,
			.disk_low = peer->disk_low,
		};
	}
	for (uint32_t i = 0; s->map && i < s->map->node_count; i++) {
		enum node_state state = s->map->nodes[i].state;
		s->nodes[i].name = s->map->nodes[i].name;
		s->nodes[i].member = state != NODE_REMOVED && state != NODE_STAGED;
	}
	if (s->index != NODE_NONE)
		s->nodes[s->index].insecure = s->numbers.insecure != 0;
	compare_clocks(s);
}

static const struct map_move *move_of(const struct map_desc *map, uint32_t partition)
{
	for (uint32_t i = 0; i < map->move_count; i++) {
		if (map->moves[i].partition == partition)
			return &map->moves[i];
	}
	return NULL;
}

static void add_partition(struct cluster_health *h, const struct map_desc *map, uint32_t partition)
{
	const struct map_move *move = move_of(map, partition);
	struct health_row row = {.nodes = &map->rows[(size_t)partition * map->replicas], .count = map->replicas};
	struct health_row next = {0};
	if (move)
		next = (struct health_row){.nodes = move->new_row, .count = move->new_count};
	cluster_health_add_partition(h, row, next);
}

void status_judge(struct status *s)
{
	const struct map_desc *map = s->map;
	struct cluster_health *h = &s->health;
	fill_nodes(s);
	cluster_health_init(h, s->nodes, map ? map->node_count : 0, map ? map->replicas : 0);
	if (map) {
		h->moving = map->move_count;
		h->waiting = s->moves.waiting;
		h->paused = s->moves.paused;
		for (uint32_t i = 0; i < map->partitions; i++)
			add_partition(h, map, i);
	}
	cluster_health_judge(h);
}
