/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Bytes waiting to be sent on one connection: a chain of buffers, written with one system call for many messages.
 *
 * Small messages share a buffer, a large one gets its own; nothing is moved when a part of the chain has been sent.
 * Zero-initialised is a valid empty queue. One owner, no locking.
 */
#ifndef KV_SERVER_OUTQ_H
#define KV_SERVER_OUTQ_H

#include "base/buf.h"
#include "server/transport.h"

struct outq_chunk;

struct outq {
	size_t size;              /* read-only: unsent bytes */
	struct outq_chunk *first; /* private, and all below */
	struct outq_chunk *last;
	size_t sent;      /* bytes of the first chunk already gone */
	size_t open_size; /* size of the open buffer when it was opened */
};

/** Forgets and frees everything. NULL is allowed. */
void outq_release(struct outq *q);

/**
 * Opens the end of the queue: the caller appends one or more whole messages to the buffer and then calls outq_close. The
 * pointer is valid until then.
 */
struct buf *outq_open(struct outq *q);

/** Ends outq_open; returns how many bytes were appended. */
size_t outq_close(struct outq *q);

void outq_append(struct outq *q, const void *data, size_t size);

/** Moves everything in FROM to the end of Q. */
void outq_move(struct outq *q, struct outq *from);

/** Writes until all is sent (TRANSPORT_OK) or the socket takes no more (TRANSPORT_AGAIN) or is broken. */
MUST_USE enum transport_result outq_write(struct outq *q, struct transport *t, size_t *ret_sent);

#endif
