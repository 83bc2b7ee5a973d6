/* SPDX-License-Identifier: Apache-2.0 */
#include "server/verdict.h"

static bool is_member(const struct map_node *node)
{
	return node->state != NODE_REMOVED && node->state != NODE_STAGED;
}

static const struct map_move *move_of(const struct map_desc *map, uint32_t partition)
{
	for (uint32_t i = 0; i < map->move_count; i++) {
		if (map->moves[i].partition == partition)
			return &map->moves[i];
	}
	return NULL;
}

/** How many nodes of a row serve strong requests beyond its majority; negative: so many are missing. */
static int spare(const node_id *row, uint32_t count, const struct verdict_node *nodes, uint32_t *ret_up)
{
	uint32_t up = 0, voting = 0;
	for (uint32_t i = 0; i < count; i++) {
		up += nodes[row[i]].serves;
		voting += nodes[row[i]].serves && !nodes[row[i]].clock_wrong;
	}
	*ret_up = up;
	return (int)voting - (int)(count / 2 + 1);
}

static void judge_partition(const struct map_desc *map, uint32_t partition, const struct verdict_node *nodes,
			    struct verdict *v)
{
	uint32_t up, up_next = 0;
	const node_id *row = &map->rows[(size_t)partition * map->replicas];
	int more = spare(row, map->replicas, nodes, &up);
	v->under_replicated += up < map->replicas;
	/* While it moves, both the old and the new members have to agree. */
	const struct map_move *move = map->move_count > 0 ? move_of(map, partition) : NULL;
	if (move)
		more = MIN(more, spare(move->new_row, move->new_count, nodes, &up_next));
	v->without_quorum += more < 0;
	v->unreachable += up == 0 && up_next == 0;
	v->losable = MIN(v->losable, (uint32_t)MAX(more, 0));
}

void verdict_judge(const struct map_desc *map, const struct verdict_node *nodes, struct verdict *ret)
{
	*ret = (struct verdict){.state = VERDICT_NO_CLUSTER};
	if (!map)
		return;
	bool quiet = true;
	ret->partitions = map->partitions;
	ret->moving = map->move_count;
	ret->losable = UINT32_MAX;
	for (uint32_t i = 0; i < map->node_count; i++) {
		if (!is_member(&map->nodes[i]))
			continue;
		ret->members++;
		ret->members_up += nodes[i].serves;
		ret->hints_pending += nodes[i].hints_pending;
		ret->partitions_dirty += nodes[i].partitions_dirty;
		quiet = quiet && nodes[i].serves && !nodes[i].clock_wrong && nodes[i].hints_pending == 0 &&
			nodes[i].partitions_dirty == 0;
	}
	for (uint32_t p = 0; p < map->partitions; p++)
		judge_partition(map, p, nodes, ret);
	ret->state = ret->without_quorum > 0 ? VERDICT_QUORUM_LOST : quiet ? VERDICT_HEALTHY : VERDICT_DEGRADED;
}

const char *verdict_state_name(enum verdict_state state)
{
	static const char *const names[] = {[VERDICT_HEALTHY] = "healthy",
					    [VERDICT_DEGRADED] = "degraded",
					    [VERDICT_QUORUM_LOST] = "quorum_lost",
					    [VERDICT_NO_CLUSTER] = "no_cluster"};
	return names[state];
}

static bool is_down(const struct verdict_node *n) { return !n->serves; }
static bool is_slow(const struct verdict_node *n) { return n->serves && n->degraded; }
static bool has_wrong_clock(const struct verdict_node *n) { return n->serves && n->clock_wrong; }
static bool is_cut_off(const struct verdict_node *n) { return n->link_bad; }
static bool is_behind(const struct verdict_node *n)
{
	return n->serves && (n->hints_pending > 0 || n->partitions_dirty > 0);
}

/** "; n2 and n3 are down", for the members that PICK holds for. */
static void append_names(const struct map_desc *map, const struct verdict_node *nodes,
			 bool (*pick)(const struct verdict_node *), const char *one, const char *many,
			 struct buf *out)
{
	uint32_t count = 0, told = 0;
	for (uint32_t i = 0; i < map->node_count; i++)
		count += is_member(&map->nodes[i]) && pick(&nodes[i]);
	for (uint32_t i = 0; i < map->node_count; i++) {
		if (!is_member(&map->nodes[i]) || !pick(&nodes[i]))
			continue;
		buf_append_str(out, told == 0 ? "; " : told + 1 == count ? " and " : ", ");
		buf_append_slice(out, map->nodes[i].name);
		told++;
	}
	if (count > 0)
		buf_printf(out, " %s", count == 1 ? one : many);
}

static const char *plural(uint64_t count) { return count == 1 ? "" : "s"; }

static void append_copies(const struct verdict *v, uint32_t replicas, struct buf *out)
{
	if (v->without_quorum > 0)
		buf_printf(out, "; strong requests are refused for keys in %u of %u partitions", v->without_quorum,
			   v->partitions);
	if (v->unreachable > 0)
		buf_printf(out, "; keys in %u partition%s cannot be reached at all", v->unreachable,
			   plural(v->unreachable));
	if (v->under_replicated == 0)
		buf_printf(out, "; every key has its %u replica%s", replicas, plural(replicas));
	else if (v->without_quorum == 0)
		buf_printf(out, "; keys in %u of %u partitions have fewer than %u replicas up", v->under_replicated,
			   v->partitions, replicas);
}

void verdict_words(const struct verdict *v, const struct map_desc *map, const struct verdict_node *nodes,
		   struct buf *out)
{
	if (!map) {
		buf_append_str(out, "in no cluster yet");
		return;
	}
	buf_printf(out, "%u of %u nodes up", v->members_up, v->members);
	append_names(map, nodes, is_down, "is down", "are down", out);
	append_names(map, nodes, is_slow, "has a slow disk", "have slow disks", out);
	append_names(map, nodes, is_cut_off, "is alive and does not answer this node",
		     "are alive and do not answer this node", out);
	append_names(map, nodes, has_wrong_clock, "has a wrong clock and takes no part in strong requests",
		     "have wrong clocks and take no part in strong requests", out);
	append_copies(v, map->replicas, out);
	append_names(map, nodes, is_behind, "is being told what it missed", "are being told what they missed", out);
	if (v->hints_pending > 0)
		buf_printf(out, "; %llu change%s here for delivery", (unsigned long long)v->hints_pending,
			   v->hints_pending == 1 ? " waits" : "s wait");
	if (v->moving > 0)
		buf_printf(out, "; %u partition%s moving", v->moving, v->moving == 1 ? " is" : "s are");
	if (v->losable > 0)
		buf_printf(out, "; any %u node%s can be lost", v->losable, plural(v->losable));
	else if (v->without_quorum == 0)
		buf_append_str(out, "; no further node can be lost");
}
