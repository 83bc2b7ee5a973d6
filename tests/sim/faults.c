/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/faults.h"

#include "tests/sim/sim.h"

typedef void (*fault_fn)(struct sim *sim, struct sim_event *event);

static struct sim_event *fault_after(struct sim *sim, fault_fn fn, usec_t delay_us)
{
	struct sim_event *event = sim_event_new(SIM_FAULT);
	event->fault = fn;
	sim_at(sim, event, sim->now_us + delay_us);
	return event;
}

/* The next fault of a kind that comes every EVERY_US on average; 0 is never. */
static void fault_repeat(struct sim *sim, fault_fn fn, usec_t every_us)
{
	if (every_us && !sim->healed)
		fault_after(sim, fn, rng_between(&sim->rng, 0, 2 * every_us));
}

static struct sim_node *pick_node(struct sim *sim)
{
	return &sim->nodes[rng_below(&sim->rng, sim->options.node_count)];
}

/* --- network --- */

static void links_cut(struct sim *sim, uint64_t from_mask, uint64_t to_mask, bool cut)
{
	for (uint32_t from = 0; from < sim->net.ends; from++)
		for (uint32_t to = 0; to < sim->net.ends; to++) {
			if (from == to || !(from_mask >> from & 1) || !(to_mask >> to & 1))
				continue;
			net_cut(&sim->net, from, to, cut);
			trace_add(&sim->trace, sim->now_us, cut ? TRACE_cut : TRACE_join, from, to, 0, 0);
		}
}

static void cut_ends(struct sim *sim, struct sim_event *event) { links_cut(sim, event->a, event->b, false); }

static void cut_for(struct sim *sim, uint64_t from_mask, uint64_t to_mask, usec_t us)
{
	links_cut(sim, from_mask, to_mask, true);
	struct sim_event *end = fault_after(sim, cut_ends, us);
	end->a = from_mask;
	end->b = to_mask;
}

/* Any group against the rest, one way or both; a group of one or one link are the common cases. */
static void cut_begins(struct sim *sim, struct sim_event *event)
{
	const struct sim_options *o = &sim->options;
	if (sim->healed)
		return;
	uint64_t all = (UINT64_C(1) << (o->cut_clients ? sim->net.ends : o->node_count)) - 1;
	uint64_t group = UINT64_C(1) << rng_below(&sim->rng, o->node_count);
	if (rng_chance(&sim->rng, 400000))
		group = rng_between(&sim->rng, 1, all - 1);
	uint64_t rest = all & ~group;
	if (rng_chance(&sim->rng, 300000))
		rest = UINT64_C(1) << rng_below(&sim->rng, o->node_count);
	usec_t us = rng_between(&sim->rng, 10 * USEC_PER_MSEC, o->cut_max_us);
	uint64_t ways = rng_between(&sim->rng, 1, 3); /* out, in, or both; both is twice as likely below */
	if (rng_chance(&sim->rng, 400000))
		ways = 3;
	if (ways & 1)
		cut_for(sim, group, rest, us);
	if (ways & 2)
		cut_for(sim, rest, group, us);
	sim->cover.cuts++;
	fault_repeat(sim, cut_begins, o->cut_every_us);
}

static void slow_ends(struct sim *sim, struct sim_event *event) { sim->net.links[event->a][event->b].slowness = 1; }

static void slow_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	uint64_t from = rng_below(&sim->rng, sim->net.ends), to = rng_below(&sim->rng, sim->net.ends);
	sim->net.links[from][to].slowness = (uint32_t)rng_between(&sim->rng, 5, 300);
	struct sim_event *end = fault_after(sim, slow_ends, rng_between(&sim->rng, 1, 5) * USEC_PER_SEC);
	end->a = from;
	end->b = to;
	sim->cover.slow_links++;
	fault_repeat(sim, slow_begins, sim->options.slow_every_us);
}

/* --- nodes --- */

static void crash_ends(struct sim *sim, struct sim_event *event)
{
	struct sim_node *n = &sim->nodes[event->node];
	if (!n->up)
		sim_node_start(n);
}

static bool may_crash(const struct sim *sim, const struct sim_node *n)
{
	for (uint32_t i = 0; i < sim->options.node_count && !sim->options.crash_many; i++)
		if (!sim->nodes[i].up)
			return false;
	return n->up;
}

