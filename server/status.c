/* SPDX-License-Identifier: Apache-2.0 */
#include "server/status.h"

#include "server/release.h"

#include "base/clock.h"
#include "proto/codec.h"

/* ---- What is counted ---- */

static void fill_numbers(const struct server *server, struct status_numbers *n)
{
#define COPY_(name) n->name = stats_get(&server->stats.name);
	SERVER_COUNTERS(COPY_)
#undef COPY_
	const struct commit_stats *commit = commit_stats(server->commit);
	struct store_stats store;
	store_stats(server->store, &store);
	n->buffer_bytes = budget_used(&server->budget);
	n->buffer_bytes_max = budget_limit(&server->budget);
	n->connections_max = atomic_load(&server->connections_max);
	n->connections_wanted = server->config->limits_connections;
	n->open_files_max = server->open_files_max;
	n->insecure = server->config->insecure;
	n->wall_clock_ms = clock_wall_us() / USEC_PER_MSEC;
	n->commit_groups = stats_get(&commit->groups);
	n->commit_writes = stats_get(&commit->writes);
	n->commit_records = stats_get(&commit->records);
	n->commit_bytes = stats_get(&commit->bytes);
	n->commit_busy_us = stats_get(&commit->busy_us);
	n->commit_group_us_max = stats_get(&commit->group_us_max);
	n->commit_records_per_sync_milli = n->commit_groups ? n->commit_records * 1000 / n->commit_groups : 0;
	n->store_batches = store.batches;
	n->store_syncs = store.syncs;
	n->store_ops = store.ops;
	n->store_reads = store.reads;
	n->store_reads_again = store.reads_again;
	n->store_bytes_live = store.bytes_live;
	n->store_write_stopped = store.write_stopped;
}

/** Cores each have their own view of a node; the gloomiest counts, 4 (myself) above all. */
static void merge_peer(struct core_stats *into, uint32_t at, const struct core_stats *from, uint32_t from_at)
{
	struct status_peer *to = &into->peers[at];
	const struct status_peer *other = &from->peers[from_at];
	to->index = other->index;
	to->state = MAX(to->state, other->state);
	to->round_trip_us = MAX(to->round_trip_us, other->round_trip_us);
	to->hints_pending += other->hints_pending;
	to->partitions_dirty += other->partitions_dirty;
	to->link_bad |= other->link_bad;
	to->degraded |= other->degraded;
	to->health = MAX(to->health, other->health);
	to->disk_p99_us = MAX(to->disk_p99_us, other->disk_p99_us);
	to->disk_free_pct = MAX(to->disk_free_pct, other->disk_free_pct);
	to->disk_low |= other->disk_low;
	into->peer_epochs[at] = MAX(into->peer_epochs[at], from->peer_epochs[from_at]);
	for (unsigned work = 0; work < REPLICA_WORK_COUNT; work++) {
		into->peer_took[at][work].count += from->peer_took[from_at][work].count;
		into->peer_took[at][work].us += from->peer_took[from_at][work].us;
	}
	int64_t ahead_ms = from->peer_ahead_ms[from_at];
	if (llabs(ahead_ms) > llabs(into->peer_ahead_ms[at]))
		into->peer_ahead_ms[at] = ahead_ms;
}

static void merge_core(struct core_stats *into, const struct core_stats *from)
{
#define ADD_(name) into->name += from->name;
	CORE_COUNTERS(ADD_)
#undef ADD_
	for (uint32_t i = 0; i < from->peer_count; i++) {
		uint32_t at = 0;
		while (at < into->peer_count && into->peers[at].index != from->peers[i].index)
			at++;
		if (at == NODES_MAX)
			continue;
		if (at == into->peer_count)
			into->peer_count++;
		merge_peer(into, at, from, i);
	}
}

/** A peer that told of a newer map: it should be here in a moment. */
static bool map_is_old(struct server *server, const struct status *s)
{
	bool newer = false;
	for (uint32_t i = 0; i < s->core.peer_count; i++)
		newer = newer || s->core.peer_epochs[i] > s->map_epoch;
	usec_t now_us = clock_mono_us(), never = 0;
	if (!newer) {
		atomic_store(&server->map_old_us, 0);
		return false;
	}
	atomic_compare_exchange_strong(&server->map_old_us, &never, now_us);
	return now_us - atomic_load(&server->map_old_us) > STATUS_MAP_LAG_US;
}

