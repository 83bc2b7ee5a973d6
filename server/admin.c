/* SPDX-License-Identifier: Apache-2.0 */
#include "server/admin.h"

#include "server/status.h"

enum {
	COUNTERS_MAX = 192,
	ARENA_LIMIT = 128 << 10,
	CONFIG_ARENA_LIMIT = 1 << 20,
	CLUSTER_ENTRIES = 2,
	HOT_ARENA_LIMIT = 4 << 20
};

struct counters {
	struct status_counter *items;
	uint32_t count;
};

static void add(struct counters *c, const char *name, uint64_t value)
{
	KV_ASSERT(c->count < COUNTERS_MAX);
	c->items[c->count++] = (struct status_counter){.name = slice_str(name), .value = value};
}

static void add_all(struct counters *c, const struct status *s)
{
#define ADD_(name) add(c, #name, s->core.name);
	CORE_COUNTERS(ADD_)
#undef ADD_
#define ADD_(name) add(c, #name, s->numbers.name);
	STATUS_SERVER_NUMBERS(ADD_)
#undef ADD_
}

/** Of the last whole window. */
static void add_latencies(struct counters *c, struct server *server)
{
	static const char *const names[LATENCY_GROUPS][2] = {
		[LATENCY_READS] = {"reads_p50_us", "reads_p99_us"},
		[LATENCY_READS_STRONG] = {"reads_strong_p50_us", "reads_strong_p99_us"},
		[LATENCY_WRITES] = {"writes_p50_us", "writes_p99_us"},
		[LATENCY_WRITES_STRONG] = {"writes_strong_p50_us", "writes_strong_p99_us"}};
	struct hist took[LATENCY_GROUPS];
	for (int g = 0; g < LATENCY_GROUPS; g++)
		hist_init(&took[g]);
	for (uint32_t i = 0; i < server->shard_count; i++)
		shard_took(server->shards[i], took);
	for (int g = 0; g < LATENCY_GROUPS; g++) {
		add(c, names[g][0], hist_quantile(&took[g], 500));
		add(c, names[g][1], hist_quantile(&took[g], 990));
	}
}

enum kv_status admin_status(struct server *server, struct arena *arena, struct msg_status *ret)
{
	struct counters counters = {.items = arena_alloc(arena, COUNTERS_MAX * sizeof *counters.items)};
	struct status_peer *peers = arena_alloc(arena, NODES_MAX * sizeof *peers);
	if (!counters.items || !peers)
		return KV_OVERLOADED;
	CLEANUP(free_ptr) struct status *s = xcalloc(1, sizeof *s);
	status_collect_counts(server, s);
	add_all(&counters, s);
	add_latencies(&counters, server);
	memcpy(peers, s->core.peers, s->core.peer_count * sizeof *peers);
	*ret = (struct msg_status){
		.cluster = s->cluster,
		.node = s->node,
		.index = s->index,
		.incarnation = s->incarnation,
		.map_epoch = s->map_epoch,
		.uptime_ms = s->uptime_us / USEC_PER_MSEC,
		.shards = (uint32_t)s->shards,
		.ready = s->ready,
		.version = s->version,
		.name = s->name,
		.peer_count = s->core.peer_count,
		.peers = peers,
		.counter_count = counters.count,
		.counters = counters.items,
	};
	return KV_OK;
}

void admin_reply_status(struct server *server, struct conn *c, const struct msg *request)
{
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(ARENA_LIMIT);
	struct msg reply = {.opcode = OP_STATUS, .reply = true, .id = request->id};
	enum kv_status status = admin_status(server, &arena, &reply.status);
	KV_ASSERT(status == KV_OK); /* sized for it */
	conn_send(c, &reply);
}

/** What the cluster was formed with: no file of a node says so. */
static void add_cluster_entry(struct arena *arena, struct msg_config *config, const char *name, uint32_t value)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	buf_printf(&text, "%u", value);
	struct config_entry *entries = (struct config_entry *)(uintptr_t)config->entries;
	entries[config->count++] = (struct config_entry){.name = slice_str(name),
							 .value = arena_copy(arena, buf_slice(&text)),
							 .scope = CONFIG_CLUSTER,
							 .source = CONFIG_MAP};
}

