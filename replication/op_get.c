/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads. All ask replicas for their record and answer the greatest.
 *
 * A strong read answers only what a majority holds strongly, making it so first where needed: by copying the
 * greatest record to the others, or, where a ballot stands in the way, by a ballot of its own (op_update.c).
 *
 * An eventual read asks the nearest copy, mostly this node's own, and all others if that does not answer. A session read asks
 * this node's own copy and, if that is older than what the session has seen, all others, again and again until one has
 * it. A bounded read asks a majority unless the own copy is known to be fresh enough.
 */
#include "base/mutant.h"
#include "replication/level.h"
#include "replication/nearest.h"

static void get_read(struct node_core *core, struct op *op);

static bool is_strong(const struct op *op) { return op->level == LEVEL_STRONG; }

static bool is_session(const struct op *op) { return op->level == LEVEL_SESSION; }

/** True if the session saw more keys than its token remembers, and this may be one of them. */
static bool session_has_forgotten(const struct op *op)
{
	return op->session.overflowed && version_is_none(op->session.seen);
}

/** Others are asked whether a copy is fresh: while the row changes both sets, since the old one may have been left behind. */
static bool asks_how_old(const struct op *op) { return op->level == LEVEL_BOUNDED && op->wide; }

/** Who is asked. New members do not have all that was acknowledged yet, so only what both sets decide asks them, or who repairs. */
static uint32_t get_asked(const struct op *op)
{
	return is_strong(op) || op->internal || asks_how_old(op) ? op_everyone(op) : op->row.old;
}

static struct need get_need(const struct op *op)
{
	uint32_t old = quorum_count(op->row.old), majority = quorum_majority(old);
	if (is_strong(op))
		return op_majority(op);
	if (op->internal)
		return need_all(&op->row);
	struct need need = need_old(1);
	if (op->acks == ACKS_ALL || (is_session(op) && session_has_forgotten(op)))
		need = need_old(old);
	else if (op->acks == ACKS_MAJORITY || asks_how_old(op))
		need = need_old(majority);
	if (asks_how_old(op))
		need.next = op_majority(op).next;
	return need;
}

/** This node's own copy answers, or all do. */
static bool needs_own_copy(const struct op *op) { return is_session(op) || op->level == LEVEL_BOUNDED; }

/** Position of this node's own copy, -1 if there is none that can be asked. */
static int own_position(struct node_core *core, const struct op *op)
{
	int own = row_position(&op->row, core->self);
	return own >= 0 && (get_asked(op) & 1u << own) && partition_serves(core, op->partition) ? own : -1;
}

/** Position that is asked for the value: the nearest copy, this node's own if that is what the level is about. */
static uint32_t value_position(struct node_core *core, const struct op *op)
{
	int own = own_position(core, op);
	if (own >= 0 && needs_own_copy(op))
		return (uint32_t)own;
	uint32_t bits = op->row.old;
	for (uint32_t i = 0; i < op->row.count; i++) {
		if (op->row.nodes[i] == core->self && own < 0)
			bits &= ~(1u << i);
	}
	int nearest = nearest_reader(core, &op->row, bits);
	return nearest >= 0 ? (uint32_t)nearest : 0;
}

/** One copy is asked, and there may be others. */
static bool is_narrow(const struct op *op)
{
	return !is_strong(op) && !op->internal && !op->wide && get_need(op).old == 1;
}

static void get_unavailable(struct node_core *core, struct op *op)
{
	const char *text =
		is_session(op)
			? "no replica that answered in time has what this session has seen; try another node"
			: op_unreachable_text(
				  core, op,
				  "not enough replicas of the key answered; see 'kvctl status' for the nodes that are down");
	op_fail(core, op, KV_UNAVAILABLE, /* in_doubt= */ false, text);
	op_free(core, op);
}

/** Tries again from the start, unless no quorum can be reached or time is up. */
static void get_again(struct node_core *core, struct op *op)
{
	if (COVER_IF(is_session(op) && !op->wide, session_asks_all) ||
	    COVER_IF(op->phase == PHASE_READING && is_narrow(op), read_asks_all)) {
		op->wide = true;
		get_read(core, op);
		return;
	}
	/* A session waits for a replica to come back as it waits for the write. */
	bool hopeless = !is_session(op) && !row_meets(&op->row, op_reachable(core, op), get_need(op));
	if (hopeless || !op_back_off(core, op))
		get_unavailable(core, op);
}

