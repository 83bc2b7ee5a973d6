/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Is the history of one key that of a single register? Black box: looks at values and real time only, knows nothing of
 * versions, so it also checks the checker that does (check_version).
 *
 * The search is that of Wing and Gong with Lowe's memory of configurations (operations done, value held). A
 * configuration met twice is not explored again.
 *
 * What each operation may do:
 *   strong, DONE or ABSENT           takes effect exactly once between invocation and answer
 *   strong write, PENDING or DOUBT   takes effect once after its invocation, or never
 *   eventual write, not REFUSED      the same, acknowledged or not: a newer copy may already have won
 *   REFUSED, eventual get            plays no part here
 *   put with a time to live          may turn "absent" once, not before its end less the clocks' skew, and only while the
 *                                    key still holds just that value
 *
 * Writes that may never take effect do not enlarge the search. Values are unique, so one that no strong get returned
 * can be left out, and one that was returned takes effect right before the first get that returned it. Deletes of that kind
 * are alike; the oldest unused one serves best.
 */
#ifndef KV_VERIFY_CHECK_LINEAR_H
#define KV_VERIFY_CHECK_LINEAR_H

#include "verify/history.h"

/** Configurations one key may cost before the check gives up. */
#define CHECK_LINEAR_STATES_MAX 1000000u

enum linear_answer { LINEAR_YES, LINEAR_NO, LINEAR_UNDECIDED };

/** Judges one key. ret_stuck (may be NULL) gets the index of an operation that no order explains, when NO. */
MUST_USE enum linear_answer check_linear_key(const struct history *h, uint32_t key, uint32_t *ret_stuck);

/** All keys. *ret_undecided counts keys whose search was given up. Returns false and fills V on a violation. */
bool check_linear(const struct history *h, struct verdict *v, uint32_t *ret_undecided);

#endif
