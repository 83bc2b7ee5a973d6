/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A record's bytes on disk, and copies of records that own their memory.
 *
 * Layout, little-endian; a field in brackets is there if its flag is set:
 *
 *    0  u8   format, 1
 *    1  u8   flags: 1 weak, 2 tombstone, 4 written by a strong operation, 8 org, 16 result, 32 lin_floor,
 *            64 expires, 128 fence
 *    2  u8   lineage entries, at most LIN_MAX
 *    3  u8   zero
 *    4  u32  low 32 bits of XXH3 over all bytes but these four
 *    8  u64  ver.hlc     16 u64 ver.id
 *   24  u64  rid.client  32 u64 rid.seq
 *   40  u64  XXH3 of the value
 *   [16 org: the value's attempt where it is not ver] [8 result] [16 lin_floor] [8 expires_ms] [8 fence]
 *   lineage entries of 40: ver 16, rid 16, result 8
 *   value: the rest
 */
#ifndef KV_REPLICATION_RECORD_H
#define KV_REPLICATION_RECORD_H

#include "base/blob.h"
#include "base/buf.h"
#include "replication/version.h"

#define RECORD_FORMAT      1u
#define RECORD_HEADER_SIZE 48u

/** Encodes R into a new blob; NULL when out of memory. The value must be there unless it is a tombstone. */
MUST_USE struct blob *record_encode(const struct record *r);

/**
 * Reads a record out of BYTES, whose data must be 8-aligned (a blob's is). RET points into BYTES.
 * KV_CORRUPT if the bytes are no record or do not match their checksum.
 */
MUST_USE enum kv_status record_decode(struct slice bytes, struct record *ret);

/** What a core says that stops because of a stored record. */
#define RECORD_CORRUPT_TEXT "a stored record does not match its checksum; replace this node"

/** Size of record_encode's bytes. */
size_t record_size(const struct record *r);

/** As record_decode, for bytes at any address; lineage and value of RET are left out. */
MUST_USE enum kv_status record_peek(struct slice bytes, struct record *ret);

/** A record that owns its lineage and value. Zero-initialised is "absent". */
struct record_copy {
	struct record rec;   /* lin and value point into the members below */
	struct lineage *lin; /* private; NULL if there is none */
	struct blob *value;  /* private */
};

/** Replaces the copy by SRC; false when out of memory (the copy is then absent). */
MUST_USE bool record_copy_set(struct record_copy *copy, const struct record *src);
void record_copy_release(struct record_copy *copy);

/**
 * Lineage of a record that a ballot writes on top of BASE: base's own attempt, then its lineage, newest first, without
 * what is older than LIN_AGE_MS before NOW or beyond LIN_MAX; what is left out raises lin_floor. Of each lane only the last
 * request is kept, that of RET (whose rid is set) included, but for base's own attempt, the oldest entry and one each LIN_ANCHOR_MS:
 * nobody asks for an earlier request without hearing that it is over. Fills lin, lin_count and lin_floor of RET; ret->lin is set to ENTRIES. An absent base gives
 * an empty lineage.
 */
void record_lineage(const struct record *base, hlc_t now, struct lineage entries[LIN_MAX], struct record *ret);

/** Drops all but the KEPT newest ancestors, raising lin_floor. */
void record_lineage_shorten(struct record *r, uint32_t kept);

/** True if VER is the record's own version or in its lineage. */
bool record_has_ancestor(const struct record *r, struct version ver);

/** True if the record's time to live has ended at NOW on the cluster's clock. */
static inline bool record_expired(const struct record *r, hlc_t now)
{
	return r->expires_ms != 0 && hlc_from_ms(r->expires_ms) <= now;
}

/** True if a reader at NOW sees no value: absent, deleted or expired. */
static inline bool record_hidden(const struct record *r, hlc_t now)
{
	return version_is_none(r->ver) || r->tombstone || record_expired(r, now);
}

#endif
