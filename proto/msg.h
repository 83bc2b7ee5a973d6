/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Every message of kvd as plain C structs: the only face of the wire that other layers see.
 *
 * A `struct msg` borrows: slices and arrays point into the arena or frame it was decoded from, or into the actions it
 * was built in, and live as long as those. Absent numbers are 0 and absent slices {NULL, 0} unless a field says otherwise.
 * proto/codec.c turns a msg into a frame and back; docs/protocol.md is byte-exact.
 */
#ifndef KV_PROTO_MSG_H
#define KV_PROTO_MSG_H

#include "base/hlc.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/types.h"
#include "proto/limits.h"

/** Position of a node in the cluster map. */
typedef uint16_t node_id;
#define NODE_NONE ((node_id)0xFFFF)

/** Not in any map: whoever asked to form a cluster and is refused. Only the outside of the core sees it. */
#define NODE_GUEST ((node_id)NODES_MAX)

/**
 * One point in the one order of all values and ballots: compared by hlc, then id. {0,0} means "never written".
 * id is `node << 48 | low 48 bits`: a coordinator uses its own index and 0; an eventual write whose client fixed the time
 * uses node 0xFFFF and 48 bits of the request id's hash, so that every retry is the same version.
 */
struct version {
	hlc_t hlc;
	uint64_t id;
};

/** Names a write for ever, retries included. {0,0} means the client gave none. */
struct request_id {
	uint64_t client; /* random, one a client instance */
	uint64_t seq;    /* counts up in that client; with REQUEST_LANE in that lane */
};

/**
 * Set in seq by clients that have at most one unanswered strong write a key under the same `client`: a later seq then tells
 * that the earlier ones are over, and records need to remember the last one only.
 */
#define REQUEST_LANE (UINT64_C(1) << 63)

/* Results of strong writes that records keep, besides 0, the sums of ADD and the sizes of APPEND. */
#define RESULT_FAILED    ((uint64_t)INT64_MIN)       /* the condition did not hold */
#define RESULT_CANCELLED ((uint64_t)(INT64_MIN + 1)) /* OUTCOME made sure that it never happens */
#define RESULT_SUM_MIN   (INT64_MIN + 2)             /* least sum of an ADD */

/** An attempt that a record's value was built on. */
struct lineage {
	struct version ver;
	struct request_id rid;
	uint64_t result;
};

/**
 * One copy of a key as a replica stores it and messages carry it (docs/consistency.md).
 * ver 0 means absent; then drop_floor tells up to which version tombstones were dropped.
 */
struct record {
	struct version ver; /* of this copy */
	struct version org; /* attempt that made the value; what clients see as the version */
	bool weak;          /* stored below a promise */
	bool tombstone;
	bool strong;    /* written by a strong operation */
	bool has_value; /* false where only a digest travels, and for tombstones */
	struct request_id rid;
	uint64_t result;     /* outcome to repeat to a retried request */
	uint64_t expires_ms; /* milliseconds since 1970 on the cluster's clock; 0 = never */
	uint64_t fence;
	uint64_t value_hash; /* XXH3 of the value */
	uint32_t value_size;
	struct version lin_floor;
	uint32_t lin_count;
	const struct lineage *lin; /* newest first */
	struct slice value;
};

/** A strong copy, current or overwritten, that is or descends from an attempt asked about. */
struct carrier {
	struct version copy;    /* version of that copy */
	struct version attempt; /* which attempt it carries */
	uint64_t result;
};

enum msg_level {
	LEVEL_DEFAULT = 0, /* the bucket's default: eventual */
	LEVEL_EVENTUAL = 1,
	LEVEL_SESSION = 2,
	LEVEL_BOUNDED = 3,
	LEVEL_STRONG = 4,
};

enum msg_acks { ACKS_DEFAULT = 0, ACKS_ONE = 1, ACKS_MAJORITY = 2, ACKS_ALL = 3 };

