/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/options.h"

#include <inttypes.h>

#include "base/hash.h"
#include "base/rng.h"

static bool percent(struct rng *r, uint32_t pct) { return rng_below(r, 100) < pct; }

static void draw_cluster(struct rng *r, uint32_t nodes, struct sim_options *o)
{
	static const uint32_t counts[] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 5, 5, 6, 7, 9};
	o->node_count = counts[rng_below(r, ARRAY_SIZE(counts))];
	if (nodes)
		o->node_count = nodes;
	o->replicas = o->node_count >= 5 && percent(r, 40) ? 5 : 3;
	o->core_count = percent(r, 25) ? 2 : 1;
	o->partitions = 16;
	o->form = percent(r, 15);
	o->ops_max = percent(r, 10) ? 4 : 0;
	o->slots_max = percent(r, 15) ? 2 : 0;
	o->hints_max = percent(r, 10) ? 2 : 0;
	o->tick_us = percent(r, 30) ? 0 : rng_between(r, 20, 100) * USEC_PER_MSEC;
	o->buggify = percent(r, 40);
	o->codec = percent(r, 25);
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
	o->death_ppm = percent(r, 25) ? (uint32_t)rng_between(r, 1000, 50000) : 0;
	o->storm_every_us = percent(r, 25) ? rng_between(r, 1, 8) * USEC_PER_SEC : 0;
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
	if (percent(r, 20))
		o->swizzle_every_us = rng_between(r, 2, 12) * USEC_PER_SEC;
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
	if (percent(r, 30))
		o->step_every_us = rng_between(r, 200, percent(r, 50) ? 1500 : 10000) * USEC_PER_MSEC;
	if (percent(r, 15))
		o->power_every_us = rng_between(r, 1, 10) * USEC_PER_SEC;
	if (!o->down_max_us)
		o->down_max_us = rng_between(r, 10, 3000) * USEC_PER_MSEC;
	if (percent(r, 30)) {
		o->pause_every_us = rng_between(r, 2, 10) * USEC_PER_SEC;
		o->pause_max_us = rng_between(r, 200, 6000) * USEC_PER_MSEC;
	}
	if (percent(r, 15))
		o->sync_fail_every_us = rng_between(r, 500, 8000) * USEC_PER_MSEC;
	if (percent(r, 10))
		o->disk_full_every_us = rng_between(r, 2, 10) * USEC_PER_SEC;
	if (percent(r, 6))
		o->corrupt_every_us = rng_between(r, 1, 8) * USEC_PER_SEC;
	if (percent(r, 10))
		o->lost_every_us = rng_between(r, 1, 8) * USEC_PER_SEC;
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

/** A crowded key that is there and gone, and writes on the condition that it is or is not: what one replica knows decides. */
static void draw_flicker(struct rng *r, struct sim_options *o)
{
	o->strong_pct = (uint32_t)rng_between(r, 80, 100);
	o->get_pct = (uint32_t)rng_between(r, 10, 30);
	o->delete_pct = (uint32_t)rng_between(r, 30, 60);
	o->drop_ppm = (uint32_t)rng_between(r, 20000, 300000);
	o->mix.condition_pct = (uint32_t)rng_between(r, 50, 90);
	o->mix.chain_pct = 0;
	o->op_count = 400;
	o->buggify = true;
	o->value_size_max =
		4096; /* records too large to stay in memory: a node's own replica may be the last to answer */
	o->disk_max_us = rng_between(r, 5000, 100000);
	if (percent(r, 50)) {
		o->crash_every_us = rng_between(r, 50, 500) * USEC_PER_MSEC;
		o->down_max_us = rng_between(r, 10, 300) * USEC_PER_MSEC;
		o->crash_many = percent(r, 50);
	}
}

/**
 * All clients on one key, of everything a little, delays far longer than the pauses between requests, and little else going
 * wrong: puts without a ballot, ballots and eventual copies that meet half way.
 */
static void draw_crowd(struct rng *r, struct sim_options *o)
{
	o->key_count = 1;
	o->core_count = 1;
	o->form = false;
	o->client_count = SIM_CLIENTS_MAX;
	o->op_count = (uint32_t)rng_between(r, 150, 300);
	o->think_us = rng_between(r, 500, 5000);
	o->strong_pct = (uint32_t)rng_between(r, 40, 90);
	o->get_pct = (uint32_t)rng_between(r, 15, 45);
	o->delete_pct = (uint32_t)rng_between(r, 0, 20);
	o->net_base_us = rng_between(r, 50, 500);
	o->net_tail_us = rng_between(r, 2000, 50000);
	o->disk_min_us = 10;
	o->disk_max_us = rng_between(r, 20, 5000);
	o->drop_ppm = percent(r, 50) ? (uint32_t)rng_between(r, 1000, 50000) : 0;
	o->lag_max_ms = percent(r, 50) ? 60 : 0;
	o->skew_max_us = percent(r, 50) ? rng_between(r, 0, 40) * USEC_PER_MSEC : 0;
	o->cut_every_us = o->swizzle_every_us = o->power_every_us = o->pause_every_us = o->jump_every_us = 0;
	o->crash_every_us = percent(r, 20) ? rng_between(r, 200, 2000) * USEC_PER_MSEC : 0;
	o->mix.roles[0] = SIM_ROLE_ANY;
	o->mix.add_pct = 0;
	o->mix.condition_pct = (uint32_t)rng_between(r, 0, 60);
	o->mix.chain_pct = (uint32_t)rng_between(r, 0, 60);
	if (percent(r, 40))
		draw_flicker(r, o);
}

