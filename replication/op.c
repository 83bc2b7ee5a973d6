/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/op.h"

#include "base/mutant.h"
#include "proto/keyhash.h"
#include "replication/hint_push.h"
#include "replication/level.h"
#include "replication/map_spread.h"
#include "replication/op_trace.h"
#include "replication/receipt.h"

static usec_t op_deadline(const struct msg_request *r, usec_t arrived_us)
{
	uint32_t ms = r->deadline_ms ? MIN(r->deadline_ms, DEADLINE_MAX_MS) : DEADLINE_DEFAULT_MS;
	usec_t total_us = (MUTANT(nodeadline) ? DEADLINE_MAX_MS : ms) * USEC_PER_MSEC;
	/* Answer a little early, so that the client hears it before its own clock runs out. */
	return arrived_us + total_us - MIN(total_us / 10, ANSWER_MARGIN_MAX_US);
}

enum msg_level op_level(const struct msg *m)
{
	const struct msg_request *r = &m->request;
	bool strong = m->opcode == OP_CAS || m->opcode == OP_ADD || m->opcode == OP_APPEND ||
		      m->opcode == OP_OUTCOME || r->has_expected || r->has_expected_hash || r->if_present ||
		      r->fence != 0;
	return r->level == LEVEL_DEFAULT && strong ? LEVEL_STRONG : r->level;
}

static void drop_value(struct node_core *core, struct op *op)
{
	if (op->counted)
		core->op_bytes -= op->value->size;
	op->counted = false;
	blob_unref(op->value);
	op->value = NULL;
}

static void op_rekey(struct node_core *core, struct op *op)
{
	if (op->id)
		hmap_remove(&core->ops, &op->node);
	op->id = core_next_id(core);
	hmap_add(&core->ops, &op->node, hash_u64(op->id));
}

struct op *op_new(struct node_core *core, const struct op_class *class, const struct msg *m, usec_t arrived_us)
{
	const struct msg_request *r = &m->request;
	struct op *op = malloc(sizeof *op);
	struct blob *key = blob_new(r->key);
	bool has_value = m->opcode == OP_PUT || m->opcode == OP_CAS || m->opcode == OP_APPEND;
	struct blob *value = has_value ? blob_new(r->value) : NULL;
	if (!op || !key || (has_value && !value)) {
		free(op);
		blob_unref(key);
		blob_unref(value);
		return NULL;
	}
	memset(op, 0, offsetof(struct op, timeline.marks));
	op->class = class;
	op->opcode = m->opcode;
	op->level = op_level(m);
	op->acks = r->acks;
	op->receipt_wanted = r->receipt_wanted;
	op->rid = r->rid;
	op->t0 = r->t0;
	op->ttl_ms = r->ttl_ms;
	op->fence = r->fence;
	op->retry = r->attempt > 0 || m->opcode == OP_OUTCOME;
	op->condition = (struct op_condition){.has_expected = r->has_expected,
					      .has_hash = r->has_expected_hash,
					      .present = r->if_present,
					      .expected = r->expected,
					      .hash = r->expected_hash};
	op->delta = r->delta;
	op->bucket = r->bucket;
	op->key = key;
	op->value = value;
	op->counted = value != NULL;
	op->value_hash = has_value ? hash64(r->value) : 0;
	level_take(op, r);
	op->started_us = core->now.mono_us;
	op->deadline_us = op_deadline(r, arrived_us);

	struct place place = {.partition = r->partition};
	if (op_is_page(m->opcode))
		place.row = cluster_map_row(core->map, r->partition);
	else
		place = core_locate(core, r->key);
	op->partition = place.partition;
	op->leaf = place.leaf;
	op_take_row(core, op, &place.row);
	op_rekey(core, op);
	op_trace_begin(core, op, m, arrived_us);
	core->op_count++;
	core->op_bytes += value ? value->size : 0;
	core->stats.ops_started++;
	core->stats.ops_strong += op->level == LEVEL_STRONG;
	return op;
}

void op_from_client(struct op *op, uint64_t client) { op->client = client; }

void op_from_node(struct op *op, node_id from, const struct msg *m)
{
	op->remote = true;
	op->from = from;
	op->from_id = m->id;
	op->from_shard = m->shard;
}

