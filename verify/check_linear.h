/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Is the history of one key that of a single register? Black box: looks at contents and real time only, knows no order of
 * versions, so it also checks the checker that does (check_version).
 *
 * The search is that of Wing and Gong with Lowe's memory of configurations (operations done, state of verify/model.h). A
 * configuration met twice is not explored again.
 *
 * What each operation may do:
 *   strong, DONE or ABSENT           takes effect exactly once between invocation and answer
 *   strong, FAILED                   its condition did not hold at one moment in between, and nothing happened
 *   strong write, PENDING or DOUBT   takes effect once after its invocation, if its condition holds then, or never
 *   eventual write, not REFUSED      the same, acknowledged or not: a newer copy may already have won
 *   REFUSED, other gets, ASK         plays no part here; what ASK was told is folded in by history_resolve
 *   refused because of a fence       plays no part here (check_fence)
 *   put with a time to live          may turn "absent" once, not before its end less the clocks' skew, and only while the
 *                                    key still holds what was built on it
 *
 * Operations that may never take effect do not enlarge the search: one whose effect nobody observes is left out, and one
 * that is observed takes effect right before its first observer, or before another of its kind that does. So at each observer
 * that does not fit, a chain of such operations that makes it fit is looked for, backwards from what it needs.
 */
#ifndef KV_VERIFY_CHECK_LINEAR_H
#define KV_VERIFY_CHECK_LINEAR_H

#include "verify/history.h"

/** Steps of the search that one key may cost before the check gives up. */
#define CHECK_LINEAR_STATES_MAX 1000000u

enum linear_answer { LINEAR_YES, LINEAR_NO, LINEAR_UNDECIDED };

/** Judges one key. ret_stuck (may be NULL) gets the index of an operation that no order explains, when NO. */
MUST_USE enum linear_answer check_linear_key(const struct history *h, uint32_t key, uint32_t *ret_stuck);

/** All keys. *ret_undecided counts keys whose search was given up. Returns false and fills V on a violation. */
bool check_linear(const struct history *h, struct verdict *v, uint32_t *ret_undecided);

#endif
