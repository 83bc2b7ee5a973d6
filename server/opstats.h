/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What clients asked one shard, how it ended and how long it took: by operation and level, never by key or client.
 *
 * Time runs from the request's arrival at the shard that accepted it to the answer leaving the core that carried it out;
 * what another node sent on is that node's to count. One writer, the shard's thread; any thread may read meanwhile.
 */
#ifndef KV_SERVER_OPSTATS_H
#define KV_SERVER_OPSTATS_H

#include "base/hist.h"
#include "proto/msg.h"

/* The operations told apart, with the names of kvctl's verbs. */
#define OPSTATS_OPS(X)                                                                                             \
	X(GET, "get", OP_GET)                                                                                      \
	X(PUT, "put", OP_PUT)                                                                                      \
	X(DEL, "del", OP_DEL)                                                                                      \
	X(CAS, "cas", OP_CAS)                                                                                      \
	X(INCR, "incr", OP_ADD)                                                                                    \
	X(APPEND, "append", OP_APPEND)                                                                             \
	X(OUTCOME, "outcome", OP_OUTCOME)                                                                          \
	X(SCAN, "scan", OP_SCAN)                                                                                   \
	X(LEDGER, "ledger", OP_LEDGER)

enum opstats_op {
#define OPSTATS_ENUM_(id, name, opcode) OPSTATS_##id,
	OPSTATS_OPS(OPSTATS_ENUM_)
#undef OPSTATS_ENUM_
		OPSTATS_OP_COUNT,
};

enum { OPSTATS_LEVEL_COUNT = LEVEL_STRONG, OPSTATS_STATUS_COUNT = KV_VERSION + 1 };

/** Who sent what waited. */
enum opstats_queue { OPSTATS_QUEUE_CLIENT, OPSTATS_QUEUE_PEER, OPSTATS_QUEUE_COUNT };

struct opstats {
	struct hist took_us[OPSTATS_OP_COUNT][OPSTATS_LEVEL_COUNT]; /* level LEVEL_EVENTUAL is the first */
	_Atomic uint64_t results[OPSTATS_OP_COUNT][OPSTATS_LEVEL_COUNT][OPSTATS_STATUS_COUNT];
	struct hist queue_us[OPSTATS_QUEUE_COUNT]; /* from a message's arrival to its being taken up by a core */
	struct hist loop_lag_us;                   /* how late the shard's loop comes to a timer */
};

/** Never NULL; free() ends it. */
struct opstats *opstats_new(void);

/** An answer with STATUS to OPCODE at LEVEL (as op_level gives it) leaves TOOK_US after the question. Others than clients' are ignored. */
void opstats_answered(struct opstats *o, uint16_t opcode, enum msg_level level, enum kv_status status,
		      uint64_t took_us);

/** "get"; "strong". Static storage. LEVEL counts from 0, as the arrays do. */
const char *opstats_op_name(enum opstats_op op);
const char *opstats_level_name(unsigned level);

/** True for operations that change nothing. */
bool opstats_is_read(enum opstats_op op);

#endif
