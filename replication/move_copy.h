/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The bulk of a move: pages of records, pulled from one old member at a time and stored by the rules of a PUSH.
 *
 * The source is the member that leaves, if it can be reached, or else the nearest of the old ones; what is copied is only for
 * speed and is checked against a majority later, so it may change at any page. A page's rows go through the keys' slots a few
 * at a time, and the cursor moves on when all of them are durable.
 */
#ifndef KV_REPLICATION_MOVE_COPY_H
#define KV_REPLICATION_MOVE_COPY_H

#include "replication/move.h"

/** Starts at the partition's durable cursor. */
void move_copy_begin(struct node_core *core, struct move *move);

/** Asks for a page, or pushes what waits. */
void move_copy_go_on(struct node_core *core, struct move *move);

/** Gives back what copying holds. */
void move_copy_release(struct move *move);

/** The answer to OP_MOVE_PULL. */
void moves_pulled(struct node_core *core, node_id from, const struct msg *m);

/** The own replica's answer to a PUSH; false if it is not for a move. */
bool moves_push_done(struct node_core *core, const struct msg *m);

#endif
