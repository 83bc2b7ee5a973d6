/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a run's options that lets the cluster change. */
#include <inttypes.h>

#include "base/hash.h"
#include "base/rng.h"
#include "tests/sim/options.h"

/* So long the clients of a run work at least: changes take seconds, and clients in a crowd have done all in one. */
#define WORK_MIN_US (8 * USEC_PER_SEC)

static bool percent(struct rng *r, uint32_t pct) { return rng_below(r, 100) < pct; }

static void draw_operator(struct rng *r, struct sim_options *o)
{
	o->change_count = (uint32_t)rng_between(r, 1, 8);
	o->change_every_us = rng_between(r, 50, percent(r, 50) ? 500 : 2500) * USEC_PER_MSEC;
	o->discard_pct = percent(r, 40) ? (uint32_t)rng_between(r, 5, 40) : 0;
	o->pause_pct = percent(r, 40) ? (uint32_t)rng_between(r, 5, 40) : 0;
	o->token_pct = percent(r, 40) ? (uint32_t)rng_between(r, 10, 80) : 0;
	o->gone_pct = percent(r, 20) ? (uint32_t)rng_between(r, 5, 20) : 0;
	o->weight_pct = percent(r, 30) ? (uint32_t)rng_between(r, 5, 30) : 0;
	o->move_pct = percent(r, 30) ? (uint32_t)rng_between(r, 5, 20) : 0;
	o->reborn_max_us = rng_between(r, 50, percent(r, 70) ? 1000 : 5000) * USEC_PER_MSEC;
}

static void draw_background(struct rng *r, struct sim_options *o)
{
	o->gc_grace_ms = rng_between(r, 200, percent(r, 60) ? 2000 : 8000);
	o->gc_interval_us = rng_between(r, 100, 2000) * USEC_PER_MSEC;
	o->exchange_interval_us = rng_between(r, 500, 5000) * USEC_PER_MSEC;
	o->move_stuck_us = rng_between(r, 2, 10) * USEC_PER_SEC;
}

static void draw_losses(struct rng *r, struct sim_options *o)
{
	if (percent(r, 35))
		o->lost_every_us = rng_between(r, 300, 4000) * USEC_PER_MSEC;
}

/**
 * Changes that follow each other closely, two or three nodes at a time, with moves given up and begun again all the time, while all
 * clients crowd one key: whatever is under way meets a row that changes.
 */
static void draw_restless(struct rng *r, struct sim_options *o)
{
	o->key_count = 1;
	o->change_count = (uint32_t)rng_between(r, 10, 40);
	o->change_every_us = rng_between(r, 20, 200) * USEC_PER_MSEC;
	o->crowd_pct = (uint32_t)rng_between(r, 30, 80);
	o->pause_pct = percent(r, 60) ? (uint32_t)rng_between(r, 10, 50) : 0;
	o->reborn_max_us = rng_between(r, 20, 300) * USEC_PER_MSEC;
	o->move_stuck_us = rng_between(r, 2000, 5000) * USEC_PER_MSEC;
	o->spare_count = MAX(o->spare_count, 2u);
	o->op_count = MAX(o->op_count, 300u);
	if (percent(r, 50)) {
		o->net_tail_us = rng_between(r, 3000, 60000);
		o->strong_pct = (uint32_t)rng_between(r, 60, 100);
		o->get_pct = (uint32_t)rng_between(r, 25, 60);
	}
}

