/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/client.pb-c.h"
#include "proto/codec_internal.h"

enum kv_status codec_encode_cluster_init(struct codec_out *out, const struct msg *m)
{
	const struct msg_cluster_init *c = &m->cluster_init;
	ProtobufCBinaryData addresses[NODES_MAX];
	Kv__ClusterInit pb = KV__CLUSTER_INIT__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET_BYTES(&pb, name, c->name);
	CODEC_SET(&pb, partitions, c->partitions);
	CODEC_SET(&pb, replicas, c->replicas);
	CODEC_SET(&pb, deadline_ms, c->deadline_ms);
	KV_ASSERT(c->address_count <= NODES_MAX);
	for (uint32_t i = 0; i < c->address_count; i++) {
		addresses[i].data = (uint8_t *)(uintptr_t)c->addresses[i].data;
		addresses[i].len = c->addresses[i].size;
	}
	pb.n_addresses = c->address_count;
	pb.addresses = addresses;
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_cluster_init(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__ClusterInit *pb = (const Kv__ClusterInit *)meta;
	struct msg_cluster_init *c = &in->msg->cluster_init;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0)
		return KV_INVALID;
	if (pb->n_addresses > NODES_MAX)
		return KV_TOO_LARGE;
	struct slice *addresses = CODEC_NEW(in->arena, struct slice, pb->n_addresses);
	if (!addresses)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_addresses; i++)
		addresses[i] = codec_get_bytes(&pb->addresses[i]);
	c->name = codec_get_bytes(&pb->name);
	c->partitions = pb->partitions;
	c->replicas = pb->replicas;
	c->deadline_ms = pb->deadline_ms;
	c->address_count = (uint32_t)pb->n_addresses;
	c->addresses = addresses;
	return KV_OK;
}

/** Fills peers and counters, which borrow their scratch from the caller, and packs. */
static enum kv_status emit_status(struct codec_out *out, const struct msg_status *s, Kv__Status *pb)
{
	CLEANUP(free_ptr) Kv__StatusPeer *peers = xcalloc(s->peer_count + 1, sizeof *peers);
	CLEANUP(free_ptr) Kv__StatusPeer **peer_pointers = xcalloc(s->peer_count + 1, sizeof(Kv__StatusPeer *));
	CLEANUP(free_ptr) Kv__StatusCounter *counters = xcalloc(s->counter_count + 1, sizeof *counters);
	CLEANUP(free_ptr)
	Kv__StatusCounter **counter_pointers = xcalloc(s->counter_count + 1, sizeof(Kv__StatusCounter *));
	for (uint32_t i = 0; i < s->peer_count; i++) {
		kv__status_peer__init(&peers[i]);
		CODEC_SET_NODE(&peers[i], index, s->peers[i].index);
		CODEC_SET(&peers[i], state, s->peers[i].state);
		CODEC_SET(&peers[i], round_trip_us, s->peers[i].round_trip_us);
		CODEC_SET(&peers[i], hints_pending, s->peers[i].hints_pending);
		CODEC_SET(&peers[i], partitions_dirty, s->peers[i].partitions_dirty);
		CODEC_SET(&peers[i], link_bad, s->peers[i].link_bad);
		CODEC_SET(&peers[i], degraded, s->peers[i].degraded);
		CODEC_SET(&peers[i], health, s->peers[i].health);
		CODEC_SET(&peers[i], disk_p99_us, s->peers[i].disk_p99_us);
		CODEC_SET(&peers[i], disk_free_pct, s->peers[i].disk_free_pct);
		CODEC_SET(&peers[i], disk_low, s->peers[i].disk_low);
		peer_pointers[i] = &peers[i];
	}
	for (uint32_t i = 0; i < s->counter_count; i++) {
		kv__status_counter__init(&counters[i]);
		CODEC_SET_BYTES(&counters[i], name, s->counters[i].name);
		CODEC_SET(&counters[i], value, s->counters[i].value);
		counter_pointers[i] = &counters[i];
	}
	pb->n_peers = s->peer_count;
	pb->peers = peer_pointers;
	pb->n_counters = s->counter_count;
	pb->counters = counter_pointers;
	return codec_emit(out, &pb->base, slice_of(NULL, 0));
}

