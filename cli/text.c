/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text.h"

#include <limits.h>

#include "base/types.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/** Digits and the name of a unit, nothing else. */
static bool parse_with_unit(const char *text, const struct unit *units, size_t count, uint64_t *ret)
{
	uint64_t value = 0;
	const char *at = text;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return false;
	}
	if (at == text)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(at, units[i].name) == 0)
			return !__builtin_mul_overflow(value, units[i].factor, ret);
	}
	return false;
}

bool text_duration_ms(const char *text, uint64_t *ret_ms)
{
	static const struct unit units[] = {
		{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}};
	uint64_t value;
	if (!parse_with_unit(text, units, ARRAY_SIZE(units), &value))
		return false;
	*ret_ms = value;
	return true;
}

static bool parse_between(const char *text, const struct unit *units, size_t count, uint64_t min, uint64_t max,
			  uint64_t *ret)
{
	uint64_t value;
	if (!parse_with_unit(text, units, count, &value) || value < min || value > max)
		return false;
	*ret = value;
	return true;
}

bool text_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	static const struct unit units[] = {{"", 1}};
	return parse_between(text, units, ARRAY_SIZE(units), min, max, ret);
}

bool text_int64(const char *text, int64_t *ret)
{
	bool negative = *text == '-';
	const char *start = text + (negative || *text == '+'), *at = start;
	int64_t value = 0;
	for (; *at >= '0' && *at <= '9'; at++) {
		int digit = *at - '0';
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, negative ? -digit : digit, &value))
			return false;
	}
	if (at == start || *at != '\0')
		return false;
	*ret = value;
	return true;
}

