/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Unit scalars. A name that ends in _us holds usec_t, one that ends in _ms holds milliseconds.
 */
#ifndef KV_BASE_TYPES_H
#define KV_BASE_TYPES_H

#include "base/base.h"

/** Microseconds, a duration or a point on a clock that the name tells. */
typedef uint64_t usec_t;

#define USEC_PER_MSEC   ((usec_t)1000)
#define USEC_PER_SEC    ((usec_t)1000000)
#define USEC_PER_MINUTE ((usec_t)60 * USEC_PER_SEC)
#define USEC_PER_HOUR   ((usec_t)60 * USEC_PER_MINUTE)
#define USEC_PER_DAY    ((usec_t)24 * USEC_PER_HOUR)
#define USEC_NEVER      UINT64_MAX

/** 16 bytes compared as bytes: cluster, node and session identities. All zero means none. */
struct uuid {
	uint8_t bytes[16];
};

#define UUID_TEXT_SIZE 37

static inline bool uuid_is_zero(const struct uuid *id)
{
	static const struct uuid zero;
	return memcmp(id->bytes, zero.bytes, sizeof zero.bytes) == 0;
}

static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/** Writes the usual 8-4-4-4-12 form and a NUL. */
void uuid_format(const struct uuid *id, char text[UUID_TEXT_SIZE]);

/** Reads the 36-character form. Returns false and leaves *ret alone if TEXT is anything else. */
MUST_USE bool uuid_parse(const char *text, struct uuid *ret);

#endif
