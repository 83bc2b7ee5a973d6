/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/workload.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "tests/sim/sim.h"
#include "tests/sim/wire.h"

/* How long a client waits beyond the deadline it gave. */
#define PATIENCE_US (200 * USEC_PER_MSEC)

/* Closing reads have time: nothing fails any more. */
#define CLOSING_DEADLINE_MS 2000u

/* Values: number u64, key u32, size u32, then bytes that follow from the number. */
#define VALUE_HEADER_SIZE 16u

/* --- keys and values --- */

struct slice workload_key(uint32_t key, char text[16])
{
	int size = snprintf(text, 16, "key-%u", key);
	return slice_of(text, (size_t)size);
}

static uint32_t value_size(const struct sim_options *o, uint64_t number)
{
	return VALUE_HEADER_SIZE + (uint32_t)(hash_u64(number) % o->value_size_max);
}

static void value_write(const struct sim_options *o, uint64_t number, uint32_t key, struct buf *out)
{
	uint32_t size = value_size(o, number);
	buf_append_le64(out, number);
	buf_append_le32(out, key);
	buf_append_le32(out, size);
	for (uint32_t i = VALUE_HEADER_SIZE; i < size; i++)
		buf_append_u8(out, (uint8_t)(number * 31 + i));
}

uint64_t workload_value_number(struct slice value, uint32_t key)
{
	if (value.size < VALUE_HEADER_SIZE || load_le32(value.data + 8) != key ||
	    load_le32(value.data + 12) != value.size)
		return 0;
	uint64_t number = load_le64(value.data);
	for (size_t i = VALUE_HEADER_SIZE; i < value.size; i++)
		if (value.data[i] != (uint8_t)(number * 31 + i))
			return 0;
	return number;
}

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

static void client_think(struct sim *sim, struct sim_client *c)
{
	usec_t think_us = rng_between(&sim->rng, 0, 2 * sim->options.think_us);
	if (rng_chance(&sim->rng, 300000))
		think_us = rng_between(&sim->rng, 0, 100); /* bursts find what a steady pace does not */
	client_schedule(sim, c, sim->now_us + (sim->work.final ? 1000 : think_us));
}

static void client_send(struct sim *sim, struct sim_client *c)
{
	struct history_op *op = client_op(sim, c);
	char key[16];
	struct buf value = BUF_INIT;
	op->attempts++;
	client_schedule(sim, c, sim->now_us + c->deadline_ms * USEC_PER_MSEC + PATIENCE_US);
	struct msg m = {
		.opcode = op->kind == HISTORY_GET   ? OP_GET
			  : op->kind == HISTORY_PUT ? OP_PUT
						    : OP_DEL,
		.id = c->turn,
		.request =
			{
				.key = workload_key(op->key, key),
				.level = history_is_strong(op) ? LEVEL_STRONG : LEVEL_EVENTUAL,
				.acks = (enum msg_acks)op->acks,
				.deadline_ms = c->deadline_ms,
				.attempt = op->attempts - 1,
				.ttl_ms = op->kind == HISTORY_PUT ? op->ttl_ms : 0,
			},
	};
	if (op->kind != HISTORY_GET) {
		m.request.rid = c->rid;
		m.request.t0 = c->t0;
	}
	if (op->kind == HISTORY_PUT) {
		value_write(&sim->options, op->value, op->key, &value);
		m.request.value = buf_slice(&value);
		m.request.value_hash = hash64(m.request.value);
	}
	trace_add(&sim->trace, sim->now_us, TRACE_invoke, c->index, op->node, op->index, op->attempts);
	sim_send(sim, sim_client_end(sim, c->index), op->node, &m, c->turn);
	buf_release(&value);
}

static bool percent(struct sim *sim, uint32_t pct) { return rng_below(&sim->rng, 100) < pct; }

