/* SPDX-License-Identifier: Apache-2.0 */
#include "server/status_json.h"

#include "base/jsonw.h"

static void put_uuid(struct jsonw *w, const char *name, const struct uuid *id)
{
	char text[UUID_TEXT_SIZE];
	uuid_format(id, text);
	jsonw_str(w, name, text);
}

static void put_age(struct jsonw *w, const char *name, uint64_t ms)
{
	if (ms == UINT64_MAX)
		jsonw_null(w, name);
	else
		jsonw_u64(w, name, ms);
}

static void put_index(struct jsonw *w, const char *name, node_id index)
{
	if (index == NODE_NONE)
		jsonw_null(w, name);
	else
		jsonw_u64(w, name, index);
}

static void put_row(struct jsonw *w, const char *name, const node_id *row, uint32_t count)
{
	jsonw_array(w, name);
	for (uint32_t i = 0; i < count; i++)
		jsonw_u64(w, NULL, row[i]);
	jsonw_array_end(w);
}

static void put_node(struct jsonw *w, const struct status *s)
{
	const char *why;
	bool fit = status_is_fit(s, &why);
	jsonw_object(w, "node");
	jsonw_text(w, "name", s->name);
	put_index(w, "index", s->index);
	put_uuid(w, "id", &s->node);
	jsonw_text(w, "zone", s->zone);
	jsonw_text(w, "version", s->version);
	jsonw_u64(w, "incarnation", s->incarnation);
	jsonw_u64(w, "uptime_ms", s->uptime_us / USEC_PER_MSEC);
	jsonw_u64(w, "shards", s->shards);
	jsonw_text(w, "client_address", s->client_address);
	jsonw_text(w, "http_address", s->http_address);
	jsonw_bool(w, "fit", fit);
	jsonw_str(w, "unfit_because", why);
	jsonw_bool(w, "joined", s->joined);
	jsonw_bool(w, "ready", s->ready);
	jsonw_bool(w, "draining", s->draining);
	jsonw_bool(w, "insecure", s->numbers.insecure != 0);
	jsonw_u64(w, "disk_free_pct", s->disk_free_pct);
	jsonw_object_end(w);
}

static void put_verdict(struct jsonw *w, const struct status *s)
{
	const struct cluster_health *h = &s->health;
	CLEANUP(buf_release) struct buf words = BUF_INIT;
	cluster_health_words(h, &words);
	jsonw_object(w, "verdict");
	jsonw_str(w, "state", cluster_state_name(h->state));
	jsonw_text(w, "words", buf_slice(&words));
	jsonw_u64(w, "members", h->members);
	jsonw_u64(w, "members_up", h->members_up);
	jsonw_u64(w, "without_quorum", h->without_quorum);
	jsonw_u64(w, "unreachable", h->unreachable);
	jsonw_u64(w, "under_replicated", h->under_replicated);
	jsonw_u64(w, "losable", h->losable);
	jsonw_u64(w, "hints_pending", h->hints_pending);
	jsonw_u64(w, "partitions_dirty", h->partitions_dirty);
	jsonw_u64(w, "moving", h->moving);
	jsonw_object_end(w);
}

static uint32_t count_held(const struct map_desc *map, node_id node)
{
	uint32_t held = 0;
	for (uint32_t i = 0; i < map->partitions * map->replicas; i++)
		held += map->rows[i] == node;
	return held;
}

static void put_peer(struct jsonw *w, const struct status *s, node_id index)
{
	const struct core_stats *core = &s->core;
	uint32_t at = 0;
	while (at < core->peer_count && core->peers[at].index != index)
		at++;
	if (at == core->peer_count)
		return;
	const struct status_peer *peer = &core->peers[at];
	jsonw_str(w, "liveness", status_peer_state_name(peer->state));
	jsonw_bool(w, "link_bad", peer->link_bad);
	jsonw_bool(w, "disk_slow", peer->degraded);
	jsonw_u64(w, "health", peer->health);
	jsonw_u64(w, "round_trip_us", peer->round_trip_us);
	jsonw_u64(w, "disk_p99_us", peer->disk_p99_us);
	jsonw_u64(w, "disk_free_pct", peer->disk_free_pct);
	jsonw_bool(w, "disk_low", peer->disk_low);
	jsonw_u64(w, "hints_pending", peer->hints_pending);
	jsonw_u64(w, "partitions_dirty", peer->partitions_dirty);
	jsonw_u64(w, "epoch", peer->state == STATUS_PEER_MYSELF ? s->map_epoch : core->peer_epochs[at]);
	jsonw_i64(w, "clock_ahead_ms", core->peer_ahead_ms[at]);
}

