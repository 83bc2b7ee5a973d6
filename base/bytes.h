/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Fixed-width integers in memory that need not be aligned, and a cursor that reads them with bounds checked.
 */
#ifndef KV_BASE_BYTES_H
#define KV_BASE_BYTES_H

#include "base/slice.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "big-endian hosts need byte swaps here");

static inline uint16_t load_le16(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint32_t load_le32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint64_t load_le64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static inline void store_le16(void *p, uint16_t v) { memcpy(p, &v, sizeof v); }
static inline void store_le32(void *p, uint32_t v) { memcpy(p, &v, sizeof v); }
static inline void store_le64(void *p, uint64_t v) { memcpy(p, &v, sizeof v); }

static inline uint16_t load_be16(const void *p) { return __builtin_bswap16(load_le16(p)); }
static inline uint32_t load_be32(const void *p) { return __builtin_bswap32(load_le32(p)); }
static inline void store_be16(void *p, uint16_t v) { store_le16(p, __builtin_bswap16(v)); }
static inline void store_be32(void *p, uint32_t v) { store_le32(p, __builtin_bswap32(v)); }

/**
 * Reads forward through bytes that may lie. After the first read past the end `failed` stays true and every
 * further read gives zero, so that a decoder checks once at the end.
 */
struct reader {
	struct slice rest;
	bool failed;
};

static inline struct reader reader_of(struct slice bytes) { return (struct reader){.rest = bytes}; }

/** Takes SIZE bytes; NULL (and failed) if fewer are left. Taking none may give NULL too: only `failed` tells. */
static inline const uint8_t *reader_take(struct reader *r, size_t size)
{
	if (r->failed || r->rest.size < size) {
		r->failed = true;
		return NULL;
	}
	const uint8_t *at = r->rest.data;
	if (size > 0)
		r->rest.data += size;
	r->rest.size -= size;
	return at;
}

static inline uint8_t reader_u8(struct reader *r)
{
	const uint8_t *at = reader_take(r, 1);
	return at ? *at : 0;
}

static inline uint16_t reader_le16(struct reader *r)
{
	const uint8_t *at = reader_take(r, 2);
	return at ? load_le16(at) : 0;
}

static inline uint32_t reader_le32(struct reader *r)
{
	const uint8_t *at = reader_take(r, 4);
	return at ? load_le32(at) : 0;
}

static inline uint64_t reader_le64(struct reader *r)
{
	const uint8_t *at = reader_take(r, 8);
	return at ? load_le64(at) : 0;
}

#endif
