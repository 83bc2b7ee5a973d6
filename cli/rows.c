/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/rows.h"

#include <errno.h>
#include <jansson.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/text.h"

const char *rows_format_name(enum rows_format format)
{
	KV_ASSERT(format != ROWS_GUESS);
	return format == ROWS_TSV ? "tsv" : "jsonl";
}

void row_release(struct row *row)
{
	buf_release(&row->key);
	buf_release(&row->value);
}

/* ---- JSON lines --------------------------------------------------------------------------------------------------- */

static bool is_read_over(const char *field)
{
	static const char *const fields[] = {"version", "copy", "expires_ms", "partition", "value_hash"};
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strcmp(field, fields[i]) == 0)
			return true;
	}
	return false;
}

static void dump_compact(const json_t *value, struct buf *out)
{
	size_t size = json_dumpb(value, NULL, 0, JSON_COMPACT);
	uint8_t *at = buf_extend(out, size);
	json_dumpb(value, (char *)at, size, JSON_COMPACT);
}

static enum kv_status read_bytes(const char *name, const json_t *value, struct buf *ret, struct error *err)
{
	bool is_value = strncmp(name, "value", 5) == 0, is_base64 = strstr(name, "_b64") != NULL;
	if (json_is_string(value) && is_base64) {
		if (!text_base64_decode(ret, slice_of(json_string_value(value), json_string_length(value))))
			return error_set(err, KV_INVALID, "%s is not base64", name);
	} else if (json_is_string(value)) {
		buf_append(ret, json_string_value(value), json_string_length(value));
	} else if (is_value && !is_base64 && (json_is_object(value) || json_is_array(value))) {
		dump_compact(value, ret);
	} else {
		return error_set(err, KV_INVALID, "%s is not a string%s", name,
				 is_value && !is_base64 ? ", object or array" : "");
	}
	return KV_OK;
}

/** What a line of JSON has told so far. */
struct seen {
	bool key, value;
};

static enum kv_status read_field(const char *name, const json_t *value, struct row *row, struct seen *seen,
				 struct error *err)
{
	static const char *const names[] = {"key", "key_b64", "value", "value_b64", "ttl_ms", "tombstone"};
	if (strcmp(name, "key") == 0 || strcmp(name, "key_b64") == 0) {
		if (seen->key)
			return error_set(err, KV_INVALID, "the key is given twice");
		seen->key = true;
		return read_bytes(name, value, &row->key, err);
	}
	if (strcmp(name, "value") == 0 || strcmp(name, "value_b64") == 0) {
		if (seen->value)
			return error_set(err, KV_INVALID, "the value is given twice");
		seen->value = true;
		return read_bytes(name, value, &row->value, err);
	}
	if (strcmp(name, "ttl_ms") == 0) {
		if (!json_is_integer(value) || json_integer_value(value) < 1)
			return error_set(err, KV_INVALID, "ttl_ms is not a number above 0");
		row->ttl_ms = (uint64_t)json_integer_value(value);
		return KV_OK;
	}
	if (strcmp(name, "tombstone") == 0) {
		if (!json_is_boolean(value))
			return error_set(err, KV_INVALID, "tombstone is neither true nor false");
		row->tombstone = json_is_true(value);
		return KV_OK;
	}
	if (is_read_over(name))
		return KV_OK;
	const char *nearest = text_nearest(name, names, ARRAY_SIZE(names));
	return error_set(err, KV_INVALID, "unknown field \"%.40s\"%s%s%s", name, nearest ? "; did you mean \"" : "",
			 nearest ? nearest : "", nearest ? "\"?" : "");
}

