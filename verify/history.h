/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the clients of one run saw: every operation from its invocation to its answer, the input of all checkers.
 *
 * Real time is a count, not a clock: each invocation and each answer takes the next number, so no two moments are equal
 * and "completed before the other was invoked" has one meaning. Microseconds stand beside it for time to live, for staleness
 * and for people. Every put and append carries a value that no other write of the run carries; what keys hold is named by
 * numbers (verify/content.h).
 *
 * An operation is in one of six states:
 *   PENDING    no answer yet, or never any: a write may take effect at any time after its invocation, or never
 *   DONE       carried out: a get found `value`, a write took effect (a strong one before its answer)
 *   ABSENT     a get found nothing
 *   DOUBT      answered with an error that leaves open whether the write happened: like PENDING
 *   REFUSED    answered with an error that promises it never happened
 *   FAILED     a condition did not hold: it never happened, and `found` and `version` tell what was there instead
 *
 * An operation retried under one request id is one operation with several attempts.
 */
#ifndef KV_VERIFY_HISTORY_H
#define KV_VERIFY_HISTORY_H

#include "base/buf.h"
#include "base/hmap.h"
#include "base/status.h"
#include "base/types.h"
#include "verify/content.h"
#include "verify/stamp.h"

enum history_kind {
	HISTORY_GET,
	HISTORY_PUT, /* with a condition: compare and set */
	HISTORY_DELETE,
	HISTORY_ADD,
	HISTORY_APPEND,
	HISTORY_ASK, /* what became of another operation */
};
enum history_level { HISTORY_EVENTUAL, HISTORY_SESSION, HISTORY_BOUNDED, HISTORY_STRONG };
enum history_acks { HISTORY_ACKS_DEFAULT, HISTORY_ACKS_ONE, HISTORY_ACKS_MAJORITY, HISTORY_ACKS_ALL };
enum history_outcome {
	HISTORY_PENDING,
	HISTORY_DONE,
	HISTORY_ABSENT,
	HISTORY_DOUBT,
	HISTORY_REFUSED,
	HISTORY_FAILED
};
enum history_told { HISTORY_TOLD_NOTHING, HISTORY_TOLD_COMMITTED, HISTORY_TOLD_NEVER, HISTORY_TOLD_EXPIRED };

#define HISTORY_NEVER UINT64_MAX

/** What must hold for a put or delete to be carried out; all that is set must. */
struct history_condition {
	bool has_version;
	struct stamp version; /* {0,0}: the key must be absent */
	bool has_value;       /* by hash */
	uint64_t value;       /* content that must be there */
	bool present;
};

struct history_op {
	uint32_t index; /* position in the history */
	uint32_t client;
	uint32_t key; /* number of the key */
	enum history_kind kind;
	enum history_level level;
	enum history_acks acks;
	uint64_t value;  /* PUT, APPEND: written; GET: content read, 0 if absent; else 0 */
	uint32_t size;   /* PUT, APPEND: bytes of the value written; 0: not known */
	int64_t delta;   /* ADD */
	uint64_t ttl_ms; /* PUT: 0 keeps it for ever; GET: not 0 if what was found has an end */
	struct history_condition when;
	uint64_t fence;     /* 0: none */
	struct stamp rid;   /* request id */
	uint32_t session;   /* number of the session it is part of; 0: none */
	struct stamp floor; /* what the session's token demanded for the key when it was sent */
	uint64_t bound_ms;  /* BOUNDED: the staleness asked for */
	uint32_t about;     /* ASK: index of the operation asked about */

	enum history_outcome outcome;
	enum kv_status status;
	struct stamp version; /* as answered: written, read, or there when a condition failed; {0,0} if none was */
	bool has_found;       /* FAILED: `found` was told; a told absence counts */
	bool found_ends;      /* FAILED: what was found has an end */
	uint64_t found;       /* FAILED: the content that was there */
	bool fenced_off;      /* FAILED because a higher fence had been used */
	bool has_result;      /* ADD, APPEND and ASK about them: `result` was told */
	int64_t result;       /* ADD: the sum, APPEND: the size, after it */
	struct stamp token;   /* what the answer's session token holds for the key; {0,0} if there was none */
	uint64_t stale_ms;    /* the staleness bound in a read's answer; 0: none */
	enum history_told told; /* ASK, DONE */
	uint64_t invoke;        /* order numbers; complete is HISTORY_NEVER while PENDING */
	uint64_t complete;
	usec_t invoke_us;
	usec_t complete_us;
	uint16_t node; /* node asked last */
	uint32_t attempts;
};

/** How a content longer than one write was read: `piece` behind `base`. */
struct history_link {
	struct hmap_node node; /* private */
	uint64_t content, base, piece;
};

struct history {
	struct history_op *ops; /* read-only, in order of invocation */
	uint32_t count;         /* read-only */
	uint32_t capacity;      /* private */
	uint64_t order;         /* private: numbers given out */
	struct hmap links;      /* private: by content */
	uint32_t key_count;     /* keys are below this */
	usec_t skew_us;         /* no clock that judges a time to live is further off than this */
	bool purges;            /* deletions are forgotten after a while: what is absent then has no version */
	usec_t stale_slack_us; /* how far off clocks may put a bound of staleness; USEC_NEVER: do not judge bounds */
};

void history_init(struct history *h, uint32_t key_count, usec_t skew_us);
void history_release(struct history *h);

/** Starts an operation; the caller fills kind, key and so on in the returned entry, which the next call may move. */
struct history_op *history_invoke(struct history *h, usec_t now_us);

/** Records the answer of operation INDEX. A PENDING outcome is not an answer. */
void history_complete(struct history *h, uint32_t index, usec_t now_us, enum history_outcome outcome,
		      enum kv_status status);

/** Adds a finished operation with given order numbers: hand-written histories. Times are taken equal to the numbers. */
struct history_op *history_place(struct history *h, uint64_t invoke, uint64_t complete);

/** Names a content that was read as BASE and PIECES behind it, and remembers the parts. */
uint64_t history_saw(struct history *h, uint64_t base, const uint64_t *pieces, uint32_t count);

/** The last piece of a content read so, or NULL. */
const struct history_link *history_link_of(const struct history *h, uint64_t content);

static inline bool history_is_strong(const struct history_op *op) { return op->level == HISTORY_STRONG; }

static inline bool history_is_write(const struct history_op *op)
{
	return op->kind != HISTORY_GET && op->kind != HISTORY_ASK;
}

static inline bool history_is_conditional(const struct history_op *op)
{
	return op->when.has_version || op->when.has_value || op->when.present;
}

/** A get that was answered, or a write that was carried out. */
static inline bool history_is_answered(const struct history_op *op)
{
	return op->outcome == HISTORY_DONE || op->outcome == HISTORY_ABSENT;
}

/**
 * True if GET found the key absent, without a version, and a deletion at or above VERSION may be why: one that was forgotten since, as
 * the history allows.
 */
bool history_was_forgotten(const struct history *h, const struct history_op *get, struct stamp version);

/** Appends the key's operations as text, one a line in order of invocation. */
void history_print(const struct history *h, uint32_t key, struct buf *out);
void history_print_op(const struct history_op *op, struct buf *out);

/** What a checker says: silent, or the first violation it met. */
struct verdict {
	bool violated;
	const char *check; /* name of the checker */
	uint32_t key;      /* UINT32_MAX: no key in particular */
	char message[320];
};

/** Fills *v unless it holds an earlier violation. Returns false, so that checkers can return it. */
bool verdict_fail(struct verdict *v, const char *check, uint32_t key, const char *format, ...) PRINTF_LIKE(4, 5);

#endif
