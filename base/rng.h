/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Seeded pseudo-random numbers (xoshiro256**, Blackman and Vigna). Same seed, same numbers, on every machine.
 * Not for secrets. One owner, no locking.
 */
#ifndef KV_BASE_RNG_H
#define KV_BASE_RNG_H

#include "base/base.h"

struct rng {
	uint64_t s[4]; /* private */
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);

/** Uniform in [0, bound); bound must be at least 1. */
uint64_t rng_below(struct rng *r, uint64_t bound);

/** Uniform in [low, high], both included. */
uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high);

/** True in PER_MILLION cases out of a million. */
bool rng_chance(struct rng *r, uint32_t per_million);

/** 64 bits from the operating system, for seeds and identities. The only entry point that is not deterministic. */
uint64_t rng_entropy(void);
void rng_entropy_bytes(void *ret, size_t size);

#endif
