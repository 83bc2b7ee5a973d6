/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/check_session.h"

#include <inttypes.h>

#define CHECK "session"

struct session_ops {
	const struct history *h;
	const struct history_op **by_invoke;
	const struct history_op **by_complete;
	uint32_t count;
	bool *mixed; /* keys with strong operations */
};

static int group_of(const struct history_op *x, const struct history_op *y)
{
	if (x->session != y->session)
		return x->session < y->session ? -1 : 1;
	return (x->key > y->key) - (x->key < y->key);
}

static int by_invoke(const void *a, const void *b)
{
	const struct history_op *x = *(const struct history_op *const *)a,
				*y = *(const struct history_op *const *)b;
	int group = group_of(x, y);
	return group ? group : (x->invoke > y->invoke) - (x->invoke < y->invoke);
}

static int by_complete(const void *a, const void *b)
{
	const struct history_op *x = *(const struct history_op *const *)a,
				*y = *(const struct history_op *const *)b;
	int group = group_of(x, y);
	return group ? group : (x->complete > y->complete) - (x->complete < y->complete);
}

static bool fail(const struct history_op *op, const char *what, struct stamp has, struct stamp needs,
		 struct verdict *v)
{
	return verdict_fail(v, CHECK, op->key,
			    "#%u of session %u shows %" PRIx64 ".%" PRIx64 ", older than %" PRIx64 ".%" PRIx64
			    " %s",
			    op->index, op->session, has.hi, has.lo, needs.hi, needs.lo, what);
}

/* What earlier operations of one session and key left: the newest copy, the newest version of a value. */
struct floors {
	struct stamp copy, value;
};

static bool check_read(const struct session_ops *s, const struct history_op *op, const struct floors *f,
		       struct verdict *v)
{
	if (op->kind != HISTORY_GET || !history_is_answered(op))
		return true;
	/* A copy may be newer than the deletion it is of, whose version is that of the value. */
	struct stamp seen = stamp_is_none(f->value) ? stamp_max(op->floor, f->copy) : f->value;
	if (history_was_forgotten(s->h, op, seen))
		return true;
	if (stamp_less(op->token, op->floor))
		return fail(op, "that was demanded", op->token, op->floor, v);
	if (stamp_less(op->token, f->copy))
		return fail(op, "that the session has seen", op->token, f->copy, v);
	if (!s->mixed[op->key] && stamp_less(op->version, f->value))
		return fail(op, "that the session has seen as the value's version", op->version, f->value, v);
	return true;
}

/* Judges the operations [from, to) of one session and key. */
static bool check_group(const struct session_ops *s, uint32_t from, uint32_t to, struct verdict *v)
{
	struct floors floors = {0};
	uint32_t next = from;
	for (uint32_t i = from; i < to; i++) {
		const struct history_op *op = s->by_invoke[i];
		for (; next < to && s->by_complete[next]->complete < op->invoke; next++) {
			const struct history_op *earlier = s->by_complete[next];
			if (!history_is_answered(earlier))
				continue;
			floors.copy = stamp_max(floors.copy, earlier->token);
			floors.value = stamp_max(floors.value, earlier->version);
		}
		if (op->level == HISTORY_SESSION && !check_read(s, op, &floors, v))
			return false;
	}
	return true;
}

static void session_fill(struct session_ops *s, const struct history *h)
{
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (history_is_strong(op) && op->outcome != HISTORY_REFUSED)
			s->mixed[op->key] = true;
		if (op->session)
			s->by_invoke[s->count++] = op;
	}
	if (s->count)
		memcpy(s->by_complete, s->by_invoke, s->count * sizeof(s->by_invoke[0]));
	qsort(s->by_invoke, s->count, sizeof(s->by_invoke[0]), by_invoke);
	qsort(s->by_complete, s->count, sizeof(s->by_complete[0]), by_complete);
}

bool check_session(const struct history *h, struct verdict *v)
{
	size_t room = (size_t)h->count + 1;
	struct session_ops s = {
		.h = h,
		.by_invoke = xcalloc(room, sizeof(s.by_invoke[0])),
		.by_complete = xcalloc(room, sizeof(s.by_complete[0])),
		.mixed = xcalloc(h->key_count, sizeof(s.mixed[0])),
	};
	session_fill(&s, h);
	for (uint32_t from = 0, to; from < s.count && !v->violated; from = to) {
		for (to = from + 1; to < s.count && group_of(s.by_invoke[from], s.by_invoke[to]) == 0; to++)
			;
		check_group(&s, from, to, v);
	}
	free(s.by_invoke);
	free(s.by_complete);
	free(s.mixed);
	return !v->violated;
}
