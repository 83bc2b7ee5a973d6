/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One request in flight, from submission to its one completion.
 *
 *   NEW -> READY -> QUEUED (on a link) -> SENT -> DONE
 *             \-> PARKED (until a newer map)   \-> PAUSED (before a retry) -> READY
 *
 * The submitter owns the memory, fills the public fields after request_init, and does not touch them until `done` runs:
 * exactly once, on the I/O thread, also on time-out and close; from inside `done` on the memory is the submitter's
 * again. In between everything belongs to the I/O thread. Events only record what happened and move the request to a list;
 * engine_turn does the rest, so nothing here calls back into who called it.
 */
#ifndef KV_CLIENT_REQUEST_H
#define KV_CLIENT_REQUEST_H

#include <kv/client.h>

#include "base/buf.h"
#include "base/hmap.h"
#include "base/iheap.h"
#include "base/ilist.h"
#include "client/reply.h"
#include "client/retry.h"
#include "client/session.h"
#include "proto/msg.h"

struct engine;
struct link;

#define TRIED_MAX 16u

enum request_target {
	TARGET_KEY,     /* replicas of the partition of `key_hash`, then any node */
	TARGET_ROW,     /* replicas of `partition` and nobody else */
	TARGET_ANY,     /* any node */
	TARGET_NODE,    /* node `node` of the map */
	TARGET_ADDRESS, /* the node at `address` */
	TARGET_MAP,     /* nobody: ends when there is a cluster map */
	TARGET_CLOCK,   /* nobody: ends with rid and t0 when the cluster's clock is known */
};

enum request_phase {
	REQUEST_NEW,
	REQUEST_READY,
	REQUEST_QUEUED,
	REQUEST_SENT,
	REQUEST_PAUSED,
	REQUEST_PARKED,
	REQUEST_DONE,
};

/** Something due at a time, in the engine's heap. */
struct timer {
	struct iheap_item item;
	void (*fire)(struct timer *timer);
};

struct request {
	/* Public: filled by the submitter, read by it from `done` on. */
	struct msg
		msg; /* id, epoch, deadline_ms, attempt and, unless given, rid and t0 are filled here when it is sent */
	enum request_target target;
	bool mapless; /* it has waited for a map, to find a near node, and goes on without */
	enum retry_safety safety;
	uint32_t timeout_ms;
	uint32_t tries_max;
	uint16_t partition;         /* TARGET_ROW */
	node_id node;               /* TARGET_NODE */
	const char *address;        /* TARGET_ADDRESS; borrowed until done */
	uint64_t key_hash;          /* TARGET_KEY */
	uint32_t attempts_before;   /* of a write whose rid and t0 are given */
	struct kv_session *session; /* NULL: none; a reference, the submitter's to unref */
	uint8_t session_token[SESSION_KEY_TOKEN_SIZE];
	void (*done)(struct request *r);

	/* Public: the outcome. */
	struct kv_error error;
	struct reply *reply; /* the last answer, with KV_OK always; the submitter's to unref */
	struct reply *timed; /* the last other answer that had a timeline, or NULL; the submitter's to unref */
	uint32_t sent_count; /* times it was sent */
	usec_t took_us;      /* from the last sending to its answer */

	/* Private to the I/O thread. */
	struct engine *engine;
	enum request_phase phase;
	struct ilink place;     /* in the list of its phase */
	struct ilink active;    /* in the engine's list of all */
	struct hmap_node by_id; /* in its link, while SENT */
	struct timer timer;     /* end of pause or attempt, or deadline */
	struct link *at;        /* while QUEUED or SENT */
	struct link *prefer;    /* go here first; cleared when used */
	usec_t deadline_us;
	usec_t sent_us;
	uint64_t frame_start;   /* offset in the link's output while SENT */
	bool has_time;          /* rid and t0 are set */
	bool in_lane;           /* rid is one of the engine's lanes */
	bool maybe_applied;     /* a write that was sent once without a definite answer */
	bool answered_in_round; /* some node answered since `tried` was last cleared */
	uint32_t tries;         /* answered attempts and rounds without a connection */
	uint32_t contentions;   /* answers that others were quicker */
	uint32_t tried_count;
	struct link *tried[TRIED_MAX]; /* not again in this round; links live as long as the engine */
};

/** Zeroes R and sets what each kind of request needs. */
void request_init(struct request *r, uint16_t opcode, enum request_target target, enum retry_safety safety,
		  void (*done)(struct request *r));

static inline bool request_is_write(const struct request *r) { return r->safety != RETRY_READ; }

/** It cannot go anywhere, or end, without a cluster map. */
static inline bool request_needs_map(const struct request *r)
{
	return r->target == TARGET_MAP || r->target == TARGET_CLOCK || r->target == TARGET_ROW ||
	       r->target == TARGET_NODE;
}

/** The name of a write once it has a time; zero before, and for other requests. */
struct kv_write_id request_write_id(const struct request *r);

/** Begins: the engine has just taken it over. */
void request_start(struct request *r, struct engine *engine);

/** Finds a link for a READY request, or pauses, parks or ends it. */
void request_route(struct request *r);

/** Gives rid and t0 to a write once the cluster's clock is known. */
void request_assign_time(struct request *r);

/** Appends the frame with request id ID to OUT, at the time of sending. Ends R and returns false if it cannot be encoded. */
MUST_USE bool request_encode(struct request *r, uint64_t id, struct buf *out);

/** REPLY answers R, which is in no list any more; its reference is R's from now on. */
void request_answered(struct request *r, struct reply *reply);

/**
 * R's link could not connect, or its connection ended. SENT: bytes of it may have reached the node. R is in no list
 * any more. STATUS and WHY tell what happened.
 */
void request_lost(struct request *r, bool sent, enum kv_status status, const char *why);

/** A READY list entry again, without penalty: its link takes no more requests. */
void request_requeue(struct request *r);

/** Ends R from any phase. in_doubt is added here if a write was sent. FORMAT makes the message. */
void request_fail(struct request *r, enum kv_status status, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
