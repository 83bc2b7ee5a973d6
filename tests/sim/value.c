/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/value.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "proto/keyhash.h"

/* Number u64 with a first byte that is no digit, key u32, size u32, then bytes that follow from the number. */
#define HEAD_SIZE 16u
#define MARK      0xF5u

struct slice value_key(uint32_t key, char text[16])
{
	int size = snprintf(text, 16, "key-%u", key);
	return slice_of(text, (size_t)size);
}

uint64_t value_partitions(uint32_t key_count, uint32_t partitions)
{
	uint64_t bits = 0;
	for (uint32_t i = 0; i < key_count; i++) {
		char text[16];
		uint32_t partition = hash_partition(key_hash(value_key(i, text)), partitions);
		bits |= partition < 64 ? UINT64_C(1) << partition : 0;
	}
	return bits;
}

uint32_t value_size(uint64_t number, uint32_t size_max)
{
	return HEAD_SIZE + (uint32_t)(hash_u64(number) % size_max);
}

void value_write(uint64_t number, uint32_t key, uint32_t size, struct buf *out)
{
	KV_ASSERT(size >= HEAD_SIZE);
	buf_append_le64(out, number << 8 | MARK);
	buf_append_le32(out, key);
	buf_append_le32(out, size);
	for (uint32_t i = HEAD_SIZE; i < size; i++)
		buf_append_u8(out, (uint8_t)(number * 31 + i));
}

/* The value that BYTES begin with; its size, 0 if they begin with none. */
static uint32_t value_parse(struct slice bytes, uint32_t key, uint64_t *ret_number)
{
	if (bytes.size < HEAD_SIZE || bytes.data[0] != MARK || load_le32(bytes.data + 8) != key)
		return 0;
	uint32_t size = load_le32(bytes.data + 12);
	uint64_t number = load_le64(bytes.data) >> 8;
	if (size < HEAD_SIZE || size > bytes.size || number == 0)
		return 0;
	for (uint32_t i = HEAD_SIZE; i < size; i++)
		if (bytes.data[i] != (uint8_t)(number * 31 + i))
			return 0;
	*ret_number = number;
	return size;
}

bool value_number(struct slice text, int64_t *ret)
{
	char digits[24], *end;
	if (text.size == 0 || text.size >= sizeof digits)
		return false;
	memcpy(digits, text.data, text.size);
	digits[text.size] = '\0';
	*ret = strtoll(digits, &end, 10);
	return end == digits + text.size;
}

uint64_t value_content(struct history *h, struct slice bytes, uint32_t key)
{
	uint64_t content = CONTENT_NONE, number;
	size_t at = 0;
	while (at < bytes.size && bytes.data[at] != MARK)
		at++;
	int64_t integer;
	if (at > 0 && !value_number(slice_of(bytes.data, at), &integer))
		return CONTENT_FOREIGN;
	if (at > 0)
		content = content_number(integer);
	while (at < bytes.size) {
		uint32_t size = value_parse(slice_of(bytes.data + at, bytes.size - at), key, &number);
		if (size == 0)
			return CONTENT_FOREIGN;
		content = history_saw(h, content, &number, 1);
		at += size;
	}
	return content == CONTENT_NONE ? CONTENT_FOREIGN : content;
}
