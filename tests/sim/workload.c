/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/workload.h"

#include "base/hash.h"
#include "base/mutant.h"
#include "tests/sim/draw.h"
#include "tests/sim/sim.h"
#include "tests/sim/value.h"
#include "tests/sim/wire.h"

/* How long a client waits beyond the deadline it gave. */
#define PATIENCE_US (200 * USEC_PER_MSEC)

/* Closing reads have time: nothing fails any more. */
#define CLOSING_DEADLINE_MS 2000u

/* --- asking --- */

static struct history_op *client_op(struct sim *sim, const struct sim_client *c)
{
	KV_ASSERT(c->busy);
	return &sim->history.ops[c->op];
}

/* The client's next look at the world, at AT_US; whatever was scheduled before is void. */
static void client_schedule(struct sim *sim, struct sim_client *c, usec_t at_us)
{
	struct sim_event *event = sim_event_new(SIM_CLIENT);
	event->client = c->index;
	event->token = ++c->turn;
	sim_at(sim, event, at_us);
}

/* Not before the next tide, if this one is over. */
static usec_t at_tide(const struct sim *sim, usec_t at_us)
{
	usec_t tide_us = sim->options.tide_us;
	if (tide_us == 0 || sim->work.final || at_us % tide_us < sim->options.tide_active_us)
		return at_us;
	return (at_us / tide_us + 1) * tide_us + at_us % 1000;
}

static void client_think(struct sim *sim, struct sim_client *c)
{
	usec_t think_us = rng_between(&sim->rng, 0, 2 * sim->options.think_us);
	if (rng_chance(&sim->rng, 300000))
		think_us = rng_between(&sim->rng, 0, 100); /* bursts find what a steady pace does not */
	client_schedule(sim, c, at_tide(sim, sim->now_us + (sim->work.final ? 1000 : think_us)));
}

static bool percent(struct sim *sim, uint32_t pct) { return rng_below(&sim->rng, 100) < pct; }

static uint16_t opcode_of(const struct history_op *op)
{
	switch (op->kind) {
	case HISTORY_GET:
		return OP_GET;
	case HISTORY_PUT:
		return history_is_conditional(op) ? OP_CAS : OP_PUT;
	case HISTORY_DELETE:
		return OP_DEL;
	case HISTORY_ADD:
		return OP_ADD;
	case HISTORY_APPEND:
		return OP_APPEND;
	case HISTORY_ASK:
		break;
	}
	return OP_OUTCOME;
}

static enum msg_level level_of(const struct history_op *op)
{
	static const enum msg_level levels[] = {
		[HISTORY_EVENTUAL] = LEVEL_EVENTUAL,
		[HISTORY_SESSION] = LEVEL_SESSION,
		[HISTORY_BOUNDED] = LEVEL_BOUNDED,
		[HISTORY_STRONG] = LEVEL_STRONG,
	};
	return levels[op->level];
}

static void fill_condition(const struct sim_client *c, const struct history_condition *when, struct msg_request *r)
{
	r->has_expected = when->has_version;
	r->expected = (struct version){.hlc = when->version.hi, .id = when->version.lo};
	r->has_expected_hash = when->has_value;
	r->expected_hash = when->has_value ? c->hash : 0;
	r->if_present = when->present;
}

/* Fills what the operation asks for; VALUE and TOKEN hold bytes until it is sent. */
static void fill_request(struct sim *sim, const struct sim_client *c, struct history_op *op, struct buf *value,
			 struct buf *token, struct msg_request *r)
{
	r->level = level_of(op);
	r->acks = (enum msg_acks)op->acks;
	r->deadline_ms = c->deadline_ms;
	r->attempt = MUTANT(norid) ? 0 : op->attempts - 1;
	r->staleness_ms = (uint32_t)op->bound_ms;
	r->receipt_wanted = rng_chance(&sim->rng, 100000);
	if (op->kind != HISTORY_GET) {
		r->rid = c->rid;
		r->t0 = c->t0;
		if (MUTANT(norid) && op->attempts > 1)
			r->rid.client = op->attempts;
	}
	if (op->session) {
		const struct session *session = &sim->work.sessions[op->session - 1];
		bool without = rng_chance(&sim->rng, 50000);
		session_token(session, op->key, without, token);
		op->floor = without ? (struct stamp){0, 0} : session->copies[op->key];
		r->session = buf_slice(token);
	}
	if (!history_is_write(op))
		return;
	r->fence = op->fence;
	r->delta = op->delta;
	fill_condition(c, &op->when, r);
	if (op->kind == HISTORY_PUT || op->kind == HISTORY_APPEND) {
		value_write(op->value, op->key, op->size, value);
		r->value = buf_slice(value);
		r->value_hash = hash64(r->value);
	}
	if (op->kind == HISTORY_PUT)
		r->ttl_ms = op->ttl_ms;
}

