/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/request.h"

#include "replication/form.h"
#include "replication/level.h"
#include "replication/op_trace.h"
#include "replication/prediction.h"
#include "replication/recent.h"

bool request_is_forwardable(uint16_t opcode)
{
	switch (opcode) {
	case OP_GET:
	case OP_PUT:
	case OP_DEL:
	case OP_CAS:
	case OP_ADD:
	case OP_APPEND:
	case OP_OUTCOME:
	case OP_SCAN:
	case OP_LEDGER:
		return true;
	default:
		return false;
	}
}

static void answer_error(struct node_core *core, const struct node_event *ev, node_id from, const struct msg *req,
			 usec_t arrived_us, enum kv_status status, const char *text)
{
	KV_ASSERT(opcode_is_client(req->opcode) && req->opcode != OP_MAP); /* whose answer is a result */
	struct msg *m = core_msg(core, req->opcode, req->id, /* reply= */ true);
	m->shard = req->shard;
	m->result.status = status;
	m->result.message = slice_str(text);
	m->result.retry_after_ms = status_class(status) == STATUS_RETRY ? OVERLOAD_RETRY_MS : 0;
	op_trace_refused(core, req, arrived_us, m);
	if (ev)
		core_reply(core, ev->request.client, m);
	else
		core_send(core, from, m);
}

/** The rules of conditions, fences, sums and retries, which only strong operations know. */
static enum kv_status check_strong(const struct msg *m, const char **ret_text)
{
	const struct msg_request *r = &m->request;
	bool conditional = r->has_expected || r->has_expected_hash || r->if_present;
	bool changes = m->opcode == OP_ADD || m->opcode == OP_APPEND;
	bool only_strong =
		conditional || changes || r->fence != 0 || m->opcode == OP_CAS || m->opcode == OP_OUTCOME;
	if (only_strong && op_level(m) != LEVEL_STRONG)
		*ret_text = "conditions, fences, CAS, ADD, APPEND and OUTCOME need level strong";
	else if (conditional && m->opcode != OP_PUT && m->opcode != OP_CAS && m->opcode != OP_DEL)
		*ret_text = "only PUT, CAS and DEL take conditions";
	else if (m->opcode == OP_CAS && !conditional)
		*ret_text = "CAS needs a condition: a version, a value's hash, absent or present";
	else if (changes && r->ttl_ms != 0)
		*ret_text = "ADD and APPEND keep the key's time to live and take none";
	else if (r->fence != 0 && (m->opcode == OP_GET || op_is_page(m->opcode) || m->opcode == OP_OUTCOME))
		*ret_text = "only writes take a fence";
	else if (m->opcode == OP_OUTCOME && request_id_is_none(r->rid))
		*ret_text = "OUTCOME needs the request id of the write";
	else
		return KV_OK;
	return KV_INVALID;
}

/** What is wrong with the request itself: KV_OK if nothing. */
static enum kv_status check_request(const struct node_core *core, const struct msg *m, const char **ret_text)
{
	const struct msg_request *r = &m->request;
	*ret_text = NULL;
	if (!request_is_forwardable(m->opcode)) {
		*ret_text = "this version does not know that operation; upgrade the node";
		return KV_UNSUPPORTED;
	}
	enum kv_status status = level_check(r, m->opcode, ret_text);
	if (status == KV_OK)
		status = check_strong(m, ret_text);
	if (status != KV_OK)
		return status;
	if (op_is_page(m->opcode)) {
		*ret_text = "the partition is not below the map's number of partitions";
		return r->partition < core->map->desc.partitions ? KV_OK : KV_INVALID;
	}
	if (r->value.size > core->config.value_size_max) {
		*ret_text = "the value is larger than this node's limit (limits.value_size)";
		return KV_TOO_LARGE;
	}
	if (r->value.size > 0 && r->value_hash != 0 && r->value_hash != hash64(r->value)) {
		*ret_text = "the value does not match the checksum sent with it; send it again";
		return KV_CORRUPT;
	}
	return KV_OK;
}

/** Whether the core may take work on now. */
static enum kv_status check_state(struct node_core *core, const struct msg *m, const char **ret_text)
{
	bool needs_clock = op_level(m) == LEVEL_STRONG || (m->opcode != OP_GET && !op_is_page(m->opcode));
	if (!core->map) {
		*ret_text = "the node is not part of a cluster yet; run 'kvctl cluster init'";
		return KV_NOT_READY;
	}
	if (needs_clock && !node_core_is_ready(core)) {
		*ret_text = "the node has just started and waits for its clock; try again shortly";
		return KV_NOT_READY;
	}
	if (needs_clock && detector_clock_is_off(core)) {
		*ret_text =
			"this node's clock is more than 500 ms from the others'; correct it (NTP) or use another node";
		return KV_CLOCK;
	}
	if (BUGGIFY(core, overloaded) || core->op_count >= core->config.ops_max || core->op_bytes >= OP_BYTES_MAX ||
	    core->write_bytes >= WRITE_BYTES_MAX) {
		*ret_text = "too many requests in flight on this node; slow down or use another node";
		return KV_OVERLOADED;
	}
	return KV_OK;
}

static void make_request_id(struct node_core *core, struct op *op)
{
	if (!request_id_is_none(op->rid) || op->opcode == OP_GET || op_is_page(op->opcode))
		return;
	uint64_t client = hash_u64(core->config.boot_nonce + core->self);
	op->rid = (struct request_id){.client = client | 1, .seq = core_next_id(core)};
	op->t0 = 0;
	op->retry = false;
}

