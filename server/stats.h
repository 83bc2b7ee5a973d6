/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the server counts around the cores. One table, so that names in status, metrics and docs agree. Any thread.
 */
#ifndef KV_SERVER_STATS_H
#define KV_SERVER_STATS_H

#include <stdatomic.h>

#include "base/base.h"

#define SERVER_COUNTERS(X)                                                                                         \
	X(connections)      /* gauge */                                                                            \
	X(connections_peer) /* gauge: of other nodes */                                                            \
	X(connections_accepted)                                                                                    \
	X(connections_refused)   /* over the limit, or while draining */                                           \
	X(connections_timed_out) /* no HELLO in time, or a reader that stood still */                              \
	X(connections_overrun)   /* closed because unsent output passed its limit */                               \
	X(frames_received)                                                                                         \
	X(frames_sent)                                                                                             \
	X(frames_bad) /* damaged, malformed, unknown or over a limit */                                            \
	X(bytes_received)                                                                                          \
	X(bytes_sent)                                                                                              \
	X(requests_read) /* of clients, for keys: as they come in, retries included */                             \
	X(requests_write)                                                                                          \
	X(requests_crossed) /* handed to another shard's core */                                                   \
	X(peer_connects)    /* outgoing links that came up */                                                      \
	X(peer_failures)    /* attempts that failed and links that broke */                                        \
	X(peer_messages_sent)                                                                                      \
	X(peer_messages_dropped) /* to nodes that cannot be reached or do not take them fast enough */             \
	X(reads_cached)          /* answered from memory on the loop */                                            \
	X(reads_pooled)          /* handed to the reader threads */                                                \
	X(traces_kept)           /* of operations that were sampled, failed or slow */                             \
	X(traces_slow)           /* of them slow */                                                                \
	X(traces_exported)       /* taken by the collector */                                                      \
	X(traces_dropped)        /* the collector did not take them, or not fast enough */

struct server_stats {
#define SERVER_COUNTER_FIELD_(name) _Atomic uint64_t name;
	SERVER_COUNTERS(SERVER_COUNTER_FIELD_)
#undef SERVER_COUNTER_FIELD_
};

static inline void stats_add(_Atomic uint64_t *counter, uint64_t count)
{
	atomic_fetch_add_explicit(counter, count, memory_order_relaxed);
}

static inline void stats_sub(_Atomic uint64_t *counter, uint64_t count)
{
	atomic_fetch_sub_explicit(counter, count, memory_order_relaxed);
}

static inline uint64_t stats_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
