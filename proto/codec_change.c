/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator says and is told while the cluster changes: changes, plans, moves, repair. */
#include "proto/client.pb-c.h"
#include "proto/codec_internal.h"

enum kv_status codec_encode_change(struct codec_out *out, const struct msg *m)
{
	const struct msg_change *c = &m->change;
	Kv__Change pb = KV__CHANGE__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, kind, (Kv__ChangeKind)c->kind);
	CODEC_SET_NODE(&pb, node, c->node);
	CODEC_SET_BYTES(&pb, address, c->address);
	CODEC_SET_BYTES(&pb, client_address, c->client_address);
	CODEC_SET(&pb, weight, c->weight);
	CODEC_SET(&pb, ttl_ms, c->ttl_ms);
	CODEC_SET(&pb, planned, c->epoch);
	CODEC_SET(&pb, deadline_ms, c->deadline_ms);
	CODEC_SET(&pb, features, c->features);
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_change(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Change *pb = (const Kv__Change *)meta;
	struct msg_change *c = &in->msg->change;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0 || !CODEC_GET_NODE(pb, node, &c->node))
		return KV_INVALID;
	c->kind = (enum change_kind)pb->kind;
	c->address = codec_get_bytes(&pb->address);
	c->client_address = codec_get_bytes(&pb->client_address);
	c->weight = pb->weight;
	c->ttl_ms = pb->ttl_ms;
	c->epoch = pb->planned;
	c->deadline_ms = pb->deadline_ms;
	c->features = pb->features;
	return KV_OK;
}

static void set_plan_node(const struct plan_node *n, Kv__PlanNode *pb)
{
	kv__plan_node__init(pb);
	CODEC_SET_NODE(pb, index, n->index);
	CODEC_SET(pb, before, n->before);
	CODEC_SET(pb, after, n->after);
	CODEC_SET(pb, moves_in, n->moves_in);
	CODEC_SET(pb, moves_out, n->moves_out);
	CODEC_SET(pb, bytes_in, n->bytes_in);
	CODEC_SET(pb, bytes_out, n->bytes_out);
}

enum kv_status codec_encode_plan(struct codec_out *out, const struct msg *m)
{
	const struct msg_plan *p = &m->plan;
	Kv__PlanNode nodes[NODES_MAX], *pointers[NODES_MAX];
	Kv__Plan pb = KV__PLAN__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, status, p->status);
	CODEC_SET_BYTES(&pb, message, p->message);
	CODEC_SET(&pb, planned, p->epoch);
	CODEC_SET(&pb, staged, p->staged);
	CODEC_SET(&pb, moves, p->moves);
	CODEC_SET(&pb, bytes, p->bytes);
	CODEC_SET(&pb, duration_ms, p->duration_ms);
	CODEC_SET(&pb, duration_busy_ms, p->duration_busy_ms);
	CODEC_SET(&pb, survives, p->survives);
	KV_ASSERT(p->node_count <= NODES_MAX);
	for (uint32_t i = 0; i < p->node_count; i++) {
		set_plan_node(&p->nodes[i], &nodes[i]);
		pointers[i] = &nodes[i];
	}
	pb.n_nodes = p->node_count;
	pb.nodes = pointers;
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

static enum kv_status get_plan_nodes(struct codec_in *in, const Kv__Plan *pb, struct msg_plan *p)
{
	if (pb->n_nodes == 0)
		return KV_OK;
	if (pb->n_nodes > NODES_MAX)
		return KV_TOO_LARGE;
	struct plan_node *nodes = CODEC_NEW(in->arena, struct plan_node, pb->n_nodes);
	if (!nodes)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_nodes; i++) {
		const Kv__PlanNode *from = pb->nodes[i];
		nodes[i] = (struct plan_node){
			.before = from->before,
			.after = from->after,
			.moves_in = from->moves_in,
			.moves_out = from->moves_out,
			.bytes_in = from->bytes_in,
			.bytes_out = from->bytes_out,
		};
		if (!CODEC_GET_NODE(from, index, &nodes[i].index))
			return KV_INVALID;
	}
	p->node_count = (uint32_t)pb->n_nodes;
	p->nodes = nodes;
	return KV_OK;
}

enum kv_status codec_decode_plan(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Plan *pb = (const Kv__Plan *)meta;
	struct msg_plan *p = &in->msg->plan;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0)
		return KV_INVALID;
	p->status = (enum kv_status)pb->status;
	p->message = codec_get_bytes(&pb->message);
	p->epoch = pb->planned;
	p->staged = pb->staged;
	p->moves = pb->moves;
	p->bytes = pb->bytes;
	p->duration_ms = pb->duration_ms;
	p->duration_busy_ms = pb->duration_busy_ms;
	p->survives = pb->survives;
	return get_plan_nodes(in, pb, p);
}

