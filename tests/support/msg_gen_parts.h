/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the files of msg_gen share: random numbers, bytes and names of a message's fields.
 */
#ifndef KV_TESTS_SUPPORT_MSG_GEN_PARTS_H
#define KV_TESTS_SUPPORT_MSG_GEN_PARTS_H

#include "tests/support/msg_gen.h"

/** Any width from 0 to BITS bits is as likely as any other. */
static inline uint64_t number(struct rng *rng, unsigned bits)
{
	uint64_t width = rng_between(rng, 0, bits);
	return width == 0 ? 0 : rng_next(rng) >> (64 - width);
}

static inline uint32_t number32(struct rng *rng) { return (uint32_t)number(rng, 32); }

static inline bool coin(struct rng *rng) { return rng_chance(rng, 500000); }

/** MIN to MAX, mostly near MIN. */
static inline uint32_t length(struct rng *rng, uint32_t min, uint32_t max)
{
	if (rng_chance(rng, 20000))
		return max;
	uint32_t top = rng_chance(rng, 50000) ? max : MIN(max, min + 40);
	return (uint32_t)rng_between(rng, min, top);
}

static inline void *allocate(struct arena *arena, size_t size)
{
	void *at = arena_alloc(arena, size);
	KV_ASSERT(at);
	memset(at, 0, size);
	return at;
}

static inline struct slice bytes(struct rng *rng, struct arena *arena, uint32_t min, uint32_t max)
{
	uint32_t size = length(rng, min, max);
	if (size == 0)
		return slice_of(NULL, 0);
	uint8_t *at = allocate(arena, size);
	for (uint32_t i = 0; i < size; i++)
		at[i] = (uint8_t)rng_next(rng);
	return slice_of(at, size);
}

static inline struct version version(struct rng *rng)
{
	if (rng_chance(rng, 200000))
		return (struct version){0};
	return (struct version){.hlc = number(rng, 64), .id = number(rng, 64)};
}

static inline struct version version_not_zero(struct rng *rng)
{
	return (struct version){.hlc = number(rng, 64) | 1, .id = number(rng, 64)};
}

static inline struct request_id request_id(struct rng *rng)
{
	return (struct request_id){.client = number(rng, 64), .seq = number(rng, 64)};
}

static inline struct uuid uuid(struct rng *rng)
{
	struct uuid id;
	for (size_t i = 0; i < sizeof id.bytes; i++)
		id.bytes[i] = (uint8_t)rng_between(rng, 1, 255);
	return id;
}

static inline struct uuid uuid_or_none(struct rng *rng) { return coin(rng) ? uuid(rng) : (struct uuid){0}; }

static inline node_id node(struct rng *rng)
{
	return rng_chance(rng, 200000) ? NODE_NONE : (node_id)number(rng, 16);
}

static inline enum kv_status status(struct rng *rng)
{
	return (enum kv_status)rng_between(rng, 0, coin(rng) ? 0 : 30);
}

/** The bodies of a cluster that changes: fills the union of a message whose opcode and direction are set. */
void msg_gen_change(struct rng *rng, struct arena *arena, struct msg *ret);

struct map_node msg_gen_node(struct rng *rng, struct arena *arena, node_id index);

/** COUNT distinct nodes below NODE_COUNT: a run of neighbours on the ring of indexes. */
void msg_gen_row(struct rng *rng, uint32_t node_count, uint32_t count, node_id *ret);

#endif
