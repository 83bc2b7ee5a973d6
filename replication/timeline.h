/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What happened to an operation and when: marks, eight bytes each, taken as it goes along, whether or not anybody will look.
 *
 * Marking allocates nothing and never fails: what there is no room for is counted. Only an operation that is told of (traced,
 * failed or slow) has its marks made into spans, by timeline_tell.
 *
 *   request                       arrived .. answered
 *     queue                       arrived .. taken up
 *     read, prepare, push, ...    one a phase
 *       replica                   sent .. answered, one a replica asked
 *         queue disk commit sync  as the replica told it, laid in the middle of the round trip
 */
#ifndef KV_REPLICATION_TIMELINE_H
#define KV_REPLICATION_TIMELINE_H

#include "replication/actions.h"

enum mark_kind {
	MARK_PHASE,    /* what: enum span_kind */
	MARK_SENT,     /* node */
	MARK_ANSWERED, /* node; what: enum replica_answer, or enum kv_status where it was forwarded */
	MARK_QUEUE,    /* and what follows: node; at_us is how long it took there. Right behind its MARK_ANSWERED */
	MARK_DISK,
	MARK_COMMIT,
	MARK_SYNC,
};

struct mark {
	uint32_t at_us; /* since it arrived */
	uint8_t kind;
	uint8_t what;
	node_id node;
};

_Static_assert(sizeof(struct mark) == 8, "an operation has many");

struct timeline {
	usec_t arrived_us;
	usec_t taken_us;
	usec_t answered_us;           /* 0: not yet */
	struct trace_context context; /* of who asked; no trace id: nobody traces it */
	uint64_t span;                /* its own span's id */
	bool wanted;                  /* the answer carries it */
	enum kv_status status;        /* of the answer */
	bool in_doubt;
	uint32_t count;
	uint32_t left_out;                     /* marks that there was no room for */
	struct mark marks[TIMELINE_MARKS_MAX]; /* only `count` of them are initialised */
};

static inline void timeline_add(struct timeline *t, uint32_t at_us, enum mark_kind kind, uint8_t what, node_id node)
{
	if (t->count == TIMELINE_MARKS_MAX) {
		t->left_out++;
		return;
	}
	t->marks[t->count++] = (struct mark){.at_us = at_us, .kind = (uint8_t)kind, .what = what, .node = node};
}

/** Notes what happens at NOW_US. */
static inline void timeline_mark(struct timeline *t, usec_t now_us, enum mark_kind kind, uint8_t what, node_id node)
{
	timeline_add(t, (uint32_t)(now_us - t->arrived_us), kind, what, node);
}

/** Notes what a replica tells of its part. */
static inline void timeline_mark_served(struct timeline *t, node_id node, const struct served_time *served)
{
	if (served->queue_us)
		timeline_add(t, served->queue_us, MARK_QUEUE, 0, node);
	if (served->disk_us)
		timeline_add(t, served->disk_us, MARK_DISK, 0, node);
	if (served->commit_us)
		timeline_add(t, served->commit_us, MARK_COMMIT, 0, node);
	if (served->sync_us)
		timeline_add(t, served->sync_us, MARK_SYNC, 0, node);
}

/** The id of the span of a message to NODE in the ROUND-th round of messages of the operation whose span is SPAN. Never 0. */
uint64_t timeline_call_span(uint64_t span, uint32_t round, node_id node);

/** The id of the INDEX-th other span below SPAN. Never 0. */
uint64_t timeline_child_span(uint64_t span, uint32_t index);

/** A trace id for what has none. */
struct trace_context timeline_context(uint64_t span);

/**
 * Makes the spans of T as they are known at NOW_US, on node SELF, in OUT's memory. RET gets trace, spans, status and times; the
 * caller adds the rest.
 */
void timeline_tell(const struct timeline *t, node_id self, usec_t now_us, struct actions *out,
		   struct msg_timeline *ret);

/**
 * TOLD, by the node that T was sent on to, below the span of that message in RET: its times are moved into the middle of the wait.
 * Spans over TIMELINE_SPANS_MAX are left out.
 */
void timeline_graft(struct msg_timeline *ret, const struct msg_timeline *told, struct actions *out);

#endif
