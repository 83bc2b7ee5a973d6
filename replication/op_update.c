/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strong writes that need a ballot, and the ballot round of a strong read.
 *
 * A ballot prepares at a majority, looks at the greatest record, and has a majority accept a new record built on it. The
 * record carries its lineage, so that an operation whose earlier attempt was only partly accepted can tell later what
 * became of it (fate.h). A new attempt is made only when all earlier ones are dead: each operation takes effect at most once.
 *
 * A condition that does not hold is answered from a record that a majority holds strongly. If an attempt of the operation was
 * ever sent, that record is first written anew at the ballot, so that the attempt cannot come back below it; and if the
 * request may be at work elsewhere, the failure is written as its outcome.
 */
#include "base/mutant.h"
#include "replication/fate.h"

static void update_prepare(struct node_core *core, struct op *op);

static bool is_read(const struct op *op) { return op->opcode == OP_GET; }

static void update_doubt(struct node_core *core, struct op *op, const char *text)
{
	op_fail(core, op, KV_IN_DOUBT, /* in_doubt= */ true, text);
	/* A retry may end before it has made an attempt of its own: there is nothing to hint. */
	if (version_is_none(op->version))
		op_free(core, op);
	else
		op_finish_write(core, op);
}

/** OUTCOME found nothing and cannot rule anything out. */
static void update_expired(struct node_core *core, struct op *op)
{
	COVER(outcome_expired);
	struct msg *m = op_result(core, op, KV_OK);
	m->result.outcome = OUTCOME_EXPIRED;
	op_answer(core, op, m);
	op_free(core, op);
}

/** Why a ballot loop without an open attempt came to nothing. */
static enum kv_status update_excuse(const struct node_core *core, const struct op *op, const char **ret_text)
{
	bool majority = op_reaches_majority(core, op);
	if (op->clock_refused && !op->rejected) {
		*ret_text =
			"a clock of this node or of the key's replicas is off; see 'kvctl status' and correct it (NTP)";
		return KV_CLOCK;
	}
	if (op->no_room) {
		*ret_text = op_no_room_text;
		return KV_NO_SPACE;
	}
	if (majority && (op->rejected || op->phase == PHASE_QUEUED)) {
		*ret_text = "other strong operations on the key kept overtaking this one";
		return KV_CONFLICT;
	}
	if (majority && op->promised) {
		*ret_text = "the deadline passed before a majority of the replicas had confirmed";
		return KV_DEADLINE;
	}
	*ret_text = "not enough replicas of the key answered; see 'kvctl status' for the nodes that are down";
	return KV_UNAVAILABLE;
}

/** Ends a ballot loop that ran out of time, or that has nothing to hope for. */
static void update_give_up(struct node_core *core, struct op *op)
{
	if (op->opcode == OP_OUTCOME && op->unknowable) {
		update_expired(core, op);
		return;
	}
	/* A retry cannot know what the first coordinator still does. */
	if ((op->attempt_open || op->retry || op->unknowable) && !is_read(op) && op->opcode != OP_OUTCOME) {
		update_doubt(
			core, op,
			op->unknowable
				? "the request is older than what the replicas remember; read the key to find out"
				: "replicas may have accepted the write but too few confirmed it in time; ask for its outcome");
		return;
	}
	const char *text;
	enum kv_status status = update_excuse(core, op, &text);
	op_fail(core, op, status, /* in_doubt= */ false, text);
	op_free(core, op);
}

/** Next ballot after a while, unless no majority can be reached or time is up. */
static void update_again(struct node_core *core, struct op *op)
{
	bool hopeless = !op_reaches_majority(core, op) || op->attempt_count == ATTEMPTS_MAX;
	core->stats.ballot_retries++;
	if (hopeless || op->unknowable || !op_back_off(core, op))
		update_give_up(core, op);
}

/* ---- prepare ---- */

/** How long a retry waits until its ballots are above everything that its first try can have put directly. */
static usec_t update_wait_us(const struct node_core *core, const struct op *op)
{
	hlc_t window = op->t0 + hlc_from_ms(DIRECT_WINDOW_MS), now = core_clock(core);
	if (!op->retry || op->t0 == 0 || now > window || MUTANT(ylow))
		return 0;
	return (window - now) * USEC_PER_MSEC / HLC_UNITS_PER_MS + 1;
}

