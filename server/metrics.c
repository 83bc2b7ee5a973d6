/* SPDX-License-Identifier: Apache-2.0 */
#include "server/metrics.h"

#define CORE(name)   offsetof(struct status, core.name)
#define NUMBER(name) offsetof(struct status, numbers.name)
#define MODEL(name)  offsetof(struct status, name)
#define PART(labels, at)                                                                                           \
	{                                                                                                          \
		labels, at, METRIC_ONE                                                                             \
	}
#define PLAIN(at, unit) .samples = {{NULL, at, unit}}
#define COUNTER(name_, at, help_)                                                                                  \
	{                                                                                                          \
		.name = name_, .type = METRIC_COUNTER, .help = help_, PLAIN(at, METRIC_ONE)                        \
	}
#define GAUGE(name_, at, unit, help_)                                                                              \
	{                                                                                                          \
		.name = name_, .type = METRIC_GAUGE, .help = help_, PLAIN(at, unit)                                \
	}
#define PARTS(name_, type_, labels_, help_, ...)                                                                   \
	{                                                                                                          \
		.name = name_, .type = type_, .help = help_, .labels = labels_, .samples = { __VA_ARGS__ }         \
	}
#define WRITTEN(name_, type_, labels_, fn, help_)                                                                  \
	{                                                                                                          \
		.name = name_, .type = type_, .help = help_, .labels = labels_, .write = fn                        \
	}

