/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/placement.h"

/** Working state; loads and wishes are scaled by SCALE to stay in integers. */
struct plan {
	const struct placement_input *in;
	node_id *rows;
	uint32_t usable;
	const struct map_node *nodes[NODES_MAX]; /* usable ones, by index */
	int64_t want[NODES_MAX];
	int64_t load[NODES_MAX];
	uint32_t zones; /* distinct ones among usable nodes */
	bool spread;    /* zones are a rule, not a wish */
};

enum { SCALE = 1024 };

static bool is_usable(const struct map_node *node)
{
	return node->state == NODE_NORMAL || node->state == NODE_JOINING;
}

static const struct map_node *plan_node(const struct plan *p, node_id index)
{
	for (uint32_t i = 0; i < p->usable; i++) {
		if (p->nodes[i]->index == index)
			return p->nodes[i];
	}
	return NULL;
}

static uint32_t plan_position(const struct plan *p, node_id index)
{
	for (uint32_t i = 0; i < p->usable; i++) {
		if (p->nodes[i]->index == index)
			return i;
	}
	KV_UNREACHABLE("rows name usable nodes only");
}

static void sort_by_index(struct plan *p)
{
	for (uint32_t i = 1; i < p->usable; i++) {
		for (uint32_t j = i; j > 0 && p->nodes[j - 1]->index > p->nodes[j]->index; j--) {
			const struct map_node *swap = p->nodes[j];
			p->nodes[j] = p->nodes[j - 1];
			p->nodes[j - 1] = swap;
		}
	}
}

static void count_zones(struct plan *p)
{
	for (uint32_t i = 0; i < p->usable; i++) {
		bool seen = false;
		for (uint32_t j = 0; j < i; j++)
			seen |= slice_equal(p->nodes[i]->zone, p->nodes[j]->zone);
		p->zones += !seen;
	}
	p->spread = p->zones >= p->in->replicas;
}

static void share_by_weight(struct plan *p)
{
	uint64_t total = 0;
	for (uint32_t i = 0; i < p->usable; i++)
		total += MAX(p->nodes[i]->weight, 1u);
	for (uint32_t i = 0; i < p->usable; i++) {
		uint64_t cells = (uint64_t)p->in->partitions * p->in->replicas * SCALE;
		p->want[i] = (int64_t)(cells * MAX(p->nodes[i]->weight, 1u) / total);
	}
}

static node_id *plan_row(const struct plan *p, uint32_t partition)
{
	return p->rows + (size_t)partition * p->in->replicas;
}

/** How many of the row's first COUNT nodes, without the one at SKIP, are NODE or share its zone. */
static bool row_conflicts(const struct plan *p, const node_id *row, uint32_t count, uint32_t skip,
			  const struct map_node *node, bool zones_too)
{
	for (uint32_t i = 0; i < count; i++) {
		if (i == skip || row[i] == NODE_NONE)
			continue;
		if (row[i] == node->index)
			return true;
		const struct map_node *other = plan_node(p, row[i]);
		if (zones_too && other && slice_equal(other->zone, node->zone))
			return true;
	}
	return false;
}

/** The least loaded node that fits the row; zones are given up only when no node fits otherwise. */
static uint32_t choose_node(const struct plan *p, const node_id *row, bool zones_too)
{
	uint32_t best = p->usable;
	for (uint32_t i = 0; i < p->usable; i++) {
		if (row_conflicts(p, row, p->in->replicas, p->in->replicas, p->nodes[i], zones_too))
			continue;
		if (best == p->usable || p->load[i] - p->want[i] < p->load[best] - p->want[best])
			best = i;
	}
	return best;
}

static void keep_old_rows(struct plan *p)
{
	for (uint32_t partition = 0; partition < p->in->partitions; partition++) {
		node_id *row = plan_row(p, partition);
		for (uint32_t i = 0; i < p->in->replicas; i++) {
			node_id old =
				p->in->rows ? p->in->rows[(size_t)partition * p->in->replicas + i] : NODE_NONE;
			row[i] = old != NODE_NONE && plan_node(p, old) ? old : NODE_NONE;
			if (row[i] != NODE_NONE)
				p->load[plan_position(p, row[i])] += SCALE;
		}
	}
}

