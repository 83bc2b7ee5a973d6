/* SPDX-License-Identifier: Apache-2.0 */
#include "base/klog.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	/* Not more than PIPE_BUF: a pipe takes a line whole or not at all, so lines of several threads never mix. */
	LINE_SIZE_MAX = 4096,
	/* Kept free for the mark of a cut line, the closing brace and the newline. */
	LINE_TAIL_SIZE = 32,
	/* More of one value than this helps nobody, and six times as much still fits in a line. */
	VALUE_SIZE_MAX = 512,
};

struct line {
	char text[LINE_SIZE_MAX];
	size_t size;
	size_t room; /* `size` may grow up to here */
	bool full;   /* something did not fit */
};

static const char hex_digits[] = "0123456789abcdef";
static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const format_names[] = {"logfmt", "json"};

static _Atomic enum log_level level_least = LOG_INFO;
static _Atomic enum log_format line_format = LOG_LOGFMT;

void log_configure(enum log_level level, enum log_format format)
{
	KV_ASSERT(level <= LOG_ERROR);
	KV_ASSERT(format <= LOG_JSON);
	atomic_store_explicit(&level_least, level, memory_order_relaxed);
	atomic_store_explicit(&line_format, format, memory_order_relaxed);
}

bool log_enabled(enum log_level level) { return level >= atomic_load_explicit(&level_least, memory_order_relaxed); }

bool log_level_parse(const char *text, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool log_format_parse(const char *text, enum log_format *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(format_names); i++) {
		if (strcmp(text, format_names[i]) == 0) {
			*ret = (enum log_format)i;
			return true;
		}
	}
	return false;
}

static void put(struct line *line, const char *text, size_t size)
{
	if (line->full || size > line->room - line->size) {
		line->full = true;
		return;
	}
	memcpy(line->text + line->size, text, size);
	line->size += size;
}

static void put_str(struct line *line, const char *text) { put(line, text, strlen(text)); }

/* Decimal, with leading zeros up to WIDTH digits. */
static void put_u64(struct line *line, uint64_t value, size_t width)
{
	char digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	while (sizeof digits - at < width)
		digits[--at] = '0';
	put(line, digits + at, sizeof digits - at);
}

static void put_i64(struct line *line, int64_t value)
{
	if (value < 0)
		put_str(line, "-");
	put_u64(line, value < 0 ? -(uint64_t)value : (uint64_t)value, 1);
}

/*
 * "2026-01-02T03:04:05.678901Z". Civil date from a count of days: years begin in March so that a leap day is the last
 * of its year, and 400 such years (an era) have 146097 days.
 */
static void put_time(struct line *line, usec_t wall_us)
{
	uint64_t day_us = wall_us % USEC_PER_DAY;
	uint64_t days = wall_us / USEC_PER_DAY + 719468; /* since 0000-03-01 */
	uint64_t era = days / 146097;
	uint64_t day_of_era = days % 146097;
	uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint64_t march_month = (5 * day_of_year + 2) / 153; /* 0 is March */
	uint64_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
	uint64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
	put_u64(line, era * 400 + year_of_era + (month <= 2), 4);
	put_str(line, "-");
	put_u64(line, month, 2);
	put_str(line, "-");
	put_u64(line, day, 2);
	put_str(line, "T");
	put_u64(line, day_us / USEC_PER_HOUR, 2);
	put_str(line, ":");
	put_u64(line, day_us / USEC_PER_MINUTE % 60, 2);
	put_str(line, ":");
	put_u64(line, day_us / USEC_PER_SEC % 60, 2);
	put_str(line, ".");
	put_u64(line, day_us % USEC_PER_SEC, 6);
	put_str(line, "Z");
}

static bool is_printable(uint8_t c) { return c >= 0x20 && c < 0x7f; }

static bool needs_quotes(struct slice text)
{
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.data[i];
		if (!is_printable(c) || c == ' ' || c == '"' || c == '=' || c == '\\')
			return true;
	}
	return text.size == 0;
}

