/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Folds into operations what others were told about them later: one without a certain answer that is said to be committed
 * was done before that was said, and one that is said never to be applied was refused.
 */
#ifndef KV_VERIFY_RESOLVE_H
#define KV_VERIFY_RESOLVE_H

#include "verify/history.h"

/**
 * Fills *ret with H as its operations turned out. It shares what H has read and must be released by resolve_release before H
 * is. Answers that contradict each other are left as they are: check_honest names them.
 */
void resolve(const struct history *h, struct history *ret);
void resolve_release(struct history *resolved);

#endif
