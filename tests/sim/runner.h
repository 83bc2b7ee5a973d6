/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Runs seeds: what kvsim and the simulator's test share.
 *
 * If an assertion of the code under test stops the process, the seed and the last events are printed before it dies, so
 * that no failure is without its seed. One run at a time.
 */
#ifndef KV_SIM_RUNNER_H
#define KV_SIM_RUNNER_H

#include "tests/sim/cover.h"
#include "tests/sim/options.h"

/* Every how many seeds a run is repeated and must come out the same. */
#define RUNNER_REPEAT_EVERY 50u

/* How a run is told. */
enum runner_talk {
	RUNNER_BRIEF,    /* if not clean: the key's history and the last events */
	RUNNER_THOROUGH, /* and all that happened while the key's operations were under way */
	RUNNER_VERBOSE,  /* every event, to stdout, as it happens */
};

struct run_result {
	bool clean;
	char check[32]; /* if not clean: the checker that noticed */
	uint64_t hash;  /* of all events of the run */
	uint64_t events;
	struct buf text; /* if not clean: everything a person needs */
};

/** Runs one seed; its counters are added to COVER. The caller releases ret->text. */
void runner_run(const struct sim_options *options, enum runner_talk talk, struct cover *cover,
		struct run_result *ret);

/** The same; seeds divisible by RUNNER_REPEAT_EVERY run twice, and a difference is a failure. */
void runner_check(const struct sim_options *options, struct cover *cover, struct run_result *ret);

#endif
