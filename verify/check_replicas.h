/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Judges the replicas' final contents against the history.
 *
 *   agree     all replicas of a key hold the same copy: version, origin, value, tombstone, end of life
 *   durable   nothing acknowledged is lost: the newest copy of a key is at least as new as every acknowledged write, and
 *             its origin at least as new as every acknowledged strong write
 *   honest    no copy holds a value that nobody wrote, and none a value whose write was refused
 *
 * Eventual writes are judged by version alone: a newer copy may have won before the write was acknowledged.
 */
#ifndef KV_VERIFY_CHECK_REPLICAS_H
#define KV_VERIFY_CHECK_REPLICAS_H

#include "verify/replicas.h"

/** Each returns false and fills V on a violation. */
bool check_agree(const struct replicas *r, struct verdict *v);
bool check_durable(const struct history *h, const struct replicas *r, struct verdict *v);
bool check_honest(const struct history *h, const struct replicas *r, struct verdict *v);

#endif