/** Ranges let an old node classify what it does not know. Numbers never change. */
enum msg_opcode {
	/* 0x00xx session */
	OP_HELLO = 0x0001,
	OP_AUTH = 0x0002,
	OP_PING = 0x0003,   /* anyone; reply echoes */
	OP_GOAWAY = 0x0004, /* server push: finish what is in flight, reconnect elsewhere */
	OP_CREDIT = 0x0005,
	OP_CANCEL = 0x0006,
	OP_ERROR = 0x0007, /* about the connection, not one request */
	/* 0x01xx client */
	OP_GET = 0x0101,
	OP_PUT = 0x0102,
	OP_DEL = 0x0103,
	OP_CAS = 0x0104,
	OP_ADD = 0x0105,
	OP_MGET = 0x0106,
	OP_MPUT = 0x0107,
	OP_SCAN = 0x0108,
	OP_WAIT = 0x0109,
	OP_MAP = 0x010A, /* the cluster map */
	OP_APPEND = 0x010B,
	OP_OUTCOME = 0x010C,
	OP_LEDGER = 0x010D, /* values that lost to concurrent ones; of one partition, on the node asked */
	/* 0x02xx replica */
	OP_READ = 0x0201,
	OP_PUSH = 0x0202,
	OP_PREPARE = 0x0203,
	OP_ACCEPT = 0x0204,
	OP_COPY = 0x0205,
	/* 0x03xx map */
	OP_MAP_PUSH = 0x0301,
	OP_MAP_PULL = 0x0302,
	OP_INIT_RESERVE = 0x0303,
	OP_MAP_PREPARE = 0x0304, /* the register that decides on the next map */
	OP_MAP_ACCEPT = 0x0305,
	OP_MOVE_REPORT = 0x0306, /* how far a partition's copying to its new replica is; to every node */
	OP_JOIN = 0x0307,        /* a node without a cluster asks to be admitted */
	/* 0x04xx background */
	OP_HINT_OPEN = 0x0401,
	OP_HEARTBEAT = 0x0402,
	OP_MOVE_OPEN = 0x0403, /* a new replica begins to take a partition over */
	OP_MOVE_PULL = 0x0404, /* a page of records */
	OP_TREE_ROOTS = 0x0405,
	OP_TREE_LEAVES = 0x0406,
	OP_TREE_KEYS = 0x0407,
	OP_GC = 0x0408,    /* a step of dropping tombstones */
	OP_PROBE = 0x0409, /* can you reach that node? */
	/* 0x05xx administration */
	OP_STATUS = 0x0501,
	OP_CLUSTER_INIT = 0x0502,
	OP_CLUSTER_CHANGE = 0x0503, /* stages, commits or discards a change of the nodes */
	OP_CLUSTER_PLAN = 0x0504,   /* what the staged change, or the one under way, moves */
	OP_MOVE_LIST = 0x0505,
	OP_REPAIR = 0x0506,
	OP_EXPLAIN = 0x0507,    /* what the node asked holds and remembers of one key */
	OP_CONFIG_GET = 0x0508, /* its settings */
	OP_CONFIG_SET = 0x0509, /* changes one of them while it runs */
	OP_HOT_KEYS = 0x050A,   /* which keys it is asked for most */
	OP_TRACES = 0x0540,     /* the timelines it kept */
};

static inline bool opcode_is_client(uint16_t op) { return op >> 8 == 1; }
static inline bool opcode_is_replica(uint16_t op) { return op >> 8 == 2; }

enum hello_kind { HELLO_CLIENT = 1, HELLO_PEER = 2 };

/** OP_HELLO and its reply: first frame both ways. */
struct msg_hello {
	enum hello_kind kind;
	uint32_t proto_min, proto_max; /* reply: both are the chosen one */
	uint64_t features;
	struct uuid cluster;       /* zero: none yet */
	struct uuid node;          /* zero for clients */
	node_id index;             /* NODE_NONE for clients and nodes without a map */
	uint64_t incarnation;      /* starts of this node so far */
	uint64_t boot_nonce;       /* random at each start: tells two processes with one identity apart */
	struct slice name;         /* client name and version, or node name */
	struct slice peer_address; /* where the sender listens for peers; empty for clients */
	struct slice http_address; /* of its status page, as others reach it; empty: none */
	uint64_t map_epoch;
	uint32_t frame_size_max;
	uint32_t window; /* requests the sender accepts unanswered */
	uint32_t shards;
	struct slice auth_mechanisms; /* space separated */
	enum kv_status status;        /* reply only: KV_OK, or why the connection is refused */
	struct slice message;         /* reply only */
};

/** W3C trace context. trace_id zero: none. */
struct trace_context {
	uint64_t trace_hi, trace_lo, span;
	bool sampled;
};

