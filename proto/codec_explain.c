/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into a node: what it holds of a key, its settings, the keys it is asked for most. */
#include "proto/client.pb-c.h"
#include "proto/codec_internal.h"

enum kv_status codec_encode_explain(struct codec_out *out, const struct msg *m)
{
	Kv__Explain pb = KV__EXPLAIN__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, bucket, m->explain.bucket);
	CODEC_SET_BYTES(&pb, key, m->explain.key);
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_explain(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Explain *pb = (const Kv__Explain *)meta;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0)
		return KV_INVALID;
	in->msg->explain.bucket = pb->bucket;
	in->msg->explain.key = codec_get_bytes(&pb->key);
	return KV_OK;
}

static void set_record(const struct record *r, Kv__Explanation *pb)
{
	CODEC_SET_VERSION(pb, ver, r->ver);
	CODEC_SET_VERSION(pb, org, r->org);
	CODEC_SET(pb, weak, r->weak);
	CODEC_SET(pb, tombstone, r->tombstone);
	CODEC_SET(pb, strong, r->strong);
	CODEC_SET(pb, value_hash, r->value_hash);
	CODEC_SET(pb, value_size, r->value_size);
	CODEC_SET(pb, expires_ms, r->expires_ms);
	CODEC_SET(pb, fence, r->fence);
	CODEC_SET(pb, rid_client, r->rid.client);
	CODEC_SET(pb, rid_seq, r->rid.seq);
}

static void set_state(const struct msg_explanation *e, Kv__Explanation *pb)
{
	CODEC_SET(pb, status, e->status);
	CODEC_SET_BYTES(pb, message, e->message);
	CODEC_SET(pb, partition, e->partition);
	CODEC_SET(pb, leaf, e->leaf);
	CODEC_SET(pb, config_epoch, e->config_epoch);
	CODEC_SET(pb, member, e->member);
	CODEC_SET(pb, serves, e->serves);
	CODEC_SET(pb, stage, e->stage);
	CODEC_SET(pb, disk, e->disk);
	CODEC_SET(pb, stored_size, e->stored_size);
	CODEC_SET(pb, in_memory, e->in_memory);
	CODEC_SET(pb, writing, e->writing);
	CODEC_SET(pb, lineage, e->lineage);
	CODEC_SET(pb, memories, e->memories);
	CODEC_SET_VERSION(pb, promised, e->promised);
	CODEC_SET_VERSION(pb, promise, e->promise);
	CODEC_SET_VERSION(pb, memory, e->memory);
	CODEC_SET_VERSION(pb, seal, e->seal);
	CODEC_SET_VERSION(pb, drop, e->drop);
	CODEC_SET(pb, tree, e->tree);
	CODEC_SET(pb, more_hints, e->more_hints);
}