/** A few machines and clients whom nothing slows down but what is drawn beside: a run of some seconds, all of it changes. */
static void draw_small(struct rng *r, struct sim_options *o)
{
	o->node_count = o->nodes ? o->nodes : (uint32_t)rng_between(r, 4, 5);
	o->replicas = 3;
	o->core_count = 1;
	o->form = false;
	o->spare_count = 1;
	o->zone_count = 0;
	o->key_count = percent(r, 70) ? 1 : 2;
	o->client_count = (uint32_t)rng_between(r, 4, SIM_CLIENTS_MAX);
	o->op_count = (uint32_t)rng_between(r, 250, 500);
	o->think_us = rng_between(r, 20, 150) * USEC_PER_MSEC;
	o->ttl_pct = 0;
	o->net_base_us = rng_between(r, 20, 500);
	o->net_tail_us = rng_between(r, 500, 20000);
	o->disk_min_us = 10;
	o->disk_max_us = rng_between(r, 50, 5000);
	o->jump_every_us = o->power_every_us = 0;
	o->down_max_us = rng_between(r, 10, 500) * USEC_PER_MSEC;
	o->deadline_min_ms = 100;
	o->deadline_max_ms = (uint32_t)rng_between(r, 500, 3000);
	o->replica_timeout_us = rng_between(r, 20, 300) * USEC_PER_MSEC;
	o->hints_max = percent(r, 50) ? 1 : 0;
	o->move_stuck_us = rng_between(r, 2000, 4000) * USEC_PER_MSEC;
}

static void draw_gaps(struct rng *r, struct sim_options *o)
{
	o->drop_ppm = percent(r, 70) ? (uint32_t)rng_between(r, 1000, percent(r, 50) ? 50000 : 300000) : 0;
	o->cut_every_us = percent(r, 40) ? rng_between(r, 500, 3000) * USEC_PER_MSEC : 0;
	o->cut_max_us = rng_between(r, 50, 1000) * USEC_PER_MSEC;
	o->cut_clients = false;
	o->swizzle_every_us = 0;
	o->slow_every_us = percent(r, 40) ? rng_between(r, 300, 3000) * USEC_PER_MSEC : 0;
	o->pause_every_us = percent(r, 40) ? rng_between(r, 300, 3000) * USEC_PER_MSEC : 0;
	o->pause_max_us = rng_between(r, 50, 1500) * USEC_PER_MSEC;
	o->crash_every_us = percent(r, 25) ? rng_between(r, 500, 4000) * USEC_PER_MSEC : 0;
	o->step_every_us = o->sync_fail_every_us = o->disk_full_every_us = o->disk_slow_every_us = 0;
	o->storm_every_us = o->ops_max = 0;
	o->tick_us = rng_between(r, 5, 50) * USEC_PER_MSEC;
}

/** Deletions that are old after a blink, and requests that take longer. */
static void draw_mortal(struct rng *r, struct sim_options *o)
{
	o->gc_grace_ms = rng_between(r, 50, 400);
	o->gc_interval_us = rng_between(r, 20, 100) * USEC_PER_MSEC;
	o->exchange_interval_us = rng_between(r, 200, 2000) * USEC_PER_MSEC;
	o->delete_pct = (uint32_t)rng_between(r, 30, 60);
	o->lag_max_ms = percent(r, 60) ? (uint32_t)rng_between(r, 50, 1500) : 0;
}

/** Few writes on many keys: what is lost is not covered up by the next write. */
static void draw_sparse(struct rng *r, struct sim_options *o)
{
	o->key_count = SIM_KEYS_MAX;
	o->think_us = rng_between(r, 100, 400) * USEC_PER_MSEC;
	o->drop_ppm = (uint32_t)rng_between(r, 10000, 300000);
	o->strong_pct = (uint32_t)rng_between(r, 10, 100);
	o->get_pct = (uint32_t)rng_between(r, 50, 80);
	o->retry_pct = 0;
	o->mix.session_pct = 0;
	o->mix.bounded_pct = (uint32_t)rng_between(r, 0, 100);
}

/**
 * The rows of the keys change all the time, to any nodes there are, while requests are under way that began several rows
 * ago, at nodes that do not know yet.
 */
