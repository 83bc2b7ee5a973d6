/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads for nobody in particular: they bring replicas in step, or make a record stable.
 */
#include "replication/op.h"

static struct op *internal_new(struct node_core *core, uint32_t bucket, struct slice key, enum msg_level level)
{
	if (core->op_count >= core->config.ops_max || core->op_bytes >= OP_BYTES_MAX)
		return NULL;
	struct msg m = {.opcode = OP_GET};
	m.request = (struct msg_request){.bucket = bucket, .key = key, .level = level, .acks = ACKS_ALL};
	struct op *op = op_new(core, &op_get_class, &m, core->now.mono_us);
	if (op)
		op->internal = true;
	return op;
}

bool op_repair(struct node_core *core, uint32_t bucket, struct slice key, uint64_t probe_id)
{
	struct op *op = internal_new(core, bucket, key, LEVEL_EVENTUAL);
	if (!op)
		return false;
	op->probe_id = probe_id;
	op_get_start(core, op);
	return true;
}

bool op_stabilize(struct node_core *core, uint32_t bucket, struct slice key, bool every, op_done_fn done,
		  void *owner)
{
	struct op *op = internal_new(core, bucket, key, LEVEL_STRONG);
	if (!op)
		return false;
	op->stabilizes = true;
	op->every = every;
	op->done = done;
	op->done_owner = owner;
	op_pause(core, op, PHASE_BACKOFF, core->now.mono_us);
	return true;
}

void op_stabilize_forget(struct node_core *core, const void *owner)
{
	struct hmap_node *node = hmap_first(&core->ops);
	for (; node; node = hmap_next(&core->ops, node)) {
		struct op *op = container_of(node, struct op, node);
		if (op->done && op->done_owner == owner)
			op->done = NULL;
	}
}
