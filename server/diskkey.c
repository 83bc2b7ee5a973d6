/* SPDX-License-Identifier: Apache-2.0 */
#include "server/diskkey.h"

#include "storage/keyspace.h"

enum store_table diskkey_table(enum disk_table table)
{
	switch (table) {
	case DISK_DATA:
		return STORE_DATA;
	case DISK_HINT:
		return STORE_HINT;
	case DISK_META:
		return STORE_META;
	case DISK_LEDGER:
		return STORE_LEDGER;
	case DISK_TREE:
		return STORE_TREE;
	}
	KV_UNREACHABLE("disk table");
}

void diskkey_encode(struct buf *out, const struct disk_key *key)
{
	struct keyspace_key parts = {.target = key->target,
				     .partition = key->partition,
				     .leaf = key->leaf,
				     .bucket = key->bucket,
				     .key = key->key};
	switch (key->table) {
	case DISK_DATA:
	case DISK_LEDGER:
		keyspace_data_key(out, &parts);
		return;
	case DISK_HINT:
		keyspace_hint_key(out, &parts);
		return;
	case DISK_TREE:
		keyspace_tree_key(out, &parts);
		return;
	case DISK_META:
		buf_append_slice(out, key->key);
		return;
	}
	KV_UNREACHABLE("disk table");
}

bool diskkey_decode(enum disk_table table, struct slice bytes, struct disk_key *ret)
{
	struct keyspace_key parts = {0};
	switch (table) {
	case DISK_DATA:
	case DISK_LEDGER:
		if (!keyspace_data_parse(bytes, &parts))
			return false;
		break;
	case DISK_HINT:
		if (!keyspace_hint_parse(bytes, &parts))
			return false;
		break;
	case DISK_TREE:
		if (!keyspace_tree_parse(bytes, &parts))
			return false;
		break;
	case DISK_META:
		parts.key = bytes;
		break;
	}
	*ret = (struct disk_key){.table = table,
				 .target = parts.target,
				 .partition = parts.partition,
				 .leaf = parts.leaf,
				 .bucket = parts.bucket,
				 .key = parts.key};
	return true;
}

void diskkey_range(const struct disk_scan *scan, struct buf *ret_first, struct buf *ret_end)
{
	switch (scan->table) {
	case DISK_DATA:
	case DISK_LEDGER:
	case DISK_TREE:
		if (scan->one_leaf)
			keyspace_leaf_range(scan->partition, scan->leaf, ret_first, ret_end);
		else
			keyspace_data_range(scan->partition, ret_first, ret_end);
		break;
	case DISK_HINT:
		keyspace_hint_partition_range(scan->target, scan->partition, ret_first, ret_end);
		break;
	case DISK_META:
		buf_append_u8(ret_first, 0);
		break;
	}
	if (!scan->has_after)
		return;
	KV_ASSERT(scan->after.table == scan->table);
	buf_clear(ret_first);
	diskkey_encode(ret_first, &scan->after);
	buf_append_u8(ret_first, 0); /* the smallest key behind it */
}
