/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Rows of keys and values as files hold them, one a line, written by `export` and read by `load`.
 *
 * JSON lines:  {"key":"k","value":"v"}
 *   key_b64, value_b64   instead, for bytes that are not UTF-8
 *   value                may be an object or array: its text without white space is stored
 *   ttl_ms               forget the value after so many milliseconds
 *   tombstone: true      instead of a value: the key is deleted
 *   version, copy, expires_ms, partition, value_hash: as a raw export writes them; read over
 *   Any other field is a mistake.
 * TSV:         key TAB value [TAB ttl_ms]
 *   with \t \n \r \\ for tab, newline, carriage return and backslash; every other byte stands for itself.
 */
#ifndef KV_CLI_ROWS_H
#define KV_CLI_ROWS_H

#include "base/buf.h"
#include "base/status.h"

enum rows_format { ROWS_GUESS, ROWS_JSONL, ROWS_TSV };

/** "jsonl" or "tsv"; not for ROWS_GUESS. */
const char *rows_format_name(enum rows_format format);

/** One row. Zero-initialised is valid; reused from row to row. */
struct row {
	struct buf key, value;
	uint64_t ttl_ms; /* 0: none */
	bool tombstone;
};

/** Fits CLEANUP. */
void row_release(struct row *row);

/** Reads one line without its newline. KV_INVALID with the reason in ERR; then ROW holds nothing useful. */
MUST_USE enum kv_status rows_parse(enum rows_format format, struct slice line, struct row *row, struct error *err);

/** Appends the row and a newline. ROWS_TSV cannot tell a tombstone. */
void rows_format_row(enum rows_format format, const struct row *row, struct buf *out);

/** Longest line that is read: a value of 16 MiB, with every byte escaped, fits. */
#define ROWS_LINE_SIZE_MAX (112u << 20)

/** Reads a stream line by line. */
struct rows_reader {
	int fd;                  /* borrowed */
	enum rows_format format; /* set at the first line if it was ROWS_GUESS */
	uint64_t line_count;     /* read-only: of the line returned last, 1 for the first */
	uint64_t size;           /* read-only: bytes taken from the file */
	struct buf pending;      /* private: read and not yet returned */
	size_t consumed;         /* private: of pending */
	bool at_end;             /* private */
};

/** NAME tells the format by its ending (.tsv, .jsonl, .ndjson, .json) if FORMAT is ROWS_GUESS; NULL for none. */
void rows_reader_init(struct rows_reader *reader, int fd, const char *name, enum rows_format format);
void rows_reader_release(struct rows_reader *reader);

/**
 * The next row; empty lines are passed over. KV_NOT_FOUND: there are no more. KV_INVALID: this line is bad, the next call goes
 * on after it. KV_TOO_LARGE, KV_IO: reading cannot go on.
 */
MUST_USE enum kv_status rows_read(struct rows_reader *reader, struct row *row, struct error *err);

#endif
