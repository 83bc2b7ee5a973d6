/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How far every move of the cluster is, as its new members report: what the driver decides on and MOVE_LIST shows.
 *
 * Core 0 of each node hears the reports, those of its own node's cores included. Only reports of the session that the map
 * has count; what is heard of another one is forgotten.
 */
#ifndef KV_REPLICATION_MOVE_STATUS_H
#define KV_REPLICATION_MOVE_STATUS_H

#include "base/hmap.h"
#include "proto/msg.h"

struct node_core;

struct move_reports {
	struct hmap heard; /* of struct move_report (move_status.c), by partition and node */
};

/** OP_MOVE_REPORT of FROM. */
void moves_reported(struct node_core *core, node_id from, const struct msg *m);

/** Forgets reports of moves that the map does not have any more, and notes those that are new. */
void move_status_set_map(struct node_core *core);
void move_status_release(struct node_core *core);

/** The last report of NODE on the move of PARTITION that is in the map; NULL: none yet. Good until the next event. */
const struct msg_move *moves_report(const struct node_core *core, uint16_t partition, node_id node);

/**
 * When NODE was last heard to get on with it: another stage, more keys or bytes. When this core first had the map
 * with that session, if it never was; 0: the map has no such move.
 */
usec_t moves_progress_us(const struct node_core *core, uint16_t partition, node_id node);

/** OP_MOVE_LIST of a client: one entry for each new member of each move. */
void move_status_list(struct node_core *core, uint64_t client, const struct msg *m);

#endif
