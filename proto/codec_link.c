/* SPDX-License-Identifier: Apache-2.0 */
/* What is said on a link beside requests: who is there, whether it lives, how much it has to replay. */
#include "proto/client.pb-c.h"
#include "proto/codec_internal.h"
#include "proto/opcode.h"
#include "proto/peer.pb-c.h"

enum kv_status codec_encode_hello(struct codec_out *out, const struct msg *m)
{
	const struct msg_hello *h = &m->hello;
	Kv__Hello pb = KV__HELLO__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, kind, (Kv__HelloKind)h->kind);
	CODEC_SET(&pb, proto_min, h->proto_min);
	CODEC_SET(&pb, proto_max, h->proto_max);
	CODEC_SET(&pb, features, h->features);
	CODEC_SET_UUID(&pb, cluster, &h->cluster);
	CODEC_SET_UUID(&pb, node, &h->node);
	CODEC_SET_NODE(&pb, index, h->index);
	CODEC_SET(&pb, incarnation, h->incarnation);
	CODEC_SET(&pb, boot_nonce, h->boot_nonce);
	CODEC_SET_BYTES(&pb, name, h->name);
	CODEC_SET_BYTES(&pb, peer_address, h->peer_address);
	CODEC_SET_BYTES(&pb, http_address, h->http_address);
	CODEC_SET(&pb, map_epoch, h->map_epoch);
	CODEC_SET(&pb, shards, h->shards);
	CODEC_SET(&pb, frame_size_max, h->frame_size_max);
	CODEC_SET(&pb, window, h->window);
	CODEC_SET_BYTES(&pb, auth_mechanisms, h->auth_mechanisms);
	CODEC_SET(&pb, status, h->status);
	CODEC_SET_BYTES(&pb, message, h->message);
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_hello(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Hello *pb = (const Kv__Hello *)meta;
	struct msg_hello *h = &in->msg->hello;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0 || !codec_get_uuid(&pb->cluster, &h->cluster) ||
	    !codec_get_uuid(&pb->node, &h->node) || !CODEC_GET_NODE(pb, index, &h->index))
		return KV_INVALID;
	h->kind = (enum hello_kind)pb->kind;
	h->proto_min = pb->proto_min;
	h->proto_max = pb->proto_max;
	h->features = pb->features;
	h->incarnation = pb->incarnation;
	h->boot_nonce = pb->boot_nonce;
	h->name = codec_get_bytes(&pb->name);
	h->peer_address = codec_get_bytes(&pb->peer_address);
	h->http_address = codec_get_bytes(&pb->http_address);
	h->map_epoch = pb->map_epoch;
	h->shards = pb->shards;
	h->frame_size_max = pb->frame_size_max;
	h->window = pb->window;
	h->auth_mechanisms = codec_get_bytes(&pb->auth_mechanisms);
	h->status = (enum kv_status)pb->status;
	h->message = codec_get_bytes(&pb->message);
	return KV_OK;
}

enum kv_status codec_encode_heartbeat(struct codec_out *out, const struct msg *m)
{
	const struct msg_heartbeat *h = &m->heartbeat;
	Kv__Heartbeat pb = KV__HEARTBEAT__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, seq, h->seq);
	CODEC_SET(&pb, sent_us, h->sent_us);
	CODEC_SET(&pb, incarnation, h->incarnation);
	CODEC_SET(&pb, map_epoch, h->map_epoch);
	CODEC_SET(&pb, health, h->health);
	CODEC_SET(&pb, queue_us, h->queue_us);
	CODEC_SET(&pb, disk_p99_us, h->disk_p99_us);
	CODEC_SET(&pb, disk_free_pct, h->disk_free_pct);
	CODEC_SET(&pb, disk_low, h->disk_low);
	CODEC_SET(&pb, stored_hlc, h->stored_hlc);
	CODEC_SET(&pb, shards, h->shards);
	CODEC_SET(&pb, drained, h->drained);
	CODEC_SET(&pb, core, h->core);
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_heartbeat(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Heartbeat *pb = (const Kv__Heartbeat *)meta;
	CODEC_GET_COMMON(pb, in->msg);
	in->msg->heartbeat = (struct msg_heartbeat){
		.seq = pb->seq,
		.sent_us = pb->sent_us,
		.incarnation = pb->incarnation,
		.map_epoch = pb->map_epoch,
		.health = pb->health,
		.queue_us = pb->queue_us,
		.disk_p99_us = pb->disk_p99_us,
		.disk_free_pct = pb->disk_free_pct,
		.disk_low = pb->disk_low,
		.stored_hlc = pb->stored_hlc,
		.shards = pb->shards,
		.drained = pb->drained,
		.core = pb->core,
	};
	return in->value.size == 0 ? KV_OK : KV_INVALID;
}

enum kv_status codec_encode_hint(struct codec_out *out, const struct msg *m)
{
	Kv__Hint pb = KV__HINT__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, pending, m->hint.pending);
	CODEC_SET(&pb, granted, m->hint.granted);
	CODEC_SET(&pb, pace_ms, m->hint.pace_ms);
	if (m->hint.mark) {
		CODEC_SET(&pb, mark, true);
		CODEC_SET(&pb, partition, m->hint.partition);
		CODEC_SET_NODE(&pb, target, m->hint.target);
	}
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_hint(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Hint *pb = (const Kv__Hint *)meta;
	CODEC_GET_COMMON(pb, in->msg);
	struct msg_hint *h = &in->msg->hint;
	*h = (struct msg_hint){
		.pending = pb->pending, .granted = pb->granted, .pace_ms = pb->pace_ms, .mark = pb->mark};
	if (h->mark && (!codec_get_u16(pb->partition, &h->partition) || !CODEC_GET_NODE(pb, target, &h->target)))
		return KV_INVALID;
	return in->value.size == 0 ? KV_OK : KV_INVALID;
}
