/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strong put and delete, and the ballot round of a strong read.
 *
 * A ballot prepares at a majority, looks at the greatest record, and has a majority accept a new record built on it. The
 * record carries its lineage, so that an operation whose earlier attempt was only partly accepted can tell later what
 * became of it:
 *
 *   effective  a strong copy that carries the attempt was seen at a majority: it happened
 *   ancestor   the greatest record is the attempt or was built on it: finish that record, then it happened
 *   dead       so many replicas never had it, and never will, that no majority can: it did not happen
 *   open       none of these can be shown yet
 *
 * A new attempt is made only when all earlier ones are dead. That makes each operation take effect at most once.
 */
#include "replication/op.h"

enum fate { FATE_OPEN, FATE_EFFECTIVE, FATE_ANCESTOR, FATE_DEAD };

enum { KNOWN_MAX = ATTEMPTS_MAX + 1 + LIN_MAX + REPLICAS_MAX * CARRIERS_MAX };

/** Attempts of one operation, its own and those of its request id that others made. */
struct known {
	uint32_t count;
	struct version attempts[KNOWN_MAX];
};

static void update_prepare(struct node_core *core, struct op *op);

static bool is_read(const struct op *op) { return op->opcode == OP_GET; }

/** Ends a ballot loop that ran out of time. */
static void update_give_up(struct node_core *core, struct op *op)
{
	if (op->attempt_open) {
		op_fail(core, op, KV_IN_DOUBT, /* in_doubt= */ true,
			"replicas may have accepted the write but too few confirmed it in time; read the key to find out");
		op_finish_write(core, op);
		return;
	}
	if (op->clock_refused && !op->rejected)
		op_fail(core, op, KV_CLOCK, false,
			"a clock of this node or of the key's replicas is off; see 'kvctl status' and correct it (NTP)");
	else if (op->rejected && op_reachable(core, op) >= op_majority(op))
		op_fail(core, op, KV_CONFLICT, false,
			"other strong operations on the key kept overtaking this one");
	else
		op_fail(core, op, KV_UNAVAILABLE, false,
			"not enough replicas of the key answered; see 'kvctl status' for the nodes that are down");
	op_free(core, op);
}

/** Next ballot after a while, unless no majority can be reached or time is up. */
static void update_again(struct node_core *core, struct op *op)
{
	bool hopeless = op_reachable(core, op) < op_majority(op) || op->attempt_count == ATTEMPTS_MAX;
	core->stats.ballot_retries++;
	if (hopeless || !op_back_off(core, op))
		update_give_up(core, op);
}

void op_update_start(struct node_core *core, struct op *op)
{
	KV_ASSERT(op->opcode == OP_PUT || op->opcode == OP_DEL);
	update_prepare(core, op);
}

void op_update_identity(struct node_core *core, struct op *op)
{
	KV_ASSERT(is_read(op));
	op->class = &op_update_class;
	op->values_wanted = true;
	core->stats.identity_rounds++;
	update_prepare(core, op);
}

static void update_prepare(struct node_core *core, struct op *op)
{
	struct version ballot;
	if (!core_fresh_version(core, &ballot)) {
		update_again(core, op);
		return;
	}
	op_forget_replies(core, op);
	op_begin(core, op, PHASE_PREPARING, op_majority(op));
	op->ballot = ballot;
	op->asked_hlc = ballot.hlc;
	core->stats.ballots++;
	if (quorum_verdict(&op->quorum) == QUORUM_IMPOSSIBLE) {
		update_give_up(core, op);
		return;
	}
	struct msg *m = op_message(core, op, OP_PREPARE);
	m->replica.ballot = ballot;
	m->replica.rid = op->rid;
	m->replica.attempt_count = op->attempt_count;
	m->replica.attempts = actions_copy(core->out, op->attempts, op->attempt_count * sizeof op->attempts[0]);
	m->replica.want_value = op->values_wanted || op->attempt_count > 0;
	op_send_all(core, op, op_everyone(op), m);
}

static void known_add(struct known *k, struct version attempt)
{
	for (uint32_t i = 0; i < k->count; i++) {
		if (version_equal(k->attempts[i], attempt))
			return;
	}
	KV_ASSERT(k->count < KNOWN_MAX);
	k->attempts[k->count++] = attempt;
}

static void known_collect(const struct op *op, const struct record *m, struct known *k)
{
	k->count = 0;
	for (uint32_t i = 0; i < op->attempt_count; i++)
		known_add(k, op->attempts[i]);
	if (is_read(op) || request_id_is_none(op->rid))
		return;
	if (request_id_equal(m->rid, op->rid) && !version_is_none(m->ver))
		known_add(k, m->ver);
	for (uint32_t i = 0; i < m->lin_count; i++) {
		if (request_id_equal(m->lin[i].rid, op->rid))
			known_add(k, m->lin[i].ver);
	}
	for (uint32_t i = 0; i < op->row.count; i++) {
		for (uint32_t j = 0; j < op->replies[i].carrier_count; j++)
			known_add(k, op->replies[i].carriers[j].attempt);
	}
}

