/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Ranks drawn by Zipf's law: rank k of n comes with a probability in proportion to k^-exponent, exactly, for any exponent
 * above 0. By rejection-inversion (Hoermann and Derflinger, 1996): constant memory, no table, about 1.1 draws a rank.
 */
#ifndef KV_CLI_ZIPF_H
#define KV_CLI_ZIPF_H

#include "base/rng.h"

struct zipf {
	uint64_t count;                        /* read-only */
	double exponent;                       /* read-only */
	double area_first, area_last, certain; /* private */
};

/** COUNT at least 1, EXPONENT above 0. */
void zipf_init(struct zipf *z, uint64_t count, double exponent);

/** A rank from 0, the most frequent, to count - 1. */
uint64_t zipf_draw(const struct zipf *z, struct rng *rng);

#endif