/** Heap room for the generated form of a list of moves. */
struct list_scratch {
	Kv__MoveStatus *moves;
	Kv__MoveStatus **pointers;
	uint32_t *rows; /* old and new of each move */
};

static void list_scratch_release(struct list_scratch *s)
{
	free(s->moves);
	free(s->pointers);
	free(s->rows);
}

static void set_move_status(const struct move_status *v, uint32_t *rows, Kv__MoveStatus *pb)
{
	kv__move_status__init(pb);
	CODEC_SET(pb, partition, v->partition);
	codec_set_row(v->old_row, v->old_count, rows);
	pb->n_old_row = v->old_count;
	pb->old_row = rows;
	codec_set_row(v->new_row, v->new_count, rows + REPLICAS_MAX);
	pb->n_new_row = v->new_count;
	pb->new_row = rows + REPLICAS_MAX;
	CODEC_SET_NODE(pb, node, v->node);
	CODEC_SET(pb, stage, v->stage);
	CODEC_SET(pb, keys, v->keys);
	CODEC_SET(pb, bytes, v->bytes);
	CODEC_SET(pb, keys_done, v->keys_done);
	CODEC_SET(pb, bytes_done, v->bytes_done);
	CODEC_SET(pb, bytes_per_sec, v->bytes_per_sec);
	CODEC_SET_NODE(pb, source, v->source);
	CODEC_SET(pb, retries, v->retries);
	CODEC_SET(pb, age_ms, v->age_ms);
	CODEC_SET_BYTES(pb, message, v->message);
}

enum kv_status codec_encode_move_list(struct codec_out *out, const struct msg *m)
{
	const struct msg_move_list *l = &m->move_list;
	CLEANUP(list_scratch_release)
	struct list_scratch scratch = {
		.moves = xcalloc(l->count + 1, sizeof *scratch.moves),
		.pointers = xcalloc(l->count + 1, sizeof *scratch.pointers),
		.rows = xcalloc((size_t)(l->count + 1) * 2 * REPLICAS_MAX, sizeof *scratch.rows),
	};
	for (uint32_t i = 0; i < l->count; i++) {
		set_move_status(&l->moves[i], &scratch.rows[(size_t)i * 2 * REPLICAS_MAX], &scratch.moves[i]);
		scratch.pointers[i] = &scratch.moves[i];
	}
	Kv__MoveList pb = KV__MOVE_LIST__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, map_epoch, l->epoch);
	CODEC_SET(&pb, waiting, l->waiting);
	CODEC_SET(&pb, paused, l->paused);
	pb.n_moves = l->count;
	pb.moves = scratch.pointers;
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

static enum kv_status get_move_status(const Kv__MoveStatus *pb, struct move_status *v)
{
	if (pb->n_old_row > REPLICAS_MAX || pb->n_new_row > REPLICAS_MAX)
		return KV_TOO_LARGE;
	*v = (struct move_status){
		.old_count = (uint32_t)pb->n_old_row,
		.new_count = (uint32_t)pb->n_new_row,
		.stage = (enum move_stage)pb->stage,
		.keys = pb->keys,
		.bytes = pb->bytes,
		.keys_done = pb->keys_done,
		.bytes_done = pb->bytes_done,
		.bytes_per_sec = pb->bytes_per_sec,
		.retries = pb->retries,
		.age_ms = pb->age_ms,
		.message = codec_get_bytes(&pb->message),
	};
	bool fits = codec_get_u16(pb->partition, &v->partition) &&
		    codec_get_row(pb->old_row, pb->n_old_row, v->old_row) &&
		    codec_get_row(pb->new_row, pb->n_new_row, v->new_row) && CODEC_GET_NODE(pb, node, &v->node) &&
		    CODEC_GET_NODE(pb, source, &v->source);
	return fits ? KV_OK : KV_INVALID;
}

