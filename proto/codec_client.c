/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/client.pb-c.h"
#include "proto/codec_internal.h"
#include "proto/codec_timeline.h"
#include "proto/opcode.h"

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
	h->map_epoch = pb->map_epoch;
	h->shards = pb->shards;
	h->frame_size_max = pb->frame_size_max;
	h->window = pb->window;
	h->auth_mechanisms = codec_get_bytes(&pb->auth_mechanisms);
	h->status = (enum kv_status)pb->status;
	h->message = codec_get_bytes(&pb->message);
	return KV_OK;
}

enum kv_status codec_encode_request(struct codec_out *out, const struct msg *m)
{
	const struct msg_request *r = &m->request;
	Kv__Request pb = KV__REQUEST__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET_BYTES(&pb, key, r->key);
	CODEC_SET(&pb, level, (Kv__Level)r->level);
	CODEC_SET(&pb, acks, (Kv__Acks)r->acks);
	CODEC_SET(&pb, deadline_ms, r->deadline_ms);
	CODEC_SET(&pb, rid_client, r->rid.client);
	CODEC_SET(&pb, rid_seq, r->rid.seq);
	CODEC_SET(&pb, t0, r->t0);
	CODEC_SET(&pb, attempt, r->attempt);
	CODEC_SET(&pb, value_hash, r->value_hash);
	CODEC_SET(&pb, bucket, r->bucket);
	CODEC_SET(&pb, ttl_ms, r->ttl_ms);
	CODEC_SET(&pb, forwarded, r->forwarded);
	CODEC_SET(&pb, has_expected, r->has_expected);
	CODEC_SET_VERSION(&pb, expected, r->expected);
	CODEC_SET(&pb, expects_hash, r->has_expected_hash);
	CODEC_SET(&pb, expected_hash, r->expected_hash);
	CODEC_SET(&pb, if_present, r->if_present);
	CODEC_SET(&pb, delta, r->delta);
	CODEC_SET(&pb, fence, r->fence);
	CODEC_SET(&pb, staleness_ms, r->staleness_ms);
	CODEC_SET_BYTES(&pb, session, r->session);
	CODEC_SET(&pb, receipt_wanted, r->receipt_wanted);
	CODEC_SET(&pb, trace_hi, r->trace.trace_hi);
	CODEC_SET(&pb, trace_lo, r->trace.trace_lo);
	CODEC_SET(&pb, span, r->trace.span);
	CODEC_SET(&pb, sampled, r->trace.sampled);
	CODEC_SET(&pb, timeline_wanted, r->timeline_wanted);
	CODEC_SET(&pb, partition, r->partition);
	CODEC_SET_BYTES(&pb, cursor, r->cursor);
	CODEC_SET_BYTES(&pb, prefix, r->prefix);
	CODEC_SET(&pb, limit, r->limit);
	CODEC_SET(&pb, raw, r->raw);
	return codec_emit(out, &pb.base, r->value);
}

enum kv_status codec_decode_request(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Request *pb = (const Kv__Request *)meta;
	struct msg_request *r = &in->msg->request;
	CODEC_GET_COMMON(pb, in->msg);
	if (!codec_get_u16(pb->partition, &r->partition))
		return KV_INVALID;
	r->bucket = pb->bucket;
	r->key = codec_get_bytes(&pb->key);
	r->value = in->value;
	r->value_hash = pb->value_hash;
	r->level = (enum msg_level)pb->level;
	r->acks = (enum msg_acks)pb->acks;
	r->deadline_ms = pb->deadline_ms;
	r->staleness_ms = pb->staleness_ms;
	r->rid = (struct request_id){.client = pb->rid_client, .seq = pb->rid_seq};
	r->t0 = pb->t0;
	r->attempt = pb->attempt;
	r->ttl_ms = pb->ttl_ms;
	r->fence = pb->fence;
	r->has_expected = pb->has_expected;
	if (r->has_expected)
		r->expected = CODEC_GET_VERSION(pb, expected);
	r->has_expected_hash = pb->expects_hash;
	if (r->has_expected_hash)
		r->expected_hash = pb->expected_hash;
	r->if_present = pb->if_present;
	r->delta = pb->delta;
	r->session = codec_get_bytes(&pb->session);
	r->trace = (struct trace_context){
		.trace_hi = pb->trace_hi,
		.trace_lo = pb->trace_lo,
		.span = pb->span,
		.sampled = pb->sampled,
	};
	r->timeline_wanted = pb->timeline_wanted;
	r->receipt_wanted = pb->receipt_wanted;
	r->forwarded = pb->forwarded;
	r->cursor = codec_get_bytes(&pb->cursor);
	r->prefix = codec_get_bytes(&pb->prefix);
	r->limit = pb->limit;
	r->raw = pb->raw;
	return KV_OK;
}

