/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Where a key lives: the same arithmetic in client, core and storage. Never changes; stored data depends on it.
 *
 * The partition is the hash's highest log2(P) bits, the leaf (a slice of a partition, unit of comparison and
 * scanning) its next 10 bits. If the key contains a non-empty `{tag}`, only the first tag is hashed, so that related keys
 * share a partition, as in Redis Cluster.
 */
#ifndef KV_PROTO_KEYHASH_H
#define KV_PROTO_KEYHASH_H

#include "base/hash.h"
#include "proto/limits.h"

static inline uint64_t key_hash(struct slice key)
{
	const uint8_t *open = key.size ? memchr(key.data, '{', key.size) : NULL;
	if (open) {
		size_t rest = key.size - (size_t)(open + 1 - key.data);
		const uint8_t *close = rest ? memchr(open + 1, '}', rest) : NULL;
		if (close && close > open + 1)
			return hash64(slice_of(open + 1, (size_t)(close - open - 1)));
	}
	return hash64(key);
}

/** Names a key in session tokens: keys of one tag are different keys there, and so are those of two buckets. */
static inline uint64_t session_key_hash(uint32_t bucket, struct slice key) { return hash64_seeded(key, bucket); }

/** PARTITIONS must be a power of two of at least 2. */
static inline uint16_t hash_partition(uint64_t hash, uint32_t partitions)
{
	return (uint16_t)(hash >> (64 - __builtin_ctz(partitions)));
}

static inline uint16_t hash_leaf(uint64_t hash, uint32_t partitions)
{
	return (uint16_t)(hash << __builtin_ctz(partitions) >> 54);
}

#endif
