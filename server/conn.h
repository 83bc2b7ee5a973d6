/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Accepted connections: bytes to checked messages and answers back to bytes, within limits.
 *
 * A connection says HELLO first, within HELLO_TIMEOUT_US. Every frame is checked (header sum, limits, body sum) before
 * it is decoded; what is wrong is answered by a typed error and, where the stream cannot be followed any further, by closing.
 * An idle connection holds no buffer: input is read into one scratch buffer of the shard, and only the part of a frame
 * that has not arrived in full is kept.
 *
 * Back-pressure: with `inflight_max` requests unanswered, or much unsent output, the connection is not read. A client that
 * takes no answers is closed when its output passes CONN_OUTPUT_MAX, or after standing still for CONN_STALL_US.
 *
 * All calls on the loop's thread. A closed connection stays in memory until conn_set_flush; who keeps it longer keeps a
 * handle, which a closed connection no longer answers to.
 */
#ifndef KV_SERVER_CONN_H
#define KV_SERVER_CONN_H

#include "base/arena.h"
#include "base/ilist.h"
#include "proto/frame.h"
#include "proto/msg.h"
#include "server/budget.h"
#include "server/loop.h"
#include "server/outq.h"
#include "server/stats.h"

#define CONN_SCRATCH_SIZE ((size_t)256 << 10) /* read at once */
#define CONN_STALL_US     (30 * USEC_PER_SEC) /* unsent output without progress */
#define CONN_LINGER_US    (1 * USEC_PER_SEC)  /* for the other side to read the last answer */

struct conn_set;

enum conn_state {
	CONN_HELLO, /* nothing but HELLO is taken */
	CONN_OPEN,
	CONN_CLOSING, /* what is queued is sent, what arrives is thrown away */
	CONN_DEAD,    /* closed; freed at the end of the round */
};

struct conn {
	struct conn_set *set; /* read-only, and down to peer */
	uint64_t handle;
	enum conn_state state;
	enum hello_kind kind;       /* what may connect here; which door it came in by */
	node_id peer;               /* of a peer: its index, NODE_NONE before it has one */
	uint64_t life;              /* of a peer with an index: its incarnation, as HELLO said; 0 before */
	uint32_t inflight;          /* requests not answered yet */
	struct transport transport; /* private, and all below */
	struct event read_event, write_event;
	bool reading, writing, ended;
	struct buf in;              /* the beginning of a frame; while reading is paused, whole frames too */
	size_t need;                /* bytes until `in` can be looked at again */
	uint64_t skip;              /* bytes of a refused body still to come */
	size_t in_taken, out_taken; /* from the budget */
	struct outq out;
	struct ilink all_link, dirty_link, resume_link, watch_link;
	struct ilist *watch; /* the time limit that runs, if any */
	usec_t watched_us;
};

/** What the set's owner does with what arrives. Called on the loop; messages are borrowed for the call. */
struct conn_events {
	/* Judges a HELLO and fills the reply, clock and epoch included; a status other than KV_OK closes after the reply. */
	void (*hello)(void *owner, struct conn *c, const struct msg_hello *hello, struct msg *ret_reply);
	/* It is closed; not called again. NULL: nobody wants to know. */
	void (*closed)(void *owner, struct conn *c);
	/* Any message after HELLO. HEADER, META and VALUE are the frame it came from. */
	void (*message)(void *owner, struct conn *c, const struct frame_header *header, struct slice meta,
			struct slice value, const struct msg *msg);
};

struct conn_config {
	struct loop *loop;
	const struct conn_events *events;
	void *owner;
	struct budget *budget;
	struct server_stats *stats;
	uint32_t inflight_max;
	uint32_t value_size_max; /* from clients; nodes may send up to VALUE_SIZE_MAX */
	size_t output_max;       /* 0 = CONN_OUTPUT_MAX */
};

struct conn_set {
	struct conn_config config; /* read-only, and count */
	uint32_t count;
	struct conn_slot *slots; /* private, and all below */
	uint32_t slot_count, slot_free;
	struct ilist all, dirty, resume, dead;
	struct ilist hello_watch, stall_watch, linger_watch; /* each in the order of expiry */
	uint8_t *scratch;
	struct arena arena; /* of the message being decoded */
	bool draining;
};

void conn_set_init(struct conn_set *set, const struct conn_config *config);

/** Closes all connections. Accepts a zeroed struct. */
void conn_set_release(struct conn_set *set);

/** Takes a connected non-blocking socket. */
void conn_accept(struct conn_set *set, int fd, enum hello_kind kind);

/** The connection that HANDLE was taken from, or NULL if it is closed. */
struct conn *conn_find(struct conn_set *set, uint64_t handle);

/** Queues a message; it leaves with the next conn_set_flush. May close the connection if it takes no output. */
void conn_send(struct conn *c, const struct msg *msg);

/** The same for a frame encoded elsewhere. */
void conn_send_bytes(struct conn *c, struct slice frame);

/**
 * Queues an error about one request, as the reply to its opcode where that can carry one, else as an ERROR frame.
 * REQUEST_ID 0: about the whole connection.
 */
void conn_send_error(struct conn *c, uint16_t opcode, uint64_t request_id, enum kv_status status,
		     const char *format, ...) PRINTF_LIKE(5, 6);

/** A request was handed on and will be answered; it was answered. */
void conn_request_began(struct conn *c);
void conn_request_ended(struct conn *c);

/** Sends what is queued, then closes. */
void conn_finish(struct conn *c);

/** Closes at once. */
void conn_close(struct conn *c);

/** End of a round: writes output, goes on with connections whose window opened, frees the closed ones. */
void conn_set_flush(struct conn_set *set);

/** Closes what overstayed a time limit. Call every 100 ms or so. */
void conn_set_check_times(struct conn_set *set, usec_t now_us);

/** Tells every client to go elsewhere and answers further requests with KV_CLOSED. Nodes stay connected. */
void conn_set_drain(struct conn_set *set);

/** True if no client waits for an answer or for bytes of one. */
bool conn_set_is_quiet(const struct conn_set *set);

/** Internal to conn.c and conn_set.c: starts a time limit (one of the set's lists; NULL ends it). */
void conn_watch(struct conn *c, struct ilist *watch);

/** Internal: begins to read; reads; goes on with what was kept while reading was paused; writes what is queued. */
void conn_start(struct conn *c);
void conn_read(struct conn *c);
void conn_resume(struct conn *c);
void conn_flush(struct conn *c);

/** Internal: true while nothing more may be taken from the connection; switches the read event accordingly. */
bool conn_is_paused(const struct conn *c);
void conn_update_reading(struct conn *c);

#endif
