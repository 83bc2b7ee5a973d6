/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What may be tried again, how soon, and how often in total. Pure: no clock, no I/O. Owned by the I/O thread.
 *
 *   what happened                                    reads   eventual writes   strong writes     without an id
 *   not sent (no connection)                         yes     yes               yes               yes
 *   sent, connection lost or no answer               yes     yes, same write   yes, same write   no: in doubt
 *   refused, nothing changed (see retry_answer)      yes     yes               yes               yes
 *   answered in doubt, or a failure of that node     yes     no                yes, same write   no
 *   anything else                                    no      no                no                no
 *
 * A strong write is looked up by its id before it is carried out a second time, so another node may settle what one left in
 * doubt. For an eventual one that would be the same replicas again.
 */
#ifndef KV_CLIENT_RETRY_H
#define KV_CLIENT_RETRY_H

#include "base/rng.h"
#include "base/status.h"
#include "base/types.h"

/** What sending a request a second time means. */
enum retry_safety {
	RETRY_READ,  /* nothing */
	RETRY_SAME,  /* the same write: its version is fixed in the request */
	RETRY_FOUND, /* the same write: nodes find it by its id */
	RETRY_ONCE,  /* perhaps a second effect */
};

/** After a request was sent and its connection was lost, or no answer came in time. */
static inline bool retry_unanswered(enum retry_safety safety) { return safety != RETRY_ONCE; }

/** True of a refusal that only says that others were quicker: no failure, so it counts neither as a try nor against the
 *  budget, and the same node is as good as another. */
static inline bool retry_is_contention(enum kv_status status, bool in_doubt)
{
	return status == KV_CONFLICT && !in_doubt;
}

/** After an answer. IN_DOUBT as the node said. */
bool retry_answer(enum retry_safety safety, enum kv_status status, bool in_doubt);

/** Random pause before try number TRY (1 is the first retry): up to 20 ms doubled each time, at most 1 s, and no less
 *  than AT_LEAST_MS, which a node asked for. */
usec_t retry_pause_us(struct rng *rng, uint32_t try, uint32_t at_least_ms);

/**
 * Keeps retries a small part of the traffic while the cluster is in trouble: failures take a token, successes give a tenth
 * back, and retries stop while half or less are left. The size covers one full window, so that
 * losing one node does not use it up.
 */
struct retry_budget {
	uint32_t tenths_max; /* read-only */
	uint32_t tenths;     /* private */
};

void retry_budget_init(struct retry_budget *b, uint32_t tokens);
void retry_budget_succeeded(struct retry_budget *b);
void retry_budget_failed(struct retry_budget *b);
static inline bool retry_budget_allows(const struct retry_budget *b) { return b->tenths > b->tenths_max / 2; }

#endif
