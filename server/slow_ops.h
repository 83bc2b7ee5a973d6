/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The slow operations of a node: those that took at least `trace.slow` until their answer, newest first.
 *
 * Each shard remembers the last SLOW_OPS_KEPT of them. What the node coordinated for a client and what it served as a replica
 * both count; the second kind points at a slow disk or a long queue of this very node.
 */
#ifndef KV_SERVER_SLOW_OPS_H
#define KV_SERVER_SLOW_OPS_H

#include "base/klog.h"
#include "proto/msg.h"

struct server;

/** Remembered a shard. */
#define SLOW_OPS_KEPT 64u

/** Room for a timeline's text and its NUL; what does not fit is left out, and "..." ends it. */
#define SLOW_OP_TIMELINE_SIZE 512u

struct slow_op {
	uint64_t trace_hi, trace_lo; /* W3C trace id, never 0 */
	usec_t wall_us;              /* when it began, since 1970 */
	uint64_t took_us;            /* until the answer */
	uint64_t queue_us;           /* of that, until it was taken up */
	uint16_t opcode;             /* opcode_name() */
	bool replica;                /* served for another coordinator, or for this node's own */
	enum msg_level level;        /* !replica */
	uint16_t partition;
	enum kv_status status; /* of the answer; !replica */
	bool in_doubt;
	uint32_t rounds; /* of messages to replicas */
	uint64_t epoch;  /* of the map */
	/* "read@31+612(1=record@31+590 2=unanswered@31+612)": each round of messages and pause, when it began and how long it took, in
	   microseconds since the arrival; in brackets who answered what, and what of it the replica says was queue, disk, sync */
	char timeline[SLOW_OP_TIMELINE_SIZE];
};

/** Fills RET from a timeline that arrived at WALL_US. */
void slow_op_tell(const struct msg_timeline *timeline, usec_t wall_us, struct slow_op *ret);

/** Writes the line of a slow operation, unless LIMIT says that there were enough. BALLOT: of its timeline. */
void slow_op_log(const struct slow_op *op, struct version ballot, struct log_limit *limit);

/** Copies at most MAX of them to RET, newest first, and returns how many. Any thread. */
size_t slow_ops_recent(struct server *server, struct slow_op *ret, size_t max);

#endif