/** A strong write is ordered above its client's t0, by which a retry tells how far back to look. */
static void start_strong(struct node_core *core, struct op *op)
{
	core_observe(core, op->t0);
	if (op->t0 <= core_clock(core)) {
		op_direct_start(core, op);
		return;
	}
	op_fail(core, op, KV_CLOCK, /* in_doubt= */ op->retry,
		"the client's reading of the cluster's clock is ahead of this node's clock by more than 500 ms");
	op_free(core, op);
}

static void start_op(struct node_core *core, struct op *op, const struct msg *m)
{
	int position = row_position(&op->row, core->self);
	bool own = position >= 0, whole = own && (op->row.old & 1u << position);
	if (m->opcode == OP_LEDGER) {
		op_ledger_start(core, op, m);
	} else if (m->opcode == OP_SCAN && (whole || m->request.raw)) {
		op_scan_start(core, op, m);
	} else if ((!own || (m->opcode == OP_SCAN && !whole)) && !m->request.forwarded) {
		op->class = &op_forward_class;
		op_forward_start(core, op, m);
	} else if (!own || m->opcode == OP_SCAN) {
		op_fail(core, op, KV_STALE, /* in_doubt= */ false,
			"this node is no replica of the key; refresh the map");
		op_free(core, op);
	} else if (m->opcode == OP_GET) {
		op_get_start(core, op);
	} else {
		make_request_id(core, op);
		if (COVER_IF(op_lacks_room(core, op), write_lacks_room)) {
			op_fail(core, op, KV_NO_SPACE, /* in_doubt= */ op->retry || op->sent_before,
				op_no_room_text);
			op_free(core, op);
		} else if (op->level == LEVEL_STRONG)
			start_strong(core, op);
		else
			op_put_start(core, op);
	}
}

static const struct op_class *class_of(const struct msg *m)
{
	if (m->opcode == OP_SCAN)
		return &op_scan_class;
	if (m->opcode == OP_LEDGER)
		return &op_ledger_class;
	if (m->opcode == OP_GET)
		return &op_get_class;
	return op_level(m) == LEVEL_STRONG ? &op_direct_class : &op_put_class;
}

/** A client's request, ours (EV) or forwarded by FROM (EV NULL). */
static void handle_request(struct node_core *core, const struct node_event *ev, node_id from, const struct msg *m,
			   usec_t arrived_us)
{
	const char *text = NULL;
	enum kv_status status = check_state(core, m, &text);
	if (status == KV_OK)
		status = check_request(core, m, &text);
	struct op *op = status == KV_OK ? op_new(core, class_of(m), m, arrived_us) : NULL;
	if (status == KV_OK && !op) {
		status = KV_OVERLOADED;
		text = "out of memory for the request";
	}
	if (status != KV_OK) {
		core->stats.ops_overloaded += status == KV_OVERLOADED;
		answer_error(core, ev, from, m, arrived_us, status, text);
		return;
	}
	if (ev)
		op_from_client(op, ev->request.client);
	else
		op_from_node(op, from, m);
	if (op_is_late(core, op)) {
		op_fail(core, op, KV_DEADLINE, /* in_doubt= */ false,
			"the deadline had passed when the request was taken up");
		op_free(core, op);
		return;
	}
	start_op(core, op, m);
}

static void handle_map_request(struct node_core *core, const struct node_event *ev, const struct msg *m)
{
	struct msg *reply = core_msg(core, OP_MAP, m->id, /* reply= */ true);
	reply->map.status = core->map ? KV_OK : KV_NOT_READY;
	reply->map.have_epoch = node_core_epoch(core);
	if (core->map && m->map.have_epoch < core->map->desc.epoch) {
		/* Tokens are short hashes; who sees one could make a text for it. */
		struct map_desc *told = actions_copy(core->out, &core->map->desc, sizeof *told);
		told->token_count = 0;
		reply->map.map = told;
	}
	core_reply(core, ev->request.client, reply);
}

void request_from_client(struct node_core *core, const struct node_event *ev)
{
	const struct msg *m = ev->request.msg;
	core_observe(core, m->hlc);
	if (m->opcode == OP_MAP)
		handle_map_request(core, ev, m);
	else if (m->opcode == OP_REPAIR)
		repair_asked(core, ev->request.client, m);
	else if (m->opcode == OP_EXPLAIN)
		explain_asked(core, ev->request.client, m);
	else if (m->opcode == OP_CLUSTER_INIT)
		form_start(core, ev->request.client, m, ev->request.arrived_us);
	else if (m->opcode == OP_CLUSTER_CHANGE)
		membership_change(core, ev->request.client, m, ev->request.arrived_us);
	else if (m->opcode == OP_CLUSTER_PLAN)
		prediction_ask(core, ev->request.client, m);
	else if (m->opcode == OP_MOVE_LIST)
		move_status_list(core, ev->request.client, m);
	else
		handle_request(core, ev, NODE_NONE, m, ev->request.arrived_us);
}

static bool take_forwarded(struct node_core *core, node_id from, const struct msg *m)
{
	if (m->id == 0)
		return false;
	if (!core->recent[from])
		core->recent[from] = xcalloc(1, sizeof *core->recent[from]);
	return recent_take(core->recent[from], m->id, m->shard);
}

void request_forwarded(struct node_core *core, node_id from, const struct msg *m, usec_t arrived_us)
{
	if (take_forwarded(core, from, m))
		handle_request(core, NULL, from, m, arrived_us);
}