/* Until it loses patience, or dies. */
static void client_wait(struct sim *sim, struct sim_client *c)
{
	usec_t us = c->deadline_ms * USEC_PER_MSEC + PATIENCE_US;
	if (history_is_write(client_op(sim, c)) && c->t0)
		us = sim_patience_us(sim, us);
	c->dies = !sim->work.final && rng_chance(&sim->rng, sim->options.death_ppm);
	if (c->dies)
		us = rng_below(&sim->rng, 20 * USEC_PER_MSEC);
	client_schedule(sim, c, sim->now_us + us);
}

static void client_send(struct sim *sim, struct sim_client *c)
{
	struct history_op *op = client_op(sim, c);
	char key[16];
	struct buf value = BUF_INIT, token = BUF_INIT;
	op->attempts++;
	client_wait(sim, c);
	struct msg m = {.opcode = opcode_of(op), .id = c->turn, .request = {.key = value_key(op->key, key)}};
	fill_request(sim, c, op, &value, &token, &m.request);
	trace_add(&sim->trace, sim->now_us, TRACE_invoke, c->index, op->node, op->index, op->attempts);
	sim_send(sim, sim_client_end(sim, c->index), op->node, &m, c->turn);
	buf_release(&value);
	buf_release(&token);
}

/* What the operation sends besides what was drawn: an id of its own and a reading of the clock, or those asked about. */
static void client_identify(struct sim *sim, struct sim_client *c, struct history_op *op)
{
	const struct sim_options *o = &sim->options;
	c->rid = (struct request_id){.client = 1000 + c->index + 100 * c->lives, .seq = op->index + 1};
	/* Half of them say that they never have two requests under way. */
	if (c->index % 2)
		c->rid.seq |= REQUEST_LANE;
	c->t0 = c->seen ? c->seen + (sim->now_us - c->seen_us) * HLC_UNITS_PER_MS / USEC_PER_MSEC : 0;
	if (c->t0 && o->lag_max_ms && !sim->work.final && rng_chance(&sim->rng, 500000))
		c->t0 -= rng_below(&sim->rng, o->lag_max_ms) * HLC_UNITS_PER_MS;
	if (op->kind == HISTORY_ASK) {
		const struct sim_client *whose = &sim->work.clients[sim->history.ops[op->about].client];
		KV_ASSERT(whose->wrote.op == op->about);
		c->rid = whose->wrote.rid;
		c->t0 = whose->wrote.t0;
	} else if (history_is_write(op) && history_is_strong(op)) {
		c->wrote.known = true;
		c->wrote.op = op->index;
		c->wrote.key = op->key;
		c->wrote.rid = c->rid;
		c->wrote.t0 = c->t0;
	}
	op->rid = (struct stamp){.hi = c->rid.client, .lo = c->rid.seq};
	c->hash = c->saw.hash;
}

static void client_next(struct sim *sim, struct sim_client *c)
{
	struct workload *w = &sim->work;
	if (w->ops_left == 0 || (w->final && c->index != 0))
		return;
	/* What is left out of a run is drawn all the same: the rest stays as it was. */
	while (!w->final && w->ops_left && sim_options_skips(&sim->options, sim->options.op_count - w->ops_left)) {
		struct history_op unused = {0};
		draw_op(sim, c, &unused);
		w->ops_left--;
	}
	if (w->ops_left == 0)
		return;
	w->ops_left--;
	struct history_op *op = history_invoke(&sim->history, sim->now_us);
	op->client = c->index;
	if (w->final)
		draw_final(sim, op);
	else
		draw_op(sim, c, op);
	c->busy = true;
	c->op = op->index;
	c->doubt = false;
	client_identify(sim, c, op);
	const struct sim_options *o = &sim->options;
	c->deadline_ms = w->final ? CLOSING_DEADLINE_MS
				  : (uint32_t)rng_between(&sim->rng, o->deadline_min_ms, o->deadline_max_ms);
	client_send(sim, c);
}

/* --- answers --- */

static void client_finish(struct sim *sim, struct sim_client *c, enum history_outcome outcome,
			  enum kv_status status)
{
	history_complete(&sim->history, c->op, sim->now_us, outcome, status);
	uint64_t *const counters[] = {
		[HISTORY_PENDING] = &sim->cover.ops_unanswered, [HISTORY_DONE] = &sim->cover.ops_done,
		[HISTORY_ABSENT] = &sim->cover.ops_absent,      [HISTORY_DOUBT] = &sim->cover.ops_doubt,
		[HISTORY_REFUSED] = &sim->cover.ops_refused,    [HISTORY_FAILED] = &sim->cover.ops_failed,
	};
	++*counters[outcome];
	if (sim->work.final && outcome != HISTORY_DONE && outcome != HISTORY_ABSENT) {
		sim->work.final_failed++;
		sim->work.final_key = sim->history.ops[c->op].key;
	}
	c->busy = false;
	client_think(sim, c);
}

