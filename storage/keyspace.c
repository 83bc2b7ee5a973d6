/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/keyspace.h"

#include "base/bytes.h"

void keyspace_data_key(struct buf *out, const struct keyspace_key *key)
{
	KV_ASSERT(key->key.size > 0);
	buf_reserve(out, DATA_KEY_PREFIX_SIZE + key->key.size);
	buf_append_be16(out, key->partition);
	buf_append_be16(out, key->leaf);
	buf_append_be32(out, key->bucket);
	buf_append_slice(out, key->key);
}

void keyspace_hint_key(struct buf *out, const struct keyspace_key *key)
{
	buf_append_be16(out, key->target);
	keyspace_data_key(out, key);
}

void keyspace_tree_key(struct buf *out, const struct keyspace_key *key)
{
	buf_append_be16(out, key->partition);
	buf_append_be16(out, key->leaf);
}

bool keyspace_data_parse(struct slice bytes, struct keyspace_key *ret)
{
	if (bytes.size <= DATA_KEY_PREFIX_SIZE)
		return false;
	*ret = (struct keyspace_key){
		.partition = load_be16(bytes.data),
		.leaf = load_be16(bytes.data + 2),
		.bucket = load_be32(bytes.data + 4),
		.key = slice_of(bytes.data + DATA_KEY_PREFIX_SIZE, bytes.size - DATA_KEY_PREFIX_SIZE),
	};
	return true;
}

bool keyspace_hint_parse(struct slice bytes, struct keyspace_key *ret)
{
	if (bytes.size <= HINT_KEY_PREFIX_SIZE)
		return false;
	struct keyspace_key key;
	if (!keyspace_data_parse(slice_of(bytes.data + 2, bytes.size - 2), &key))
		return false;
	key.target = load_be16(bytes.data);
	*ret = key;
	return true;
}

bool keyspace_tree_parse(struct slice bytes, struct keyspace_key *ret)
{
	if (bytes.size != TREE_KEY_SIZE)
		return false;
	*ret = (struct keyspace_key){.partition = load_be16(bytes.data), .leaf = load_be16(bytes.data + 2)};
	return true;
}

void keyspace_data_range(uint16_t partition, struct buf *ret_first, struct buf *ret_end)
{
	buf_clear(ret_first);
	buf_clear(ret_end);
	buf_append_be16(ret_first, partition);
	if (partition < UINT16_MAX)
		buf_append_be16(ret_end, (uint16_t)(partition + 1));
}

void keyspace_leaf_range(uint16_t partition, uint16_t leaf, struct buf *ret_first, struct buf *ret_end)
{
	keyspace_data_range(partition, ret_first, ret_end);
	buf_append_be16(ret_first, leaf);
	if (leaf < UINT16_MAX) {
		buf_clear(ret_end);
		buf_append_be16(ret_end, partition);
		buf_append_be16(ret_end, (uint16_t)(leaf + 1));
	}
}

void keyspace_hint_range(uint16_t target, struct buf *ret_first, struct buf *ret_end)
{
	/* A target is to hints what a partition is to data: the first two bytes. */
	keyspace_data_range(target, ret_first, ret_end);
}

void keyspace_hint_partition_range(uint16_t target, uint16_t partition, struct buf *ret_first, struct buf *ret_end)
{
	keyspace_hint_range(target, ret_first, ret_end);
	buf_append_be16(ret_first, partition);
	if (partition < UINT16_MAX) {
		buf_clear(ret_end);
		buf_append_be16(ret_end, target);
		buf_append_be16(ret_end, (uint16_t)(partition + 1));
	}
}
