/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/placement.h"

/** Working state; loads and wishes are scaled by SCALE to stay in integers. */
struct plan {
	const struct placement_input *in;
	node_id *rows;
	uint32_t usable;
	const struct map_node *nodes[NODES_MAX]; /* usable ones, by index */
	int16_t position[NODES_MAX];             /* in nodes; -1: not usable */
	uint8_t zone[NODES_MAX];                 /* by position: number of its zone */
	int64_t want[NODES_MAX];
	int64_t load[NODES_MAX];
	uint32_t start[NODES_MAX]; /* by position: where the search for a cell to give away begins */
	uint32_t zones;            /* distinct ones among usable nodes */
	bool spread;               /* zones are a rule, not a wish: no balance is worth a row in fewer of them */
};

enum { SCALE = 1024 };

static bool is_usable(const struct map_node *node)
{
	return node->state == NODE_NORMAL || node->state == NODE_JOINING;
}

static bool is_here(const struct plan *p, node_id index) { return index < NODES_MAX && p->position[index] >= 0; }

static uint32_t plan_position(const struct plan *p, node_id index)
{
	KV_ASSERT(is_here(p, index));
	return (uint32_t)p->position[index];
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
	for (uint32_t i = 0; i < NODES_MAX; i++)
		p->position[i] = -1;
	for (uint32_t i = 0; i < p->usable; i++)
		p->position[p->nodes[i]->index] = (int16_t)i;
}

