/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/timeline.h"

#include "base/hash.h"

uint64_t timeline_call_span(uint64_t span, uint32_t round, node_id node)
{
	return hash_u64(span ^ hash_u64((uint64_t)round << 16 | node)) | 1;
}

uint64_t timeline_child_span(uint64_t span, uint32_t index) { return hash_u64(span + index + 1) | 1; }

struct trace_context timeline_context(uint64_t span)
{
	return (struct trace_context){.trace_hi = hash_u64(~span), .trace_lo = hash_u64(span ^ 1) | 1};
}

static bool is_round(enum span_kind kind) { return kind >= SPAN_READ && kind <= SPAN_PUSH; }

/** Spans being made. */
struct telling {
	const struct timeline *t;
	node_id self;
	struct timeline_span *spans;
	uint32_t count;
	uint32_t phase; /* index of the phase's span; 0: none yet */
	uint32_t round;
};

static uint32_t add_span(struct telling *w, enum span_kind kind, uint32_t parent, uint32_t start_us)
{
	KV_ASSERT(w->count < TIMELINE_SPANS_MAX);
	w->spans[w->count] = (struct timeline_span){
		.kind = kind,
		.parent = parent,
		.node = w->self,
		.peer = NODE_NONE,
		.start_us = start_us,
		.open = true,
		.id = timeline_child_span(w->t->span, w->count),
	};
	return w->count++;
}

static void close_span(struct timeline_span *span, usec_t at_us, uint32_t result)
{
	span->took_us = at_us - MIN(at_us, span->start_us);
	span->open = false;
	span->result = result;
}

/** The message of the present phase to NODE that is not answered; 0: there is none. */
static uint32_t find_call(const struct telling *w, node_id node)
{
	for (uint32_t i = w->count; i-- > w->phase;) {
		const struct timeline_span *s = &w->spans[i];
		bool call = s->kind == SPAN_REPLICA || s->kind == SPAN_FORWARD;
		if (i > 0 && call && s->open && s->peer == node)
			return i;
	}
	return 0;
}

/** What is not answered when its phase ends never will be. */
static void end_phase(struct telling *w, usec_t at_us)
{
	if (w->phase == 0)
		return;
	for (uint32_t i = w->phase + 1; i < w->count; i++) {
		if (w->spans[i].open)
			w->spans[i].took_us = at_us - MIN(at_us, w->spans[i].start_us);
	}
	if (w->spans[w->phase].open)
		close_span(&w->spans[w->phase], at_us, 0);
}

static void tell_phase(struct telling *w, const struct mark *m)
{
	end_phase(w, m->at_us);
	w->phase = add_span(w, (enum span_kind)m->what, 0, m->at_us);
	w->round += is_round((enum span_kind)m->what);
}

static void tell_sent(struct telling *w, const struct mark *m)
{
	if (find_call(w, m->node) != 0)
		return; /* sent again: it is one wait */
	if (w->phase != 0 && w->spans[w->phase].kind == SPAN_FORWARD) {
		w->spans[w->phase].peer = m->node;
		w->spans[w->phase].id = timeline_call_span(w->t->span, w->round, m->node);
		return;
	}
	uint64_t id = timeline_call_span(w->t->span, w->round, m->node);
	for (uint32_t i = w->phase; i < w->count; i++) {
		if (w->spans[i].id == id)
			id = timeline_child_span(id, w->count); /* asked once more after its answer */
	}
	uint32_t index = add_span(w, SPAN_REPLICA, w->phase, m->at_us);
	w->spans[index].peer = m->node;
	w->spans[index].id = id;
}

static enum span_kind served_kind(const struct mark *m)
{
	static const enum span_kind kinds[] = {SPAN_QUEUE, SPAN_DISK, SPAN_COMMIT, SPAN_SYNC};
	return kinds[m->kind - MARK_QUEUE];
}