static void draw_storm(struct rng *r, struct sim_options *o)
{
	draw_small(r, o);
	draw_gaps(r, o);
	o->node_count = o->nodes ? o->nodes : (uint32_t)rng_between(r, 5, 6);
	o->rows_move = true;
	o->late_pct = percent(r, 60) ? (uint32_t)rng_between(r, 2, 15) : 0;
	o->late_max_us = rng_between(r, 500, 8000) * USEC_PER_MSEC;
	o->change_every_us = rng_between(r, 200, 2000) * USEC_PER_MSEC;
	o->strong_pct = (uint32_t)rng_between(r, 50, 95);
	o->get_pct = (uint32_t)rng_between(r, 35, 65);
	o->lag_max_ms = percent(r, 50) ? (uint32_t)rng_between(r, 50, 1000) : 0;
	o->mix.retry_pct = percent(r, 60) ? 90 : 0;
	if (percent(r, 40))
		draw_mortal(r, o);
	if (percent(r, 45))
		draw_sparse(r, o);
}

/** Deletions that are purged within the time of one request, and what was sent before arrives after it. */
static void draw_purges(struct rng *r, struct sim_options *o)
{
	draw_small(r, o);
	draw_gaps(r, o);
	draw_mortal(r, o);
	o->rows_move = percent(r, 20);
	o->client_count = (uint32_t)rng_between(r, 2, 4);
	o->think_us = rng_between(r, 50, 400) * USEC_PER_MSEC;
	o->net_tail_us = rng_between(r, 100, 5000);
	o->disk_max_us = rng_between(r, 50, 1000);
	o->strong_pct = (uint32_t)rng_between(r, 30, 90);
	o->get_pct = (uint32_t)rng_between(r, 30, 75);
	o->change_count = (uint32_t)rng_between(r, 0, 3);
	o->retry_pct = 80;
	o->mix = (struct sim_mix){.session_count = 1, .presence_pct = 50, .retry_pct = 90};
	o->mix.condition_pct = percent(r, 60) ? (uint32_t)rng_between(r, 10, 90) : 0;
	o->mix.chain_pct = percent(r, 60) ? (uint32_t)rng_between(r, 10, 90) : 0;
	o->mix.add_pct = percent(r, 40) ? (uint32_t)rng_between(r, 20, 80) : 0;
	o->mix.ask_pct = percent(r, 30) ? 50 : 0;
}

/** Ballots that end after what they did not see was purged, and members that lack what was written since. */
static void draw_stale_ballots(struct rng *r, struct sim_options *o)
{
	struct sim_aim *a = &o->aim;
	a->on = true;
	o->rows_move = false;
	o->replica_timeout_us = rng_between(r, 300, 1000) * USEC_PER_MSEC;
	o->exchange_interval_us = 20 * USEC_PER_SEC;
	o->drop_ppm = percent(r, 30) ? (uint32_t)rng_between(r, 1000, 50000) : 0;
	o->lag_max_ms = (uint32_t)rng_between(r, 100, 800);
	o->client_count = (uint32_t)rng_between(r, 3, 6);
	a->hold_pct = percent(r, 70) ? (uint32_t)rng_between(r, 20, 60) : 0;
	a->hold_max_us = rng_between(r, 100, 800) * USEC_PER_MSEC;
	if (percent(r, 60)) {
		a->deaf_every_us = rng_between(r, 50, 500) * USEC_PER_MSEC;
		a->deaf_max_us = rng_between(r, 100, 1000) * USEC_PER_MSEC;
	}
}

/**
 * A crowded key, and disks that are lost when they have just acknowledged something: what they said is still under way when another
 * node has taken their place.
 */