void admin_reply_config(struct shard *shard, struct conn *c, const struct msg *request)
{
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(CONFIG_ARENA_LIMIT);
	struct msg reply = {.opcode = OP_CONFIG_GET, .reply = true, .id = request->id};
	bool fits = settings_list(&shard->server->settings, &arena, CLUSTER_ENTRIES, &reply.config);
	KV_ASSERT(fits); /* sized for it */
	if (node_core_partitions(shard->node.core) > 0) {
		add_cluster_entry(&arena, &reply.config, "cluster.partitions",
				  node_core_partitions(shard->node.core));
		add_cluster_entry(&arena, &reply.config, "cluster.replicas", node_core_replicas(shard->node.core));
	}
	conn_send(c, &reply);
}

void admin_change_config(struct server *server, struct conn *c, const struct msg *request)
{
	struct error error = {0};
	struct msg reply = {.opcode = OP_CONFIG_SET, .reply = true, .id = request->id};
	reply.result.status =
		settings_set(&server->settings, request->config_set.name, request->config_set.value, &error);
	if (reply.result.status != KV_OK)
		reply.result.message = slice_str(error.message);
	conn_send(c, &reply);
}

void admin_reply_hot_keys(struct server *server, struct conn *c, const struct msg *request)
{
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(HOT_ARENA_LIMIT);
	struct msg reply = {.opcode = OP_HOT_KEYS, .reply = true, .id = request->id};
	struct hot_sum *sum = arena_alloc(&arena, sizeof *sum);
	KV_ASSERT(sum);
	sum->count = 0;
	sum->total = 0;
	for (uint32_t i = 0; i < server->shard_count; i++)
		shard_hot_keys(server->shards[i], sum);
	hot_sum_tell(sum, &arena, &reply.hot_keys);
	conn_send(c, &reply);
}

/* ---- Kept timelines ---- */

/** Newer ones first. */
static int compare_kept(const void *left, const void *right)
{
	const struct kept_trace *a = *(struct kept_trace *const *)left, *b = *(struct kept_trace *const *)right;
	return a->wall_us > b->wall_us ? -1 : a->wall_us < b->wall_us;
}

/** References to what is asked for, newest first, in an array that the caller frees. */
static struct kept_trace **find_traces(struct server *server, const struct msg_trace_query *query,
				       size_t *ret_count)
{
	bool whole = query->trace_hi != 0 || query->trace_lo != 0;
	size_t count = 0, max = whole ? TRACES_WHOLE_MAX : TRACES_TOLD_MAX;
	struct kept_trace **all = xcalloc(server->shard_count * (size_t)TRACES_KEPT, sizeof(struct kept_trace *));
	for (uint32_t i = 0; i < server->shard_count; i++) {
		size_t end = count + traces_recent(&server->shards[i]->traces, all + count, TRACES_KEPT);
		for (size_t k = count; k < end; k++) {
			const struct trace_context *context = &all[k]->timeline.context;
			if (!whole ||
			    (context->trace_hi == query->trace_hi && context->trace_lo == query->trace_lo))
				all[count++] = all[k];
			else
				kept_trace_unref(all[k]);
		}
	}
	qsort(all, count, sizeof(struct kept_trace *), compare_kept);
	while (count > max)
		kept_trace_unref(all[--count]);
	*ret_count = count;
	return all;
}

void admin_reply_traces(struct server *server, struct conn *c, const struct msg *request)
{
	const struct msg_trace_query *query = &request->trace_query;
	bool whole = query->trace_hi != 0 || query->trace_lo != 0;
	size_t count;
	CLEANUP(free_ptr) struct kept_trace **found = find_traces(server, query, &count);
	CLEANUP(free_ptr) struct kept_timeline *told = xcalloc(count + 1, sizeof *told);
	CLEANUP(free_ptr) struct msg_timeline *timelines = xcalloc(count + 1, sizeof *timelines);
	struct msg reply = {.opcode = OP_TRACES, .reply = true, .id = request->id};
	for (size_t i = 0; i < count; i++) {
		timelines[i] = found[i]->timeline;
		timelines[i].span_count = whole ? timelines[i].span_count : 1;
		told[i] = (struct kept_timeline){
			.wall_us = found[i]->wall_us, .slow = timelines[i].slow, .timeline = &timelines[i]};
	}
	reply.traces = (struct msg_traces){.count = (uint32_t)count, .traces = told};
	conn_send(c, &reply);
	for (size_t i = 0; i < count; i++)
		kept_trace_unref(found[i]);
}
