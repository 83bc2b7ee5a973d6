/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How long this core took over a request that it served as a replica: told with the answer where the request is traced, and as
 * ACT_TRACE if that is sampled or the answer was slow.
 */
#ifndef KV_REPLICATION_SERVED_H
#define KV_REPLICATION_SERVED_H

#include "replication/step.h"

struct node_core;

/** Times of one request, on the monotonic clock. */
struct served {
	usec_t arrived_us;
	usec_t taken_us; /* first looked at */
	usec_t ready_us; /* its key's record was there */
	struct trace_context trace;
	bool awaited; /* somebody waits for the answer */
};

/** Adds to the answer M, which goes to TO now, what is known of the time it took. */
void served_answer(struct node_core *core, const struct served *s, node_id to, struct msg *m);

#endif
