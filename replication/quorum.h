/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Counts the answers of a partition's replicas to one phase of an operation.
 *
 * Replicas are named by their position in the row, below `size`. Each is waiting, yes or no; a yes or no never changes.
 */
#ifndef KV_REPLICATION_QUORUM_H
#define KV_REPLICATION_QUORUM_H

#include "proto/limits.h"

enum quorum_verdict { QUORUM_PENDING, QUORUM_REACHED, QUORUM_IMPOSSIBLE };

struct quorum {
	uint32_t size; /* read-only: replicas */
	uint32_t need; /* read-only: yes answers wanted */
	uint32_t yes;  /* read-only: bit set by position */
	uint32_t no;   /* read-only */
};

_Static_assert(ROW_MAX <= 32, "positions are bits of a uint32_t");

static inline uint32_t quorum_majority(uint32_t size) { return size / 2 + 1; }

static inline void quorum_init(struct quorum *q, uint32_t size, uint32_t need)
{
	KV_ASSERT(size >= 1 && size <= ROW_MAX);
	KV_ASSERT(need >= 1 && need <= size);
	*q = (struct quorum){.size = size, .need = need};
}

static inline uint32_t quorum_count(uint32_t bits) { return (uint32_t)__builtin_popcount(bits); }

/** True if the replica at POSITION has answered or is known not to. */
static inline bool quorum_has(const struct quorum *q, uint32_t position)
{
	return (q->yes | q->no) & 1u << position;
}

/** Counts one answer; a second one from the same replica is ignored. Returns whether it counted. */
static inline bool quorum_add(struct quorum *q, uint32_t position, bool yes)
{
	KV_ASSERT(position < q->size);
	if (quorum_has(q, position))
		return false;
	if (yes)
		q->yes |= 1u << position;
	else
		q->no |= 1u << position;
	KV_ASSERT((q->yes & q->no) == 0);
	return true;
}

static inline enum quorum_verdict quorum_verdict(const struct quorum *q)
{
	if (quorum_count(q->yes) >= q->need)
		return QUORUM_REACHED;
	return q->size - quorum_count(q->no) < q->need ? QUORUM_IMPOSSIBLE : QUORUM_PENDING;
}

/** True once every replica has answered. */
static inline bool quorum_complete(const struct quorum *q) { return quorum_count(q->yes | q->no) == q->size; }

/** True if so many of the replicas in BITS can no longer say yes that a majority of SIZE cannot form without them. */
static inline bool quorum_blocks(uint32_t size, uint32_t bits)
{
	return quorum_count(bits) >= size - quorum_majority(size) + 1;
}

#endif