static inline bool trace_is_none(const struct trace_context *t) { return t->trace_hi == 0 && t->trace_lo == 0; }

/** What a stretch of a request's time was spent on. Numbers never change. */
enum span_kind {
	SPAN_REQUEST = 1, /* a client's request, at its coordinator */
	SPAN_QUEUE = 2,   /* it had arrived and was not taken up */
	SPAN_BACKOFF = 3, /* a pause before the next try */
	SPAN_TURN = 4,    /* behind other strong writes of this core on the key */
	SPAN_READ = 5,    /* and what follows: a round of messages to replicas */
	SPAN_COPY = 6,
	SPAN_PREPARE = 7,
	SPAN_ACCEPT = 8,
	SPAN_DIRECT = 9,
	SPAN_PUSH = 10,
	SPAN_FORWARD = 11, /* to another node, which carried it out */
	SPAN_SCAN = 12,    /* a page, from this node's disk */
	SPAN_REPLICA = 13, /* a message to a replica and its answer */
	SPAN_SERVE = 14,   /* the same, at the replica */
	SPAN_DISK = 15,    /* the record was read */
	SPAN_COMMIT = 16,  /* writes of others kept the disk busy */
	SPAN_SYNC = 17,    /* until it was durable */
};

/** "request", "queue"; "unknown" for others. Static storage. */
const char *span_name(enum span_kind kind);

struct timeline_span {
	enum span_kind kind;
	uint32_t parent; /* index of an earlier one; of the first: 0 */
	node_id node;    /* where */
	node_id peer;    /* REPLICA, FORWARD: who was asked; NODE_NONE */
	usec_t start_us; /* since the request came to the node that tells */
	usec_t took_us;
	bool open;       /* it had not ended when this was told; took_us is until then */
	uint32_t result; /* REPLICA: enum replica_answer; REQUEST, FORWARD: enum kv_status; only if !open */
	uint64_t id;     /* W3C span id; stays on the node. 0: told by another node, which has a span of its own */
};

/** Where the time of one request went, as its coordinator saw it; spans[0] is the whole. Or of one served as a replica. */
struct msg_timeline {
	struct trace_context context; /* span: of the parent of spans[0], 0: none. The trace id is never 0 */
	uint64_t span;                /* id of spans[0] */
	node_id node;
	uint16_t opcode;
	enum msg_level level;
	uint16_t partition;
	uint64_t epoch;
	struct version ballot; /* the last one, or the version put without one */
	uint32_t rounds;       /* of messages to replicas */
	enum kv_status status;
	bool in_doubt;
	usec_t took_us; /* until the answer */
	uint32_t span_count;
	const struct timeline_span *spans;
	uint32_t left_out; /* events that there was no room for */
	usec_t arrived_us; /* monotonic; stays on the node */
	bool slow;         /* it took longer than it should; stays on the node */
};

/** A client's request: every opcode 0x01xx. */
struct msg_request {
	uint32_t bucket; /* 0 = default */
	struct slice key;
	struct slice value;  /* PUT, CAS, APPEND: raw bytes outside the meta part */
	uint64_t value_hash; /* XXH3 of value computed by the client; 0 = none given */
	enum msg_level level;
	enum msg_acks acks;
	uint32_t deadline_ms;  /* remaining when sent; 0 = DEADLINE_DEFAULT_MS */
	uint32_t staleness_ms; /* LEVEL_BOUNDED */
	struct request_id rid;
	hlc_t t0;         /* the client's reading of the cluster's clock before its first try; 0 = none */
	uint32_t attempt; /* 0 on the first try, counts retries */
	uint64_t ttl_ms;  /* 0 = keep for ever */
	uint64_t fence;
	bool has_expected;
	struct version expected; /* {0,0} with has_expected: the key must be absent */
	bool has_expected_hash;
	uint64_t expected_hash; /* XXH3 that the present value must have */
	bool if_present;
	int64_t delta;        /* ADD */
	struct slice session; /* token */
	struct trace_context trace;
	bool timeline_wanted;
	bool receipt_wanted;
	bool forwarded; /* sent on by a node that is not a replica; never sent on again */
	/* SCAN; of one partition, on the node asked */
	uint16_t partition;
	struct slice cursor; /* opaque, from the page before */
	struct slice prefix;
	uint32_t limit; /* items; 0 = SCAN_ITEMS_MAX */
	bool raw;       /* also tombstones, expired and weak copies: what is on this replica */
};