static const struct metric metrics[] = {
	/* The node. */
	WRITTEN("kvd_build_info", METRIC_GAUGE, "version", metric_build_info, "1; the version stands in the label"),
	WRITTEN("kvd_node_info", METRIC_GAUGE, "node, zone, cluster", metric_node_info,
		"1; names stand in the labels, the cluster's is its identity"),
	GAUGE("kvd_uptime_seconds", MODEL(uptime_us), METRIC_US, "Time since the process started"),
	COUNTER("kvd_starts_total", MODEL(incarnation), "Starts of this node, ever"),
	WRITTEN("kvd_state", METRIC_GAUGE, "state", metric_flags,
		"1 if the node is that: ready (what /readyz says), joined, draining, insecure, map_old"),
	GAUGE("kvd_shards", MODEL(shards), METRIC_ONE, "Threads that serve requests"),
	/* The cluster as this node sees it. */
	GAUGE("kvd_map_epoch", MODEL(map_epoch), METRIC_ONE,
	      "Version of the cluster map in force here; 0 before the first"),
	WRITTEN("kvd_nodes", METRIC_GAUGE, "state", metric_nodes, "Nodes in the map by state"),
	WRITTEN("kvd_partitions", METRIC_GAUGE, "state", metric_partitions,
		"Partitions with a replica here: settled, or moving (members change)"),
	WRITTEN("kvd_partitions_without_quorum", METRIC_GAUGE, NULL, metric_without_quorum,
		"Partitions of the cluster without a majority of their replicas up, in this node's view"),
	WRITTEN("kvd_losable_nodes", METRIC_GAUGE, NULL, metric_losable,
		"Nodes any of which may fail besides, and every key keeps its majority, in this node's view"),
	WRITTEN("kvd_peer_up", METRIC_GAUGE, "peer", metric_peer_up,
		"1 if the node answers, 0.5 if it is suspect, 0 if it is down"),
	WRITTEN("kvd_peer_epoch", METRIC_GAUGE, "peer", metric_peer_epoch, "Map epoch that the node told last"),
	WRITTEN("kvd_peer_round_trip_seconds", METRIC_GAUGE, "peer", metric_peer_round_trip,
		"Round trip of heartbeats, smoothed"),
	WRITTEN("kvd_peer_link_bad", METRIC_GAUGE, "peer", metric_peer_link_bad,
		"1 if the node is alive and does not answer here"),
	WRITTEN("kvd_peer_disk_slow", METRIC_GAUGE, "peer", metric_peer_disk_slow,
		"1 if the node's disk has been slow for a while"),
	WRITTEN("kvd_peer_disk_p99_seconds", METRIC_GAUGE, "peer", metric_peer_disk_p99,
		"The slowest hundredth of its commits, as it tells"),
	WRITTEN("kvd_peer_clock_ahead_seconds", METRIC_GAUGE, "peer", metric_peer_clock,
		"The node's clock minus this one's at its last heartbeat"),
	/* Requests. */
	WRITTEN("kvd_requests_total", METRIC_COUNTER, "op, level, result", metric_requests,
		"Requests of clients answered here; result is the status in lower case"),
	WRITTEN("kvd_request_duration_seconds", METRIC_HISTOGRAM, "op, level", metric_request_duration,
		"From the arrival of a client's request to its answer"),
	WRITTEN("kvd_request_latency_seconds", METRIC_GAUGE, "op, level, stat", metric_request_latency,
		"The same of the last 15 seconds or so: stat is p50, p99, p999 or max; within 3.2 %"),
	PARTS("kvd_operations_total", METRIC_COUNTER, "kind",
	      "Operations this node coordinated; strong ones are among all",
	      PART("kind=\"all\"", CORE(ops_started)), PART("kind=\"strong\"", CORE(ops_strong)),
	      PART("kind=\"forwarded\"", CORE(ops_forwarded))),
	PARTS("kvd_operations_failed_total", METRIC_COUNTER, "result", "Of them ended without success",
	      PART("result=\"unavailable\"", CORE(ops_unavailable)),
	      PART("result=\"deadline\"", CORE(ops_deadline)), PART("result=\"in_doubt\"", CORE(ops_in_doubt))),
	GAUGE("kvd_inflight_operations", CORE(ops_in_flight), METRIC_ONE, "Operations under way"),
	GAUGE("kvd_queue_limit", CORE(ops_limit), METRIC_ONE,
	      "How many may be, limits.operations for each shard; more are refused"),
	WRITTEN("kvd_queue_delay_seconds", METRIC_HISTOGRAM, "class", metric_queue_delay,
		"From a message's arrival to its being taken up; class is who sent it, client or peer"),
	WRITTEN("kvd_replica_duration_seconds", METRIC_SUMMARY, "peer, op", metric_replica_duration,
		"From the beginning of a round of an operation coordinated here to the answer of another replica; op is read, prepare or write"),
	PARTS("kvd_shed_total", METRIC_COUNTER, "reason", "Refused because of a limit",
	      PART("reason=\"operations\"", CORE(ops_overloaded)),
	      PART("reason=\"connections\"", NUMBER(connections_refused)),
	      PART("reason=\"slow_reader\"", NUMBER(connections_overrun)),
	      PART("reason=\"clock\"", CORE(clock_waits))),
	GAUGE("kvd_inflight_bytes", NUMBER(buffer_bytes), METRIC_ONE, "Buffers of all connections"),
	GAUGE("kvd_inflight_bytes_max", NUMBER(buffer_bytes_max), METRIC_ONE, "Their limit, limits.memory"),
	/* Strong operations. */
	PARTS("kvd_strong_rounds_total", METRIC_COUNTER, "kind",
	      "Rounds of strong operations: fast (no prepare), full (prepare), conflict (again), repair (a read wrote back)",
	      PART("kind=\"fast\"", CORE(direct_puts)), PART("kind=\"full\"", CORE(ballots)),
	      PART("kind=\"conflict\"", CORE(ballot_retries)), PART("kind=\"repair\"", CORE(copies))),
	COUNTER("kvd_strong_direct_failed_total", CORE(direct_failed), "Fast rounds that went on with a prepare"),
	COUNTER("kvd_strong_ahead_total", CORE(ballots_ahead),
		"Writes by a ballot promised ahead, which need no prepare"),
	COUNTER("kvd_strong_queued_total", CORE(ballots_queued),
		"Strong writes that waited for their turn on a key"),
	COUNTER("kvd_strong_identity_rounds_total", CORE(identity_rounds), "Strong reads that needed a prepare"),
	COUNTER("kvd_read_repairs_total", CORE(read_repairs), "Pushes to replicas that a read found stale"),
	/* As a replica. */
	COUNTER("kvd_replica_requests_total", CORE(replica_requests),
		"Requests of coordinators served as a replica"),
	PARTS("kvd_replica_refused_total", METRIC_COUNTER, "reason", "Of them refused",
	      PART("reason=\"rejected\"", CORE(replica_rejects)), PART("reason=\"expired\"", CORE(replica_expired)),
	      PART("reason=\"clock\"", CORE(replica_clock_refused)),
	      PART("reason=\"epoch\"", CORE(replica_epoch_refused))),
	GAUGE("kvd_slots", CORE(slots), METRIC_ONE, "Keys with state in memory: promises and remembered writes"),
	COUNTER("kvd_slots_evicted_total", CORE(slots_evicted), "Of them dropped early to make room"),
	GAUGE("kvd_record_cache_records", CORE(records_cached), METRIC_ONE,
	      "Keys whose record stays in memory after use"),
	GAUGE("kvd_record_cache_bytes", CORE(record_cache_bytes), METRIC_ONE, "Memory they take"),
	GAUGE("kvd_record_cache_bytes_max", CORE(record_cache_bytes_max), METRIC_ONE,
	      "How much they may, storage.record_cache_size"),
	COUNTER("kvd_record_cache_hits_total", CORE(record_cache_hits),
		"Requests to this node as a replica that found their record there"),
	/* What replicas missed. */
	WRITTEN("kvd_hints_pending", METRIC_GAUGE, "target", metric_hints_pending,
		"Changes kept here for a node that missed them"),
	WRITTEN("kvd_partitions_dirty", METRIC_GAUGE, "target", metric_partitions_dirty,
		"Partitions marked here to be compared with a node, because too many changes were missed"),
	COUNTER("kvd_hint_overflow_total", CORE(hints_overflowed),
		"Changes not kept: the limit was reached, the partition is marked instead"),
	PARTS("kvd_hints_total", METRIC_COUNTER, "event", "What became of hints",
	      PART("event=\"written\"", CORE(hints_written)), PART("event=\"replayed\"", CORE(hints_replayed)),
	      PART("event=\"dropped\"", CORE(hints_dropped)), PART("event=\"expired\"", CORE(hints_expired))),
	/* Values that lost. */
	GAUGE("kvd_ledger_entries", CORE(ledger_entries), METRIC_ONE, "Lost eventual values that are kept"),
	PARTS("kvd_ledger_added_total", METRIC_COUNTER, "cause",
	      "Eventual values that lost, by cause; all is their sum", PART("cause=\"all\"", CORE(ledger_added)),
	      PART("cause=\"late\"", CORE(ledger_late)), PART("cause=\"overwritten\"", CORE(ledger_overwritten)),
	      PART("cause=\"strong\"", CORE(ledger_strong))),
	PARTS("kvd_ledger_removed_total", METRIC_COUNTER, "reason", "Entries that are gone again",
	      PART("reason=\"limit\"", CORE(ledger_dropped)), PART("reason=\"age\"", CORE(ledger_expired))),
	/* Moves. */
	GAUGE("kvd_moves_incoming", CORE(moves_in), METRIC_ONE, "Partitions that this node takes over now"),
	WRITTEN("kvd_moves_waiting", METRIC_GAUGE, NULL, metric_moves_waiting,
		"Partitions of the cluster that still have to move"),
	PARTS("kvd_moves_total", METRIC_COUNTER, "event", "Partitions taken over here: opened, done (all is here)",
	      PART("event=\"opened\"", CORE(moves_opened)), PART("event=\"done\"", CORE(moves_done))),
	PARTS("kvd_moves_bytes_total", METRIC_COUNTER, "direction", "Copied for moves",
	      PART("direction=\"in\"", CORE(move_bytes_in)), PART("direction=\"out\"", CORE(move_bytes_out))),
	GAUGE("kvd_move_rate_bytes", CORE(move_rate), METRIC_ONE, "Bytes a second that may be copied each way"),
	GAUGE("kvd_ranges_left", CORE(ranges_left), METRIC_ONE,
	      "Partitions of others whose records are still here and have to go"),
	COUNTER("kvd_ranges_removed_total", CORE(ranges_removed), "Of them removed"),
	/* Anti-entropy. */
	COUNTER("kvd_aae_exchanges_started_total", CORE(exchanges),
		"Comparisons of a partition with other replicas, begun"),
	PARTS("kvd_aae_exchanges_total", METRIC_COUNTER, "result", "Of them ended with all replicas in step",
	      PART("result=\"complete\"", CORE(exchanges_complete))),
	COUNTER("kvd_aae_roots_sent_total", CORE(roots_sent), "Roots of hash trees sent to be compared"),
	COUNTER("kvd_aae_leaves_differing_total", CORE(exchange_leaves),
		"Leaves that differed twice and were looked into"),
	COUNTER("kvd_aae_keys_repaired_total", CORE(records_repaired),
		"Copies that comparisons brought up to date"),
	GAUGE("kvd_aae_trees_building", CORE(trees_building), METRIC_ONE,
	      "Partitions whose hash tree is not ready"),
	WRITTEN("kvd_aae_oldest_equal_seconds", METRIC_GAUGE, NULL, metric_oldest_equal,
		"Age of the oldest knowledge that a replica here and another one hold the same; the uptime where there is none yet"),
	COUNTER("kvd_scrubbed_records_total", CORE(records_scrubbed), "Records read again and found whole"),
	COUNTER("kvd_tree_leaves_mended_total", CORE(tree_leaves_mended),
		"Leaves that scrubbing found to differ from the records"),
	PARTS("kvd_corruption_total", METRIC_COUNTER, "where",
	      "Damage found by a checksum: a record on disk, a frame on the wire",
	      PART("where=\"record\"", CORE(records_corrupt)), PART("where=\"frame\"", NUMBER(frames_bad))),
	/* Tombstones. */
	WRITTEN("kvd_tombstones", METRIC_GAUGE, NULL, metric_tombstones,
		"Deletions kept here until all replicas agree"),
	PARTS("kvd_gc_sessions_total", METRIC_COUNTER, "result",
	      "Partitions gone through for tombstones with all their replicas",
	      PART("result=\"done\"", CORE(gc_sessions)), PART("result=\"aborted\"", CORE(gc_aborted))),
	COUNTER("kvd_gc_purged_total", CORE(gc_purged), "Deletions, and values whose time had ended, removed here"),
	COUNTER("kvd_gc_renewed_total", CORE(gc_renewed),
		"Weak copies that got a new version so that they can be removed later"),
	GAUGE("kvd_gc_blocked_partitions", CORE(gc_blocked), METRIC_ONE,
	      "Partitions with old tombstones that cannot be removed"),
	WRITTEN("kvd_gc_watermark_age_seconds", METRIC_GAUGE, NULL, metric_watermark,
		"For how long old deletions have waited for a replica; 0: none does"),
	/* Disk. */
	WRITTEN("kvd_wal_sync_duration_seconds", METRIC_HISTOGRAM, NULL, metric_sync,
		"One batch written and synced"),
	PARTS("kvd_commit_total", METRIC_COUNTER, "what",
	      "Group commit: batches, writes of shards in them, rows, bytes",
	      PART("what=\"batches\"", NUMBER(commit_groups)), PART("what=\"writes\"", NUMBER(commit_writes)),
	      PART("what=\"rows\"", NUMBER(commit_records)), PART("what=\"bytes\"", NUMBER(commit_bytes))),
	{.name = "kvd_commit_busy_seconds_total",
	 .type = METRIC_COUNTER,
	 .help = "Time that the engine took for them",
	 PLAIN(NUMBER(commit_busy_us), METRIC_US)},
	GAUGE("kvd_commit_longest_seconds", NUMBER(commit_group_us_max), METRIC_US,
	      "The longest batch since the start"),
	GAUGE("kvd_commit_rows_per_sync", NUMBER(commit_records_per_sync_milli), METRIC_MILLI,
	      "Mean since the start"),
	PARTS("kvd_engine_total", METRIC_COUNTER, "what", "The storage engine: batches, syncs, changes, reads",
	      PART("what=\"batches\"", NUMBER(store_batches)), PART("what=\"syncs\"", NUMBER(store_syncs)),
	      PART("what=\"changes\"", NUMBER(store_ops)), PART("what=\"reads\"", NUMBER(store_reads))),
	COUNTER("kvd_engine_reads_again_total", NUMBER(store_reads_again), "Reads that memory could not answer"),
	GAUGE("kvd_engine_live_bytes", NUMBER(store_bytes_live), METRIC_ONE, "Size of the live data, an estimate"),
	GAUGE("kvd_engine_write_stopped", NUMBER(store_write_stopped), METRIC_ONE,
	      "1 while the engine takes no writes"),
	GAUGE("kvd_disk_free_ratio", MODEL(disk_free_pct), METRIC_PCT,
	      "Room left on the data directory's disk; 0: not known yet"),
	PARTS("kvd_disk_requests_total", METRIC_COUNTER, "kind", "Reads and batches of writes that cores asked for",
	      PART("kind=\"read\"", CORE(disk_reads)), PART("kind=\"write\"", CORE(disk_writes))),
	PARTS("kvd_reads_total", METRIC_COUNTER, "from",
	      "Reads answered from memory at once, and by reader threads",
	      PART("from=\"memory\"", NUMBER(reads_cached)), PART("from=\"disk\"", NUMBER(reads_pooled))),
	PARTS("kvd_traces_total", METRIC_COUNTER, "what",
	      "Operations that were sampled, failed or slow: all, those slow, and what the collector took and did not",
	      PART("what=\"kept\"", NUMBER(traces_kept)), PART("what=\"slow\"", NUMBER(traces_slow)),
	      PART("what=\"exported\"", NUMBER(traces_exported)), PART("what=\"dropped\"", NUMBER(traces_dropped))),
	/* Loops and network. */
	WRITTEN("kvd_event_loop_lag_seconds", METRIC_HISTOGRAM, NULL, metric_lag,
		"How late shards' loops come to a timer, ten times a second"),
	PARTS("kvd_connections", METRIC_GAUGE, "kind", "Open connections of clients and of other nodes",
	      PART("kind=\"client\"", NUMBER(connections)), PART("kind=\"peer\"", NUMBER(connections_peer))),
	GAUGE("kvd_connections_max", NUMBER(connections_max), METRIC_ONE,
	      "Limit of the clients', limits.connections or less"),
	GAUGE("kvd_connections_wanted", NUMBER(connections_wanted), METRIC_ONE,
	      "What limits.connections says; more than kvd_connections_max if the system allows fewer open files"),
	GAUGE("kvd_open_files_max", NUMBER(open_files_max), METRIC_ONE, "Open files that the system allows"),
	GAUGE("kvd_wall_clock_seconds", NUMBER(wall_clock_ms), METRIC_MS, "This node's clock, since 1970"),
	COUNTER("kvd_connections_accepted_total", NUMBER(connections_accepted), "Connections taken"),
	COUNTER("kvd_connections_timed_out_total", NUMBER(connections_timed_out),
		"Closed: no HELLO in time, or a reader that stood still"),
	PARTS("kvd_frames_total", METRIC_COUNTER, "direction", "Frames on accepted connections",
	      PART("direction=\"in\"", NUMBER(frames_received)), PART("direction=\"out\"", NUMBER(frames_sent))),
	PARTS("kvd_network_bytes_total", METRIC_COUNTER, "direction", "Bytes on accepted connections",
	      PART("direction=\"in\"", NUMBER(bytes_received)), PART("direction=\"out\"", NUMBER(bytes_sent))),
	PARTS("kvd_requests_received_total", METRIC_COUNTER, "kind",
	      "Requests for keys as clients' connections bring them, retries included, whatever becomes of them",
	      PART("kind=\"read\"", NUMBER(requests_read)), PART("kind=\"write\"", NUMBER(requests_write))),
	COUNTER("kvd_requests_crossed_total", NUMBER(requests_crossed), "Messages handed to another shard's core"),
	PARTS("kvd_peer_links_total", METRIC_COUNTER, "event", "Links to other nodes: came up; failed or broke",
	      PART("event=\"connected\"", NUMBER(peer_connects)), PART("event=\"failed\"", NUMBER(peer_failures))),
	PARTS("kvd_peer_messages_total", METRIC_COUNTER, "result", "Messages to other nodes",
	      PART("result=\"sent\"", NUMBER(peer_messages_sent)),
	      PART("result=\"dropped\"", NUMBER(peer_messages_dropped))),
	COUNTER("kvd_probes_total", CORE(probes), "Times that others were asked about a silent node"),
};