static void fill_row(struct plan *p, node_id *row)
{
	for (uint32_t i = 0; i < p->in->replicas; i++) {
		if (row[i] != NODE_NONE)
			continue;
		uint32_t chosen = choose_node(p, row, /* zones_too= */ true);
		if (chosen == p->usable)
			chosen = choose_node(p, row, /* zones_too= */ false);
		KV_ASSERT(chosen < p->usable);
		row[i] = p->nodes[chosen]->index;
		p->load[chosen] += SCALE;
	}
}

/** Moves one cell from node FROM to node TO where the row allows it. */
static bool move_one(struct plan *p, uint32_t from, uint32_t to)
{
	for (uint32_t partition = 0; partition < p->in->partitions; partition++) {
		node_id *row = plan_row(p, partition);
		for (uint32_t i = 0; i < p->in->replicas; i++) {
			if (row[i] != p->nodes[from]->index ||
			    row_conflicts(p, row, p->in->replicas, i, p->nodes[to], p->spread))
				continue;
			row[i] = p->nodes[to]->index;
			p->load[from] -= SCALE;
			p->load[to] += SCALE;
			return true;
		}
	}
	return false;
}

/** One improving move between the most and the least loaded pair that has one; false when balanced. */
static bool balance_step(struct plan *p)
{
	int64_t best_gap = SCALE; /* moving pays only if it narrows the gap */
	uint32_t best_from = p->usable, best_to = p->usable;
	for (uint32_t from = 0; from < p->usable; from++) {
		for (uint32_t to = 0; to < p->usable; to++) {
			int64_t gap = (p->load[from] - p->want[from]) - (p->load[to] - p->want[to]);
			if (gap > best_gap) {
				best_gap = gap;
				best_from = from;
				best_to = to;
			}
		}
	}
	return best_from < p->usable && move_one(p, best_from, best_to);
}

/** Rotates rows so that each node comes first about equally often: firsts coordinate. */
static void spread_firsts(struct plan *p)
{
	uint32_t firsts[NODES_MAX] = {0};
	for (uint32_t partition = 0; partition < p->in->partitions; partition++) {
		node_id *row = plan_row(p, partition);
		uint32_t best = 0;
		for (uint32_t i = 1; i < p->in->replicas; i++) {
			if (firsts[plan_position(p, row[i])] < firsts[plan_position(p, row[best])])
				best = i;
		}
		node_id first = row[best];
		row[best] = row[0];
		row[0] = first;
		firsts[plan_position(p, first)]++;
	}
}

static enum kv_status plan_check(struct plan *p, struct error *err)
{
	const struct placement_input *in = p->in;
	if (in->partitions < PARTITIONS_MIN || in->partitions > PARTITIONS_MAX ||
	    (in->partitions & (in->partitions - 1)))
		return error_set(err, KV_INVALID, "partitions is %u: must be a power of two from %u to %u",
				 in->partitions, PARTITIONS_MIN, PARTITIONS_MAX);
	if (in->replicas < 1 || in->replicas > REPLICAS_MAX || in->replicas % 2 == 0)
		return error_set(err, KV_INVALID, "replicas is %u: must be odd and at most %u", in->replicas,
				 REPLICAS_MAX);
	for (uint32_t i = 0; i < in->node_count && p->usable < NODES_MAX; i++) {
		if (is_usable(&in->nodes[i]))
			p->nodes[p->usable++] = &in->nodes[i];
	}
	if (p->usable < in->replicas)
		return error_set(err, KV_INVALID,
				 "%u nodes cannot hold %u replicas of each key: add nodes or ask for fewer",
				 p->usable, in->replicas);
	return KV_OK;
}

enum kv_status placement_plan(const struct placement_input *in, node_id *ret_rows, struct error *err)
{
	KV_ASSERT(in && ret_rows);
	struct plan p = {.in = in, .rows = ret_rows};
	enum kv_status status = plan_check(&p, err);
	if (status != KV_OK)
		return status;
	sort_by_index(&p);
	count_zones(&p);
	share_by_weight(&p);
	keep_old_rows(&p);
	for (uint32_t partition = 0; partition < in->partitions; partition++)
		fill_row(&p, plan_row(&p, partition));
	/* Each step narrows a gap, so this ends; the bound is far above what any table needs. */
	for (uint32_t steps = 0; steps < in->partitions * in->replicas * 2 && balance_step(&p); steps++)
		;
	spread_firsts(&p);
	return KV_OK;
}