static void update_ask(struct node_core *core, struct op *op)
{
	struct msg *m = op_message(core, op, OP_PREPARE);
	m->replica.ballot = op->ballot;
	if (!(op->retry && MUTANT(yblind)))
		m->replica.rid = op->rid;
	m->replica.attempt_count = op->attempt_count;
	m->replica.attempts = actions_copy(core->out, op->attempts, op->attempt_count * sizeof op->attempts[0]);
	m->replica.want_value = op->values_wanted || op->attempt_count > 0 || change_needs_value(op) || op->retry;
	op_send_all(core, op, op_everyone(op), m);
}

static void update_prepare(struct node_core *core, struct op *op)
{
	struct version ballot;
	usec_t wait_us = update_wait_us(core, op);
	if (wait_us > 0) {
		if (!op_wait(core, op, wait_us))
			update_give_up(core, op);
		return;
	}
	if (!core_fresh_version(core, &ballot)) {
		update_again(core, op);
		return;
	}
	op_forget_replies(core, op);
	op->unknowable = false;
	op->late = op_is_overtaken(core, op);
	op_begin(core, op, PHASE_PREPARING, op_majority(op));
	op->ballot = ballot;
	op->asked_hlc = ballot.hlc;
	core->stats.ballots++;
	if (quorum_verdict(&op->quorum) == QUORUM_IMPOSSIBLE)
		update_give_up(core, op);
	else
		update_ask(core, op);
}

/* ---- accept ---- */

/** M's life ends before the ballot: whoever says so must first make it so, for a lower ballot may have seen it alive. */
static bool update_is_expired(const struct op *op, const struct record *m)
{
	return !version_is_none(m->ver) && !m->tombstone && record_expired(m, op->asked_hlc);
}

/** The record M as it is, but under the ballot; deleted if its life has ended. */
static void fill_same(struct node_core *core, const struct op *op, const struct record *m, struct record *r)
{
	bool gone = version_is_none(m->ver) || update_is_expired(op, m);
	r->org = gone ? op->ballot : m->org;
	r->tombstone = gone || m->tombstone;
	if (r->tombstone)
		return;
	r->has_value = m->has_value;
	r->value = m->value;
	r->value_size = m->value_size;
	r->value_hash = m->value_hash;
	r->expires_ms = m->expires_ms;
	actions_hold(core->out, op->best.value);
}

static void fill_change(struct node_core *core, const struct op *op, const struct change *c, struct record *r)
{
	r->org = op->ballot;
	r->tombstone = c->tombstone;
	r->has_value = !c->tombstone;
	r->value = blob_slice(c->value);
	r->value_size = (uint32_t)r->value.size;
	r->value_hash = c->tombstone ? 0 : hash64(r->value);
	/* The ballot may have been promised long before the write came. */
	r->expires_ms = op->ttl_ms && !c->tombstone ? hlc_ms(core_clock(core)) + op->ttl_ms : c->expires_ms;
	actions_hold(core->out, c->value);
}

/** Asks for the promise of the ballot after this one, where that pays. */
static void update_plan_next(struct node_core *core, struct op *op, struct msg_replica *req)
{
	struct version next;
	const struct record *r = &req->record;
	if (!turn_wants_promise(op) || r->value.size > PROMISE_VALUE_MAX || r->expires_ms != 0)
		return;
	if (core_fresh_version(core, &next) && turn_plan(op, r))
		op->next = req->next = next;
}

/** Whom an accept goes to: everyone; in simulations sometimes only the own replica, as if all links broke just then. */
static uint32_t update_accept_to(struct node_core *core, const struct op *op)
{
	int own = row_position(&op->row, core->self);
	return own >= 0 && BUGGIFY(core, own_replica_apart) ? 1u << own : op_everyone(op);
}

