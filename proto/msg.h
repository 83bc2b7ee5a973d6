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

#include "proto/msg_look.h"

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
