/* SPDX-License-Identifier: Apache-2.0 */
/* What replicas say to each other while they copy, compare and clean: moves, hash trees, tombstones. */
#include "proto/codec_internal.h"
#include "proto/opcode.h"
#include "proto/peer.pb-c.h"

enum kv_status codec_encode_move(struct codec_out *out, const struct msg *m)
{
	const struct msg_move *v = &m->move;
	Kv__Move pb = KV__MOVE__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, partition, v->partition);
	CODEC_SET_UUID(&pb, session, &v->session);
	CODEC_SET(&pb, keys, v->keys);
	CODEC_SET(&pb, bytes, v->bytes);
	CODEC_SET_BYTES(&pb, cursor, v->cursor);
	CODEC_SET(&pb, done, v->done);
	CODEC_SET(&pb, status, v->status);
	CODEC_SET(&pb, fence, v->fence);
	CODEC_SET_VERSION(&pb, seal, v->seal);
	CODEC_SET_VERSION(&pb, drop, v->drop);
	CODEC_SET(&pb, stage, (Kv__MoveStage)v->stage);
	CODEC_SET(&pb, keys_done, v->keys_done);
	CODEC_SET(&pb, bytes_done, v->bytes_done);
	CODEC_SET(&pb, bytes_per_sec, v->bytes_per_sec);
	CODEC_SET_NODE(&pb, source, v->source);
	CODEC_SET(&pb, retries, v->retries);
	CODEC_SET_BYTES(&pb, message, v->message);
	return codec_emit(out, &pb.base, v->page);
}

enum kv_status codec_decode_move(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Move *pb = (const Kv__Move *)meta;
	struct msg_move *v = &in->msg->move;
	CODEC_GET_COMMON(pb, in->msg);
	if (!codec_get_u16(pb->partition, &v->partition) || !codec_get_uuid(&pb->session, &v->session) ||
	    !CODEC_GET_NODE(pb, source, &v->source))
		return KV_INVALID;
	v->keys = pb->keys;
	v->bytes = pb->bytes;
	v->cursor = codec_get_bytes(&pb->cursor);
	v->done = pb->done;
	v->status = (enum kv_status)pb->status;
	v->fence = pb->fence;
	v->seal = CODEC_GET_VERSION(pb, seal);
	v->drop = CODEC_GET_VERSION(pb, drop);
	v->stage = (enum move_stage)pb->stage;
	v->keys_done = pb->keys_done;
	v->bytes_done = pb->bytes_done;
	v->bytes_per_sec = pb->bytes_per_sec;
	v->retries = pb->retries;
	v->message = codec_get_bytes(&pb->message);
	v->page = in->value;
	return KV_OK;
}

enum kv_status codec_encode_tree(struct codec_out *out, const struct msg *m)
{
	const struct msg_tree *t = &m->tree;
	CLEANUP(free_ptr) Kv__TreeRoot *roots = xcalloc(t->root_count + 1, sizeof *roots);
	CLEANUP(free_ptr) Kv__TreeRoot **pointers = xcalloc(t->root_count + 1, sizeof(Kv__TreeRoot *));
	for (uint32_t i = 0; i < t->root_count; i++) {
		kv__tree_root__init(&roots[i]);
		CODEC_SET(&roots[i], partition, t->roots[i].partition);
		CODEC_SET(&roots[i], config_epoch, t->roots[i].config_epoch);
		CODEC_SET(&roots[i], hash, t->roots[i].hash);
		pointers[i] = &roots[i];
	}
	Kv__Tree pb = KV__TREE__INIT;
	CODEC_SET_COMMON(&pb, m);
	pb.n_roots = t->root_count;
	pb.roots = pointers;
	CODEC_SET(&pb, partition, t->partition);
	CODEC_SET(&pb, leaf, t->leaf);
	CODEC_SET_BYTES(&pb, cursor, t->cursor);
	CODEC_SET(&pb, done, t->done);
	CODEC_SET(&pb, status, t->status);
	return codec_emit(out, &pb.base, t->page);
}

static enum kv_status get_roots(struct codec_in *in, const Kv__Tree *pb, struct msg_tree *t)
{
	if (pb->n_roots == 0)
		return KV_OK;
	if (pb->n_roots > PARTITIONS_MAX)
		return KV_TOO_LARGE;
	struct tree_root *roots = CODEC_NEW(in->arena, struct tree_root, pb->n_roots);
	if (!roots)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_roots; i++) {
		const Kv__TreeRoot *from = pb->roots[i];
		roots[i] = (struct tree_root){.config_epoch = from->config_epoch, .hash = from->hash};
		if (!codec_get_u16(from->partition, &roots[i].partition))
			return KV_INVALID;
	}
	t->root_count = (uint32_t)pb->n_roots;
	t->roots = roots;
	return KV_OK;
}

enum kv_status codec_decode_tree(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Tree *pb = (const Kv__Tree *)meta;
	struct msg_tree *t = &in->msg->tree;
	CODEC_GET_COMMON(pb, in->msg);
	if (!codec_get_u16(pb->partition, &t->partition) || !codec_get_u16(pb->leaf, &t->leaf))
		return KV_INVALID;
	t->cursor = codec_get_bytes(&pb->cursor);
	t->done = pb->done;
	t->status = (enum kv_status)pb->status;
	t->page = in->value;
	return get_roots(in, pb, t);
}

enum kv_status codec_encode_gc(struct codec_out *out, const struct msg *m)
{
	Kv__Gc pb = KV__GC__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, partition, m->gc.partition);
	CODEC_SET(&pb, step, (Kv__GcStep)m->gc.step);
	CODEC_SET_VERSION(&pb, floor, m->gc.floor);
	CODEC_SET(&pb, status, m->gc.status);
	return codec_emit(out, &pb.base, m->gc.page);
}

enum kv_status codec_decode_gc(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Gc *pb = (const Kv__Gc *)meta;
	struct msg_gc *g = &in->msg->gc;
	CODEC_GET_COMMON(pb, in->msg);
	if (!codec_get_u16(pb->partition, &g->partition))
		return KV_INVALID;
	g->step = (enum gc_step)pb->step;
	g->floor = CODEC_GET_VERSION(pb, floor);
	g->status = (enum kv_status)pb->status;
	g->page = in->value;
	return KV_OK;
}

enum kv_status codec_encode_probe(struct codec_out *out, const struct msg *m)
{
	Kv__Probe pb = KV__PROBE__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET_NODE(&pb, target, m->probe.target);
	CODEC_SET(&pb, reached, m->probe.reached);
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_probe(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Probe *pb = (const Kv__Probe *)meta;
	CODEC_GET_COMMON(pb, in->msg);
	in->msg->probe.reached = pb->reached;
	bool valid = CODEC_GET_NODE(pb, target, &in->msg->probe.target);
	return valid && in->value.size == 0 ? KV_OK : KV_INVALID;
}
