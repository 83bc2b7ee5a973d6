/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Protobuf by hand, for the messages of every request. A message's fields are listed once, in the order of their numbers:
 *
 *   #define POINT_FIELDS(F) F(U64, 1, p->x) F(U32, 2, p->y) F(BYTES, 3, p->name)
 *
 * and the list makes its writer, its reader, and the bound of its size (WIRE_PUT, WIRE_READ, WIRE_SIZE). A number that is 0,
 * false or empty is not written. A reader takes fields in any order, the last of two wins; unknown fields are passed
 * over, and a known one of another wire type is malformed. So it was with generated code, which the tests compare with.
 *
 * Only proto/codec*.c include this.
 */
#ifndef KV_PROTO_WIRE_H
#define KV_PROTO_WIRE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/types.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

enum {
	WIRE_VARINT_MAX = 10,
	WIRE_TAG_SIZE_MAX = 2, /* of the numbers below 64 that lists may use */
	WIRE_FIELD_MAX = WIRE_TAG_SIZE_MAX + WIRE_VARINT_MAX,
};

#define WIRE_TAG(number, type) ((uint32_t)(number) << 3 | (uint32_t)(type))

/* ---- writing: each function writes at W, where there is room, and returns where the next field goes ---- */

static inline uint8_t *wire_put_varint(uint8_t *w, uint64_t v)
{
	while (v >= 0x80) {
		*w++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*w++ = (uint8_t)v;
	return w;
}

static inline uint8_t *wire_put_number_always(uint8_t *w, uint32_t number, uint64_t v)
{
	return wire_put_varint(wire_put_varint(w, WIRE_TAG(number, WIRE_VARINT)), v);
}

static inline uint8_t *wire_put_number(uint8_t *w, uint32_t number, uint64_t v)
{
	return v ? wire_put_number_always(w, number, v) : w;
}

static inline uint8_t *wire_put_fixed64_always(uint8_t *w, uint32_t number, uint64_t v)
{
	w = wire_put_varint(w, WIRE_TAG(number, WIRE_FIXED64));
	store_le64(w, v);
	return w + sizeof v;
}

static inline uint8_t *wire_put_fixed64(uint8_t *w, uint32_t number, uint64_t v)
{
	return v ? wire_put_fixed64_always(w, number, v) : w;
}

static inline uint8_t *wire_put_bytes(uint8_t *w, uint32_t number, struct slice s)
{
	if (s.size == 0)
		return w;
	w = wire_put_varint(wire_put_varint(w, WIRE_TAG(number, WIRE_BYTES)), s.size);
	memcpy(w, s.data, s.size);
	return w + s.size;
}

/**
 * A message inside a message: begin gives where its fields go, end its size. The size is moved in once it is known; mostly it
 * takes the one byte that was left for it.
 */
static inline uint8_t *wire_begin(uint8_t *w, uint32_t number)
{
	return wire_put_varint(w, WIRE_TAG(number, WIRE_BYTES)) + 1;
}

static inline uint8_t *wire_end(uint8_t *fields, uint8_t *w)
{
	size_t size = (size_t)(w - fields);
	uint8_t prefix[WIRE_VARINT_MAX];
	size_t more = (size_t)(wire_put_varint(prefix, size) - prefix) - 1;
	if (more > 0)
		memmove(fields + more, fields, size);
	memcpy(fields - 1, prefix, more + 1);
	return w + more;
}

/* ---- reading ---- */

/** Fields of one message, or of one inside it. */
struct wire {
	const uint8_t *at, *end;
	struct arena *arena; /* where bytes are copied to */
	bool failed;         /* malformed */
	bool exhausted;      /* the arena's cap was reached */
};

static inline struct wire wire_of(struct slice s, struct arena *arena)
{
	static const uint8_t nothing;
	const uint8_t *at = s.size > 0 ? s.data : &nothing;
	return (struct wire){.at = at, .end = at + s.size, .arena = arena};
}

static inline bool wire_more(const struct wire *in) { return !in->failed && !in->exhausted && in->at < in->end; }

static inline uint64_t wire_varint(struct wire *in)
{
	uint64_t v = 0;
	for (unsigned shift = 0; in->at < in->end && shift < 7 * WIRE_VARINT_MAX; shift += 7) {
		uint8_t byte = *in->at++;
		v |= (uint64_t)(byte & 0x7F) << shift;
		if (byte < 0x80)
			return v;
	}
	in->failed = true;
	return 0;
}

static inline uint64_t wire_fixed64(struct wire *in)
{
	if ((size_t)(in->end - in->at) < sizeof(uint64_t)) {
		in->failed = true;
		return 0;
	}
	uint64_t v = load_le64(in->at);
	in->at += sizeof v;
	return v;
}

/** The bytes of a field, where they are. */
static inline struct slice wire_span(struct wire *in)
{
	uint64_t size = wire_varint(in);
	if (in->failed || size > (uint64_t)(in->end - in->at)) {
		in->failed = true;
		return slice_of(NULL, 0);
	}
	const uint8_t *at = in->at;
	in->at += size;
	return slice_of(at, (size_t)size);
}

/** A copy of them, in the arena; none are {NULL, 0}. */
static inline struct slice wire_bytes(struct wire *in)
{
	struct slice span = wire_span(in);
	if (span.size == 0)
		return slice_of(NULL, 0);
	struct slice copy = arena_copy(in->arena, span);
	in->exhausted |= !copy.data;
	return copy;
}

static inline uint16_t wire_u16(struct wire *in)
{
	uint32_t v = (uint32_t)wire_varint(in);
	in->failed |= v > UINT16_MAX;
	return (uint16_t)v;
}

/** The tag of the next field; 0 and failed where there is none. */
static inline uint32_t wire_tag(struct wire *in)
{
	uint64_t tag = wire_varint(in);
	if (tag >> 3 == 0 || tag > UINT32_MAX)
		in->failed = true;
	return in->failed ? 0 : (uint32_t)tag;
}

/** Passes over a field that no list names; KNOWN has a bit for each number that one does name. */
static inline void wire_skip(struct wire *in, uint32_t tag, uint64_t known)
{
	uint32_t number = tag >> 3;
	if (number < 64 && known >> number & 1) {
		in->failed = true;
		return;
	}
	size_t left = (size_t)(in->end - in->at);
	switch (tag & 7) {
	case WIRE_VARINT:
		(void)wire_varint(in);
		return;
	case WIRE_FIXED64:
		in->failed |= left < 8;
		in->at += MIN(left, (size_t)8);
		return;
	case WIRE_BYTES:
		(void)wire_span(in);
		return;
	case WIRE_FIXED32:
		in->failed |= left < 4;
		in->at += MIN(left, (size_t)4);
		return;
	default:
		in->failed = true; /* groups, and what is no type */
	}
}

/** A message inside the one at IN, of which the tag was just read; when it is read, wire_leave. */
static inline struct wire wire_enter(struct wire *in)
{
	struct slice span = wire_span(in);
	return wire_of(span, in->arena);
}

static inline void wire_leave(struct wire *in, const struct wire *inner)
{
	in->failed |= inner->failed;
	in->exhausted |= inner->exhausted;
}

/**
 * How often TAG still comes, the one just read included; what is malformed ends the count. One whose contents are cut off
 * counts: its reader finds that out when it has its place already.
 */
static inline size_t wire_count(const struct wire *at, uint32_t tag)
{
	struct wire in = *at;
	size_t count = 1;
	wire_skip(&in, tag, /* known= */ 0);
	while (wire_more(&in)) {
		uint32_t next = wire_tag(&in);
		count += !in.failed && next == tag;
		if (!in.failed)
			wire_skip(&in, next, /* known= */ 0);
	}
	return count;
}

/* ---- lists ---- */

/* Kinds: U64, U32, U16, BOOL and ENUM are varints, SINT64 a zigzag one; VERSION is two fixed numbers, NUMBER and the one after. */
#define WIRE_PUT(kind, number, field) w = WIRE_PUT_##kind(number, field);
#define WIRE_PUT_U64(number, field)   wire_put_number(w, number, (field))
#define WIRE_PUT_U32(number, field)   wire_put_number(w, number, (field))
#define WIRE_PUT_U16(number, field)   wire_put_number(w, number, (field))
#define WIRE_PUT_BOOL(number, field)  wire_put_number(w, number, (field))
#define WIRE_PUT_ENUM(number, field)  wire_put_number(w, number, (uint64_t)(int64_t)(int32_t)(field))
#define WIRE_PUT_SINT64(number, field)                                                                             \
	wire_put_number(w, number, (uint64_t)(field) << 1 ^ (uint64_t)((field) >> 63))
#define WIRE_PUT_FIXED64(number, field) wire_put_fixed64(w, number, (field))
#define WIRE_PUT_BYTES(number, field)   wire_put_bytes(w, number, (field))
#define WIRE_PUT_VERSION(number, field)                                                                            \
	wire_put_fixed64(wire_put_fixed64(w, number, (field).hlc), (number) + 1, (field).id)

#define WIRE_GET(kind, number, field) WIRE_GET_##kind(number, field)
#define WIRE_GET_(number, type, field, value)                                                                      \
	case WIRE_TAG(number, type):                                                                               \
		(field) = (__typeof__(field))(value);                                                              \
		break;
#define WIRE_GET_U64(number, field)     WIRE_GET_(number, WIRE_VARINT, field, wire_varint(in))
#define WIRE_GET_U32(number, field)     WIRE_GET_(number, WIRE_VARINT, field, (uint32_t)wire_varint(in))
#define WIRE_GET_U16(number, field)     WIRE_GET_(number, WIRE_VARINT, field, wire_u16(in))
#define WIRE_GET_BOOL(number, field)    WIRE_GET_(number, WIRE_VARINT, field, wire_varint(in) != 0)
#define WIRE_GET_ENUM(number, field)    WIRE_GET_(number, WIRE_VARINT, field, (int32_t)wire_varint(in))
#define WIRE_GET_SINT64(number, field)  WIRE_GET_(number, WIRE_VARINT, field, wire_zigzag(wire_varint(in)))
#define WIRE_GET_FIXED64(number, field) WIRE_GET_(number, WIRE_FIXED64, field, wire_fixed64(in))
#define WIRE_GET_BYTES(number, field)                                                                              \
	case WIRE_TAG(number, WIRE_BYTES):                                                                         \
		(field) = wire_bytes(in);                                                                          \
		break;
#define WIRE_GET_VERSION(number, field)                                                                            \
	WIRE_GET_FIXED64(number, (field).hlc) WIRE_GET_FIXED64((number) + 1, (field).id)

static inline int64_t wire_zigzag(uint64_t v) { return (int64_t)(v >> 1 ^ (0 - (v & 1))); }

/** Reads all fields of the message at IN by its list. */
#define WIRE_READ(FIELDS)                                                                                          \
	while (wire_more(in)) {                                                                                    \
		uint32_t tag = wire_tag(in);                                                                       \
		switch (tag) {                                                                                     \
			FIELDS(WIRE_GET)                                                                           \
		default:                                                                                           \
			wire_skip(in, tag, 0 FIELDS(WIRE_KNOWN));                                                  \
		}                                                                                                  \
	}

/* Bytes a field takes at most, to be summed. */
#define WIRE_SIZE(kind, number, field) +WIRE_SIZE_##kind(field)
#define WIRE_SIZE_U64(field)           WIRE_FIELD_MAX
#define WIRE_SIZE_U32(field)           WIRE_FIELD_MAX
#define WIRE_SIZE_U16(field)           WIRE_FIELD_MAX
#define WIRE_SIZE_BOOL(field)          WIRE_FIELD_MAX
#define WIRE_SIZE_ENUM(field)          WIRE_FIELD_MAX
#define WIRE_SIZE_SINT64(field)        WIRE_FIELD_MAX
#define WIRE_SIZE_FIXED64(field)       WIRE_FIELD_MAX
#define WIRE_SIZE_BYTES(field)         (WIRE_FIELD_MAX + (field).size)
#define WIRE_SIZE_VERSION(field)       (2 * WIRE_FIELD_MAX)

/* A bit for each number of a list, for wire_skip. */
#define WIRE_KNOWN(kind, number, field) | (uint64_t)WIRE_BITS_##kind << (number)
#define WIRE_BITS_U64                   1
#define WIRE_BITS_U32                   1
#define WIRE_BITS_U16                   1
#define WIRE_BITS_BOOL                  1
#define WIRE_BITS_ENUM                  1
#define WIRE_BITS_SINT64                1
#define WIRE_BITS_FIXED64               1
#define WIRE_BITS_BYTES                 1
#define WIRE_BITS_VERSION               3

#endif