/** Fills the generated form of a receipt; REPLICAS and POINTERS have ROW_MAX elements each. */
static void set_receipt(const struct msg_receipt *r, Kv__Receipt *pb, Kv__ReceiptReplica *replicas,
			Kv__ReceiptReplica **pointers)
{
	kv__receipt__init(pb);
	CODEC_SET(pb, asked, (Kv__Level)r->asked);
	CODEC_SET(pb, achieved, (Kv__Level)r->achieved);
	CODEC_SET_VERSION(pb, version, r->version);
	CODEC_SET(pb, epoch, r->epoch);
	CODEC_SET(pb, acks, r->acks);
	CODEC_SET(pb, hinted, r->hinted);
	CODEC_SET(pb, rounds, r->rounds);
	CODEC_SET(pb, staleness_ms, r->staleness_ms);
	CODEC_SET(pb, repaired, r->repaired);
	KV_ASSERT(r->replica_count <= ROW_MAX);
	for (uint32_t i = 0; i < r->replica_count; i++) {
		kv__receipt_replica__init(&replicas[i]);
		CODEC_SET_NODE(&replicas[i], node, r->replicas[i].node);
		CODEC_SET_VERSION(&replicas[i], ver, r->replicas[i].ver);
		CODEC_SET(&replicas[i], status, r->replicas[i].status);
		pointers[i] = &replicas[i];
	}
	pb->n_replicas = r->replica_count;
	pb->replicas = pointers;
}

static enum kv_status get_receipt(const Kv__Receipt *pb, struct msg_receipt *r)
{
	if (pb->n_replicas > ROW_MAX)
		return KV_TOO_LARGE;
	r->asked = (enum msg_level)pb->asked;
	r->achieved = (enum msg_level)pb->achieved;
	r->version = CODEC_GET_VERSION(pb, version);
	r->epoch = pb->epoch;
	r->acks = pb->acks;
	r->hinted = pb->hinted;
	r->rounds = pb->rounds;
	r->staleness_ms = pb->staleness_ms;
	r->repaired = pb->repaired;
	r->replica_count = (uint32_t)pb->n_replicas;
	for (size_t i = 0; i < pb->n_replicas; i++) {
		const Kv__ReceiptReplica *from = pb->replicas[i];
		if (!CODEC_GET_NODE(from, node, &r->replicas[i].node))
			return KV_INVALID;
		r->replicas[i].ver = CODEC_GET_VERSION(from, ver);
		r->replicas[i].status = (enum kv_status)from->status;
	}
	return KV_OK;
}

static void set_item(const struct scan_item *item, Kv__ScanItem *pb)
{
	kv__scan_item__init(pb);
	CODEC_SET_BYTES(pb, key, item->key);
	CODEC_SET(pb, value_size, (uint32_t)item->value.size);
	CODEC_SET_VERSION(pb, ver, item->ver);
	if (item->org.hlc != item->ver.hlc || item->org.id != item->ver.id) {
		pb->has_org_hlc = pb->has_org_id = true;
		pb->org_hlc = item->org.hlc;
		pb->org_id = item->org.id;
	}
	CODEC_SET(pb, expires_ms, item->expires_ms);
	CODEC_SET(pb, value_hash, item->value_hash);
	CODEC_SET(pb, tombstone, item->tombstone);
	CODEC_SET(pb, weak, item->weak);
	CODEC_SET(pb, strong, item->strong);
	CODEC_SET(pb, cause, item->cause);
}

/** Packs a SCAN or LEDGER page. The only reply whose meta part has no small bound, so its scratch is on the heap. */
static enum kv_status emit_page(struct codec_out *out, const struct msg_result *r, Kv__Result *pb)
{
	CLEANUP(free_ptr) Kv__ScanItem *items = xcalloc(r->item_count + 1, sizeof *items);
	CLEANUP(free_ptr) Kv__ScanItem **pointers = xcalloc(r->item_count + 1, sizeof(Kv__ScanItem *));
	for (uint32_t i = 0; i < r->item_count; i++) {
		set_item(&r->items[i], &items[i]);
		pointers[i] = &items[i];
	}
	pb->n_items = r->item_count;
	pb->items = pointers;
	CODEC_SET_BYTES(pb, cursor, r->cursor);
	return codec_emit_items(out, &pb->base, r->items, r->item_count);
}