/**
 * Two clients on one key with three replicas, which mostly read or ask for what does not hold, and writes that only the
 * coordinator's own replica gets: nothing covers up what one replica alone has, and who decides without it is found out.
 */
static void draw_quiet(struct rng *r, struct sim_options *o)
{
	bool lossy = o->seed % 16 == 9; /* every other one: what a node tells others is lost more often */
	o->node_count = 3;
	o->replicas = 3;
	o->key_count = 1;
	o->core_count = 1;
	o->form = false;
	o->client_count = 2;
	o->op_count = 300;
	o->think_us = rng_between(r, 10, 100) * USEC_PER_MSEC;
	o->strong_pct = (uint32_t)rng_between(r, 50, 75);
	o->get_pct = (uint32_t)rng_between(r, 35, 55);
	o->delete_pct = (uint32_t)rng_between(r, 30, 50);
	o->ttl_pct = 0;
	o->net_base_us = rng_between(r, 20, 300);
	o->net_tail_us = rng_between(r, 0, 2000);
	o->drop_ppm = (uint32_t)rng_between(r, 0, lossy && percent(r, 50) ? 350000 : 50000);
	o->crash_every_us = o->step_every_us = o->power_every_us = 0;
	o->disk_min_us = 10;
	o->disk_max_us = rng_between(r, 100, 20000);
	if (lossy && percent(r, 50)) {
		/* Records too large to stay in memory: a node's own replica is the last to answer. */
		o->value_size_max = 4096;
		o->disk_max_us = rng_between(r, 5000, 100000);
	}
	o->deadline_min_ms = 50;
	o->deadline_max_ms = (uint32_t)rng_between(r, 200, 800);
	o->buggify = true;
	o->mix = (struct sim_mix){.session_count = 1,
				  .presence_pct = percent(r, 80) ? 100 : 25,
				  .condition_pct = (uint32_t)rng_between(r, 80, 100)};
}

/** Every third run: as good as all records stay, or two or three keys' do. Of a stream of its own: nothing else is drawn differently. */
static uint32_t draw_cache(uint64_t seed)
{
	struct rng r;
	rng_init(&r, hash_u64(seed));
	if (rng_below(&r, 3) > 0)
		return 0;
	return percent(&r, 50) ? 1 << 20 : (uint32_t)rng_between(&r, 1200, 4000);
}

void sim_options_draw(uint64_t seed, uint32_t nodes, struct sim_options *ret)
{
	KV_ASSERT(nodes <= SIM_FIRST_MAX);
	struct rng r;
	rng_init(&r, seed);
	*ret = (struct sim_options){.seed = seed, .nodes = nodes, .record_cache_bytes = draw_cache(seed)};
	draw_cluster(&r, nodes, ret);
	draw_clients(&r, ret);
	draw_network(&r, ret);
	draw_nodes(&r, ret);
	draw_clocks(&r, ret);
	if (seed % 4 == 3)
		draw_fierce(&r, ret);
	sim_mix_draw(seed, &ret->mix);
	if (seed % 8 == 5)
		draw_crowd(&r, ret);
	if (seed % 8 == 1 && nodes <= 3)
		draw_quiet(&r, ret);
}

/* --- taking out --- */

static const struct {
	const char *name, *text;
} classes[] = {
#define SIM_CLASS_(name, text) {#name, text},
	SIM_CLASSES(SIM_CLASS_)
#undef SIM_CLASS_
};

const char *sim_class_name(enum sim_class class)
{
	KV_ASSERT(class < SIM_CLASS_COUNT);
	return classes[class].name;
}

const char *sim_class_text(enum sim_class class)
{
	KV_ASSERT(class < SIM_CLASS_COUNT);
	return classes[class].text;
}

enum sim_class sim_class_find(struct slice name)
{
	for (int i = 0; i < SIM_CLASS_COUNT; i++)
		if (slice_equal(name, slice_str(classes[i].name)))
			return (enum sim_class)i;
	return SIM_CLASS_COUNT;
}

