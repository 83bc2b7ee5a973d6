/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/options.h"

#include <inttypes.h>

#include "base/rng.h"

static bool percent(struct rng *r, uint32_t pct) { return rng_below(r, 100) < pct; }

static void draw_cluster(struct rng *r, uint32_t nodes, struct sim_options *o)
{
	static const uint32_t counts[] = {3, 3, 3, 3, 3, 4, 4, 5};
	o->node_count = counts[rng_below(r, ARRAY_SIZE(counts))];
	if (nodes)
		o->node_count = nodes;
	o->replicas = o->node_count == 5 && percent(r, 40) ? 5 : 3;
	o->core_count = percent(r, 25) ? 2 : 1;
	o->partitions = 16;
	o->form = percent(r, 15);
	o->ops_max = percent(r, 10) ? 4 : 0;
	o->slots_max = percent(r, 15) ? 2 : 0;
	o->hints_max = percent(r, 10) ? 2 : 0;
}

static void draw_clients(struct rng *r, struct sim_options *o)
{
	static const uint32_t strong[] = {20, 50, 50, 80, 100};
	o->client_count = (uint32_t)rng_between(r, 3, SIM_CLIENTS_MAX);
	o->key_count = percent(r, 40) ? 1 : (uint32_t)rng_between(r, 1, SIM_KEYS_MAX);
	o->op_count = (uint32_t)rng_between(r, 150, 350);
	o->think_us = rng_between(r, 1, percent(r, 40) ? 30 : 300) * USEC_PER_MSEC;
	o->strong_pct = strong[rng_below(r, ARRAY_SIZE(strong))];
	o->get_pct = (uint32_t)rng_between(r, 20, 70);
	o->delete_pct = (uint32_t)rng_between(r, 0, 40);
	o->ttl_pct = percent(r, 25) ? 20 : 0;
	o->retry_pct = percent(r, 50) ? 80 : 0;
	o->deadline_min_ms = 200;
	o->deadline_max_ms = (uint32_t)rng_between(r, 200, 2000);
	o->value_size_max = percent(r, 20) ? 4096 : 64;
}

static void draw_network(struct rng *r, struct sim_options *o)
{
	o->net_base_us = rng_between(r, 20, 2000);
	o->net_tail_us = rng_between(r, 20, percent(r, 30) ? 100000 : 3000);
	if (percent(r, 50))
		o->drop_ppm = (uint32_t)rng_between(r, 100, percent(r, 30) ? 200000 : 30000);
	if (percent(r, 50))
		o->repeat_ppm = (uint32_t)rng_between(r, 100, 100000);
	if (percent(r, 50)) {
		o->cut_every_us = rng_between(r, 1, 10) * USEC_PER_SEC;
		o->cut_max_us = rng_between(r, 100, 8000) * USEC_PER_MSEC;
		o->cut_clients = percent(r, 30);
	}
	if (percent(r, 25))
		o->slow_every_us = rng_between(r, 1, 10) * USEC_PER_SEC;
}

static void draw_nodes(struct rng *r, struct sim_options *o)
{
	o->disk_min_us = rng_between(r, 10, 2000);
	o->disk_max_us = o->disk_min_us + rng_between(r, 10, percent(r, 20) ? 300000 : 5000);
	if (percent(r, 20))
		o->disk_slow_every_us = rng_between(r, 2, 10) * USEC_PER_SEC;
	if (percent(r, 50)) {
		o->crash_every_us = rng_between(r, 200, percent(r, 50) ? 1500 : 10000) * USEC_PER_MSEC;
		o->down_max_us = rng_between(r, 10, 6000) * USEC_PER_MSEC;
		o->crash_many = percent(r, 40);
	}
	if (percent(r, 30)) {
		o->pause_every_us = rng_between(r, 2, 10) * USEC_PER_SEC;
		o->pause_max_us = rng_between(r, 200, 6000) * USEC_PER_MSEC;
	}
}

static void draw_clocks(struct rng *r, struct sim_options *o)
{
	o->skew_max_us = percent(r, 50) ? rng_between(r, 0, 200) * USEC_PER_MSEC : 0;
	o->drift_max_ppm = percent(r, 50) ? (int32_t)rng_between(r, 0, 500) : 0;
	if (percent(r, 20)) {
		o->jump_every_us = rng_between(r, 3, 15) * USEC_PER_SEC;
		o->jump_max_us = (percent(r, 25) ? rng_between(r, 60, 600) : rng_between(r, 1, 5)) * USEC_PER_SEC;
		o->ttl_pct = 0;
	}
}