bool text_size(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	static const struct unit units[] = {
		{"", 1}, {"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}};
	return parse_between(text, units, ARRAY_SIZE(units), min, max, ret);
}

void text_append_us(struct buf *out, uint64_t us)
{
	if (us < USEC_PER_MSEC)
		buf_printf(out, "%llu us", (unsigned long long)us);
	else if (us < USEC_PER_SEC)
		buf_printf(out, "%.1f ms", (double)us / (double)USEC_PER_MSEC);
	else if (us < USEC_PER_MINUTE)
		buf_printf(out, "%.1f s", (double)us / (double)USEC_PER_SEC);
	else if (us < USEC_PER_HOUR)
		buf_printf(out, "%llum%02llus", (unsigned long long)(us / USEC_PER_MINUTE),
			   (unsigned long long)(us % USEC_PER_MINUTE / USEC_PER_SEC));
	else if (us < USEC_PER_DAY)
		buf_printf(out, "%lluh%02llum", (unsigned long long)(us / USEC_PER_HOUR),
			   (unsigned long long)(us % USEC_PER_HOUR / USEC_PER_MINUTE));
	else
		buf_printf(out, "%llud%02lluh", (unsigned long long)(us / USEC_PER_DAY),
			   (unsigned long long)(us % USEC_PER_DAY / USEC_PER_HOUR));
}

void text_append_size(struct buf *out, uint64_t size)
{
	static const char *const names[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
	if (size < 1024) {
		buf_printf(out, "%llu B", (unsigned long long)size);
		return;
	}
	double value = (double)size / 1024;
	size_t unit = 0;
	for (; value >= 1024 && unit + 1 < ARRAY_SIZE(names); unit++)
		value /= 1024;
	buf_printf(out, "%.1f %s", value, names[unit]);
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_base64_encode(struct buf *out, struct slice bytes)
{
	for (size_t i = 0; i < bytes.size; i += 3) {
		size_t left = MIN(bytes.size - i, (size_t)3);
		uint32_t group = (uint32_t)bytes.data[i] << 16;
		if (left > 1)
			group |= (uint32_t)bytes.data[i + 1] << 8;
		if (left > 2)
			group |= bytes.data[i + 2];
		uint8_t *at = buf_extend(out, 4);
		at[0] = (uint8_t)base64_digits[group >> 18];
		at[1] = (uint8_t)base64_digits[group >> 12 & 63];
		at[2] = left > 1 ? (uint8_t)base64_digits[group >> 6 & 63] : '=';
		at[3] = left > 2 ? (uint8_t)base64_digits[group & 63] : '=';
	}
}

/** Value of a digit, or 64. */
static uint32_t base64_value(uint8_t digit)
{
	const char *at = digit ? strchr(base64_digits, digit) : NULL;
	return at ? (uint32_t)(at - base64_digits) : 64;
}

/** One group of four digits. LAST: padding is allowed. */
static bool base64_group(const uint8_t *digits, bool last, struct buf *out)
{
	size_t bytes = 3;
	if (last && digits[3] == '=')
		bytes = digits[2] == '=' ? 1 : 2;
	uint32_t group = 0;
	for (size_t i = 0; i < 4; i++) {
		uint32_t value = i <= bytes ? base64_value(digits[i]) : 0;
		if (value > 63)
			return false;
		group = group << 6 | value;
	}
	uint32_t unused = bytes == 1 ? 0xFFFF : bytes == 2 ? 0xFF : 0;
	if (group & unused)
		return false;
	for (size_t i = 0; i < bytes; i++)
		buf_append_u8(out, (uint8_t)(group >> (16 - 8 * i)));
	return true;
}

bool text_base64_decode(struct buf *out, struct slice text)
{
	size_t before = out->size;
	bool good = text.size % 4 == 0;
	for (size_t i = 0; good && i < text.size; i += 4)
		good = base64_group(text.data + i, i + 4 == text.size, out);
	if (!good)
		out->size = before;
	return good;
}

/** Bytes of the well-formed sequence at AT, or 0. */
static size_t utf8_sequence(const uint8_t *at, size_t left)
{
	uint8_t first = at[0];
	if (first < 0x80)
		return 1;
	size_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
	if (size == 0 || left < size)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((at[i] & 0xC0) != 0x80)
			return 0;
	}
	/* Overlong forms, surrogates, and beyond U+10FFFF. */
	bool bad = (first == 0xE0 && at[1] < 0xA0) || (first == 0xED && at[1] > 0x9F) ||
		   (first == 0xF0 && at[1] < 0x90) || (first == 0xF4 && at[1] > 0x8F);
	return bad ? 0 : size;
}

bool text_is_utf8(struct slice bytes)
{
	for (size_t i = 0; i < bytes.size;) {
		size_t size = utf8_sequence(bytes.data + i, bytes.size - i);
		if (size == 0)
			return false;
		i += size;
	}
	return true;
}

void text_escape(struct buf *out, struct slice bytes)
{
	for (size_t i = 0; i < bytes.size; i++) {
		switch (bytes.data[i]) {
		case '\t':
			buf_append_str(out, "\\t");
			break;
		case '\n':
			buf_append_str(out, "\\n");
			break;
		case '\r':
			buf_append_str(out, "\\r");
			break;
		case '\\':
			buf_append_str(out, "\\\\");
			break;
		default:
			buf_append_u8(out, bytes.data[i]);
		}
	}
}

bool text_unescape(struct buf *out, struct slice text)
{
	size_t before = out->size;
	for (size_t i = 0; i < text.size; i++) {
		uint8_t byte = text.data[i];
		if (byte == '\\') {
			uint8_t code = i + 1 < text.size ? text.data[++i] : 0;
			byte = code == 't'    ? '\t'
			       : code == 'n'  ? '\n'
			       : code == 'r'  ? '\r'
			       : code == '\\' ? '\\'
					      : 0;
			if (byte == 0) {
				out->size = before;
				return false;
			}
		}
		buf_append_u8(out, byte);
	}
	return true;
}

enum { WORD_SIZE_MAX = 32 };

/** Letters to insert, drop, change or swap between two words; SIZE_MAX if one is too long to compare. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t a_size = strlen(a), b_size = strlen(b);
	if (a_size > WORD_SIZE_MAX || b_size > WORD_SIZE_MAX)
		return SIZE_MAX;
	size_t rows[WORD_SIZE_MAX + 1][WORD_SIZE_MAX + 1];
	for (size_t i = 0; i <= a_size; i++) {
		for (size_t j = 0; j <= b_size; j++) {
			if (i == 0 || j == 0) {
				rows[i][j] = i + j;
				continue;
			}
			size_t best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			best = MIN(best, MIN(rows[i - 1][j], rows[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN(best, rows[i - 2][j - 2] + 1);
			rows[i][j] = best;
		}
	}
	return rows[a_size][b_size];
}

const char *text_nearest(const char *word, const char *const *words, size_t count)
{
	const char *nearest = NULL;
	size_t least = MAX(strlen(word) / 3, (size_t)1) + 1;
	for (size_t i = 0; i < count; i++) {
		size_t distance = words[i] ? edit_distance(word, words[i]) : SIZE_MAX;
		if (distance < least) {
			least = distance;
			nearest = words[i];
		}
	}
	return nearest;
}