const struct metric *metrics_list(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(metrics);
	return metrics;
}

const char *metric_type_name(enum metric_type type)
{
	static const char *const names[] = {"gauge", "counter", "histogram", "summary"};
	return names[type];
}

static void write_number(uint64_t value, enum metric_unit unit, struct buf *out)
{
	static const uint64_t parts[] = {[METRIC_ONE] = 1,
					 [METRIC_US] = 1000000,
					 [METRIC_MS] = 1000,
					 [METRIC_PCT] = 100,
					 [METRIC_MILLI] = 1000};
	static const int digits[] = {[METRIC_US] = 6, [METRIC_MS] = 3, [METRIC_PCT] = 2, [METRIC_MILLI] = 3};
	buf_printf(out, "%llu", (unsigned long long)(value / parts[unit]));
	if (unit != METRIC_ONE)
		buf_printf(out, ".%0*llu", digits[unit], (unsigned long long)(value % parts[unit]));
}

static void write_samples(const struct metric *m, const struct status *s, struct buf *out)
{
	for (size_t i = 0; i < METRIC_SAMPLES_MAX && m->samples[i].offset != 0; i++) {
		const struct metric_sample *sample = &m->samples[i];
		uint64_t value;
		memcpy(&value, (const char *)s + sample->offset, sizeof value);
		buf_append_str(out, m->name);
		if (sample->labels)
			buf_printf(out, "{%s}", sample->labels);
		buf_append_str(out, " ");
		write_number(value, sample->unit, out);
		buf_append_str(out, "\n");
	}
}

void metrics_write(const struct metrics_view *view, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
		const struct metric *m = &metrics[i];
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
			   metric_type_name(m->type));
		if (m->write)
			m->write(m, view, out);
		else
			write_samples(m, view->now, out);
	}
}

void metrics_document(struct buf *out)
{
	buf_append_str(
		out,
		"<!-- Written from the table in server/metrics.c by: build/tests/test_metrics --write docs/metrics.md -->\n"
		"# Metrics\n"
		"\n"
		"`http://<listen.http>/metrics`, Prometheus text. Seconds, bytes and counts; labels have few values and never name a key or\n"
		"a client. A node tells what it did and what it sees: rates of the cluster are sums over its nodes.\n"
		"`conf/grafana/kvd.json` is a dashboard and `conf/prometheus/kvd.rules.yml` are alerts made of these.\n"
		"\n"
		"| name | type | labels | meaning |\n"
		"| --- | --- | --- | --- |\n");
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
		const struct metric *m = &metrics[i];
		buf_printf(out, "| `%s` | %s | %s | %s |\n", m->name, metric_type_name(m->type),
			   m->labels ? m->labels : "-", m->help);
	}
}
