/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/text.h"

bool output_is_terminal(void) { return isatty(STDOUT_FILENO); }

bool output_has_colors(void)
{
	const char *no_color = getenv("NO_COLOR");
	return output_is_terminal() && !(no_color && *no_color);
}

void output_bytes(struct slice bytes)
{
	if (bytes.size > 0)
		fwrite(bytes.data, 1, bytes.size, stdout);
}

bool output_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	if (errno != EPIPE) /* who closes the pipe has seen enough */
		fprintf(stderr, "kvctl: cannot write the output: %s\n", strerror(errno));
	return false;
}

/** The text of one cell. Bytes that are not UTF-8 show as their base64. */
static void append_cell(const json_t *row, const char *field, struct buf *out)
{
	const json_t *value = json_object_get(row, field);
	if (!value) {
		char base64[64];
		snprintf(base64, sizeof base64, "%s_b64", field);
		value = json_object_get(row, base64);
	}
	if (json_is_string(value))
		text_escape(out, slice_of(json_string_value(value), json_string_length(value)));
	else if (json_is_integer(value))
		buf_printf(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		buf_printf(out, "%.1f", json_real_value(value));
	else if (json_is_boolean(value))
		buf_append_str(out, json_is_true(value) ? "yes" : "no");
	else
		buf_append_u8(out, '-');
}

static void print_json(const json_t *value, size_t flags)
{
	json_dumpf(value, stdout, flags | JSON_REAL_PRECISION(9));
	putc('\n', stdout);
}

static void print_raw(const struct output *out, const json_t *row)
{
	CLEANUP(buf_release) struct buf line = BUF_INIT;
	for (size_t i = 0; i < out->column_count; i++) {
		if (!(out->columns[i].style & COLUMN_RAW))
			continue;
		if (line.size > 0)
			buf_append_u8(&line, '\t');
		append_cell(row, out->columns[i].field, &line);
	}
	buf_append_u8(&line, '\n');
	output_bytes(buf_slice(&line));
}

/** In a narrow terminal columns that are not part of the raw text are cut, the others never. */
static int column_flags(const struct output_column *column)
{
	if (column->style & COLUMN_RIGHT)
		return SCOLS_FL_RIGHT;
	return column->style & COLUMN_RAW ? 0 : SCOLS_FL_TRUNC;
}

static void print_table(const struct output *out)
{
	struct libscols_table *table = scols_new_table();
	KV_ASSERT(table != NULL);
	for (size_t i = 0; i < out->column_count; i++)
		scols_table_new_column(table, out->columns[i].title, 0, column_flags(&out->columns[i]));
	size_t index;
	json_t *row;
	json_array_foreach(out->rows, index, row)
	{
		struct libscols_line *line = scols_table_new_line(table, NULL);
		KV_ASSERT(line != NULL);
		for (size_t i = 0; i < out->column_count; i++) {
			CLEANUP(buf_release) struct buf cell = BUF_INIT;
			append_cell(row, out->columns[i].field, &cell);
			scols_line_set_data(line, i, buf_cstr(&cell));
		}
	}
	scols_print_table(table);
	scols_unref_table(table);
}

void output_begin(struct output *out, enum output_format format, const struct output_column *columns,
		  size_t column_count)
{
	*out = (struct output){.format = format, .columns = columns, .column_count = column_count};
	out->rows = json_array();
	KV_ASSERT(out->rows != NULL);
}

void output_add(struct output *out, json_t *row)
{
	switch (out->format) {
	case OUTPUT_JSONL:
		print_json(row, JSON_COMPACT);
		break;
	case OUTPUT_RAW:
		print_raw(out, row);
		break;
	case OUTPUT_TABLE:
	case OUTPUT_JSON:
		json_array_append(out->rows, row);
		break;
	}
	json_decref(row);
}

void output_end(struct output *out)
{
	if (out->format == OUTPUT_JSON)
		print_json(out->rows, JSON_INDENT(2));
	else if (out->format == OUTPUT_TABLE)
		print_table(out);
	json_decref(out->rows);
	out->rows = NULL;
}

void output_one(enum output_format format, const struct output_column *columns, size_t column_count, json_t *row)
{
	if (format == OUTPUT_JSON) {
		print_json(row, JSON_INDENT(2));
		json_decref(row);
		return;
	}
	struct output out;
	output_begin(&out, format, columns, column_count);
	output_add(&out, row);
	output_end(&out);
}
