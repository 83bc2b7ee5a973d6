/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What this core holds and remembers of one key, told as it is: for `kvctl explain` (docs/decisions/0031).
 *
 * A look changes nothing: it makes no slot, promises nothing, raises no floor, and a record that does not match its checksum is
 * told where a read that builds on it would stop the node. The disk is read beside whatever else goes on; the rest is of
 * the moment in which the answer is made.
 */
#ifndef KV_REPLICATION_EXPLAIN_H
#define KV_REPLICATION_EXPLAIN_H

#include "base/ilist.h"
#include "replication/step.h"

struct node_core;
struct explain_read;

struct explains {
	struct ilist list; /* private: of struct explain */
	uint32_t count;    /* read-only: at most EXPLAINS_MAX */
};

void explains_init(struct node_core *core);
void explains_release(struct node_core *core);

/** OP_EXPLAIN of a client: answered when the disk has. KV_OVERLOADED beyond EXPLAINS_MAX. */
void explain_asked(struct node_core *core, uint64_t client, const struct msg *m);

/** The disk has answered READ. */
void explain_read_done(struct node_core *core, struct explain_read *read, bool found, bool unreadable,
		       struct slice value);

#endif