enum kv_status codec_encode_result(struct codec_out *out, const struct msg *m)
{
	const struct msg_result *r = &m->result;
	Kv__Receipt receipt;
	Kv__ReceiptReplica replicas[ROW_MAX], *pointers[ROW_MAX];
	uint32_t row[ROW_MAX];
	Kv__Result pb = KV__RESULT__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, status, r->status);
	CODEC_SET(&pb, in_doubt, r->in_doubt);
	CODEC_SET_VERSION(&pb, version, r->version);
	CODEC_SET(&pb, value_hash, r->value_hash);
	CODEC_SET(&pb, expires_ms, r->expires_ms);
	CODEC_SET(&pb, retry_after_ms, r->retry_after_ms);
	CODEC_SET(&pb, try_other, r->try_other);
	CODEC_SET(&pb, outcome, r->outcome);
	CODEC_SET(&pb, staleness_ms, r->staleness_ms);
	CODEC_SET_BYTES(&pb, message, r->message);
	KV_ASSERT(r->row_count <= ROW_MAX);
	codec_set_row(r->row, r->row_count, row);
	pb.n_row = r->row_count;
	pb.row = row;
	CODEC_SET_BYTES(&pb, session, r->session);
	if (r->has_receipt) {
		set_receipt(&r->receipt, &receipt, replicas, pointers);
		pb.receipt = &receipt;
	}
	CLEANUP(codec_timeline_release) struct codec_timeline timeline = {.spans = NULL};
	if (r->timeline) {
		codec_timeline_set(r->timeline, &timeline);
		pb.timeline = &timeline.pb;
	}
	if (opcode_has_page(m->opcode))
		return emit_page(out, r, &pb);
	return codec_emit(out, &pb.base, r->value);
}

/** Takes the items of a page and cuts the value section into their values. */
static enum kv_status get_items(struct codec_in *in, const Kv__Result *pb, struct msg_result *r)
{
	if (pb->n_items > SCAN_ITEMS_MAX)
		return KV_TOO_LARGE;
	struct scan_item *items = CODEC_NEW(in->arena, struct scan_item, pb->n_items);
	if (!items)
		return KV_TOO_LARGE;
	struct slice rest = in->value;
	for (size_t i = 0; i < pb->n_items; i++) {
		const Kv__ScanItem *from = pb->items[i];
		if (from->value_size > rest.size)
			return KV_INVALID;
		bool has_org = from->has_org_hlc || from->has_org_id;
		items[i] = (struct scan_item){
			.key = codec_get_bytes(&from->key),
			.value = from->value_size > 0 ? slice_of(rest.data, from->value_size) : slice_of(NULL, 0),
			.ver = CODEC_GET_VERSION(from, ver),
			.org = has_org ? CODEC_GET_VERSION(from, org) : CODEC_GET_VERSION(from, ver),
			.expires_ms = from->expires_ms,
			.value_hash = from->value_hash,
			.tombstone = from->tombstone,
			.weak = from->weak,
			.strong = from->strong,
			.cause = from->cause,
		};
		if (from->value_size > 0)
			rest = slice_of(rest.data + from->value_size, rest.size - from->value_size);
	}
	if (rest.size > 0)
		return KV_INVALID;
	r->item_count = (uint32_t)pb->n_items;
	r->items = pb->n_items > 0 ? items : NULL;
	r->cursor = codec_get_bytes(&pb->cursor);
	return KV_OK;
}

enum kv_status codec_decode_result(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Result *pb = (const Kv__Result *)meta;
	struct msg_result *r = &in->msg->result;
	CODEC_GET_COMMON(pb, in->msg);
	if (pb->n_row > ROW_MAX)
		return KV_TOO_LARGE;
	if (!codec_get_row(pb->row, pb->n_row, r->row))
		return KV_INVALID;
	r->row_count = (uint16_t)pb->n_row;
	r->status = (enum kv_status)pb->status;
	r->in_doubt = pb->in_doubt;
	r->retry_after_ms = pb->retry_after_ms;
	r->message = codec_get_bytes(&pb->message);
	r->version = CODEC_GET_VERSION(pb, version);
	r->value_hash = pb->value_hash;
	r->expires_ms = pb->expires_ms;
	r->try_other = pb->try_other;
	r->outcome = (enum msg_outcome)pb->outcome;
	r->staleness_ms = pb->staleness_ms;
	r->session = codec_get_bytes(&pb->session);
	if (pb->receipt) {
		r->has_receipt = true;
		enum kv_status status = get_receipt(pb->receipt, &r->receipt);
		if (status != KV_OK)
			return status;
	}
	if (pb->timeline) {
		enum kv_status status = codec_timeline_get(in, pb->timeline, &r->timeline);
		if (status != KV_OK)
			return status;
	}
	if (opcode_has_page(in->msg->opcode))
		return get_items(in, pb, r);
	r->value = in->value;
	return KV_OK;
}
