/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A listening socket: accepts connections on one loop and hands the descriptors to its owner.
 *
 * One loop accepts for the whole node and deals the connections out in turn: that spreads a few connections evenly, which
 * SO_REUSEPORT does not, and a second process cannot share the port by mistake. Out of file descriptors, accepting
 * pauses for LISTENER_PAUSE_US instead of spinning.
 */
#ifndef KV_SERVER_LISTENER_H
#define KV_SERVER_LISTENER_H

#include "server/address.h"
#include "server/loop.h"

#define LISTENER_PAUSE_US (100 * USEC_PER_MSEC)

struct listener {
	int fd; /* private, all */
	struct event event;
	bool started, paused;
	struct loop_timer resume;
	void (*accepted)(void *owner, int fd);
	void *owner;
};

/**
 * Binds and listens; nothing is accepted before listener_start. With PORT not 0 it takes the place of a port 0 in TEXT.
 * *ret_bound is the real address. KV_INVALID, KV_UNAVAILABLE (name, or address in use) with the reason in ERR.
 */
MUST_USE enum kv_status listener_bind(const char *text, uint16_t port, int *ret_fd, struct address *ret_bound,
				      struct error *err);

/** Begins to accept. ACCEPTED owns each descriptor it is given: non-blocking, without delay for small packets. */
void listener_start(struct listener *l, struct loop *loop, int fd, void (*accepted)(void *owner, int fd),
		    void *owner);

/** Stops and closes. Accepts a zeroed struct. On the loop's thread, or after it ended. */
void listener_stop(struct listener *l);

/** Says why the node takes no connection, as far as the socket allows without waiting, and closes FD. */
void listener_refuse(int fd, enum kv_status status, const char *why);

#endif
