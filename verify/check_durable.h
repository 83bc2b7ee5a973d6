/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Is nothing acknowledged lost? When all is quiet the newest copy of a key is at least as new as every acknowledged write, and
 * its origin at least as new as every acknowledged strong write.
 *
 * Eventual writes are judged by version alone: a newer copy may have won before the write was acknowledged.
 */
#ifndef KV_VERIFY_CHECK_DURABLE_H
#define KV_VERIFY_CHECK_DURABLE_H

#include "verify/replicas.h"

/** Returns false and fills V on a violation. */
bool check_durable(const struct history *h, const struct replicas *r, struct verdict *v);

#endif
