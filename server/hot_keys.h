/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which keys clients ask for most: a sketch of fixed size, by the space-saving rule.
 *
 * It has a counter for each of HOT_COUNTERS keys. A key without one takes over the least counter, and its count as the most it can
 * be wrong by. So every key that makes up more than one of HOT_COUNTERS requests of a window has a counter, what a counter
 * says is never too low, and each tells by how much it may be too high. Of keys longer than HOT_KEY_SIZE the beginning is
 * told.
 *
 * Counted are the client requests that name one key as they come in, retries left out: by the node that was asked. A window
 * lasts HOT_WINDOW_US. One thread; a hot_sum is the caller's.
 */
#ifndef KV_SERVER_HOT_KEYS_H
#define KV_SERVER_HOT_KEYS_H

#include "base/arena.h"
#include "proto/msg.h"

#define HOT_COUNTERS  64u
#define HOT_KEY_SIZE  256u
#define HOT_WINDOW_US (5 * USEC_PER_SEC)

struct hot_counter {
	uint64_t hash; /* of bucket and key */
	uint64_t count, reads, error;
	uint32_t bucket;
	uint16_t key_size;
	uint16_t next; /* in its chain: one above the counter's place; 0: the last */
	uint8_t key[HOT_KEY_SIZE];
};

/** One window. */
struct hot_keys {
	uint32_t used;  /* counters */
	uint32_t hand;  /* where the search for the least one goes on */
	uint64_t least; /* no counter is lower */
	uint64_t total;
	uint16_t chains[2 * HOT_COUNTERS]; /* by hash: one above a counter's place; 0: empty */
	struct hot_counter counters[HOT_COUNTERS];
};

/** An empty sketch. */
void hot_keys_clear(struct hot_keys *h);

/** Counts a request. */
void hot_keys_note(struct hot_keys *h, uint32_t bucket, struct slice key, bool read);

/** Several sketches together: the same key may be in more than one. Zero-initialised is empty. */
struct hot_sum {
	uint32_t count;
	uint64_t total;
	struct hot_counter counters[HOT_COUNTERS * 64];
};

void hot_sum_add(struct hot_sum *sum, const struct hot_keys *h);

/** The HOT_KEYS_MAX highest of them, from ARENA, which is large enough. Keys point into SUM. */
void hot_sum_tell(struct hot_sum *sum, struct arena *arena, struct msg_hot_keys *ret);

#endif
