/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A random schedule of faults on a cluster of real processes: nodes that come and go, die, stand still, end in good order or lose
 * what was not synced; disks that fail, fill up, hang; networks that part, slow down, break; clocks that jump.
 *
 * Faults begin at random moments, last a random while and overlap; a node has one fault of its process or disk at a time.
 * What happens when is written to a log that a failing test shows. One seed gives one schedule, but not one run: the
 * processes go their own ways.
 *
 * Main thread only.
 */
#ifndef KV_TESTS_CLUSTER_CHAOS_H
#define KV_TESTS_CLUSTER_CHAOS_H

#include <stdio.h>

#include "base/buf.h"
#include "base/rng.h"
#include "tests/cluster/cluster.h"

#define CHAOS_FAULTS_MAX 16 /* at once */

struct chaos_kind;

struct chaos_fault {
	const struct chaos_kind *kind; /* NULL: none */
	unsigned node;
	usec_t end_us;
	int64_t amount; /* the kind's own */
};

struct chaos {
	struct cluster *cluster; /* private, all */
	struct rng rng;
	usec_t began_us;
	FILE *log;
	struct chaos_fault faults[CHAOS_FAULTS_MAX];
	int64_t clock_ms; /* how far all clocks have moved on */
	unsigned guest;   /* a node that came later: index, 0 none */
	bool guest_is_asked, guest_leaves;
	unsigned counts[64];
};

/** C is faulty, proxied and whole, and has spares if nodes are to come and go. The log lies in its directory. Ended by harness_teardown. */
void chaos_init(struct chaos *chaos, struct cluster *c, uint64_t seed);

/** MS milliseconds (not stretched) of faults, then mends everything and waits until the nodes are together. */
void chaos_run(struct chaos *chaos, unsigned ms);

/** How often each fault struck, as text. */
void chaos_describe(const struct chaos *chaos, struct buf *out);

#endif
