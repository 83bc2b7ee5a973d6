/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/codec_timeline.h"

static void set_span(const struct timeline_span *span, Kv__TimelineSpan *pb)
{
	kv__timeline_span__init(pb);
	CODEC_SET(pb, kind, (uint32_t)span->kind);
	CODEC_SET(pb, parent, span->parent);
	CODEC_SET_NODE(pb, node, span->node);
	CODEC_SET_NODE(pb, peer, span->peer);
	CODEC_SET(pb, start_us, span->start_us);
	CODEC_SET(pb, took_us, span->took_us);
	CODEC_SET(pb, open, span->open);
	CODEC_SET(pb, result, span->result);
}

void codec_timeline_set(const struct msg_timeline *t, struct codec_timeline *ret)
{
	Kv__Timeline *pb = &ret->pb;
	kv__timeline__init(pb);
	CODEC_SET(pb, trace_hi, t->context.trace_hi);
	CODEC_SET(pb, trace_lo, t->context.trace_lo);
	CODEC_SET(pb, span, t->span);
	CODEC_SET(pb, parent, t->context.span);
	CODEC_SET_NODE(pb, node, t->node);
	CODEC_SET(pb, opcode, t->opcode);
	CODEC_SET(pb, level, (Kv__Level)t->level);
	CODEC_SET(pb, partition, t->partition);
	CODEC_SET(pb, epoch, t->epoch);
	CODEC_SET_VERSION(pb, ballot, t->ballot);
	CODEC_SET(pb, rounds, t->rounds);
	CODEC_SET(pb, status, (uint32_t)t->status);
	CODEC_SET(pb, in_doubt, t->in_doubt);
	CODEC_SET(pb, took_us, t->took_us);
	CODEC_SET(pb, left_out, t->left_out);
	ret->spans = xcalloc(t->span_count + 1, sizeof *ret->spans);
	ret->pointers = xcalloc(t->span_count + 1, sizeof(Kv__TimelineSpan *));
	for (uint32_t i = 0; i < t->span_count; i++) {
		set_span(&t->spans[i], &ret->spans[i]);
		ret->pointers[i] = &ret->spans[i];
	}
	pb->n_spans = t->span_count;
	pb->spans = ret->pointers;
}

void codec_timeline_release(struct codec_timeline *timeline)
{
	free(timeline->spans);
	free(timeline->pointers);
	timeline->spans = NULL;
	timeline->pointers = NULL;
}

static bool get_span(const Kv__TimelineSpan *pb, struct timeline_span *ret)
{
	*ret = (struct timeline_span){
		.kind = (enum span_kind)pb->kind,
		.parent = pb->parent,
		.start_us = pb->start_us,
		.took_us = pb->took_us,
		.open = pb->open,
		.result = pb->result,
	};
	return CODEC_GET_NODE(pb, node, &ret->node) && CODEC_GET_NODE(pb, peer, &ret->peer);
}

enum kv_status codec_timeline_get(struct codec_in *in, const Kv__Timeline *pb, const struct msg_timeline **ret)
{
	if (pb->n_spans > TIMELINE_SPANS_MAX)
		return KV_TOO_LARGE;
	struct msg_timeline *t = CODEC_NEW(in->arena, struct msg_timeline, 1);
	struct timeline_span *spans = CODEC_NEW(in->arena, struct timeline_span, pb->n_spans + 1);
	if (!t || !spans)
		return KV_TOO_LARGE;
	*t = (struct msg_timeline){
		.context = {.trace_hi = pb->trace_hi, .trace_lo = pb->trace_lo, .span = pb->parent},
		.span = pb->span,
		.level = (enum msg_level)pb->level,
		.epoch = pb->epoch,
		.ballot = CODEC_GET_VERSION(pb, ballot),
		.rounds = pb->rounds,
		.status = (enum kv_status)pb->status,
		.in_doubt = pb->in_doubt,
		.took_us = pb->took_us,
		.span_count = (uint32_t)pb->n_spans,
		.spans = spans,
		.left_out = pb->left_out,
	};
	bool fits = CODEC_GET_NODE(pb, node, &t->node) && codec_get_u16(pb->opcode, &t->opcode) &&
		    codec_get_u16(pb->partition, &t->partition);
	for (size_t i = 0; i < pb->n_spans; i++)
		fits &= get_span(pb->spans[i], &spans[i]);
	*ret = t;
	return fits ? KV_OK : KV_INVALID;
}