/** Has a majority accept, on top of M: with C the operation's own attempt (a failed C: M and that outcome), else M itself. */
static void update_accept(struct node_core *core, struct op *op, const struct record *m, enum accept_kind kind,
			  const struct change *c)
{
	KV_ASSERT((kind == ACCEPT_MINE) == (c != NULL));
	hlc_t asked = op->asked_hlc;
	struct msg *req = op_message(core, op, OP_ACCEPT);
	struct record *r = &req->replica.record;
	struct lineage *lin = actions_alloc(core->out, LIN_MAX * sizeof *lin);
	op->next = VERSION_NONE;
	op->next_holders = 0;
	r->ver = op->ballot;
	r->strong = true;
	r->fence = MAX(op->fence_max, m->fence);
	if (c) {
		r->rid = op->rid;
		r->result = op->result = c->result;
		op->attempts[op->attempt_count++] = op->ballot;
		op->attempt_open = true;
		op->version = op->ballot;
	}
	record_lineage(m, op->ballot.hlc, lin, r);
	if (BUGGIFY(core, lineage_short))
		record_lineage_shorten(r, (uint32_t)rng_below(&core->rng, 2));
	if (c && c->status == KV_OK) {
		r->fence = MAX(r->fence, op->fence);
		fill_change(core, op, c, r);
		update_plan_next(core, op, &req->replica);
	} else {
		fill_same(core, op, m, r);
	}
	op_begin(core, op, PHASE_ACCEPTING, op_majority(op));
	req->id = op->id;
	op->asked_hlc = asked;
	op->accept_kind = kind;
	op->holders = 0;
	op->rejected = 0;
	op_send_all(core, op, update_accept_to(core, op), req);
	if (quorum_verdict(&op->quorum) == QUORUM_IMPOSSIBLE)
		update_again(core, op);
}

/* ---- a majority has promised ---- */

/** The record that is to be written anew must be whole; asks for it if not. */
static bool update_has_value(struct node_core *core, struct op *op, const struct record *m)
{
	if (version_is_none(m->ver) || m->tombstone || m->has_value || update_is_expired(op, m))
		return true;
	op->values_wanted = true;
	update_again(core, op);
	return false;
}

static bool update_is_stable(const struct op *op, const struct record *m)
{
	return version_is_none(m->ver) || row_majority(&op->row, op_strong_holders(op, m->ver));
}

/** If a fence refuses the operation, a majority knows it; a minority could be out of sight the next time. */
static bool update_fence_is_stable(const struct op *op)
{
	uint32_t told = 0;
	if (op->fence >= op->fence_max)
		return true;
	for (uint32_t i = 0; i < op->row.count; i++)
		told |= op->replies[i].valid && op->replies[i].fence > op->fence ? 1u << i : 0;
	return op->fence == 0 || row_majority(&op->row, told);
}

/** The write happened by an earlier attempt: the replicas that answered are not counted as holders, so hints follow. */
static void update_finish_found(struct node_core *core, struct op *op, const struct fate_of *f)
{
	op->holders = 0;
	op_answer_written(core, op, f->attempt, f->result);
	op_finish_write(core, op);
}

/** An attempt is in the greatest record: it happens once that record is stable. */
static void update_adopt(struct node_core *core, struct op *op, const struct record *m, const struct fate_of *f)
{
	if (update_is_stable(op, m)) {
		update_finish_found(core, op, f);
	} else if (update_has_value(core, op, m)) {
		COVER(update_adopts);
		op->version = f->attempt;
		op->result = f->result;
		update_accept(core, op, m, ACCEPT_ADOPT, NULL);
	}
}

/** Looks at what became of earlier attempts; true if there is none or all are dead. */
static bool update_past_is_settled(struct node_core *core, struct op *op, const struct record *m)
{
	struct fate_of f = fate_judge(op, m);
	op->traced = f.traced;
	switch (f.fate) {
	case FATE_EFFECTIVE:
		update_finish_found(core, op, &f);
		return false;
	case FATE_ANCESTOR:
		update_adopt(core, op, m, &f);
		return false;
	case FATE_OPEN:
		op->attempt_open = true;
		op->unknowable = f.expired || f.over;
		if (quorum_complete(&op->quorum))
			update_again(core, op);
		return false;
	case FATE_DEAD:
		/* For as long as this ballot holds: a higher one may still find an attempt alive and finish it. */
		op->attempt_open = op->attempt_count > 0;
		op->unknowable = false;
		return true;
	}
	KV_UNREACHABLE("fates are these");
}

static void update_answer_failed(struct node_core *core, struct op *op)
{
	const struct record *rec = &op->best.rec;
	bool visible = op_judge(core, op, op->asked_hlc) != SIGHT_HIDDEN;
	struct msg *m = op_result(core, op, op->failure.status);
	m->result.message = slice_str(op->failure.text);
	if (visible) {
		actions_hold(core->out, op->best.value);
		m->result.version = rec->org;
		m->result.value = rec->has_value ? rec->value : slice_of(NULL, 0);
		m->result.value_hash = rec->value_hash;
		m->result.expires_ms = rec->expires_ms;
	}
	op_answer(core, op, m);
}