/* Sets a field to what is harmless; true if it was not. */
#define CLEAR(field, harmless)                                                                                     \
	do {                                                                                                       \
		found |= (field) != (harmless);                                                                    \
		(field) = (harmless);                                                                              \
	} while (0)

static bool take_out_of_network(struct sim_options *o, enum sim_class class)
{
	bool found = false;
	switch (class) {
	case SIM_CLASS_drop:
		CLEAR(o->drop_ppm, 0);
		break;
	case SIM_CLASS_repeat:
		CLEAR(o->repeat_ppm, 0);
		break;
	case SIM_CLASS_tail:
		CLEAR(o->net_tail_us, 50);
		break;
	case SIM_CLASS_cut:
		CLEAR(o->cut_every_us, 0);
		break;
	case SIM_CLASS_swizzle:
		CLEAR(o->swizzle_every_us, 0);
		break;
	case SIM_CLASS_slow:
		CLEAR(o->slow_every_us, 0);
		break;
	default:
		break;
	}
	return found;
}

static bool take_out_of_nodes(struct sim_options *o, enum sim_class class)
{
	bool found = false;
	switch (class) {
	case SIM_CLASS_crash:
		CLEAR(o->crash_every_us, 0);
		break;
	case SIM_CLASS_step:
		CLEAR(o->step_every_us, 0);
		break;
	case SIM_CLASS_power:
		CLEAR(o->power_every_us, 0);
		break;
	case SIM_CLASS_pause:
		CLEAR(o->pause_every_us, 0);
		break;
	case SIM_CLASS_disk:
		CLEAR(o->disk_slow_every_us, 0);
		break;
	case SIM_CLASS_sync:
		CLEAR(o->sync_fail_every_us, 0);
		break;
	case SIM_CLASS_full:
		CLEAR(o->disk_full_every_us, 0);
		break;
	case SIM_CLASS_corrupt:
		CLEAR(o->corrupt_every_us, 0);
		break;
	case SIM_CLASS_lost:
		CLEAR(o->lost_every_us, 0);
		break;
	case SIM_CLASS_skew:
		CLEAR(o->skew_max_us, 0);
		break;
	case SIM_CLASS_drift:
		CLEAR(o->drift_max_ppm, 0);
		break;
	case SIM_CLASS_jump:
		CLEAR(o->jump_every_us, 0);
		break;
	default:
		break;
	}
	return found;
}

static bool take_out_of_rest(struct sim_options *o, enum sim_class class)
{
	bool found = false;
	switch (class) {
	case SIM_CLASS_storm:
		CLEAR(o->storm_every_us, 0);
		break;
	case SIM_CLASS_death:
		CLEAR(o->death_ppm, 0);
		break;
	case SIM_CLASS_retry:
		CLEAR(o->retry_pct, 0);
		break;
	case SIM_CLASS_lag:
		CLEAR(o->lag_max_ms, 0);
		break;
	case SIM_CLASS_ttl:
		CLEAR(o->ttl_pct, 0);
		break;
	case SIM_CLASS_limits:
		CLEAR(o->ops_max, 0);
		CLEAR(o->slots_max, 0);
		CLEAR(o->hints_max, 0);
		CLEAR(o->tick_us, 0);
		break;
	case SIM_CLASS_cache:
		CLEAR(o->record_cache_bytes, 0u);
		break;
	case SIM_CLASS_buggify:
		CLEAR(o->buggify, false);
		break;
	case SIM_CLASS_form:
		CLEAR(o->form, false);
		break;
	default:
		break;
	}
	return found;
}

bool sim_options_take_out(struct sim_options *o, enum sim_class class)
{
	KV_ASSERT(class < SIM_CLASS_COUNT);
	o->without |= 1u << class;
	bool found = take_out_of_network(o, class);
	found |= take_out_of_nodes(o, class);
	found |= take_out_of_rest(o, class);
	found |= sim_options_take_out_of_changes(o, class);
	return found;
}

/* --- dropping operations --- */

/* Puts a range among the others: ranges that touch become one. */
bool sim_options_skip(struct sim_options *o, uint32_t first, uint32_t last)
{
	KV_ASSERT(first <= last);
	struct sim_skip merged[SIM_SKIPS_MAX + 1];
	struct sim_skip new = {first, last};
	uint32_t count = 0;
	bool placed = false;
	for (uint32_t i = 0; i < o->skip_count; i++) {
		struct sim_skip old = o->skips[i];
		if (old.first <= new.last + 1 && new.first <= old.last + 1) {
			new.first = MIN(new.first, old.first);
			new.last = MAX(new.last, old.last);
			continue;
		}
		if (!placed && new.last < old.first) {
			merged[count++] = new;
			placed = true;
		}
		merged[count++] = old;
	}
	if (!placed)
		merged[count++] = new;
	if (count > SIM_SKIPS_MAX)
		return false;
	memcpy(o->skips, merged, count * sizeof(merged[0]));
	o->skip_count = count;
	return true;
}

