/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How long replicas take to answer, as the coordinator sees it: sums, of which whoever asks makes means of the time between two
 * looks. Since the core's start, across restarts of the replica.
 */
#ifndef KV_REPLICATION_REPLICA_TOOK_H
#define KV_REPLICATION_REPLICA_TOOK_H

#include "base/base.h"

/** What a coordinator asks a replica for. */
enum replica_work { REPLICA_READ, REPLICA_PREPARE, REPLICA_WRITE, REPLICA_WORK_COUNT };

/** Answers of one node to rounds of this core's operations, and how long after the rounds began they came, together. */
struct replica_took {
	uint64_t count, us;
};

#endif
