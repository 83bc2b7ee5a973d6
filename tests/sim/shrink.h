/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Makes a failure small: takes out fault classes one by one, then clients, keys and operations, and keeps each change after
 * which the run still fails the same check.
 *
 * The search is greedy and bounded; what it ends with may not be the smallest. How a run is tried is the caller's:
 * kvsim runs each in a process of its own, because a failed assertion ends the process.
 */
#ifndef KV_SIM_SHRINK_H
#define KV_SIM_SHRINK_H

#include "tests/sim/options.h"

struct shrink {
	/* True if a run of OPTIONS still fails in the way that matters. */
	bool (*fails)(void *arg, const struct sim_options *options);
	/* True when the search has to end. */
	bool (*is_over)(void *arg);
	void *arg;
	uint32_t tried; /* runs so far */
};

/** Makes O, which fails, smaller in place. */
void shrink_options(struct shrink *s, struct sim_options *o);

#endif
