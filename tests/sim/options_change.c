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
	if (o->seed % 5 < 2)
		draw_restless(&r, o);
	o->node_count += o->spare_count;
	draw_tides(&r, o);
}

bool sim_options_take_out_of_changes(struct sim_options *o, enum sim_class class)
{
	usec_t *field = class == SIM_CLASS_change ? &o->change_every_us
			: class == SIM_CLASS_tide ? &o->tide_us
						  : NULL;
	if (!field || *field == 0)
		return false;
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
		   " discard=%u%% pause=%u%% crowd=%u%% token=%u%% gone=%u%% address=%u%% reborn_max_us=%" PRIu64,
		   o->discard_pct, o->pause_pct, o->crowd_pct, o->token_pct, o->gone_pct, o->move_pct,
		   o->reborn_max_us);
	buf_printf(out, " gc_grace_ms=%" PRIu64 " gc_interval_us=%" PRIu64, o->gc_grace_ms, o->gc_interval_us);
	buf_printf(out, " exchange_interval_us=%" PRIu64 " move_stuck_us=%" PRIu64 " tide_us=%" PRIu64 "/%" PRIu64,
		   o->exchange_interval_us, o->move_stuck_us, o->tide_active_us, o->tide_us);
}