struct receipt_replica {
	node_id node;
	struct version ver;
	enum kv_status status; /* KV_OK answered in time; otherwise why not */
};

struct msg_receipt {
	enum msg_level asked, achieved;
	struct version version;
	uint64_t epoch;
	uint32_t acks, hinted;
	uint32_t rounds; /* phases of messages it took */
	uint32_t staleness_ms;
	bool repaired;
	uint32_t replica_count;
	struct receipt_replica replicas[ROW_MAX];
};

struct scan_item {
	struct slice key;
	struct slice value;
	struct version ver, org;
	uint64_t expires_ms;
	uint64_t value_hash;
	bool tombstone, weak, strong;
	uint32_t
		cause; /* LEDGER: enum ledger_cause; org is then the version it lost to, expires_ms the entry's end */
};

/** Why an eventual value is in the ledger. Numbers never change. */
enum ledger_cause {
	LEDGER_LATE = 1,        /* a newer version was here when it came */
	LEDGER_OVERWRITTEN = 2, /* an eventual write that had not seen it took its place */
	LEDGER_STRONG = 3,      /* a strong write took its place at about the same time */
};

/** What became of a write, as OUTCOME tells. Numbers never change. */
enum msg_outcome {
	OUTCOME_NONE = 0,
	OUTCOME_COMMITTED = 1,
	OUTCOME_NOT_APPLIED = 2, /* and never will be */
	OUTCOME_EXPIRED = 3,     /* too long ago to tell */
};

/** The answer to a msg_request. */
struct msg_result {
	enum kv_status status;
	bool in_doubt; /* a write that may have been applied */
	uint32_t retry_after_ms;
	struct slice message;   /* what, why, what next; may be empty */
	struct version version; /* org of the value read or written */
	struct slice value;
	uint64_t value_hash;
	uint64_t expires_ms;
	enum msg_outcome outcome; /* OUTCOME */
	uint32_t staleness_ms;    /* reads: the value is at most that old, rounded up; 0 = not known */
	bool try_other;           /* another replica may be better connected */
	uint16_t row_count;       /* with KV_STALE: the replicas of the key's partition */
	node_id row[ROW_MAX];
	struct slice session;
	bool has_receipt;
	struct msg_receipt receipt;
	const struct msg_timeline *timeline; /* NULL: none */
	/* SCAN, LEDGER */
	uint32_t item_count;
	const struct scan_item *items;
	struct slice cursor; /* empty: the partition is done */
};

/** Coordinator to replica: READ, PREPARE, ACCEPT, COPY, PUSH. */
struct msg_replica {
	uint16_t partition;
	uint32_t bucket;
	struct slice key;
	uint32_t deadline_ms; /* remaining when sent */
	bool want_value;      /* READ: answer the value, not only its hash */
	bool hinted;          /* PUSH: replay of a hint */
	bool transfer; /* PUSH: of a move or a tombstone session. Only from a core to itself, never on the wire */
	bool purge; /* PUSH: removes the record, if it is still this version. Only from a core to itself as well */
	struct version ballot; /* PREPARE */
	struct request_id rid; /* PREPARE: look this request up */
	uint32_t attempt_count;
	const struct version *attempts;
	struct record record; /* ACCEPT, COPY, PUSH */
	uint64_t read_epoch;  /* PUSH: epoch of the row the copy was read under */
	bool direct;          /* ACCEPT: no ballot was prepared for it */
	struct version next;  /* ACCEPT: ballot to promise with the store; {0,0} none */
	struct trace_context trace;
};

/** Where a replica's time went. */
struct served_time {
	uint32_t queue_us;  /* until the request was taken up */
	uint32_t disk_us;   /* until the record was read */
	uint32_t commit_us; /* until the disk began to write */
	uint32_t sync_us;   /* until it was durable */
};

enum replica_answer {
	ANSWER_RECORD = 1,  /* READ: record, or absent (ver 0) with drop_floor */
	ANSWER_PROMISE = 2, /* PREPARE: the same plus carriers and memory_floor */
	ANSWER_ACK = 3,     /* ACCEPT, COPY */
	ANSWER_REJECT = 4,  /* PREPARE, ACCEPT, COPY */
	ANSWER_STORED = 5,  /* PUSH */
	ANSWER_OLD = 6,     /* PUSH: an equal or newer version is here */
	ANSWER_EPOCH = 7,   /* the map epoch of the request is too old or I am no member */
	ANSWER_CLOCK = 8,   /* the version is too far ahead of my clock */
	ANSWER_BUSY = 9,    /* a limit was reached; nothing was done */
};

