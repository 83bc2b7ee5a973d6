/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Keys as bytes on disk. Big-endian, so that byte order is (partition, leaf, bucket, key) order and a partition, a
 * leaf and a scan page are contiguous ranges. Layouts are in docs/storage-format.md and never change.
 *
 *   data: partition u16 | leaf u16 | bucket u32 | user key
 *   hint: target u16 | partition u16 | leaf u16 | bucket u32 | user key
 *   tree: partition u16 | leaf u16
 *   meta: name bytes
 *   ledger: as data; the user key is followed by a version (replication/ledger_row.h)
 */
#ifndef KV_STORAGE_KEYSPACE_H
#define KV_STORAGE_KEYSPACE_H

#include "base/buf.h"

#define DATA_KEY_PREFIX_SIZE 8u
#define HINT_KEY_PREFIX_SIZE 10u
#define TREE_KEY_SIZE        4u

/** The parts of a data, ledger or hint key. `key` borrows from the encoded bytes when decoded. */
struct keyspace_key {
	uint16_t target; /* hints only */
	uint16_t partition;
	uint16_t leaf;
	uint32_t bucket;
	struct slice key;
};

/** Appends the encoded key. */
void keyspace_data_key(struct buf *out, const struct keyspace_key *key);
void keyspace_hint_key(struct buf *out, const struct keyspace_key *key);
void keyspace_tree_key(struct buf *out, const struct keyspace_key *key);

/** Takes an encoded key apart; false if it has no size that one can have. */
MUST_USE bool keyspace_data_parse(struct slice bytes, struct keyspace_key *ret);
MUST_USE bool keyspace_hint_parse(struct slice bytes, struct keyspace_key *ret);
MUST_USE bool keyspace_tree_parse(struct slice bytes, struct keyspace_key *ret);

/** First key of a partition's data (or ledger, or tree), and the first key behind it (empty: the table's end). */
void keyspace_data_range(uint16_t partition, struct buf *ret_first, struct buf *ret_end);

/** The same for one leaf of a partition's data. */
void keyspace_leaf_range(uint16_t partition, uint16_t leaf, struct buf *ret_first, struct buf *ret_end);

/** The same for all hints of a target, and for those of one partition. */
void keyspace_hint_range(uint16_t target, struct buf *ret_first, struct buf *ret_end);
void keyspace_hint_partition_range(uint16_t target, uint16_t partition, struct buf *ret_first, struct buf *ret_end);

/** Names in the meta table. Shard-numbered ones take the number as decimal text after a slash. */
#define META_IDENTITY  "identity"
#define META_MAP       "cluster_map"
#define META_LIVES     "lives"
#define META_HLC_LIMIT "hlc_limit" /* "hlc_limit/0": u64 little-endian */

#endif
