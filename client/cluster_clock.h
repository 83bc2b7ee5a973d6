/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The client's estimate of the cluster's clock, from what nodes say and the time since; the machine's own time of day plays
 * no part. It gives eventual writes their version time.
 *
 * It goes on from the latest reading; one that lies far behind is ignored. Invariant: until a correction every issued
 * value is greater than all issued before and than all versions observed. Owned by the I/O thread.
 */
#ifndef KV_CLIENT_CLUSTER_CLOCK_H
#define KV_CLIENT_CLUSTER_CLOCK_H

#include "base/hlc.h"

struct cluster_clock {
	hlc_t seen;        /* private: reading it goes on from, 0 = none yet */
	usec_t seen_at_us; /* private: monotonic time then */
	hlc_t floor;       /* private: greatest value issued, or version observed */
};

/** True once a node was heard: before, nothing can be issued. */
static inline bool cluster_clock_is_set(const struct cluster_clock *c) { return c->seen != 0; }

/** A node's reading, received at NOW_US on the monotonic clock. 0 is ignored. */
void cluster_clock_observe(struct cluster_clock *c, hlc_t reading, usec_t now_us);

/**
 * A write was refused because its time was ahead of the replicas' clocks: some reading heard before was wrong, and going on
 * from it would have every later write refused too. Starts over from READING, of the node that says so; 0 keeps all.
 */
void cluster_clock_correct(struct cluster_clock *c, hlc_t reading, usec_t now_us);

/** A version that exists: later values of this client lie above it. */
void cluster_clock_observe_version(struct cluster_clock *c, hlc_t version_hlc);

/** The next value. The clock is set. */
hlc_t cluster_clock_issue(struct cluster_clock *c, usec_t now_us);

#endif