struct msg_replica_reply {
	uint16_t partition;
	enum replica_answer answer;
	struct record record; /* RECORD, PROMISE */
	struct version drop_floor;
	struct version promise; /* REJECT, ACK; OLD: the seal, if that refused a version newer than the one here */
	struct version stored;  /* REJECT, ACK, STORED, OLD: version now here */
	bool above, no_promise, out; /* REJECT, as in docs/consistency.md */
	struct version memory_floor; /* PROMISE */
	uint32_t carrier_count;
	const struct carrier *carriers;
	uint64_t config_epoch;     /* EPOCH: epoch of the partition's row here */
	struct served_time served; /* zero unless the request has a trace */
};

/** OP_HEARTBEAT and reply: every PING_INTERVAL_US between cores. */
struct msg_heartbeat {
	uint64_t seq;
	usec_t sent_us; /* sender's monotonic clock, echoed */
	uint64_t incarnation;
	uint64_t map_epoch;
	uint32_t health; /* 0 best to 7 */
	uint32_t queue_us;
	uint32_t disk_p99_us;
	uint32_t disk_free_pct;
	hlc_t stored_hlc; /* what the sender acknowledged before this reading of its clock is at the receiver; 0 = unknown */
	uint32_t shards; /* cores of the sender */
	bool drained; /* a node that leaves: this core of it has no partition, and no hint or mark for others, any more */
	uint32_t core; /* which of the sender's cores tells so */
};

/** OP_HINT_OPEN: how much a sender wants to replay; the reply grants. */
struct msg_hint {
	uint64_t pending;
	uint32_t granted; /* keys that may be pushed now; 0 = ask later */
	uint32_t pace_ms; /* ask again after */
	/* The sender leaves PARTITION: the receiver is to remember that it owes TARGET all of it. Reply: granted 1, it does. */
	bool mark;
	uint16_t partition;
	node_id target;
};

enum node_state {
	NODE_JOINING = 1, /* gets partitions */
	NODE_NORMAL = 2,
	NODE_LEAVING = 3, /* gives its partitions away */
	NODE_REMOVED = 4, /* its identity is spent; rows may name it until their moves are done */
	NODE_STAGED = 5,  /* admitted, holds nothing, waits for the change to be committed */
};

struct map_node {
	node_id index;
	struct uuid uuid;
	enum node_state state;
	struct slice name;
	struct slice peer_address; /* host:port */
	struct slice client_address;
	struct slice zone;
	uint32_t weight;
	uint64_t features; /* bit N - 1: it can do what came with feature level N */
	bool leave_staged; /* NORMAL or JOINING: a commit makes it LEAVING */
	bool gone_staged;  /* a commit makes it REMOVED: it is dead, and nothing is copied from it */
	bool keep_staged;  /* LEAVING: a commit makes it stay after all */
	node_id replaces;  /* STAGED: a commit makes that node REMOVED; NODE_NONE: none */
};

/** True if a commit does something to NODE. */
static inline bool map_node_is_staged(const struct map_node *node)
{
	return node->state == NODE_STAGED || node->leave_staged || node->gone_staged || node->keep_staged;
}

/** The feature level of a node that can do FEATURES: all up to the first that it lacks. */
static inline uint32_t feature_level_of(uint64_t features)
{
	return features == UINT64_MAX ? 64 : (uint32_t)__builtin_ctzll(~features);
}

/**
 * A partition between two replica sets: while the map has the move, rows still has the old set, every strong phase needs a
 * majority of both, and the new members copy. The map without it and with the new row ends it; without it and with the old
 * row it was given up.
 */
struct map_move {
	uint16_t partition;
	uint16_t old_count, new_count;
	node_id old_row[REPLICAS_MAX], new_row[REPLICAS_MAX];
	struct uuid session; /* of this try; what says another is refused */
};

/** Admits one node once. */
struct map_token {
	uint64_t hash;       /* XXH3 of the token's text */
	uint64_t expires_ms; /* on the cluster's clock */
};

