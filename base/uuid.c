/* SPDX-License-Identifier: Apache-2.0 */
#include "base/types.h"

static const uint8_t dash_after[] = {4, 6, 8, 10};

static bool has_dash_before(size_t index)
{
	for (size_t i = 0; i < ARRAY_SIZE(dash_after); i++) {
		if (dash_after[i] == index)
			return true;
	}
	return false;
}

void uuid_format(const struct uuid *id, char text[UUID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	KV_ASSERT(id && text);
	char *at = text;
	for (size_t i = 0; i < sizeof id->bytes; i++) {
		if (has_dash_before(i))
			*at++ = '-';
		*at++ = digits[id->bytes[i] >> 4];
		*at++ = digits[id->bytes[i] & 15];
	}
	*at = '\0';
	KV_ASSERT(at == text + UUID_TEXT_SIZE - 1);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool uuid_parse(const char *text, struct uuid *ret)
{
	KV_ASSERT(text && ret);
	struct uuid id;
	if (strlen(text) != UUID_TEXT_SIZE - 1)
		return false;
	for (size_t i = 0; i < sizeof id.bytes; i++) {
		if (has_dash_before(i) && *text++ != '-')
			return false;
		int high = hex_value(*text++);
		int low = hex_value(*text++);
		if (high < 0 || low < 0)
			return false;
		id.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret = id;
	return true;
}
