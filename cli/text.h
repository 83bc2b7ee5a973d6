/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Small conversions between text and values: durations, counts, sizes, base64, and the nearest word to a mistyped one.
 */
#ifndef KV_CLI_TEXT_H
#define KV_CLI_TEXT_H

#include "base/buf.h"

/** Reads "250ms", "1s", "5m", "12h", "30d" as milliseconds. False for anything else, also if it overflows. */
MUST_USE bool text_duration_ms(const char *text, uint64_t *ret_ms);

/** Reads decimal digits. False for anything else, also outside [min, max]. */
MUST_USE bool text_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/** Reads a decimal number that may have a sign. False for anything else, also outside 64 bits. */
MUST_USE bool text_int64(const char *text, int64_t *ret);

/** Reads a size in bytes: "100", "4KiB", "1MiB". False for anything else, also outside [min, max]. */
MUST_USE bool text_size(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/** Appends a duration for people: "850 us", "12.3 ms", "4.2 s", "3m07s". */
void text_append_us(struct buf *out, uint64_t us);

/** Appends a number of bytes for people: "812 B", "3.4 MiB". */
void text_append_size(struct buf *out, uint64_t size);

/** Standard base64 with padding. */
void text_base64_encode(struct buf *out, struct slice bytes);

/** Appends the bytes. False, and OUT as before, unless TEXT is exactly what text_base64_encode writes. */
MUST_USE bool text_base64_decode(struct buf *out, struct slice text);

/** True if BYTES are well-formed UTF-8 (NUL is a character like others). */
bool text_is_utf8(struct slice bytes);

/** Appends BYTES on one line: \t \n \r \\ for those four, every other byte as it is. */
void text_escape(struct buf *out, struct slice bytes);

/** The reverse. False, and OUT as before, if a backslash is followed by anything but t, n, r or another one. */
MUST_USE bool text_unescape(struct buf *out, struct slice text);

/**
 * The one of COUNT words (NULL entries are passed over) that WORD is most likely a misspelling of, or NULL: fewest
 * letters to insert, drop, change or swap, at most a third of the word.
 */
const char *text_nearest(const char *word, const char *const *words, size_t count);

#endif
