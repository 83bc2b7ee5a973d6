/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Batches of seeds as test cases: what test_sim.c and test_sim_membership.c share.
 */
#ifndef KV_SIM_BATCH_H
#define KV_SIM_BATCH_H

#include "tests/sim/runner.h"

/** The number in this environment variable, or OTHERWISE. */
uint64_t batch_number(const char *name, uint64_t otherwise);

/** The options that kvsim --seed SEED has, with --membership if MEMBERSHIP. */
void batch_options(uint64_t seed, bool membership, struct sim_options *ret);

/** Runs and checks one seed, without the classes in bits WITHOUT; a violation is printed as comments. */
bool batch_seed_is_clean(uint64_t seed, bool membership, uint32_t without, struct cover *cover);

/** Seeds FIRST to FIRST + COUNT - 1; prints the sum of what they reached, and returns how many failed. */
uint64_t batch_run(uint64_t first, uint64_t count, bool membership, struct cover *cover);

/** True if a COVER mark of that name was hit. */
bool batch_hit(const char *mark);

/** Prints the COVER marks that were never hit. */
void batch_print_marks(void);

#endif