enum kv_status codec_encode_explanation(struct codec_out *out, const struct msg *m)
{
	const struct msg_explanation *e = &m->explanation;
	Kv__Explanation pb = KV__EXPLANATION__INIT;
	Kv__ExplainHint hints[EXPLAIN_HINTS_MAX], *hint_pointers[EXPLAIN_HINTS_MAX];
	Kv__RepairPair pairs[ROW_MAX], *pair_pointers[ROW_MAX];
	CODEC_SET_COMMON(&pb, m);
	set_state(e, &pb);
	set_record(&e->record, &pb);
	KV_ASSERT(e->hint_count <= EXPLAIN_HINTS_MAX && e->pair_count <= ROW_MAX);
	for (uint32_t i = 0; i < e->hint_count; i++) {
		kv__explain_hint__init(&hints[i]);
		CODEC_SET_NODE(&hints[i], target, e->hints[i].target);
		CODEC_SET(&hints[i], key, e->hints[i].key);
		CODEC_SET(&hints[i], partition, e->hints[i].partition);
		CODEC_SET_VERSION(&hints[i], version, e->hints[i].ver);
		CODEC_SET(&hints[i], created, e->hints[i].created);
		hint_pointers[i] = &hints[i];
	}
	for (uint32_t i = 0; i < e->pair_count; i++) {
		kv__repair_pair__init(&pairs[i]);
		CODEC_SET(&pairs[i], partition, e->pairs[i].partition);
		CODEC_SET_NODE(&pairs[i], peer, e->pairs[i].peer);
		CODEC_SET(&pairs[i], equal_age_ms, e->pairs[i].equal_age_ms);
		pair_pointers[i] = &pairs[i];
	}
	pb.n_hints = e->hint_count;
	pb.hints = hint_pointers;
	pb.n_pairs = e->pair_count;
	pb.pairs = pair_pointers;
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

static struct record get_record(const Kv__Explanation *pb)
{
	return (struct record){
		.ver = CODEC_GET_VERSION(pb, ver),
		.org = CODEC_GET_VERSION(pb, org),
		.weak = pb->weak,
		.tombstone = pb->tombstone,
		.strong = pb->strong,
		.value_hash = pb->value_hash,
		.value_size = pb->value_size,
		.expires_ms = pb->expires_ms,
		.fence = pb->fence,
		.rid = {.client = pb->rid_client, .seq = pb->rid_seq},
	};
}

static void get_state(const Kv__Explanation *pb, struct msg_explanation *e)
{
	e->status = (enum kv_status)pb->status;
	e->message = codec_get_bytes(&pb->message);
	e->config_epoch = pb->config_epoch;
	e->member = pb->member;
	e->serves = pb->serves;
	e->stage = (enum move_stage)pb->stage;
	e->disk = (enum explain_disk)pb->disk;
	e->stored_size = pb->stored_size;
	e->in_memory = pb->in_memory;
	e->writing = pb->writing;
	e->record = get_record(pb);
	e->lineage = pb->lineage;
	e->memories = pb->memories;
	e->promised = CODEC_GET_VERSION(pb, promised);
	e->promise = CODEC_GET_VERSION(pb, promise);
	e->memory = CODEC_GET_VERSION(pb, memory);
	e->seal = CODEC_GET_VERSION(pb, seal);
	e->drop = CODEC_GET_VERSION(pb, drop);
	e->tree = pb->tree;
	e->more_hints = pb->more_hints;
}

static enum kv_status get_hints(struct codec_in *in, const Kv__Explanation *pb, struct msg_explanation *e)
{
	if (pb->n_hints > EXPLAIN_HINTS_MAX)
		return KV_TOO_LARGE;
	struct explain_hint *hints = CODEC_NEW(in->arena, struct explain_hint, pb->n_hints);
	if (!hints)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_hints; i++) {
		const Kv__ExplainHint *from = pb->hints[i];
		hints[i] = (struct explain_hint){
			.key = from->key,
			.partition = from->partition,
			.ver = CODEC_GET_VERSION(from, version),
			.created = from->created,
		};
		if (!CODEC_GET_NODE(from, target, &hints[i].target))
			return KV_INVALID;
	}
	e->hint_count = (uint32_t)pb->n_hints;
	e->hints = hints;
	return KV_OK;
}

static enum kv_status get_pairs(struct codec_in *in, const Kv__Explanation *pb, struct msg_explanation *e)
{
	if (pb->n_pairs > ROW_MAX)
		return KV_TOO_LARGE;
	struct repair_pair *pairs = CODEC_NEW(in->arena, struct repair_pair, pb->n_pairs);
	if (!pairs)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_pairs; i++) {
		pairs[i] = (struct repair_pair){.equal_age_ms = pb->pairs[i]->equal_age_ms};
		if (!codec_get_u16(pb->pairs[i]->partition, &pairs[i].partition) ||
		    !CODEC_GET_NODE(pb->pairs[i], peer, &pairs[i].peer))
			return KV_INVALID;
	}
	e->pair_count = (uint32_t)pb->n_pairs;
	e->pairs = pairs;
	return KV_OK;
}

enum kv_status codec_decode_explanation(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Explanation *pb = (const Kv__Explanation *)meta;
	struct msg_explanation *e = &in->msg->explanation;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0 || !codec_get_u16(pb->partition, &e->partition) ||
	    !codec_get_u16(pb->leaf, &e->leaf))
		return KV_INVALID;
	get_state(pb, e);
	enum kv_status status = get_hints(in, pb, e);
	return status == KV_OK ? get_pairs(in, pb, e) : status;
}