/* Asks another node under the same id and time. A write whose time the client did not fix would be a second write. */
static bool client_retry(struct sim *sim, struct sim_client *c)
{
	struct history_op *op = client_op(sim, c);
	uint32_t pct = history_is_strong(op) ? sim->options.mix.retry_pct : sim->options.retry_pct;
	uint32_t most = WORKLOAD_ATTEMPTS_MAX;
	if (sim->now_us < sim->storm_until_us) {
		pct = pct ? 100 : 0;
		most = WORKLOAD_STORM_ATTEMPTS_MAX;
	}
	if (!history_is_write(op) || !c->t0 || op->attempts >= most || !percent(sim, pct))
		return false;
	uint32_t others = sim->options.node_count - 1;
	op->node = (uint16_t)((op->node + 1 + rng_below(&sim->rng, others)) % sim->options.node_count);
	if (sim->options.membership)
		op->node = sim_node_left(sim, op->node);
	sim->cover.ops_retried++;
	client_send(sim, c);
	return true;
}

static uint64_t content_of(struct sim *sim, const struct history_op *op, struct slice bytes)
{
	uint64_t content = value_content(&sim->history, bytes, op->key);
	if (content == CONTENT_FOREIGN)
		verdict_fail(&sim->verdict, "value", op->key, "#%u saw bytes that no client wrote", op->index);
	return content;
}

static void client_on_get(struct sim *sim, struct sim_client *c, struct history_op *op, const struct msg_result *r)
{
	bool found = r->status == KV_OK;
	op->version = (struct stamp){.hi = r->version.hlc, .lo = r->version.id};
	op->stale_ms = r->staleness_ms;
	if (found) {
		op->value = content_of(sim, op, r->value);
		op->ttl_ms = r->expires_ms != 0;
	}
	if (history_is_strong(op)) {
		c->saw.known = true;
		c->saw.key = op->key;
		c->saw.version = op->version;
		c->saw.content = op->value;
		c->saw.hash = found ? hash64(r->value) : 0;
		c->chains = true;
	}
}

/* The number an addition, an append or the outcome of one is answered with. */
static void client_on_number(struct sim *sim, struct history_op *op, const struct msg_result *r)
{
	op->has_result = value_number(r->value, &op->result);
	if (!op->has_result)
		verdict_fail(&sim->verdict, "value", op->key, "#%u was answered with something else than a number",
			     op->index);
}

static void client_on_outcome(struct sim *sim, struct history_op *op, const struct msg_result *r)
{
	const struct history_op *about = &sim->history.ops[op->about];
	switch (r->outcome) {
	case OUTCOME_COMMITTED:
		op->told = HISTORY_TOLD_COMMITTED;
		op->version = (struct stamp){.hi = r->version.hlc, .lo = r->version.id};
		if (about->kind == HISTORY_ADD || about->kind == HISTORY_APPEND)
			client_on_number(sim, op, r);
		sim->cover.told_committed++;
		break;
	case OUTCOME_NOT_APPLIED:
		op->told = HISTORY_TOLD_NEVER;
		sim->cover.told_never++;
		break;
	case OUTCOME_EXPIRED:
		op->told = HISTORY_TOLD_EXPIRED;
		sim->cover.told_expired++;
		break;
	case OUTCOME_NONE:
		verdict_fail(&sim->verdict, "value", op->key, "#%u was answered without an outcome", op->index);
		break;
	}
}

static void client_on_session(struct sim *sim, struct history_op *op, const struct msg_result *r)
{
	if (!session_take(&sim->work.sessions[op->session - 1], op->key, r->session, &op->token))
		verdict_fail(&sim->verdict, "value", op->key, "#%u was answered with a malformed session token",
			     op->index);
}

static void client_on_success(struct sim *sim, struct sim_client *c, struct history_op *op,
			      const struct msg_result *r)
{
	if (op->session)
		client_on_session(sim, op, r);
	if (op->kind == HISTORY_GET)
		client_on_get(sim, c, op, r);
	else if (op->kind == HISTORY_ASK)
		client_on_outcome(sim, op, r);
	else
		op->version = (struct stamp){.hi = r->version.hlc, .lo = r->version.id};
	if (op->kind == HISTORY_ADD || op->kind == HISTORY_APPEND)
		client_on_number(sim, op, r);
	bool absent = op->kind == HISTORY_GET && r->status == KV_NOT_FOUND;
	client_finish(sim, c, absent ? HISTORY_ABSENT : HISTORY_DONE, r->status);
}

