/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The HTTP port: /metrics, /healthz, /readyz, /status.json and the page at /, on a thread of its own.
 *
 * It reads what shards publish and never waits for one of them; what it costs is bounded by its thread, by server/http.h and by
 * INSIGHT_FRESH_US.
 */
#ifndef KV_SERVER_INSIGHT_H
#define KV_SERVER_INSIGHT_H

#include "server/server.h"

#define INSIGHT_FRESH_US (100 * USEC_PER_MSEC) /* a model so old is good enough for the next question */

struct insight;

/** Starts the thread; it serves FD, bound and listening. KV_OVERLOADED with the reason in ERR; FD is closed then. */
MUST_USE enum kv_status insight_start(struct server *server, int fd, struct insight **ret, struct error *err);

/** Ends it. Before the shards are freed. NULL is allowed. */
void insight_stop(struct insight *i);

#endif