enum kv_status codec_encode_config(struct codec_out *out, const struct msg *m)
{
	const struct msg_config *c = &m->config;
	Kv__ConfigEntry entries[CONFIG_ENTRIES_MAX], *pointers[CONFIG_ENTRIES_MAX];
	Kv__Config pb = KV__CONFIG__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, status, c->status);
	CODEC_SET_BYTES(&pb, file, c->file);
	KV_ASSERT(c->count <= CONFIG_ENTRIES_MAX);
	for (uint32_t i = 0; i < c->count; i++) {
		const struct config_entry *from = &c->entries[i];
		kv__config_entry__init(&entries[i]);
		CODEC_SET_BYTES(&entries[i], name, from->name);
		CODEC_SET_BYTES(&entries[i], value, from->value);
		CODEC_SET_BYTES(&entries[i], fallback, from->fallback);
		CODEC_SET(&entries[i], scope, from->scope);
		CODEC_SET(&entries[i], source, from->source);
		CODEC_SET_BYTES(&entries[i], waits, from->waits);
		CODEC_SET(&entries[i], restart, from->needs_restart);
		pointers[i] = &entries[i];
	}
	pb.n_entries = c->count;
	pb.entries = pointers;
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_config(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__Config *pb = (const Kv__Config *)meta;
	struct msg_config *c = &in->msg->config;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0)
		return KV_INVALID;
	if (pb->n_entries > CONFIG_ENTRIES_MAX)
		return KV_TOO_LARGE;
	struct config_entry *entries = CODEC_NEW(in->arena, struct config_entry, pb->n_entries);
	if (!entries)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_entries; i++) {
		const Kv__ConfigEntry *from = pb->entries[i];
		entries[i] = (struct config_entry){
			.name = codec_get_bytes(&from->name),
			.value = codec_get_bytes(&from->value),
			.fallback = codec_get_bytes(&from->fallback),
			.scope = (enum config_scope)from->scope,
			.source = (enum config_source)from->source,
			.waits = codec_get_bytes(&from->waits),
			.needs_restart = from->restart,
		};
	}
	c->status = (enum kv_status)pb->status;
	c->file = codec_get_bytes(&pb->file);
	c->count = (uint32_t)pb->n_entries;
	c->entries = entries;
	return KV_OK;
}

enum kv_status codec_encode_config_set(struct codec_out *out, const struct msg *m)
{
	Kv__ConfigSet pb = KV__CONFIG_SET__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET_BYTES(&pb, name, m->config_set.name);
	CODEC_SET_BYTES(&pb, value, m->config_set.value);
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_config_set(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__ConfigSet *pb = (const Kv__ConfigSet *)meta;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0)
		return KV_INVALID;
	in->msg->config_set.name = codec_get_bytes(&pb->name);
	in->msg->config_set.value = codec_get_bytes(&pb->value);
	return KV_OK;
}

enum kv_status codec_encode_hot_keys(struct codec_out *out, const struct msg *m)
{
	const struct msg_hot_keys *h = &m->hot_keys;
	Kv__HotKey keys[HOT_KEYS_MAX], *pointers[HOT_KEYS_MAX];
	Kv__HotKeys pb = KV__HOT_KEYS__INIT;
	CODEC_SET_COMMON(&pb, m);
	CODEC_SET(&pb, status, h->status);
	CODEC_SET(&pb, window_ms, h->window_ms);
	CODEC_SET(&pb, total, h->total);
	KV_ASSERT(h->count <= HOT_KEYS_MAX);
	for (uint32_t i = 0; i < h->count; i++) {
		kv__hot_key__init(&keys[i]);
		CODEC_SET(&keys[i], bucket, h->keys[i].bucket);
		CODEC_SET_BYTES(&keys[i], key, h->keys[i].key);
		CODEC_SET(&keys[i], reads, h->keys[i].reads);
		CODEC_SET(&keys[i], writes, h->keys[i].writes);
		CODEC_SET(&keys[i], error, h->keys[i].error);
		pointers[i] = &keys[i];
	}
	pb.n_keys = h->count;
	pb.keys = pointers;
	return codec_emit(out, &pb.base, slice_of(NULL, 0));
}

enum kv_status codec_decode_hot_keys(struct codec_in *in, const ProtobufCMessage *meta)
{
	const Kv__HotKeys *pb = (const Kv__HotKeys *)meta;
	struct msg_hot_keys *h = &in->msg->hot_keys;
	CODEC_GET_COMMON(pb, in->msg);
	if (in->value.size > 0)
		return KV_INVALID;
	if (pb->n_keys > HOT_KEYS_MAX)
		return KV_TOO_LARGE;
	struct hot_key *keys = CODEC_NEW(in->arena, struct hot_key, pb->n_keys);
	if (!keys)
		return KV_TOO_LARGE;
	for (size_t i = 0; i < pb->n_keys; i++)
		keys[i] = (struct hot_key){
			.bucket = pb->keys[i]->bucket,
			.key = codec_get_bytes(&pb->keys[i]->key),
			.reads = pb->keys[i]->reads,
			.writes = pb->keys[i]->writes,
			.error = pb->keys[i]->error,
		};
	h->status = (enum kv_status)pb->status;
	h->window_ms = pb->window_ms;
	h->total = pb->total;
	h->count = (uint32_t)pb->n_keys;
	h->keys = keys;
	return KV_OK;
}
