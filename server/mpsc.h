/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A queue from many threads to one: producers push by compare-and-swap, the consumer takes everything by one exchange.
 *
 * Intrusive and unbounded; what is in it is bounded by who may push. Order: the pushes of one producer come out in their
 * order. Zero-initialised is a valid empty queue. No thread ever waits for another.
 */
#ifndef KV_SERVER_MPSC_H
#define KV_SERVER_MPSC_H

#include <stdatomic.h>

#include "base/base.h"

struct mpsc_node {
	struct mpsc_node *next; /* private in the queue; read-only in what mpsc_take_all returned */
};

struct mpsc {
	_Atomic(struct mpsc_node *) head; /* private: newest first */
};

/** Adds NODE, which belongs to the queue until it is taken. Any thread. True if the queue was empty before. */
bool mpsc_push(struct mpsc *queue, struct mpsc_node *node);

/** Takes everything: the oldest, linked by `next` to younger ones; NULL if empty. The consumer's thread only. */
struct mpsc_node *mpsc_take_all(struct mpsc *queue);

#endif
