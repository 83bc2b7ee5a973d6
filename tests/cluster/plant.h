/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What no node does: changes records on a node's disk behind its back, so that it differs from the other replicas. The
 * node does not run meanwhile.
 */
#ifndef KV_TESTS_CLUSTER_PLANT_H
#define KV_TESTS_CLUSTER_PLANT_H

#include "tests/cluster/fill.h"

/**
 * Of the keys of F that the node has, takes COUNT records away and makes another COUNT older than they are, with another value;
 * each record is whole. Fails the test if there are not so many.
 */
void plant_differences(const struct process *p, const struct fill *f, unsigned count);

#endif
