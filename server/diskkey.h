/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The core's names of rows as the engine's keys, and back. Pure functions; the layouts are storage/keyspace.h's.
 */
#ifndef KV_SERVER_DISKKEY_H
#define KV_SERVER_DISKKEY_H

#include "replication/step.h"
#include "storage/store.h"

enum store_table diskkey_table(enum disk_table table);

/** Appends the encoded key. */
void diskkey_encode(struct buf *out, const struct disk_key *key);

/** Takes an engine key apart; ret->key borrows from BYTES. False if it is no key of that table. */
MUST_USE bool diskkey_decode(enum disk_table table, struct slice bytes, struct disk_key *ret);

/** First key of a scan and the first one behind its range (empty: the table's end). */
void diskkey_range(const struct disk_scan *scan, struct buf *ret_first, struct buf *ret_end);

#endif
