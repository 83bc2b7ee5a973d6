/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Many keys at rest, written once, and whether all of them are still there: on every replica the same, and nowhere else.
 */
#ifndef KV_TESTS_CLUSTER_FILL_H
#define KV_TESTS_CLUSTER_FILL_H

#include "tests/cluster/cluster.h"

#define FILL_VALUE_MAX 4096

struct fill {
	const char *prefix; /* of the keys */
	unsigned count;
	unsigned size; /* of each value, at most FILL_VALUE_MAX */
	bool strong;   /* written strongly; else by eventual writes that all replicas acknowledge */
};

/** Key number K. */
struct kv_slice fill_key(const struct fill *f, unsigned k, char text[64]);

/** Writes all keys, acknowledged by all replicas. */
void fill_write(struct cluster *c, const struct fill *f);

/** Reads all keys strongly; fails the test unless all are as written. */
void fill_check(struct cluster *c, const struct fill *f);

/**
 * How many keys differ between their REPLICAS replicas, are missing at one, or are held by a node too many; looked for on the disks of
 * all nodes that are there. UINT_MAX: a node did not answer.
 */
unsigned fill_differences(struct cluster *c, const struct fill *f, unsigned replicas);

/** Waits until there are none, and fails the test if that takes longer than TIMEOUT_MS (stretched). */
void fill_await_equal(struct cluster *c, const struct fill *f, unsigned replicas, unsigned timeout_ms);

#endif