static void crash_now(struct sim *sim, struct sim_event *event)
{
	struct sim_node *n = &sim->nodes[event->node];
	n->crash_in_sync = false;
	if (sim->healed || !may_crash(sim, n))
		return;
	sim_node_crash(n);
	/* Back at once, it meets what was sent to the process before it. */
	usec_t down_us = rng_between(&sim->rng, 1 * USEC_PER_MSEC, sim->options.down_max_us);
	if (rng_chance(&sim->rng, 500000))
		down_us = rng_between(&sim->rng, 0, 20 * USEC_PER_MSEC);
	fault_after(sim, crash_ends, down_us)->node = n->index;
}

void faults_crash_in_sync(struct sim *sim, struct sim_node *n, usec_t us)
{
	n->crash_in_sync = false;
	fault_after(sim, crash_now, rng_below(&sim->rng, us + 1))->node = n->index;
}

/* Half of all crashes wait for the node's next sync and hit the middle of it, when there is something to lose. */
static void crash_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	struct sim_node *n = pick_node(sim);
	if (rng_chance(&sim->rng, 500000))
		n->crash_in_sync = true;
	else
		fault_after(sim, crash_now, 0)->node = n->index;
	fault_repeat(sim, crash_begins, sim->options.crash_every_us);
}

static void pause_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	struct sim_node *n = pick_node(sim);
	if (n->up && n->paused_until_us <= sim->now_us) {
		n->paused_until_us =
			sim->now_us + rng_between(&sim->rng, 1 * USEC_PER_MSEC, sim->options.pause_max_us);
		sim->cover.pauses++;
		trace_add(&sim->trace, sim->now_us, TRACE_pause, n->index, n->paused_until_us, 0, 0);
	}
	fault_repeat(sim, pause_begins, sim->options.pause_every_us);
}

static void disk_slow_ends(struct sim *sim, struct sim_event *event) { sim->nodes[event->node].disk_slowness = 1; }

static void disk_slow_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	struct sim_node *n = pick_node(sim);
	n->disk_slowness = (uint32_t)rng_between(&sim->rng, 2, 100);
	sim->cover.slow_disks++;
	fault_after(sim, disk_slow_ends, rng_between(&sim->rng, 100, 4000) * USEC_PER_MSEC)->node = n->index;
	fault_repeat(sim, disk_slow_begins, sim->options.disk_slow_every_us);
}

/* --- clocks --- */

static void clock_set(struct sim *sim, struct sim_node *n, int64_t offset_us)
{
	n->offset_us = offset_us;
	trace_add(&sim->trace, sim->now_us, TRACE_clock, n->index, (uint64_t)offset_us, 0, 0);
}

static void jump_ends(struct sim *sim, struct sim_event *event) { clock_set(sim, &sim->nodes[event->node], 0); }

/* One node's clock is wrong at a time: a majority with right clocks is what the protocol counts on for progress. */
static void jump_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	for (uint32_t i = 0; i < sim->options.node_count; i++)
		clock_set(sim, &sim->nodes[i], 0);
	struct sim_node *n = pick_node(sim);
	int64_t max_us = (int64_t)sim->options.jump_max_us;
	clock_set(sim, n, (int64_t)rng_between(&sim->rng, 0, 2 * (uint64_t)max_us) - max_us);
	sim->cover.clock_jumps++;
	if (rng_chance(&sim->rng, 500000))
		fault_after(sim, jump_ends, rng_between(&sim->rng, 100, 10000) * USEC_PER_MSEC)->node = n->index;
	fault_repeat(sim, jump_begins, sim->options.jump_every_us);
}

/* --- all of them --- */

void faults_start(struct sim *sim)
{
	const struct sim_options *o = &sim->options;
	sim->net.base_us = o->net_base_us;
	sim->net.tail_us = o->net_tail_us;
	sim->net.drop_ppm = o->drop_ppm;
	sim->net.repeat_ppm = o->repeat_ppm;
	fault_repeat(sim, cut_begins, o->cut_every_us);
	fault_repeat(sim, slow_begins, o->slow_every_us);
	fault_repeat(sim, crash_begins, o->crash_every_us);
	fault_repeat(sim, pause_begins, o->pause_every_us);
	fault_repeat(sim, disk_slow_begins, o->disk_slow_every_us);
	fault_repeat(sim, jump_begins, o->jump_every_us);
}

void faults_heal(struct sim *sim)
{
	sim->healed = true;
	trace_add(&sim->trace, sim->now_us, TRACE_heal, 0, 0, 0, 0);
	net_heal(&sim->net);
	sim->net.base_us = 100;
	sim->net.tail_us = 200;
	for (uint32_t i = 0; i < sim->options.node_count; i++) {
		struct sim_node *n = &sim->nodes[i];
		n->disk_slowness = 1;
		if (n->offset_us)
			clock_set(sim, n, 0);
		if (!n->up)
			sim_node_start(n);
	}
}
