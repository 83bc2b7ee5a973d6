/* SPDX-License-Identifier: Apache-2.0 */
/**
 * All checkers at once: what the simulator, the real-process suite and kvctl run. The first violation counts.
 */
#ifndef KV_VERIFY_VERIFY_H
#define KV_VERIFY_VERIFY_H

#include "verify/replicas.h"

/**
 * Judges what clients saw. *ret_undecided counts keys whose black-box search was given up; the other checkers judged
 * those too. Returns false and fills V on a violation.
 */
bool verify_history(const struct history *h, struct verdict *v, uint32_t *ret_undecided);

/** Judges what replicas hold in the end, when all is quiet. Returns false and fills V on a violation. */
bool verify_replicas(const struct history *h, const struct replicas *r, struct verdict *v);

#endif
