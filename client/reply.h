/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One frame from a node, with the memory that its decoded message points into. What a caller is handed (struct kv_item)
 * holds a reference, so values are never copied after they were read from the socket.
 *
 * The I/O thread fills it; after decoding it is immutable but for the atomic reference count, and any thread may hold it.
 */
#ifndef KV_CLIENT_REPLY_H
#define KV_CLIENT_REPLY_H

#include <stdatomic.h>

#include <kv/client.h>

#include "base/arena.h"
#include "proto/frame.h"
#include "proto/msg.h"

struct reply {
	atomic_uint refs; /* private; 1 when made */
	struct frame_header header;
	struct arena arena;                 /* private */
	struct msg msg;                     /* read-only after reply_decode */
	struct kv_receipt receipt;          /* filled by item_from_reply */
	const struct kv_timeline *timeline; /* the same; in the arena, or NULL */
	uint8_t body[];                     /* meta, then value */
};

/** Room for the body of HEADER, one reference. NULL when out of memory. */
MUST_USE struct reply *reply_new(const struct frame_header *header);

static inline size_t reply_body_size(const struct reply *r)
{
	return (size_t)r->header.meta_size + r->header.value_size;
}

/** Checks and decodes the filled body. KV_CORRUPT if it does not match its sum; else as codec_decode. */
MUST_USE enum kv_status reply_decode(struct reply *r);

struct reply *reply_ref(struct reply *r);

/** Gives a reference back; the last one frees. NULL is allowed. Any thread. */
void reply_unref(struct reply *r);

_Static_assert(KV_WRITE_EXPIRED == (int)OUTCOME_EXPIRED && KV_WRITE_COMMITTED == (int)OUTCOME_COMMITTED,
	       "outcomes are the wire's");

/**
 * The answer to a data request as a caller sees it; takes over the reference to R. ATTEMPTS is what the receipt tells, TOOK_US what
 * the timeline does. Sets R's receipt and timeline, so before R is shared with another thread. R NULL gives an empty item.
 */
struct kv_item item_from_reply(struct reply *r, uint32_t attempts, usec_t took_us);

#endif