void op_get_start(struct node_core *core, struct op *op)
{
	KV_ASSERT(op->opcode == OP_GET);
	op->class = &op_get_class;
	get_read(core, op);
}

static void get_advance(struct node_core *core, struct op *op);

/** True if the own copy is older than a bounded read allows. */
static bool is_too_old(const struct node_core *core, const struct op *op)
{
	bool fresh = op->known_us != 0 && core->now.mono_us - op->known_us <= op->staleness_max_us;
	return op->level == LEVEL_BOUNDED && !fresh;
}

static void get_read(struct node_core *core, struct op *op)
{
	op_forget_replies(core, op);
	op->holders = 0;
	op->read_us = core->now.mono_us;
	op->known_us = is_strong(op) || own_position(core, op) < 0 ? 0 : staleness_known_us(core, op);
	op->wide |= is_too_old(core, op);
	op_begin(core, op, PHASE_READING, get_need(op));
	int position = row_position(&op->row, core->self);
	op->renews = false;
	op->wanted = op->stabilizes && position >= 0 ? 1u << position : 0;
	uint32_t at = value_position(core, op);
	uint32_t asked = is_narrow(op) ? 1u << at : get_asked(op);
	for (uint32_t i = 0; i < op->row.count; i++) {
		if (!(asked & 1u << i))
			quorum_add(&op->quorum, i, /* yes= */ false);
	}
	if (quorum_verdict(&op->quorum) == QUORUM_IMPOSSIBLE) {
		get_unavailable(core, op);
		return;
	}
	struct msg *m = op_message(core, op, OP_READ);
	op_send_all(core, op, asked & ~(1u << at), m);
	m->replica.want_value = true;
	op_send_all(core, op, asked & 1u << at, m);
}

/** Asks a replica that has the greatest version for its value. */
static void get_fetch(struct node_core *core, struct op *op)
{
	for (uint32_t i = 0; i < op->row.count; i++) {
		const struct op_reply *r = &op->replies[i];
		if (!r->valid || !version_equal(r->ver, op->best.rec.ver) || op->fetch_tried & 1u << i)
			continue;
		COVER(get_fetches);
		op->fetch_tried |= 1u << i;
		struct msg *m = op_message(core, op, OP_READ);
		m->replica.want_value = true;
		op_send(core, op, i, m);
		return;
	}
	/* All were asked: the timer starts over if none answers. */
}

static bool value_is_missing(const struct op *op)
{
	const struct record *m = &op->best.rec;
	return !version_is_none(m->ver) && !m->tombstone && !m->has_value;
}

/** Pushes the greatest record to replicas that told an older one. Not on the way to the answer. */
static void get_repair(struct node_core *core, struct op *op)
{
	const struct record *best = &op->best.rec;
	if (version_is_none(best->ver) || value_is_missing(op) || version_at_most(best->ver, op->drop_max))
		return;
	for (uint32_t i = 0; i < op->row.count; i++) {
		const struct op_reply *r = &op->replies[i];
		bool told = (op->holders | op->pushed) & 1u << i;
		bool stale = r->valid && version_less(r->ver, best->ver) && !told;
		if (!stale || core->repair_tokens == 0)
			continue;
		op->pushed |= 1u << i;
		core->repair_tokens--;
		core->stats.read_repairs++;
		op->repaired = true;
		struct msg *m = op_message(core, op, OP_PUSH);
		m->replica.record = *best;
		m->replica.record.weak = false;
		m->replica.record.fence = op->fence_max;
		m->replica.record.lin = actions_copy(core->out, best->lin, best->lin_count * sizeof best->lin[0]);
		m->replica.read_epoch = op->row.config_epoch;
		m->replica.deadline_ms = 0;
		m->id = core_next_id(core); /* nobody waits for the answer */
		actions_hold(core->out, op->best.value);
		op_send(core, op, i, m);
	}
}

static void get_finish(struct node_core *core, struct op *op)
{
	staleness_read_over(core, op);
	get_repair(core, op);
	op_free(core, op);
}

