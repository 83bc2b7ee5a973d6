/* SPDX-License-Identifier: Apache-2.0 */
#include "server/config_inside.h"

#include <ctype.h>
#include <errno.h>

#include "proto/limits.h"
#include "server/address.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}, {NULL, 0}};
static const struct unit duration_units[] = {
	{"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60 * 1000000}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

/** A whole number and one of the units, with nothing around them; nothing needs no unit. False also on overflow. */
static bool number_parse(const char *text, const struct unit *units, uint64_t *ret)
{
	if (!isdigit((unsigned char)text[0]))
		return false;
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (number == 0 && *end == '\0') {
		*ret = 0;
		return true;
	}
	for (const struct unit *unit = units; unit->name; unit++) {
		if (strcmp(unit->name, end) == 0)
			return !__builtin_mul_overflow(number, unit->factor, ret);
	}
	return false;
}

static void number_format(struct buf *out, uint64_t value, const struct unit *units)
{
	const struct unit *best = units;
	for (const struct unit *unit = units; unit->name; unit++) {
		if (value >= unit->factor && value % unit->factor == 0)
			best = unit;
	}
	buf_printf(out, "%llu%s", (unsigned long long)(value / best->factor), best->name);
}

void config_tell_allowed(const struct config_key *key, struct buf *why)
{
	const struct unit *units = no_units;
	switch (key->kind) {
	case CONFIG_TEXT:
		buf_printf(why, "allowed are %llu to %llu characters", (unsigned long long)key->min,
			   (unsigned long long)key->max);
		return;
	case CONFIG_NAME:
		buf_printf(why, "allowed are up to %llu letters, digits, '-', '_' and '.'",
			   (unsigned long long)key->max);
		return;
	case CONFIG_ADDRESS:
		buf_append_str(why, "write host:port, like 127.0.0.1:7001 or [::1]:7001");
		return;
	case CONFIG_DOOR:
		buf_append_str(why, "write host:port, like 127.0.0.1:7201, or off");
		return;
	case CONFIG_ADDRESSES:
		buf_printf(why, "write up to %u host:port, separated by commas", JOIN_SEEDS_MAX);
		return;
	case CONFIG_BOOL:
		buf_append_str(why, "write true or false");
		return;
	case CONFIG_LEVEL:
		buf_append_str(why, "allowed are debug, info, warn, error");
		return;
	case CONFIG_FORMAT:
		buf_append_str(why, "allowed are logfmt, json");
		return;
	case CONFIG_OFFSET:
		buf_printf(why, "allowed are whole numbers from -%llu to %llu", (unsigned long long)key->max,
			   (unsigned long long)key->max);
		return;
	case CONFIG_SIZE:
		units = size_units;
		buf_append_str(why, "write a whole number with B, KiB, MiB or GiB, from ");
		break;
	case CONFIG_DURATION:
		units = duration_units;
		buf_append_str(why, "write a whole number with us, ms, s or m, from ");
		break;
	case CONFIG_COUNT:
		buf_append_str(why, "write a whole number from ");
		break;
	}
	number_format(why, key->min, units);
	buf_append_str(why, " to ");
	number_format(why, key->max, units);
}

bool config_name_is_valid(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] == '\0';
}

bool config_address_next(const char **at, struct slice *ret)
{
	const char *begin = *at + strspn(*at, " ,");
	size_t size = strcspn(begin, " ,");
	*at = begin + size;
	*ret = slice_of(begin, size);
	return size > 0;
}

static bool addresses_are_valid(const char *text)
{
	char host[ADDRESS_SIZE_MAX];
	uint16_t port;
	struct slice one;
	unsigned count = 0;
	for (const char *at = text; config_address_next(&at, &one); count++) {
		if (one.size >= ADDRESS_SIZE_MAX || !address_split(one, host, &port) || port == 0)
			return false;
	}
	return count <= JOIN_SEEDS_MAX;
}

static bool text_store(const struct config_key *key, const char *text, char **ret)
{
	size_t size = strlen(text);
	if (size < key->min || size > key->max)
		return false;
	if (key->kind == CONFIG_NAME && !config_name_is_valid(text))
		return false;
	char host[ADDRESS_SIZE_MAX];
	uint16_t port;
	if (key->kind == CONFIG_ADDRESSES && !addresses_are_valid(text))
		return false;
	if (key->kind == CONFIG_ADDRESS && size > 0 && !address_split(slice_str(text), host, &port))
		return false;
	if (key->kind == CONFIG_DOOR && size > 0 && strcmp(text, "off") != 0 &&
	    !address_split(slice_str(text), host, &port))
		return false;
	free(*ret);
	*ret = xstrdup(text);
	return true;
}

static bool bool_store(const char *text, bool *ret)
{
	*ret = strcmp(text, "true") == 0;
	return *ret || strcmp(text, "false") == 0;
}

static bool offset_store(const struct config_key *key, const char *text, int64_t *ret)
{
	bool negative = text[0] == '-';
	uint64_t number;
	if (!number_parse(text + negative, no_units, &number) || number > key->max)
		return false;
	*ret = negative ? -(int64_t)number : (int64_t)number;
	return true;
}

static bool number_store(const struct config_key *key, const char *text, const struct unit *units, uint64_t *ret)
{
	uint64_t number;
	if (!number_parse(text, units, &number) || number < key->min || number > key->max)
		return false;
	*ret = number;
	return true;
}

bool config_store(struct config *c, const struct config_key *key, const char *text)
{
	void *field = (char *)c + key->offset;
	switch (key->kind) {
	case CONFIG_TEXT:
	case CONFIG_NAME:
	case CONFIG_ADDRESS:
	case CONFIG_DOOR:
	case CONFIG_ADDRESSES:
		return text_store(key, text, field);
	case CONFIG_COUNT:
		return number_store(key, text, no_units, field);
	case CONFIG_SIZE:
		return number_store(key, text, size_units, field);
	case CONFIG_DURATION:
		return number_store(key, text, duration_units, field);
	case CONFIG_OFFSET:
		return offset_store(key, text, field);
	case CONFIG_BOOL:
		return bool_store(text, field);
	case CONFIG_LEVEL:
		return log_level_parse(text, field);
	case CONFIG_FORMAT:
		return log_format_parse(text, field);
	}
	KV_UNREACHABLE("config kind");
}

void config_value(const struct config *c, const struct config_key *key, struct buf *out)
{
	const void *field = (const char *)c + key->offset;
	static const char *const levels[] = {
		[LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};
	static const char *const formats[] = {[LOG_LOGFMT] = "logfmt", [LOG_JSON] = "json"};
	switch (key->kind) {
	case CONFIG_TEXT:
	case CONFIG_NAME:
	case CONFIG_ADDRESS:
	case CONFIG_DOOR:
	case CONFIG_ADDRESSES:
		buf_append_str(out, *(char *const *)field);
		return;
	case CONFIG_COUNT:
		number_format(out, *(const uint64_t *)field, no_units);
		return;
	case CONFIG_SIZE:
		number_format(out, *(const uint64_t *)field, size_units);
		return;
	case CONFIG_DURATION:
		number_format(out, *(const uint64_t *)field, duration_units);
		return;
	case CONFIG_OFFSET:
		buf_printf(out, "%lld", (long long)*(const int64_t *)field);
		return;
	case CONFIG_BOOL:
		buf_append_str(out, *(const bool *)field ? "true" : "false");
		return;
	case CONFIG_LEVEL:
		buf_append_str(out, levels[*(const enum log_level *)field]);
		return;
	case CONFIG_FORMAT:
		buf_append_str(out, formats[*(const enum log_format *)field]);
		return;
	}
	KV_UNREACHABLE("config kind");
}

bool config_is_text(enum config_kind kind)
{
	return kind == CONFIG_TEXT || kind == CONFIG_NAME || kind == CONFIG_ADDRESS || kind == CONFIG_DOOR ||
	       kind == CONFIG_ADDRESSES;
}
