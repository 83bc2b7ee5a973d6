/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/faults.h"

#include "storage/store_mem.h"
#include "tests/sim/faults_inside.h"

struct sim_event *fault_after(struct sim *sim, fault_fn fn, usec_t delay_us)
{
	struct sim_event *event = sim_event_new(SIM_FAULT);
	event->fault = fn;
	sim_at(sim, event, sim->now_us + delay_us);
	return event;
}

void fault_repeat(struct sim *sim, fault_fn fn, usec_t every_us)
{
	if (every_us && !sim->healed)
		fault_after(sim, fn, rng_between(&sim->fault_rng, 0, 2 * every_us));
}

struct sim_node *fault_pick_node(struct sim *sim)
{
	return &sim->nodes[rng_below(&sim->fault_rng, sim->options.node_count)];
}

/* --- clients --- */

static void storm_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	sim->storm_until_us = sim->now_us + rng_between(&sim->fault_rng, 50, 2000) * USEC_PER_MSEC;
	sim->storm_patience_us = rng_between(&sim->fault_rng, 1, 40) * USEC_PER_MSEC;
	sim->cover.storms++;
	trace_add(&sim->trace, sim->now_us, TRACE_storm, sim->storm_until_us, sim->storm_patience_us, 0, 0);
	fault_repeat(sim, storm_begins, sim->options.storm_every_us);
}

/* --- all of them --- */

void faults_start(struct sim *sim)
{
	const struct sim_options *o = &sim->options;
	sim->net.base_us = o->net_base_us;
	sim->net.tail_us = o->net_tail_us;
	sim->net.drop_ppm = o->drop_ppm;
	sim->net.repeat_ppm = o->repeat_ppm;
	faults_net_start(sim);
	faults_node_start(sim);
	faults_disk_start(sim);
	fault_repeat(sim, storm_begins, o->storm_every_us);
	aim_start(sim);
	admin_start(sim);
}

/* All clocks go forward together by as much as any was ever ahead: what a clock ahead of all others has written counts only
 * once the others have come that far, and nobody needs to wait for it. */
static void clocks_catch_up(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->options.node_count; i++)
		fault_set_clock(sim, &sim->nodes[i],
				sim->cover.clock_jumps ? (int64_t)sim->options.jump_max_us : 0);
}

void faults_heal(struct sim *sim)
{
	sim->healed = true;
	sim->storm_until_us = 0;
	trace_add(&sim->trace, sim->now_us, TRACE_heal, 0, 0, 0, 0);
	net_heal(&sim->net);
	sim->net.base_us = 100;
	sim->net.tail_us = 200;
	clocks_catch_up(sim);
	for (uint32_t i = 0; i < sim->options.node_count; i++) {
		struct sim_node *n = &sim->nodes[i];
		n->disk_slowness = 1;
		n->crash_in_sync = n->fail_in_sync = n->lose_after_sync = false;
		n->crash_in_steps = 0;
		n->full_until_us = 0;
		for (uint32_t core = 0; n->up && core < sim->options.core_count; core++)
			node_core_calm(n->cores[core].core);
		store_mem_fail_next_read(n->store, KV_OK);
		n->paused_until_us = MIN(n->paused_until_us, sim->now_us);
		if (!n->up && !n->lost && !n->left)
			sim_node_start(n);
	}
	admin_heal(sim);
}
