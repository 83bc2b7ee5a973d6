/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/faults_inside.h"

static void links_cut(struct sim *sim, uint64_t from_mask, uint64_t to_mask, bool cut)
{
	trace_add(&sim->trace, sim->now_us, cut ? TRACE_cut : TRACE_join, from_mask, to_mask, 0, 0);
	for (uint32_t from = 0; from < sim->net.ends; from++)
		for (uint32_t to = 0; to < sim->net.ends; to++)
			if (from != to && from_mask >> from & 1 && to_mask >> to & 1)
				net_cut(&sim->net, from, to, cut);
}

static void cut_starts(struct sim *sim, struct sim_event *event)
{
	if (!sim->healed)
		links_cut(sim, event->a, event->b, true);
}

static void cut_ends(struct sim *sim, struct sim_event *event)
{
	if (!sim->healed)
		links_cut(sim, event->a, event->b, false);
}

static void cut_between(struct sim *sim, uint64_t from_mask, uint64_t to_mask, usec_t begin_us, usec_t end_us)
{
	struct sim_event *begin = fault_after(sim, cut_starts, begin_us);
	struct sim_event *end = fault_after(sim, cut_ends, end_us);
	begin->a = end->a = from_mask;
	begin->b = end->b = to_mask;
}

/* Both sides see one node, and not each other. */
static void cut_bridge(struct sim *sim, uint64_t all, usec_t us)
{
	uint64_t rest = all & ~(UINT64_C(1) << rng_below(&sim->fault_rng, sim->options.node_count));
	uint64_t group = rest & rng_next(&sim->fault_rng);
	cut_between(sim, group, rest & ~group, 0, us);
	cut_between(sim, rest & ~group, group, 0, us);
	sim->cover.bridges++;
}

/* Any group against the rest, one way or both; a group of one or one link are the common cases. */
static void cut_group(struct sim *sim, uint64_t all, usec_t us)
{
	struct rng *rng = &sim->fault_rng;
	uint64_t group = UINT64_C(1) << rng_below(rng, sim->options.node_count);
	if (rng_chance(rng, 400000))
		group = rng_between(rng, 1, all - 1);
	uint64_t rest = all & ~group;
	if (rng_chance(rng, 300000))
		rest = UINT64_C(1) << rng_below(rng, sim->options.node_count);
	uint64_t ways = rng_between(rng, 1, 3); /* out, in, or both; both is twice as likely below */
	if (rng_chance(rng, 400000))
		ways = 3;
	if (ways & 1)
		cut_between(sim, group, rest, 0, us);
	if (ways & 2)
		cut_between(sim, rest, group, 0, us);
	sim->cover.cuts++;
}

static void cut_begins(struct sim *sim, struct sim_event *event)
{
	const struct sim_options *o = &sim->options;
	if (sim->healed)
		return;
	uint64_t all = (UINT64_C(1) << (o->cut_clients ? sim->net.ends : o->node_count)) - 1;
	usec_t us = rng_between(&sim->fault_rng, 10 * USEC_PER_MSEC, o->cut_max_us);
	if (rng_chance(&sim->fault_rng, 200000))
		cut_bridge(sim, all, us);
	else
		cut_group(sim, all, us);
	fault_repeat(sim, cut_begins, o->cut_every_us);
}

/* Some nodes are cut off one after the other and come back one after the other, in another order. */
static void swizzle_begins(struct sim *sim, struct sim_event *event)
{
	const struct sim_options *o = &sim->options;
	if (sim->healed)
		return;
	uint64_t all = (UINT64_C(1) << o->node_count) - 1;
	uint64_t chosen = all & rng_next(&sim->fault_rng);
	usec_t span_us = rng_between(&sim->fault_rng, 50, 1500) * USEC_PER_MSEC;
	for (uint32_t i = 0; i < o->node_count; i++) {
		if (!(chosen >> i & 1))
			continue;
		usec_t begin_us = rng_below(&sim->fault_rng, span_us);
		usec_t end_us = rng_between(&sim->fault_rng, span_us, 2 * span_us);
		cut_between(sim, UINT64_C(1) << i, all & ~(UINT64_C(1) << i), begin_us, end_us);
		cut_between(sim, all & ~(UINT64_C(1) << i), UINT64_C(1) << i, begin_us, end_us);
	}
	sim->cover.swizzles++;
	fault_repeat(sim, swizzle_begins, o->swizzle_every_us);
}

static void slow_ends(struct sim *sim, struct sim_event *event) { sim->net.links[event->a][event->b].slowness = 1; }

static void slow_begins(struct sim *sim, struct sim_event *event)
{
	struct rng *rng = &sim->fault_rng;
	if (sim->healed)
		return;
	uint64_t from = rng_below(rng, sim->net.ends), to = rng_below(rng, sim->net.ends);
	sim->net.links[from][to].slowness = (uint32_t)rng_between(rng, 5, 300);
	struct sim_event *end = fault_after(sim, slow_ends, rng_between(rng, 1, 5) * USEC_PER_SEC);
	end->a = from;
	end->b = to;
	sim->cover.slow_links++;
	fault_repeat(sim, slow_begins, sim->options.slow_every_us);
}

void faults_net_start(struct sim *sim)
{
	fault_repeat(sim, cut_begins, sim->options.cut_every_us);
	fault_repeat(sim, swizzle_begins, sim->options.swizzle_every_us);
	fault_repeat(sim, slow_begins, sim->options.slow_every_us);
}
