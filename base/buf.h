/* SPDX-License-Identifier: Apache-2.0 */
/**
 * An owned, growing run of bytes. Zero-initialised is a valid empty buffer. One owner, no locking.
 */
#ifndef KV_BASE_BUF_H
#define KV_BASE_BUF_H

#include "base/slice.h"

struct buf {
	uint8_t *data;   /* read-only for users */
	size_t size;     /* bytes in use */
	size_t capacity; /* private */
};

#define BUF_INIT ((struct buf){0})

/** Frees the bytes and leaves an empty buffer. NULL is allowed. Fits CLEANUP. */
void buf_release(struct buf *b);

/** Makes room for EXTRA more bytes; the pointer may move. */
void buf_reserve(struct buf *b, size_t extra);

/** Adds EXTRA uninitialised bytes at the end and returns where they begin; the caller fills them. */
uint8_t *buf_extend(struct buf *b, size_t extra);

/* What is added must not lie inside the buffer itself: growing moves it. */
void buf_append(struct buf *b, const void *data, size_t size);
void buf_append_slice(struct buf *b, struct slice s);
void buf_append_str(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/** Forgets all bytes but keeps the memory. */
void buf_clear(struct buf *b);

/** Removes the first SIZE bytes, moving the rest down. */
void buf_consume(struct buf *b, size_t size);

/** NUL-terminates without counting the NUL and returns the text, borrowed until the next change. */
const char *buf_cstr(struct buf *b);

static inline struct slice buf_slice(const struct buf *b) { return slice_of(b->data, b->size); }

/* Fixed-width integers, little-endian (le) or big-endian (be), at the end. */
void buf_append_u8(struct buf *b, uint8_t v);
void buf_append_le16(struct buf *b, uint16_t v);
void buf_append_le32(struct buf *b, uint32_t v);
void buf_append_le64(struct buf *b, uint64_t v);
void buf_append_be16(struct buf *b, uint16_t v);
void buf_append_be32(struct buf *b, uint32_t v);

#endif
