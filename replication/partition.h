/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What a core keeps of each partition besides its keys: floors that outlive a restart, and how far this node's own joining of
 * the partition's replicas has come. One row of META a partition, "partition/<4 hex digits>", written when there is something to
 * keep:
 *
 *   0 u8 format, 1     1 u8 stage     2 u16 size of the cursor     4 seal     20 drop     36 session     52 u64 joined
 *  60 cursor           then u64 XXH3 of all before
 *
 * Until all rows are read, replica requests are answered BUSY.
 */
#ifndef KV_REPLICATION_PARTITION_H
#define KV_REPLICATION_PARTITION_H

#include "base/blob.h"
#include "proto/msg.h"
#include "replication/cluster_map.h"
#include "replication/step.h"

struct node_core;

struct partition {
	struct version seal; /* nothing up to it is stored any more */
	struct version drop; /* tombstones up to it were dropped */
	struct uuid session; /* of the move by which this node joins or joined; zero: it was there from the start */
	enum move_stage stage; /* of that move; 0: not even opened */
	struct blob *cursor;   /* of its copying; owned; NULL: at the start */
	hlc_t joined;          /* when it joined, on the cluster's clock: promises and memory begin there */
	uint64_t save_token;   /* write of the last partition_save; 0: none in this life */
	uint64_t join_token;   /* write of partition_join: durable before the partition is served */
	usec_t row_us;         /* when its replicas last changed, as this core heard of it; 0: not in this life */
};

struct partitions {
	struct partition *items; /* one a partition; NULL before the first map */
	uint32_t count;
	bool loaded;
};

void partitions_release(struct node_core *core);

/** The map in force is a new one, in place of BEFORE or NULL. With the first one begins to read the rows. */
void partitions_set_map(struct node_core *core, const struct cluster_map *before);

/** A page of META was read. */
void partitions_scanned(struct node_core *core, const struct disk_row *rows, uint32_t count, bool done);

bool partitions_are_loaded(const struct node_core *core);

/** State of a partition of the map; change it only when all are loaded, and save it then. */
struct partition *partition_at(struct node_core *core, uint16_t partition);

/**
 * Makes the state durable and its seal and drop count at once. Returns the token of the write: what promises the new state waits
 * until core->write_done has reached it.
 */
uint64_t partition_save(struct node_core *core, uint16_t partition);

/**
 * This node becomes a replica by the move in force, its range being empty: a majority of the old members has told FENCE, the
 * greatest of their clocks under the joint map, and SEAL, the greatest of their seals. Raises the floors, sets stage
 * MOVE_COPYING and saves. False, and nothing happens, while this node's clock cannot follow FENCE: try again soon.
 */
MUST_USE bool partition_join(struct node_core *core, uint16_t partition, hlc_t fence, struct version seal);

/**
 * False while this node is only a new member of the partition and has not joined durably; such requests are answered BUSY. Also
 * false for a partition that the map gives to others.
 */
bool partition_serves(struct node_core *core, uint16_t partition);

#endif
