/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jsonw.h"

/** Bytes of the UTF-8 sequence that TEXT begins with; 0 if it begins with none. Surrogates and overlong forms are none. */
static size_t utf8_size(struct slice text)
{
	uint8_t first = text.data[0];
	size_t size = first < 0x80   ? 1
		      : first < 0xC2 ? 0
		      : first < 0xE0 ? 2
		      : first < 0xF0 ? 3
		      : first < 0xF5 ? 4
				     : 0;
	if (size > text.size)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((text.data[i] & 0xC0) != 0x80)
			return 0;
	}
	if ((first == 0xE0 && text.data[1] < 0xA0) || (first == 0xED && text.data[1] > 0x9F) ||
	    (first == 0xF0 && text.data[1] < 0x90) || (first == 0xF4 && text.data[1] > 0x8F))
		return 0;
	return size;
}

static void put_text(struct buf *out, struct slice text)
{
	buf_append_str(out, "\"");
	for (size_t at = 0; at < text.size;) {
		size_t size = utf8_size(slice_of(text.data + at, text.size - at));
		uint8_t c = text.data[at];
		if (size == 0)
			buf_append_str(out, "\xEF\xBF\xBD");
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7F)
			buf_printf(out, "\\u%04x", c);
		else
			buf_append(out, text.data + at, size);
		at += MAX(size, (size_t)1);
	}
	buf_append_str(out, "\"");
}

static void begin(struct jsonw *w, const char *name)
{
	if (w->comma)
		buf_append_str(w->out, ",");
	w->comma = true;
	if (!name)
		return;
	put_text(w->out, slice_str(name));
	buf_append_str(w->out, ":");
}

static void open_one(struct jsonw *w, const char *name, const char *bracket)
{
	begin(w, name);
	buf_append_str(w->out, bracket);
	w->comma = false;
	w->depth++;
}

static void close_one(struct jsonw *w, const char *bracket)
{
	KV_ASSERT(w->depth > 0);
	w->depth--;
	buf_append_str(w->out, bracket);
	w->comma = true;
}

void jsonw_object(struct jsonw *w, const char *name) { open_one(w, name, "{"); }
void jsonw_object_end(struct jsonw *w) { close_one(w, "}"); }
void jsonw_array(struct jsonw *w, const char *name) { open_one(w, name, "["); }
void jsonw_array_end(struct jsonw *w) { close_one(w, "]"); }

void jsonw_text(struct jsonw *w, const char *name, struct slice text)
{
	begin(w, name);
	put_text(w->out, text);
}

void jsonw_str(struct jsonw *w, const char *name, const char *text) { jsonw_text(w, name, slice_str(text)); }

void jsonw_u64(struct jsonw *w, const char *name, uint64_t value)
{
	begin(w, name);
	buf_printf(w->out, "%llu", (unsigned long long)value);
}

void jsonw_i64(struct jsonw *w, const char *name, int64_t value)
{
	begin(w, name);
	buf_printf(w->out, "%lld", (long long)value);
}

void jsonw_bool(struct jsonw *w, const char *name, bool value)
{
	begin(w, name);
	buf_append_str(w->out, value ? "true" : "false");
}

void jsonw_null(struct jsonw *w, const char *name)
{
	begin(w, name);
	buf_append_str(w->out, "null");
}
