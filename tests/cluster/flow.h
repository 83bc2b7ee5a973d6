/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Bytes on their way in one direction of a connection: pieces in order, each with the time from which it may go on.
 */
#ifndef KV_TESTS_CLUSTER_FLOW_H
#define KV_TESTS_CLUSTER_FLOW_H

#include "base/ilist.h"
#include "base/slice.h"
#include "base/types.h"

struct flow {
	struct ilist pieces; /* private */
	size_t size;         /* read-only: bytes on their way */
	usec_t due_us;       /* of the newest piece; it never falls */
	usec_t free_us;      /* when a limited line has sent all of it */
	bool ended;          /* the owner's: nothing more will come */
};

void flow_init(struct flow *f);

/** Drops all pieces. */
void flow_release(struct flow *f);

/** Adds a piece that is due at DUE_US, or when the one before it is. Copied. */
void flow_push(struct flow *f, struct slice bytes, usec_t due_us);

/** When the first piece is due; USEC_NEVER: there is none. */
usec_t flow_next_us(const struct flow *f);

/** Writes what is due to a socket that does not wait. False: the socket is broken. *RET_SENT grows. */
MUST_USE bool flow_write(struct flow *f, int fd, usec_t now_us, uint64_t *ret_sent);

#endif
