/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The way to one node: at most one connection, on which many requests are under way at once, and the queue of those that
 * wait for it or for room in its window.
 *
 *   IDLE -> RESOLVING -> CONNECTING -> GREETING -> OPEN -> IDLE ...
 *
 * A link is made for each endpoint and each node of the map and lives as long as the engine. It connects when a request is
 * queued. After FAILURES_MAX failures in a row (connecting, or answers that did not come) it is paused for 100 ms to
 * 2 s, doubled and with jitter: others are preferred until then. A node that says GOAWAY finishes what it has
 * (draining) and gets nothing new on that connection.
 *
 * Owned by the I/O thread. Frames are written when the engine flushes the link at the end of a turn.
 */
#ifndef KV_CLIENT_LINK_H
#define KV_CLIENT_LINK_H

#include "base/buf.h"
#include "client/endpoint.h"
#include "client/request.h"

struct event;

enum link_state { LINK_IDLE, LINK_RESOLVING, LINK_CONNECTING, LINK_GREETING, LINK_OPEN };

struct link {
	struct engine *engine;          /* read-only */
	char address[ADDRESS_SIZE_MAX]; /* read-only */
	bool aside;                     /* read-only: only for requests that name this address */
	enum link_state state;          /* read-only */
	bool draining;                  /* read-only */
	struct ilink in_pool;           /* the engine's list of all */
	struct ilink dirty;             /* the engine's list of those to flush */
	node_id expected;               /* node of the map that should answer here, or NODE_NONE */
	struct uuid node;               /* read-only: who answered last; zero: nobody yet */

	/* Private. */
	struct ilist queue;
	struct hmap sent;
	uint32_t abandoned; /* sent, given up, and not yet answered */
	uint32_t window;
	uint64_t next_id;
	struct timer timer; /* while connecting */
	struct endpoint_lookup *lookup;
	struct endpoint_addresses addresses;
	uint32_t address_index;
	int fd;
	struct event *readable, *writable;
	struct buf output; /* not yet written: from output_done on */
	size_t output_done;
	uint64_t written_total; /* bytes of this connection that left */
	uint8_t *input;
	size_t input_size;
	struct reply *incoming; /* frame whose body is being read */
	size_t incoming_size;
	uint32_t failures;
	usec_t paused_until_us;
	char why[160]; /* why connecting failed last */
};

struct link *link_new(struct engine *engine, const char *address);

/** Closes and frees it; no request is on it any more. */
void link_free(struct link *link);

/** Takes R (in no list) into the queue. */
void link_submit(struct link *link, struct request *r);

/** Takes R, QUEUED or SENT here, off the link. GAVE_UP: its answer did not come in time. */
void link_remove(struct link *link, struct request *r, bool gave_up);

/** Connects if there is need, moves what fits from the queue to the socket. Called by engine_turn. */
void link_flush(struct link *link);

/** Goes on with a name look-up that may be done. */
void link_poll_lookup(struct link *link);

/** Takes new requests now. */
static inline bool link_is_open(const struct link *link) { return link->state == LINK_OPEN && !link->draining; }

/** Not to be preferred at NOW_US. */
static inline bool link_is_paused(const struct link *link, usec_t now_us)
{
	return link->draining || now_us < link->paused_until_us;
}

#endif
