/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Results on standard output. A command tells each row once, as a JSON object, and a list of columns; from these come the
 * table, the JSON document, the JSON lines and the raw text (columns, tab-separated, escaped as in TSV).
 */
#ifndef KV_CLI_OUTPUT_H
#define KV_CLI_OUTPUT_H

#include <jansson.h>

#include "base/buf.h"
#include "cli/args.h"

enum {
	COLUMN_RIGHT = 1, /* aligned right: numbers */
	COLUMN_RAW = 2,   /* part of the raw text */
};

struct output_column {
	const char *title;
	const char *field; /* of the row; absent or null shows as "-" */
	unsigned style;    /* set of COLUMN_x */
};

struct output {
	enum output_format format;
	const struct output_column *columns; /* borrowed */
	size_t column_count;
	json_t *rows; /* private: kept for table and JSON */
};

/** Rows of a list: table with a header, a JSON array, a line each. */
void output_begin(struct output *out, enum output_format format, const struct output_column *columns,
		  size_t column_count);

/** Takes ROW over. */
void output_add(struct output *out, json_t *row);

/** Writes what was kept, and releases it. */
void output_end(struct output *out);

/** A single result: as a list of one, but JSON has the object alone. Takes ROW over. */
void output_one(enum output_format format, const struct output_column *columns, size_t column_count, json_t *row);

/** Writes bytes as they are. */
void output_bytes(struct slice bytes);

/** False if something could not be written to standard output; says so. To be asked once, at the end. */
MUST_USE bool output_flush(void);

/** Standard output is a terminal. */
bool output_is_terminal(void);

/** Colours are wanted: a terminal, and no NO_COLOR. */
bool output_has_colors(void);

#endif