/** The condition does not hold on M. */
static void update_refuse(struct node_core *core, struct op *op, const struct record *m, struct change *c)
{
	bool sent = op->attempt_count > 0 || op->traced;
	bool stable = update_is_stable(op, m) && update_fence_is_stable(op) && !update_is_expired(op, m);
	op->failure = *c;
	c->result = RESULT_FAILED;
	if (op->retry && !MUTANT(yfail)) {
		if (update_has_value(core, op, m))
			update_accept(core, op, m, ACCEPT_MINE, c);
	} else if ((stable && (!sent || MUTANT(failshort))) || MUTANT(casfail)) {
		update_answer_failed(core, op);
		op_free(core, op);
	} else if (update_has_value(core, op, m)) {
		COVER(update_failed_written);
		update_accept(core, op, m, ACCEPT_FAILED, NULL);
	}
}

/** OUTCOME found no trace of the request and proof that there is none: writes down that it never happens. */
static void update_cancel(struct node_core *core, struct op *op, const struct record *m)
{
	COVER(update_cancels);
	struct change c = {.status = KV_CONDITION_FAILED, .result = RESULT_CANCELLED};
	if (update_has_value(core, op, m))
		update_accept(core, op, m, ACCEPT_MINE, &c);
}

static void update_write(struct node_core *core, struct op *op, const struct record *m)
{
	struct change c;
	enum op_sight sight = op_judge(core, op, op->asked_hlc);
	if (sight == SIGHT_AGAIN) {
		update_again(core, op);
		return;
	}
	bool visible = sight == SIGHT_VISIBLE;
	if (change_needs_value(op) && visible && !update_has_value(core, op, m))
		return;
	if (!change_evaluate(op, m, visible, op->fence_max, core->config.value_size_max, &c)) {
		op_fail(core, op, KV_OVERLOADED, /* in_doubt= */ op->retry || op->attempt_open,
			"out of memory for the new value");
		op_free(core, op);
		return;
	}
	if (c.status == KV_OK)
		update_accept(core, op, m, ACCEPT_MINE, &c);
	else
		update_refuse(core, op, m, &c);
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

static void update_read(struct node_core *core, struct op *op, const struct record *m)
{
	/* A weak copy keeps what was dropped everywhere else: it goes once a new deletion has taken its place. */
	bool dropped = version_is_none(m->ver) && !version_is_none(op->best.rec.ver);
	if (dropped && !op->every)
		update_answer_read(core, op);
	else if (!update_has_value(core, op, m))
		return;
	else if ((version_is_none(m->ver) && !dropped) ||
		 (update_is_stable(op, m) && !update_is_expired(op, m) && !op->every && !op->renews))
		update_answer_read(core, op);
	else
		update_accept(core, op, m, ACCEPT_IDENTITY, NULL);
}

static void update_evaluate(struct node_core *core, struct op *op)
{
	bool gone = version_at_most(op->best.rec.ver, op->drop_max);
	/* What was dropped may have been built on, or have been, an attempt that someone asks for later. */
	struct record absent = {.lin_floor = MUTANT(gclin) ? VERSION_NONE : op->drop_max};
	const struct record *m = gone ? &absent : &op->best.rec;
	op->promised = true;
	if (is_read(op))
		update_read(core, op, m);
	else if (!update_past_is_settled(core, op, m))
		return;
	else if (op->opcode == OP_OUTCOME)
		update_cancel(core, op, m);
	else
		update_write(core, op, m);
}

static void update_note_promise(struct op *op, uint32_t position, const struct msg_replica_reply *a)
{
	struct op_reply *reply = &op->replies[position];
	reply->memory_floor = a->memory_floor;
	reply->later = a->above;
	reply->carrier_count = a->carrier_count;
	reply->carriers = xcalloc(a->carrier_count, sizeof a->carriers[0]);
	if (a->carrier_count > 0)
		memcpy(reply->carriers, a->carriers, a->carrier_count * sizeof a->carriers[0]);
}

static void update_promised(struct node_core *core, struct op *op, uint32_t position, const struct msg *m)
{
	const struct msg_replica_reply *a = &m->answer;
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
		update_note_promise(op, position, a);
	}
	if (quorum_verdict(&op->quorum) == QUORUM_REACHED)
		update_evaluate(core, op);
	else if (quorum_verdict(&op->quorum) == QUORUM_IMPOSSIBLE)
		update_again(core, op);
}

