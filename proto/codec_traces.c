/* SPDX-License-Identifier: Apache-2.0 */
/* The timelines that a node kept: by hand, because timelines are. */
#include "proto/codec_timeline.h"

/* ---- which ones ---- */

#define QUERY_FIELDS(F)                                                                                            \
	CODEC_COMMON(F)                                                                                            \
	F(FIXED64, 4, q->trace_hi)                                                                                 \
	F(FIXED64, 5, q->trace_lo)

enum kv_status codec_write_trace_query(struct codec_out *out, const struct msg *m)
{
	const struct msg_trace_query *q = &m->trace_query;
	uint8_t *w = codec_open(out, 0 QUERY_FIELDS(WIRE_SIZE), 0);
	QUERY_FIELDS(WIRE_PUT)
	return codec_close(out, w, slice_of(NULL, 0));
}

enum kv_status codec_read_trace_query(struct codec_in *codec, struct slice meta)
{
	struct msg *m = codec->msg;
	struct msg_trace_query *q = &m->trace_query;
	struct wire whole = wire_of(meta, codec->arena), *in = &whole;
	if (codec->value.size > 0)
		return KV_INVALID;
	WIRE_READ(QUERY_FIELDS)
	return codec_read_status(in);
}

/* ---- one of them ---- */

#define WIRE_PUT_TIMELINE(number, field) codec_timeline_put(w, number, (field))
#define WIRE_GET_TIMELINE(number, field)                                                                           \
	case WIRE_TAG(number, WIRE_BYTES):                                                                         \
		codec_timeline_get(in, &(field));                                                                  \
		break;
#define WIRE_SIZE_TIMELINE(field) codec_timeline_size_max(field)
#define WIRE_BITS_TIMELINE        1

#define KEPT_FIELDS(F)                                                                                             \
	F(U64, 1, kept->wall_us)                                                                                   \
	F(BOOL, 2, kept->slow)                                                                                     \
	F(TIMELINE, 3, kept->timeline)

static uint8_t *put_list(uint8_t *w, uint32_t number, const struct msg_traces *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		const struct kept_timeline *kept = &t->traces[i];
		uint8_t *fields = w = wire_begin(w, number);
		KEPT_FIELDS(WIRE_PUT)
		w = wire_end(fields, w);
	}
	return w;
}

static size_t list_size_max(const struct msg_traces *t)
{
	size_t size = 0;
	for (uint32_t i = 0; i < t->count; i++) {
		const struct kept_timeline *kept = &t->traces[i];
		size += WIRE_FIELD_MAX + 0 KEPT_FIELDS(WIRE_SIZE);
	}
	return size;
}

/** One more. The array is made when the first one comes. */
static void get_kept(struct wire *outer, uint32_t repeated, struct msg_traces *t)
{
	if (t->count == 0) {
		size_t count = wire_count(outer, repeated);
		t->traces = count <= TRACES_TOLD_MAX ? CODEC_NEW(outer->arena, struct kept_timeline, count) : NULL;
		outer->exhausted |= !t->traces;
	}
	if (outer->exhausted)
		return;
	KV_ASSERT(t->count < TRACES_TOLD_MAX);
	struct kept_timeline *kept = (struct kept_timeline *)(uintptr_t)&t->traces[t->count++];
	struct wire inner = wire_enter(outer), *in = &inner;
	*kept = (struct kept_timeline){0};
	WIRE_READ(KEPT_FIELDS)
	wire_leave(outer, in);
}

/* ---- the answer ---- */

#define WIRE_PUT_LIST(number, field) put_list(w, number, &(field))
#define WIRE_GET_LIST(number, field)                                                                               \
	case WIRE_TAG(number, WIRE_BYTES):                                                                         \
		get_kept(in, tag, &(field));                                                                       \
		break;
#define WIRE_SIZE_LIST(field) list_size_max(&(field))
#define WIRE_BITS_LIST        1

#define TRACES_FIELDS(F)                                                                                           \
	CODEC_COMMON(F)                                                                                            \
	F(U32, 4, t->status)                                                                                       \
	F(LIST, 5, *t)

enum kv_status codec_write_traces(struct codec_out *out, const struct msg *m)
{
	const struct msg_traces *t = &m->traces;
	uint8_t *w = codec_open(out, 0 TRACES_FIELDS(WIRE_SIZE), 0);
	TRACES_FIELDS(WIRE_PUT)
	return codec_close(out, w, slice_of(NULL, 0));
}

enum kv_status codec_read_traces(struct codec_in *codec, struct slice meta)
{
	struct msg *m = codec->msg;
	struct msg_traces *t = &m->traces;
	struct wire whole = wire_of(meta, codec->arena), *in = &whole;
	if (codec->value.size > 0)
		return KV_INVALID;
	WIRE_READ(TRACES_FIELDS)
	return codec_read_status(in);
}
