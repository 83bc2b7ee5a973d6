/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A stored record. Bit 0 of byte 0 says whether the checksum is made right first, so that mutations get past it; the
 * rest is the record. What decodes must encode to a record that decodes to the same.
 */
#include "base/bytes.h"
#include "replication/record.h"
#include "tests/fuzz/fuzz.h"

enum { SUM_OFFSET = 4, SUM_END = 8 };

static void make_right(struct blob *bytes)
{
	if (bytes->size < SUM_END)
		return;
	uint64_t sum = hash64_two(slice_of(bytes->data, SUM_OFFSET),
				  slice_of(bytes->data + SUM_END, bytes->size - SUM_END));
	store_le32(bytes->data + SUM_OFFSET, (uint32_t)sum);
}

static void check_round_trip(const struct record *r)
{
	struct blob *again = record_encode(r);
	KV_ASSERT(again);
	struct record back;
	KV_ASSERT(record_decode(blob_slice(again), &back) == KV_OK);
	KV_ASSERT(version_equal(back.ver, r->ver));
	KV_ASSERT(version_equal(back.org, r->org));
	KV_ASSERT(back.weak == r->weak && back.tombstone == r->tombstone && back.strong == r->strong);
	KV_ASSERT(back.lin_count == r->lin_count);
	KV_ASSERT(slice_equal(back.value, r->value));
	blob_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct blob *bytes = blob_new(slice_of(data + 1, size - 1));
	KV_ASSERT(bytes);
	if (data[0] & 1)
		make_right(bytes);
	struct record r;
	enum kv_status status = record_decode(blob_slice(bytes), &r);
	KV_ASSERT(status == KV_OK || status == KV_CORRUPT);
	if (status == KV_OK)
		check_round_trip(&r);
	blob_unref(bytes);
	return 0;
}

bool fuzz_seed(uint32_t index, struct buf *out)
{
	if (index > 2)
		return false;
	static const struct lineage lin[2] = {{.ver = {3, 1}, .rid = {1, 2}}, {.ver = {2, 1}}};
	struct record r = {
		.ver = {9, 1}, .org = {9, 1}, .rid = {7, 8}, .has_value = true, .value = slice_str("value")};
	if (index == 1)
		r = (struct record){
			.ver = {9, 1}, .org = {5, 1}, .tombstone = true, .weak = true, .lin = lin, .lin_count = 2};
	if (index == 2)
		r.expires_ms = r.fence = r.result = r.lin_floor.hlc = 1;
	struct blob *bytes = record_encode(&r);
	KV_ASSERT(bytes);
	buf_append_u8(out, 1);
	buf_append_slice(out, blob_slice(bytes));
	blob_unref(bytes);
	return true;
}
