/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What messages are made of: versions, records, levels, and the numbers of their kinds. Included by proto/msg.h, as all of msg_*.h.
 */
#ifndef KV_PROTO_MSG_TYPES_H
#define KV_PROTO_MSG_TYPES_H

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

#endif
