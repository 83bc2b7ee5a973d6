/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strong put or delete without a condition, without a ballot: one accept at a majority under a fresh version, one round trip
 * and one durable write a replica.
 *
 * Where a majority does not take it, the answers may still prove that it is nowhere and can go nowhere: then it is forgotten and
 * put again under a newer version. Mostly that is a clock that was behind. Otherwise the attempt may be somewhere, and only
 * ballots can tell what becomes of it (op_update.c).
 */
#include "base/mutant.h"
#include "replication/op.h"

static void direct_put(struct node_core *core, struct op *op);

/** Mutants: a condition on the version is left to the replicas, each for itself. */
static bool direct_compares(const struct op *op)
{
	bool on = (MUTANT(cas1) || MUTANT(cas1all)) && (op->opcode == OP_PUT || op->opcode == OP_CAS);
	return on && op->condition.has_expected && !op->condition.has_hash;
}

/** Whether the operation may go without a ballot. */
static bool direct_is_allowed(const struct op *op)
{
	bool blind = op->opcode == OP_PUT || op->opcode == OP_DEL;
	const struct op_condition *c = &op->condition;
	bool plain = blind && !c->has_expected && !c->has_hash && !c->present;
	if ((!plain && !direct_compares(op)) || op->fence != 0 || op->retry)
		return false;
	return op->direct_tries < DIRECT_TRIES_MAX && !op->fenced;
}

static void direct_to_ballots(struct node_core *core, struct op *op)
{
	COVER(direct_to_ballots);
	core->stats.direct_failed++;
	op_update_start(core, op);
}

void op_direct_start(struct node_core *core, struct op *op)
{
	if (!direct_is_allowed(op) || BUGGIFY(core, never_direct) || !op_reaches_majority(core, op))
		op_update_start(core, op);
	else
		direct_put(core, op);
}

static void direct_fill(struct node_core *core, const struct op *op, struct record *r)
{
	*r = (struct record){.ver = op->version, .org = op->version, .strong = true, .rid = op->rid};
	r->tombstone = op->opcode == OP_DEL;
	if (r->tombstone)
		return;
	r->has_value = true;
	r->value = blob_slice(op->value);
	r->value_size = (uint32_t)op->value->size;
	r->value_hash = op->value_hash;
	r->expires_ms = op->ttl_ms ? hlc_ms(op->version.hlc) + op->ttl_ms : 0;
	actions_hold(core->out, op->value);
}

static void direct_put(struct node_core *core, struct op *op)
{
	struct version v;
	bool fresh = core_fresh_version(core, &v);
	/* A retry through another node counts on direct attempts to lie within a window above the client's t0. */
	if (!fresh || COVER_IF(op_is_overtaken(core, op), direct_window_over)) {
		op_update_start(core, op);
		return;
	}
	op->direct_tries++;
	core->stats.direct_puts++;
	op->version = v;
	op->attempts[0] = v;
	op->attempt_count = 1;
	op->attempt_open = true;
	op->holders = op->rejected = op->out = op->dead = 0;
	bool all = direct_compares(op) && MUTANT(cas1all);
	op_begin(core, op, PHASE_DIRECT, all ? need_all(&op->row) : op_majority(op));
	struct msg *m = op_message(core, op, OP_ACCEPT);
	m->replica.direct = true;
	if (direct_compares(op)) {
		m->replica.want_value = true;
		m->replica.next = op->condition.expected;
	}
	direct_fill(core, op, &m->replica.record);
	op_send_all(core, op, op_everyone(op), m);
	if (quorum_verdict(&op->quorum) == QUORUM_IMPOSSIBLE)
		direct_to_ballots(core, op);
}

static void direct_again(struct node_core *core, struct op *op)
{
	KV_ASSERT(op->forgotten_count < DIRECT_TRIES_MAX);
	COVER(direct_again);
	op->forgotten[op->forgotten_count++] = op->version;
	op->attempt_count = 0;
	op->attempt_open = false;
	op->version = VERSION_NONE;
	if (direct_is_allowed(op))
		direct_put(core, op);
	else
		direct_to_ballots(core, op);
}

static void direct_done(struct node_core *core, struct op *op)
{
	op_answer_written(core, op, op->version, /* result= */ 0);
	if (quorum_complete(&op->quorum))
		op_finish_write(core, op);
	else
		op_linger(core, op);
}

static void direct_advance(struct node_core *core, struct op *op)
{
	bool nowhere = op->out == op_everyone(op) || row_blocks_all(&op->row, op->dead);
	enum quorum_verdict verdict = quorum_verdict(&op->quorum);
	if (verdict == QUORUM_REACHED)
		direct_done(core, op);
	else if (nowhere || (MUTANT(naive) && verdict == QUORUM_IMPOSSIBLE))
		direct_again(core, op);
	else if (verdict == QUORUM_IMPOSSIBLE && quorum_complete(&op->quorum))
		direct_to_ballots(core, op);
}

static void direct_on_answer(struct node_core *core, struct op *op, uint32_t position, const struct msg *m)
{
	const struct msg_replica_reply *a = &m->answer;
	bool acked = a->answer == ANSWER_ACK, rejected = a->answer == ANSWER_REJECT;
	op->holders |= acked ? 1u << position : 0;
	op->clock_refused |= a->answer == ANSWER_CLOCK;
	if (!quorum_add(&op->quorum, position, acked))
		return;
	if (op->answered) {
		if (quorum_complete(&op->quorum))
			op_finish_write(core, op);
		return;
	}
	if (rejected) {
		/* Nothing newer and no promise: a fence, which no such put passes. */
		op->fenced |= a->out && !a->above && a->no_promise;
		op->rejected |= 1u << position;
		op->out |= a->out ? 1u << position : 0;
		op->dead |= a->out && a->above && (a->no_promise || MUTANT(deadprom)) ? 1u << position : 0;
	}
	direct_advance(core, op);
}

static void direct_on_timer(struct node_core *core, struct op *op)
{
	if (op->answered)
		op_finish_write(core, op);
	else
		direct_to_ballots(core, op);
}

/** Where the put may be, ballots of the new row tell. */
static void direct_restart(struct node_core *core, struct op *op)
{
	KV_ASSERT(op->phase == PHASE_DIRECT && op->attempt_open);
	direct_to_ballots(core, op);
}

const struct op_class op_direct_class = {
	.answer = direct_on_answer, .timer = direct_on_timer, .restart = direct_restart};