/** The cluster map as a value. rows is partitions x replicas, config_epochs one a partition. */
struct map_desc {
	struct uuid cluster;
	struct slice name;
	uint64_t epoch;
	uint32_t partitions;
	uint32_t replicas;
	uint32_t node_count;
	const struct map_node *nodes;
	const node_id *rows;
	const uint64_t *config_epochs;
	uint32_t move_count;
	const struct map_move *moves;
	uint32_t voter_count;
	node_id voters[VOTERS_MAX]; /* decide on the map after this one */
	uint32_t token_count;
	struct map_token tokens[TOKENS_MAX];
	bool paused;            /* no move starts */
	uint64_t feature_level; /* every node can do what came up to it, and may */
};

/** OP_MAP and its reply, OP_MAP_PUSH, OP_MAP_PULL. map NULL: have_epoch is current. */
struct msg_map {
	enum kv_status status;
	uint64_t have_epoch;
	const struct map_desc *map;
};

/** OP_INIT_RESERVE: asks an empty node to take part in forming a cluster; the reply says who it is. */
struct msg_init {
	struct uuid cluster;
	node_id from, index; /* the asker and the node asked, in the map to be */
	struct slice from_address;
	/* reply */
	enum kv_status status;
	struct slice message;
	struct map_node self; /* uuid, name, addresses, zone, weight, features */
};

/** OP_CLUSTER_INIT, from kvctl: peer addresses of empty nodes, the asked node among them. */
struct msg_cluster_init {
	struct slice name;
	uint32_t partitions, replicas; /* 0 = default; replicas default is min(3, nodes), odd */
	uint32_t address_count;
	const struct slice *addresses;
	uint32_t deadline_ms;
};

/**
 * OP_MAP_PREPARE, OP_MAP_ACCEPT and their replies. The map of each epoch is decided once, by the voters of the map before it;
 * whoever proposes needs a majority of them and, if the voters change, of the new ones too.
 */
struct msg_vote {
	struct version ballot;
	uint64_t epoch; /* of the map to be decided: one above the asker's */
	const struct map_desc
		*map; /* ACCEPT: proposed. Reply to PREPARE: accepted here before, or NULL. Any reply with
				       KV_STALE: the newer map in force here */
	/* reply */
	enum kv_status
		status; /* KV_OK; KV_CONFLICT: a higher ballot is promised; KV_STALE; KV_NOT_READY: my map is older */
	struct version promised; /* highest ballot promised here */
	struct version accepted; /* PREPARE: ballot of map; {0,0} none */
};

/** OP_JOIN and its reply; the map follows by MAP_PUSH. */
struct msg_join {
	struct slice token; /* text */
	struct map_node self;
	/* reply */
	enum kv_status status;
	struct slice message;
};

enum move_stage {
	MOVE_OPENING = 1,  /* learns floors and fence from a majority of the old members */
	MOVE_COPYING = 2,  /* pages from one of them */
	MOVE_CHECKING = 3, /* compares with a majority of them, reads what differs */
	MOVE_DONE = 4,     /* all that is acknowledged is here */
};

/** OP_MOVE_OPEN, OP_MOVE_PULL and replies, from a new member of a row; OP_MOVE_REPORT to everyone, without a reply. */
struct msg_move {
	uint16_t partition;
	struct uuid session;
	/* OPEN reply */
	hlc_t fence;               /* clock after the joint map came into force here */
	struct version seal, drop; /* floors of the partition */
	uint64_t keys, bytes;      /* in the partition; REPORT: to copy, an estimate */
	/* PULL */
	struct slice cursor; /* empty: the start; reply: where the next page begins */
	bool done;           /* reply: there is none */
	struct slice page;   /* reply: records, replication/page.h; travels as the frame's value */
	/* REPORT */
	enum move_stage stage;
	uint64_t keys_done, bytes_done, bytes_per_sec;
	node_id source;
	uint32_t retries;
	struct slice message; /* last error */
	/* replies */
	enum kv_status status; /* KV_OK; KV_STALE: another session or epoch; KV_NOT_READY: later */
};

struct tree_root {
	uint16_t partition;
	uint64_t config_epoch;
	uint64_t hash;
};

