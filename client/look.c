/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into one node: its part in a key, its settings, the keys it is asked for most. */
#include <kv/admin.h>

#include "client/admin.h"
#include "client/options.h"
#include "client/trace.h"

_Static_assert(KV_EXPLAINED_HINTS_MAX == EXPLAIN_HINTS_MAX, "the public header repeats this limit");
_Static_assert(KV_ON_DISK_UNREADABLE == (int)EXPLAIN_UNREADABLE, "numbers are the wire's");
_Static_assert(KV_SETTING_CLUSTER == (int)CONFIG_CLUSTER && KV_SETTING_MAP == (int)CONFIG_MAP,
	       "numbers are the wire's");

static struct kv_version version_out(struct version v) { return (struct kv_version){.hlc = v.hlc, .id = v.id}; }

static void fill_record(const struct record *r, struct kv_explanation *ret)
{
	ret->copy = version_out(r->ver);
	ret->version = version_out(r->org);
	ret->weak = r->weak;
	ret->tombstone = r->tombstone;
	ret->strong = r->strong;
	ret->value_hash = r->value_hash;
	ret->value_size = r->value_size;
	ret->expires_ms = r->expires_ms;
	ret->fence = r->fence;
}

static void fill_lists(const struct msg_explanation *e, struct kv_explanation *ret)
{
	ret->hint_count = e->hint_count;
	for (uint32_t i = 0; i < e->hint_count; i++)
		ret->hints[i] = (struct kv_explained_hint){
			.target = e->hints[i].target,
			.key = e->hints[i].key,
			.partition = e->hints[i].partition,
			.version = version_out(e->hints[i].ver),
			.created_ms = hlc_ms(e->hints[i].created),
		};
	ret->pair_count = e->pair_count;
	for (uint32_t i = 0; i < e->pair_count; i++)
		ret->pairs[i] = (struct kv_repair_pair){
			.partition = e->pairs[i].partition,
			.peer = e->pairs[i].peer,
			.equal_age_ms = e->pairs[i].equal_age_ms,
		};
}

static void fill_explanation(const struct msg *m, struct kv_explanation *ret)
{
	const struct msg_explanation *e = &m->explanation;
	*ret = (struct kv_explanation){
		.partition = e->partition,
		.leaf = e->leaf,
		.epoch = m->epoch,
		.config_epoch = e->config_epoch,
		.clock_ms = hlc_ms(m->hlc),
		.is_replica = e->member & EXPLAIN_PRESENT,
		.is_to_be = e->member & EXPLAIN_TO_BE,
		.serves = e->serves,
		.stage = (enum kv_move_stage)e->stage,
		.disk = (enum kv_on_disk)e->disk,
		.stored_size = e->stored_size,
		.in_memory = e->in_memory,
		.writing = e->writing,
		.lineage = e->lineage,
		.memories = e->memories,
		.promised = version_out(e->promised),
		.promise = version_out(e->promise),
		.memory = version_out(e->memory),
		.seal = version_out(e->seal),
		.drop = version_out(e->drop),
		.tree_here = e->tree != 0,
		.tree_ready = e->tree >= 2,
		.tree_saved = e->tree == 3,
		.more_hints = e->more_hints,
	};
	fill_record(&e->record, ret);
	fill_lists(e, ret);
}

enum kv_status kv_explain(struct kv_client *client, const char *target, uint32_t bucket, struct kv_slice key,
			  unsigned timeout_ms, struct kv_explanation *ret_explanation, struct kv_error *err)
{
	struct call call;
	if (key.size == 0 || key.size > KEY_SIZE_MAX)
		return client_error(err, KV_INVALID, "the key has %zu bytes: 1 to %u are allowed", key.size,
				    KEY_SIZE_MAX);
	enum kv_status status = admin_call_init(client, &call, OP_EXPLAIN, RETRY_READ, target, timeout_ms, err);
	if (status != KV_OK)
		return status;
	call.request.msg.explain = (struct msg_explain){.bucket = bucket, .key = slice_in(key)};
	status = call_run(client, &call, err);
	if (status != KV_OK)
		return status;
	fill_explanation(&call.request.reply->msg, ret_explanation);
	reply_unref(call.request.reply);
	return KV_OK;
}

/* ---- Settings ---- */

/** Copies TEXT to *AT with a NUL behind it and moves *AT on. */
static const char *keep_text(char **at, struct slice text)
{
	char *start = *at;
	call_copy_text(start, text.size + 1, text);
	*at += text.size + 1;
	return start;
}

/* One block: the struct, settings, texts. */
static struct kv_settings *settings_build(const struct msg_config *m)
{
	size_t list_size = m->count * sizeof(struct kv_setting), texts_size = m->file.size + 1;
	for (uint32_t i = 0; i < m->count; i++) {
		const struct config_entry *e = &m->entries[i];
		texts_size += e->name.size + e->value.size + e->fallback.size + e->waits.size + 4;
	}
	struct kv_settings *s = xcalloc(1, sizeof *s + list_size + texts_size);
	struct kv_setting *list = (void *)(s + 1);
	char *at = (char *)list + list_size;
	for (uint32_t i = 0; i < m->count; i++) {
		const struct config_entry *e = &m->entries[i];
		list[i] = (struct kv_setting){
			.name = keep_text(&at, e->name),
			.value = keep_text(&at, e->value),
			.fallback = keep_text(&at, e->fallback),
			.waits = e->needs_restart ? keep_text(&at, e->waits) : NULL,
			.scope = (enum kv_setting_scope)e->scope,
			.source = (enum kv_setting_source)e->source,
		};
	}
	s->file = keep_text(&at, m->file);
	s->count = m->count;
	s->settings = list;
	return s;
}