enum kv_status codec_encode_status(struct codec_out *out, const struct msg *m)
{
	const struct msg_status *s = &m->status;
	Kv__Status pb = KV__STATUS__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, status, s->status);
	CODEC_SET_BYTES(&pb, message, s->message);
	CODEC_SET_UUID(&pb, cluster, &s->cluster);
	CODEC_SET_UUID(&pb, node, &s->node);
	CODEC_SET_NODE(&pb, index, s->index);
	CODEC_SET(&pb, incarnation, s->incarnation);
	CODEC_SET(&pb, map_epoch, s->map_epoch);
	CODEC_SET(&pb, uptime_ms, s->uptime_ms);
	CODEC_SET(&pb, shards, s->shards);
	CODEC_SET(&pb, ready, s->ready);
	CODEC_SET_BYTES(&pb, version, s->version);
	CODEC_SET_BYTES(&pb, name, s->name);
	return emit_status(out, s, &pb);
}

static enum kv_status get_peers(struct codec_in *in, const Kv__Status *pb, struct msg_status *s)
{
	if (pb->n_peers > NODES_MAX)
		return KV_TOO_LARGE;
	struct status_peer *peers = CODEC_NEW(in->arena, struct status_peer, pb->n_peers);
	if (!peers)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_peers; i++) {
		const Kv__StatusPeer *from = pb->peers[i];
		peers[i] = (struct status_peer){
			.state = from->state,
			.round_trip_us = from->round_trip_us,
			.hints_pending = from->hints_pending,
			.partitions_dirty = from->partitions_dirty,
			.link_bad = from->link_bad,
			.degraded = from->degraded,
			.health = from->health,
			.disk_p99_us = from->disk_p99_us,
			.disk_free_pct = from->disk_free_pct,
			.disk_low = from->disk_low,
		};
		if (!CODEC_GET_NODE(from, index, &peers[i].index))
			return KV_INVALID;
	}
	s->peer_count = (uint32_t)pb->n_peers;
	s->peers = peers;
	return KV_OK;
}

static enum kv_status get_counters(struct codec_in *in, const Kv__Status *pb, struct msg_status *s)
{
	if (pb->n_counters > STATUS_COUNTERS_MAX)
		return KV_TOO_LARGE;
	struct status_counter *counters = CODEC_NEW(in->arena, struct status_counter, pb->n_counters);
	if (!counters)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_counters; i++) {
		counters[i].name = codec_get_bytes(&pb->counters[i]->name);
		counters[i].value = pb->counters[i]->value;
	}
	s->counter_count = (uint32_t)pb->n_counters;
	s->counters = counters;
	return KV_OK;
}

enum kv_status codec_decode_status(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Status *pb = (const Kv__Status *)meta;
	struct msg_status *s = &in->msg->status;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0 || !codec_get_uuid(&pb->cluster, &s->cluster) ||
	    !codec_get_uuid(&pb->node, &s->node) || !CODEC_GET_NODE(pb, index, &s->index))
		return KV_INVALID;
	s->status = (enum kv_status)pb->status;
	s->message = codec_get_bytes(&pb->message);
	s->incarnation = pb->incarnation;
	s->map_epoch = pb->map_epoch;
	s->uptime_ms = pb->uptime_ms;
	s->shards = pb->shards;
	s->ready = pb->ready;
	s->version = codec_get_bytes(&pb->version);
	s->name = codec_get_bytes(&pb->name);
	enum kv_status status = get_peers(in, pb, s);
	return status == KV_OK ? get_counters(in, pb, s) : status;
}
