/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Judges a load that ended on a cluster that is whole again: was every answer right, is everything acknowledged there,
 * are the replicas equal?
 */
#ifndef KV_TESTS_CLUSTER_JUDGE_H
#define KV_TESTS_CLUSTER_JUDGE_H

#include "tests/cluster/load.h"

/**
 * Stops the load, waits until no node holds a hint, reads every key strongly through every node (so also through those that
 * hold no replica of it), compares the raw contents of all replicas item by item, and runs the simulator's checkers over
 * the history. Fails the test at the first violation, with the history of the key it is about.
 */
void judge(struct cluster *c, struct load *l);

#endif