static void fill_who(const struct server *server, struct status *s)
{
	s->node = server->identity.node;
	s->index = NODE_NONE;
	s->incarnation = server->identity.incarnation;
	s->uptime_us = clock_mono_us() - server->started_us;
	s->shards = server->shard_count;
	s->version = slice_str(release.version);
	s->name = slice_str(server->config->node_name);
	s->zone = slice_str(server->config->node_zone);
	s->client_address = slice_str(server_advertised(server, HELLO_CLIENT));
	s->http_address = slice_str(server->http_door.address);
}

void status_collect_counts(struct server *server, struct status *ret)
{
	struct shard_status one;
	memset(&ret->core, 0, sizeof ret->core);
	fill_who(server, ret);
	ret->ready = true;
	for (uint32_t i = 0; i < server->shard_count; i++) {
		shard_status_copy(server->shards[i], &one);
		merge_core(&ret->core, &one.core);
		ret->ready = ret->ready && one.ready;
		if (i > 0)
			continue;
		ret->cluster = one.cluster;
		ret->index = one.index;
		ret->map_epoch = one.epoch;
	}
	fill_numbers(server, &ret->numbers);
	ret->disk_free_pct = atomic_load_explicit(&commit_stats(server->commit)->free_pct, memory_order_relaxed);
	ret->joined = ret->index != NODE_NONE;
	ret->draining = atomic_load(&server->draining);
	ret->map_old = map_is_old(server, ret);
}

/* ---- What is measured ---- */

static void add_opstats(struct status *s, const struct opstats *o)
{
	for (unsigned op = 0; op < OPSTATS_OP_COUNT; op++) {
		for (unsigned level = 0; level < OPSTATS_LEVEL_COUNT; level++) {
			hist_merge_live(&s->took_us[op][level], &o->took_us[op][level]);
			for (unsigned i = 0; i < OPSTATS_STATUS_COUNT; i++)
				s->results[op][level][i] += stats_get(&o->results[op][level][i]);
		}
	}
	for (unsigned queue = 0; queue < OPSTATS_QUEUE_COUNT; queue++)
		hist_merge_live(&s->queue_us[queue], &o->queue_us[queue]);
	hist_merge_live(&s->loop_lag_us, &o->loop_lag_us);
}

static void fill_measured(const struct server *server, struct status *s)
{
	memset(s->results, 0, sizeof s->results);
	for (unsigned op = 0; op < OPSTATS_OP_COUNT; op++) {
		for (unsigned level = 0; level < OPSTATS_LEVEL_COUNT; level++)
			hist_init(&s->took_us[op][level]);
	}
	for (unsigned queue = 0; queue < OPSTATS_QUEUE_COUNT; queue++)
		hist_init(&s->queue_us[queue]);
	hist_init(&s->loop_lag_us);
	hist_init(&s->sync_us);
	for (uint32_t i = 0; i < server->shard_count; i++)
		add_opstats(s, server->shards[i]->opstats);
	hist_merge_live(&s->sync_us, commit_sync_us(server->commit));
}

/* ---- The cluster ---- */

static void fill_map(struct server *server, struct buf *bytes, struct arena *arena, struct status *s)
{
	shard_told_copy(server->shards[0], SHARD_MAP, bytes);
	s->map = NULL;
	if (bytes->size == 0)
		return;
	struct map_desc *map = arena_alloc(arena, sizeof *map);
	KV_ASSERT(map);
	enum kv_status status = codec_map_decode(buf_slice(bytes), arena, map);
	KV_ASSERT(status == KV_OK); /* this process encoded it */
	s->map = map;
}

/** The answer that a shard keeps of what it asked its core; false if there is none yet. */
static bool load_answer(struct shard *shard, enum shard_told what, struct buf *bytes, struct arena *arena,
			struct msg *ret)
{
	shard_told_copy(shard, what, bytes);
	if (bytes->size == 0)
		return false;
	const struct frame_limits limits = FRAME_LIMITS_OPEN(VALUE_SIZE_MAX);
	struct frame_header header;
	enum frame_error error = frame_header_decode(bytes->data, &limits, &header);
	KV_ASSERT(error == FRAME_OK);
	struct slice meta = slice_of(bytes->data + FRAME_HEADER_SIZE, header.meta_size);
	enum kv_status status = codec_decode(&header, meta, slice_of(NULL, 0), arena, ret);
	KV_ASSERT(status == KV_OK);
	return ret->opcode != OP_ERROR;
}

