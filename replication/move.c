/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/move.h"

#include "replication/core.h"

void moves_init(struct node_core *core) { ilist_init(&core->moves.in); }

void moves_release(struct node_core *core) {}

void moves_set_map(struct node_core *core) {}

void moves_tick(struct node_core *core) {}

void moves_opened(struct node_core *core, node_id from, const struct msg *m) {}

void moves_pulled(struct node_core *core, node_id from, const struct msg *m) {}

bool moves_push_done(struct node_core *core, const struct msg *m) { return false; }

void moves_written(struct node_core *core) {}
