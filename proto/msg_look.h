/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Messages that look into a node: a key explained, settings, hot keys, traces, status. Included by proto/msg.h.
 */
#ifndef KV_PROTO_MSG_LOOK_H
#define KV_PROTO_MSG_LOOK_H

#include "proto/msg_cluster.h"
#include "proto/msg_request.h"

/** OP_EXPLAIN */
struct msg_explain {
	uint32_t bucket; /* 0 = default */
	struct slice key;
};

/** What is found on a node's disk in the place of a key. Numbers never change. */
enum explain_disk {
	EXPLAIN_ABSENT = 1,
	EXPLAIN_WHOLE = 2,
	EXPLAIN_DAMAGED = 3,    /* a record that does not match its checksum */
	EXPLAIN_UNREADABLE = 4, /* the engine cannot read the block it is in */
};

/* Sets in which a node may be of a partition's replicas. */
enum { EXPLAIN_PRESENT = 1, EXPLAIN_TO_BE = 2 };

/** What a node keeps to tell TARGET about the key, or about all of its partition. */
struct explain_hint {
	node_id target;
	bool key;           /* a hint of the key: it lacks VER, as was noted at CREATED */
	bool partition;     /* a mark: anything of the partition may be missing there */
	struct version ver; /* of the key's hint; {0,0}: whatever it is now */
	hlc_t created;
};

/** Reply to OP_EXPLAIN: one replica as it is. */
struct msg_explanation {
	enum kv_status status; /* KV_NOT_READY: no map, or its partitions are still being read */
	struct slice message;
	uint16_t partition, leaf;
	uint64_t config_epoch; /* of the row here */
	uint32_t member;       /* set of EXPLAIN_x; 0: no replica */
	bool serves;           /* as a replica */
	enum move_stage stage; /* how far its own joining is or was; 0: was there from the start */
	enum explain_disk disk;
	uint32_t stored_size;      /* bytes on disk */
	bool in_memory;            /* the record below is the one in memory, which the disk has or will have */
	bool writing;              /* a write of the key is not durable yet */
	struct record record;      /* without value and lineage; ver 0: none, or it cannot be told */
	uint32_t lineage;          /* entries */
	uint32_t memories;         /* strong copies that were overwritten here and are remembered */
	struct version promised;   /* highest ballot promised on the key; {0,0}: none above what follows */
	struct version promise;    /* below it nothing is promised or accepted in the partition */
	struct version memory;     /* copies up to it may have been forgotten */
	struct version seal, drop; /* floors of the partition */
	uint32_t tree;             /* its hash tree: 0 not here, 1 being built, 2 ready, 3 and saved */
	bool more_hints;           /* than fit */
	uint32_t hint_count;       /* at most EXPLAIN_HINTS_MAX */
	const struct explain_hint *hints;
	uint32_t pair_count; /* since when it was known to hold the same as the other replicas; at most ROW_MAX */
	const struct repair_pair *pairs;
};

/** When a setting can be changed. Numbers never change. */
enum config_scope {
	CONFIG_STATIC = 1,  /* by a restart */
	CONFIG_LIVE = 2,    /* while the node runs */
	CONFIG_CLUSTER = 3, /* never: the cluster was formed with it */
};

/** Where a setting comes from. Numbers never change. */
enum config_source {
	CONFIG_DEFAULT = 1,
	CONFIG_FILE = 2,
	CONFIG_ENVIRONMENT = 3,
	CONFIG_SET = 4, /* by OP_CONFIG_SET: until the node restarts or reads its file again */
	CONFIG_MAP = 5, /* the cluster map */
};

struct config_entry {
	struct slice name;     /* "limits.memory" */
	struct slice value;    /* as the file would have it */
	struct slice fallback; /* the default; empty: there is none, or it is empty */
	enum config_scope scope;
	enum config_source source;
	struct slice
		waits; /* the file says this since it was read again, and a restart is needed for it; empty: no */
	bool needs_restart;
};

/** Reply to OP_CONFIG_GET. */
struct msg_config {
	enum kv_status status;
	struct slice file; /* its path; empty: none */
	uint32_t count;    /* at most CONFIG_ENTRIES_MAX */
	const struct config_entry *entries;
};

/** OP_CONFIG_SET; the reply is a msg_result. */
struct msg_config_set {
	struct slice name, value;
};

/** A key and how often clients asked this node for it. */
struct hot_key {
	uint32_t bucket;
	struct slice key;
	uint64_t reads, writes; /* at least */
	uint64_t error;         /* and at most so many more in all */
};

/** Reply to OP_HOT_KEYS. */
struct msg_hot_keys {
	enum kv_status status;
	uint64_t window_ms; /* what is counted happened within it */
	uint64_t total;     /* requests for keys, of all keys */
	uint32_t count;     /* most asked for first; at most HOT_KEYS_MAX */
	const struct hot_key *keys;
};

/** OP_TRACES: which ones. */
struct msg_trace_query {
	uint64_t trace_hi,
		trace_lo; /* those of this trace, whole; both 0: the newest of all, each with its first span alone */
};

struct kept_timeline {
	usec_t wall_us; /* when the request came to the node, since 1970 */
	bool slow;      /* it took longer than it should */
	const struct msg_timeline *timeline;
};

/** Reply to OP_TRACES. */
struct msg_traces {
	enum kv_status status;
	uint32_t count; /* newest first; at most TRACES_TOLD_MAX, and TRACES_WHOLE_MAX of one trace */
	const struct kept_timeline *traces;
};

struct status_peer {
	node_id index;
	uint32_t state; /* 1 up, 2 suspect, 3 down, 4 myself */
	usec_t round_trip_us;
	uint64_t hints_pending;
	uint32_t partitions_dirty;
	bool link_bad;        /* it is alive and does not answer here */
	bool degraded;        /* its disk has been slow for a while */
	uint32_t health;      /* as in heartbeats, and what follows */
	uint32_t disk_p99_us; /* 0 = not known */
	uint32_t disk_free_pct;
	bool disk_low; /* nearly full: no record that grows is stored there */
};

struct status_counter {
	struct slice name;
	uint64_t value;
};

/** Reply to OP_STATUS: this node as it sees itself and the others. */
struct msg_status {
	enum kv_status status;
	struct slice message;
	struct uuid cluster, node;
	node_id index;
	uint64_t incarnation;
	uint64_t map_epoch;
	uint64_t uptime_ms;
	uint32_t shards;
	bool ready;
	struct slice version, name;
	uint32_t peer_count;
	const struct status_peer *peers;
	uint32_t counter_count;
	const struct status_counter *counters;
};

#endif
