/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The envelope of every message: a 32-byte header, then meta (protobuf), then value (raw bytes). Little-endian.
 *
 *   0 u16 magic 0x564B   2 u8 version 1   3 u8 header size in words of 4 bytes (8)
 *   4 u32 header sum     low 32 bits of XXH3 over bytes 0-3 and 8-31
 *   8 u64 request id    16 u16 opcode    18 u16 flags
 *  20 u32 meta size     24 u32 value size
 *  28 u32 body sum      low 32 bits of XXH3 over meta then value
 *
 * The header has its own sum so that its sizes can be trusted before a byte of the body is read. Nothing here
 * allocates. Stateless; any thread.
 */
#ifndef KV_PROTO_FRAME_H
#define KV_PROTO_FRAME_H

#include "base/slice.h"
#include "base/status.h"
#include "proto/limits.h"

#define FRAME_HEADER_SIZE  32u
#define FRAME_MAGIC        0x564Bu
#define FRAME_VERSION      1u
#define FRAME_HEADER_WORDS 8u /* of 4 bytes */

/* Protocol versions of HELLO: what the meta parts mean. The frame itself is FRAME_VERSION in all of them. */
#define PROTO_VERSION_MIN 1u
#define PROTO_VERSION_MAX 1u

/**
 * Flags. The low byte is critical: a receiver that does not know a set bit of it answers UNSUPPORTED. The high byte
 * is advisory and ignored if unknown. MORE, CANCEL, COMPRESSED and ONEWAY are reserved: no sender of version 1 sets
 * them.
 */
#define FRAME_REPLY          0x0001u
#define FRAME_MORE           0x0002u
#define FRAME_CANCEL         0x0004u
#define FRAME_COMPRESSED     0x0008u
#define FRAME_TRACE          0x0010u /* the request carries a trace context */
#define FRAME_ONEWAY         0x0020u
#define FRAME_FLAGS_CRITICAL 0x00FFu
#define FRAME_FLAGS_KNOWN    (FRAME_REPLY | FRAME_TRACE)

struct frame_header {
	uint64_t request_id;
	uint16_t opcode; /* any number, also unknown ones */
	uint16_t flags;
	uint32_t meta_size;
	uint32_t value_size;
	uint32_t body_sum;
};

/** What a receiver takes on a connection right now. Bytes, inclusive. */
struct frame_limits {
	uint32_t meta_max;       /* of data frames */
	uint32_t meta_admin_max; /* as opcode_is_admin_sized() */
	uint32_t value_max;
};

/** Before HELLO is done: a small meta part and no value. */
#define FRAME_LIMITS_HELLO                                                                                         \
	((struct frame_limits){.meta_max = HELLO_SIZE_MAX, .meta_admin_max = HELLO_SIZE_MAX, .value_max = 0})

/** After it. VALUE_MAX_: the configured limit towards clients, PAGE_SIZE_MAX towards peers, VALUE_SIZE_MAX for replies. */
#define FRAME_LIMITS_OPEN(value_max_)                                                                              \
	((struct frame_limits){                                                                                    \
		.meta_max = META_SIZE_MAX, .meta_admin_max = META_SIZE_ADMIN_MAX, .value_max = (value_max_)})

/**
 * What is wrong with a header, in the order it is looked for. All but FRAME_TOO_LARGE close the connection, for the
 * stream cannot be followed any further: nothing after a bad header is a frame, and a huge body is not worth
 * reading.
 */
enum frame_error {
	FRAME_OK = 0,
	FRAME_BAD_MAGIC,   /* not our protocol: close without an answer */
	FRAME_BAD_VERSION, /* a frame format of another version: send ERROR with KV_VERSION, close */
	FRAME_BAD_SUM,     /* damaged: close */
	FRAME_HUGE,        /* over what any node takes: answer KV_TOO_LARGE, close */
	FRAME_TOO_LARGE,   /* over the limits given: answer KV_TOO_LARGE, skip the body. Before HELLO: close */
};

/**
 * Reads a header from FRAME_HEADER_SIZE bytes. *ret is written on FRAME_OK, FRAME_HUGE and FRAME_TOO_LARGE (the sum
 * was right, so its request id can be answered) and left alone otherwise.
 */
MUST_USE enum frame_error frame_header_decode(const uint8_t *bytes, const struct frame_limits *limits,
					      struct frame_header *ret);

/** Writes FRAME_HEADER_SIZE bytes, the header sum included. */
void frame_header_encode(const struct frame_header *header, uint8_t *ret_bytes);

/** Body sum of a meta and a value part. One pass without copying; fastest if VALUE follows META in memory. */
uint32_t frame_body_sum(struct slice meta, struct slice value);

/** True if the body's sizes and sum are the header's. False: send ERROR with KV_CORRUPT, then close. */
MUST_USE bool frame_body_check(const struct frame_header *header, struct slice meta, struct slice value);

/** Bytes of a whole frame. */
static inline size_t frame_size(const struct frame_header *header)
{
	return (size_t)FRAME_HEADER_SIZE + header->meta_size + header->value_size;
}

/** KV_OK, KV_INVALID (magic), KV_VERSION, KV_CORRUPT (sum) or KV_TOO_LARGE. */
enum kv_status frame_error_status(enum frame_error error);

/** One sentence in lower case, no full stop. Static storage. */
const char *frame_error_text(enum frame_error error);

static inline bool frame_error_closes(enum frame_error error)
{
	return error != FRAME_OK && error != FRAME_TOO_LARGE;
}

_Static_assert(FRAME_HEADER_SIZE == 4 * FRAME_HEADER_WORDS, "header size in words");

#endif
