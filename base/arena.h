/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Memory that is handed out in pieces and given back all at once, with a cap: what one request may cost.
 *
 * Zero-initialised with a limit is valid: `struct arena a = ARENA_INIT(64 * 1024)`. One owner, no locking.
 */
#ifndef KV_BASE_ARENA_H
#define KV_BASE_ARENA_H

#include "base/slice.h"

struct arena_block;

struct arena {
	size_t limit; /* public: most bytes ever handed out between resets */
	size_t used;  /* read-only */
	size_t keep;  /* public: a block up to this size stays for the time after a reset; 0: a small one */
	struct arena_block *blocks; /* private, newest first */
};

#define ARENA_INIT(limit_) ((struct arena){.limit = (limit_)})

/** SIZE bytes aligned to 16, uninitialised, or NULL if the cap would be passed. Valid until reset or release. */
MUST_USE void *arena_alloc(struct arena *a, size_t size);

/** A copy of the bytes, or {NULL, 0} if the cap would be passed. An empty slice costs nothing and never gives NULL. */
MUST_USE struct slice arena_copy(struct arena *a, struct slice s);

/** Takes everything back but keeps one block for the next request: the newest that is not too large, or the first. */
void arena_reset(struct arena *a);

/** Frees all memory. Fits CLEANUP. */
void arena_release(struct arena *a);

#endif
