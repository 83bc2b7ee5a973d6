/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Taking partitions over: what this node does for each move of which it is a new member, and giving up what it is no member
 * of any more (docs/decisions/0020).
 *
 *   EMPTYING -> OPENING -> COPYING -> CHECKING -> CLOSING -> DONE
 *
 * A new session begins with an empty range. Opening asks the old members for their fences and floors; a majority of
 * answers makes this node serve. Pages are pulled from one old member and stored as pushes are, in between with
 * live writes. The check compares the hash tree with those of a majority and reads strongly what differs. Then the node reports that
 * all is here, until the map has no such move. Stage and cursor are durable, so a restart goes on where it was.
 *
 * What comes in is bounded by a budget of bytes a second, which shrinks while commits take longer than they use to.
 *
 * A node whose map does not name it as a member removes the partition's rows, once every node that can be reached
 * knows that map and the members have what only this node had.
 */
#ifndef KV_REPLICATION_MOVE_H
#define KV_REPLICATION_MOVE_H

#include "base/ilist.h"
#include "proto/msg.h"
#include "replication/step.h"

struct node_core;

struct moves {
	struct ilist in; /* of struct move (move.c): partitions this core takes over */
};

void moves_init(struct node_core *core);
void moves_release(struct node_core *core);

/** A map came into force: begins, goes on with, and ends moves. */
void moves_set_map(struct node_core *core);
void moves_tick(struct node_core *core);

/** Answers of old members. */
void moves_opened(struct node_core *core, node_id from, const struct msg *m);
void moves_pulled(struct node_core *core, node_id from, const struct msg *m);

/** The own replica's answer to a PUSH; false if it is not for a move. */
bool moves_push_done(struct node_core *core, const struct msg *m);

/** Writes up to core->write_done are durable. */
void moves_written(struct node_core *core);

#endif
