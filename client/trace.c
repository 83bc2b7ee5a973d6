/* SPDX-License-Identifier: Apache-2.0 */
#include "client/trace.h"

#include "base/status.h"

enum { TRACEPARENT_SIZE = 55, FLAG_SAMPLED = 1 };

_Static_assert(KV_SPAN_NODE_NONE == NODE_NONE, "the public header repeats this number");

/** COUNT lower-case hexadecimal digits at TEXT. */
static bool read_hex(const char *text, size_t count, uint64_t *ret)
{
	uint64_t value = 0;
	for (size_t i = 0; i < count; i++) {
		char c = text[i];
		bool digit = c >= '0' && c <= '9', letter = c >= 'a' && c <= 'f';
		if (!digit && !letter)
			return false;
		value = value << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
	}
	*ret = value;
	return true;
}

bool traceparent_parse(const char *text, struct trace_context *ret)
{
	uint64_t version, flags;
	struct trace_context c;
	size_t size = strlen(text);
	if (size < TRACEPARENT_SIZE || text[2] != '-' || text[35] != '-' || text[52] != '-')
		return false;
	if (!read_hex(text, 2, &version) || !read_hex(text + 3, 16, &c.trace_hi) ||
	    !read_hex(text + 19, 16, &c.trace_lo) || !read_hex(text + 36, 16, &c.span) ||
	    !read_hex(text + 53, 2, &flags))
		return false;
	if (version == 0xff || (size > TRACEPARENT_SIZE && (version == 0 || text[TRACEPARENT_SIZE] != '-')))
		return false;
	if (trace_is_none(&c) || c.span == 0)
		return false;
	c.sampled = flags & FLAG_SAMPLED;
	*ret = c;
	return true;
}

bool trace_id_parse(const char *text, uint64_t *ret_hi, uint64_t *ret_lo)
{
	uint64_t hi, lo;
	if (strlen(text) != 32 || !read_hex(text, 16, &hi) || !read_hex(text + 16, 16, &lo) || (hi | lo) == 0)
		return false;
	*ret_hi = hi;
	*ret_lo = lo;
	return true;
}

/** What came of a span; NULL where nothing can. */
static const char *result_of(const struct timeline_span *s)
{
	if (s->open)
		return s->kind == SPAN_REPLICA || s->kind == SPAN_FORWARD ? "unanswered" : "open";
	if (s->kind == SPAN_REPLICA || s->kind == SPAN_SERVE)
		return answer_name((enum replica_answer)s->result);
	if (s->kind == SPAN_REQUEST || s->kind == SPAN_FORWARD)
		return status_name((enum kv_status)s->result);
	return NULL;
}

const struct kv_timeline *timeline_out(const struct msg_timeline *t, usec_t took_us, struct arena *arena)
{
	struct kv_timeline *out = arena_alloc(arena, sizeof *out);
	struct kv_span *spans = arena_alloc(arena, (t->span_count + 1) * sizeof *spans);
	if (!out || !spans)
		return NULL;
	for (uint32_t i = 0; i < t->span_count; i++) {
		const struct timeline_span *s = &t->spans[i];
		spans[i] = (struct kv_span){
			.name = span_name(s->kind),
			.result = result_of(s),
			.parent = s->parent,
			.node = s->node,
			.peer = s->peer,
			.open = s->open,
			.start_us = s->start_us,
			.took_us = s->took_us,
		};
	}
	*out = (struct kv_timeline){
		.node = t->node,
		.operation = opcode_name(t->opcode),
		.level = (enum kv_level)t->level,
		.partition = t->partition,
		.epoch = t->epoch,
		.ballot = {.hlc = t->ballot.hlc, .id = t->ballot.id},
		.rounds = t->rounds,
		.status = t->status,
		.in_doubt = t->in_doubt,
		.took_us = t->took_us,
		.client_us = took_us,
		.left_out = t->left_out,
		.span_count = t->span_count,
		.spans = spans,
	};
	snprintf(out->trace_id, sizeof out->trace_id, "%016llx%016llx", (unsigned long long)t->context.trace_hi,
		 (unsigned long long)t->context.trace_lo);
	return out;
}
