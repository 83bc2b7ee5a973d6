/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>

#include "base/bytes.h"

enum { BUF_CAPACITY_MIN = 64 };

void buf_release(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	*b = BUF_INIT;
}

void buf_reserve(struct buf *b, size_t extra)
{
	KV_ASSERT(b->size <= b->capacity);
	KV_ASSERT(extra <= SIZE_MAX / 2 - b->size);
	size_t need = b->size + extra;
	if (need <= b->capacity)
		return;
	/* Doubling keeps appending cheap; one large request gets what it asks for and no more. */
	size_t capacity = MAX(MAX(b->capacity * 2, need), (size_t)BUF_CAPACITY_MIN);
	b->data = xrealloc(b->data, capacity);
	b->capacity = capacity;
}

uint8_t *buf_extend(struct buf *b, size_t extra)
{
	buf_reserve(b, MAX(extra, (size_t)1)); /* never NULL, even for nothing */
	uint8_t *at = b->data + b->size;
	b->size += extra;
	return at;
}

void buf_append(struct buf *b, const void *data, size_t size)
{
	if (size == 0)
		return;
	KV_ASSERT(data);
	memcpy(buf_extend(b, size), data, size);
}

void buf_append_slice(struct buf *b, struct slice s) { buf_append(b, s.data, s.size); }

void buf_append_str(struct buf *b, const char *text) { buf_append(b, text, strlen(text)); }

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	va_list again;
	va_copy(again, args);
	int size = vsnprintf(NULL, 0, format, args);
	va_end(args);
	KV_ASSERT(size >= 0);
	buf_reserve(b, (size_t)size + 1);
	vsnprintf((char *)b->data + b->size, (size_t)size + 1, format, again);
	va_end(again);
	b->size += (size_t)size;
}

void buf_clear(struct buf *b) { b->size = 0; }

void buf_consume(struct buf *b, size_t size)
{
	KV_ASSERT(size <= b->size);
	b->size -= size;
	if (b->size > 0 && size > 0)
		memmove(b->data, b->data + size, b->size);
}

const char *buf_cstr(struct buf *b)
{
	buf_reserve(b, 1);
	b->data[b->size] = '\0';
	return (const char *)b->data;
}

void buf_append_u8(struct buf *b, uint8_t v) { *buf_extend(b, sizeof v) = v; }

void buf_append_le16(struct buf *b, uint16_t v) { store_le16(buf_extend(b, sizeof v), v); }

void buf_append_le32(struct buf *b, uint32_t v) { store_le32(buf_extend(b, sizeof v), v); }

void buf_append_le64(struct buf *b, uint64_t v) { store_le64(buf_extend(b, sizeof v), v); }

void buf_append_be16(struct buf *b, uint16_t v) { store_be16(buf_extend(b, sizeof v), v); }

void buf_append_be32(struct buf *b, uint32_t v) { store_be32(buf_extend(b, sizeof v), v); }
