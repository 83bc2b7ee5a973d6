/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Does what clients were told about their writes hold? Judges every level.
 *
 *   refused   what was answered "not applied" (an error that is not in doubt, a failed condition, an outcome that says
 *             never) is not seen by any strong operation, or held by any replica in the end, whole or as a part. Weaker
 *             reads may show an attempt of a strong write that never takes effect; of an eventual write there is none
 *   foreign   nothing is seen that nobody wrote, or before it was written
 *   outcome   what ASK was told agrees with the operation's own answer, and with what other ASKs were told
 */
#ifndef KV_VERIFY_CHECK_HONEST_H
#define KV_VERIFY_CHECK_HONEST_H

#include "verify/replicas.h"

/** H as the clients saw it, not resolved. Each returns false and fills V on a violation. */
bool check_honest(const struct history *h, struct verdict *v);
bool check_honest_replicas(const struct history *h, const struct replicas *r, struct verdict *v);

#endif
