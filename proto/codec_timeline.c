/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/codec_timeline.h"

#define SPAN_FIELDS(F)                                                                                             \
	F(U32, 1, span->kind)                                                                                      \
	F(U32, 2, span->parent)                                                                                    \
	F(NODE, 3, span->node)                                                                                     \
	F(NODE, 4, span->peer)                                                                                     \
	F(U64, 5, span->start_us)                                                                                  \
	F(U64, 6, span->took_us)                                                                                   \
	F(BOOL, 7, span->open)                                                                                     \
	F(U32, 8, span->result)

#define TIMELINE_FIELDS(F)                                                                                         \
	F(FIXED64, 1, t->context.trace_hi)                                                                         \
	F(FIXED64, 2, t->context.trace_lo)                                                                         \
	F(FIXED64, 3, t->span)                                                                                     \
	F(FIXED64, 4, t->context.span)                                                                             \
	F(NODE, 5, t->node)                                                                                        \
	F(U16, 6, t->opcode)                                                                                       \
	F(ENUM, 7, t->level)                                                                                       \
	F(U16, 8, t->partition)                                                                                    \
	F(U64, 9, t->epoch)                                                                                        \
	F(VERSION, 10, t->ballot)                                                                                  \
	F(U32, 12, t->rounds)                                                                                      \
	F(U32, 13, t->status)                                                                                      \
	F(BOOL, 14, t->in_doubt)                                                                                   \
	F(U64, 15, t->took_us)                                                                                     \
	F(SPANS, 16, *t)                                                                                           \
	F(U32, 17, t->left_out)

enum { SPAN_MAX = WIRE_FIELD_MAX + (0 SPAN_FIELDS(WIRE_SIZE)) };

static uint8_t *put_spans(uint8_t *w, uint32_t number, const struct msg_timeline *t)
{
	for (uint32_t i = 0; i < t->span_count; i++) {
		const struct timeline_span *span = &t->spans[i];
		uint8_t *fields = w = wire_begin(w, number);
		SPAN_FIELDS(WIRE_PUT)
		w = wire_end(fields, w);
	}
	return w;
}

/** One more span. The array is made when the first one comes. */
static void get_span(struct wire *outer, uint32_t repeated, struct msg_timeline *t)
{
	if (t->span_count == 0) {
		size_t count = wire_count(outer, repeated);
		t->spans =
			count <= TIMELINE_SPANS_MAX ? CODEC_NEW(outer->arena, struct timeline_span, count) : NULL;
		outer->exhausted |= !t->spans;
	}
	if (outer->exhausted)
		return;
	KV_ASSERT(t->span_count < TIMELINE_SPANS_MAX);
	struct timeline_span *span = (struct timeline_span *)(uintptr_t)&t->spans[t->span_count++];
	struct wire inner = wire_enter(outer), *in = &inner;
	*span = (struct timeline_span){.node = NODE_NONE, .peer = NODE_NONE};
	WIRE_READ(SPAN_FIELDS)
	wire_leave(outer, in);
}

#define WIRE_PUT_SPANS(number, field) put_spans(w, number, &(field))
#define WIRE_GET_SPANS(number, field)                                                                              \
	case WIRE_TAG(number, WIRE_BYTES):                                                                         \
		get_span(in, tag, &(field));                                                                       \
		break;
#define WIRE_SIZE_SPANS(field) ((field).span_count * (size_t)SPAN_MAX)
#define WIRE_BITS_SPANS        1

size_t codec_timeline_size_max(const struct msg_timeline *t)
{
	return t ? WIRE_FIELD_MAX + (0 TIMELINE_FIELDS(WIRE_SIZE)) : 0;
}

uint8_t *codec_timeline_put(uint8_t *w, uint32_t number, const struct msg_timeline *t)
{
	if (!t)
		return w;
	uint8_t *fields = w = wire_begin(w, number);
	TIMELINE_FIELDS(WIRE_PUT)
	return wire_end(fields, w);
}

void codec_timeline_get(struct wire *outer, const struct msg_timeline **ret)
{
	struct wire inner = wire_enter(outer), *in = &inner;
	struct msg_timeline *t = *ret ? NULL : CODEC_NEW(outer->arena, struct msg_timeline, 1);
	outer->failed |= *ret != NULL;
	outer->exhausted |= !*ret && !t;
	if (!t)
		return;
	*t = (struct msg_timeline){.node = NODE_NONE};
	WIRE_READ(TIMELINE_FIELDS)
	wire_leave(outer, in);
	*ret = t;
}
