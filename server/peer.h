/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Outgoing links of one shard, one to each other node: everything said to a node, answers included, goes over them.
 *
 * A link carries messages one way; what the other node answers comes over its own link to us. So a link needs no state
 * about requests, and two nodes that dial each other at once need no rule about which connection wins. Messages may be
 * lost: the core's time-outs cover it. A link that cannot connect drops what waits for it with each failed attempt,
 * one whose node does not take messages fast enough drops the newest; both are counted.
 *
 * All calls on the loop's thread.
 */
#ifndef KV_SERVER_PEER_H
#define KV_SERVER_PEER_H

#include "base/ilist.h"
#include "base/rng.h"
#include "proto/msg.h"
#include "server/loop.h"
#include "server/stats.h"

#define PEER_BACKOFF_MIN_US     (50 * USEC_PER_MSEC)
#define PEER_BACKOFF_MAX_US     (1 * USEC_PER_SEC)
#define PEER_REFUSED_RETRY_US   (5 * USEC_PER_SEC) /* after an answer that a quick retry cannot change */
#define PEER_CONNECT_TIMEOUT_US (2 * USEC_PER_SEC) /* until HELLO is answered */
#define PEER_QUEUE_MAX          ((size_t)32 << 20) /* unsent bytes a link */
#define PEER_WAITING_MAX        ((size_t)1 << 20)  /* of them before the link is up */

struct peer_events {
	/* Fills the HELLO to say, perhaps inside a call of this header; slices live as long as the owner. */
	void (*hello)(void *owner, struct msg_hello *ret);
	/* Node INDEX says that this node's identity may not be used: the process cannot go on. Never inside a call. */
	void (*rejected)(void *owner, node_id index, struct slice why);
};

struct peer_config {
	struct loop *loop;
	struct server_stats *stats;
	const struct peer_events *events;
	void *owner;
	uint64_t seed; /* of the back-off's jitter */
};

struct peer_link;

#define PEER_LINKS (NODES_MAX + 1u) /* the nodes, and NODE_GUEST */

struct peer_set {
	struct peer_config config; /* private, all */
	struct rng rng;
	struct ilist dirty;
	int wake_fd; /* names have been looked up */
	bool has_wake;
	struct event wake_event;
	struct peer_link *links[PEER_LINKS];
};

void peer_set_init(struct peer_set *set, const struct peer_config *config);

/** Closes all links. Accepts a zeroed struct. */
void peer_set_release(struct peer_set *set);

/** Node INDEX is reached at ADDRESS from now on; an empty address ends the link. Copied. */
void peer_point(struct peer_set *set, node_id index, struct slice address);

/** Queues a message for node INDEX; it leaves with the next peer_set_flush, or is dropped and counted. */
void peer_send(struct peer_set *set, node_id index, const struct msg *msg);

/** End of a round: writes what is queued. */
void peer_set_flush(struct peer_set *set);

/** What HELLO said may have changed: links that said something else say it again on a new connection. */
void peer_set_greet_again(struct peer_set *set);

#endif
