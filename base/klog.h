/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The log: one event name and its fields a line, to stderr, as logfmt or JSON.
 *
 *   log_info("peer.connected", L_U64("node", id), L_U64("took_us", us));
 *   -> ts=2026-01-02T03:04:05.678901Z level=info event=peer.connected node=2 took_us=812
 *
 * Event names are dotted and past tense and stable like an API. error: an operator must act; warn: degraded, says what
 * was done instead; info: state changes; debug: per request. Any thread may log; a line is one write.
 */
#ifndef KV_BASE_KLOG_H
#define KV_BASE_KLOG_H

#include "base/slice.h"
#include "base/types.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

enum log_field_kind { LOG_FIELD_U64, LOG_FIELD_I64, LOG_FIELD_STR, LOG_FIELD_BYTES };

struct log_field {
	const char *name;
	enum log_field_kind kind;
	uint64_t number;   /* U64, and I64 cast */
	struct slice text; /* STR and BYTES (escaped when not printable) */
};

#define L_U64(name_, v_) ((struct log_field){.name = (name_), .kind = LOG_FIELD_U64, .number = (uint64_t)(v_)})
#define L_I64(name_, v_)                                                                                           \
	((struct log_field){.name = (name_), .kind = LOG_FIELD_I64, .number = (uint64_t)(int64_t)(v_)})
#define L_STR(name_, v_)   ((struct log_field){.name = (name_), .kind = LOG_FIELD_STR, .text = slice_str(v_)})
#define L_BYTES(name_, s_) ((struct log_field){.name = (name_), .kind = LOG_FIELD_BYTES, .text = (s_)})

/** Any thread, at any time; the defaults are info and logfmt. */
void log_configure(enum log_level level, enum log_format format);

bool log_enabled(enum log_level level);

/** Parses "debug", "info", "warn", "error" / "logfmt", "json". */
MUST_USE bool log_level_parse(const char *text, enum log_level *ret);
MUST_USE bool log_format_parse(const char *text, enum log_format *ret);

void log_event(enum log_level level, const char *event, const struct log_field *fields, size_t count);

#define LOG_AT_(level_, event_, ...)                                                                               \
	do {                                                                                                       \
		if (log_enabled(level_)) {                                                                         \
			const struct log_field fields_[] = {__VA_ARGS__};                                          \
			log_event(level_, event_, fields_, ARRAY_SIZE(fields_));                                   \
		}                                                                                                  \
	} while (0)

#define log_debug(event, ...) LOG_AT_(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)  LOG_AT_(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...)  LOG_AT_(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) LOG_AT_(LOG_ERROR, event, __VA_ARGS__)

/**
 * Says whether a repeating line may be written now: at most one per INTERVAL_US and site. Keep one static
 * `struct log_limit` a site. *ret_suppressed counts what was left out since the last line.
 */
struct log_limit {
	_Atomic usec_t next_us;
	_Atomic uint64_t suppressed;
};
bool log_limit_pass(struct log_limit *limit, usec_t now_us, usec_t interval_us, uint64_t *ret_suppressed);

#endif
