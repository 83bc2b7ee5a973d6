/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Taking partitions over: what a core does for each move of which its node is a new member (docs/decisions/0020).
 *
 *   EMPTYING -> OPENING -> JOINING -> COPYING -> CHECKING -> CLOSING -> REPORTING
 *
 * A new session begins with an empty range. Opening asks the old members for fences and floors; when a majority has answered
 * and that is durable, the node serves the partition. Pages are pulled from one old member and stored as pushes are, between
 * live writes. The check compares the hash tree with those of a majority and reads strongly what differs. Then the node reports
 * that all is here, until the map has no such move. Session, stage and cursor are durable, so a restart goes on where it was.
 *
 * How much comes in is bounded by the core's budget (replication/pace.h).
 */
#ifndef KV_REPLICATION_MOVE_H
#define KV_REPLICATION_MOVE_H

#include "base/ilist.h"
#include "proto/msg.h"
#include "replication/step.h"

struct node_core;
struct map_desc;

enum move_step {
	MOVE_IS_AWAITED,   /* what is left in the range is handed over first: replication/leaving.h */
	MOVE_IS_EMPTYING,  /* the range is being removed */
	MOVE_IS_OPENING,   /* old members are asked */
	MOVE_IS_JOINING,   /* floors are being made durable */
	MOVE_IS_COPYING,   /* replication/move_copy.h */
	MOVE_IS_CHECKING,  /* an exchange with a majority of the old members */
	MOVE_IS_CLOSING,   /* that all is here is being made durable */
	MOVE_IS_REPORTING, /* nothing more to do until the map changes */
};

/** A row of the page at hand. */
struct move_row {
	uint32_t at; /* in the page */
	enum { ROW_WAITS, ROW_PUSHED, ROW_IN } state;
};

struct move {
	struct ilink link;
	uint16_t partition;
	struct uuid session;
	enum move_step step;
	uint64_t token;  /* EMPTYING, JOINING, CLOSING: a write that must be durable first */
	usec_t next_us;  /* when to ask (again) */
	uint32_t failed; /* attempts in a row that came to nothing */
	uint32_t retries;
	const char *message; /* of the last of them; static text */

	/* opening: bits by position in the row */
	uint32_t opened;
	hlc_t fence;
	struct version seal, drop;
	uint64_t keys, bytes; /* to copy, as the fullest old member has it */

	/* copying */
	node_id source;    /* NODE_NONE: to be chosen */
	uint32_t tried;    /* old members that failed as sources since one did not */
	uint64_t pull_id;  /* 0: no page is asked for */
	usec_t pull_us;    /* give up waiting for it */
	struct blob *page; /* being stored; NULL none */
	struct move_row *rows;
	uint32_t row_count, row_next, rows_out; /* rows_out: pushed and not answered */
	uint64_t row_id;                        /* message id of the first in this pass */
	bool rows_again;                        /* some were refused for now */
	uint64_t page_epoch;                    /* it was read in */
	bool page_last;
	struct blob *page_end; /* cursor behind it */
	struct blob *cursor;   /* what is asked for next; NULL: the start */
	uint64_t unsaved;      /* bytes since the cursor was saved */
	uint64_t keys_done, bytes_done;

	/* checking */
	bool exchanging;

	/* reporting */
	usec_t report_us;
	uint64_t reported_bytes;
	usec_t reported_us;
	uint64_t bytes_per_sec;
};

struct moves {
	struct ilist in;   /* of struct move: what this core takes over */
	uint32_t in_count; /* at work are the first MOVES_IN_MAX */
	bool map_changed;  /* the list is to be brought in line with the map */
	uint32_t burst;    /* rows that may still be pushed in this turn */
};

void moves_init(struct node_core *core);
void moves_release(struct node_core *core);

/** A map came into force: begins, goes on with, and ends moves. */
void moves_set_map(struct node_core *core);
void moves_tick(struct node_core *core);

/** The answer of an old member to OP_MOVE_OPEN. */
void moves_opened(struct node_core *core, node_id from, const struct msg *m);

/** Writes up to core->write_done are durable. */
void moves_written(struct node_core *core);

/** The move of PARTITION that is at work here, if SESSION is its, or NULL. */
struct move *moves_find(struct node_core *core, uint16_t partition, const struct uuid *session);

/** What was tried came to nothing, and why (static text): again after a while that grows. */
void move_fails(struct node_core *core, struct move *move, const char *why);

/** Everything is copied: goes on to the check. */
void move_copied(struct node_core *core, struct move *move);

/**
 * Removes all this core has of the partition, on disk and in memory, promises included, and resets its durable state to that of
 * a member to be of SESSION (zero: of none). Returns the last write's token.
 */
uint64_t moves_empty(struct node_core *core, uint16_t partition, const struct uuid *session);

#endif
