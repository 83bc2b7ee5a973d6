/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Bytes in and out of one connected socket, without waiting: what lies between a connection and its file descriptor.
 *
 * A connection knows only this interface, so that an encrypted transport takes the plain one's place. One owner, on its
 * loop's thread.
 */
#ifndef KV_SERVER_TRANSPORT_H
#define KV_SERVER_TRANSPORT_H

#include <sys/uio.h>

#include "base/base.h"

enum transport_result {
	TRANSPORT_OK,     /* some bytes went through */
	TRANSPORT_AGAIN,  /* none can for now: wait for the descriptor */
	TRANSPORT_CLOSED, /* the other side ended the stream */
	TRANSPORT_FAILED, /* broken; errno says why */
};

struct transport;

struct transport_class {
	enum transport_result (*read)(struct transport *t, const struct iovec *parts, int count, size_t *ret_size);
	enum transport_result (*write)(struct transport *t, const struct iovec *parts, int count, size_t *ret_size);
	void (*end)(struct transport *t);
	void (*close)(struct transport *t);
};

struct transport {
	const struct transport_class *class;
	int fd; /* read-only: to wait for */
};

/** Plain TCP over FD, a non-blocking socket that now belongs to the transport. */
void transport_init_tcp(struct transport *t, int fd);

/** Fills the parts in order. *ret_size is set with TRANSPORT_OK only and is at least 1 then. */
static inline enum transport_result transport_read(struct transport *t, const struct iovec *parts, int count,
						   size_t *ret_size)
{
	return t->class->read(t, parts, count, ret_size);
}

/** Sends from the parts in order, perhaps not all of them. */
static inline enum transport_result transport_write(struct transport *t, const struct iovec *parts, int count,
						    size_t *ret_size)
{
	return t->class->write(t, parts, count, ret_size);
}

/** Tells the other side that nothing more will be sent; reading goes on. */
static inline void transport_end(struct transport *t) { t->class->end(t); }

/** Closes the descriptor. Accepts a zeroed or closed transport. */
static inline void transport_close(struct transport *t)
{
	if (t->class)
		t->class->close(t);
	t->class = NULL;
}

#endif
