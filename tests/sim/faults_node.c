/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/faults_inside.h"

/* --- processes --- */

static void crash_ends(struct sim *sim, struct sim_event *event)
{
	struct sim_node *n = &sim->nodes[event->node];
	if (n->up || n->lost || n->left || sim->healed)
		return;
	if (n->full_until_us > sim->now_us)
		fault_after(sim, crash_ends, n->full_until_us - sim->now_us)->node = n->index;
	else
		sim_node_start(n);
}

bool faults_may_crash(const struct sim *sim, const struct sim_node *n)
{
	for (uint32_t i = 0; i < sim->options.node_count && !sim->options.crash_many; i++)
		if (!sim->nodes[i].up && sim_node_is_member(&sim->nodes[i]))
			return false;
	return n->up;
}

void faults_restart_later(struct sim *sim, struct sim_node *n)
{
	KV_ASSERT(!n->up);
	if (n->left)
		admin_machine_is_free(sim, n);
	if (n->lost || n->left)
		return;
	/* Back at once, it meets what was sent to the process before it. */
	usec_t down_us = rng_between(&sim->fault_rng, 1 * USEC_PER_MSEC, sim->options.down_max_us);
	if (rng_chance(&sim->fault_rng, 500000))
		down_us = rng_between(&sim->fault_rng, 0, 20 * USEC_PER_MSEC);
	fault_after(sim, crash_ends, down_us)->node = n->index;
}

static void crash_now(struct sim *sim, struct sim_event *event)
{
	struct sim_node *n = &sim->nodes[event->node];
	n->crash_in_sync = false;
	if (sim->healed || !faults_may_crash(sim, n))
		return;
	sim_node_crash(n);
	faults_restart_later(sim, n);
}

void faults_crash_in_sync(struct sim *sim, struct sim_node *n, usec_t us)
{
	n->crash_in_sync = false;
	fault_after(sim, crash_now, rng_below(&sim->fault_rng, us + 1))->node = n->index;
}

/* Half of all crashes wait for the node's next sync and hit the middle of it, when there is something to lose. */
static void crash_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	struct sim_node *n = fault_pick_node(sim);
	if (rng_chance(&sim->fault_rng, 500000))
		n->crash_in_sync = true;
	else
		fault_after(sim, crash_now, 0)->node = n->index;
	fault_repeat(sim, crash_begins, sim->options.crash_every_us);
}

/* The process dies after a few more actions: what it did before is done, the rest of the step is not. */
static void step_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	fault_pick_node(sim)->crash_in_steps = (uint32_t)rng_between(&sim->fault_rng, 1, 12);
	fault_repeat(sim, step_begins, sim->options.step_every_us);
}

static void power_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	sim->cover.power_cuts++;
	for (uint32_t i = 0; i < sim->options.node_count; i++) {
		struct sim_node *n = &sim->nodes[i];
		if (!n->up)
			continue;
		sim_node_crash(n);
		faults_restart_later(sim, n);
	}
	fault_repeat(sim, power_begins, sim->options.power_every_us);
}

static void pause_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	struct sim_node *n = fault_pick_node(sim);
	if (n->up && n->paused_until_us <= sim->now_us) {
		n->paused_until_us =
			sim->now_us + rng_between(&sim->fault_rng, 1 * USEC_PER_MSEC, sim->options.pause_max_us);
		sim->cover.pauses++;
		trace_add(&sim->trace, sim->now_us, TRACE_pause, n->index, n->paused_until_us, 0, 0);
	}
	fault_repeat(sim, pause_begins, sim->options.pause_every_us);
}

/* --- clocks --- */

void fault_set_clock(struct sim *sim, struct sim_node *n, int64_t offset_us)
{
	if (n->offset_us == offset_us)
		return;
	n->offset_us = offset_us;
	trace_add(&sim->trace, sim->now_us, TRACE_clock, n->index, (uint64_t)offset_us, 0, 0);
}

static void jump_ends(struct sim *sim, struct sim_event *event)
{
	if (!sim->healed)
		fault_set_clock(sim, &sim->nodes[event->node], 0);
}

/* One node's clock is wrong at a time: a majority with right clocks is what the protocol counts on for progress. */
static void jump_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	for (uint32_t i = 0; i < sim->options.node_count; i++)
		fault_set_clock(sim, &sim->nodes[i], 0);
	struct sim_node *n = fault_pick_node(sim);
	int64_t max_us = (int64_t)sim->options.jump_max_us;
	fault_set_clock(sim, n, (int64_t)rng_between(&sim->fault_rng, 0, 2 * (uint64_t)max_us) - max_us);
	sim->cover.clock_jumps++;
	if (rng_chance(&sim->fault_rng, 500000))
		fault_after(sim, jump_ends, rng_between(&sim->fault_rng, 100, 10000) * USEC_PER_MSEC)->node =
			n->index;
	fault_repeat(sim, jump_begins, sim->options.jump_every_us);
}

void faults_node_start(struct sim *sim)
{
	const struct sim_options *o = &sim->options;
	fault_repeat(sim, crash_begins, o->crash_every_us);
	fault_repeat(sim, step_begins, o->step_every_us);
	fault_repeat(sim, power_begins, o->power_every_us);
	fault_repeat(sim, pause_begins, o->pause_every_us);
	fault_repeat(sim, jump_begins, o->jump_every_us);
}