static bool says(const struct msg_result *r, const char *words)
{
	return r->message.size > 0 && memmem(r->message.data, r->message.size, words, strlen(words));
}

/* A condition did not hold, or something else kept the write from happening for ever: a retry hears only that it did not. */
static void client_on_failure(struct sim *sim, struct sim_client *c, struct history_op *op,
			      const struct msg_result *r)
{
	bool absent = says(r, "absent");
	bool fence = says(r, "fencing token");
	op->fenced_off = fence;
	op->version = (struct stamp){.hi = r->version.hlc, .lo = r->version.id};
	if (stamp_is_none(op->version)) {
		op->has_found = absent;
	} else if (r->value.size > 0) {
		op->has_found = true;
		op->found_ends = r->expires_ms != 0;
		op->found = content_of(sim, op, r->value);
	}
	bool told = op->has_found || fence || !stamp_is_none(op->version);
	client_finish(sim, c, told ? HISTORY_FAILED : HISTORY_REFUSED, r->status);
}

static void client_on_error(struct sim *sim, struct sim_client *c, const struct msg_result *r)
{
	struct history_op *op = client_op(sim, c);
	c->doubt |= history_is_write(op) && r->in_doubt;
	if (r->status == KV_CLOCK)
		c->seen = 0; /* some node's clock was far ahead; start over with the next one's */
	if (client_retry(sim, c))
		return;
	if (c->doubt && history_is_strong(op))
		c->asks = percent(sim, sim->options.mix.ask_pct);
	client_finish(sim, c, c->doubt ? HISTORY_DOUBT : HISTORY_REFUSED, r->status);
}

void workload_on_answer(struct sim *sim, struct sim_event *event)
{
	struct sim_client *c = &sim->work.clients[event->client];
	if (!c->busy || event->token != c->turn)
		return;
	struct arena arena = ARENA_INIT(0);
	struct msg m;
	wire_decode(buf_slice(&event->bytes), &arena, &m);
	const struct msg_result *r = &m.result;
	struct history_op *op = client_op(sim, c);
	trace_add(&sim->trace, sim->now_us, TRACE_answer, c->index, op->index, r->status, r->in_doubt);
	if (m.hlc > c->seen) {
		c->seen = m.hlc;
		c->seen_us = sim->now_us;
	}
	if (r->status == KV_OK || r->status == KV_NOT_FOUND)
		client_on_success(sim, c, op, r);
	else if (r->status == KV_CONDITION_FAILED && !r->in_doubt)
		client_on_failure(sim, c, op, r);
	else
		client_on_error(sim, c, r);
	arena_release(&arena);
}

/* Never heard of again; another client comes in its place. */
static void client_die(struct sim *sim, struct sim_client *c)
{
	sim->cover.clients_died++;
	c->lives++;
	c->seen = 0;
	c->saw.known = c->chains = c->asks = false;
	client_finish(sim, c, HISTORY_PENDING, KV_OK);
}

void workload_on_client(struct sim *sim, const struct sim_event *event)
{
	struct sim_client *c = &sim->work.clients[event->client];
	if (event->token != c->turn)
		return;
	if (!c->busy) {
		client_next(sim, c);
		return;
	}
	trace_add(&sim->trace, sim->now_us, TRACE_timeout, c->index, c->op, c->dies, 0);
	if (c->dies) {
		client_die(sim, c);
		return;
	}
	c->doubt = true;
	if (client_retry(sim, c))
		return;
	if (history_is_strong(client_op(sim, c)) && history_is_write(client_op(sim, c)))
		c->asks = percent(sim, sim->options.mix.ask_pct);
	client_finish(sim, c, HISTORY_PENDING, KV_OK);
}

/* --- life --- */

void workload_init(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->options.client_count; i++)
		sim->work.clients[i] = (struct sim_client){.index = i};
}

void workload_start(struct sim *sim)
{
	sim->work.ops_left = sim->options.op_count;
	for (uint32_t i = 0; i < sim->options.client_count; i++)
		client_think(sim, &sim->work.clients[i]);
}

bool workload_is_done(const struct sim *sim)
{
	for (uint32_t i = 0; i < sim->options.client_count; i++)
		if (sim->work.clients[i].busy)
			return false;
	return sim->work.ops_left == 0;
}

void workload_read_all(struct sim *sim)
{
	KV_ASSERT(workload_is_done(sim));
	sim->work.final = true;
	sim->work.final_next = sim->work.final_failed = 0;
	sim->work.ops_left = sim->options.key_count * sim->options.node_count;
	client_think(sim, &sim->work.clients[0]);
}