/** The best record is a value whose life has ended, neither a tombstone nor gone. */
static bool has_expired(const struct op *op)
{
	const struct record *m = &op->best.rec;
	return !version_is_none(m->ver) && !m->tombstone && !version_at_most(m->ver, op->drop_max);
}

static void get_answer(struct node_core *core, struct op *op)
{
	enum op_sight sight = op_judge(core, op, is_strong(op) ? op->asked_hlc : core_clock(core));
	if (sight == SIGHT_AGAIN) {
		get_read(core, op);
		return;
	}
	if (is_strong(op) && sight == SIGHT_HIDDEN && has_expired(op)) {
		/* A conditional write that saw the value alive may be under way: a ballot settles which of the two comes first. */
		COVER(get_expired);
		op_update_identity(core, op);
		return;
	}
	if (!op->wide && is_too_old(core, op)) {
		COVER(bounded_late);
		op->wide = true; /* it was fresh enough when it was asked, but the answer took too long */
		get_read(core, op);
		return;
	}
	staleness_read_over(core, op);
	if (op->receipt_wanted)
		get_repair(core, op); /* the receipt tells of it */
	op_answer_record(core, op, sight == SIGHT_VISIBLE);
	if (op->phase == PHASE_READING && !quorum_complete(&op->quorum) &&
	    op->best.rec.value.size <= LINGER_VALUE_MAX)
		op_linger(core, op);
	else
		get_finish(core, op);
}

/** Makes the greatest record stable at a majority. */
static void get_copy(struct node_core *core, struct op *op)
{
	struct version m_ver = op->best.rec.ver;
	hlc_t asked = op->asked_hlc;
	uint32_t holders = op_strong_holders(op, m_ver);
	COVER(get_copies);
	core->stats.copies++;
	op_begin(core, op, PHASE_COPYING, op_majority(op));
	op->asked_hlc = asked;
	op->holders = holders;
	op->version = m_ver;
	op->repaired = true;
	for (uint32_t i = 0; i < op->row.count; i++) {
		if (holders & 1u << i)
			quorum_add(&op->quorum, i, /* yes= */ true);
	}
	if (quorum_verdict(&op->quorum) == QUORUM_IMPOSSIBLE) {
		get_again(core, op);
		return;
	}
	struct msg *m = op_message(core, op, OP_COPY);
	m->replica.record = op->best.rec;
	m->replica.record.weak = false;
	m->replica.record.fence = op->fence_max;
	m->replica.record.lin =
		actions_copy(core->out, op->best.rec.lin, op->best.rec.lin_count * sizeof op->best.rec.lin[0]);
	actions_hold(core->out, op->best.value);
	op_send_all(core, op, op_everyone(op) & ~holders, m);
}

/** Some replica holds the greatest record weakly. */
static bool has_weak_copy(const struct op *op)
{
	for (uint32_t i = 0; i < op->row.count; i++) {
		const struct op_reply *r = &op->replies[i];
		if (r->valid && !r->strong && version_equal(r->ver, op->best.rec.ver))
			return true;
	}
	return false;
}

/**
 * This node's own copy is older than the greatest record, and its seal refuses that one: neither a copy nor a repair can bring it.
 * A majority elsewhere is not enough: a new member takes over a drop floor up to its seal, and with that claims to have whatever
 * is below it, or something newer. A ballot's new version is above the floor, wherever it gets to.
 */
static bool own_is_sealed_off(struct node_core *core, const struct op *op)
{
	int own = row_position(&op->row, core->self);
	if (!op->stabilizes || own < 0 || !op->replies[own].valid)
		return false;
	struct version best = op->best.rec.ver;
	return version_less(op->replies[own].ver, best) &&
	       version_at_most(best, partition_at(core, op->partition)->seal);
}

