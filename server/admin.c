/* SPDX-License-Identifier: Apache-2.0 */
#include "server/admin.h"

#include "base/clock.h"
#include "server/shard.h"

enum {
	COUNTERS_MAX = 128,
	ARENA_LIMIT = 64 << 10,
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

static void add_core(struct counters *c, const struct core_stats *sum)
{
#define ADD_(name) add(c, #name, sum->name);
	CORE_COUNTERS(ADD_)
#undef ADD_
}

static void add_server(struct counters *c, const struct server *server)
{
#define ADD_(name) add(c, #name, stats_get(&server->stats.name));
	SERVER_COUNTERS(ADD_)
#undef ADD_
	add(c, "buffer_bytes", budget_used(&server->budget));
	add(c, "buffer_bytes_max", budget_limit(&server->budget));
	add(c, "connections_max", server->connections_max);
	add(c, "connections_wanted", server->config->limits_connections);
	add(c, "open_files_max", server->open_files_max);
	add(c, "wall_clock_ms", clock_wall_us() / USEC_PER_MSEC);
}

static void add_storage(struct counters *c, const struct server *server)
{
	const struct commit_stats *commit = commit_stats(server->commit);
	struct store_stats store;
	store_stats(server->store, &store);
	uint64_t groups = stats_get(&commit->groups);
	uint64_t records = stats_get(&commit->records);
	add(c, "commit_groups", groups);
	add(c, "commit_writes", stats_get(&commit->writes));
	add(c, "commit_records", records);
	add(c, "commit_bytes", stats_get(&commit->bytes));
	add(c, "commit_busy_us", stats_get(&commit->busy_us));
	add(c, "commit_group_us_max", stats_get(&commit->group_us_max));
	add(c, "commit_records_per_sync_milli", groups ? records * 1000 / groups : 0);
	add(c, "store_batches", store.batches);
	add(c, "store_syncs", store.syncs);
	add(c, "store_ops", store.ops);
	add(c, "store_reads", store.reads);
	add(c, "store_reads_again", store.reads_again);
	add(c, "store_bytes_live", store.bytes_live);
	add(c, "store_write_stopped", store.write_stopped);
}

/** Cores each have their own view of a node; the gloomiest counts, 4 (myself) above all. */
static void merge_peer(struct status_peer *into, const struct status_peer *from)
{
	into->index = from->index;
	into->state = MAX(into->state, from->state);
	into->round_trip_us = MAX(into->round_trip_us, from->round_trip_us);
	into->hints_pending += from->hints_pending;
	into->partitions_dirty += from->partitions_dirty;
	into->link_bad |= from->link_bad;
	into->degraded |= from->degraded;
	into->health = MAX(into->health, from->health);
	into->disk_p99_us = MAX(into->disk_p99_us, from->disk_p99_us);
	into->disk_free_pct = MAX(into->disk_free_pct, from->disk_free_pct);
}

static void merge_core(struct core_stats *into, struct status_peer *peers, uint32_t *peer_count,
		       const struct core_stats *from)
{
#define ADD_(name) into->name += from->name;
	CORE_COUNTERS(ADD_)
#undef ADD_
	for (uint32_t i = 0; i < from->peer_count; i++) {
		uint32_t at = 0;
		while (at < *peer_count && peers[at].index != from->peers[i].index)
			at++;
		if (at == NODES_MAX)
			continue;
		if (at == *peer_count)
			(*peer_count)++;
		merge_peer(&peers[at], &from->peers[i]);
	}
}

enum kv_status admin_status(struct server *server, struct arena *arena, struct msg_status *ret)
{
	struct counters counters = {.items = arena_alloc(arena, COUNTERS_MAX * sizeof *counters.items)};
	struct status_peer *peers = arena_alloc(arena, NODES_MAX * sizeof *peers);
	struct shard_status *one = arena_alloc(arena, sizeof *one);
	struct core_stats *sum = arena_alloc(arena, sizeof *sum);
	if (!counters.items || !peers || !one || !sum)
		return KV_OVERLOADED;
	memset(peers, 0, NODES_MAX * sizeof *peers);
	memset(sum, 0, sizeof *sum);
	*ret = (struct msg_status){
		.node = server->identity.node,
		.index = NODE_NONE,
		.incarnation = server->identity.incarnation,
		.uptime_ms = (clock_mono_us() - server->started_us) / USEC_PER_MSEC,
		.shards = server->shard_count,
		.ready = true,
		.version = slice_str(KVD_VERSION),
		.name = slice_str(server->config->node_name),
	};
	for (uint32_t i = 0; i < server->shard_count; i++) {
		shard_status_copy(server->shards[i], one);
		merge_core(sum, peers, &ret->peer_count, &one->core);
		ret->ready &= one->ready;
		if (i > 0)
			continue;
		ret->cluster = one->cluster;
		ret->index = one->index;
		ret->map_epoch = one->epoch;
	}
	add_core(&counters, sum);
	add_server(&counters, server);
	add_storage(&counters, server);
	ret->peers = peers;
	ret->counter_count = counters.count;
	ret->counters = counters.items;
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
