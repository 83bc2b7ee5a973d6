/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Names for writes. A client is a bundle of lanes, and each lane has at most one unanswered write: the next one in a lane tells
 * every replica that the one before is over, so that a key that is written again and again need not remember them all.
 *
 * A lane whose write ended in doubt is never used again: somebody may ask what became of it. Belongs to the I/O thread.
 */
#ifndef KV_CLIENT_LANES_H
#define KV_CLIENT_LANES_H

#include "proto/msg.h"

struct lanes {
	uint64_t client; /* name of lane 0; the others count up from it */
	uint64_t seq;    /* of the last write */
	uint64_t next;   /* lanes ever opened */
	uint64_t *free;  /* that may be used again */
	size_t free_count, free_capacity;
};

/** CLIENT is random and not 0. */
void lanes_init(struct lanes *l, uint64_t client);
void lanes_release(struct lanes *l);

/** A name that no other write has, in a lane of its own until lanes_end. */
struct request_id lanes_take(struct lanes *l);

/** The write RID is over. */
void lanes_end(struct lanes *l, struct request_id rid, bool in_doubt);

#endif
