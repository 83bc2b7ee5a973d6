/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/value.h"

#include "base/bytes.h"
#include "base/hash.h"

/* Number u64 with a first byte that is no digit, key u32, size u32, then bytes that follow from the number. */
#define MARK 0xF5u

uint32_t value_size(uint64_t number, uint32_t room)
{
	return VALUE_HEAD_SIZE + (uint32_t)(hash_u64(number) % room);
}

void value_write(uint64_t number, uint32_t key, uint32_t size, uint8_t *ret)
{
	KV_ASSERT(size >= VALUE_HEAD_SIZE);
	store_le64(ret, number << 8 | MARK);
	store_le32(ret + 8, key);
	store_le32(ret + 12, size);
	for (uint32_t i = VALUE_HEAD_SIZE; i < size; i++)
		ret[i] = (uint8_t)(number * 31 + i);
}

/** The value that BYTES begin with; its size, 0 if they begin with none. */
static uint32_t value_parse(const uint8_t *bytes, size_t size, uint32_t key, uint64_t *ret_number)
{
	if (size < VALUE_HEAD_SIZE || bytes[0] != MARK || load_le32(bytes + 8) != key)
		return 0;
	uint32_t own = load_le32(bytes + 12);
	uint64_t number = load_le64(bytes) >> 8;
	if (own < VALUE_HEAD_SIZE || own > size || number == 0)
		return 0;
	for (uint32_t i = VALUE_HEAD_SIZE; i < own; i++)
		if (bytes[i] != (uint8_t)(number * 31 + i))
			return 0;
	*ret_number = number;
	return own;
}

static bool number_parse(const uint8_t *text, size_t size, int64_t *ret)
{
	char digits[24], *end;
	if (size >= sizeof digits)
		return false;
	memcpy(digits, text, size);
	digits[size] = '\0';
	*ret = strtoll(digits, &end, 10);
	return end == digits + size;
}

uint64_t value_content(struct history *h, struct kv_slice bytes, uint32_t key)
{
	const uint8_t *at = bytes.data;
	uint64_t content = CONTENT_NONE, number;
	size_t left = bytes.size, digits = 0;
	int64_t integer;
	while (digits < left && at[digits] != MARK)
		digits++;
	if (digits > 0 && !number_parse(at, digits, &integer))
		return CONTENT_FOREIGN;
	if (digits > 0)
		content = content_number(integer);
	for (at += digits, left -= digits; left > 0;) {
		uint32_t size = value_parse(at, left, key, &number);
		if (size == 0)
			return CONTENT_FOREIGN;
		content = history_saw(h, content, &number, 1);
		at += size;
		left -= size;
	}
	return content == CONTENT_NONE ? CONTENT_FOREIGN : content;
}
