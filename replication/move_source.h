/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The old member's side of a move: tells fence and floors, and gives pages of its records.
 *
 * It answers only what belongs to the session of the move in its own map. That map is durable and in force on this core, so
 * nothing of the epoch before is promised or accepted any more when the fence is read, and every page is read after that.
 */
#ifndef KV_REPLICATION_MOVE_SOURCE_H
#define KV_REPLICATION_MOVE_SOURCE_H

#include "base/ilist.h"
#include "proto/msg.h"
#include "replication/step.h"

struct node_core;
struct move_page;

struct move_source {
	struct ilist pages; /* of struct move_page (move_source.c): being read from disk */
	uint32_t page_count;
};

void move_source_init(struct node_core *core);
void move_source_release(struct node_core *core);

/** OP_MOVE_OPEN and OP_MOVE_PULL of a new member. */
void move_source_opened(struct node_core *core, node_id from, const struct msg *m);
void move_source_pulled(struct node_core *core, node_id from, const struct msg *m);

/** Reads what the budget allows. */
void move_source_tick(struct node_core *core);

/** The rows of a page are read. */
void move_source_scan_done(struct node_core *core, struct move_page *page, const struct disk_row *rows,
			   uint32_t count, bool done);

#endif
