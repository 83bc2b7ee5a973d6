/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request for a key of which this node is no replica: sent on once, to a replica that answers in our place.
 */
#include "replication/nearest.h"
#include "replication/op_trace.h"

/** A read goes to the nearest replica, all else to the one that most others send it to as well. */
static int choose(struct node_core *core, const struct op *op)
{
	if (op->opcode == OP_GET && op->level != LEVEL_STRONG)
		return nearest_reader_explored(core, &op->row, op->row.old);
	if (op_is_page(op->opcode))
		return nearest_reader(core, &op->row, op->row.old); /* the same for all pages, if it can be */
	return nearest_coordinator(core, &op->row, op->row.old);
}

void op_forward_start(struct node_core *core, struct op *op, const struct msg *m)
{
	op->phase = PHASE_FORWARDING;
	op->phase_us = core->now.mono_us;
	op_trace_phase(core, op);
	int position = choose(core, op);
	if (position < 0) {
		op_fail(core, op, KV_UNAVAILABLE, /* in_doubt= */ false,
			op_unreachable_text(core, op, "no replica of the key can be reached"));
		op_free(core, op);
		return;
	}
	struct msg *sent = core_msg(core, m->opcode, op->id, /* reply= */ false);
	sent->shard = core->config.shard;
	sent->request = m->request;
	sent->request.forwarded = true;
	usec_t left_us = op->deadline_us - MIN(op->deadline_us, core->now.mono_us);
	sent->request.deadline_ms = (uint32_t)MAX(left_us / USEC_PER_MSEC, (usec_t)1);
	core->stats.ops_forwarded++;
	op->forward_to = op->row.nodes[position];
	op_trace_sent(core, op, op->forward_to, sent);
	core_send(core, op->forward_to, sent);
	op_set_timer(core, op, op->deadline_us);
}

static void forward_on_answer(struct node_core *core, struct op *op, uint32_t position, const struct msg *m)
{
	struct msg *reply = op_result(core, op, m->result.status);
	reply->result = m->result;
	op->receipt_wanted = false; /* the replica has filled it */
	op_answer(core, op, reply);
	op_free(core, op);
}

static void forward_on_timer(struct node_core *core, struct op *op)
{
	bool writes = op->opcode != OP_GET && !op_is_page(op->opcode) && op->opcode != OP_OUTCOME;
	op_fail(core, op, writes ? KV_DEADLINE : KV_UNAVAILABLE, /* in_doubt= */ writes,
		"the replica that the request was sent on to did not answer in time");
	op_free(core, op);
}

const struct op_class op_forward_class = {.answer = forward_on_answer, .timer = forward_on_timer};