/** Replicas that report the strong copy COPY, as bits. */
static uint32_t reporters(const struct op *op, struct version copy)
{
	uint32_t bits = 0;
	for (uint32_t i = 0; i < op->row.count; i++) {
		const struct op_reply *r = &op->replies[i];
		for (uint32_t j = 0; j < r->carrier_count; j++) {
			if (version_equal(r->carriers[j].copy, copy))
				bits |= 1u << i;
		}
	}
	return bits;
}

/** Replicas whose memory reaches back to A: what they do not report they never had. */
static uint32_t full_memories(const struct op *op, struct version a)
{
	uint32_t bits = 0;
	for (uint32_t i = 0; i < op->row.count; i++) {
		if (op->replies[i].valid && version_less(op->replies[i].memory_floor, a))
			bits |= 1u << i;
	}
	return bits;
}

static enum fate attempt_fate(const struct op *op, const struct record *m, struct version a)
{
	uint32_t full = full_memories(op, a);
	bool dead = quorum_blocks(op->row.count, full);
	for (uint32_t i = 0; i < op->row.count; i++) {
		const struct op_reply *r = &op->replies[i];
		for (uint32_t j = 0; j < r->carrier_count; j++) {
			if (!version_equal(r->carriers[j].attempt, a))
				continue;
			uint32_t bits = reporters(op, r->carriers[j].copy);
			if (quorum_count(bits) >= op_majority(op))
				return FATE_EFFECTIVE;
			if (!quorum_blocks(op->row.count, full & ~bits))
				dead = false;
		}
	}
	if (!version_is_none(m->ver) && record_has_ancestor(m, a))
		return FATE_ANCESTOR;
	return dead ? FATE_DEAD : FATE_OPEN;
}

static void update_answer_ok(struct node_core *core, struct op *op, struct version attempt)
{
	op->version = attempt;
	struct msg *m = op_result(core, op, KV_OK);
	m->result.version = attempt;
	op_answer(core, op, m);
}

/** The write happened by an earlier attempt: the replicas that answered are not counted as holders, so hints follow. */
static void update_finish_found(struct node_core *core, struct op *op, struct version attempt)
{
	update_answer_ok(core, op, attempt);
	op_finish_write(core, op);
}

static void update_accept(struct node_core *core, struct op *op, const struct record *m, enum accept_kind kind)
{
	struct version ballot = op->ballot;
	hlc_t asked = op->asked_hlc;
	struct msg *req = op_message(core, op, OP_ACCEPT);
	struct record *r = &req->replica.record;
	struct lineage *lin = actions_alloc(core->out, LIN_MAX * sizeof *lin);
	record_lineage(m, ballot.hlc, lin, r);
	r->ver = ballot;
	r->strong = true;
	if (kind == ACCEPT_MINE) {
		r->org = ballot;
		r->rid = op->rid;
		r->fence = op->fence;
		r->tombstone = op->opcode == OP_DEL;
		r->has_value = !r->tombstone;
		r->value = r->tombstone ? slice_of(NULL, 0) : blob_slice(op->value);
		r->value_size = (uint32_t)r->value.size;
		r->value_hash = op->value_hash;
		r->expires_ms = op->ttl_ms && !r->tombstone ? hlc_ms(ballot.hlc) + op->ttl_ms : 0;
		op->attempts[op->attempt_count++] = ballot;
		op->attempt_open = true;
		op->version = ballot;
		actions_hold(core->out, op->value);
	} else {
		r->org = m->org;
		r->fence = m->fence;
		r->tombstone = m->tombstone;
		r->has_value = m->has_value;
		r->value = m->value;
		r->value_size = m->value_size;
		r->value_hash = m->value_hash;
		r->expires_ms = m->expires_ms;
		actions_hold(core->out, op->best.value);
	}
	op_begin(core, op, PHASE_ACCEPTING, op_majority(op));
	req->id = op->id;
	op->asked_hlc = asked;
	op->accept_kind = kind;
	op->holders = 0;
	op->rejected = 0;
	op_send_all(core, op, op_everyone(op), req);
	if (quorum_verdict(&op->quorum) == QUORUM_IMPOSSIBLE)
		update_again(core, op);
}

/** Answers a read from what a majority holds at the ballot, or asks again if time decides otherwise. */
static void update_answer_read(struct node_core *core, struct op *op)
{
	enum op_sight sight = op_judge(core, op, op->asked_hlc);
	if (sight == SIGHT_AGAIN) {
		update_again(core, op);
		return;
	}
	op_answer_record(core, op, sight == SIGHT_VISIBLE);
	op_free(core, op);
}

