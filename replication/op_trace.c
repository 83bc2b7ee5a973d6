/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/op_trace.h"

static void begin(struct node_core *core, struct timeline *t, const struct msg *m, uint64_t id, usec_t arrived_us)
{
	t->arrived_us = MIN(arrived_us, core->now.mono_us);
	t->taken_us = core->now.mono_us;
	t->span = core_span(core, id);
	t->context = m->request.trace;
	t->wanted = m->request.timeline_wanted;
	if (t->wanted && trace_is_none(&t->context))
		t->context = timeline_context(t->span);
	t->context.sampled |= t->wanted;
}

void op_trace_begin(struct node_core *core, struct op *op, const struct msg *m, usec_t arrived_us)
{
	begin(core, &op->timeline, m, op->id, arrived_us);
}

static enum span_kind kind_of(enum op_phase phase)
{
	switch (phase) {
	case PHASE_BACKOFF:
		return SPAN_BACKOFF;
	case PHASE_QUEUED:
		return SPAN_TURN;
	case PHASE_READING:
		return SPAN_READ;
	case PHASE_COPYING:
		return SPAN_COPY;
	case PHASE_PREPARING:
		return SPAN_PREPARE;
	case PHASE_ACCEPTING:
		return SPAN_ACCEPT;
	case PHASE_DIRECT:
		return SPAN_DIRECT;
	case PHASE_PUSHING:
		return SPAN_PUSH;
	case PHASE_FORWARDING:
		return SPAN_FORWARD;
	case PHASE_SCANNING:
		return SPAN_SCAN;
	}
	KV_UNREACHABLE("phases are these");
}

void op_trace_phase(struct node_core *core, struct op *op)
{
	timeline_mark(&op->timeline, core->now.mono_us, MARK_PHASE, (uint8_t)kind_of(op->phase), NODE_NONE);
}

void op_trace_sent(struct node_core *core, struct op *op, node_id node, struct msg *m)
{
	struct timeline *t = &op->timeline;
	if (m->id != op->id)
		return; /* nobody waits for its answer */
	timeline_mark(t, core->now.mono_us, MARK_SENT, 0, node);
	if (trace_is_none(&t->context))
		return;
	struct trace_context *c = opcode_is_client(m->opcode) ? &m->request.trace : &m->replica.trace;
	*c = t->context;
	c->span = timeline_call_span(t->span, op->rounds, node);
}

void op_trace_replied(struct node_core *core, struct op *op, node_id node, const struct msg *m)
{
	struct timeline *t = &op->timeline;
	bool client = opcode_is_client(m->opcode);
	uint8_t what = (uint8_t)MIN(client ? (uint32_t)m->result.status : (uint32_t)m->answer.answer, 255u);
	timeline_mark(t, core->now.mono_us, MARK_ANSWERED, what, node);
	if (!client)
		timeline_mark_served(t, node, &m->answer.served);
}

static struct msg_timeline *tell(struct node_core *core, const struct op *op)
{
	struct msg_timeline *told = actions_alloc(core->out, sizeof *told);
	timeline_tell(&op->timeline, core->self, core->now.mono_us, core->out, told);
	told->opcode = op->opcode;
	told->level = op->level == LEVEL_DEFAULT ? LEVEL_EVENTUAL : op->level;
	told->partition = op->partition;
	told->epoch = node_core_epoch(core);
	told->ballot = version_is_none(op->ballot) ? op->version : op->ballot;
	told->rounds = op->rounds;
	return told;
}

void op_trace_answered(struct node_core *core, struct op *op, const struct msg_timeline *told, struct msg *m)
{
	struct timeline *t = &op->timeline;
	t->answered_us = core->now.mono_us;
	t->status = m->result.status;
	t->in_doubt = m->result.in_doubt;
	m->result.timeline = NULL;
	if (!t->wanted)
		return;
	struct msg_timeline *own = tell(core, op);
	if (told)
		timeline_graft(own, told, core->out);
	m->result.timeline = own;
}

/** Whether an operator wants to hear of it: what is no more than an answer about the key or the request is none. */
static bool is_failure(enum kv_status status)
{
	switch (status) {
	case KV_OK:
	case KV_NOT_FOUND:
	case KV_CONDITION_FAILED:
	case KV_INVALID:
	case KV_TOO_LARGE:
	case KV_UNSUPPORTED:
	case KV_STALE:
		return false;
	default:
		return true;
	}
}

void op_trace_ended(struct node_core *core, struct op *op)
{
	const struct timeline *t = &op->timeline;
	usec_t took_us = t->answered_us - t->arrived_us;
	bool slow = took_us >= core->config.slow_us;
	if (op->internal || !core->out || t->answered_us == 0)
		return;
	if (!slow && !t->context.sampled && !is_failure(t->status))
		return;
	struct msg_timeline *told = tell(core, op);
	told->slow = slow;
	actions_add(core->out, ACT_TRACE)->trace.timeline = told;
}

void op_trace_refused(struct node_core *core, const struct msg *req, usec_t arrived_us, struct msg *m)
{
	if (!req->request.trace.sampled && !req->request.timeline_wanted)
		return;
	struct timeline t = {.count = 0};
	begin(core, &t, req, core_next_id(core), arrived_us);
	t.answered_us = core->now.mono_us;
	t.status = m->result.status;
	struct msg_timeline *told = actions_alloc(core->out, sizeof *told);
	timeline_tell(&t, core->self, core->now.mono_us, core->out, told);
	told->opcode = req->opcode;
	told->level = op_level(req);
	told->epoch = node_core_epoch(core);
	if (t.wanted)
		m->result.timeline = told;
	actions_add(core->out, ACT_TRACE)->trace.timeline = told;
}
