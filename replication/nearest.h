/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Which of a partition's replicas is asked first. Those that cannot be reached are never asked; those in trouble are
 * asked last: first who does not answer requests or says itself that it is overloaded, then whose disk is degraded.
 *
 * For reads, this node's own copy comes first, then the same zone, then the smoothed time of reads. For what a replica has to
 * coordinate, the order of the row: the replicas of a key agree on who it is, and rivals on one key meet there.
 */
#ifndef KV_REPLICATION_NEAREST_H
#define KV_REPLICATION_NEAREST_H

#include "replication/cluster_map.h"

struct node_core;

/** Position of the replica in BITS that is best read from, or -1 if none can be reached. */
int nearest_reader(const struct node_core *core, const struct row *row, uint32_t bits);

/** As nearest_reader, but now and then another one that is not in trouble: how fast it is must be known to be compared. */
int nearest_reader_explored(struct node_core *core, const struct row *row, uint32_t bits);

/** Position of the replica in BITS that an operation is best sent on to, or -1. */
int nearest_coordinator(const struct node_core *core, const struct row *row, uint32_t bits);

#endif
