/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

/* Compiled in: no call for a short key, and no state whose layout a shared library could change. */
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash64(struct slice bytes) { return XXH3_64bits(bytes.data, bytes.size); }

uint64_t hash64_seeded(struct slice bytes, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes.data, bytes.size, seed);
}

uint64_t hash64_two(struct slice first, struct slice second)
{
	if (second.size == 0)
		return hash64(first);
	if (first.size == 0)
		return hash64(second);
	/* Not on the stack: gcc's address sanitizer does not align what it keeps apart there by the 64 bytes that this asks for. */
	static _Thread_local XXH3_state_t state;
	XXH3_64bits_reset(&state);
	XXH3_64bits_update(&state, first.data, first.size);
	XXH3_64bits_update(&state, second.data, second.size);
	return XXH3_64bits_digest(&state);
}
