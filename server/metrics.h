/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The status model as Prometheus text (format 0.0.4), and the table of what there is: docs/metrics.md is written from it.
 *
 * Units are seconds, bytes and counts. Labels are bounded: operations, levels, results, nodes of the cluster; never keys or
 * clients. Names are stable.
 */
#ifndef KV_SERVER_METRICS_H
#define KV_SERVER_METRICS_H

#include "server/status.h"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM, METRIC_SUMMARY };

enum metric_unit { METRIC_ONE, METRIC_US, METRIC_MS, METRIC_PCT, METRIC_MILLI };

/** One number of the model. */
struct metric_sample {
	const char *labels; /* as in the output, `reason="connections"`; NULL: none */
	size_t offset;      /* of a uint64_t in struct status */
	enum metric_unit unit;
};

#define METRIC_SAMPLES_MAX 4

struct metric;

/** What metrics are written from besides the model: the same figures of a while ago. */
struct metrics_view {
	const struct status *now;
	const struct hist (*recent_us)
		[OPSTATS_LEVEL_COUNT]; /* of the last METRICS_WINDOW_US or so; OPSTATS_OP_COUNT of them */
};

#define METRICS_WINDOW_US (15 * USEC_PER_SEC)

struct metric {
	const char *name;
	enum metric_type type;
	const char *help;                                 /* one sentence, no full stop */
	const char *labels;                               /* names, for the document; NULL: none */
	struct metric_sample samples[METRIC_SAMPLES_MAX]; /* up to the first with offset 0 */
	void (*write)(const struct metric *metric, const struct metrics_view *view, struct buf *out); /* else */
};

/** The table. */
const struct metric *metrics_list(size_t *ret_count);

/** Appends everything. */
void metrics_write(const struct metrics_view *view, struct buf *out);

/** Appends docs/metrics.md. */
void metrics_document(struct buf *out);

/** "gauge". Static storage. */
const char *metric_type_name(enum metric_type type);

/** Of metrics_parts.c: what needs more than a number of the model. */
typedef void metric_write_fn(const struct metric *metric, const struct metrics_view *view, struct buf *out);
metric_write_fn metric_build_info, metric_node_info, metric_flags, metric_nodes, metric_partitions, metric_losable,
	metric_without_quorum, metric_peer_up, metric_peer_epoch, metric_peer_round_trip, metric_peer_link_bad,
	metric_peer_disk_slow, metric_peer_disk_p99, metric_peer_clock, metric_requests, metric_request_duration,
	metric_request_latency, metric_hints_pending, metric_partitions_dirty, metric_moves_waiting,
	metric_oldest_equal, metric_tombstones, metric_watermark, metric_sync, metric_lag, metric_queue_delay,
	metric_replica_duration;

#endif