void op_forget_replies(struct node_core *core, struct op *op)
{
	for (uint32_t i = 0; op->noted >> i != 0; i++) {
		free(op->replies[i].carriers);
		op->replies[i] = (struct op_reply){0};
	}
	op->noted = 0;
	core->op_bytes -= op->best.rec.value.size;
	record_copy_release(&op->best);
	op->drop_max = VERSION_NONE;
	op->fence_max = 0;
	op->fetch_tried = 0;
	op->rejected = 0;
}

void op_free(struct node_core *core, struct op *op)
{
	KV_ASSERT(op->answered);
	KV_ASSERT(!op->turn);
	op_trace_ended(core, op);
	op_forget_replies(core, op);
	hmap_remove(&core->ops, &op->node);
	if (iheap_contains(&op->timer))
		iheap_remove(&core->timers, &op->timer);
	blob_unref(op->key);
	blob_unref(op->made);
	drop_value(core, op);
	free(op);
}

void op_set_timer(struct node_core *core, struct op *op, usec_t at_us)
{
	iheap_set(&core->timers, &op->timer, at_us);
}

/** The phases in which strong writes are counted. */
static bool phase_writes(enum op_phase phase) { return phase == PHASE_DIRECT || phase == PHASE_ACCEPTING; }

void op_begin(struct node_core *core, struct op *op, enum op_phase phase, struct need need)
{
	op_rekey(core, op);
	op->phase = phase;
	op->phase_us = core->now.mono_us;
	op->rounds++;
	op_trace_phase(core, op);
	op->asked = 0;
	op->asked_hlc = core_clock(core);
	quorum_init(&op->quorum, &op->row, need);
	for (uint32_t i = 0; i < op->row.count; i++) {
		if (!detector_is_reachable(core, op->row.nodes[i]) || BUGGIFY(core, replica_unreachable))
			quorum_add(&op->quorum, i, MUTANT(hintcount) && phase_writes(phase));
	}
	usec_t left_us = op->deadline_us - MIN(op->deadline_us, core->now.mono_us);
	/* A lost message costs one phase, not the operation: keep time for another try. */
	usec_t wait_us = MIN(core->config.replica_timeout_us, left_us / 2);
	if (BUGGIFY(core, phase_short))
		wait_us = 0;
	op_set_timer(core, op, core->now.mono_us + MAX(wait_us, MIN(left_us, PHASE_TIMEOUT_MIN_US)));
}

struct msg *op_message(struct node_core *core, struct op *op, uint16_t opcode)
{
	struct msg *m = core_msg(core, opcode, op->id, /* reply= */ false);
	actions_hold(core->out, op->key);
	m->epoch = op->row.config_epoch; /* replicas judge the row, and maps that differ elsewhere do no harm */
	m->replica.partition = op->partition;
	m->replica.bucket = op->bucket;
	m->replica.key = blob_slice(op->key);
	usec_t left_us = op->deadline_us - MIN(op->deadline_us, core->now.mono_us);
	m->replica.deadline_ms = (uint32_t)MAX(left_us / USEC_PER_MSEC, (usec_t)1);
	return m;
}

void op_send(struct node_core *core, struct op *op, uint32_t position, struct msg *m)
{
	KV_ASSERT(position < op->row.count);
	op->asked |= 1u << position;
	op_trace_sent(core, op, op->row.nodes[position], m);
	core_send(core, op->row.nodes[position], m);
}

void op_send_all(struct node_core *core, struct op *op, uint32_t bits, const struct msg *m)
{
	for (uint32_t i = 0; i < op->row.count; i++) {
		if ((bits & 1u << i) && !(op->quorum.no & 1u << i))
			op_send(core, op, i, actions_copy(core->out, m, sizeof *m));
	}
}

void op_pause(struct node_core *core, struct op *op, enum op_phase phase, usec_t at_us)
{
	op_rekey(core, op);
	op->phase = phase;
	op_trace_phase(core, op);
	op_set_timer(core, op, at_us);
}

bool op_wait(struct node_core *core, struct op *op, usec_t us)
{
	usec_t at_us = core->now.mono_us + us;
	if (at_us >= op->deadline_us)
		return false;
	op_pause(core, op, PHASE_BACKOFF, at_us);
	return true;
}