enum kv_status codec_decode_move_list(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__MoveList *pb = (const Kv__MoveList *)meta;
	struct msg_move_list *l = &in->msg->move_list;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0)
		return KV_INVALID;
	l->epoch = pb->map_epoch;
	l->waiting = pb->waiting;
	l->paused = pb->paused;
	if (pb->n_moves == 0)
		return KV_OK;
	if (pb->n_moves > MOVE_LIST_MAX)
		return KV_TOO_LARGE;
	struct move_status *moves = CODEC_NEW(in->arena, struct move_status, pb->n_moves);
	if (!moves)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_moves; i++) {
		enum kv_status status = get_move_status(pb->moves[i], &moves[i]);
		if (status != KV_OK)
			return status;
	}
	l->count = (uint32_t)pb->n_moves;
	l->moves = moves;
	return KV_OK;
}

/** Fills what only a reply says. */
static void set_repair_reply(const struct msg_repair *r, Kv__Repair *pb)
{
	CODEC_SET(pb, status, r->status);
	CODEC_SET(pb, cores, r->shards);
	CODEC_SET(pb, partitions, r->partitions);
	CODEC_SET(pb, oldest_ms, r->oldest_ms);
	CODEC_SET(pb, building, r->building);
	CODEC_SET(pb, exchanges, r->exchanges);
	CODEC_SET(pb, differing, r->differing);
	CODEC_SET(pb, repaired, r->repaired);
	CODEC_SET(pb, scrubbed, r->scrubbed);
	CODEC_SET(pb, corrupt, r->corrupt);
	CODEC_SET(pb, tombstones, r->tombstones);
	CODEC_SET(pb, purge_age_ms, r->purge_age_ms);
	CODEC_SET(pb, purge_blocked, r->purge_blocked);
	CODEC_SET_NODE(pb, purge_blocked_by, r->purge_blocked_by);
}

enum kv_status codec_encode_repair(struct codec_out *out, const struct msg *m)
{
	const struct msg_repair *r = &m->repair;
	Kv__RepairPair pairs[REPAIR_PAIRS_MAX], *pointers[REPAIR_PAIRS_MAX];
	Kv__Repair pb = KV__REPAIR__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, core, r->shard);
	CODEC_SET(&pb, run, r->run);
	CODEC_SET(&pb, scrub, r->scrub);
	set_repair_reply(r, &pb);
	KV_ASSERT(r->pair_count <= REPAIR_PAIRS_MAX);
	for (uint32_t i = 0; i < r->pair_count; i++) {
		kv__repair_pair__init(&pairs[i]);
		CODEC_SET(&pairs[i], partition, r->pairs[i].partition);
		CODEC_SET_NODE(&pairs[i], peer, r->pairs[i].peer);
		CODEC_SET(&pairs[i], equal_age_ms, r->pairs[i].equal_age_ms);
		pointers[i] = &pairs[i];
	}
	pb.n_pairs = r->pair_count;
	pb.pairs = pointers;
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

static enum kv_status get_pairs(struct codec_in *in, const Kv__Repair *pb, struct msg_repair *r)
{
	if (pb->n_pairs == 0)
		return KV_OK;
	if (pb->n_pairs > REPAIR_PAIRS_MAX)
		return KV_TOO_LARGE;
	struct repair_pair *pairs = CODEC_NEW(in->arena, struct repair_pair, pb->n_pairs);
	if (!pairs)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_pairs; i++) {
		const Kv__RepairPair *from = pb->pairs[i];
		pairs[i] = (struct repair_pair){.equal_age_ms = from->equal_age_ms};
		if (!codec_get_u16(from->partition, &pairs[i].partition) ||
		    !CODEC_GET_NODE(from, peer, &pairs[i].peer))
			return KV_INVALID;
	}
	r->pair_count = (uint32_t)pb->n_pairs;
	r->pairs = pairs;
	return KV_OK;
}

enum kv_status codec_decode_repair(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Repair *pb = (const Kv__Repair *)meta;
	struct msg_repair *r = &in->msg->repair;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0 || !CODEC_GET_NODE(pb, purge_blocked_by, &r->purge_blocked_by))
		return KV_INVALID;
	r->shard = pb->core;
	r->run = pb->run;
	r->scrub = pb->scrub;
	r->status = (enum kv_status)pb->status;
	r->shards = pb->cores;
	r->partitions = pb->partitions;
	r->oldest_ms = pb->oldest_ms;
	r->building = pb->building;
	r->exchanges = pb->exchanges;
	r->differing = pb->differing;
	r->repaired = pb->repaired;
	r->scrubbed = pb->scrubbed;
	r->corrupt = pb->corrupt;
	r->tombstones = pb->tombstones;
	r->purge_age_ms = pb->purge_age_ms;
	r->purge_blocked = pb->purge_blocked;
	return get_pairs(in, pb, r);
}
