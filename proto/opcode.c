/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/opcode.h"

enum msg_body opcode_body(uint16_t opcode, bool reply)
{
	switch ((enum msg_opcode)opcode) {
	case OP_HELLO:
		return BODY_HELLO;
	case OP_PING:
	case OP_GOAWAY:
	case OP_ERROR:
		return BODY_RESULT;
	case OP_GET:
	case OP_PUT:
	case OP_DEL:
	case OP_CAS:
	case OP_ADD:
	case OP_MGET:
	case OP_MPUT:
	case OP_SCAN:
	case OP_WAIT:
	case OP_APPEND:
	case OP_OUTCOME:
	case OP_LEDGER:
		return reply ? BODY_RESULT : BODY_REQUEST;
	case OP_READ:
	case OP_PUSH:
	case OP_PREPARE:
	case OP_ACCEPT:
	case OP_COPY:
		return reply ? BODY_ANSWER : BODY_REPLICA;
	case OP_MAP:
	case OP_MAP_PUSH:
	case OP_MAP_PULL:
		return BODY_MAP;
	case OP_INIT_RESERVE:
		return BODY_INIT;
	case OP_HINT_OPEN:
		return BODY_HINT;
	case OP_HEARTBEAT:
		return BODY_HEARTBEAT;
	case OP_STATUS:
		return reply ? BODY_STATUS : BODY_NONE;
	case OP_CLUSTER_INIT:
		return reply ? BODY_RESULT : BODY_CLUSTER_INIT;
	case OP_MAP_PREPARE:
	case OP_MAP_ACCEPT:
		return BODY_VOTE;
	case OP_JOIN:
		return BODY_JOIN;
	case OP_MOVE_REPORT:
	case OP_MOVE_OPEN:
	case OP_MOVE_PULL:
		return BODY_MOVE;
	case OP_TREE_ROOTS:
	case OP_TREE_LEAVES:
	case OP_TREE_KEYS:
		return BODY_TREE;
	case OP_GC:
		return BODY_GC;
	case OP_PROBE:
		return BODY_PROBE;
	case OP_CLUSTER_CHANGE:
		return reply ? BODY_RESULT : BODY_CHANGE;
	case OP_CLUSTER_PLAN:
		return reply ? BODY_PLAN : BODY_NONE;
	case OP_MOVE_LIST:
		return reply ? BODY_MOVE_LIST : BODY_NONE;
	case OP_REPAIR:
		return BODY_REPAIR;
	case OP_EXPLAIN:
		return reply ? BODY_EXPLANATION : BODY_EXPLAIN;
	case OP_CONFIG_GET:
		return reply ? BODY_CONFIG : BODY_NONE;
	case OP_CONFIG_SET:
		return reply ? BODY_RESULT : BODY_CONFIG_SET;
	case OP_HOT_KEYS:
		return reply ? BODY_HOT_KEYS : BODY_NONE;
	case OP_TRACES:
		return reply ? BODY_TRACES : BODY_TRACE_QUERY;
	case OP_AUTH:
	case OP_CREDIT:
	case OP_CANCEL:
		return BODY_UNKNOWN;
	}
	return BODY_UNKNOWN;
}

const char *opcode_name(uint16_t opcode)
{
#define OPCODE_NAME_(name)                                                                                         \
	case OP_##name:                                                                                            \
		return #name
	switch ((enum msg_opcode)opcode) {
		OPCODE_NAME_(HELLO);
		OPCODE_NAME_(AUTH);
		OPCODE_NAME_(PING);
		OPCODE_NAME_(GOAWAY);
		OPCODE_NAME_(CREDIT);
		OPCODE_NAME_(CANCEL);
		OPCODE_NAME_(ERROR);
		OPCODE_NAME_(GET);
		OPCODE_NAME_(PUT);
		OPCODE_NAME_(DEL);
		OPCODE_NAME_(CAS);
		OPCODE_NAME_(ADD);
		OPCODE_NAME_(MGET);
		OPCODE_NAME_(MPUT);
		OPCODE_NAME_(SCAN);
		OPCODE_NAME_(WAIT);
		OPCODE_NAME_(MAP);
		OPCODE_NAME_(APPEND);
		OPCODE_NAME_(OUTCOME);
		OPCODE_NAME_(LEDGER);
		OPCODE_NAME_(READ);
		OPCODE_NAME_(PUSH);
		OPCODE_NAME_(PREPARE);
		OPCODE_NAME_(ACCEPT);
		OPCODE_NAME_(COPY);
		OPCODE_NAME_(MAP_PUSH);
		OPCODE_NAME_(MAP_PULL);
		OPCODE_NAME_(INIT_RESERVE);
		OPCODE_NAME_(HINT_OPEN);
		OPCODE_NAME_(HEARTBEAT);
		OPCODE_NAME_(STATUS);
		OPCODE_NAME_(CLUSTER_INIT);
		OPCODE_NAME_(MAP_PREPARE);
		OPCODE_NAME_(MAP_ACCEPT);
		OPCODE_NAME_(MOVE_REPORT);
		OPCODE_NAME_(JOIN);
		OPCODE_NAME_(MOVE_OPEN);
		OPCODE_NAME_(MOVE_PULL);
		OPCODE_NAME_(TREE_ROOTS);
		OPCODE_NAME_(TREE_LEAVES);
		OPCODE_NAME_(TREE_KEYS);
		OPCODE_NAME_(GC);
		OPCODE_NAME_(PROBE);
		OPCODE_NAME_(CLUSTER_CHANGE);
		OPCODE_NAME_(CLUSTER_PLAN);
		OPCODE_NAME_(MOVE_LIST);
		OPCODE_NAME_(REPAIR);
		OPCODE_NAME_(EXPLAIN);
		OPCODE_NAME_(CONFIG_GET);
		OPCODE_NAME_(CONFIG_SET);
		OPCODE_NAME_(HOT_KEYS);
		OPCODE_NAME_(TRACES);
	}
#undef OPCODE_NAME_
	return "UNKNOWN";
}