static enum kv_status parse_json(struct slice line, struct row *row, struct error *err)
{
	json_error_t why;
	CLEANUP(json_release)
	json_t *object =
		json_loadb((const char *)line.data, line.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (!object)
		return error_set(err, KV_INVALID, "not JSON: %.160s", why.text);
	if (!json_is_object(object))
		return error_set(err, KV_INVALID, "not a JSON object");
	struct seen seen = {0};
	const char *name;
	json_t *value;
	json_object_foreach(object, name, value)
	{
		enum kv_status status = read_field(name, value, row, &seen, err);
		if (status != KV_OK)
			return status;
	}
	if (!seen.key)
		return error_set(err, KV_INVALID, "there is no \"key\"");
	if (seen.value == row->tombstone)
		return error_set(err, KV_INVALID,
				 row->tombstone ? "a tombstone has a value" : "there is no \"value\"");
	return KV_OK;
}

/* ---- TSV ---------------------------------------------------------------------------------------------------------- */

/** Cuts the part before the next tab off REST. False if there is none left. */
static bool next_column(struct slice *rest, struct slice *ret_column)
{
	if (!rest->data)
		return false;
	const uint8_t *tab = rest->size ? memchr(rest->data, '\t', rest->size) : NULL;
	if (!tab) {
		*ret_column = *rest;
		*rest = (struct slice){0};
		return true;
	}
	size_t size = (size_t)(tab - rest->data);
	*ret_column = slice_of(rest->data, size);
	*rest = slice_of(tab + 1, rest->size - size - 1);
	return true;
}

static enum kv_status parse_tsv(struct slice line, struct row *row, struct error *err)
{
	struct slice key, value, ttl;
	if (!next_column(&line, &key) || !next_column(&line, &value))
		return error_set(err, KV_INVALID, "there is no tab between key and value");
	if (!text_unescape(&row->key, key) || !text_unescape(&row->value, value))
		return error_set(err, KV_INVALID, "a backslash is followed by something else than t, n, r or \\");
	if (next_column(&line, &ttl)) {
		CLEANUP(buf_release) struct buf text = BUF_INIT;
		buf_append_slice(&text, ttl);
		if (line.data || strlen(buf_cstr(&text)) != ttl.size ||
		    !text_count(buf_cstr(&text), 1, INT64_MAX, &row->ttl_ms))
			return error_set(err, KV_INVALID,
					 "after key and value only a number of milliseconds may follow");
	}
	return KV_OK;
}

enum kv_status rows_parse(enum rows_format format, struct slice line, struct row *row, struct error *err)
{
	KV_ASSERT(format != ROWS_GUESS);
	buf_clear(&row->key);
	buf_clear(&row->value);
	row->ttl_ms = 0;
	row->tombstone = false;
	enum kv_status status = format == ROWS_TSV ? parse_tsv(line, row, err) : parse_json(line, row, err);
	if (status == KV_OK && row->key.size == 0)
		return error_set(err, KV_INVALID, "the key is empty");
	return status;
}

/* ---- Writing ------------------------------------------------------------------------------------------------------ */

void rows_format_row(enum rows_format format, const struct row *row, struct buf *out)
{
	KV_ASSERT(format != ROWS_GUESS);
	if (format == ROWS_JSONL) {
		CLEANUP(json_release) json_t *object = json_object();
		json_set_bytes(object, "key", buf_slice(&row->key));
		if (row->tombstone)
			json_object_set_new(object, "tombstone", json_true());
		else
			json_set_bytes(object, "value", buf_slice(&row->value));
		if (row->ttl_ms)
			json_set_number(object, "ttl_ms", row->ttl_ms);
		dump_compact(object, out);
	} else {
		KV_ASSERT(!row->tombstone);
		text_escape(out, buf_slice(&row->key));
		buf_append_u8(out, '\t');
		text_escape(out, buf_slice(&row->value));
		if (row->ttl_ms)
			buf_printf(out, "\t%llu", (unsigned long long)row->ttl_ms);
	}
	buf_append_u8(out, '\n');
}

/* ---- Reading a stream --------------------------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *ending)
{
	size_t size = strlen(name), end = strlen(ending);
	return size >= end && strcmp(name + size - end, ending) == 0;
}

void rows_reader_init(struct rows_reader *reader, int fd, const char *name, enum rows_format format)
{
	*reader = (struct rows_reader){.fd = fd, .format = format};
	if (format != ROWS_GUESS || !name)
		return;
	if (ends_with(name, ".tsv"))
		reader->format = ROWS_TSV;
	else if (ends_with(name, ".jsonl") || ends_with(name, ".ndjson") || ends_with(name, ".json"))
		reader->format = ROWS_JSONL;
}

void rows_reader_release(struct rows_reader *reader) { buf_release(&reader->pending); }

/** Reads what there is of the file, behind what is pending: lines of a pipe are taken as they come. */
static enum kv_status fill(struct rows_reader *reader, struct error *err)
{
	enum { READ_SIZE = 256 << 10 };
	if (reader->consumed > 0) {
		buf_consume(&reader->pending, reader->consumed);
		reader->consumed = 0;
	}
	if (reader->pending.size > ROWS_LINE_SIZE_MAX)
		return error_set(err, KV_TOO_LARGE, "the line is longer than %u MiB", ROWS_LINE_SIZE_MAX >> 20);
	uint8_t *at = buf_extend(&reader->pending, READ_SIZE);
	ssize_t got = read(reader->fd, at, READ_SIZE);
	reader->pending.size -= READ_SIZE - (size_t)MAX(got, (ssize_t)0);
	if (got < 0)
		return error_set(err, KV_IO, "cannot read: %s", strerror(errno));
	reader->size += (size_t)got;
	reader->at_end = got == 0;
	return KV_OK;
}

/** The next line without its newline, lent until the next call. KV_NOT_FOUND at the end. */
static enum kv_status next_line(struct rows_reader *reader, struct slice *ret_line, struct error *err)
{
	size_t searched = 0;
	for (;;) {
		size_t left = reader->pending.size - reader->consumed;
		const uint8_t *start = reader->pending.data + reader->consumed;
		const uint8_t *newline = left > searched ? memchr(start + searched, '\n', left - searched) : NULL;
		if (newline || (reader->at_end && left > 0)) {
			size_t size = newline ? (size_t)(newline - start) : left;
			*ret_line = slice_of(start, size);
			reader->consumed += size + (newline != NULL);
			reader->line_count++;
			return KV_OK;
		}
		if (reader->at_end)
			return KV_NOT_FOUND;
		searched = left;
		enum kv_status status = fill(reader, err);
		if (status != KV_OK)
			return status;
	}
}

enum kv_status rows_read(struct rows_reader *reader, struct row *row, struct error *err)
{
	for (;;) {
		struct slice line;
		enum kv_status status = next_line(reader, &line, err);
		if (status != KV_OK)
			return status;
		if (line.size > 0 && line.data[line.size - 1] == '\r')
			line.size--;
		if (line.size == 0)
			continue;
		if (reader->format == ROWS_GUESS)
			reader->format = line.data[0] == '{' ? ROWS_JSONL : ROWS_TSV;
		return rows_parse(reader->format, line, row, err);
	}
}