bool op_back_off(struct node_core *core, struct op *op)
{
	uint32_t doublings = MIN(op->retries, 10u);
	usec_t span_us = MIN(RETRY_BACKOFF_MIN_US << doublings, RETRY_BACKOFF_MAX_US);
	usec_t at_us = core->now.mono_us + rng_between(&core->rng, span_us / 4, span_us);
	op->retries++;
	return op_wait(core, op, at_us - core->now.mono_us);
}

uint32_t op_reachable(const struct node_core *core, const struct op *op)
{
	uint32_t bits = 0;
	for (uint32_t i = 0; i < op->row.count; i++)
		bits |= detector_is_reachable(core, op->row.nodes[i]) ? 1u << i : 0;
	return bits;
}

const char op_no_room_text[] =
	"the disks of too many replicas are nearly full: they store nothing that grows; make room or add nodes";

bool op_lacks_room(const struct node_core *core, const struct op *op)
{
	uint32_t low = 0;
	for (uint32_t i = 0; i < op->row.count; i++)
		low |= detector_disk_is_low(core, op->row.nodes[i]) ? 1u << i : 0;
	bool stores = op->opcode != OP_DEL && op->opcode != OP_GET && op->opcode != OP_OUTCOME;
	if (low == 0 || !stores)
		return false;
	uint32_t reachable = op_reachable(core, op);
	return row_meets(&op->row, reachable, op_need(op)) && !row_meets(&op->row, reachable & ~low, op_need(op));
}

struct need op_need(const struct op *op)
{
	if (op->level == LEVEL_STRONG || op->acks == ACKS_MAJORITY)
		return op_majority(op);
	return op->acks == ACKS_ALL ? need_all(&op->row) : need_old(1);
}

static bool is_better(const struct record *best, const struct record *rec)
{
	int order = version_compare(rec->ver, best->ver);
	return order > 0 || (order == 0 && rec->has_value && !best->has_value);
}

bool op_note_record(struct node_core *core, struct op *op, uint32_t position,
		    const struct msg_replica_reply *answer)
{
	struct op_reply *reply = &op->replies[position];
	const struct record *rec = &answer->record;
	/* A duplicate of an older answer must not take back what is known. */
	if (!reply->valid || version_less(reply->ver, rec->ver)) {
		op->noted |= 1u << position;
		reply->valid = true;
		reply->ver = rec->ver;
		reply->strong = !rec->weak;
		reply->drop = answer->drop_floor;
		reply->fence = rec->fence;
	}
	if (!MUTANT(gcnovirt))
		op->drop_max = version_max(op->drop_max, reply->drop);
	op->fence_max = MAX(op->fence_max, rec->fence);
	if (!is_better(&op->best.rec, rec))
		return true;
	core->op_bytes -= op->best.rec.value.size;
	bool copied = record_copy_set(&op->best, rec);
	core->op_bytes += op->best.rec.value.size;
	return copied;
}

uint32_t op_strong_holders(const struct op *op, struct version ver)
{
	uint32_t bits = 0;
	for (uint32_t i = 0; i < op->row.count; i++) {
		const struct op_reply *r = &op->replies[i];
		if (r->valid && (r->strong || MUTANT(noweak)) && version_equal(r->ver, ver))
			bits |= 1u << i;
		if (r->valid && MUTANT(gcabsent) && op->best.rec.tombstone && version_is_none(r->ver))
			bits |= 1u << i;
	}
	return bits;
}

struct msg *op_result(struct node_core *core, const struct op *op, enum kv_status status)
{
	struct msg *m = core_msg(core, op->opcode, op->remote ? op->from_id : 0, /* reply= */ true);
	m->shard = op->from_shard;
	m->result.status = status;
	return m;
}

void op_answer(struct node_core *core, struct op *op, struct msg *m)
{
	KV_ASSERT(!op->answered);
	KV_ASSERT(core->op_count > 0);
	op->answered = true;
	core->op_count--;
	turn_leave(core, op);
	if (op->internal) {
		bool complete = m->result.status == KV_OK || m->result.status == KV_NOT_FOUND;
		if (op->probe_id)
			hint_push_probed(core, op, complete);
		if (op->done)
			op->done(core, op->done_owner, complete);
		return;
	}
	if (m->result.status == KV_OK)
		staleness_write_answered(core, op);
	level_answer(core, op, &m->result);
	if (op->receipt_wanted)
		receipt_fill(core, op, &m->result);
	op_trace_answered(core, op, m->result.timeline, m);
	core->stats.ops_unavailable += m->result.status == KV_UNAVAILABLE;
	core->stats.ops_deadline += m->result.status == KV_DEADLINE;
	core->stats.ops_in_doubt += m->result.in_doubt;
	if (op->remote)
		core_send(core, op->from, m);
	else
		core_reply(core, op->client, m);
}

