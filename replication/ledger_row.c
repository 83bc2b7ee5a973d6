/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/ledger_row.h"

#include "base/bytes.h"
#include "base/hash.h"

enum { FLAG_VALUE = 1, FLAG_TOMBSTONE = 2, SUM_AT = 4, SUM_END = 8 };

static uint32_t row_sum(const uint8_t *bytes, size_t size)
{
	return (uint32_t)hash64_two(slice_of(bytes, SUM_AT), slice_of(bytes + SUM_END, size - SUM_END));
}

void ledger_row_encode(const struct ledger_row *r, uint8_t *ret)
{
	KV_ASSERT(r->has_value || r->value.size == 0);
	KV_ASSERT(!r->tombstone || !r->has_value);
	ret[0] = LEDGER_ROW_FORMAT;
	ret[1] = (uint8_t)((r->has_value ? FLAG_VALUE : 0) | (r->tombstone ? FLAG_TOMBSTONE : 0));
	ret[2] = (uint8_t)r->cause;
	ret[3] = 0;
	store_le64(ret + 8, r->winner.hlc);
	store_le64(ret + 16, r->winner.id);
	store_le64(ret + 24, r->ends_ms);
	store_le64(ret + 32, r->value_hash);
	store_le64(ret + 40, r->value_size);
	if (r->value.size > 0)
		memcpy(ret + LEDGER_ROW_HEADER_SIZE, r->value.data, r->value.size);
	store_le32(ret + SUM_AT, row_sum(ret, ledger_row_size(r)));
}

enum kv_status ledger_row_decode(struct slice bytes, struct ledger_row *ret)
{
	const uint8_t *p = bytes.data;
	if (bytes.size < LEDGER_ROW_HEADER_SIZE || p[0] != LEDGER_ROW_FORMAT)
		return KV_CORRUPT;
	if (load_le32(p + SUM_AT) != row_sum(p, bytes.size))
		return KV_CORRUPT;
	*ret = (struct ledger_row){
		.cause = (enum ledger_cause)p[2],
		.tombstone = p[1] & FLAG_TOMBSTONE,
		.has_value = p[1] & FLAG_VALUE,
		.winner = {load_le64(p + 8), load_le64(p + 16)},
		.ends_ms = load_le64(p + 24),
		.value_hash = load_le64(p + 32),
		.value_size = load_le64(p + 40),
		.value = slice_of(p + LEDGER_ROW_HEADER_SIZE, bytes.size - LEDGER_ROW_HEADER_SIZE),
	};
	return KV_OK;
}

void ledger_key_encode(struct slice key, struct version loser, uint8_t *ret)
{
	KV_ASSERT(key.size > 0);
	memcpy(ret, key.data, key.size);
	store_le64(ret + key.size, __builtin_bswap64(loser.hlc));
	store_le64(ret + key.size + 8, __builtin_bswap64(loser.id));
}

bool ledger_key_decode(struct slice bytes, struct slice *ret_key, struct version *ret_loser)
{
	if (bytes.size <= LEDGER_KEY_SUFFIX_SIZE)
		return false;
	*ret_key = slice_of(bytes.data, bytes.size - LEDGER_KEY_SUFFIX_SIZE);
	const uint8_t *suffix = bytes.data + ret_key->size;
	*ret_loser =
		(struct version){__builtin_bswap64(load_le64(suffix)), __builtin_bswap64(load_le64(suffix + 8))};
	return true;
}
