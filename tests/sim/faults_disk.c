/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/store_mem.h"
#include "tests/sim/aim.h"
#include "tests/sim/faults_inside.h"

static void slow_ends(struct sim *sim, struct sim_event *event) { sim->nodes[event->node].disk_slowness = 1; }

static void slow_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	struct sim_node *n = fault_pick_node(sim);
	n->disk_slowness = (uint32_t)rng_between(&sim->fault_rng, 2, 100);
	sim->cover.slow_disks++;
	fault_after(sim, slow_ends, rng_between(&sim->fault_rng, 100, 4000) * USEC_PER_MSEC)->node = n->index;
	fault_repeat(sim, slow_begins, sim->options.disk_slow_every_us);
}

/* The node's next sync fails: it may not go on, and what that sync was to cover may be there or not. */
static void sync_fails(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	fault_pick_node(sim)->fail_in_sync = true;
	fault_repeat(sim, sync_fails, sim->options.sync_fail_every_us);
}

/* Writes fail until there is room again; the process stops at the first and cannot start before. */
static void full_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	struct sim_node *n = fault_pick_node(sim);
	if (faults_may_crash(sim, n)) {
		n->full_until_us = sim->now_us + rng_between(&sim->fault_rng, 50, 3000) * USEC_PER_MSEC;
		sim->cover.full_disks++;
		trace_add(&sim->trace, sim->now_us, TRACE_full, n->index, n->full_until_us, 0, 0);
	}
	fault_repeat(sim, full_begins, sim->options.disk_full_every_us);
}

/* --- nodes that are lost for ever --- */

bool faults_may_lose(const struct sim *sim)
{
	const struct maps *maps = &sim->maps;
	uint32_t lost = sim->options.membership ? maps_dead_left(maps) : sim->lost_count;
	bool voters_stand =
		!sim->options.membership || (maps->newest && lost < (maps->newest->desc.voter_count - 1) / 2);
	return lost < (sim->options.replicas - 1) / 2 && voters_stand;
}

/* The next read that touches the disk finds a record whose checksum is wrong. */
static void corrupt_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed || !faults_may_lose(sim))
		return;
	struct sim_node *n = fault_pick_node(sim);
	if (n->up)
		store_mem_fail_next_read(n->store, KV_CORRUPT);
	fault_repeat(sim, corrupt_begins, sim->options.corrupt_every_us);
}

static void lost_now(struct sim *sim, struct sim_event *event)
{
	if (!sim->healed && faults_may_lose(sim))
		sim_node_lose_disk(&sim->nodes[event->node]);
}

void faults_lose_after_sync(struct sim *sim, struct sim_node *n)
{
	n->lose_after_sync = false;
	fault_after(sim, lost_now, rng_below(&sim->fault_rng, 1000))->node = n->index;
}

/* In a cluster that changes half of the disks go when they have just acknowledged something. */
static void lost_begins(struct sim *sim, struct sim_event *event)
{
	if (sim->healed || !faults_may_lose(sim))
		return;
	struct sim_node *n = fault_pick_node(sim);
	bool after_sync = sim->options.membership && rng_chance(&sim->fault_rng, 500000);
	n->lose_after_sync |= after_sync;
	if (after_sync)
		aim_at_loss(sim, n);
	else
		sim_node_lose_disk(n);
	fault_repeat(sim, lost_begins, sim->options.lost_every_us);
}

void faults_disk_start(struct sim *sim)
{
	const struct sim_options *o = &sim->options;
	fault_repeat(sim, slow_begins, o->disk_slow_every_us);
	fault_repeat(sim, sync_fails, o->sync_fail_every_us);
	fault_repeat(sim, full_begins, o->disk_full_every_us);
	fault_repeat(sim, corrupt_begins, o->corrupt_every_us);
	fault_repeat(sim, lost_begins, o->lost_every_us);
}
