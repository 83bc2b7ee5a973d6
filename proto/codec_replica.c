/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/codec_internal.h"
#include "proto/opcode.h"
#include "proto/peer.pb-c.h"

/** Room for the generated form of a record, on the encoder's stack. */
struct record_scratch {
	Kv__Record record;
	Kv__Lineage lin[LIN_MAX];
	Kv__Lineage *pointers[LIN_MAX];
};

static void set_record(const struct record *r, struct record_scratch *s)
{
	Kv__Record *pb = &s->record;
	kv__record__init(pb);
	CODEC_SET_VERSION(pb, ver, r->ver);
	if (r->org.hlc != r->ver.hlc || r->org.id != r->ver.id) {
		pb->has_org_hlc = pb->has_org_id = true;
		pb->org_hlc = r->org.hlc;
		pb->org_id = r->org.id;
	}
	CODEC_SET(pb, value_hash, r->value_hash);
	CODEC_SET(pb, has_value, r->has_value);
	CODEC_SET(pb, value_size, r->has_value ? 0 : r->value_size);
	CODEC_SET(pb, strong, r->strong);
	CODEC_SET(pb, weak, r->weak);
	CODEC_SET(pb, tombstone, r->tombstone);
	CODEC_SET(pb, rid_client, r->rid.client);
	CODEC_SET(pb, rid_seq, r->rid.seq);
	CODEC_SET(pb, result, r->result);
	CODEC_SET(pb, expires_ms, r->expires_ms);
	CODEC_SET(pb, fence, r->fence);
	CODEC_SET_VERSION(pb, lin_floor, r->lin_floor);
	KV_ASSERT(r->lin_count <= LIN_MAX);
	for (uint32_t i = 0; i < r->lin_count; i++) {
		Kv__Lineage *to = &s->lin[i];
		kv__lineage__init(to);
		CODEC_SET_VERSION(to, ver, r->lin[i].ver);
		CODEC_SET(to, rid_client, r->lin[i].rid.client);
		CODEC_SET(to, rid_seq, r->lin[i].rid.seq);
		CODEC_SET(to, result, r->lin[i].result);
		s->pointers[i] = to;
	}
	pb->n_lin = r->lin_count;
	pb->lin = s->pointers;
}

static enum kv_status get_lineage(struct codec_in *in, const Kv__Record *pb, struct record *r)
{
	if (pb->n_lin == 0)
		return KV_OK;
	if (pb->n_lin > LIN_MAX)
		return KV_TOO_LARGE;
	struct lineage *lin = CODEC_NEW(in->arena, struct lineage, pb->n_lin);
	if (!lin)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_lin; i++) {
		const Kv__Lineage *from = pb->lin[i];
		lin[i] = (struct lineage){
			.ver = CODEC_GET_VERSION(from, ver),
			.rid = {.client = from->rid_client, .seq = from->rid_seq},
			.result = from->result,
		};
	}
	r->lin_count = (uint32_t)pb->n_lin;
	r->lin = lin;
	return KV_OK;
}

/** The value section belongs to the record if that says so; otherwise it must be empty. */
static enum kv_status get_record(struct codec_in *in, const Kv__Record *pb, struct record *r)
{
	r->ver = CODEC_GET_VERSION(pb, ver);
	r->org = pb->has_org_hlc || pb->has_org_id ? CODEC_GET_VERSION(pb, org) : r->ver;
	r->weak = pb->weak;
	r->tombstone = pb->tombstone;
	r->strong = pb->strong;
	r->has_value = pb->has_value;
	r->rid = (struct request_id){.client = pb->rid_client, .seq = pb->rid_seq};
	r->result = pb->result;
	r->expires_ms = pb->expires_ms;
	r->fence = pb->fence;
	r->value_hash = pb->value_hash;
	r->value_size = pb->value_size;
	r->lin_floor = CODEC_GET_VERSION(pb, lin_floor);
	if (r->has_value) {
		if (pb->has_value_size && pb->value_size != in->value.size)
			return KV_INVALID;
		r->value_size = (uint32_t)in->value.size;
		r->value = in->value;
		in->value = slice_of(NULL, 0);
	}
	return get_lineage(in, pb, r);
}

