/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the clients of kvctl verify ask for next. A few keys are busy at a time, each in a role; after some operations a
 * key is left as it is and a fresh one takes its place, so that no history gets long and every key is also new once.
 *
 *   register  strong alone: get, put, delete, compare and set (version, hash, absence), fences
 *   mixed     strong and eventual get, put, delete, and bounded reads, on the same key
 *   counter   additions and reads
 *   log       appends and reads
 *   session   session and eventual get and put: whose versions are those of their copies, so that sessions can be judged
 *
 * One thread a time: the load's lock.
 */
#ifndef KV_CLI_VERIFY_PLAN_H
#define KV_CLI_VERIFY_PLAN_H

#include "base/rng.h"
#include "verify/history.h"

#define VERIFY_BUSY_MAX 64u
#define VERIFY_KEY_TEXT 32

enum { VERIFY_SESSIONS = 2 };

enum verify_role {
	VERIFY_REGISTER,
	VERIFY_MIXED,
	VERIFY_COUNTER,
	VERIFY_LOG,
	VERIFY_SESSION,
	VERIFY_ROLES,
};

/** A key in use. */
struct verify_busy {
	uint32_t key;
	uint32_t ops; /* drawn for it */
	uint64_t fence;
	/* What a strong read or write saw last; a condition is mostly one that may hold. */
	bool saw;
	struct stamp saw_version;
	uint64_t saw_content; /* 0: not known, or nothing */
	uint64_t saw_hash;
};

struct verify_plan {
	struct rng rng;                           /* private */
	struct verify_busy busy[VERIFY_BUSY_MAX]; /* private */
	uint32_t busy_count;                      /* read-only */
	uint32_t key_count;                       /* read-only: keys so far */
	uint64_t values;                          /* private: given out */
	uint64_t drawn;                           /* private: operations */
};

void verify_plan_init(struct verify_plan *p, uint64_t seed, uint32_t busy_count);

/** Fills what OP, which has its client, asks for, and the hash of the value it expects, if it expects one. */
void verify_plan_draw(struct verify_plan *p, struct history_op *op, uint64_t *ret_hash);

/** A strong operation told the key's present version (none: absent) and, if CONTENT is not 0, what it holds. */
void verify_plan_saw(struct verify_plan *p, uint32_t key, struct stamp version, uint64_t content, uint64_t hash);

/** True PERCENT times in a hundred. */
bool verify_plan_percent(struct verify_plan *p, uint32_t percent);
uint64_t verify_plan_below(struct verify_plan *p, uint64_t bound);

enum verify_role verify_plan_role(const struct verify_plan *p, uint32_t key);
const char *verify_role_name(enum verify_role role);

/** The key as bytes: "counter/7". */
void verify_plan_key(const struct verify_plan *p, uint32_t key, char text[VERIFY_KEY_TEXT]);

/** The number of a key by its bytes; false if it is none so far. */
bool verify_plan_find(const struct verify_plan *p, struct slice text, uint32_t *ret);

#endif
