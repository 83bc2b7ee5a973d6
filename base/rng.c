/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include <errno.h>
#include <sys/random.h>

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static uint64_t rotate_left(uint64_t v, unsigned bits) { return v << bits | v >> (64 - bits); }

void rng_init(struct rng *r, uint64_t seed)
{
	for (size_t i = 0; i < ARRAY_SIZE(r->s); i++)
		r->s[i] = splitmix(&seed);
}

uint64_t rng_next(struct rng *r)
{
	uint64_t result = rotate_left(r->s[1] * 5, 7) * 9;
	uint64_t t = r->s[1] << 17;
	r->s[2] ^= r->s[0];
	r->s[3] ^= r->s[1];
	r->s[1] ^= r->s[2];
	r->s[0] ^= r->s[3];
	r->s[2] ^= t;
	r->s[3] = rotate_left(r->s[3], 45);
	return result;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
	KV_ASSERT(bound > 0);
	return (uint64_t)(((unsigned __int128)rng_next(r) * bound) >> 64);
}

uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high)
{
	KV_ASSERT(low <= high);
	if (low == 0 && high == UINT64_MAX)
		return rng_next(r);
	return low + rng_below(r, high - low + 1);
}

bool rng_chance(struct rng *r, uint32_t per_million) { return rng_below(r, 1000000) < per_million; }

void rng_entropy_bytes(void *ret, size_t size)
{
	KV_ASSERT(size <= 256); /* getrandom never gives less up to that size */
	ssize_t got;
	do {
		got = getrandom(ret, size, 0);
	} while (got < 0 && errno == EINTR); /* a signal while the machine's pool is still filling */
	KV_ASSERT(got == (ssize_t)size);
}

uint64_t rng_entropy(void)
{
	uint64_t v;
	rng_entropy_bytes(&v, sizeof v);
	return v;
}
