/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What kind of body an opcode has. Stateless; any thread.
 */
#ifndef KV_PROTO_OPCODE_H
#define KV_PROTO_OPCODE_H

#include "proto/msg.h"

/** Which member of struct msg's union counts. */
enum msg_body {
	BODY_UNKNOWN, /* unassigned numbers, and AUTH, CREDIT, CANCEL, which are reserved */
	BODY_NONE,    /* STATUS request: no member */
	BODY_HELLO,
	BODY_REQUEST,
	BODY_RESULT,
	BODY_REPLICA,
	BODY_ANSWER,
	BODY_HEARTBEAT,
	BODY_HINT,
	BODY_MAP,
	BODY_INIT,
	BODY_CLUSTER_INIT,
	BODY_STATUS,
	BODY_VOTE,
	BODY_JOIN,
	BODY_MOVE,
	BODY_TREE,
	BODY_GC,
	BODY_PROBE,
	BODY_CHANGE,
	BODY_PLAN,
	BODY_MOVE_LIST,
	BODY_REPAIR,
	BODY_EXPLAIN,
	BODY_EXPLANATION,
	BODY_CONFIG,
	BODY_CONFIG_SET,
	BODY_HOT_KEYS,
	BODY_TRACE_QUERY,
	BODY_TRACES,
};

/** Total: any number gives an answer. */
enum msg_body opcode_body(uint16_t opcode, bool reply);

/** True for client opcodes that are answered with a page of items, of one partition on the node asked. */
static inline bool opcode_has_page(uint16_t op) { return op == OP_SCAN || op == OP_LEDGER; }

/** True for opcodes whose meta part may have META_SIZE_ADMIN_MAX bytes: MAP, SCAN, LEDGER, TREE_ROOTS, 0x03xx, 0x05xx. */
static inline bool opcode_is_admin_sized(uint16_t op)
{
	return op == OP_MAP || opcode_has_page(op) || op == OP_TREE_ROOTS || op >> 8 == 3 || op >> 8 == 5;
}

/** Largest value section: PAGE_SIZE_MAX where it is a page of keys or records between nodes, else VALUE_SIZE_MAX. */
static inline uint32_t opcode_value_max(uint16_t op)
{
	switch (op) {
	case OP_MOVE_PULL:
	case OP_TREE_LEAVES:
	case OP_TREE_KEYS:
	case OP_GC:
		return PAGE_SIZE_MAX;
	default:
		return VALUE_SIZE_MAX;
	}
}

/** True for client opcodes that name one key. */
static inline bool opcode_needs_key(uint16_t op)
{
	switch (op) {
	case OP_GET:
	case OP_PUT:
	case OP_DEL:
	case OP_CAS:
	case OP_ADD:
	case OP_APPEND:
	case OP_WAIT:
	case OP_OUTCOME:
		return true;
	default:
		return false;
	}
}

/** True for client requests that may have a value section. */
static inline bool opcode_sends_value(uint16_t op)
{
	return op == OP_PUT || op == OP_CAS || op == OP_APPEND || op == OP_MPUT;
}

/** True for replica requests that carry a record. */
static inline bool opcode_sends_record(uint16_t op) { return op == OP_ACCEPT || op == OP_COPY || op == OP_PUSH; }

#endif
