/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A client that speaks frames over a blocking socket, for tests of the server: says anything, also what is wrong, and
 * waits for each answer at most WIRE_TIMEOUT_MS.
 */
#ifndef KV_TESTS_SUPPORT_WIRE_H
#define KV_TESTS_SUPPORT_WIRE_H

#include "base/arena.h"
#include "proto/codec.h"

#define WIRE_TIMEOUT_MS 20000

struct wire {
	int fd;
	struct buf in;      /* private: bytes not looked at yet */
	struct buf frame;   /* private: the last message's */
	struct arena arena; /* private: the last message's */
	uint64_t next_id;
};

/** Over a connected socket, which it owns. */
void wire_init(struct wire *w, int fd);

/** Connects to host:port on the loopback. False if nobody listens. */
bool wire_connect(struct wire *w, const char *address);

void wire_close(struct wire *w);

/** False if the connection is broken. */
bool wire_send_bytes(struct wire *w, const void *data, size_t size);
bool wire_send(struct wire *w, const struct msg *msg);

/** The next message, borrowed until the call after; false at the end of the stream or after the time-out. */
bool wire_receive(struct wire *w, struct msg *ret);

/** True if the other side closes the connection; what it still says is thrown away. */
bool wire_is_closed(struct wire *w);

/** Says HELLO as KIND and takes the answer; its status is returned. KV_CLOSED if there is none. */
enum kv_status wire_hello(struct wire *w, enum hello_kind kind);

/** Sends REQUEST with the next id and takes its answer. False as for wire_receive. */
bool wire_call(struct wire *w, struct msg *request, struct msg *ret);

#endif