/* Draws one operation of the mix. */
static void op_draw(struct sim *sim, struct history_op *op)
{
	const struct sim_options *o = &sim->options;
	op->node = (uint16_t)rng_below(&sim->rng, o->node_count);
	op->key = (uint32_t)rng_below(&sim->rng, o->key_count);
	op->level = percent(sim, o->strong_pct) ? HISTORY_STRONG : HISTORY_EVENTUAL;
	op->acks = HISTORY_ACKS_DEFAULT;
	if (!history_is_strong(op))
		op->acks = (enum history_acks)rng_between(&sim->rng, HISTORY_ACKS_ONE, HISTORY_ACKS_ALL);
	if (percent(sim, o->get_pct))
		op->kind = HISTORY_GET;
	else if (percent(sim, o->delete_pct))
		op->kind = HISTORY_DELETE;
	else
		op->kind = HISTORY_PUT;
	if (op->kind == HISTORY_PUT) {
		op->value = ++sim->work.values;
		op->ttl_ms = percent(sim, o->ttl_pct) ? rng_between(&sim->rng, 100, 5000) : 0;
	}
}

/* Draws one of the closing reads. */
static void op_draw_final(struct sim *sim, struct history_op *op)
{
	uint32_t next = sim->work.final_next++;
	op->kind = HISTORY_GET;
	op->level = HISTORY_STRONG;
	op->node = sim_node_left(sim, (uint16_t)(next % sim->options.node_count));
	op->key = next / sim->options.node_count;
}

static void client_next(struct sim *sim, struct sim_client *c)
{
	struct workload *w = &sim->work;
	if (w->ops_left == 0 || (w->final && c->index != 0))
		return;
	/* What is left out of a run is drawn all the same: the rest stays as it was. */
	while (!w->final && w->ops_left && sim_options_skips(&sim->options, sim->options.op_count - w->ops_left)) {
		struct history_op unused = {0};
		op_draw(sim, &unused);
		w->ops_left--;
	}
	if (w->ops_left == 0)
		return;
	w->ops_left--;
	struct history_op *op = history_invoke(&sim->history, sim->now_us);
	op->client = c->index;
	if (w->final)
		op_draw_final(sim, op);
	else
		op_draw(sim, op);
	c->busy = true;
	c->op = op->index;
	c->doubt = false;
	c->rid = (struct request_id){.client = 1000 + c->index, .seq = op->index + 1};
	c->t0 = c->seen ? c->seen + (sim->now_us - c->seen_us) * HLC_UNITS_PER_MS / USEC_PER_MSEC : 0;
	const struct sim_options *o = &sim->options;
	if (c->t0 && o->lag_max_ms && !w->final && rng_chance(&sim->rng, 500000))
		c->t0 -= rng_below(&sim->rng, o->lag_max_ms) * HLC_UNITS_PER_MS;
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
	if (history_is_strong(op) || op->kind == HISTORY_GET || !c->t0 || op->attempts >= WORKLOAD_ATTEMPTS_MAX ||
	    !percent(sim, sim->options.retry_pct))
		return false;
	uint32_t others = sim->options.node_count - 1;
	op->node = (uint16_t)((op->node + 1 + rng_below(&sim->rng, others)) % sim->options.node_count);
	sim->cover.ops_retried++;
	client_send(sim, c);
	return true;
}

static void client_got_value(struct sim *sim, struct history_op *op, const struct msg_result *r)
{
	op->value = workload_value_number(r->value, op->key);
	op->ttl_ms = r->expires_ms != 0;
	if (op->value == 0)
		verdict_fail(&sim->verdict, "value", op->key, "#%u returned bytes that no client wrote", op->index);
}

static void client_on_error(struct sim *sim, struct sim_client *c, const struct msg_result *r)
{
	bool is_write = client_op(sim, c)->kind != HISTORY_GET;
	c->doubt |= is_write && r->in_doubt;
	if (r->status == KV_CLOCK)
		c->seen = 0; /* some node's clock was far ahead; start over with the next one's */
	if (!client_retry(sim, c))
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
	bool is_get = op->kind == HISTORY_GET;
	if (r->status != KV_OK && r->status != KV_NOT_FOUND) {
		client_on_error(sim, c, r);
	} else {
		op->version = (struct stamp){.hi = r->version.hlc, .lo = r->version.id};
		if (is_get && r->status == KV_OK)
			client_got_value(sim, op, r);
		bool absent = is_get && r->status == KV_NOT_FOUND;
		client_finish(sim, c, absent ? HISTORY_ABSENT : HISTORY_DONE, r->status);
	}
	arena_release(&arena);
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
	trace_add(&sim->trace, sim->now_us, TRACE_timeout, c->index, c->op, 0, 0);
	c->doubt = true;
	if (!client_retry(sim, c))
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