/** OP_TREE_ROOTS, OP_TREE_LEAVES, OP_TREE_KEYS and replies: where do two replicas of a partition differ? */
struct msg_tree {
	uint32_t root_count; /* ROOTS: the sender's; reply: of those the receiver has another hash for */
	const struct tree_root *roots;
	uint16_t partition; /* LEAVES, KEYS */
	uint16_t leaf;      /* KEYS */
	struct slice cursor;
	bool done;
	struct slice
		page; /* reply: LEAVES: a u64 a leaf, little-endian, then a bit a leaf: it holds weak copies; KEYS:
			      keys and versions, replication/page.h; travels as the frame's value */
	enum kv_status status;
};

enum gc_step {
	GC_SEAL = 1,  /* refuse what is not above floor */
	GC_CHECK = 2, /* of each tombstone named: may it go? */
	GC_DROP = 3,  /* all that is not above floor was everywhere: delete the tombstones named */
	GC_SYNC = 4,  /* take the records in the page, sealed or not */
};

/** OP_GC and its reply (docs/consistency.md, tombstones). */
struct msg_gc {
	uint16_t partition;
	enum gc_step step;
	struct version floor;
	struct slice
		page; /* keys and versions, or records; reply to CHECK: a byte each (replication/gc.h); travels as the value */
	enum kv_status status;
};

/** OP_PROBE and its reply. */
struct msg_probe {
	node_id target;
	bool reached; /* reply */
};

enum change_kind {
	NODE_ADD = 1,       /* stage: the empty node at `address`; with `node`: in place of that dead one */
	NODE_LEAVE = 2,     /* stage: `node` gives its partitions away and leaves */
	NODE_GONE = 3,      /* stage: `node` is dead and does not come back */
	CHANGE_COMMIT = 4,  /* what is staged begins */
	CHANGE_DISCARD = 5, /* forget it; identities that were to be added are spent */
	CHANGE_PAUSE = 6,   /* give up the moves under way, begin no more */
	CHANGE_RESUME = 7,
	CHANGE_TOKEN = 8, /* make a join token; the reply's value is its text */
	CHANGE_ADDRESS =
		9, /* `node` is reached at `address`, its clients at `client_address`, and can do `features` */
	CHANGE_WEIGHT = 10,
	CHANGE_FINALIZE = 11, /* the cluster may do all that every node can */
	NODE_KEEP = 12,       /* what is staged about `node` is forgotten; of one that leaves, stage: it stays */
};

/** OP_CLUSTER_CHANGE from kvctl, or from a node about itself; the reply is a msg_result. */
struct msg_change {
	enum change_kind kind;
	node_id node; /* NODE_NONE: none */
	struct slice address, client_address;
	uint64_t features; /* ADDRESS: of `node` */
	uint32_t weight;
	uint64_t ttl_ms; /* of a token; 0 = TOKEN_TTL_DEFAULT_MS */
	uint64_t epoch;  /* COMMIT: of the map that was planned on; 0: any */
	uint32_t deadline_ms;
};

/** What a plan does to one node. */
struct plan_node {
	node_id index;
	uint32_t before, after; /* partitions held */
	uint32_t moves_in, moves_out;
	uint64_t bytes_in, bytes_out;
};

/** Reply to OP_CLUSTER_PLAN. */
struct msg_plan {
	enum kv_status status;
	struct slice message; /* why there is none, or what to mind: uneven zones, too few nodes left, ... */
	uint64_t epoch;       /* of the map it is for */
	bool staged;          /* false: of the change under way */
	uint32_t moves;       /* partitions that change members */
	uint64_t bytes;
	uint64_t duration_ms; /* estimate; 0 = not known */
	uint32_t survives;    /* nodes that may fail at any time of it without an acknowledged strong write lost */
	uint32_t node_count;
	const struct plan_node *nodes;
};

/** A move as MOVE_LIST tells it. */
struct move_status {
	uint16_t partition;
	uint32_t old_count, new_count;
	node_id old_row[REPLICAS_MAX], new_row[REPLICAS_MAX];
	node_id node; /* new member; one entry each */
	enum move_stage stage;
	uint64_t keys, bytes, keys_done, bytes_done, bytes_per_sec;
	node_id source;
	uint32_t retries;
	uint64_t age_ms; /* of what is told */
	struct slice message;
};

/** Reply to OP_MOVE_LIST. */
struct msg_move_list {
	uint64_t epoch;
	uint32_t waiting; /* partitions that still have to move and have not begun */
	bool paused;
	uint32_t count;
	const struct move_status *moves;
};

