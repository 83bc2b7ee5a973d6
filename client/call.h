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
 * The same for one call: checks that it may wait, and returns its outcome. On KV_OK and KV_NOT_FOUND the reply is the
 * caller's to unref; otherwise there is none.
 */
MUST_USE enum kv_status call_run(struct kv_client *client, struct call *call, struct kv_error *err);

/** The request for OP_GET, OP_PUT or OP_DEL of KEY, by completed OPTIONS. KV_INVALID, KV_TOO_LARGE, KV_UNSUPPORTED. */
MUST_USE enum kv_status call_prepare(struct kv_client *client, struct request *r, uint16_t opcode,
				     const struct kv_options *options, struct slice key, struct slice value,
				     void (*done)(struct request *), struct kv_error *err);

/** FROM as a string in ROOM bytes (at least 1), cut if it is longer. */
void call_copy_text(char *to, size_t room, struct slice from);

/** `done` of requests inside a struct call. */
void call_done(struct request *r);

#endif