static void put_nodes(struct jsonw *w, const struct status *s)
{
	jsonw_array(w, "nodes");
	for (uint32_t i = 0; s->map && i < s->map->node_count; i++) {
		const struct map_node *node = &s->map->nodes[i];
		jsonw_object(w, NULL);
		jsonw_u64(w, "index", node->index);
		jsonw_text(w, "name", node->name);
		jsonw_str(w, "state", map_log_state(node->state));
		jsonw_text(w, "zone", node->zone);
		jsonw_u64(w, "weight", node->weight);
		jsonw_text(w, "peer_address", node->peer_address);
		jsonw_text(w, "client_address", node->client_address);
		jsonw_text(w, "http_address", s->pages[node->index]);
		jsonw_u64(w, "partitions", count_held(s->map, node->index));
		put_peer(w, s, node->index);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static const char *stage_name(enum move_stage stage)
{
	static const char *const names[] = {"waiting", "opening", "copying", "checking", "done"};
	return (unsigned)stage < ARRAY_SIZE(names) ? names[stage] : "unknown";
}

static void put_move(struct jsonw *w, const struct move_status *m)
{
	jsonw_object(w, NULL);
	jsonw_u64(w, "partition", m->partition);
	put_index(w, "to", m->node);
	put_index(w, "source", m->source);
	put_row(w, "old_row", m->old_row, m->old_count);
	put_row(w, "new_row", m->new_row, m->new_count);
	jsonw_str(w, "stage", stage_name(m->stage));
	jsonw_u64(w, "keys", m->keys);
	jsonw_u64(w, "keys_done", m->keys_done);
	jsonw_u64(w, "bytes", m->bytes);
	jsonw_u64(w, "bytes_done", m->bytes_done);
	jsonw_u64(w, "bytes_per_sec", m->bytes_per_sec);
	jsonw_u64(w, "retries", m->retries);
	jsonw_text(w, "message", m->message);
	jsonw_object_end(w);
}

static void put_cluster(struct jsonw *w, const struct status *s)
{
	const struct map_desc *map = s->map;
	jsonw_object(w, "cluster");
	put_uuid(w, "id", &s->cluster);
	jsonw_text(w, "name", map ? map->name : slice_str(""));
	jsonw_u64(w, "epoch", s->map_epoch);
	jsonw_u64(w, "partitions", map ? map->partitions : 0);
	jsonw_u64(w, "replicas", map ? map->replicas : 0);
	jsonw_object_end(w);
	put_verdict(w, s);
	put_nodes(w, s);
	jsonw_array(w, "rows");
	for (uint32_t p = 0; map && p < map->partitions; p++)
		put_row(w, NULL, map->rows + (size_t)p * map->replicas, map->replicas);
	jsonw_array_end(w);
	jsonw_object(w, "moves");
	jsonw_u64(w, "waiting", s->moves.waiting);
	jsonw_bool(w, "paused", s->moves.paused);
	jsonw_array(w, "items");
	for (uint32_t i = 0; i < s->moves.count; i++)
		put_move(w, &s->moves.moves[i]);
	jsonw_array_end(w);
	jsonw_object_end(w);
}

static void put_repair(struct jsonw *w, const struct status *s)
{
	const struct msg_repair *r = &s->repair;
	jsonw_object(w, "repair");
	jsonw_u64(w, "partitions", r->partitions);
	put_age(w, "oldest_ms", r->oldest_ms);
	jsonw_u64(w, "building", r->building);
	jsonw_u64(w, "exchanges", r->exchanges);
	jsonw_u64(w, "differing", r->differing);
	jsonw_u64(w, "repaired", r->repaired);
	jsonw_u64(w, "scrubbed", r->scrubbed);
	jsonw_u64(w, "corrupt", r->corrupt);
	jsonw_u64(w, "tombstones", r->tombstones);
	put_age(w, "purge_age_ms", r->purge_age_ms);
	jsonw_u64(w, "purge_blocked", r->purge_blocked);
	put_index(w, "purge_blocked_by", r->purge_blocked_by);
	jsonw_array(w, "oldest");
	for (uint32_t i = 0; i < s->pair_count; i++) {
		jsonw_object(w, NULL);
		jsonw_u64(w, "partition", s->pairs[i].partition);
		put_index(w, "peer", s->pairs[i].peer);
		put_age(w, "equal_age_ms", s->pairs[i].equal_age_ms);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_object_end(w);
}

static void put_quantiles(struct jsonw *w, const struct hist *h)
{
	jsonw_u64(w, "p50_us", hist_quantile(h, 500));
	jsonw_u64(w, "p99_us", hist_quantile(h, 990));
	jsonw_u64(w, "p999_us", hist_quantile(h, 999));
	jsonw_u64(w, "max_us", hist_quantile(h, 1000));
}

static void put_hist(struct jsonw *w, const char *name, const struct hist *h)
{
	jsonw_object(w, name);
	jsonw_u64(w, "count", h->count);
	put_quantiles(w, h);
	jsonw_object_end(w);
}

static void put_results(struct jsonw *w, const uint64_t results[OPSTATS_STATUS_COUNT])
{
	jsonw_object(w, "results");
	for (unsigned i = 0; i < OPSTATS_STATUS_COUNT; i++) {
		if (results[i] > 0)
			jsonw_u64(w, status_name((enum kv_status)i), results[i]);
	}
	jsonw_object_end(w);
}

static void put_requests(struct jsonw *w, const struct metrics_view *view)
{
	const struct status *s = view->now;
	jsonw_array(w, "requests");
	for (unsigned op = 0; op < OPSTATS_OP_COUNT; op++) {
		for (unsigned level = 0; level < OPSTATS_LEVEL_COUNT; level++) {
			if (s->took_us[op][level].count == 0)
				continue;
			jsonw_object(w, NULL);
			jsonw_str(w, "op", opstats_op_name((enum opstats_op)op));
			jsonw_str(w, "level", opstats_level_name(level));
			put_results(w, s->results[op][level]);
			put_hist(w, "since_start", &s->took_us[op][level]);
			put_hist(w, "recent", &view->recent_us[op][level]);
			jsonw_object_end(w);
		}
	}
	jsonw_array_end(w);
	put_hist(w, "sync", &s->sync_us);
	put_hist(w, "loop_lag", &s->loop_lag_us);
}

static void put_counters(struct jsonw *w, const struct status *s)
{
	jsonw_object(w, "counters");
#define PUT_(name) jsonw_u64(w, #name, s->core.name);
	CORE_COUNTERS(PUT_)
#undef PUT_
#define PUT_(name) jsonw_u64(w, #name, s->numbers.name);
	STATUS_SERVER_NUMBERS(PUT_)
#undef PUT_
	jsonw_object_end(w);
}

static void put_series(struct jsonw *w, const char *what, const char *group, const struct trend *t, size_t offset)
{
	CLEANUP(buf_release) struct buf name = BUF_INIT;
	buf_printf(&name, "%s%s%s", group, group[0] ? "_" : "", what);
	jsonw_array(w, buf_cstr(&name));
	for (uint32_t i = 0; i < t->count; i++) {
		uint32_t value;
		memcpy(&value, (const char *)trend_at(t, i) + offset, sizeof value);
		jsonw_u64(w, NULL, value);
	}
	jsonw_array_end(w);
}

static void put_history(struct jsonw *w, const struct trend *t)
{
	jsonw_object(w, "history");
	jsonw_u64(w, "step_ms", TREND_STEP_US / USEC_PER_MSEC);
	jsonw_u64(w, "points", TREND_POINTS);
	jsonw_u64(w, "taken", t->taken);
	for (unsigned g = 0; g < TREND_GROUP_COUNT; g++) {
		const char *group = trend_group_name((enum trend_group)g);
		put_series(w, "milli_per_sec", group, t,
			   offsetof(struct trend_point, rate_milli) + g * sizeof(uint32_t));
		put_series(w, "p50_us", group, t, offsetof(struct trend_point, p50_us) + g * sizeof(uint32_t));
		put_series(w, "p99_us", group, t, offsetof(struct trend_point, p99_us) + g * sizeof(uint32_t));
	}
	put_series(w, "failed_milli_per_sec", "", t, offsetof(struct trend_point, failed_milli));
	jsonw_object_end(w);
}

static void put_slow(struct jsonw *w, const struct status *s)
{
	char trace[33];
	jsonw_array(w, "slow");
	for (uint32_t i = 0; i < s->slow_count; i++) {
		const struct slow_op *op = &s->slow[i];
		snprintf(trace, sizeof trace, "%016llx%016llx", (unsigned long long)op->trace_hi,
			 (unsigned long long)op->trace_lo);
		jsonw_object(w, NULL);
		jsonw_u64(w, "at_ms", op->wall_us / USEC_PER_MSEC);
		jsonw_str(w, "op", opcode_name(op->opcode));
		jsonw_str(w, "role", op->replica ? "replica" : "coordinator");
		jsonw_str(w, "level", op->replica ? "replica" : level_text(op->level));
		jsonw_str(w, "result", op->replica ? "answered" : status_name(op->status));
		jsonw_u64(w, "took_us", op->took_us);
		jsonw_u64(w, "queue_us", op->queue_us);
		jsonw_u64(w, "partition", op->partition);
		jsonw_u64(w, "epoch", op->epoch);
		jsonw_str(w, "trace", trace);
		jsonw_str(w, "phases", op->timeline);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

void status_json(const struct metrics_view *view, const struct trend *trend, usec_t now_us, struct buf *out)
{
	struct jsonw w = JSONW_INIT(out);
	jsonw_object(&w, NULL);
	jsonw_u64(&w, "at_ms", now_us / USEC_PER_MSEC);
	put_node(&w, view->now);
	put_cluster(&w, view->now);
	put_repair(&w, view->now);
	put_requests(&w, view);
	put_counters(&w, view->now);
	put_history(&w, trend);
	put_slow(&w, view->now);
	jsonw_object_end(&w);
	buf_append_str(out, "\n");
}