/** Enough replicas have told their record: can it be answered? */
static void get_evaluate(struct node_core *core, struct op *op)
{
	struct version m = op->best.rec.ver;
	bool gone = version_at_most(m, op->drop_max);
	bool stable = !is_strong(op) || gone || MUTANT(nowb) || row_majority(&op->row, op_strong_holders(op, m));
	if (!gone && value_is_missing(op))
		get_fetch(core, op);
	else if (op->every && COVER_IF(has_weak_copy(op), stabilize_weak))
		op_update_identity(core,
				   op); /* one below a drop floor, too: it is kept until it has a new version */
	else if (!gone && own_is_sealed_off(core, op)) {
		op->renews = true;
		op_update_identity(core, op);
	} else if (stable && !(is_strong(op) && !gone && BUGGIFY(core, strong_get_copies)))
		get_answer(core, op);
	else if (is_strong(op) && BUGGIFY(core, strong_get_ballot))
		op_update_identity(core, op);
	else
		get_copy(core, op);
}

/** Who makes a record stable looks at this node's own copy in any case, or at all. */
static bool get_heard_enough(const struct op *op)
{
	return (op->wanted & ~op->quorum.yes) == 0 && (!op->every || quorum_complete(&op->quorum));
}

/** A session needs one replica that has what it has seen. */
static enum quorum_verdict get_verdict(const struct op *op)
{
	enum quorum_verdict verdict = quorum_verdict(&op->quorum);
	if (verdict == QUORUM_REACHED && op->phase == PHASE_READING && !get_heard_enough(op))
		return quorum_complete(&op->quorum) ? QUORUM_IMPOSSIBLE : QUORUM_PENDING;
	if (verdict != QUORUM_REACHED || !is_session(op) || level_session_is_met(op))
		return verdict;
	return quorum_complete(&op->quorum) ? QUORUM_IMPOSSIBLE : QUORUM_PENDING;
}

/** A majority is behind the session: the rest is not worth a whole time-out, the own copy may have caught up by then. */
static void get_hurry(struct node_core *core, struct op *op)
{
	usec_t soon_us = MIN(core->now.mono_us + RETRY_BACKOFF_MAX_US, op->deadline_us);
	if (is_session(op) && row_old_majority(&op->row, op->quorum.yes) && !session_has_forgotten(op))
		op_set_timer(core, op, soon_us);
}

static void get_advance(struct node_core *core, struct op *op)
{
	switch (get_verdict(op)) {
	case QUORUM_PENDING:
		get_hurry(core, op);
		return;
	case QUORUM_IMPOSSIBLE:
		if (op->phase == PHASE_COPYING && op->rejected && op_reaches_majority(core, op))
			op_update_identity(core, op);
		else
			get_again(core, op);
		return;
	case QUORUM_REACHED:
		if (op->phase == PHASE_COPYING)
			get_answer(core, op);
		else
			get_evaluate(core, op);
		return;
	}
}

static void get_record_told(struct node_core *core, struct op *op, uint32_t position, const struct msg *m)
{
	bool told = m->answer.answer == ANSWER_RECORD;
	if (told && !op_note_record(core, op, position, &m->answer)) {
		if (!op->answered)
			op_fail(core, op, KV_OVERLOADED, false, "out of memory for the value read");
		op_free(core, op);
		return;
	}
	quorum_add(&op->quorum, position, told);
	if (!op->answered)
		get_advance(core, op);
	else if (quorum_complete(&op->quorum))
		get_finish(core, op);
}

static void get_on_answer(struct node_core *core, struct op *op, uint32_t position, const struct msg *m)
{
	if (op->phase == PHASE_READING) {
		get_record_told(core, op, position, m);
	} else if (op->phase == PHASE_COPYING) {
		bool acked = m->answer.answer == ANSWER_ACK;
		op->holders |= acked ? 1u << position : 0;
		op->rejected |= m->answer.answer == ANSWER_REJECT ? 1u << position : 0;
		quorum_add(&op->quorum, position, acked);
		get_advance(core, op);
	}
}

static void get_on_timer(struct node_core *core, struct op *op)
{
	if (op->answered)
		get_finish(core, op);
	else if (op_is_late(core, op))
		get_unavailable(core, op);
	else if (op->phase == PHASE_BACKOFF)
		get_read(core, op);
	else if (op->phase == PHASE_COPYING && op->rejected)
		op_update_identity(core, op); /* others are silent, and the promise will stay */
	else
		get_again(core, op);
}

const struct op_class op_get_class = {.answer = get_on_answer, .timer = get_on_timer, .restart = op_get_start};
