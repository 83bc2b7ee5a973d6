/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The end of a process whose disk failed. After a failed read, write or sync nobody knows what is on disk, so nothing the
 * node could still say would be worth believing; its quorum goes on without it.
 */
#ifndef KV_SERVER_FATAL_H
#define KV_SERVER_FATAL_H

#include "base/status.h"
#include "storage/store.h"

/** Has EXPLAIN(STORE) asked for the engine's own words. Before threads start; NULL: no more. */
void fatal_set_store(struct store *store, bool (*explain)(struct store *store, struct error *ret));

/** Has the data directory marked (identity_damage) when the store turns out to be damaged. Borrowed; NULL: no more. Before threads start. */
void fatal_set_data_dir(const char *data_dir);

/** Logs what failed (an event name) and aborts. Any thread. */
NORETURN void fatal_store(const char *event, enum kv_status status);

#endif