enum kv_status codec_encode_replica(struct codec_out *out, const struct msg *m)
{
	const struct msg_replica *r = &m->replica;
	struct record_scratch record;
	uint64_t attempts[2 * ATTEMPTS_MAX];
	Kv__ReplicaRequest pb = KV__REPLICA_REQUEST__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET_BYTES(&pb, key, r->key);
	CODEC_SET(&pb, partition, r->partition);
	CODEC_SET(&pb, deadline_ms, r->deadline_ms);
	CODEC_SET(&pb, bucket, r->bucket);
	CODEC_SET(&pb, want_value, r->want_value);
	CODEC_SET_VERSION(&pb, ballot, r->ballot);
	CODEC_SET(&pb, rid_client, r->rid.client);
	CODEC_SET(&pb, rid_seq, r->rid.seq);
	CODEC_SET(&pb, hinted, r->hinted);
	CODEC_SET(&pb, read_epoch, r->read_epoch);
	CODEC_SET(&pb, direct, r->direct);
	CODEC_SET_VERSION(&pb, next, r->next);
	CODEC_SET(&pb, trace_hi, r->trace.trace_hi);
	CODEC_SET(&pb, trace_lo, r->trace.trace_lo);
	CODEC_SET(&pb, span, r->trace.span);
	CODEC_SET(&pb, sampled, r->trace.sampled);
	KV_ASSERT(r->attempt_count <= ATTEMPTS_MAX);
	for (uint32_t i = 0; i < r->attempt_count; i++) {
		attempts[2 * i] = r->attempts[i].hlc;
		attempts[2 * i + 1] = r->attempts[i].id;
	}
	pb.n_attempts = 2 * r->attempt_count;
	pb.attempts = attempts;
	if (!opcode_sends_record(m->opcode))
		return codec_emit(out, &pb.base, slice_of(NULL, 0));
	set_record(&r->record, &record);
	pb.record = &record.record;
	return codec_emit(out, &pb.base, r->record.value);
}

static enum kv_status get_attempts(struct codec_in *in, const Kv__ReplicaRequest *pb, struct msg_replica *r)
{
	if (pb->n_attempts == 0)
		return KV_OK;
	if (pb->n_attempts % 2 != 0)
		return KV_INVALID;
	if (pb->n_attempts > 2 * ATTEMPTS_MAX)
		return KV_TOO_LARGE;
	struct version *attempts = CODEC_NEW(in->arena, struct version, pb->n_attempts / 2);
	if (!attempts)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_attempts / 2; i++)
		attempts[i] = (struct version){.hlc = pb->attempts[2 * i], .id = pb->attempts[2 * i + 1]};
	r->attempt_count = (uint32_t)(pb->n_attempts / 2);
	r->attempts = attempts;
	return KV_OK;
}

enum kv_status codec_decode_replica(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__ReplicaRequest *pb = (const Kv__ReplicaRequest *)meta;
	struct msg_replica *r = &in->msg->replica;
	CODEC_GET_COMMON(pb, in->msg);
	if (!codec_get_u16(pb->partition, &r->partition))
		return KV_INVALID;
	r->bucket = pb->bucket;
	r->key = codec_get_bytes(&pb->key);
	r->deadline_ms = pb->deadline_ms;
	r->want_value = pb->want_value;
	r->hinted = pb->hinted;
	r->ballot = CODEC_GET_VERSION(pb, ballot);
	r->rid = (struct request_id){.client = pb->rid_client, .seq = pb->rid_seq};
	r->read_epoch = pb->read_epoch;
	r->direct = pb->direct;
	r->next = CODEC_GET_VERSION(pb, next);
	r->trace = (struct trace_context){
		.trace_hi = pb->trace_hi,
		.trace_lo = pb->trace_lo,
		.span = pb->span,
		.sampled = pb->sampled,
	};
	enum kv_status status = get_attempts(in, pb, r);
	if (status == KV_OK && opcode_sends_record(in->msg->opcode) && pb->record)
		status = get_record(in, pb->record, &r->record);
	if (status == KV_OK && in->value.size > 0)
		status = KV_INVALID;
	return status;
}

static bool answer_has_record(enum replica_answer answer)
{
	return answer == ANSWER_RECORD || answer == ANSWER_PROMISE;
}

