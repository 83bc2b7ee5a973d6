/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Does each request take effect at most once, and each acknowledged one exactly once? Arithmetic on what additions and
 * appends leave, independent of any order of operations; retries are what it is about.
 *
 *   twice    no content holds the piece of one append twice, and strong operations see the value of one put under one version
 *   sums     on a key with additions of one sign alone: no two sums are equal, between two sums lies at least what the later
 *            one added, the gaps hold no more than additions in doubt can fill, and what is read in the end is every
 *            acknowledged addition and at most the doubtful ones besides
 *   pieces   on a key with appends alone: a content read after an acknowledged append holds its piece, and the size it
 *            was answered with is that of the content up to it
 *
 * Keys with other writes beside are left to check_linear.
 */
#ifndef KV_VERIFY_CHECK_ONCE_H
#define KV_VERIFY_CHECK_ONCE_H

#include "verify/history.h"

/** H is resolved. Returns false and fills V on a violation. */
bool check_once(const struct history *h, struct verdict *v);

#endif
