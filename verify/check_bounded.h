/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Is a bound of staleness kept? A read with bound T, asked for or told in the answer of any read, shows a value at least as
 * new as every write that a majority acknowledged and that completed more than T, and the error of the clocks, before the
 * read was invoked.
 *
 * Strong writes count always. An eventual write of a majority counts only while no strong operation has touched the key: a
 * ballot may give an older value a newer copy, and the eventual write then never was the value.
 */
#ifndef KV_VERIFY_CHECK_BOUNDED_H
#define KV_VERIFY_CHECK_BOUNDED_H

#include "verify/history.h"

/** Returns false and fills V on a violation. Judges nothing if h->stale_slack_us is USEC_NEVER. */
bool check_bounded(const struct history *h, struct verdict *v);

#endif
