/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Messages about keys: what clients ask, what replicas are asked, and what keeps nodes in touch. Included by proto/msg.h.
 */
#ifndef KV_PROTO_MSG_REQUEST_H
#define KV_PROTO_MSG_REQUEST_H

#include "proto/msg_types.h"

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
	bool no_room;                /* BUSY: the disk is nearly full, and the record would take more of it */
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
	bool disk_low; /* no record that grows is stored */
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

#endif
