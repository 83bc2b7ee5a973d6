/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics that need more than a number of the status model: those with a label of nodes or operations, and histograms. */
#include "server/metrics.h"

#include <ctype.h>

/** A label's value: what is no plain printable character is replaced, so that any name is a valid one. */
static void put_value(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.data[i];
		bool plain = c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
		buf_append_u8(out, plain ? c : '_');
	}
}

/** NAME{LABEL="VALUE"} and a blank. */
static void put_head(const struct metric *m, const char *label, struct slice value, struct buf *out)
{
	buf_printf(out, "%s{%s=\"", m->name, label);
	put_value(value, out);
	buf_append_str(out, "\"} ");
}

static void put_u64(uint64_t value, struct buf *out) { buf_printf(out, "%llu\n", (unsigned long long)value); }

static void put_us(uint64_t us, struct buf *out)
{
	buf_printf(out, "%llu.%06llu\n", (unsigned long long)(us / USEC_PER_SEC),
		   (unsigned long long)(us % USEC_PER_SEC));
}

static void put_one(const struct metric *m, uint64_t value, struct buf *out)
{
	buf_printf(out, "%s ", m->name);
	put_u64(value, out);
}

static void put_one_ms(const struct metric *m, uint64_t ms, struct buf *out)
{
	buf_printf(out, "%s %llu.%03llu\n", m->name, (unsigned long long)(ms / 1000),
		   (unsigned long long)(ms % 1000));
}

void metric_build_info(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	put_head(m, "version", view->now->version, out);
	put_u64(1, out);
}

void metric_node_info(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	char id[UUID_TEXT_SIZE];
	uuid_format(&view->now->cluster, id);
	buf_printf(out, "%s{node=\"", m->name);
	put_value(view->now->name, out);
	buf_append_str(out, "\",zone=\"");
	put_value(view->now->zone, out);
	buf_printf(out, "\",cluster=\"%s\"} 1\n", id);
}

void metric_flags(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	const struct status *s = view->now;
	const char *why;
	const struct {
		const char *name;
		bool set;
	} flags[] = {{"ready", status_is_fit(s, &why)},
		     {"joined", s->joined},
		     {"draining", s->draining},
		     {"insecure", s->numbers.insecure != 0},
		     {"map_old", s->map_old}};
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		put_head(m, "state", slice_str(flags[i].name), out);
		put_u64(flags[i].set, out);
	}
}

void metric_nodes(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	uint64_t counts[NODE_STAGED + 1] = {0};
	for (uint32_t i = 0; view->now->map && i < view->now->map->node_count; i++)
		counts[view->now->map->nodes[i].state]++;
	for (int state = NODE_JOINING; state <= NODE_STAGED; state++) {
		put_head(m, "state", slice_str(map_log_state((enum node_state)state)), out);
		put_u64(counts[state], out);
	}
}

void metric_partitions(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	const struct map_desc *map = view->now->map;
	node_id self = view->now->index;
	uint64_t held = 0, moving = 0, coming = 0;
	for (uint32_t p = 0; map && p < map->partitions; p++)
		held += row_has(map->rows + (size_t)p * map->replicas, map->replicas, self);
	for (uint32_t i = 0; map && i < map->move_count; i++) {
		const struct map_move *move = &map->moves[i];
		bool old = row_has(move->old_row, move->old_count, self);
		bool next = row_has(move->new_row, move->new_count, self);
		moving += old || next;
		coming += next && !old;
	}
	put_head(m, "state", slice_str("settled"), out);
	put_u64(held + coming - moving, out);
	put_head(m, "state", slice_str("moving"), out);
	put_u64(moving, out);
}

void metric_without_quorum(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	put_one(m, view->now->health.without_quorum, out);
}

void metric_losable(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	put_one(m, view->now->health.losable, out);
}

/* ---- By node ---- */

/** The other member of the cluster that the core knows at place AT, or NULL. */
static const struct map_node *member(const struct status *s, uint32_t at)
{
	const struct map_node *node = status_node(s, s->core.peers[at].index);
	bool is_other = node && node->state != NODE_REMOVED && s->core.peers[at].state != STATUS_PEER_MYSELF;
	return is_other ? node : NULL;
}

