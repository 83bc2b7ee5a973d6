/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/record.h"

#include "base/bytes.h"
#include "base/cover.h"
#include "base/mutant.h"

enum record_flag {
	FLAG_WEAK = 1,
	FLAG_TOMBSTONE = 2,
	FLAG_STRONG = 4,
	FLAG_ORG = 8,
	FLAG_RESULT = 16,
	FLAG_LIN_FLOOR = 32,
	FLAG_EXPIRES = 64,
	FLAG_FENCE = 128,
};

enum { LINEAGE_SIZE = 40, SUM_OFFSET = 4, SUM_END = 8 };

_Static_assert(sizeof(struct lineage) == LINEAGE_SIZE, "lineage entries are read in place");
_Static_assert(RECORD_HEADER_SIZE % 8 == 0, "lineage entries stay aligned behind the header");
_Static_assert(LIN_MAX <= UINT8_MAX, "the count is one byte");

static uint8_t record_flags(const struct record *r)
{
	unsigned flags = 0;
	flags |= r->weak ? FLAG_WEAK : 0u;
	flags |= r->tombstone ? FLAG_TOMBSTONE : 0u;
	flags |= r->strong ? FLAG_STRONG : 0u;
	flags |= version_equal(r->org, r->ver) ? 0u : FLAG_ORG;
	flags |= r->result ? FLAG_RESULT : 0u;
	flags |= version_is_none(r->lin_floor) ? 0u : FLAG_LIN_FLOOR;
	flags |= r->expires_ms ? FLAG_EXPIRES : 0u;
	flags |= r->fence ? FLAG_FENCE : 0u;
	return (uint8_t)flags;
}

static size_t flags_size(uint8_t flags)
{
	return (flags & FLAG_ORG ? 16u : 0u) + (flags & FLAG_RESULT ? 8u : 0u) +
	       (flags & FLAG_LIN_FLOOR ? 16u : 0u) + (flags & FLAG_EXPIRES ? 8u : 0u) +
	       (flags & FLAG_FENCE ? 8u : 0u);
}

static uint32_t record_sum(const uint8_t *bytes, size_t size)
{
	return (uint32_t)hash64_two(slice_of(bytes, SUM_OFFSET), slice_of(bytes + SUM_END, size - SUM_END));
}

static uint8_t *put_u64(uint8_t *at, uint64_t v)
{
	store_le64(at, v);
	return at + sizeof v;
}

static uint8_t *put_version(uint8_t *at, struct version v) { return put_u64(put_u64(at, v.hlc), v.id); }

static uint8_t *put_optional(uint8_t *at, uint8_t flags, const struct record *r)
{
	if (flags & FLAG_ORG)
		at = put_version(at, r->org);
	if (flags & FLAG_RESULT)
		at = put_u64(at, r->result);
	if (flags & FLAG_LIN_FLOOR)
		at = put_version(at, r->lin_floor);
	if (flags & FLAG_EXPIRES)
		at = put_u64(at, r->expires_ms);
	if (flags & FLAG_FENCE)
		at = put_u64(at, r->fence);
	return at;
}

size_t record_size(const struct record *r)
{
	size_t value_size = r->tombstone ? 0 : r->value.size;
	return RECORD_HEADER_SIZE + flags_size(record_flags(r)) + r->lin_count * (size_t)LINEAGE_SIZE + value_size;
}

struct blob *record_encode(const struct record *r)
{
	KV_ASSERT(!version_is_none(r->ver));
	KV_ASSERT(r->tombstone || r->has_value);
	KV_ASSERT(r->lin_count <= LIN_MAX);
	uint8_t flags = record_flags(r);
	size_t value_size = r->tombstone ? 0 : r->value.size;
	size_t lin_size = r->lin_count * (size_t)LINEAGE_SIZE;
	struct blob *bytes = blob_new_uninit(record_size(r));
	if (!bytes)
		return NULL;
	uint8_t *at = bytes->data;
	at[0] = RECORD_FORMAT;
	at[1] = flags;
	at[2] = (uint8_t)r->lin_count;
	at[3] = 0;
	at = put_version(at + SUM_END, r->ver);
	at = put_u64(put_u64(at, r->rid.client), r->rid.seq);
	at = put_u64(at, r->value_hash);
	at = put_optional(at, flags, r);
	if (lin_size > 0)
		memcpy(at, r->lin, lin_size);
	if (value_size > 0)
		memcpy(at + lin_size, r->value.data, value_size);
	KV_ASSERT(at + lin_size + value_size == bytes->data + bytes->size);
	store_le32(bytes->data + SUM_OFFSET, record_sum(bytes->data, bytes->size));
	return bytes;
}

static struct version read_version(struct reader *in)
{
	struct version v;
	v.hlc = reader_le64(in);
	v.id = reader_le64(in);
	return v;
}

static void read_optional(struct reader *in, uint8_t flags, struct record *r)
{
	r->org = flags & FLAG_ORG ? read_version(in) : r->ver;
	r->result = flags & FLAG_RESULT ? reader_le64(in) : 0;
	r->lin_floor = flags & FLAG_LIN_FLOOR ? read_version(in) : VERSION_NONE;
	r->expires_ms = flags & FLAG_EXPIRES ? reader_le64(in) : 0;
	r->fence = flags & FLAG_FENCE ? reader_le64(in) : 0;
}

static void read_header(struct reader *in, uint8_t flags, struct record *r)
{
	r->weak = flags & FLAG_WEAK;
	r->tombstone = flags & FLAG_TOMBSTONE;
	r->strong = flags & FLAG_STRONG;
	r->ver = read_version(in);
	r->rid.client = reader_le64(in);
	r->rid.seq = reader_le64(in);
	r->value_hash = reader_le64(in);
	read_optional(in, flags, r);
}

