/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The status model: one struct that says how this node is and how it sees its cluster. The answer to STATUS, the metrics,
 * the JSON and the page are renderings of it and know nothing else.
 *
 * It is put together from what shards publish (at most SHARD_PUBLISH_US old; moves and repair SHARD_ASK_US) and from what the server
 * counts. Whoever collects it owns it; any thread.
 */
#ifndef KV_SERVER_STATUS_H
#define KV_SERVER_STATUS_H

#include "base/arena.h"
#include "base/cluster_health.h"
#include "server/server.h"
#include "server/shard.h"

enum { STATUS_PEER_UP = 1, STATUS_PEER_SUSPECT, STATUS_PEER_DOWN, STATUS_PEER_MYSELF }; /* of status_peer.state */

#define STATUS_PAIRS_MAX 16u /* pairs of replicas that are named because they were compared longest ago */

#define STATUS_SLOW_MAX 20u /* slow operations that are named */

/** Numbers around the cores, each with the name it has in STATUS. */
#define STATUS_SERVER_NUMBERS(X)                                                                                   \
	SERVER_COUNTERS(X)                                                                                         \
	X(buffer_bytes) /* gauge */                                                                                \
	X(buffer_bytes_max)                                                                                        \
	X(connections_max)                                                                                         \
	X(connections_wanted)                                                                                      \
	X(open_files_max)                                                                                          \
	X(insecure) /* 0 or 1 */                                                                                   \
	X(wall_clock_ms)                                                                                           \
	X(commit_groups)                                                                                           \
	X(commit_writes)                                                                                           \
	X(commit_records)                                                                                          \
	X(commit_bytes)                                                                                            \
	X(commit_busy_us)                                                                                          \
	X(commit_group_us_max)                                                                                     \
	X(commit_records_per_sync_milli)                                                                           \
	X(store_batches)                                                                                           \
	X(store_syncs)                                                                                             \
	X(store_ops)                                                                                               \
	X(store_reads)                                                                                             \
	X(store_reads_again)                                                                                       \
	X(store_bytes_live) /* gauge */                                                                            \
	X(store_write_stopped)

struct status_numbers {
#define STATUS_FIELD_(name) uint64_t name;
	STATUS_SERVER_NUMBERS(STATUS_FIELD_)
#undef STATUS_FIELD_
};

struct status {
	/* Who, since when. */
	struct uuid cluster, node;
	node_id index; /* NODE_NONE: in no cluster */
	uint64_t incarnation, map_epoch, uptime_us, shards;
	struct slice version, name, zone, client_address,
		http_address; /* of the server; addresses as others dial them */

	/* Fit to serve? */
	bool joined;
	bool ready;    /* every core can issue versions */
	bool draining; /* it is going down */
	bool map_old;  /* a peer told of a newer map for longer than STATUS_MAP_LAG_US */

	/* Counted. */
	struct core_stats core; /* of all cores together; of peers the gloomiest view */
	struct status_numbers numbers;
	uint64_t disk_free_pct; /* 0: not known */

	/* Measured since the start, by status_collect only. */
	struct hist took_us[OPSTATS_OP_COUNT][OPSTATS_LEVEL_COUNT];
	uint64_t results[OPSTATS_OP_COUNT][OPSTATS_LEVEL_COUNT][OPSTATS_STATUS_COUNT];
	struct hist queue_us[OPSTATS_QUEUE_COUNT], loop_lag_us, sync_us;

	/* The cluster as this node knows it, by status_collect only. They live in its arena. */
	const struct map_desc *map;                 /* NULL before the first */
	struct msg_move_list moves;                 /* as MOVE_LIST tells them */
	struct msg_repair repair;                   /* of all cores together, but pairs */
	struct repair_pair pairs[STATUS_PAIRS_MAX]; /* compared longest ago, the oldest first */
	uint32_t pair_count;
	struct node_health nodes[NODES_MAX]; /* by index: what health is judged from */
	struct cluster_health health;

	/* Where the nodes' pages are, by index: host:port as others reach them; empty: not known. By status_collect only. */
	struct slice pages[NODES_MAX];

	/* What took long, newest first, by status_collect only. */
	uint32_t slow_count;
	struct slow_op slow[STATUS_SLOW_MAX];
};

#define STATUS_MAP_LAG_US (5 * USEC_PER_SEC)

/** Fills who, fitness and what is counted; RET's other members are not touched. */
void status_collect_counts(struct server *server, struct status *ret);

/**
 * Fills all of RET. ARENA is reset first and has no cap worth naming: what it takes is bounded by the map's own limits.
 * Large (half a megabyte): keep one.
 */
void status_collect(struct server *server, struct arena *arena, struct status *ret);

/** Judges health from the rest of S, into which it points afterwards. Part of status_collect. */
void status_judge(struct status *s);

/** True if a load balancer may send clients here; else WHY (static storage) says what is missing. */
bool status_is_fit(const struct status *s, const char **ret_why);

/** The node with that index in the map, or NULL. */
const struct map_node *status_node(const struct status *s, node_id index);

/** What this node knows of the liveness of a node: its peer entry, or NULL. */
const struct status_peer *status_peer_of(const struct status *s, node_id index);

/** "up", "suspect", "down", "myself"; "unknown" for other numbers. Static storage. */
const char *status_peer_state_name(uint32_t state);

#endif