/** How one partition stands with one of its other replicas. */
struct repair_pair {
	uint16_t partition;
	node_id peer;
	uint64_t
		equal_age_ms; /* since the two were last known to hold the same; UINT64_MAX: never since the start */
};

/** OP_REPAIR: asks one core of the node; the reply tells how it stands. */
struct msg_repair {
	uint32_t shard; /* which core; the reply echoes it */
	bool run;       /* compare everything now */
	bool scrub;     /* and read every record, checking its checksum */
	/* reply */
	enum kv_status status;
	uint32_t shards; /* cores of the node */
	uint32_t partitions;
	uint64_t oldest_ms; /* greatest equal_age_ms of all pairs */
	uint32_t building;  /* partitions whose tree is not ready */
	uint64_t exchanges, differing, repaired, scrubbed, corrupt;
	uint64_t tombstones;
	uint64_t
		purge_age_ms; /* old deletions wait: for how long at most; 0: none does; UINT64_MAX: since the start */
	uint32_t purge_blocked;   /* partitions with old tombstones that cannot be purged */
	node_id purge_blocked_by; /* a node they wait for; NODE_NONE */
	uint32_t pair_count;      /* those never equal or oldest first, at most REPAIR_PAIRS_MAX */
	const struct repair_pair *pairs;
};

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

struct msg {
	uint16_t opcode; /* enum msg_opcode */
	bool reply;
	uint64_t id; /* unique at the sender of the request; a reply carries its request's */
	hlc_t hlc;   /* sender's clock; 0 from clients that have none */
	uint64_t
		epoch; /* sender's map epoch; replica requests: epoch of the partition's row as the sender knows it */
	uint32_t shard; /* background messages: which core of the sender asked, echoed in the reply */
	union {
		struct msg_hello hello;     /* HELLO */
		struct msg_request request; /* 0x01xx but MAP, !reply */
		struct msg_result result;   /* 0x01xx but MAP, reply; PING, ERROR, GOAWAY; CLUSTER_INIT reply */
		struct msg_replica replica; /* 0x02xx, !reply */
		struct msg_replica_reply answer;      /* 0x02xx, reply */
		struct msg_heartbeat heartbeat;       /* HEARTBEAT */
		struct msg_hint hint;                 /* HINT_OPEN */
		struct msg_map map;                   /* MAP, MAP_PUSH, MAP_PULL */
		struct msg_init init;                 /* INIT_RESERVE */
		struct msg_cluster_init cluster_init; /* CLUSTER_INIT, !reply */
		struct msg_status status;             /* STATUS reply; request has no body */
		struct msg_vote vote;                 /* MAP_PREPARE, MAP_ACCEPT */
		struct msg_join join;                 /* JOIN */
		struct msg_move move;                 /* MOVE_OPEN, MOVE_PULL, MOVE_REPORT */
		struct msg_tree tree;                 /* TREE_ROOTS, TREE_LEAVES, TREE_KEYS */
		struct msg_gc gc;                     /* GC */
		struct msg_probe probe;               /* PROBE */
		struct msg_change change;             /* CLUSTER_CHANGE, !reply; the reply is result */
		struct msg_plan plan;                 /* CLUSTER_PLAN reply; request has no body */
		struct msg_move_list move_list;       /* MOVE_LIST reply; request has no body */
		struct msg_repair repair;             /* REPAIR */
		struct msg_explain explain;           /* EXPLAIN, !reply */
		struct msg_explanation explanation;   /* EXPLAIN, reply */
		struct msg_config config;             /* CONFIG_GET reply; request has no body */
		struct msg_config_set config_set;     /* CONFIG_SET, !reply; the reply is result */
		struct msg_hot_keys hot_keys;         /* HOT_KEYS reply; request has no body */
		struct msg_trace_query trace_query;   /* TRACES, !reply */
		struct msg_traces traces;             /* TRACES, reply */
	};
};

/** "strong", "eventual"; "unknown" for others. Static storage. */
const char *level_text(enum msg_level level);

/** "record", "ack"; "unknown" for others. Static storage. */
const char *answer_name(enum replica_answer answer);

/** "PUT", "ACCEPT"; "UNKNOWN" for others. Static storage. */
const char *opcode_name(uint16_t opcode);

#endif
