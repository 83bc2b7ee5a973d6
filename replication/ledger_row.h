/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A ledger entry's bytes on disk.
 *
 * The key behind the usual prefix is the user's key and the version that lost: hlc u64, id u64, big-endian. So the
 * entries of a key stand together, oldest value first.
 *
 * The value, little-endian:
 *
 *    0  u8   format, 1
 *    1  u8   flags: 1 the value is here, 2 tombstone
 *    2  u8   cause (enum ledger_cause)
 *    3  u8   zero
 *    4  u32  low 32 bits of XXH3 over all bytes but these four
 *    8  u64  winner.hlc   16 u64 winner.id
 *   24  u64  when the entry ends, milliseconds since 1970 on the cluster's clock
 *   32  u64  XXH3 of the value
 *   40  u64  size of the value, which may have been too large to be here
 *   48  value
 */
#ifndef KV_REPLICATION_LEDGER_ROW_H
#define KV_REPLICATION_LEDGER_ROW_H

#include "proto/msg.h"

#define LEDGER_ROW_FORMAT      1u
#define LEDGER_ROW_HEADER_SIZE 48u
#define LEDGER_KEY_SUFFIX_SIZE 16u

struct ledger_row {
	enum ledger_cause cause;
	bool tombstone;
	bool has_value;        /* false: a tombstone, or larger than LEDGER_VALUE_MAX */
	struct version winner; /* org of what it lost to */
	uint64_t ends_ms;
	uint64_t value_hash, value_size;
	struct slice value;
};

static inline size_t ledger_row_size(const struct ledger_row *r) { return LEDGER_ROW_HEADER_SIZE + r->value.size; }

/** Writes ledger_row_size(R) bytes. */
void ledger_row_encode(const struct ledger_row *r, uint8_t *ret);

/** Reads an entry; the value points into BYTES. KV_CORRUPT if they are none or do not match their checksum. */
MUST_USE enum kv_status ledger_row_decode(struct slice bytes, struct ledger_row *ret);

/** Writes KEY and the version LOSER, key.size + LEDGER_KEY_SUFFIX_SIZE bytes. */
void ledger_key_encode(struct slice key, struct version loser, uint8_t *ret);

/** Takes it apart; the key points into BYTES. False if it is too short. */
MUST_USE bool ledger_key_decode(struct slice bytes, struct slice *ret_key, struct version *ret_loser);

#endif