/** Calls WRITE for each other member of the cluster that is known. */
static void for_peers(const struct metric *m, const char *label, const struct metrics_view *view, struct buf *out,
		      void (*write)(const struct core_stats *core, uint32_t at, struct buf *out))
{
	const struct core_stats *core = &view->now->core;
	for (uint32_t i = 0; i < core->peer_count; i++) {
		const struct map_node *node = member(view->now, i);
		if (!node)
			continue;
		put_head(m, label, node->name, out);
		write(core, i, out);
	}
}

static void write_up(const struct core_stats *core, uint32_t at, struct buf *out)
{
	uint32_t state = core->peers[at].state;
	buf_append_str(out, state == STATUS_PEER_UP ? "1\n" : state == STATUS_PEER_SUSPECT ? "0.5\n" : "0\n");
}

static void write_epoch(const struct core_stats *core, uint32_t at, struct buf *out)
{
	put_u64(core->peer_epochs[at], out);
}
static void write_round_trip(const struct core_stats *core, uint32_t at, struct buf *out)
{
	put_us(core->peers[at].round_trip_us, out);
}
static void write_link_bad(const struct core_stats *core, uint32_t at, struct buf *out)
{
	put_u64(core->peers[at].link_bad, out);
}
static void write_degraded(const struct core_stats *core, uint32_t at, struct buf *out)
{
	put_u64(core->peers[at].degraded, out);
}
static void write_disk_p99(const struct core_stats *core, uint32_t at, struct buf *out)
{
	put_us(core->peers[at].disk_p99_us, out);
}
static void write_hints(const struct core_stats *core, uint32_t at, struct buf *out)
{
	put_u64(core->peers[at].hints_pending, out);
}
static void write_dirty(const struct core_stats *core, uint32_t at, struct buf *out)
{
	put_u64(core->peers[at].partitions_dirty, out);
}

static void write_clock(const struct core_stats *core, uint32_t at, struct buf *out)
{
	int64_t ms = core->peer_ahead_ms[at];
	buf_printf(out, "%s%lld.%03lld\n", ms < 0 ? "-" : "", llabs(ms) / 1000, llabs(ms) % 1000);
}

/** NAME_SUM or _COUNT, with the labels of a peer and of what it was asked. */
static void put_took(const struct metric *m, const char *suffix, struct slice peer, const char *op, struct buf *out)
{
	buf_printf(out, "%s_%s{peer=\"", m->name, suffix);
	put_value(peer, out);
	buf_printf(out, "\",op=\"%s\"} ", op);
}

void metric_replica_duration(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	static const char *const names[REPLICA_WORK_COUNT] = {
		[REPLICA_READ] = "read", [REPLICA_PREPARE] = "prepare", [REPLICA_WRITE] = "write"};
	const struct core_stats *core = &view->now->core;
	for (uint32_t i = 0; i < core->peer_count; i++) {
		const struct map_node *node = member(view->now, i);
		for (unsigned work = 0; node && work < REPLICA_WORK_COUNT; work++) {
			const struct replica_took *took = &core->peer_took[i][work];
			put_took(m, "sum", node->name, names[work], out);
			put_us(took->us, out);
			put_took(m, "count", node->name, names[work], out);
			put_u64(took->count, out);
		}
	}
}

#define BY_NODE(name, label, write)                                                                                \
	void name(const struct metric *m, const struct metrics_view *view, struct buf *out)                        \
	{                                                                                                          \
		for_peers(m, label, view, out, write);                                                             \
	}
BY_NODE(metric_peer_up, "peer", write_up)
BY_NODE(metric_peer_epoch, "peer", write_epoch)
BY_NODE(metric_peer_round_trip, "peer", write_round_trip)
BY_NODE(metric_peer_link_bad, "peer", write_link_bad)
BY_NODE(metric_peer_disk_slow, "peer", write_degraded)
BY_NODE(metric_peer_disk_p99, "peer", write_disk_p99)
BY_NODE(metric_peer_clock, "peer", write_clock)
BY_NODE(metric_hints_pending, "target", write_hints)
BY_NODE(metric_partitions_dirty, "target", write_dirty)

/* ---- By operation ---- */

/** op="get",level="strong" */
static void put_op(unsigned op, unsigned level, struct buf *out)
{
	buf_printf(out, "op=\"%s\",level=\"%s\"", opstats_op_name((enum opstats_op)op), opstats_level_name(level));
}

