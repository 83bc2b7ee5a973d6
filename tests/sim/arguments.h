/* SPDX-License-Identifier: Apache-2.0 */
/**
 * kvsim's command line.
 */
#ifndef KV_SIM_ARGUMENTS_H
#define KV_SIM_ARGUMENTS_H

#include "base/mutant.h"
#include "tests/sim/options.h"

struct arguments {
	uint64_t seed, count;
	uint32_t nodes;  /* 0: as the seed draws */
	bool membership; /* the cluster changes */
	enum mutant mutant;
	bool verbose, keep_going, list_mutants, help;
	uint32_t shrink_s; /* longest search for a smaller failure; 0: none */
	/* Changes to what the seed draws. */
	uint32_t without;                           /* bits of enum sim_class */
	uint32_t op_count, client_count, key_count; /* 0: as drawn */
	uint32_t skip_count;
	struct sim_skip skips[SIM_SKIPS_MAX];
};

/** False if they make no sense; then something was said on stderr. */
MUST_USE bool arguments_parse(int argc, char **argv, struct arguments *ret);

void arguments_usage(FILE *to);

/** The options of a seed under these arguments. */
void arguments_options(const struct arguments *args, uint64_t seed, struct sim_options *ret);

#endif