_Static_assert(sizeof(struct kv_settings) % _Alignof(struct kv_setting) == 0, "settings follow the struct");

enum kv_status kv_settings_get(struct kv_client *client, const char *target, unsigned timeout_ms,
			       struct kv_settings **ret_settings, struct kv_error *err)
{
	struct call call;
	enum kv_status status = admin_call_init(client, &call, OP_CONFIG_GET, RETRY_READ, target, timeout_ms, err);
	if (status == KV_OK)
		status = call_run(client, &call, err);
	if (status != KV_OK)
		return status;
	*ret_settings = settings_build(&call.request.reply->msg.config);
	reply_unref(call.request.reply);
	return KV_OK;
}

void kv_settings_free(struct kv_settings *settings) { free(settings); }

enum kv_status kv_setting_set(struct kv_client *client, const char *target, const char *name, const char *value,
			      unsigned timeout_ms, struct kv_error *err)
{
	struct call call;
	enum kv_status status = admin_call_init(client, &call, OP_CONFIG_SET, RETRY_FOUND, target, timeout_ms, err);
	if (status != KV_OK)
		return status;
	call.request.msg.config_set = (struct msg_config_set){.name = slice_str(name), .value = slice_str(value)};
	status = call_run(client, &call, err);
	if (status == KV_OK)
		reply_unref(call.request.reply);
	return status;
}

/* ---- Hot keys ---- */

/* One block: the struct, keys, their bytes. */
static struct kv_hot_keys *hot_keys_build(const struct msg_hot_keys *m)
{
	size_t list_size = m->count * sizeof(struct kv_hot_key), bytes_size = 0;
	for (uint32_t i = 0; i < m->count; i++)
		bytes_size += m->keys[i].key.size;
	struct kv_hot_keys *h = xcalloc(1, sizeof *h + list_size + bytes_size);
	struct kv_hot_key *list = (void *)(h + 1);
	char *at = (char *)list + list_size;
	for (uint32_t i = 0; i < m->count; i++) {
		const struct hot_key *k = &m->keys[i];
		list[i] = (struct kv_hot_key){.bucket = k->bucket,
					      .key = kv_slice_of(at, k->key.size),
					      .reads = k->reads,
					      .writes = k->writes,
					      .error = k->error};
		memcpy(at, k->key.data, k->key.size);
		at += k->key.size;
	}
	h->window_ms = m->window_ms;
	h->total = m->total;
	h->count = m->count;
	h->keys = list;
	return h;
}

_Static_assert(sizeof(struct kv_hot_keys) % _Alignof(struct kv_hot_key) == 0, "keys follow the struct");

enum kv_status kv_hot_keys_get(struct kv_client *client, const char *target, unsigned timeout_ms,
			       struct kv_hot_keys **ret_keys, struct kv_error *err)
{
	struct call call;
	enum kv_status status = admin_call_init(client, &call, OP_HOT_KEYS, RETRY_READ, target, timeout_ms, err);
	if (status == KV_OK)
		status = call_run(client, &call, err);
	if (status != KV_OK)
		return status;
	*ret_keys = hot_keys_build(&call.request.reply->msg.hot_keys);
	reply_unref(call.request.reply);
	return KV_OK;
}

void kv_hot_keys_free(struct kv_hot_keys *keys) { free(keys); }

/* ---- Kept timelines ---- */

/** What the public struct points to is in the arena. */
struct kept {
	struct kv_traces out;
	struct arena arena;
};

static struct kv_traces *traces_build(const struct msg_traces *m)
{
	struct kept *kept = xcalloc(1, sizeof *kept);
	kept->arena = ARENA_INIT(SIZE_MAX / 4); /* what arrived is bounded */
	struct kv_kept_trace *list = arena_alloc(&kept->arena, (m->count + 1) * sizeof *list);
	KV_ASSERT(list);
	for (uint32_t i = 0; i < m->count; i++) {
		const struct kept_timeline *from = &m->traces[i];
		list[i] = (struct kv_kept_trace){
			.arrived_us = from->wall_us,
			.slow = from->slow,
			.replica = from->timeline->spans[0].kind == SPAN_SERVE,
			.timeline = timeline_out(from->timeline, 0, &kept->arena),
		};
		KV_ASSERT(list[i].timeline);
	}
	kept->out = (struct kv_traces){.count = m->count, .traces = list};
	return &kept->out;
}

enum kv_status kv_traces_get(struct kv_client *client, const char *target, const char *trace_id,
			     unsigned timeout_ms, struct kv_traces **ret_traces, struct kv_error *err)
{
	struct call call;
	struct msg_trace_query query = {0};
	if (trace_id && !trace_id_parse(trace_id, &query.trace_hi, &query.trace_lo))
		return client_error(err, KV_INVALID,
				    "\"%.80s\" is no trace id: 32 hexadecimal digits in lower case", trace_id);
	enum kv_status status = admin_call_init(client, &call, OP_TRACES, RETRY_READ, target, timeout_ms, err);
	if (status != KV_OK)
		return status;
	call.request.msg.trace_query = query;
	status = call_run(client, &call, err);
	if (status != KV_OK)
		return status;
	*ret_traces = traces_build(&call.request.reply->msg.traces);
	reply_unref(call.request.reply);
	return KV_OK;
}

void kv_traces_free(struct kv_traces *traces)
{
	struct kept *kept = (struct kept *)traces;
	if (!kept)
		return;
	arena_release(&kept->arena);
	free(kept);
}