void op_fail(struct node_core *core, struct op *op, enum kv_status status, bool in_doubt, const char *text)
{
	struct msg *m = op_result(core, op, status);
	m->result.in_doubt = in_doubt;
	m->result.message = actions_copy_slice(core->out, slice_str(text));
	m->result.version = in_doubt ? op->version : VERSION_NONE;
	m->result.try_other = status == KV_UNAVAILABLE || status == KV_CLOCK;
	op_answer(core, op, m);
}

void op_hint(struct node_core *core, struct op *op, uint32_t position)
{
	KV_ASSERT(!version_is_none(op->version));
	struct row now = cluster_map_row(core->map, op->partition);
	bool gone = row_position(&now, op->row.nodes[position]) < 0;
	if (op->hinted & 1u << position || op->row.nodes[position] == core->self || gone)
		return;
	op->hinted |= 1u << position;
	staleness_hinted(core, op->row.nodes[position], op->started_us);
	hints_add(core, op->row.nodes[position], op->partition, op->leaf, op->bucket, blob_slice(op->key),
		  op->version, op->level == LEVEL_STRONG, op->opcode == OP_DEL);
}

void op_finish_write(struct node_core *core, struct op *op)
{
	staleness_write_over(core, op);
	int own = row_position(&op->row, core->self);
	bool missed = op->holders != 0 && own >= 0 && !(op->holders & 1u << own);
	for (uint32_t i = 0; i < op->row.count; i++) {
		if (!(op->holders & 1u << i))
			op_hint(core, op, i);
	}
	/* Others have what this node's own replica missed; no hint tells the one that would keep it. */
	if (missed && core->repair_tokens > 0) {
		core->repair_tokens--;
		(void)!op_repair(core, op->bucket, blob_slice(op->key), /* probe_id= */ 0);
	}
	op_free(core, op);
}

void op_linger(struct node_core *core, struct op *op)
{
	KV_ASSERT(op->answered);
	drop_value(core, op);
	op_set_timer(core, op, op->phase_us + core->config.replica_timeout_us);
}

enum op_sight op_judge(const struct node_core *core, const struct op *op, hlc_t asked)
{
	const struct record *m = &op->best.rec;
	if (record_hidden(m, asked) || version_at_most(m->ver, op->drop_max))
		return SIGHT_HIDDEN;
	/* Expired between the question and now: someone else may or may not have seen it gone. Ask again. */
	return record_expired(m, core_clock(core)) ? SIGHT_AGAIN : SIGHT_VISIBLE;
}

static void fill_outcome(struct msg_result *r, uint64_t result)
{
	bool refused = result == RESULT_FAILED || result == RESULT_CANCELLED;
	r->outcome = refused ? OUTCOME_NOT_APPLIED : OUTCOME_COMMITTED;
}

void op_answer_written(struct node_core *core, struct op *op, struct version version, uint64_t result)
{
	struct msg *m = op_result(core, op, KV_OK);
	bool refused = result == RESULT_FAILED || result == RESULT_CANCELLED;
	bool numbered = op->opcode == OP_ADD || op->opcode == OP_APPEND;
	op->version = version;
	m->result.version = version;
	if (op->opcode == OP_OUTCOME) {
		fill_outcome(&m->result, result);
	} else if (refused) {
		m->result.status = KV_CONDITION_FAILED;
		m->result.version = VERSION_NONE;
		m->result.message = slice_str(
			result == RESULT_CANCELLED ? "cancelled: its outcome was asked for before it was applied"
						   : "its first try was refused: a condition, a fence or a limit");
	}
	if (!refused && (numbered || op->opcode == OP_OUTCOME)) {
		char text[CHANGE_NUMBER_SIZE];
		struct slice number = change_number(numbered ? op->opcode : (uint16_t)OP_ADD, result, text);
		m->result.value = actions_copy_slice(core->out, number);
		m->result.value_hash = hash64(m->result.value);
	}
	op_answer(core, op, m);
}

