/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/page.h"

static uint8_t *put_bytes(uint8_t *at, struct slice bytes)
{
	if (bytes.size > 0)
		memcpy(at, bytes.data, bytes.size);
	return at + bytes.size;
}

uint8_t *page_put_record(uint8_t *at, const struct page_record *r)
{
	KV_ASSERT(r->key.size > 0 && r->key.size <= KEY_SIZE_MAX);
	KV_ASSERT(r->record.size <= UINT32_MAX);
	store_le32(at, r->bucket);
	store_le16(at + 4, (uint16_t)r->key.size);
	store_le32(at + 6, (uint32_t)r->record.size);
	at = put_bytes(at + PAGE_RECORD_HEADER_SIZE, r->key);
	return put_bytes(at, r->record);
}

uint8_t *page_put_key(uint8_t *at, const struct page_key *k)
{
	KV_ASSERT(k->key.size > 0 && k->key.size <= KEY_SIZE_MAX);
	store_le32(at, k->bucket);
	store_le16(at + 4, (uint16_t)k->key.size);
	at[6] = k->flags;
	store_le64(at + 7, k->ver.hlc);
	store_le64(at + 15, k->ver.id);
	return put_bytes(at + PAGE_KEY_HEADER_SIZE, k->key);
}

/** SIZE bytes, or failure if the size is one that no key has. */
static struct slice take_name(struct reader *in, size_t size)
{
	in->failed |= size == 0 || size > KEY_SIZE_MAX;
	const uint8_t *at = reader_take(in, size);
	return slice_of(at, at ? size : 0);
}

bool page_take_record(struct reader *in, struct page_record *ret)
{
	if (in->failed || in->rest.size == 0)
		return false;
	struct page_record r = {.bucket = reader_le32(in)};
	size_t key_size = reader_le16(in);
	size_t record_size = reader_le32(in);
	r.key = take_name(in, key_size);
	const uint8_t *at = reader_take(in, record_size);
	r.record = slice_of(at, at ? record_size : 0);
	if (in->failed)
		return false;
	*ret = r;
	return true;
}

bool page_take_key(struct reader *in, struct page_key *ret)
{
	if (in->failed || in->rest.size == 0)
		return false;
	struct page_key k = {.bucket = reader_le32(in)};
	size_t key_size = reader_le16(in);
	k.flags = reader_u8(in);
	k.ver.hlc = reader_le64(in);
	k.ver.id = reader_le64(in);
	k.key = take_name(in, key_size);
	if (in->failed)
		return false;
	*ret = k;
	return true;
}

static struct page_record record_of(const struct disk_row *row)
{
	return (struct page_record){.bucket = row->key.bucket, .key = row->key.key, .record = row->value};
}

struct slice page_of_rows(struct actions *out, const struct disk_row *rows, uint32_t count)
{
	size_t size = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct page_record r = record_of(&rows[i]);
		size += page_record_size(&r);
	}
	if (size == 0)
		return slice_of(NULL, 0);
	uint8_t *bytes = actions_alloc(out, size), *at = bytes;
	for (uint32_t i = 0; i < count; i++) {
		struct page_record r = record_of(&rows[i]);
		at = page_put_record(at, &r);
	}
	KV_ASSERT(at == bytes + size);
	return slice_of(bytes, size);
}

struct slice page_cursor(struct actions *out, const struct disk_key *key)
{
	size_t size = PAGE_CURSOR_HEADER_SIZE + key->key.size;
	uint8_t *bytes = actions_alloc(out, size);
	store_le16(bytes, key->leaf);
	store_le32(bytes + 2, key->bucket);
	put_bytes(bytes + PAGE_CURSOR_HEADER_SIZE, key->key);
	return slice_of(bytes, size);
}

bool page_seek(struct slice cursor, struct disk_scan *scan)
{
	KV_ASSERT(scan->table == DISK_DATA);
	scan->has_after = cursor.size > 0;
	if (!scan->has_after)
		return true;
	struct reader in = reader_of(cursor);
	scan->after = (struct disk_key){.table = DISK_DATA, .partition = scan->partition};
	scan->after.leaf = reader_le16(&in);
	scan->after.bucket = reader_le32(&in);
	scan->after.key = in.rest;
	return !in.failed && in.rest.size >= 1 && in.rest.size <= KEY_SIZE_MAX;
}
