/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the operations of a load took in a part of its time, and how its strong ones failed. After load_stop.
 */
#ifndef KV_TESTS_CLUSTER_LATENCY_H
#define KV_TESTS_CLUSTER_LATENCY_H

#include "tests/cluster/load.h"

/** Microseconds that half and all but a hundredth of the operations took which were asked from FROM_US until UNTIL_US. */
struct latency {
	unsigned count;
	usec_t p50_us, p99_us;
};

struct latency latency_of(struct load *l, usec_t from_us, usec_t until_us);

/** Prints it: WHAT says when it was. */
void latency_tell(struct load *l, const char *what, usec_t from_us, usec_t until_us);

/** Fails the test if a strong operation failed otherwise than by a time-out, or more than one in twenty did so; prints how many. */
void latency_check_strong(struct load *l);

#endif
