/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/aim.h"

#include "base/hash.h"
#include "tests/sim/faults_inside.h"
#include "tests/sim/value.h"

/* Who is silent after an accept that nobody got is so for a part of this. */
#define QUIET_MAX_US (1500 * USEC_PER_MSEC)

static const struct sim_aim *aim_of(const struct sim *sim) { return &sim->options.aim; }

/* Partitions of the run's keys, as bits. */
static uint64_t key_partitions(const struct sim *sim)
{
	return value_partitions(sim->options.key_count, sim->options.partitions);
}

/* --- members that miss writes --- */

static bool is_of_keys(const struct sim *sim, const struct sim_node *n)
{
	const struct map_node *node = maps_find(&sim->maps, &n->uuid);
	for (uint32_t p = 0; node && p < sim->options.partitions; p++) {
		struct row row = cluster_map_row(sim->maps.newest, (uint16_t)p);
		if (key_partitions(sim) >> p & 1 && row_has(row.nodes, row.count, node->index))
			return true;
	}
	return false;
}

static void deafness_begins(struct sim *sim, struct sim_event *event)
{
	(void)event;
	if (sim->healed)
		return;
	usec_t until_us = sim->now_us + rng_between(&sim->fault_rng, 50 * USEC_PER_MSEC, aim_of(sim)->deaf_max_us);
	uint32_t count = rng_chance(&sim->fault_rng, 600000) ? 1 : 2;
	for (uint32_t tries = 0; count > 0 && tries < 2 * SIM_NODES_MAX; tries++) {
		const struct sim_node *n = fault_pick_node(sim);
		if (!is_of_keys(sim, n) || sim->aim.deaf_until_us[n->index] > sim->now_us)
			continue;
		sim->aim.deaf_until_us[n->index] = until_us;
		sim->cover.deaf_nodes++;
		trace_add(&sim->trace, sim->now_us, TRACE_deaf, n->index, until_us, 0, 0);
		count--;
	}
	fault_repeat(sim, deafness_begins, aim_of(sim)->deaf_every_us);
}

void aim_start(struct sim *sim) { fault_repeat(sim, deafness_begins, aim_of(sim)->deaf_every_us); }

static bool is_write(const struct msg *m)
{
	return !m->reply && (m->opcode == OP_ACCEPT || m->opcode == OP_COPY || m->opcode == OP_PUSH);
}

/* --- ballots and moves that stop half way --- */

static bool is_ballot_write(const struct msg *m)
{
	return !m->reply && m->opcode == OP_ACCEPT && !m->replica.direct;
}

/* All that belongs to one phase of an operation meets the same fate: 0 to 99. */
static uint64_t fate_of(const struct sim *sim, uint16_t from, const struct msg *m, uint64_t what)
{
	return hash_u64(sim->options.seed ^ hash_u64(m->id ^ (uint64_t)from << 48 ^ what << 56)) % 100;
}

static bool is_mute(struct sim *sim, uint16_t from, const struct msg *m)
{
	if (!is_ballot_write(m) || fate_of(sim, from, m, 1) >= aim_of(sim)->mute_pct)
		return false;
	sim->cover.mute_ballots++;
	sim->aim.quiet_until_us[from] =
		MAX(sim->aim.quiet_until_us[from], sim->now_us + fate_of(sim, from, m, 2) * QUIET_MAX_US / 100);
	return true;
}

/* --- disks that are lost with what only they have --- */

void aim_at_loss(struct sim *sim, const struct sim_node *n)
{
	const struct sim_aim *a = aim_of(sim);
	if (!a->on || a->alone_max_us == 0)
		return;
	sim->aim.alone = n->index;
	sim->aim.alone_until_us = sim->now_us + a->alone_max_us;
	sim->cover.lone_acks++;
	trace_add(&sim->trace, sim->now_us, TRACE_alone, n->index, sim->aim.alone_until_us, 0, 0);
}

/* One half of the other machines, another for each operation, never gets what the rest gets late. */
static bool is_shut_out(struct sim *sim, uint16_t from, uint16_t to, const struct msg *m, usec_t *ret_extra_us)
{
	if (!is_write(m) || to == sim->aim.alone || sim->aim.alone_until_us <= sim->now_us)
		return false;
	*ret_extra_us = rng_between(&sim->net_rng, 1, aim_of(sim)->alone_max_us);
	return (fate_of(sim, from, m, 4) + to) % 2 == 0;
}

bool aim_at_frame(struct sim *sim, uint16_t from, uint16_t to, const struct msg *m, usec_t *ret_extra_us)
{
	const struct sim_aim *a = aim_of(sim);
	*ret_extra_us = 0;
	if (sim->healed || from == to || !a->on)
		return false;
	if (is_mute(sim, from, m) || sim->aim.quiet_until_us[from] > sim->now_us)
		return true;
	if (is_write(m) && sim->aim.deaf_until_us[to] > sim->now_us)
		return true;
	/* One of those that a ballot asks hears nothing of it. */
	if (m->opcode == OP_PREPARE && !m->reply && rng_below(&sim->net_rng, 100) < a->mute_pct)
		return true;
	bool held = (is_ballot_write(m) && fate_of(sim, from, m, 3) < a->hold_pct) ||
		    (m->opcode == OP_MOVE_OPEN && m->reply && rng_below(&sim->net_rng, 100) < a->hold_open_pct);
	if (is_shut_out(sim, from, to, m, ret_extra_us))
		return true;
	if (held) {
		sim->cover.held_frames++;
		*ret_extra_us = rng_between(&sim->net_rng, 1, a->hold_max_us);
	}
	return false;
}

/* --- members that learn last --- */

usec_t aim_at_map(const struct sim *sim, const struct sim_node *n, const struct map_desc *map)
{
	const struct sim_aim *a = aim_of(sim);
	uint64_t draw = hash_u64(sim->options.seed ^ hash_u64(map->epoch));
	const struct map_node *node = maps_find(&sim->maps, &n->uuid);
	if (sim->healed || !a->on || !node || draw % 100 >= a->late_row_pct)
		return 0;
	for (uint32_t i = 0; i < map->move_count; i++) {
		const struct map_move *move = &map->moves[i];
		bool of_key = move->partition < 64 && key_partitions(sim) >> move->partition & 1;
		if (of_key && row_has(move->old_row, move->old_count, node->index) &&
		    hash_u64(draw + node->index) % 100 < 70)
			return draw / 100 % a->late_max_us + 1;
	}
	return 0;
}