/**
 * All clients on one key, restarts shorter than a ballot, writes that come late: the rules that only a collision within one
 * round trip can break. The other draws stay.
 */
static void draw_fierce(struct rng *r, struct sim_options *o)
{
	o->key_count = 1;
	o->core_count = 1;
	o->form = false;
	o->client_count = SIM_CLIENTS_MAX;
	o->think_us = rng_between(r, 1, 15) * USEC_PER_MSEC;
	o->strong_pct = (uint32_t)rng_between(r, 60, 95);
	o->get_pct = (uint32_t)rng_between(r, 30, 60);
	o->op_count = 400;
	o->lag_max_ms = 60;
	o->net_base_us = rng_between(r, 100, 2000);
	o->net_tail_us = rng_between(r, 1000, 40000);
	o->drop_ppm = (uint32_t)rng_between(r, 1000, 100000);
	o->repeat_ppm = (uint32_t)rng_between(r, 1000, 200000);
	o->crash_every_us = percent(r, 70) ? rng_between(r, 50, 500) * USEC_PER_MSEC : 0;
	o->down_max_us = rng_between(r, 2, 60) * USEC_PER_MSEC;
	o->crash_many = percent(r, 50);
	o->disk_min_us = 10;
	o->disk_max_us = rng_between(r, 100, 20000);
	o->slots_max = percent(r, 30) ? 1 : 0;
	o->deadline_min_ms = 300;
	o->deadline_max_ms = 3000;
}

void sim_options_draw(uint64_t seed, uint32_t nodes, struct sim_options *ret)
{
	KV_ASSERT(nodes <= SIM_NODES_MAX);
	struct rng r;
	rng_init(&r, seed);
	*ret = (struct sim_options){.seed = seed};
	draw_cluster(&r, nodes, ret);
	draw_clients(&r, ret);
	draw_network(&r, ret);
	draw_nodes(&r, ret);
	draw_clocks(&r, ret);
	if (seed % 4 == 3)
		draw_fierce(&r, ret);
}

void sim_options_print(const struct sim_options *o, struct buf *out)
{
	buf_printf(out, "seed=%" PRIu64 " nodes=%u replicas=%u cores=%u%s", o->seed, o->node_count, o->replicas,
		   o->core_count, o->form ? " form" : "");
	buf_printf(out, " ops_max=%u slots_max=%u hints_max=%" PRIu64, o->ops_max, o->slots_max, o->hints_max);
	buf_printf(out, " lag_ms=%u clients=%u keys=%u ops=%u think_us=%" PRIu64, o->lag_max_ms, o->client_count,
		   o->key_count, o->op_count, o->think_us);
	buf_printf(out, " strong=%u%% get=%u%% delete=%u%% ttl=%u%% retry=%u%% deadline_ms=%u..%u", o->strong_pct,
		   o->get_pct, o->delete_pct, o->ttl_pct, o->retry_pct, o->deadline_min_ms, o->deadline_max_ms);
	buf_printf(out, " net_us=%" PRIu64 "+%" PRIu64 " drop_ppm=%u repeat_ppm=%u", o->net_base_us, o->net_tail_us,
		   o->drop_ppm, o->repeat_ppm);
	buf_printf(out, " cut_every_us=%" PRIu64 "%s slow_every_us=%" PRIu64, o->cut_every_us,
		   o->cut_clients ? " (clients too)" : "", o->slow_every_us);
	buf_printf(out, " crash_every_us=%" PRIu64 "%s pause_every_us=%" PRIu64, o->crash_every_us,
		   o->crash_many ? " (many)" : "", o->pause_every_us);
	buf_printf(out, " disk_us=%" PRIu64 "..%" PRIu64 " disk_slow_every_us=%" PRIu64, o->disk_min_us,
		   o->disk_max_us, o->disk_slow_every_us);
	buf_printf(out, " skew_us=%" PRIu64 " drift_ppm=%d jump_every_us=%" PRIu64 " jump_max_us=%" PRIu64,
		   o->skew_max_us, o->drift_max_ppm, o->jump_every_us, o->jump_max_us);
}
