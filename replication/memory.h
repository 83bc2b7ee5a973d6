/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a replica remembers of the strong copies of one key that it has overwritten: enough to say later that an attempt had
 * been stored here.
 *
 * Copies are kept oldest first, which is also the order of their versions. A copy whose overwriter was built on it does not
 * keep a lineage of its own: its ancestors are those below it in the overwriter's (`chained`). That makes a copy a few dozen
 * bytes, so that a key written a thousand times a second can still be remembered for a second.
 */
#ifndef KV_REPLICATION_MEMORY_H
#define KV_REPLICATION_MEMORY_H

#include "replication/version.h"

struct memory {
	struct version ver;
	struct request_id rid;
	uint64_t result;
	usec_t since_us; /* overwritten then */
	bool chained; /* ancestors: those below ver in the lineage of the next newer copy, or of the present record */
	uint32_t lin_count;
	struct lineage *lin; /* own memory; NULL if none */
};

struct memories {
	struct memory *items; /* private: a ring */
	uint32_t first, capacity;
	uint32_t count; /* read-only */
	size_t bytes;   /* read-only: memory that all this takes */
};

/** What a coordinator asks about: any of these attempts, or this request id. */
struct sought {
	const struct version *attempts;
	uint32_t count;
	struct request_id rid;
};

/** What was found of it. */
struct found {
	uint32_t count;      /* of carriers, at most CARRIERS_MAX: the newest */
	bool more;           /* there are others */
	bool later;          /* a later write of the same lane is here: whoever asked has moved on */
	struct carrier *out; /* room for CARRIERS_MAX */
};

void memories_release(struct memories *m);

/** The I-th oldest. */
static inline struct memory *memories_at(const struct memories *m, uint32_t i)
{
	KV_ASSERT(i < m->count);
	return &m->items[(m->first + i) % m->capacity];
}

/** Remembers the strong record OLD, overwritten by NEXT. There must be room: fewer than MEM_MAX. */
void memories_add(struct memories *m, const struct record *old, const struct record *next, usec_t now_us);

/** Forgets the oldest and returns its version. */
struct version memories_forget(struct memories *m);

/** True if VER itself is among them. */
bool memories_have(const struct memories *m, struct version ver);

/**
 * Adds to FOUND every strong copy, the present record REC included, that is or descends from something sought. Newer copies
 * come first, and of each copy the newest such attempt is named.
 */
void memories_find(const struct memories *m, const struct record *rec, const struct sought *s, struct found *found);

#endif
