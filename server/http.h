/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A small HTTP/1.1 server on one loop: GET and HEAD, whole answers, nothing else.
 *
 * Everything is bounded: connections (HTTP_CONNECTIONS_MAX; the next one is told 503), the head (HTTP_HEAD_MAX), a body (none
 * is taken), the time for a head to come, for an answer to be taken and for a connection to stay idle. A connection
 * has one answer under way; what it sends meanwhile waits in the socket.
 *
 * All calls on the loop's thread, or before it runs or after it ended.
 */
#ifndef KV_SERVER_HTTP_H
#define KV_SERVER_HTTP_H

#include "base/buf.h"
#include "base/ilist.h"
#include "server/http_request.h"
#include "server/listener.h"

#define HTTP_CONNECTIONS_MAX 64u
#define HTTP_HEAD_US         (5 * USEC_PER_SEC)
#define HTTP_ANSWER_US       (10 * USEC_PER_SEC)
#define HTTP_IDLE_US         (60 * USEC_PER_SEC)

struct http_answer {
	int code;
	const char *type;  /* of the body; static storage */
	const char *extra; /* more headers, each with CR LF; static storage, or NULL */
	struct buf body;   /* appended to by the owner */
};

/** Fills the answer to a request for PATH; code is 404 and the body empty before. */
typedef void http_answer_fn(void *owner, struct slice path, struct http_answer *answer);

struct http {
	struct listener listener; /* private, all */
	struct loop *loop;
	struct loop_timer house;
	struct ilist conns;
	uint32_t count;
	http_answer_fn *answer;
	void *owner;
	struct buf body; /* of the answer being made; keeps its memory */
};

/** Takes over FD, bound and listening. The struct stays where it is until http_stop. */
void http_start(struct http *http, struct loop *loop, int fd, http_answer_fn *answer, void *owner);

/** Closes everything. Accepts a zeroed struct. */
void http_stop(struct http *http);

#endif
