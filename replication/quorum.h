/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Counts the answers of a partition's replicas to one phase of an operation.
 *
 * Replicas are named by their position in the row. Each is waiting, yes or no; a yes or no never changes. While the row changes
 * it has two sets of members: what decides by majority needs one of the old and one of the next set. Without a change both are
 * the whole row.
 */
#ifndef KV_REPLICATION_QUORUM_H
#define KV_REPLICATION_QUORUM_H

#include "base/mutant.h"
#include "replication/cluster_map.h"

enum quorum_verdict { QUORUM_PENDING, QUORUM_REACHED, QUORUM_IMPOSSIBLE };

/** Yes answers wanted of each set; 0: none of it counts. */
struct need {
	uint32_t old, next;
};

struct quorum {
	uint32_t size;      /* read-only: replicas, of both sets */
	uint32_t old, next; /* read-only: bit sets by position */
	struct need need;   /* read-only */
	uint32_t yes;       /* read-only: bit set by position */
	uint32_t no;        /* read-only */
};

_Static_assert(ROW_MAX < 32, "positions are bits of a uint32_t");

static inline uint32_t quorum_majority(uint32_t size) { return size / 2 + 1; }

/** How many. In line: where the processor need not have an instruction for it, the compiler's own is a call. */
static inline uint32_t quorum_count(uint32_t bits)
{
	bits -= bits >> 1 & 0x55555555;
	bits = (bits & 0x33333333) + (bits >> 2 & 0x33333333);
	return ((bits + (bits >> 4)) & 0x0F0F0F0F) * 0x01010101 >> 24;
}

/* ---- sets of a row ---- */

/** Everyone, by position. */
static inline uint32_t row_everyone(const struct row *row) { return (1u << row->count) - 1; }

/** A majority of each set. */
static inline struct need need_majority(const struct row *row)
{
	struct need need = {.old = quorum_majority(quorum_count(row->old)),
			    .next = quorum_majority(quorum_count(row->next))};
	if (MUTANT(nojoint))
		need.next = 0;
	return need;
}

/** All of each set. */
static inline struct need need_all(const struct row *row)
{
	return (struct need){.old = quorum_count(row->old), .next = quorum_count(row->next)};
}

/** COUNT of the old set: new members may not have all yet. */
static inline struct need need_old(uint32_t count) { return (struct need){.old = count}; }

static inline bool row_meets(const struct row *row, uint32_t bits, struct need need)
{
	return quorum_count(bits & row->old) >= need.old && quorum_count(bits & row->next) >= need.next;
}

/** True if BITS have a majority of both sets. */
static inline bool row_majority(const struct row *row, uint32_t bits)
{
	return row_meets(row, bits, need_majority(row));
}

/** True if BITS have a majority of the old set: all that was acknowledged by a majority is at one of them. */
static inline bool row_old_majority(const struct row *row, uint32_t bits)
{
	return quorum_count(bits & row->old) >= quorum_majority(quorum_count(row->old));
}

/** True if BITS are so many of SET that no majority of it forms without them. */
static inline bool quorum_blocks(uint32_t set, uint32_t bits)
{
	uint32_t size = quorum_count(set);
	return quorum_count(bits & set) >= size - quorum_majority(size) + 1;
}

/** No majority of both sets together forms without BITS. */
static inline bool row_blocks_any(const struct row *row, uint32_t bits)
{
	return quorum_blocks(row->old, bits) || quorum_blocks(row->next, bits);
}

/** No majority of either set alone forms without BITS, so that none did before the change and none will after it. */
static inline bool row_blocks_all(const struct row *row, uint32_t bits)
{
	return quorum_blocks(row->old, bits) && quorum_blocks(row->next, bits);
}

/* ---- counting ---- */

static inline void quorum_init(struct quorum *q, const struct row *row, struct need need)
{
	KV_ASSERT(row->count >= 1 && row->count <= ROW_MAX);
	KV_ASSERT((row->old | row->next) == row_everyone(row));
	KV_ASSERT(need.old >= 1 && need.old <= quorum_count(row->old) && need.next <= quorum_count(row->next));
	*q = (struct quorum){.size = row->count, .old = row->old, .next = row->next, .need = need};
}

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
	if (quorum_count(q->yes & q->old) >= q->need.old && quorum_count(q->yes & q->next) >= q->need.next)
		return QUORUM_REACHED;
	bool possible =
		quorum_count(q->old & ~q->no) >= q->need.old && quorum_count(q->next & ~q->no) >= q->need.next;
	return possible ? QUORUM_PENDING : QUORUM_IMPOSSIBLE;
}

/** True once every replica has answered. */
static inline bool quorum_complete(const struct quorum *q) { return quorum_count(q->yes | q->no) == q->size; }

#endif