static bool is_whole(struct slice bytes)
{
	return bytes.size >= RECORD_HEADER_SIZE && bytes.data[0] == RECORD_FORMAT &&
	       load_le32(bytes.data + SUM_OFFSET) == record_sum(bytes.data, bytes.size);
}

enum kv_status record_peek(struct slice bytes, struct record *ret)
{
	if (!is_whole(bytes))
		return KV_CORRUPT;
	uint8_t flags = bytes.data[1];
	struct reader in = reader_of(slice_of(bytes.data + SUM_END, bytes.size - SUM_END));
	*ret = (struct record){0};
	read_header(&in, flags, ret);
	return in.failed || version_is_none(ret->ver) ? KV_CORRUPT : KV_OK;
}

enum kv_status record_decode(struct slice bytes, struct record *ret)
{
	KV_ASSERT((uintptr_t)bytes.data % 8 == 0);
	if (!is_whole(bytes))
		return KV_CORRUPT;
	struct record r = {0};
	uint8_t flags = bytes.data[1];
	struct reader in = reader_of(slice_of(bytes.data + SUM_END, bytes.size - SUM_END));
	read_header(&in, flags, &r);
	r.lin_count = bytes.data[2];
	const uint8_t *lin = reader_take(&in, r.lin_count * (size_t)LINEAGE_SIZE);
	if (in.failed || r.lin_count > LIN_MAX || version_is_none(r.ver) || bytes.data[3] != 0)
		return KV_CORRUPT;
	if (in.rest.size > UINT32_MAX || (r.tombstone && in.rest.size != 0))
		return KV_CORRUPT;
	r.lin = r.lin_count ? (const struct lineage *)(const void *)lin : NULL;
	r.has_value = !r.tombstone;
	r.value = in.rest;
	r.value_size = (uint32_t)in.rest.size;
	*ret = r;
	return KV_OK;
}

void record_copy_release(struct record_copy *copy)
{
	blob_unref(copy->value);
	free(copy->lin);
	*copy = (struct record_copy){0};
}

bool record_copy_set(struct record_copy *copy, const struct record *src)
{
	KV_ASSERT(src->lin_count <= LIN_MAX);
	size_t lin_size = src->lin_count * sizeof src->lin[0];
	struct record_copy made = {.rec = *src};
	made.value = src->has_value ? blob_new(src->value) : NULL;
	made.lin = lin_size ? malloc(lin_size) : NULL;
	if ((src->has_value && !made.value) || (lin_size && !made.lin)) {
		record_copy_release(&made);
		record_copy_release(copy);
		return false;
	}
	if (lin_size)
		memcpy(made.lin, src->lin, lin_size);
	made.rec.lin = made.lin;
	made.rec.value = blob_slice(made.value);
	record_copy_release(copy);
	*copy = made;
	return true;
}

static bool lineage_is_young(struct version ver, hlc_t now) { return ver.hlc + hlc_from_ms(LIN_AGE_MS) > now; }

/** True if a later request of the same lane is in the lineage, or is what the record is written for. */
static bool lineage_is_over(const struct record *r, struct request_id rid)
{
	if (request_id_is_later(r->rid, rid))
		return true;
	for (uint32_t i = 0; i < r->lin_count; i++) {
		if (request_id_is_later(r->lin[i].rid, rid))
			return true;
	}
	return false;
}

/** True if the lineage would have a gap, or an end, without entry I: how far it reaches back is told by what is in it. */
static bool lineage_is_anchor(const struct record *base, uint32_t i)
{
	if (i + 1 == base->lin_count)
		return true;
	return base->lin[i].ver.hlc - base->lin[i + 1].ver.hlc > hlc_from_ms(LIN_ANCHOR_MS);
}

static void lineage_add(struct record *r, struct lineage entries[LIN_MAX], const struct lineage *entry, hlc_t now)
{
	if (r->lin_count < LIN_MAX && lineage_is_young(entry->ver, now))
		entries[r->lin_count++] = *entry;
	else
		r->lin_floor = version_max(r->lin_floor, entry->ver);
	if (!version_is_none(r->lin_floor))
		COVER(lineage_floor);
}

void record_lineage(const struct record *base, hlc_t now, struct lineage entries[LIN_MAX], struct record *ret)
{
	KV_ASSERT(base != ret);
	ret->lin_count = 0;
	ret->lin = entries;
	ret->lin_floor = base->lin_floor;
	if (version_is_none(base->ver) || MUTANT(nolin))
		return;
	struct lineage own = {.ver = base->ver, .rid = base->rid, .result = base->result};
	lineage_add(ret, entries, &own, now);
	for (uint32_t i = 0; i < base->lin_count; i++) {
		KV_ASSERT(base->lin != entries);
		if (lineage_is_anchor(base, i) || !lineage_is_over(ret, base->lin[i].rid))
			lineage_add(ret, entries, &base->lin[i], now);
	}
}

void record_lineage_shorten(struct record *r, uint32_t kept)
{
	while (r->lin_count > kept)
		r->lin_floor = version_max(r->lin_floor, r->lin[--r->lin_count].ver);
}

bool record_has_ancestor(const struct record *r, struct version ver)
{
	if (version_equal(r->ver, ver))
		return true;
	for (uint32_t i = 0; i < r->lin_count; i++) {
		if (version_equal(r->lin[i].ver, ver))
			return true;
	}
	return false;
}
