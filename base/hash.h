/* SPDX-License-Identifier: Apache-2.0 */
/**
 * XXH3: checksums of frames, records and values, placement of keys, hash maps. Not cryptographic.
 * The 64-bit result for given bytes never changes; placement and stored data depend on it.
 */
#ifndef KV_BASE_HASH_H
#define KV_BASE_HASH_H

#include "base/slice.h"

uint64_t hash64(struct slice bytes);
uint64_t hash64_seeded(struct slice bytes, uint64_t seed);

/** Hash of two runs one after the other, as if they were one. */
uint64_t hash64_two(struct slice first, struct slice second);

/** Hash of one number: mixes all bits. For hash maps keyed by ids. */
static inline uint64_t hash_u64(uint64_t v)
{
	v ^= v >> 33;
	v *= 0xff51afd7ed558ccdULL;
	v ^= v >> 33;
	v *= 0xc4ceb9fe1a85ec53ULL;
	return v ^ v >> 33;
}

#endif
