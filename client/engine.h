/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What all parts of a client share: the event loop, the links, the map, the clock, the lists of requests by phase, and the
 * one queue through which other threads hand requests in.
 *
 * Every callback of the event loop ends with engine_turn, which works until nothing is left to do: routes READY
 * requests, flushes dirty links (one write for all requests of the turn), runs completions with no lock held, and
 * arms the one timer. Only `lock` and what stands under it is touched by other threads.
 */
#ifndef KV_CLIENT_ENGINE_H
#define KV_CLIENT_ENGINE_H

#include <pthread.h>

#include "base/clock.h"
#include "client/cluster_clock.h"
#include "client/lanes.h"
#include "client/link.h"
#include "client/options.h"
#include "client/request.h"
#include "client/route.h"

#define SUBMITTED_MAX       65536u       /* requests not yet done */
#define SUBMITTED_BYTES_MAX (256u << 20) /* of their keys and values */
#define LINKS_MAX           (NODES_MAX + 2 * ENDPOINTS_MAX)

struct engine {
	/* Immutable after engine_init. */
	struct kv_config config;
	struct event_base *base;
	int wake_fd;

	/* I/O thread only. */
	struct event *wake_event, *timer_event;
	struct rng rng;
	struct cluster_clock clock;
	struct retry_budget budget;
	struct route route;
	struct ilist links;
	uint32_t link_count;
	uint32_t turn_start;   /* where the search for any node begins: spreads load */
	struct ilist ready;    /* requests to be routed */
	struct ilist parked;   /* requests that wait for a map */
	struct ilist finished; /* requests whose `done` is due */
	struct ilist active;   /* all, in the order of submission */
	struct ilist dirty;    /* links to flush */
	struct iheap timers;
	struct lanes lanes; /* names of writes */
	struct request map_request;
	bool map_wanted;           /* map_request is under way */
	usec_t map_pause_until_us; /* an answer brought nothing new: not again before */
	bool draining;
	usec_t drain_until_us;

	/* Under lock. */
	pthread_mutex_t lock;
	struct ilist submitted;
	size_t submitted_count; /* submitted and not done, batches included */
	size_t submitted_bytes;
	bool wake_sent;
	bool closing;
	unsigned drain_ms;
};

/** BASE is the loop to run in. KV_OVERLOADED: out of descriptors. On errors nothing is left behind. */
MUST_USE enum kv_status engine_init(struct engine *e, const struct kv_config *config, struct event_base *base,
				    struct kv_error *err);

/** Frees everything. No request is active. */
void engine_release(struct engine *e);

/**
 * Hands COUNT requests over, from any thread. Either all or, with KV_CLOSED or KV_OVERLOADED, none; then no `done` runs.
 */
MUST_USE enum kv_status engine_submit(struct engine *e, struct request *const *requests, size_t count,
				      struct kv_error *err);

/** Any thread: nothing new is taken, and once all is done or DRAIN_MS have passed the loop is left. */
void engine_close(struct engine *e, unsigned drain_ms);

/** I/O thread: ends all active requests with KV_CLOSED and runs their completions. */
void engine_fail_all(struct engine *e);

/* ---- For the parts of the client, on the I/O thread ---- */

/** Works off all lists. The last thing in each callback of the event loop. */
void engine_turn(struct engine *e);

void engine_timer_set(struct engine *e, struct timer *timer, usec_t at_us);
void engine_timer_clear(struct engine *e, struct timer *timer);

/** Puts LINK on the list of links to flush in this turn. */
void engine_mark_dirty(struct engine *e, struct link *link);

/** Notes the clock and map epoch of a message received on FROM. */
void engine_observe(struct engine *e, struct link *from, const struct msg *m);

/** Fetches the map, from PREFER first if not NULL, unless that is under way already. */
void engine_fetch_map(struct engine *e, struct link *prefer);

/** The link to that address, made if need be; NULL if there are LINKS_MAX. */
struct link *engine_link(struct engine *e, const char *address);

#endif
