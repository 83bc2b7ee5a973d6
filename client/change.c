/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the cluster, their plans, moves, repair: the calls of <kv/admin.h>. */
#include <kv/admin.h>

#include "client/admin.h"

_Static_assert(KV_CLOCK_DRIFT_MAX_MS == MAX_DRIFT_MS, "the public header repeats this limit");
_Static_assert(KV_TOKEN_SIZE == TOKEN_SIZE_MAX + 1, "the public header repeats this limit");
_Static_assert(ARRAY_SIZE(((struct kv_move *)0)->old_nodes) == REPLICAS_MAX,
	       "the public header repeats this limit");
_Static_assert(KV_MOVE_OPENING == (int)MOVE_OPENING && KV_MOVE_DONE == (int)MOVE_DONE, "stages are the wire's");

/** Asks any node for a change. With KV_OK the reply is the caller's to unref. */
static enum kv_status ask(struct kv_client *client, const struct msg_change *change, enum retry_safety safety,
			  unsigned timeout_ms, struct reply **ret, struct kv_error *err)
{
	struct call call;
	enum kv_status status =
		admin_call_init(client, &call, OP_CLUSTER_CHANGE, safety, /* target= */ NULL, timeout_ms, err);
	if (status != KV_OK)
		return status;
	call.request.msg.change = *change;
	status = call_run(client, &call, err);
	if (status == KV_OK)
		*ret = call.request.reply;
	return status;
}

/** Each of these means the same a second time, so it may be sent again. */
static enum kv_status change(struct kv_client *client, struct msg_change what, unsigned timeout_ms,
			     struct kv_error *err)
{
	struct reply *reply;
	enum kv_status status = ask(client, &what, RETRY_FOUND, timeout_ms, &reply, err);
	if (status == KV_OK)
		reply_unref(reply);
	return status;
}

enum kv_status kv_node_add(struct kv_client *client, const char *peer_address, uint16_t replaces,
			   unsigned timeout_ms, struct kv_error *err)
{
	if (!endpoint_is_valid(slice_str(peer_address)))
		return client_error(err, KV_INVALID, "\"%.80s\" is no host:port", peer_address);
	return change(client,
		      (struct msg_change){.kind = NODE_ADD, .node = replaces, .address = slice_str(peer_address)},
		      timeout_ms, err);
}

enum kv_status kv_node_remove(struct kv_client *client, uint16_t node, bool gone, unsigned timeout_ms,
			      struct kv_error *err)
{
	return change(client, (struct msg_change){.kind = gone ? NODE_GONE : NODE_LEAVE, .node = node}, timeout_ms,
		      err);
}

enum kv_status kv_node_keep(struct kv_client *client, uint16_t node, unsigned timeout_ms, struct kv_error *err)
{
	return change(client, (struct msg_change){.kind = NODE_KEEP, .node = node}, timeout_ms, err);
}

enum kv_status kv_changes_commit(struct kv_client *client, uint64_t epoch, unsigned timeout_ms,
				 struct kv_error *err)
{
	return change(client, (struct msg_change){.kind = CHANGE_COMMIT, .node = NODE_NONE, .epoch = epoch},
		      timeout_ms, err);
}

enum kv_status kv_changes_discard(struct kv_client *client, unsigned timeout_ms, struct kv_error *err)
{
	return change(client, (struct msg_change){.kind = CHANGE_DISCARD, .node = NODE_NONE}, timeout_ms, err);
}

enum kv_status kv_moves_pause(struct kv_client *client, bool pause, unsigned timeout_ms, struct kv_error *err)
{
	return change(client, (struct msg_change){.kind = pause ? CHANGE_PAUSE : CHANGE_RESUME, .node = NODE_NONE},
		      timeout_ms, err);
}

enum kv_status kv_upgrade_finalize(struct kv_client *client, unsigned timeout_ms, struct kv_error *err)
{
	return change(client, (struct msg_change){.kind = CHANGE_FINALIZE, .node = NODE_NONE}, timeout_ms, err);
}

enum kv_status kv_join_token(struct kv_client *client, uint64_t ttl_ms, char ret_token[KV_TOKEN_SIZE],
			     unsigned timeout_ms, struct kv_error *err)
{
	const struct msg_change what = {.kind = CHANGE_TOKEN, .node = NODE_NONE, .ttl_ms = ttl_ms};
	struct reply *reply;
	enum kv_status status = ask(client, &what, RETRY_ONCE, timeout_ms, &reply, err);
	if (status != KV_OK)
		return status;
	call_copy_text(ret_token, KV_TOKEN_SIZE, reply->msg.result.value);
	reply_unref(reply);
	return KV_OK;
}

/* ---- Questions ---------------------------------------------------------------------------------------------------- */

static enum kv_status question(struct kv_client *client, struct call *call, uint16_t opcode, const char *target,
			       unsigned timeout_ms, struct kv_error *err)
{
	enum kv_status status = admin_call_init(client, call, opcode, RETRY_READ, target, timeout_ms, err);
	return status == KV_OK ? call_run(client, call, err) : status;
}

static struct kv_plan *plan_build(const struct msg_plan *m)
{
	size_t nodes_size = m->node_count * sizeof(struct kv_plan_node);
	struct kv_plan *p = xcalloc(1, sizeof *p + nodes_size + m->message.size + 1);
	struct kv_plan_node *nodes = (void *)(p + 1);
	char *text = (char *)nodes + nodes_size;
	for (uint32_t i = 0; i < m->node_count; i++) {
		const struct plan_node *from = &m->nodes[i];
		nodes[i] = (struct kv_plan_node){
			.node = from->index,
			.before = from->before,
			.after = from->after,
			.moves_in = from->moves_in,
			.moves_out = from->moves_out,
			.bytes_in = from->bytes_in,
			.bytes_out = from->bytes_out,
		};
	}
	call_copy_text(text, m->message.size + 1, m->message);
	*p = (struct kv_plan){
		.epoch = m->epoch,
		.staged = m->staged,
		.moves = m->moves,
		.bytes = m->bytes,
		.duration_ms = m->duration_ms,
		.duration_busy_ms = m->duration_busy_ms,
		.survives = m->survives,
		.message = text,
		.node_count = m->node_count,
		.nodes = nodes,
	};
	return p;
}

