/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/draw.h"

#include "tests/sim/sim.h"
#include "tests/sim/value.h"

/* Pieces of a log are small: it is read and sent as a whole. */
#define PIECE_SIZE_MAX 8u

static bool percent(struct sim *sim, uint32_t pct) { return rng_below(&sim->rng, 100) < pct; }

/* --- kinds --- */

static void draw_write(struct sim *sim, struct history_op *op, enum history_kind kind)
{
	const struct sim_options *o = &sim->options;
	op->kind = kind;
	op->ttl_ms = 0;
	op->value = 0;
	if (kind == HISTORY_PUT || kind == HISTORY_APPEND)
		op->value = ++sim->work.values;
	if (kind == HISTORY_PUT) {
		op->size = value_size(op->value, o->value_size_max);
		op->ttl_ms = percent(sim, o->ttl_pct) ? rng_between(&sim->rng, 100, 5000) : 0;
	} else if (kind == HISTORY_APPEND) {
		op->size = value_size(op->value, PIECE_SIZE_MAX);
	}
}

static void draw_add(struct sim *sim, struct history_op *op)
{
	draw_write(sim, op, HISTORY_ADD);
	op->delta = 1;
	if (sim->options.mix.delta == SIM_DELTA_UNIQUE)
		op->delta = (INT64_C(1) << 32) + (int64_t)++sim->work.values;
	else if (sim->options.mix.delta == SIM_DELTA_SIGNED)
		op->delta = percent(sim, 50) ? (int64_t)rng_between(&sim->rng, 1, 5)
					     : -(int64_t)rng_between(&sim->rng, 1, 5);
}

static void draw_plain(struct sim *sim, struct history_op *op)
{
	const struct sim_options *o = &sim->options;
	op->level = percent(sim, o->strong_pct) ? HISTORY_STRONG : HISTORY_EVENTUAL;
	op->acks = HISTORY_ACKS_DEFAULT;
	if (!history_is_strong(op))
		op->acks = (enum history_acks)rng_between(&sim->rng, HISTORY_ACKS_ONE, HISTORY_ACKS_ALL);
	if (percent(sim, o->get_pct))
		op->kind = HISTORY_GET;
	else if (percent(sim, o->delete_pct))
		draw_write(sim, op, HISTORY_DELETE);
	else
		draw_write(sim, op, HISTORY_PUT);
}

/* --- conditions, fences, levels --- */

/* A condition on what the client's last strong get of the key saw, or on absence and presence. */
static void draw_condition(struct sim *sim, const struct sim_client *c, struct history_op *op)
{
	struct history_condition *when = &op->when;
	bool seen = c->saw.known && c->saw.key == op->key;
	if (seen && percent(sim, 100 - sim->options.mix.presence_pct)) {
		when->has_value = c->saw.content != CONTENT_NONE && percent(sim, 30);
		when->has_version = !when->has_value || percent(sim, 10);
		when->version = c->saw.content == CONTENT_NONE ? (struct stamp){0, 0} : c->saw.version;
		when->value = c->saw.content;
		return;
	}
	when->present = percent(sim, 50);
	when->has_version = !when->present;
}

static void draw_fence(struct sim *sim, struct history_op *op)
{
	uint64_t *highest = &sim->work.fences[op->key];
	uint64_t low = *highest > 2 ? *highest - 2 : 1;
	op->fence = rng_between(&sim->rng, low, *highest + 1);
	*highest = MAX(*highest, op->fence);
}

/* An eventual operation may be one of a session, and an eventual get may have a bound. */
static void draw_level(struct sim *sim, const struct sim_client *c, struct history_op *op)
{
	const struct sim_mix *m = &sim->options.mix;
	if (op->level != HISTORY_EVENTUAL)
		return;
	if (percent(sim, m->session_pct)) {
		op->level = HISTORY_SESSION;
		op->session = 1 + c->index % m->session_count;
	} else if (op->kind == HISTORY_GET && percent(sim, m->bounded_pct)) {
		op->level = HISTORY_BOUNDED;
		op->bound_ms = rng_between(&sim->rng, 1, percent(sim, 50) ? 200 : 5000);
	}
}

