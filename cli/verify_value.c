/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_value.h"

#include <inttypes.h>

#include "base/hash.h"

enum { PADDING_MAX = 48, DIGITS_MAX = 20 };

void verify_value_write(uint64_t number, uint32_t key, struct buf *out)
{
	KV_ASSERT(number > 0 && number < CONTENT_PUT_MAX);
	buf_printf(out, "%" PRIu64 "@%" PRIu32 ".", number, key);
	for (uint64_t i = hash_u64(number) % PADDING_MAX; i > 0; i--)
		buf_append_u8(out, 'x');
	buf_append_u8(out, ';');
}

/** The bytes of the value that BYTES begin with; 0 if they begin with none of KEY. */
static size_t parse(struct slice bytes, uint32_t key, uint64_t *ret_number)
{
	uint64_t number = 0;
	size_t digits = 0;
	while (digits < bytes.size && digits < DIGITS_MAX && bytes.data[digits] >= '0' && bytes.data[digits] <= '9')
		number = number * 10 + (uint64_t)(bytes.data[digits++] - '0');
	if (digits == 0 || number == 0 || number >= CONTENT_PUT_MAX)
		return 0;
	CLEANUP(buf_release) struct buf same = BUF_INIT;
	verify_value_write(number, key, &same);
	if (same.size > bytes.size || memcmp(same.data, bytes.data, same.size) != 0)
		return 0;
	*ret_number = number;
	return same.size;
}

static bool parse_integer(struct slice bytes, int64_t *ret)
{
	char text[DIGITS_MAX + 2], *end;
	if (bytes.size == 0 || bytes.size >= sizeof text)
		return false;
	memcpy(text, bytes.data, bytes.size);
	text[bytes.size] = '\0';
	*ret = strtoll(text, &end, 10);
	return end == text + bytes.size;
}

uint64_t verify_value_content(struct history *h, struct slice bytes, uint32_t key)
{
	int64_t integer;
	if (parse_integer(bytes, &integer))
		return content_number(integer);
	uint64_t content = CONTENT_NONE;
	while (bytes.size > 0) {
		uint64_t number;
		size_t size = parse(bytes, key, &number);
		if (size == 0)
			return CONTENT_FOREIGN;
		content = history_saw(h, content, &number, 1);
		bytes = slice_of(bytes.data + size, bytes.size - size);
	}
	return content == CONTENT_NONE ? CONTENT_FOREIGN : content;
}
