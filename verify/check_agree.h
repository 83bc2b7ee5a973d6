/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Did the replicas converge? After healing and the closing reads all replicas of a key hold the same copy: version, origin,
 * content, tombstone, end of life.
 */
#ifndef KV_VERIFY_CHECK_AGREE_H
#define KV_VERIFY_CHECK_AGREE_H

#include "verify/replicas.h"

/** Returns false and fills V on a violation. */
bool check_agree(const struct replicas *r, struct verdict *v);

#endif
