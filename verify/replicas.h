/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What every replica holds at the end of a run, read from the disks after everything healed and settled.
 */
#ifndef KV_VERIFY_REPLICAS_H
#define KV_VERIFY_REPLICAS_H

#include "verify/history.h"

/** One replica's copy of one key. ver {0,0}: it has none. */
struct replica_copy {
	uint32_t key;
	uint16_t node;
	struct stamp ver, org;
	struct stamp floor; /* without a copy: a deletion up to it may have been here and was forgotten */
	bool tombstone;
	bool weak;
	uint64_t value; /* its content; 0 for tombstones and absent copies */
	uint64_t expires_ms;
	uint64_t value_hash;
};

struct replicas {
	struct replica_copy *copies; /* read-only, grouped by key */
	uint32_t count;
	uint32_t capacity; /* private */
};

void replicas_release(struct replicas *r);

/** Adds a copy; all copies of one key are added one after the other. */
void replicas_add(struct replicas *r, const struct replica_copy *copy);

#endif
