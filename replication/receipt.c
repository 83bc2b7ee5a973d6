/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/receipt.h"

/** True if the answer is about what was there before: a read, or a write that was refused before anything was sent. */
static bool tells_of_present(const struct op *op) { return op->opcode == OP_GET || version_is_none(op->version); }

/** True if the replica at POSITION is known to hold durably what was written or read, or, of a write, something newer. */
static bool has_it(const struct op *op, uint32_t position)
{
	const struct op_reply *r = &op->replies[position];
	if (tells_of_present(op)) {
		bool copied = op->phase == PHASE_COPYING && op->holders & 1u << position;
		return copied || (r->valid && version_equal(r->ver, op->best.rec.ver));
	}
	return op->holders & 1u << position || (r->valid && version_at_most(op->version, r->ver));
}

static struct receipt_replica line_of(const struct op *op, uint32_t position)
{
	const struct op_reply *r = &op->replies[position];
	struct receipt_replica line = {.node = op->row.nodes[position], .ver = r->ver, .status = KV_OK};
	if (has_it(op, position))
		line.ver = tells_of_present(op) ? op->best.rec.ver : version_max(op->version, r->ver);
	else if (op->rejected & 1u << position)
		line.status = KV_CONFLICT;
	else if (!tells_of_present(op) || !r->valid)
		line.status = KV_UNAVAILABLE;
	return line;
}

/** What the answer can be relied on for; LEVEL_DEFAULT if nothing. */
static enum msg_level achieved(const struct op *op, enum kv_status status)
{
	if (status != KV_OK && status != KV_NOT_FOUND && status != KV_CONDITION_FAILED)
		return LEVEL_DEFAULT;
	return op->level == LEVEL_DEFAULT ? LEVEL_EVENTUAL : op->level;
}

void receipt_fill(const struct node_core *core, const struct op *op, struct msg_result *result)
{
	struct msg_receipt *r = &result->receipt;
	result->has_receipt = true;
	r->asked = op->level;
	r->achieved = achieved(op, result->status);
	r->version = result->version;
	r->epoch = core->map->desc.epoch;
	r->hinted = quorum_count(op->hinted);
	r->rounds = op->rounds;
	r->staleness_ms = result->staleness_ms;
	r->repaired = op->repaired;
	r->replica_count = op->row.count;
	r->acks = 0;
	for (uint32_t i = 0; i < op->row.count; i++) {
		r->acks += has_it(op, i);
		r->replicas[i] = line_of(op, i);
	}
}