enum kv_status kv_plan_get(struct kv_client *client, unsigned timeout_ms, struct kv_plan **ret_plan,
			   struct kv_error *err)
{
	struct call call;
	enum kv_status status = question(client, &call, OP_CLUSTER_PLAN, NULL, timeout_ms, err);
	if (status != KV_OK)
		return status;
	*ret_plan = plan_build(&call.request.reply->msg.plan);
	reply_unref(call.request.reply);
	return KV_OK;
}

void kv_plan_free(struct kv_plan *plan) { free(plan); }

static struct kv_move move_from(const struct move_status *m, char *text)
{
	struct kv_move move = {
		.partition = m->partition,
		.node = m->node,
		.source = m->source,
		.stage = (enum kv_move_stage)m->stage,
		.keys = m->keys,
		.bytes = m->bytes,
		.keys_done = m->keys_done,
		.bytes_done = m->bytes_done,
		.bytes_per_sec = m->bytes_per_sec,
		.retries = m->retries,
		.age_ms = m->age_ms,
		.old_count = m->old_count,
		.new_count = m->new_count,
		.message = text,
	};
	memcpy(move.old_nodes, m->old_row, m->old_count * sizeof move.old_nodes[0]);
	memcpy(move.new_nodes, m->new_row, m->new_count * sizeof move.new_nodes[0]);
	call_copy_text(text, m->message.size + 1, m->message);
	return move;
}

/* One block: the struct, moves, texts. */
static struct kv_moves *moves_build(const struct msg_move_list *m)
{
	size_t moves_size = m->count * sizeof(struct kv_move), texts_size = 0;
	for (uint32_t i = 0; i < m->count; i++)
		texts_size += m->moves[i].message.size + 1;
	struct kv_moves *l = xcalloc(1, sizeof *l + moves_size + texts_size);
	struct kv_move *moves = (void *)(l + 1);
	char *text = (char *)moves + moves_size;
	for (uint32_t i = 0; i < m->count; i++) {
		moves[i] = move_from(&m->moves[i], text);
		text += m->moves[i].message.size + 1;
	}
	l->epoch = m->epoch;
	l->waiting = m->waiting;
	l->paused = m->paused;
	l->count = m->count;
	l->moves = moves;
	return l;
}

enum kv_status kv_moves_get(struct kv_client *client, const char *target, unsigned timeout_ms,
			    struct kv_moves **ret_moves, struct kv_error *err)
{
	struct call call;
	enum kv_status status = question(client, &call, OP_MOVE_LIST, target, timeout_ms, err);
	if (status != KV_OK)
		return status;
	*ret_moves = moves_build(&call.request.reply->msg.move_list);
	reply_unref(call.request.reply);
	return KV_OK;
}

void kv_moves_free(struct kv_moves *moves) { free(moves); }

static struct kv_repair *repair_build(const struct msg_repair *m)
{
	struct kv_repair *r = xcalloc(1, sizeof *r + m->pair_count * sizeof(struct kv_repair_pair));
	struct kv_repair_pair *pairs = (void *)(r + 1);
	for (uint32_t i = 0; i < m->pair_count; i++)
		pairs[i] = (struct kv_repair_pair){
			.partition = m->pairs[i].partition,
			.peer = m->pairs[i].peer,
			.equal_age_ms = m->pairs[i].equal_age_ms,
		};
	*r = (struct kv_repair){
		.core = m->shard,
		.cores = m->shards,
		.partitions = m->partitions,
		.building = m->building,
		.oldest_ms = m->oldest_ms,
		.exchanges = m->exchanges,
		.differing = m->differing,
		.repaired = m->repaired,
		.scrubbed = m->scrubbed,
		.corrupt = m->corrupt,
		.tombstones = m->tombstones,
		.purge_age_ms = m->purge_age_ms,
		.purge_blocked = m->purge_blocked,
		.purge_blocked_by = m->purge_blocked_by,
		.pair_count = m->pair_count,
		.pairs = pairs,
	};
	return r;
}

_Static_assert(sizeof(struct kv_plan) % _Alignof(struct kv_plan_node) == 0, "nodes follow the struct");
_Static_assert(sizeof(struct kv_moves) % _Alignof(struct kv_move) == 0, "moves follow the struct");
_Static_assert(sizeof(struct kv_repair) % _Alignof(struct kv_repair_pair) == 0, "pairs follow the struct");

enum kv_status kv_repair_get(struct kv_client *client, const char *target, uint32_t core, enum kv_repair_what what,
			     unsigned timeout_ms, struct kv_repair **ret_repair, struct kv_error *err)
{
	struct call call;
	enum kv_status status = admin_call_init(client, &call, OP_REPAIR, RETRY_READ, target, timeout_ms, err);
	if (status != KV_OK)
		return status;
	call.request.msg.repair =
		(struct msg_repair){.shard = core, .run = what != KV_REPAIR_ASK, .scrub = what == KV_REPAIR_SCRUB};
	status = call_run(client, &call, err);
	if (status != KV_OK)
		return status;
	*ret_repair = repair_build(&call.request.reply->msg.repair);
	reply_unref(call.request.reply);
	return KV_OK;
}

void kv_repair_free(struct kv_repair *repair) { free(repair); }
