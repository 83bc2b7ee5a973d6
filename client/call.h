/* SPDX-License-Identifier: Apache-2.0 */
/**
 * From the public calls to requests: checks arguments, makes the request, and waits for it or arranges the callback.
 */
#ifndef KV_CLIENT_CALL_H
#define KV_CLIENT_CALL_H

#include "client/engine.h"

struct kv_client {
	struct engine engine;
	struct event_base *own_base; /* NULL: the caller's loop */
	pthread_t thread;            /* with own_base */
	struct kv_session *session;  /* used when none is given */
};

/** Counts down to the end of the calls a thread waits for. */
struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	size_t left;
};

/** A request that a thread waits for. */
struct call {
	struct request request;
	struct waiter *waiter;
};

/** KV_INVALID if the calling thread must not wait: in a callback, or the client runs in the caller's loop. */
MUST_USE enum kv_status call_may_wait(struct kv_client *client, struct kv_error *err);

/** request_init for a call, with the client's number of tries. */
void call_init(struct kv_client *client, struct call *call, uint16_t opcode, enum request_target target,
	       enum retry_safety safety, uint32_t timeout_ms);

/** Submits COUNT calls and waits for the end of all. On errors (as of engine_submit) none was begun. */
MUST_USE enum kv_status call_run_many(struct kv_client *client, struct call *const *calls, size_t count,
				      struct kv_error *err);

/**
 * The same for one call: checks that it may wait, and returns its outcome. With the class STATUS_DONE the reply is the
 * caller's to unref; otherwise there is none.
 */
MUST_USE enum kv_status call_run(struct kv_client *client, struct call *call, struct kv_error *err);

/** What a call about one key asks for, besides its options. */
struct call_what {
	uint16_t opcode; /* OP_PUT and OP_DEL with conditions too */
	struct slice key, value;
	int64_t delta;            /* OP_ADD */
	struct kv_write_id write; /* OP_OUTCOME */
};

/** KV_INVALID for an empty key; KV_TOO_LARGE. */
MUST_USE enum kv_status call_check_sizes(const struct call_what *what, struct kv_error *err);

/** The request for WHAT by completed OPTIONS. KV_INVALID, KV_TOO_LARGE; then there is nothing to release. */
MUST_USE enum kv_status call_prepare(struct kv_client *client, struct request *r, const struct call_what *what,
				     const struct kv_options *options, void (*done)(struct request *),
				     struct kv_error *err);

/** A prepared request that was not begun. */
void call_abandon(struct request *r);

/** The item of a request that ended; its session has seen it. The request holds nothing any more. */
struct kv_item call_take_item(struct request *r);

/** FROM as a string in ROOM bytes (at least 1), cut if it is longer. */
void call_copy_text(char *to, size_t room, struct slice from);

/** `done` of requests inside a struct call. */
void call_done(struct request *r);

#endif
