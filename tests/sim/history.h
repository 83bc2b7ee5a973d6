/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What the clients of one run saw: every operation from its invocation to its answer, the input of all checkers.
 *
 * Real time is a count, not a clock: each invocation and each answer takes the next number, so no two moments are equal
 * and "completed before the other was invoked" has one meaning. Virtual microseconds stand beside it for time to live
 * and for people. Every write carries a value that no other write of the run carries; values are named by a number and 0
 * is "no value".
 *
 * An operation is in one of five states:
 *   PENDING    no answer yet, or never any: a write may take effect at any time after its invocation, or never
 *   DONE       carried out: a get found `value`, a put or delete took effect (a strong one before its answer)
 *   ABSENT     a get found nothing
 *   DOUBT      answered with an error that leaves open whether the write happened: like PENDING
 *   REFUSED    answered with an error that promises it never happened
 */
#ifndef KV_SIM_HISTORY_H
#define KV_SIM_HISTORY_H

#include "base/buf.h"
#include "replication/version.h"

enum history_kind { HISTORY_GET, HISTORY_PUT, HISTORY_DELETE };
enum history_outcome { HISTORY_PENDING, HISTORY_DONE, HISTORY_ABSENT, HISTORY_DOUBT, HISTORY_REFUSED };

#define HISTORY_NEVER UINT64_MAX

struct history_op {
	uint32_t index; /* position in the history */
	uint32_t client;
	uint32_t key; /* number of the key */
	enum history_kind kind;
	bool strong;
	enum msg_acks acks;
	uint64_t value;  /* PUT: written; GET: read, 0 if absent; DELETE: 0 */
	uint64_t ttl_ms; /* PUT: 0 keeps it for ever; GET: not 0 if what was found has an end */
	enum history_outcome outcome;
	enum kv_status status;
	struct version version; /* as answered; {0,0} if none was */
	uint64_t invoke;        /* order numbers; complete is HISTORY_NEVER while PENDING */
	uint64_t complete;
	usec_t invoke_us; /* virtual time */
	usec_t complete_us;
	uint16_t node; /* node asked last */
	uint32_t attempts;
};

struct history {
	struct history_op *ops; /* read-only, in order of invocation */
	uint32_t count;         /* read-only */
	uint32_t capacity;      /* private */
	uint64_t order;         /* private: numbers given out */
	uint32_t key_count;     /* keys are below this */
	usec_t skew_us;         /* no clock that judges a time to live is further off than this */
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