/** An attempt is in the greatest record: it happens once that record is stable. */
static void update_adopt(struct node_core *core, struct op *op, const struct record *m, struct version attempt)
{
	if (quorum_count(op_strong_holders(op, m->ver)) >= op_majority(op)) {
		update_finish_found(core, op, attempt);
	} else if (!m->tombstone && !m->has_value) {
		op->values_wanted = true;
		update_again(core, op);
	} else {
		op->version = attempt;
		update_accept(core, op, m, ACCEPT_ADOPT);
	}
}

/** Looks at what became of earlier attempts; true if there is none or all are dead. */
static bool update_past_is_settled(struct node_core *core, struct op *op, const struct record *m)
{
	struct known k;
	known_collect(op, m, &k);
	const struct version *ancestor = NULL;
	bool open = false;
	for (uint32_t i = 0; i < k.count; i++) {
		enum fate fate = attempt_fate(op, m, k.attempts[i]);
		if (fate == FATE_EFFECTIVE) {
			update_finish_found(core, op, k.attempts[i]);
			return false;
		}
		if (fate == FATE_ANCESTOR && !ancestor)
			ancestor = &k.attempts[i];
		open |= fate == FATE_OPEN;
	}
	if (ancestor) {
		update_adopt(core, op, m, *ancestor);
		return false;
	}
	op->attempt_open = open;
	if (open && quorum_complete(&op->quorum))
		update_again(core, op);
	return !open;
}

/** A majority has promised. */
static void update_evaluate(struct node_core *core, struct op *op)
{
	static const struct record absent;
	bool gone = version_at_most(op->best.rec.ver, op->drop_max);
	const struct record *m = gone ? &absent : &op->best.rec;
	if (!is_read(op)) {
		if (update_past_is_settled(core, op, m))
			update_accept(core, op, m, ACCEPT_MINE);
		return;
	}
	if (!gone && !m->tombstone && !m->has_value)
		update_again(core, op); /* its holder trimmed the value */
	else if (gone || quorum_count(op_strong_holders(op, m->ver)) >= op_majority(op))
		update_answer_read(core, op);
	else
		update_accept(core, op, m, ACCEPT_IDENTITY);
}

static void update_promised(struct node_core *core, struct op *op, uint32_t position, const struct msg *m)
{
	const struct msg_replica_reply *a = &m->answer;
	struct op_reply *reply = &op->replies[position];
	bool promised = a->answer == ANSWER_PROMISE;
	op->rejected |= a->answer == ANSWER_REJECT ? 1u << position : 0;
	op->clock_refused |= a->answer == ANSWER_CLOCK;
	if (!quorum_add(&op->quorum, position, promised))
		return;
	if (promised) {
		if (!op_note_record(core, op, position, a)) {
			update_again(core, op);
			return;
		}
		reply->memory_floor = a->memory_floor;
		reply->carrier_count = a->carrier_count;
		reply->carriers = xcalloc(a->carrier_count, sizeof a->carriers[0]);
		if (a->carrier_count > 0)
			memcpy(reply->carriers, a->carriers, a->carrier_count * sizeof a->carriers[0]);
	}
	if (quorum_verdict(&op->quorum) == QUORUM_REACHED)
		update_evaluate(core, op);
	else if (quorum_verdict(&op->quorum) == QUORUM_IMPOSSIBLE)
		update_again(core, op);
}

static void update_done(struct node_core *core, struct op *op)
{
	if (op->accept_kind == ACCEPT_IDENTITY) {
		update_answer_read(core, op);
		return;
	}
	update_answer_ok(core, op, op->version);
	if (quorum_complete(&op->quorum))
		op_finish_write(core, op);
	else
		op_linger(core, op);
}

static void update_accepted(struct node_core *core, struct op *op, uint32_t position, const struct msg *m)
{
	bool acked = m->answer.answer == ANSWER_ACK;
	op->holders |= acked ? 1u << position : 0;
	op->rejected |= m->answer.answer == ANSWER_REJECT ? 1u << position : 0;
	if (!quorum_add(&op->quorum, position, acked))
		return;
	if (op->answered) {
		if (quorum_complete(&op->quorum))
			op_finish_write(core, op);
		return;
	}
	if (quorum_verdict(&op->quorum) == QUORUM_REACHED)
		update_done(core, op);
	else if (quorum_verdict(&op->quorum) == QUORUM_IMPOSSIBLE)
		update_again(core, op);
}

static void update_on_answer(struct node_core *core, struct op *op, uint32_t position, const struct msg *m)
{
	if (op->phase == PHASE_PREPARING)
		update_promised(core, op, position, m);
	else if (op->phase == PHASE_ACCEPTING)
		update_accepted(core, op, position, m);
}

static void update_on_timer(struct node_core *core, struct op *op)
{
	if (op->answered)
		op_finish_write(core, op);
	else if (op_is_late(core, op))
		update_give_up(core, op);
	else if (op->phase == PHASE_BACKOFF)
		update_prepare(core, op);
	else
		update_again(core, op);
}

const struct op_class op_update_class = {.answer = update_on_answer, .timer = update_on_timer};