/** Keeps the oldest pairs, oldest first. */
static void add_pair(struct status *s, const struct repair_pair *pair)
{
	uint32_t at = s->pair_count;
	while (at > 0 && s->pairs[at - 1].equal_age_ms < pair->equal_age_ms)
		at--;
	if (at == STATUS_PAIRS_MAX)
		return;
	uint32_t behind = MIN(s->pair_count, STATUS_PAIRS_MAX - 1) - at;
	memmove(&s->pairs[at + 1], &s->pairs[at], behind * sizeof s->pairs[0]);
	s->pairs[at] = *pair;
	s->pair_count = MIN(s->pair_count + 1, STATUS_PAIRS_MAX);
}

static void add_repair(struct status *s, const struct msg_repair *one)
{
	struct msg_repair *all = &s->repair;
	all->partitions += one->partitions;
	all->oldest_ms = MAX(all->oldest_ms, one->oldest_ms);
	all->building += one->building;
	all->exchanges += one->exchanges;
	all->differing += one->differing;
	all->repaired += one->repaired;
	all->scrubbed += one->scrubbed;
	all->corrupt += one->corrupt;
	all->tombstones += one->tombstones;
	all->purge_blocked += one->purge_blocked;
	if (one->purge_age_ms > all->purge_age_ms) {
		all->purge_age_ms = one->purge_age_ms;
		all->purge_blocked_by = one->purge_blocked_by;
	}
	for (uint32_t i = 0; i < one->pair_count; i++)
		add_pair(s, &one->pairs[i]);
}

static void fill_work(struct server *server, struct buf *bytes, struct arena *arena, struct status *s)
{
	struct msg answer;
	s->moves = (struct msg_move_list){0};
	s->repair = (struct msg_repair){.shards = server->shard_count, .purge_blocked_by = NODE_NONE};
	s->pair_count = 0;
	if (load_answer(server->shards[0], SHARD_MOVES, bytes, arena, &answer))
		s->moves = answer.move_list;
	for (uint32_t i = 0; i < server->shard_count; i++) {
		if (load_answer(server->shards[i], SHARD_REPAIR, bytes, arena, &answer) &&
		    answer.repair.status == KV_OK)
			add_repair(s, &answer.repair);
	}
}

void status_collect(struct server *server, struct arena *arena, struct status *ret)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	arena_reset(arena);
	arena->limit = SIZE_MAX / 2;
	status_collect_counts(server, ret);
	fill_measured(server, ret);
	fill_map(server, &bytes, arena, ret);
	fill_work(server, &bytes, arena, ret);
	pages_copy(&server->pages, arena, ret->pages);
	if (ret->index != NODE_NONE)
		ret->pages[ret->index] = slice_str(server->pages.own);
	status_judge(ret);
	ret->slow_count = (uint32_t)slow_ops_recent(server, ret->slow, STATUS_SLOW_MAX);
}

/* ---- Questions ---- */

bool status_is_fit(const struct status *s, const char **ret_why)
{
	*ret_why = s->draining  ? "the node is shutting down"
		   : !s->joined ? "the node is part of no cluster"
		   : !s->ready  ? "the node cannot issue versions yet"
		   : s->map_old ? "the node does not get the newest cluster map"
				: "";
	return **ret_why == '\0';
}

const struct map_node *status_node(const struct status *s, node_id index)
{
	return s->map && index < s->map->node_count ? &s->map->nodes[index] : NULL;
}

const struct status_peer *status_peer_of(const struct status *s, node_id index)
{
	for (uint32_t i = 0; i < s->core.peer_count; i++) {
		if (s->core.peers[i].index == index)
			return &s->core.peers[i];
	}
	return NULL;
}

const char *status_peer_state_name(uint32_t state)
{
	static const char *const names[] = {"unknown", "up", "suspect", "down", "myself"};
	return state < ARRAY_SIZE(names) ? names[state] : names[0];
}