/* --- roles --- */

static void draw_get(struct sim *sim, struct history_op *op)
{
	op->kind = HISTORY_GET;
	op->level = percent(sim, MAX(sim->options.strong_pct, 50u)) ? HISTORY_STRONG : HISTORY_EVENTUAL;
}

static void draw_any(struct sim *sim, const struct sim_client *c, struct history_op *op)
{
	const struct sim_mix *m = &sim->options.mix;
	draw_plain(sim, op);
	if (!history_is_strong(op) || !history_is_write(op))
		return;
	if (percent(sim, m->add_pct))
		draw_add(sim, op);
	else if (percent(sim, m->append_pct))
		draw_write(sim, op, HISTORY_APPEND);
	else if (percent(sim, m->condition_pct))
		draw_condition(sim, c, op);
	if (percent(sim, m->fence_pct))
		draw_fence(sim, op);
}

static void draw_cas(struct sim *sim, const struct sim_client *c, struct history_op *op)
{
	op->level = HISTORY_STRONG;
	draw_write(sim, op, percent(sim, sim->options.delete_pct / 2) ? HISTORY_DELETE : HISTORY_PUT);
	draw_condition(sim, c, op);
}

static void draw_by_role(struct sim *sim, const struct sim_client *c, struct history_op *op)
{
	enum sim_role role = sim->options.mix.roles[op->key];
	op->level = HISTORY_STRONG;
	if (role == SIM_ROLE_ANY) {
		draw_any(sim, c, op);
	} else if (percent(sim, sim->options.get_pct)) {
		draw_get(sim, op);
	} else if (role == SIM_ROLE_COUNTER) {
		draw_add(sim, op);
	} else if (role == SIM_ROLE_LOG) {
		draw_write(sim, op, HISTORY_APPEND);
	} else if (role == SIM_ROLE_CAS) {
		draw_cas(sim, c, op);
	} else {
		draw_write(sim, op, percent(sim, sim->options.delete_pct / 2) ? HISTORY_DELETE : HISTORY_PUT);
		draw_fence(sim, op);
	}
}

/* --- outcomes --- */

/* What became of the last strong write of a client: its own after doubt, anyone's at times, even one still under way. */
static bool draw_ask(struct sim *sim, struct sim_client *c, struct history_op *op)
{
	const struct sim_options *o = &sim->options;
	const struct sim_client *whose = c;
	bool asks = c->asks;
	c->asks = false;
	if (!asks && percent(sim, o->mix.ask_any_pct)) {
		whose = &sim->work.clients[rng_below(&sim->rng, o->client_count)];
		asks = whose->wrote.known;
	}
	if (!asks || !whose->wrote.known)
		return false;
	op->kind = HISTORY_ASK;
	op->level = HISTORY_STRONG;
	op->about = whose->wrote.op;
	op->key = whose->wrote.key;
	return true;
}

/* Clients know the map: they seldom ask a machine that is not part of the cluster. */
static uint16_t draw_node(struct sim *sim)
{
	uint16_t index = (uint16_t)rng_below(&sim->rng, sim->options.node_count);
	return sim->options.membership && percent(sim, 95) ? sim_node_left(sim, index) : index;
}

void draw_op(struct sim *sim, struct sim_client *c, struct history_op *op)
{
	const struct sim_options *o = &sim->options;
	op->node = draw_node(sim);
	op->key = (uint32_t)rng_below(&sim->rng, o->key_count);
	if (draw_ask(sim, c, op))
		return;
	if (c->chains && percent(sim, o->mix.chain_pct) && o->mix.roles[c->saw.key] <= SIM_ROLE_ANY) {
		c->chains = false;
		op->key = c->saw.key;
		draw_cas(sim, c, op);
		return;
	}
	c->chains = false;
	draw_by_role(sim, c, op);
	draw_level(sim, c, op);
}

void draw_final(struct sim *sim, struct history_op *op)
{
	uint32_t next = sim->work.final_next++;
	op->kind = HISTORY_GET;
	op->level = HISTORY_STRONG;
	op->node = sim_node_left(sim, (uint16_t)(next % sim->options.node_count));
	op->key = next / sim->options.node_count;
}