static void draw_losing(struct rng *r, struct sim_options *o)
{
	draw_small(r, o);
	draw_gaps(r, o);
	o->node_count = o->nodes ? o->nodes : 3;
	o->spare_count = 3;
	o->key_count = 1;
	o->client_count = SIM_CLIENTS_MAX;
	o->think_us = rng_between(r, 1, 30) * USEC_PER_MSEC;
	o->drop_ppm = (uint32_t)rng_between(r, 1000, 100000);
	o->net_tail_us = rng_between(r, 1000, 40000);
	o->lost_every_us = rng_between(r, 300, 1500) * USEC_PER_MSEC;
	o->down_max_us = rng_between(r, 2, 30) * USEC_PER_MSEC;
	o->reborn_max_us = rng_between(r, 10, 200) * USEC_PER_MSEC;
	o->change_count = 2;
	o->change_every_us = rng_between(r, 20, 100) * USEC_PER_MSEC;
	o->strong_pct = (uint32_t)rng_between(r, 80, 100);
	o->get_pct = (uint32_t)rng_between(r, 30, 60);
	o->delete_pct = (uint32_t)rng_between(r, 0, 20);
	o->mix = (struct sim_mix){
		.session_count = 1, .presence_pct = 30, .condition_pct = (uint32_t)rng_between(r, 0, 80)};
	o->mix.chain_pct = (uint32_t)rng_between(r, 0, 80);
}

/** What a lost disk has acknowledged nobody else has, nor had its coordinator, which is no replica. */
static void draw_lonely_losses(struct rng *r, struct sim_options *o)
{
	o->node_count = o->nodes ? o->nodes : 5;
	o->replica_timeout_us = rng_between(r, 200, 1000) * USEC_PER_MSEC;
	o->think_us = rng_between(r, 5, 60) * USEC_PER_MSEC;
	o->aim.on = true;
	o->aim.alone_max_us = rng_between(r, 20, 300) * USEC_PER_MSEC;
}

/**
 * A storm in which what the handover of a row guards against is brought about: members that lack what others have, that learn last
 * that they have successors, answers to moves that were given up. Few writes, and reads right after.
 */
static void draw_handovers(struct rng *r, struct sim_options *o)
{
	draw_storm(r, o);
	struct sim_aim *a = &o->aim;
	a->on = true;
	o->lost_every_us = 0;
	o->drop_ppm = percent(r, 30) ? (uint32_t)rng_between(r, 1000, 50000) : 0;
	o->cut_every_us = o->slow_every_us = 0;
	o->hints_max = 1;
	o->client_count = SIM_CLIENTS_MAX;
	o->think_us = rng_between(r, 50, 200) * USEC_PER_MSEC;
	o->exchange_interval_us = 20 * USEC_PER_SEC;
	if (percent(r, 70)) {
		a->deaf_every_us = rng_between(r, 100, 1000) * USEC_PER_MSEC;
		a->deaf_max_us = rng_between(r, 300, 2000) * USEC_PER_MSEC;
	}
	if (percent(r, 60)) {
		a->late_row_pct = (uint32_t)rng_between(r, 20, 80);
		a->late_max_us = rng_between(r, 500, 5000) * USEC_PER_MSEC;
	}
	a->hold_open_pct = percent(r, 40) ? (uint32_t)rng_between(r, 20, 60) : 0;
	a->mute_pct = percent(r, 30) ? (uint32_t)rng_between(r, 5, 30) : 0;
	a->hold_max_us = rng_between(r, 200, 3000) * USEC_PER_MSEC;
	o->key_count = (uint32_t)rng_between(r, 1, 3);
	o->strong_pct = (uint32_t)rng_between(r, 30, 95);
	o->get_pct = (uint32_t)rng_between(r, 50, 80);
}

static void draw_tides(struct rng *r, struct sim_options *o)
{
	usec_t work_us = o->think_us * o->op_count / o->client_count;
	usec_t rest_us = rng_between(r, 200, 2500) * USEC_PER_MSEC;
	uint32_t count = (uint32_t)rng_between(r, 4, 16);
	if (work_us >= WORK_MIN_US)
		return;
	o->tide_active_us = MAX(work_us / count, (usec_t)(5 * USEC_PER_MSEC));
	o->tide_us = o->tide_active_us + MAX(rest_us, (WORK_MIN_US - work_us) / count);
}

