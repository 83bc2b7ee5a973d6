/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Does nothing come back that was deleted? After a delete was acknowledged no older value is read.
 *
 *   strong     after a strong delete no strong read shows a value of a lower version, nor, versions aside, one whose strong
 *              write was acknowledged before the delete was invoked and that nobody wrote again
 *   all        after an eventual delete that all replicas acknowledged no read of any level does, as long as no strong
 *              operation has touched the key: a ballot may give an older value a newer copy
 *   tombstone  no replica ends with a value below the version of an acknowledged strong delete
 *
 * Other eventual deletes may lose to what was written beside them and prove nothing.
 */
#ifndef KV_VERIFY_CHECK_GONE_H
#define KV_VERIFY_CHECK_GONE_H

#include "verify/replicas.h"

/** Each returns false and fills V on a violation. */
bool check_gone(const struct history *h, struct verdict *v);
bool check_gone_replicas(const struct history *h, const struct replicas *r, struct verdict *v);

#endif