enum kv_status codec_encode_answer(struct codec_out *out, const struct msg *m)
{
	const struct msg_replica_reply *r = &m->answer;
	struct record_scratch record;
	Kv__Carrier carriers[CARRIERS_MAX], *pointers[CARRIERS_MAX];
	Kv__ReplicaReply pb = KV__REPLICA_REPLY__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, answer, (Kv__Answer)r->answer);
	CODEC_SET(&pb, partition, r->partition);
	CODEC_SET_VERSION(&pb, drop_floor, r->drop_floor);
	CODEC_SET_VERSION(&pb, promise, r->promise);
	CODEC_SET_VERSION(&pb, stored, r->stored);
	CODEC_SET(&pb, config_epoch, r->config_epoch);
	CODEC_SET(&pb, above, r->above);
	CODEC_SET(&pb, no_promise, r->no_promise);
	CODEC_SET(&pb, out, r->out);
	CODEC_SET_VERSION(&pb, memory_floor, r->memory_floor);
	CODEC_SET(&pb, queue_us, r->served.queue_us);
	CODEC_SET(&pb, disk_us, r->served.disk_us);
	CODEC_SET(&pb, commit_us, r->served.commit_us);
	CODEC_SET(&pb, sync_us, r->served.sync_us);
	KV_ASSERT(r->carrier_count <= CARRIERS_MAX);
	for (uint32_t i = 0; i < r->carrier_count; i++) {
		kv__carrier__init(&carriers[i]);
		CODEC_SET_VERSION(&carriers[i], copy, r->carriers[i].copy);
		CODEC_SET_VERSION(&carriers[i], attempt, r->carriers[i].attempt);
		CODEC_SET(&carriers[i], result, r->carriers[i].result);
		pointers[i] = &carriers[i];
	}
	pb.n_carriers = r->carrier_count;
	pb.carriers = pointers;
	if (!answer_has_record(r->answer))
		return codec_emit(out, &pb.base, slice_of(NULL, 0));
	set_record(&r->record, &record);
	pb.record = &record.record;
	return codec_emit(out, &pb.base, r->record.value);
}

static enum kv_status get_carriers(struct codec_in *in, const Kv__ReplicaReply *pb, struct msg_replica_reply *r)
{
	if (pb->n_carriers == 0)
		return KV_OK;
	if (pb->n_carriers > CARRIERS_MAX)
		return KV_TOO_LARGE;
	struct carrier *carriers = CODEC_NEW(in->arena, struct carrier, pb->n_carriers);
	if (!carriers)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_carriers; i++) {
		const Kv__Carrier *from = pb->carriers[i];
		carriers[i] = (struct carrier){
			.copy = CODEC_GET_VERSION(from, copy),
			.attempt = CODEC_GET_VERSION(from, attempt),
			.result = from->result,
		};
	}
	r->carrier_count = (uint32_t)pb->n_carriers;
	r->carriers = carriers;
	return KV_OK;
}

enum kv_status codec_decode_answer(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__ReplicaReply *pb = (const Kv__ReplicaReply *)meta;
	struct msg_replica_reply *r = &in->msg->answer;
	CODEC_GET_COMMON(pb, in->msg);
	if (!codec_get_u16(pb->partition, &r->partition))
		return KV_INVALID;
	r->answer = (enum replica_answer)pb->answer;
	r->drop_floor = CODEC_GET_VERSION(pb, drop_floor);
	r->promise = CODEC_GET_VERSION(pb, promise);
	r->stored = CODEC_GET_VERSION(pb, stored);
	r->above = pb->above;
	r->no_promise = pb->no_promise;
	r->out = pb->out;
	r->memory_floor = CODEC_GET_VERSION(pb, memory_floor);
	r->config_epoch = pb->config_epoch;
	r->served = (struct served_time){
		.queue_us = pb->queue_us,
		.disk_us = pb->disk_us,
		.commit_us = pb->commit_us,
		.sync_us = pb->sync_us,
	};
	enum kv_status status = get_carriers(in, pb, r);
	if (status == KV_OK && answer_has_record(r->answer) && pb->record)
		status = get_record(in, pb->record, &r->record);
	if (status == KV_OK && in->value.size > 0)
		status = KV_INVALID;
	return status;
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
