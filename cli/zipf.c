/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/zipf.h"

#include <math.h>

/*
 * The histogram of the wanted probabilities lies below the curve h(x) = x^-exponent, whose integral H can be inverted. A point
 * below the curve is drawn by inversion and taken if it lies in the histogram too; for most points that is certain
 * without computing more. expm1 and log1p keep H exact where the exponent is near 1 and H is a logarithm.
 */

/** log(1 + x) / x, also around 0. */
static double log_ratio(double x) { return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x * (0.5 - x / 3); }

/** (exp(x) - 1) / x, also around 0. */
static double exp_ratio(double x) { return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x * 0.5 * (1 + x / 3); }

static double curve(const struct zipf *z, double x) { return exp(-z->exponent * log(x)); }

static double area(const struct zipf *z, double x)
{
	double log_x = log(x);
	return exp_ratio((1 - z->exponent) * log_x) * log_x;
}

static double area_inverse(const struct zipf *z, double y)
{
	double t = y * (1 - z->exponent);
	return exp(log_ratio(t < -1 ? -1 : t) * y);
}

void zipf_init(struct zipf *z, uint64_t count, double exponent)
{
	KV_ASSERT(count >= 1);
	KV_ASSERT(exponent > 0);
	*z = (struct zipf){.count = count, .exponent = exponent};
	z->area_first = area(z, 1.5) - 1;
	z->area_last = area(z, (double)count + 0.5);
	z->certain = 2 - area_inverse(z, area(z, 2.5) - curve(z, 2));
}

uint64_t zipf_draw(const struct zipf *z, struct rng *rng)
{
	while (true) {
		double unit = (double)(rng_next(rng) >> 11) * 0x1p-53;
		double y = z->area_last + unit * (z->area_first - z->area_last);
		double x = area_inverse(z, y);
		double rank = floor(x + 0.5);
		rank = rank < 1 ? 1 : rank > (double)z->count ? (double)z->count : rank;
		if (rank - x <= z->certain || y >= area(z, rank + 0.5) - curve(z, rank))
			return (uint64_t)rank - 1;
	}
}