/* ---- a majority has accepted ---- */

static void update_done(struct node_core *core, struct op *op)
{
	if (row_majority(&op->row, op->next_holders))
		turn_keep(op, op->next);
	if (op->accept_kind == ACCEPT_IDENTITY) {
		update_answer_read(core, op);
		return;
	}
	bool failed = op->accept_kind == ACCEPT_MINE && op->result == RESULT_FAILED;
	if (failed || op->accept_kind == ACCEPT_FAILED)
		update_answer_failed(core, op);
	else
		op_answer_written(core, op, op->version, op->result);
	if (op->accept_kind == ACCEPT_FAILED)
		op_free(core, op);
	else if (quorum_complete(&op->quorum))
		op_finish_write(core, op);
	else
		op_linger(core, op);
}

static void update_accepted(struct node_core *core, struct op *op, uint32_t position, const struct msg *m)
{
	bool acked = m->answer.answer == ANSWER_ACK;
	bool next = acked && !version_is_none(op->next) && version_equal(m->answer.promise, op->next);
	op->holders |= acked ? 1u << position : 0;
	op->next_holders |= next ? 1u << position : 0;
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

/* ---- life ---- */

/** The next ballot is promised already: accepts at once. True if it did. */
static bool update_by_promise(struct node_core *core, struct op *op)
{
	const struct record *base;
	struct change c;
	if (op->attempt_count > 0 || !turn_use(core, op, &op->ballot, &base))
		return false;
	if (!op_reaches_majority(core, op))
		return false;
	/* A failed condition may not be answered from here: someone else may have taken the promise back. */
	if (!change_evaluate(op, base, !base->tombstone, base->fence, core->config.value_size_max, &c) ||
	    c.status != KV_OK)
		return false;
	op->asked_hlc = op->ballot.hlc;
	COVER(update_by_promise);
	core->stats.ballots_ahead++;
	update_accept(core, op, base, ACCEPT_MINE, &c);
	return true;
}

void op_update_run(struct node_core *core, struct op *op)
{
	KV_ASSERT(op->turn);
	if (op_is_late(core, op))
		update_give_up(core, op);
	else if (!update_by_promise(core, op))
		update_prepare(core, op);
}

/** Takes its turn, but not before it may use it: a retry that waits for its time keeps nobody waiting. */
static void update_queue(struct node_core *core, struct op *op)
{
	usec_t wait_us = update_wait_us(core, op);
	if (COVER_IF(wait_us > 0, retry_waits)) {
		if (!op_wait(core, op, wait_us))
			update_give_up(core, op);
		return;
	}
	if (turn_take(core, op)) {
		op_update_run(core, op);
		return;
	}
	COVER(update_queued);
	core->stats.ballots_queued++;
	op_pause(core, op, PHASE_QUEUED, op->deadline_us);
}

void op_update_start(struct node_core *core, struct op *op)
{
	KV_ASSERT(!is_read(op) && !op_is_page(op->opcode));
	op->class = &op_update_class;
	update_queue(core, op);
}

void op_update_identity(struct node_core *core, struct op *op)
{
	KV_ASSERT(is_read(op));
	op->class = &op_update_class;
	op->values_wanted = true;
	COVER(get_by_ballot);
	core->stats.identity_rounds++;
	update_prepare(core, op);
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
	else if (op->phase == PHASE_BACKOFF && !op->turn && !is_read(op))
		update_queue(core, op);
	else if (op->phase == PHASE_BACKOFF)
		update_prepare(core, op);
	else
		update_again(core, op);
}

/** A ballot of the new row looks for what became of the attempts. */
static void update_restart(struct node_core *core, struct op *op)
{
	if (is_read(op))
		op_get_start(core, op);
	else if (op->attempt_count == ATTEMPTS_MAX)
		update_give_up(core, op);
	else
		update_prepare(core, op);
}

const struct op_class op_update_class = {
	.answer = update_on_answer, .timer = update_on_timer, .restart = update_restart};