/** The answer at M[0], and what the replica told of its part in the marks behind it. Returns how many those are. */
static uint32_t tell_answered(struct telling *w, const struct mark *m, uint32_t left)
{
	uint32_t parts = 0;
	usec_t sum_us = 0;
	while (parts + 1 < left && m[parts + 1].kind >= MARK_QUEUE)
		sum_us += m[++parts].at_us;
	uint32_t index = find_call(w, m->node);
	if (index == 0)
		return parts;
	struct timeline_span *call = &w->spans[index];
	close_span(call, m->at_us, m->what);
	usec_t at_us = call->start_us;
	if (m->node != w->self && call->took_us > sum_us)
		at_us += (call->took_us - sum_us) / 2;
	for (uint32_t i = 1; i <= parts; i++) {
		struct timeline_span *part = &w->spans[add_span(w, served_kind(&m[i]), index, (uint32_t)at_us)];
		part->node = m->node;
		part->id = 0; /* the replica has a span of its own for it */
		at_us += m[i].at_us;
		close_span(part, at_us, 0);
	}
	return parts;
}

void timeline_tell(const struct timeline *t, node_id self, usec_t now_us, struct actions *out,
		   struct msg_timeline *ret)
{
	_Static_assert(TIMELINE_MARKS_MAX + 2 <= TIMELINE_SPANS_MAX, "a mark makes one span at most");
	bool answered = t->answered_us != 0;
	usec_t end_us = (answered ? t->answered_us : now_us) - t->arrived_us;
	struct telling w = {.t = t, .self = self};
	w.spans = actions_alloc(out, (t->count + 2u) * sizeof w.spans[0]);
	add_span(&w, SPAN_REQUEST, 0, 0);
	w.spans[0].id = t->span;
	w.spans[0].took_us = end_us;
	if (answered)
		close_span(&w.spans[0], end_us, t->status);
	if (t->taken_us > t->arrived_us)
		close_span(&w.spans[add_span(&w, SPAN_QUEUE, 0, 0)], t->taken_us - t->arrived_us, 0);
	for (uint32_t i = 0; i < t->count; i++) {
		if (t->marks[i].kind == MARK_PHASE)
			tell_phase(&w, &t->marks[i]);
		else if (t->marks[i].kind == MARK_SENT)
			tell_sent(&w, &t->marks[i]);
		else if (t->marks[i].kind == MARK_ANSWERED)
			i += tell_answered(&w, &t->marks[i], t->count - i);
	}
	for (uint32_t i = 1; i < w.count; i++) {
		if (w.spans[i].open && i > w.phase)
			w.spans[i].took_us = now_us - t->arrived_us - w.spans[i].start_us;
	}
	if (w.phase != 0 && w.spans[w.phase].open) {
		close_span(&w.spans[w.phase], end_us, 0);
		w.spans[w.phase].open = !answered;
	}
	*ret = (struct msg_timeline){
		.context = trace_is_none(&t->context) ? timeline_context(t->span) : t->context,
		.span = t->span,
		.node = self,
		.status = t->status,
		.in_doubt = t->in_doubt,
		.took_us = end_us,
		.span_count = w.count,
		.spans = w.spans,
		.left_out = t->left_out,
		.arrived_us = t->arrived_us,
	};
}

void timeline_graft(struct msg_timeline *ret, const struct msg_timeline *told, struct actions *out)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < ret->span_count; i++)
		at = ret->spans[i].kind == SPAN_FORWARD ? i : at;
	uint32_t count = MIN(told->span_count, TIMELINE_SPANS_MAX - ret->span_count);
	struct timeline_span *spans = actions_alloc(out, (ret->span_count + count) * sizeof spans[0]);
	memcpy(spans, ret->spans, ret->span_count * sizeof spans[0]);
	usec_t start_us = spans[at].start_us;
	if (spans[at].took_us > told->took_us)
		start_us += (spans[at].took_us - told->took_us) / 2;
	for (uint32_t i = 0; i < count; i++) {
		struct timeline_span *span = &spans[ret->span_count + i];
		*span = told->spans[i];
		span->parent = i == 0 ? at : ret->span_count + span->parent;
		span->start_us += start_us;
		span->id = 0;
	}
	ret->left_out += told->left_out + told->span_count - count;
	ret->ballot = told->ballot;
	ret->rounds = told->rounds;
	ret->spans = spans;
	ret->span_count += count;
}
