/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Turns: the strong writes of this core that need a ballot on one key, one after the other, so that they do not overtake
 * each other; and what the last one left for the next.
 *
 * On a key that is written again and again, an accept also asks for the promise of the ballot after it. Where a majority gives
 * it, the next write needs no prepare of its own: it knows what is there and may accept at once. Any other ballot, a put above
 * it or a restart takes the promise back; the accept is then refused and the write starts over as usual.
 */
#ifndef KV_REPLICATION_TURN_H
#define KV_REPLICATION_TURN_H

#include "base/hmap.h"
#include "base/ilist.h"
#include "replication/record.h"

struct node_core;
struct op;

struct turn {
	struct hmap_node node;
	uint32_t bucket;
	struct blob *key;
	struct op *running;   /* NULL: idle */
	struct ilist waiting; /* of struct op */
	bool hot;             /* written before within PROMISE_AGE_US */
	usec_t used_us;       /* when the last one ended */
	struct ilink idle_link;
	struct version next;     /* promised ahead; none if not */
	uint64_t config_epoch;   /* of the row that promised */
	struct record_copy base; /* what a majority then held strongly */
};

struct turns {
	struct hmap map;
	struct ilist idle; /* longest idle first */
	uint32_t idle_count;
	struct ilist ready; /* of struct op: their turn has come */
};

void turns_init(struct turns *t);

/** Frees what is idle; no operation has a turn any more. */
void turns_release(struct turns *t);

/** Queues OP for its key. True if its turn is now; otherwise op_update_run is called when it comes. */
MUST_USE bool turn_take(struct node_core *core, struct op *op);

/** OP, which may have no turn, is done: the next one's has come. */
void turn_leave(struct node_core *core, struct op *op);

/** Runs those whose turn has come. */
void turns_run(struct node_core *core);

/** True if it pays to ask for the next ballot's promise. */
bool turn_wants_promise(const struct op *op);

/** A majority is about to be asked to store REC and promise the next ballot; REC is copied. False when out of memory. */
MUST_USE bool turn_plan(struct op *op, const struct record *rec);

/** A majority holds it and has promised NEXT. */
void turn_keep(struct op *op, struct version next);

/** Takes the promise out, if there is one that OP may use: *ret_base lives as long as OP's turn. */
MUST_USE bool turn_use(const struct node_core *core, struct op *op, struct version *ret_ballot,
		       const struct record **ret_base);

/** Drops what has been idle too long. */
void turns_sweep(struct node_core *core);

#endif