void metric_requests(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	for (unsigned op = 0; op < OPSTATS_OP_COUNT; op++) {
		for (unsigned level = 0; level < OPSTATS_LEVEL_COUNT; level++) {
			for (unsigned i = 0; i < OPSTATS_STATUS_COUNT; i++) {
				uint64_t count = view->now->results[op][level][i];
				if (count == 0)
					continue;
				buf_printf(out, "%s{", m->name);
				put_op(op, level, out);
				buf_append_str(out, ",result=\"");
				for (const char *name = status_name((enum kv_status)i); *name; name++)
					buf_append_u8(out, (uint8_t)tolower((unsigned char)*name));
				buf_append_str(out, "\"} ");
				put_u64(count, out);
			}
		}
	}
}

/** A histogram with LABELS ("" for none): cumulative buckets that people's questions are near to, sum and count. */
static void put_histogram(const struct metric *m, const char *labels, const struct hist *h, struct buf *out)
{
	static const struct {
		uint64_t us;
		const char *le;
	} bounds[] = {{100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"},
		      {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},  {100000, "0.1"},
		      {250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"}, {10000000, "10"}};
	const char *comma = labels[0] ? "," : "";
	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
		buf_printf(out, "%s_bucket{%s%sle=\"%s\"} ", m->name, labels, comma, bounds[i].le);
		put_u64(hist_count_upto(h, bounds[i].us), out);
	}
	buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} ", m->name, labels, comma);
	put_u64(h->count, out);
	buf_printf(out, "%s_sum%s%s%s ", m->name, labels[0] ? "{" : "", labels, labels[0] ? "}" : "");
	put_us(h->sum, out);
	buf_printf(out, "%s_count%s%s%s ", m->name, labels[0] ? "{" : "", labels, labels[0] ? "}" : "");
	put_u64(h->count, out);
}

void metric_request_duration(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	for (unsigned op = 0; op < OPSTATS_OP_COUNT; op++) {
		for (unsigned level = 0; level < OPSTATS_LEVEL_COUNT; level++) {
			const struct hist *h = &view->now->took_us[op][level];
			CLEANUP(buf_release) struct buf labels = BUF_INIT;
			put_op(op, level, &labels);
			if (h->count > 0)
				put_histogram(m, buf_cstr(&labels), h, out);
		}
	}
}

void metric_request_latency(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	static const struct {
		const char *name;
		unsigned per_mille;
	} stats[] = {{"p50", 500}, {"p99", 990}, {"p999", 999}, {"max", 1000}};
	for (unsigned op = 0; op < OPSTATS_OP_COUNT; op++) {
		for (unsigned level = 0; level < OPSTATS_LEVEL_COUNT; level++) {
			const struct hist *h = &view->recent_us[op][level];
			for (size_t i = 0; h->count > 0 && i < ARRAY_SIZE(stats); i++) {
				buf_printf(out, "%s{", m->name);
				put_op(op, level, out);
				buf_printf(out, ",stat=\"%s\"} ", stats[i].name);
				put_us(hist_quantile(h, stats[i].per_mille), out);
			}
		}
	}
}

void metric_sync(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	put_histogram(m, "", &view->now->sync_us, out);
}

void metric_lag(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	put_histogram(m, "", &view->now->loop_lag_us, out);
}

void metric_queue_delay(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	put_histogram(m, "class=\"client\"", &view->now->queue_us[OPSTATS_QUEUE_CLIENT], out);
	put_histogram(m, "class=\"peer\"", &view->now->queue_us[OPSTATS_QUEUE_PEER], out);
}

/* ---- Moves and repair ---- */

void metric_moves_waiting(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	put_one(m, view->now->moves.waiting, out);
}

/** "Never since the start" is at least as long as the process runs. */
static uint64_t age_ms(const struct status *s, uint64_t ms)
{
	return ms == UINT64_MAX ? s->uptime_us / USEC_PER_MSEC : ms;
}

void metric_oldest_equal(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	put_one_ms(m, age_ms(view->now, view->now->repair.oldest_ms), out);
}

void metric_tombstones(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	put_one(m, view->now->repair.tombstones, out);
}

void metric_watermark(const struct metric *m, const struct metrics_view *view, struct buf *out)
{
	put_one_ms(m, age_ms(view->now, view->now->repair.purge_age_ms), out);
}