static void count_zones(struct plan *p)
{
	for (uint32_t i = 0; i < p->usable; i++) {
		uint32_t j = 0;
		while (!slice_equal(p->nodes[i]->zone, p->nodes[j]->zone))
			j++;
		p->zone[i] = j == i ? (uint8_t)p->zones++ : p->zone[j];
	}
	p->spread = p->zones > 1;
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

static int64_t excess(const struct plan *p, uint32_t at) { return p->load[at] - p->want[at]; }

/** How many nodes of ROW, without the one at SKIP, are in ZONE. */
static uint32_t zone_mates(const struct plan *p, const node_id *row, uint32_t skip, uint32_t zone)
{
	uint32_t mates = 0;
	for (uint32_t i = 0; i < p->in->replicas; i++)
		mates += i != skip && row[i] != NODE_NONE && p->zone[plan_position(p, row[i])] == zone;
	return mates;
}

static bool row_names(const struct plan *p, const node_id *row, node_id node)
{
	for (uint32_t i = 0; i < p->in->replicas; i++) {
		if (row[i] == node)
			return true;
	}
	return false;
}

/** The node to take place SKIP of the row: where the fewest others are in its zone, and of those the least loaded. */
static uint32_t choose_node(const struct plan *p, const node_id *row, uint32_t skip)
{
	uint32_t best = p->usable, best_mates = 0;
	for (uint32_t i = 0; i < p->usable; i++) {
		if (row_names(p, row, p->nodes[i]->index))
			continue;
		uint32_t mates = zone_mates(p, row, skip, p->zone[i]);
		if (best == p->usable || mates < best_mates ||
		    (mates == best_mates && excess(p, i) < excess(p, best))) {
			best = i;
			best_mates = mates;
		}
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
			row[i] = is_here(p, old) ? old : NODE_NONE;
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
		uint32_t chosen = choose_node(p, row, i);
		KV_ASSERT(chosen < p->usable);
		row[i] = p->nodes[chosen]->index;
		p->load[chosen] += SCALE;
	}
}

static void give_cell(struct plan *p, node_id *row, uint32_t at, uint32_t to)
{
	p->load[plan_position(p, row[at])] -= SCALE;
	p->load[to] += SCALE;
	row[at] = p->nodes[to]->index;
}

/** A row may hold two nodes of a zone from the time when there were fewer zones. */
static void part_zone_mates(struct plan *p, node_id *row)
{
	for (uint32_t i = 0; p->spread && i < p->in->replicas; i++) {
		uint32_t zone = p->zone[plan_position(p, row[i])];
		if (zone_mates(p, row, i, zone) == 0)
			continue;
		uint32_t to = choose_node(p, row, i);
		if (to < p->usable && zone_mates(p, row, i, p->zone[to]) == 0)
			give_cell(p, row, i, to);
	}
}

/** Place in the row that node FROM may leave to node TO; replicas if none. */
static uint32_t find_cell(const struct plan *p, const node_id *row, uint32_t from, uint32_t to, bool zones_too)
{
	if (row_names(p, row, p->nodes[to]->index))
		return p->in->replicas;
	uint32_t at = 0;
	while (at < p->in->replicas && row[at] != p->nodes[from]->index)
		at++;
	if (at == p->in->replicas || !zones_too)
		return at;
	bool closer = zone_mates(p, row, at, p->zone[to]) > zone_mates(p, row, at, p->zone[from]);
	return closer ? p->in->replicas : at;
}

/** The first partition, from where the last search ended, that may go from FROM to TO; UINT32_MAX if there is none. */
static uint32_t find_partition(const struct plan *p, uint32_t from, uint32_t to, bool zones_too)
{
	for (uint32_t i = 0; i < p->in->partitions; i++) {
		uint32_t partition = (p->start[from] + i) & (p->in->partitions - 1);
		if (find_cell(p, plan_row(p, partition), from, to, zones_too) < p->in->replicas)
			return partition;
	}
	return UINT32_MAX;
}

static bool move_one(struct plan *p, uint32_t from, uint32_t to)
{
	uint32_t partition = find_partition(p, from, to, /* zones_too= */ true);
	bool zones_too = partition != UINT32_MAX || p->spread;
	if (!zones_too)
		partition = find_partition(p, from, to, zones_too);
	if (partition == UINT32_MAX)
		return false;
	node_id *row = plan_row(p, partition);
	give_cell(p, row, find_cell(p, row, from, to, zones_too), to);
	p->start[from] = partition + 1;
	return true;
}

/** From which node to which some partition may go. */
struct roads {
	bool open[NODES_MAX][NODES_MAX];
};

static void find_roads(const struct plan *p, struct roads *r)
{
	memset(r, 0, sizeof *r);
	for (uint32_t partition = 0; partition < p->in->partitions; partition++) {
		const node_id *row = plan_row(p, partition);
		for (uint32_t i = 0; i < p->in->replicas; i++) {
			uint32_t from = plan_position(p, row[i]);
			uint32_t mates = zone_mates(p, row, i, p->zone[from]);
			for (uint32_t to = 0; to < p->usable; to++) {
				bool parted = !p->spread || zone_mates(p, row, i, p->zone[to]) <= mates;
				r->open[from][to] |= parted && !row_names(p, row, p->nodes[to]->index);
			}
		}
	}
}

/** Fills BEFORE with the last stop on the shortest way from FROM to each node that can be reached; itself if it cannot. */
static void find_ways(const struct plan *p, const struct roads *r, uint32_t from, uint32_t before[NODES_MAX])
{
	uint32_t queue[NODES_MAX], head = 0, tail = 0;
	for (uint32_t i = 0; i < p->usable; i++)
		before[i] = i;
	queue[tail++] = from;
	while (head < tail) {
		uint32_t at = queue[head++];
		for (uint32_t i = 0; i < p->usable; i++) {
			if (i == from || before[i] != i || !r->open[at][i])
				continue;
			before[i] = at;
			queue[tail++] = i;
		}
	}
}

/** The node with the most above its share that is not DONE yet; usable if there is none. */
static uint32_t fullest(const struct plan *p, const bool *done)
{
	uint32_t best = p->usable;
	for (uint32_t i = 0; i < p->usable; i++) {
		if (!(done && done[i]) && (best == p->usable || excess(p, i) > excess(p, best)))
			best = i;
	}
	return best;
}

static uint32_t emptiest(const struct plan *p)
{
	uint32_t best = 0;
	for (uint32_t i = 1; i < p->usable; i++) {
		if (excess(p, i) < excess(p, best))
			best = i;
	}
	return best;
}

/** True if each step of the way to TO is still open. */
static bool way_is_open(const struct plan *p, const uint32_t *before, uint32_t from, uint32_t to)
{
	for (uint32_t at = to; at != from; at = before[at]) {
		if (find_partition(p, before[at], at, p->spread) == UINT32_MAX)
			return false;
	}
	return true;
}

/** The emptiest node that can be reached from FROM, if that pays; usable if there is none. */
static uint32_t way_end(const struct plan *p, const uint32_t *before, uint32_t from)
{
	uint32_t to = p->usable;
	for (uint32_t i = 0; i < p->usable; i++) {
		bool pays = before[i] != i && excess(p, from) - excess(p, i) > SCALE;
		if (pays && (to == p->usable || excess(p, i) < excess(p, to)))
			to = i;
	}
	return to;
}

/**
 * One cell less at a node that has too many and one more at one that has too few, with others between that pass one on. The roads may
 * be those of some cells ago.
 */
static bool balance_by_way(struct plan *p, const struct roads *r)
{
	bool done[NODES_MAX] = {false};
	uint32_t before[NODES_MAX];
	for (uint32_t from = fullest(p, done); from < p->usable; from = fullest(p, done)) {
		done[from] = true;
		find_ways(p, r, from, before);
		uint32_t to = way_end(p, before, from);
		if (to == p->usable || !way_is_open(p, before, from, to))
			continue;
		for (uint32_t at = to; at != from; at = before[at]) {
			if (!move_one(p, before[at], at))
				return false; /* the cell before took the way's partition */
		}
		return true;
	}
	return false;
}

/** Moves one cell towards balance; false when nothing narrows a gap any more. */
static bool balance_step(struct plan *p, struct roads *r)
{
	uint32_t from = fullest(p, NULL), to = emptiest(p);
	if (excess(p, from) - excess(p, to) <= SCALE)
		return false;
	if (move_one(p, from, to) || balance_by_way(p, r))
		return true;
	find_roads(p, r);
	return balance_by_way(p, r);
}

static bool row_is_kept(const struct plan *p, uint32_t partition)
{
	if (!p->in->rows)
		return false;
	size_t at = (size_t)partition * p->in->replicas;
	for (uint32_t i = 0; i < p->in->replicas; i++) {
		if (!row_names(p, plan_row(p, partition), p->in->rows[at + i]))
			return false;
	}
	return true;
}

/**
 * Turns new rows so that each node comes first about equally often: firsts are preferred coordinators. A row whose nodes stay
 * keeps its order too.
 */
static void spread_firsts(struct plan *p)
{
	uint32_t firsts[NODES_MAX] = {0};
	for (uint32_t partition = 0; partition < p->in->partitions; partition++) {
		node_id *row = plan_row(p, partition);
		if (row_is_kept(p, partition)) {
			memcpy(row, p->in->rows + (size_t)partition * p->in->replicas,
			       p->in->replicas * sizeof row[0]);
			firsts[plan_position(p, row[0])]++;
		}
	}
	for (uint32_t partition = 0; partition < p->in->partitions; partition++) {
		node_id *row = plan_row(p, partition);
		if (row_is_kept(p, partition))
			continue;
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
	for (uint32_t partition = 0; partition < in->partitions; partition++)
		part_zone_mates(&p, plan_row(&p, partition));
	/* Each step narrows a gap, so this ends; the bound is far above what any table needs. */
	struct roads *roads = xcalloc(1, sizeof *roads);
	for (uint32_t steps = 0; steps < in->partitions * in->replicas * 2 && balance_step(&p, roads); steps++)
		;
	free(roads);
	spread_firsts(&p);
	return KV_OK;
}
