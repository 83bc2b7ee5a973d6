/* SPDX-License-Identifier: Apache-2.0 */
#include "server/otlp.h"

/* Numbers of the protocol. */
enum { KIND_INTERNAL = 1, KIND_SERVER = 2, KIND_CLIENT = 3 };
enum { STATUS_ERROR = 2 };
enum { FLAG_SAMPLED = 1 };

static void put_string(struct buf *out, const char *text)
{
	buf_append_u8(out, '"');
	for (const uint8_t *at = (const uint8_t *)text; *at; at++) {
		if (*at == '"' || *at == '\\')
			buf_printf(out, "\\%c", *at);
		else if (*at < 0x20 || *at >= 0x7f)
			buf_printf(out, "\\u%04x", *at);
		else
			buf_append_u8(out, *at);
	}
	buf_append_u8(out, '"');
}

/** A comma unless something opens right before. */
static void put_comma(struct buf *out)
{
	uint8_t last = out->size > 0 ? out->data[out->size - 1] : '[';
	if (last != '[' && last != '{')
		buf_append_u8(out, ',');
}

static void put_text_attribute(struct buf *out, const char *key, const char *value)
{
	put_comma(out);
	buf_printf(out, "{\"key\":\"%s\",\"value\":{\"stringValue\":", key);
	put_string(out, value);
	buf_append_str(out, "}}");
}

static void put_number_attribute(struct buf *out, const char *key, uint64_t value)
{
	put_comma(out);
	buf_printf(out, "{\"key\":\"%s\",\"value\":{\"intValue\":\"%llu\"}}", key, (unsigned long long)value);
}

static void put_bool_attribute(struct buf *out, const char *key, bool value)
{
	put_comma(out);
	buf_printf(out, "{\"key\":\"%s\",\"value\":{\"boolValue\":%s}}", key, value ? "true" : "false");
}

static void put_whole_attributes(struct buf *out, const struct msg_timeline *t)
{
	put_text_attribute(out, "kvd.opcode", opcode_name(t->opcode));
	put_number_attribute(out, "kvd.partition", t->partition);
	put_number_attribute(out, "kvd.map_epoch", t->epoch);
	if (t->slow)
		put_bool_attribute(out, "kvd.slow", true);
	if (t->spans[0].kind == SPAN_SERVE) {
		put_text_attribute(out, "kvd.answer", answer_name((enum replica_answer)t->spans[0].result));
		return;
	}
	put_text_attribute(out, "kvd.level", level_text(t->level));
	put_text_attribute(out, "kvd.status", status_name(t->status));
	put_number_attribute(out, "kvd.rounds", t->rounds);
	if (t->in_doubt)
		put_bool_attribute(out, "kvd.in_doubt", true);
	if (t->ballot.hlc != 0) {
		char ballot[34];
		snprintf(ballot, sizeof ballot, "%016llx-%016llx", (unsigned long long)t->ballot.hlc,
			 (unsigned long long)t->ballot.id);
		put_text_attribute(out, "kvd.ballot", ballot);
	}
	if (t->left_out)
		put_number_attribute(out, "kvd.events_left_out", t->left_out);
}

static void put_part_attributes(struct buf *out, const struct timeline_span *s)
{
	if (s->peer == NODE_NONE)
		return;
	put_number_attribute(out, "kvd.peer", s->peer);
	if (s->open)
		put_text_attribute(out, "kvd.answer", "unanswered");
	else if (s->kind == SPAN_REPLICA)
		put_text_attribute(out, "kvd.answer", answer_name((enum replica_answer)s->result));
	else
		put_text_attribute(out, "kvd.status", status_name((enum kv_status)s->result));
}

static bool is_answer(enum kv_status status)
{
	return status == KV_OK || status == KV_NOT_FOUND || status == KV_CONDITION_FAILED;
}

/** Says that the span failed, if it did. */
static void put_status(struct buf *out, const struct msg_timeline *t, const struct timeline_span *s)
{
	const char *why = NULL;
	if (s == &t->spans[0] && s->kind == SPAN_REQUEST && !is_answer(t->status))
		why = status_name(t->status);
	else if (s->open && s->peer != NODE_NONE)
		why = "no answer";
	if (!why)
		return;
	buf_printf(out, ",\"status\":{\"code\":%u,\"message\":", STATUS_ERROR);
	put_string(out, why);
	buf_append_u8(out, '}');
}

static unsigned span_side(enum span_kind kind)
{
	if (kind == SPAN_REQUEST || kind == SPAN_SERVE)
		return KIND_SERVER;
	return kind == SPAN_REPLICA || kind == SPAN_FORWARD ? KIND_CLIENT : KIND_INTERNAL;
}

static void put_name(struct buf *out, const struct msg_timeline *t, const struct timeline_span *s)
{
	buf_append_str(out, ",\"name\":\"");
	if (s->kind == SPAN_REQUEST || s->kind == SPAN_SERVE)
		buf_printf(out, "kvd %s", opcode_name(t->opcode));
	else
		buf_append_str(out, span_name(s->kind));
	buf_append_u8(out, '"');
}

static void put_span(struct buf *out, const struct kept_trace *trace, const struct timeline_span *s)
{
	const struct msg_timeline *t = &trace->timeline;
	bool whole = s == &t->spans[0];
	uint64_t parent = whole ? t->context.span : t->spans[s->parent].id;
	uint64_t start_ns = (trace->wall_us + s->start_us) * 1000;
	put_comma(out);
	buf_printf(out, "{\"traceId\":\"%016llx%016llx\",\"spanId\":\"%016llx\"",
		   (unsigned long long)t->context.trace_hi, (unsigned long long)t->context.trace_lo,
		   (unsigned long long)s->id);
	if (parent)
		buf_printf(out, ",\"parentSpanId\":\"%016llx\"", (unsigned long long)parent);
	buf_printf(out, ",\"flags\":%u", t->context.sampled ? FLAG_SAMPLED : 0);
	put_name(out, t, s);
	buf_printf(out, ",\"kind\":%u,\"startTimeUnixNano\":\"%llu\",\"endTimeUnixNano\":\"%llu\"",
		   span_side(s->kind), (unsigned long long)start_ns,
		   (unsigned long long)(start_ns + s->took_us * 1000));
	buf_append_str(out, ",\"attributes\":[");
	if (whole)
		put_whole_attributes(out, t);
	else
		put_part_attributes(out, s);
	buf_append_u8(out, ']');
	put_status(out, t, s);
	buf_append_u8(out, '}');
}

void otlp_encode(const struct otlp_source *source, struct kept_trace *const *traces, size_t count, struct buf *out)
{
	buf_append_str(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
	put_text_attribute(out, "service.name", "kvd");
	put_text_attribute(out, "service.version", source->version);
	put_text_attribute(out, "service.instance.id", source->name);
	buf_append_str(out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"kvd\",\"version\":");
	put_string(out, source->version);
	buf_append_str(out, "},\"spans\":[");
	for (size_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < traces[i]->timeline.span_count; k++) {
			if (traces[i]->spans[k].id != 0)
				put_span(out, traces[i], &traces[i]->spans[k]);
		}
	}
	buf_append_str(out, "]}]}]}");
}
