/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eventual put and delete: one version for ever, pushed to all replicas, answered when as many have stored it as the
 * client asked for. The rest gets it as well, or a hint.
 */
#include "replication/op.h"

/** Chooses the version; the reason in *RET_TEXT if there is none that will do. */
static enum kv_status put_choose_version(struct node_core *core, struct op *op, const char **ret_text)
{
	struct version seen = op->session.seen;
	/* A client that fixed time and id makes every retry, through any node, the same write. */
	if (op->t0 != 0 && !request_id_is_none(op->rid)) {
		op->version = version_of_request(op->t0, op->rid);
		*ret_text = "the write's time is not above the session's token; read the cluster's clock anew";
		return op->level == LEVEL_SESSION && version_less(op->version, seen) ? KV_INVALID : KV_OK;
	}
	if (op->level == LEVEL_SESSION)
		core_observe(core, seen.hlc);
	*ret_text = "the node's clock is not ready; try again shortly";
	if (!core_fresh_version(core, &op->version))
		return KV_NOT_READY;
	*ret_text = "the session has seen a time that is ahead of this node's clock";
	return op->level == LEVEL_SESSION && version_less(op->version, seen) ? KV_CLOCK : KV_OK;
}

static void put_fill_record(const struct op *op, struct record *r)
{
	*r = (struct record){
		.ver = op->version,
		.org = op->version,
		.tombstone = op->opcode == OP_DEL,
		.rid = op->rid,
		.fence = op->fence,
	};
	if (op->opcode == OP_DEL)
		return;
	r->has_value = true;
	r->value = blob_slice(op->value);
	r->value_size = (uint32_t)op->value->size;
	r->value_hash = op->value_hash;
	r->expires_ms = op->ttl_ms ? hlc_ms(op->version.hlc) + op->ttl_ms : 0;
}

/** To all that have not answered: the same bytes under the same version, so that sending them again is harmless. */
static void put_send(struct node_core *core, struct op *op)
{
	struct msg *m = op_message(core, op, OP_PUSH);
	put_fill_record(op, &m->replica.record);
	m->replica.read_epoch = op->row.config_epoch;
	actions_hold(core->out, op->value);
	uint32_t others = op_everyone(op) & ~op->quorum.yes;
	int own = row_position(&op->row, core->self);
	op_send_all(core, op, own >= 0 && BUGGIFY(core, own_replica_apart) ? others & 1u << own : others, m);
}

static const char sealed_text[] =
	"the write's time lies so far back that deletions since are forgotten; read the cluster's clock anew";

/** True if this node's replica of the key refuses the version for good. */
static bool put_is_sealed(struct node_core *core, const struct op *op)
{
	return row_position(&op->row, core->self) >= 0 &&
	       version_at_most(op->version, slots_floors(&core->slots, op->partition)->seal);
}

static void put_begin(struct node_core *core, struct op *op)
{
	KV_ASSERT(!version_is_none(op->version));
	op_begin(core, op, PHASE_PUSHING, op_need(op));
	for (uint32_t i = 0; i < op->row.count; i++) {
		if (op->quorum.no & 1u << i)
			op_hint(core, op, i);
	}
	put_send(core, op);
}

void op_put_start(struct node_core *core, struct op *op)
{
	KV_ASSERT(op->opcode == OP_PUT || op->opcode == OP_DEL);
	if (!row_meets(&op->row, op_reachable(core, op), op_need(op))) {
		op_fail(core, op, KV_UNAVAILABLE, /* in_doubt= */ false,
			"fewer replicas than acks asks for can be reached; ask for fewer or see 'kvctl status'");
		op_free(core, op);
		return;
	}
	const char *text;
	enum kv_status status = put_choose_version(core, op, &text);
	if (status != KV_OK) {
		op_fail(core, op, status, /* in_doubt= */ op->sent_before, text);
		op_free(core, op);
		return;
	}
	if (COVER_IF(put_is_sealed(core, op), put_sealed)) {
		op_fail(core, op, KV_INVALID, /* in_doubt= */ op->sent_before, sealed_text);
		op_free(core, op);
		return;
	}
	put_begin(core, op);
}

/** The copies already sent may be stored at any time, so a failure is always in doubt. */
static void put_give_up(struct node_core *core, struct op *op)
{
	enum kv_status status = op->clock_refused ? KV_CLOCK : KV_DEADLINE;
	const char *text = op->clock_refused
				   ? "replicas refused the write: the clock it was made with is ahead of theirs"
				   : "fewer replicas than acks asks for answered in time";
	if (op->no_room) {
		status = KV_NO_SPACE;
		text = op_no_room_text;
	}
	if (op->rejected) {
		status = KV_INVALID;
		text = sealed_text;
	}
	op_fail(core, op, status, /* in_doubt= */ true, text);
	op_finish_write(core, op);
}

static void put_advance(struct node_core *core, struct op *op)
{
	switch (quorum_verdict(&op->quorum)) {
	case QUORUM_PENDING:
		return;
	case QUORUM_IMPOSSIBLE:
		put_give_up(core, op);
		return;
	case QUORUM_REACHED: {
		struct msg *m = op_result(core, op, KV_OK);
		m->result.version = op->version;
		op_answer(core, op, m);
		if (quorum_complete(&op->quorum))
			op_finish_write(core, op);
		else
			op_linger(core, op);
		return;
	}
	}
}

/** A limit, or a map that is not there yet: nothing was done, and it may go better in a moment. */
static void put_soon_again(struct node_core *core, struct op *op)
{
	usec_t soon_us = core->now.mono_us + RETRY_BACKOFF_MAX_US;
	if (soon_us < op->deadline_us && soon_us < op->timer.key)
		op_set_timer(core, op, soon_us);
}

static void put_on_answer(struct node_core *core, struct op *op, uint32_t position, const struct msg *m)
{
	/* Old because of what is there now, or because the time of such versions is over? */
	bool old = m->answer.answer == ANSWER_OLD;
	bool sealed = old && version_less(m->answer.stored, op->version);
	bool stored = m->answer.answer == ANSWER_STORED || (old && !sealed);
	if (m->answer.answer == ANSWER_BUSY && !op->answered) {
		put_soon_again(core, op);
		return;
	}
	op->holders |= stored ? 1u << position : 0;
	op->rejected |= sealed ? 1u << position : 0;
	op->clock_refused |= m->answer.answer == ANSWER_CLOCK;
	quorum_add(&op->quorum, position, stored);
	if (!op->answered)
		put_advance(core, op);
	else if (!quorum_complete(&op->quorum))
		staleness_write_over(core, op);
	else
		op_finish_write(core, op);
}

static void put_on_timer(struct node_core *core, struct op *op)
{
	if (op->answered) {
		op_finish_write(core, op);
	} else if (op_is_late(core, op)) {
		put_give_up(core, op);
	} else {
		put_send(core, op);
		op_set_timer(core, op, op->deadline_us);
	}
}

const struct op_class op_put_class = {.answer = put_on_answer, .timer = put_on_timer, .restart = put_begin};