bool sim_options_skips(const struct sim_options *o, uint32_t index)
{
	for (uint32_t i = 0; i < o->skip_count; i++)
		if (o->skips[i].first <= index && index <= o->skips[i].last)
			return true;
	return false;
}

uint32_t sim_options_ops(const struct sim_options *o)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < o->op_count; i++)
		count += !sim_options_skips(o, i);
	return count;
}

/* --- text --- */

void sim_options_print(const struct sim_options *o, struct buf *out)
{
	buf_printf(out, "seed=%" PRIu64 " nodes=%u replicas=%u cores=%u%s%s%s", o->seed, o->node_count, o->replicas,
		   o->core_count, o->form ? " form" : "", o->codec ? " codec" : "", o->buggify ? " buggify" : "");
	buf_printf(out, " ops_max=%u slots_max=%u hints_max=%" PRIu64 " tick_us=%" PRIu64, o->ops_max, o->slots_max,
		   o->hints_max, o->tick_us);
	buf_printf(out, " cache=%u", o->record_cache_bytes);
	buf_printf(out, " lag_ms=%u clients=%u keys=%u ops=%u think_us=%" PRIu64, o->lag_max_ms, o->client_count,
		   o->key_count, o->op_count, o->think_us);
	buf_printf(out, " strong=%u%% get=%u%% delete=%u%% ttl=%u%% retry=%u%% deadline_ms=%u..%u", o->strong_pct,
		   o->get_pct, o->delete_pct, o->ttl_pct, o->retry_pct, o->deadline_min_ms, o->deadline_max_ms);
	buf_printf(out, " death_ppm=%u storm_every_us=%" PRIu64, o->death_ppm, o->storm_every_us);
	buf_printf(out, " net_us=%" PRIu64 "+%" PRIu64 " drop_ppm=%u repeat_ppm=%u", o->net_base_us, o->net_tail_us,
		   o->drop_ppm, o->repeat_ppm);
	buf_printf(out, " cut_every_us=%" PRIu64 "%s swizzle_every_us=%" PRIu64 " slow_every_us=%" PRIu64,
		   o->cut_every_us, o->cut_clients ? " (clients too)" : "", o->swizzle_every_us, o->slow_every_us);
	buf_printf(out, " crash_every_us=%" PRIu64 "%s step_every_us=%" PRIu64 " power_every_us=%" PRIu64,
		   o->crash_every_us, o->crash_many ? " (many)" : "", o->step_every_us, o->power_every_us);
	buf_printf(out, " pause_every_us=%" PRIu64 " disk_us=%" PRIu64 "..%" PRIu64 " disk_slow_every_us=%" PRIu64,
		   o->pause_every_us, o->disk_min_us, o->disk_max_us, o->disk_slow_every_us);
	buf_printf(out, " sync_fail_every_us=%" PRIu64 " disk_full_every_us=%" PRIu64, o->sync_fail_every_us,
		   o->disk_full_every_us);
	buf_printf(out, " corrupt_every_us=%" PRIu64 " lost_every_us=%" PRIu64, o->corrupt_every_us,
		   o->lost_every_us);
	buf_printf(out, " skew_us=%" PRIu64 " drift_ppm=%d jump_every_us=%" PRIu64 " jump_max_us=%" PRIu64,
		   o->skew_max_us, o->drift_max_ppm, o->jump_every_us, o->jump_max_us);
	buf_append_str(out, " ");
	sim_mix_print(&o->mix, out);
	sim_options_print_changes(o, out);
}

void sim_options_arguments(const struct sim_options *o, uint32_t nodes, struct buf *out)
{
	struct sim_options drawn;
	sim_options_draw(o->seed, nodes, &drawn);
	buf_printf(out, "--seed %" PRIu64 "%s", o->seed, o->membership ? " --membership" : "");
	if (nodes)
		buf_printf(out, " --nodes %u", nodes);
	for (uint32_t i = 0, listed = 0; i < SIM_CLASS_COUNT; i++)
		if (o->without >> i & 1)
			buf_printf(out, "%s%s", listed++ ? "," : " --without ", sim_class_name((enum sim_class)i));
	if (o->op_count != drawn.op_count)
		buf_printf(out, " --ops %u", o->op_count);
	if (o->client_count != drawn.client_count)
		buf_printf(out, " --clients %u", o->client_count);
	if (o->key_count != drawn.key_count)
		buf_printf(out, " --keys %u", o->key_count);
	for (uint32_t i = 0; i < o->skip_count && o->skips[i].first < o->op_count; i++)
		buf_printf(out, "%s%u-%u", i ? "," : " --skip ", o->skips[i].first,
			   MIN(o->skips[i].last, o->op_count - 1));
}
