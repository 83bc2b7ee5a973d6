/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A borrowed run of bytes. Never freed through the slice; who owns the bytes and until when is said where a slice
 * is handed over. An absent value is {NULL, 0}; an empty one may have any pointer.
 */
#ifndef KV_BASE_SLICE_H
#define KV_BASE_SLICE_H

#include "base/base.h"

struct slice {
	const uint8_t *data;
	size_t size;
};

static inline struct slice slice_of(const void *data, size_t size)
{
	return (struct slice){.data = data, .size = size};
}

/** The bytes of a string without its NUL. */
static inline struct slice slice_str(const char *text) { return slice_of(text, strlen(text)); }

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/** Byte order, shorter first on a common prefix. <0, 0, >0. */
static inline int slice_compare(struct slice a, struct slice b)
{
	size_t common = MIN(a.size, b.size);
	int order = common ? memcmp(a.data, b.data, common) : 0;
	if (order != 0)
		return order;
	return a.size < b.size ? -1 : a.size > b.size;
}

#endif