void sim_options_add_changes(struct sim_options *o)
{
	struct rng r;
	rng_init(&r, hash_u64(o->seed + 0x6368616e6765));
	o->membership = true;
	o->spare_count = (uint32_t)rng_between(&r, 1, SIM_NODES_MAX - SIM_FIRST_MAX);
	o->zone_count = percent(&r, 40) ? (uint32_t)rng_between(&r, 2, 4) : 0;
	draw_operator(&r, o);
	draw_background(&r, o);
	draw_losses(&r, o);
	o->crowd_pct = 20;
	switch (o->seed % 5) {
	case 0:
		draw_restless(&r, o);
		break;
	case 1:
		if (o->seed / 5 % 2)
			draw_handovers(&r, o);
		else
			draw_storm(&r, o);
		break;
	case 2:
		draw_purges(&r, o);
		if (o->seed / 5 % 2)
			draw_stale_ballots(&r, o);
		break;
	case 3:
		draw_losing(&r, o);
		if (o->seed / 5 % 2)
			draw_lonely_losses(&r, o);
		break;
	default:
		break;
	}
	o->node_count += o->spare_count;
	if (o->seed % 5 == 0 || o->seed % 5 == 4)
		draw_tides(&r, o);
	o->keep_pct = percent(&r, 30) ? (uint32_t)rng_between(&r, 5, 40) : 0;
}

bool sim_options_take_out_of_changes(struct sim_options *o, enum sim_class class)
{
	usec_t *field = class == SIM_CLASS_change ? &o->change_every_us
			: class == SIM_CLASS_tide ? &o->tide_us
			: class == SIM_CLASS_late ? &o->late_max_us
						  : NULL;
	bool found = (class == SIM_CLASS_rows && o->rows_move) || (class == SIM_CLASS_aim && o->aim.on);
	if (class == SIM_CLASS_aim)
		o->aim = (struct sim_aim){0};
	if (class == SIM_CLASS_rows)
		o->rows_move = false;
	if (!field || *field == 0)
		return found;
	*field = 0;
	return true;
}

void sim_options_print_changes(const struct sim_options *o, struct buf *out)
{
	if (!o->membership)
		return;
	buf_printf(out, " membership spares=%u zones=%u changes=%u change_every_us=%" PRIu64, o->spare_count,
		   o->zone_count, o->change_count, o->change_every_us);
	buf_printf(out,
		   " discard=%u%% keep=%u%% pause=%u%% crowd=%u%% token=%u%% gone=%u%% address=%u%% weight=%u%%",
		   o->discard_pct, o->keep_pct, o->pause_pct, o->crowd_pct, o->token_pct, o->gone_pct, o->move_pct,
		   o->weight_pct);
	buf_printf(out, " reborn_max_us=%" PRIu64 " replica_timeout_us=%" PRIu64 "", o->reborn_max_us,
		   o->replica_timeout_us);
	buf_printf(out, " gc_grace_ms=%" PRIu64 " gc_interval_us=%" PRIu64, o->gc_grace_ms, o->gc_interval_us);
	buf_printf(out, "%s late=%u%%/%" PRIu64, o->rows_move ? " rows_move" : "", o->late_pct, o->late_max_us);
	buf_printf(out, " exchange_interval_us=%" PRIu64 " move_stuck_us=%" PRIu64 " tide_us=%" PRIu64 "/%" PRIu64,
		   o->exchange_interval_us, o->move_stuck_us, o->tide_active_us, o->tide_us);
	const struct sim_aim *a = &o->aim;
	if (a->on)
		buf_printf(out,
			   " deaf_us=%" PRIu64 "/%" PRIu64 " mute=%u%% hold=%u%%,%u%%/%" PRIu64
			   " late_row=%u%%/%" PRIu64 " alone_us=%" PRIu64,
			   a->deaf_every_us, a->deaf_max_us, a->mute_pct, a->hold_pct, a->hold_open_pct,
			   a->hold_max_us, a->late_row_pct, a->late_max_us, a->alone_max_us);
}
