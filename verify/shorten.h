/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Makes a history that violates a claim short enough to read: one key, no longer than it takes, and no more answers than it
 * takes.
 *
 * Only steps that keep a good history good are taken, so what is left proves as much as the whole did:
 *
 *   cut     operations that began after some moment are left out, and answers after it are not heard
 *   drop    a read, or a question about a write, is left out
 *   open    the answer of a write is taken away: it may take effect any time after its invocation, or never
 *
 * The search is greedy and bounded; what it ends with may not be the shortest.
 */
#ifndef KV_VERIFY_SHORTEN_H
#define KV_VERIFY_SHORTEN_H

#include "verify/history.h"

/** Judges H; false if it is violated, which V then tells. */
typedef bool (*shorten_judge_fn)(const struct history *h, struct verdict *v, void *arg);

struct shorten {
	shorten_judge_fn judge;
	void *arg;
	bool whole;      /* what is judged needs the history to its end: nothing is cut */
	usec_t until_us; /* monotonic: no more is tried after it */
};

/**
 * Fills *RET with a short history of KEY that is violated, and V with how. False, and *RET is empty, if the key alone is not
 * violated. *RET shares what H has read and must be released by shorten_release before H is.
 */
MUST_USE bool shorten(const struct shorten *s, const struct history *h, uint32_t key, struct history *ret,
		      struct verdict *v);
void shorten_release(struct history *shortened);

#endif
