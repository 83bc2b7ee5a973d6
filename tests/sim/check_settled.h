/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What every node holds once a cluster that changed has come to rest: only partitions of its own, hash trees that are those of
 * its records, the same as the other replicas', and in the end no tombstone.
 */
#ifndef KV_SIM_CHECK_SETTLED_H
#define KV_SIM_CHECK_SETTLED_H

#include "verify/history.h"

struct sim;

/** Returns false and fills V with what is not so, yet or for ever. */
bool check_settled(struct sim *sim, struct verdict *v);

#endif