void op_answer_record(struct node_core *core, struct op *op, bool visible)
{
	const struct record *rec = &op->best.rec;
	struct msg *m = op_result(core, op, visible ? KV_OK : KV_NOT_FOUND);
	/* A drop floor above a value tells of a deletion that nobody has any more: the version is that of the value, not of it. */
	bool was_forgotten = !visible && !rec->tombstone && version_at_most(rec->ver, op->drop_max);
	m->result.version = was_forgotten ? VERSION_NONE : rec->org;
	if (visible) {
		KV_ASSERT(rec->has_value);
		actions_hold(core->out, op->best.value);
		m->result.value = rec->value;
		m->result.value_hash = rec->value_hash;
		m->result.expires_ms = rec->expires_ms;
	}
	op_answer(core, op, m);
}

struct op *op_find(const struct node_core *core, uint64_t id)
{
	struct hmap_node *node = hmap_first_same(&core->ops, hash_u64(id));
	for (; node; node = hmap_next_same(node)) {
		struct op *op = container_of(node, struct op, node);
		if (op->id == id)
			return op;
	}
	return NULL;
}

/** What a phase asks replicas for; 0 where it asks none. An answer to anything else has another body. */
static uint16_t phase_opcode(enum op_phase phase)
{
	switch (phase) {
	case PHASE_READING:
		return OP_READ;
	case PHASE_COPYING:
		return OP_COPY;
	case PHASE_PREPARING:
		return OP_PREPARE;
	case PHASE_ACCEPTING:
	case PHASE_DIRECT:
		return OP_ACCEPT;
	case PHASE_PUSHING:
		return OP_PUSH;
	case PHASE_BACKOFF:
	case PHASE_QUEUED:
	case PHASE_FORWARDING:
	case PHASE_SCANNING:
		return 0;
	}
	KV_UNREACHABLE("phases are these");
}

static enum replica_work work_of(uint16_t opcode)
{
	return opcode == OP_READ ? REPLICA_READ : opcode == OP_PREPARE ? REPLICA_PREPARE : REPLICA_WRITE;
}

void op_note_silence(struct node_core *core, const struct op *op)
{
	if (core->now.mono_us < op->phase_us + core->config.replica_timeout_us)
		return;
	if (op->phase == PHASE_FORWARDING)
		detector_request_failed(core, op->forward_to);
	if (phase_opcode(op->phase) == 0)
		return;
	for (uint32_t i = 0; i < op->row.count; i++) {
		if (op->asked & 1u << i && !quorum_has(&op->quorum, i))
			detector_request_failed(core, op->row.nodes[i]);
	}
}

const char *op_unreachable_text(const struct node_core *core, const struct op *op, const char *text)
{
	for (uint32_t i = 0; i < op->row.count; i++) {
		if (detector_link_is_bad(core, op->row.nodes[i]))
			return "this node does not reach replicas of the key that are alive; use another node";
	}
	return text;
}

void op_replica_answer(struct node_core *core, node_id from, const struct msg *m)
{
	struct op *op = op_find(core, m->id);
	if (!op || m->opcode != phase_opcode(op->phase))
		return;
	int position = row_position(&op->row, from);
	if (position < 0)
		return;
	op_trace_replied(core, op, from, m);
	detector_replica_answered(core, from, work_of(m->opcode), core->now.mono_us - op->phase_us);
	/* The replicas have changed, and that replica knows it first: with the map the operation begins anew. */
	if (m->answer.answer == ANSWER_EPOCH && m->answer.config_epoch > op->row.config_epoch) {
		COVER(op_hears_of_epoch);
		map_spread_pull(core, from);
		return;
	}
	op->no_room |= m->answer.no_room;
	op->class->answer(core, op, (uint32_t)position, m);
}

void op_forward_answer(struct node_core *core, node_id from, const struct msg *m)
{
	struct op *op = op_find(core, m->id);
	if (!op || op->phase != PHASE_FORWARDING || op->opcode != m->opcode || op->forward_to != from)
		return;
	op_trace_replied(core, op, from, m);
	bool plain_read = m->opcode == OP_GET && op->level != LEVEL_STRONG;
	detector_request_answered(core, from, plain_read, core->now.mono_us - op->phase_us);
	op->class->answer(core, op, 0, m);
}
