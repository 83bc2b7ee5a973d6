/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations under way whose replicas change with the map.
 *
 * Replicas refuse what was planned under a row that is no longer theirs, and answers of two rows never count together: an
 * operation begins anew, under a new message id. Attempts of a strong write that were sent are kept and judged by ballots of the
 * new row. Only replicas coordinate (staleness.h counts on it), so a node that is none any more ends the operation.
 */
#include "base/mutant.h"
#include "replication/op.h"

void op_take_row(struct node_core *core, struct op *op, const struct row *row)
{
	op->row = *row;
	op->row.move = NULL; /* it lives as long as the map */
	memcpy(op->row_nodes, row->nodes, row->count * sizeof op->row_nodes[0]);
	op->row.nodes = op->row_nodes;
	op_forget_replies(core, op);
	op->holders = op->hinted = op->pushed = 0;
	op->out = op->dead = op->next_holders = 0;
}

/** Whether it may have taken effect, or may yet. */
static bool may_have_happened(const struct op *op)
{
	return op->phase == PHASE_PUSHING || op->attempt_open || (op->retry && op->opcode != OP_OUTCOME);
}

static void end_elsewhere(struct node_core *core, struct op *op)
{
	COVER(op_ends_elsewhere);
	bool sent = may_have_happened(op);
	op_fail(core, op, sent ? KV_IN_DOUBT : KV_STALE, sent,
		"this node is no replica of the key any more; ask one that is");
	op_free(core, op);
}

#ifdef KV_MUTANTS
/** Goes on with the answers it has, where positions allow that. */
static bool keeps_answers(struct op *op, const struct row *row)
{
	uint32_t count = MIN(op->row.count, row->count);
	if (!MUTANT(phasemix) || memcmp(op->row_nodes, row->nodes, count * sizeof row->nodes[0]) != 0)
		return false;
	if (op->phase != PHASE_PREPARING && op->phase != PHASE_ACCEPTING && op->phase != PHASE_DIRECT &&
	    op->phase != PHASE_READING && op->phase != PHASE_COPYING)
		return false;
	struct quorum before = op->quorum;
	op->row = *row;
	op->row.move = NULL;
	memcpy(op->row_nodes, row->nodes, row->count * sizeof op->row_nodes[0]);
	op->row.nodes = op->row_nodes;
	quorum_init(&op->quorum, &op->row, need_majority(&op->row));
	op->quorum.yes = before.yes & row_everyone(row);
	op->quorum.no = before.no & row_everyone(row);
	return true;
}
#else
static bool keeps_answers(struct op *op, const struct row *row) { return false; }
#endif

static void change_row(struct node_core *core, struct op *op)
{
	struct row row = cluster_map_row(core->map, op->partition);
	if (op->answered) {
		op->class->timer(core, op); /* hints or repairs what it knows of */
		return;
	}
	if (row_position(&row, core->self) < 0) {
		end_elsewhere(core, op);
		return;
	}
	if (keeps_answers(op, &row))
		return;
	COVER(op_begins_anew);
	op->attempt_open |= op->phase == PHASE_DIRECT;
	op_take_row(core, op, &row);
	if (op->phase != PHASE_BACKOFF && op->phase != PHASE_QUEUED)
		op->class->restart(core, op);
}

static bool has_old_row(const struct node_core *core, const struct op *op)
{
	return op->class->restart && cluster_map_row(core->map, op->partition).config_epoch != op->row.config_epoch;
}

/** Ending one may start another, and each goes on under a new id: those to change are listed first. */
void op_map_changed(struct node_core *core)
{
	uint64_t *ids = actions_alloc(core->out, MAX(core->ops.count, (size_t)1) * sizeof *ids);
	size_t count = 0;
	struct hmap_node *node = hmap_first(&core->ops);
	for (; node; node = hmap_next(&core->ops, node)) {
		const struct op *op = container_of(node, struct op, node);
		if (has_old_row(core, op))
			ids[count++] = op->id;
	}
	for (size_t i = 0; i < count; i++) {
		struct op *op = op_find(core, ids[i]);
		if (op)
			change_row(core, op);
	}
}