/* Lossless: every byte that is not printable ASCII becomes \xNN, in JSON \u00NN. */
static void put_escaped(struct line *line, uint8_t c)
{
	const char *prefix = line_format == LOG_JSON ? "\\u00" : "\\x";
	if (c == '"' || c == '\\') {
		put(line, (const char[]){'\\', (char)c}, 2);
	} else if (is_printable(c)) {
		put(line, (const char[]){(char)c}, 1);
	} else if (c == '\n') {
		put_str(line, "\\n");
	} else if (c == '\t') {
		put_str(line, "\\t");
	} else {
		put_str(line, prefix);
		put(line, (const char[]){hex_digits[c >> 4], hex_digits[c & 15]}, 2);
	}
}

static void put_text(struct line *line, struct slice text)
{
	bool cut = text.size > VALUE_SIZE_MAX;
	if (cut)
		text.size = VALUE_SIZE_MAX;
	bool quoted = line_format == LOG_JSON || needs_quotes(text);
	if (quoted)
		put_str(line, "\"");
	for (size_t i = 0; i < text.size; i++)
		put_escaped(line, text.data[i]);
	if (cut)
		put_str(line, "...");
	if (quoted)
		put_str(line, "\"");
}

static void put_name(struct line *line, const char *name)
{
	bool json = line_format == LOG_JSON;
	if (line->size > 0)
		put_str(line, json ? "," : " ");
	else if (json)
		put_str(line, "{");
	if (json)
		put_str(line, "\"");
	put_str(line, name);
	put_str(line, json ? "\":" : "=");
}

static void put_field(struct line *line, const struct log_field *field)
{
	size_t before = line->size;
	put_name(line, field->name);
	switch (field->kind) {
	case LOG_FIELD_U64:
		put_u64(line, field->number, 1);
		break;
	case LOG_FIELD_I64:
		put_i64(line, (int64_t)field->number);
		break;
	case LOG_FIELD_STR:
	case LOG_FIELD_BYTES:
		put_text(line, field->text);
		break;
	default:
		KV_UNREACHABLE("unknown kind of field");
	}
	if (line->full)
		line->size = before; /* half a field would be a lie, or no JSON */
}

static void write_line(const struct line *line)
{
	int saved = errno;
	ssize_t written;
	do {
		written = write(STDERR_FILENO, line->text, line->size);
	} while (written < 0 && errno == EINTR);
	errno = saved; /* nobody is left to tell that the log cannot be written */
}

void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
	KV_ASSERT(level <= LOG_ERROR);
	KV_ASSERT(event);
	if (!log_enabled(level))
		return;
	struct line line;
	line.size = 0;
	line.room = LINE_SIZE_MAX - LINE_TAIL_SIZE;
	line.full = false;
	put_name(&line, "ts");
	if (line_format == LOG_JSON)
		put_str(&line, "\"");
	put_time(&line, clock_wall_us());
	if (line_format == LOG_JSON)
		put_str(&line, "\"");
	put_field(&line, &L_STR("level", level_names[level]));
	put_field(&line, &L_STR("event", event));
	for (size_t i = 0; i < count && !line.full; i++)
		put_field(&line, &fields[i]);
	bool cut = line.full;
	line.full = false;
	line.room = LINE_SIZE_MAX;
	if (cut)
		put_field(&line, &L_U64("fields_cut", 1));
	put_str(&line, line_format == LOG_JSON ? "}\n" : "\n");
	KV_ASSERT(!line.full);
	write_line(&line);
}

bool log_limit_pass(struct log_limit *limit, usec_t now_us, usec_t interval_us, uint64_t *ret_suppressed)
{
	KV_ASSERT(ret_suppressed);
	usec_t next_us = atomic_load_explicit(&limit->next_us, memory_order_relaxed);
	usec_t after_us = interval_us < USEC_NEVER - now_us ? now_us + interval_us : USEC_NEVER;
	/* Of several threads that see the interval over, the one that moves it on writes the line. */
	if (now_us < next_us ||
	    !atomic_compare_exchange_strong_explicit(&limit->next_us, &next_us, after_us, memory_order_relaxed,
						     memory_order_relaxed)) {
		atomic_fetch_add_explicit(&limit->suppressed, 1, memory_order_relaxed);
		return false;
	}
	*ret_suppressed = atomic_exchange_explicit(&limit->suppressed, 0, memory_order_relaxed);
	return true;
}
