/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/check_version.h"

#include <inttypes.h>

#include "verify/writes.h"

#define CHECK "version"

/* One operation as far as it tells what was under a version. */
struct sight {
	const struct history_op *op;
	struct stamp version;
	bool wrote;
	bool ends; /* the content has a time to live */
	bool has_content;
	uint64_t content;
	uint64_t write; /* value of the put or append that made the content, if it names one */
};

/* Everything seen of one key. */
struct view {
	const struct history *h;
	struct writes writes;
	uint32_t key;
	struct sight *sights;
	uint32_t count;
};

/* --- what was seen --- */

static bool is_put_number(uint64_t content) { return content != CONTENT_NONE && content < CONTENT_PUT_MAX; }

static uint64_t write_of(const struct history *h, uint64_t content)
{
	const struct history_link *link = history_link_of(h, content);
	uint64_t last = link ? link->piece : content;
	return is_put_number(last) ? last : 0;
}

static struct sight sight_of(const struct view *view, const struct history_op *op)
{
	const struct history *h = view->h;
	struct sight s = {.op = op, .version = op->version};
	if (op->outcome == HISTORY_FAILED) {
		s.has_content = op->has_found;
		s.content = op->found;
	} else if (op->kind == HISTORY_GET) {
		s.has_content = true;
		s.content = op->value;
	} else {
		s.wrote = true;
		s.has_content = op->kind == HISTORY_PUT || op->kind == HISTORY_DELETE ||
				(op->kind == HISTORY_ADD && op->has_result);
		s.content = op->kind == HISTORY_ADD ? content_number(op->result) : op->value;
	}
	s.ends = op->outcome == HISTORY_FAILED ? op->found_ends : op->ttl_ms != 0;
	s.write = s.wrote ? op->value : s.has_content ? write_of(h, s.content) : 0;
	const struct history_op *write = s.write ? writes_find(&view->writes, s.write) : NULL;
	s.ends |= write && write->ttl_ms;
	return s;
}

static bool takes_part(const struct history_op *op)
{
	if (op->kind == HISTORY_ASK || op->outcome == HISTORY_REFUSED)
		return false;
	if (op->outcome == HISTORY_FAILED)
		return !op->fenced_off;
	return history_is_write(op) || history_is_answered(op);
}

static void view_fill(struct view *view, const struct history *h, uint32_t key)
{
	view->key = key;
	view->count = 0;
	for (uint32_t i = 0; i < h->count; i++)
		if (h->ops[i].key == key && takes_part(&h->ops[i]))
			view->sights[view->count++] = sight_of(view, &h->ops[i]);
}

/* Keeps what PRED allows. */
static void view_filter(struct view *view, bool (*pred)(const struct sight *s))
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < view->count; i++)
		if (pred(&view->sights[i]))
			view->sights[kept++] = view->sights[i];
	view->count = kept;
}

static bool is_answered(const struct sight *s)
{
	return history_is_answered(s->op) || s->op->outcome == HISTORY_FAILED;
}

static bool is_effective(const struct sight *s)
{
	return history_is_strong(s->op) && is_answered(s) && !stamp_is_none(s->version);
}

static int by_index(const struct sight *x, const struct sight *y)
{
	return (x->op->index > y->op->index) - (x->op->index < y->op->index);
}

static int by_version(const void *a, const void *b)
{
	const struct sight *x = a, *y = b;
	int order = stamp_compare(x->version, y->version);
	/* A write stands before those that saw it. */
	if (!order && x->wrote != y->wrote)
		return x->wrote ? -1 : 1;
	return order ? order : by_index(x, y);
}

static int by_completion(const void *a, const void *b)
{
	const struct sight *x = a, *y = b;
	return (x->op->complete > y->op->complete) - (x->op->complete < y->op->complete);
}

static int by_write(const void *a, const void *b)
{
	const struct sight *x = a, *y = b;
	if (x->write != y->write)
		return x->write < y->write ? -1 : 1;
	if (x->wrote != y->wrote)
		return x->wrote ? -1 : 1;
	return by_index(x, y);
}

/* --- value --- */

static bool check_read(const struct sight *read, const struct sight *write, struct verdict *v)
{
	/* An eventual get may show an attempt of the write that never took effect, under its own version. */
	if (!history_is_strong(read->op) || write->op->outcome != HISTORY_DONE || stamp_is_none(read->version) ||
	    stamp_equal(read->version, write->version))
		return true;
	return verdict_fail(v, CHECK, read->op->key, "#%u saw the value of #%u under another version",
			    read->op->index, write->op->index);
}

static bool check_values(struct view *view, struct verdict *v)
{
	const struct sight *write = NULL;
	qsort(view->sights, view->count, sizeof(view->sights[0]), by_write);
	for (uint32_t i = 0; i < view->count; i++) {
		const struct sight *s = &view->sights[i];
		if (s->write == 0)
			continue;
		if (s->wrote)
			write = s;
		else if (write && write->write == s->write && !check_read(s, write, v))
			return false;
	}
	return true;
}

/* A put that may have ended its life shows its version with or without its value. */
static bool same_content(const struct sight *a, const struct sight *b)
{
	return !a->has_content || !b->has_content || a->content == b->content || a->ends || b->ends;
}

/* Views are by version from here on. */
static bool check_same_version(const struct view *view, struct verdict *v)
{
	for (uint32_t i = 1; i < view->count; i++) {
		const struct sight *a = &view->sights[i - 1], *b = &view->sights[i];
		if (stamp_is_none(a->version) || !stamp_equal(a->version, b->version))
			continue;
		if (a->wrote && b->wrote)
			return verdict_fail(v, CHECK, view->key, "#%u and #%u wrote under one version",
					    a->op->index, b->op->index);
		if (!same_content(a, b))
			return verdict_fail(v, CHECK, view->key,
					    "#%u and #%u show different contents of one version", a->op->index,
					    b->op->index);
	}
	return true;
}

/* --- predecessor --- */

/* Greatest effective version below VERSION, NULL if there is none. */
static const struct sight *predecessor(const struct view *view, struct stamp version)
{
	uint32_t low = 0, high = view->count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (stamp_less(view->sights[middle].version, version))
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &view->sights[low - 1] : NULL;
}

/* Whether something may have emptied the key between two versions, or put VALUE there, unseen by strong operations. */
static bool may_have_changed(const struct view *view, struct stamp low, struct stamp high, uint64_t value)
{
	for (uint32_t i = 0; i < view->h->count; i++) {
		const struct history_op *op = &view->h->ops[i];
		if (op->key != view->key || !history_is_write(op) || !takes_part(op) ||
		    op->outcome == HISTORY_FAILED)
			continue;
		if (value == CONTENT_NONE ? op->kind != HISTORY_DELETE && !op->ttl_ms : op->value != value)
			continue;
		if (stamp_is_none(op->version) || op->ttl_ms ||
		    (stamp_less(low, op->version) && stamp_less(op->version, high)))
			return true;
	}
	return false;
}

static bool check_expected(const struct view *view, const struct sight *s, struct verdict *v)
{
	const struct history_condition *when = &s->op->when;
	const struct sight *before = predecessor(view, s->version);
	if (when->has_version && !stamp_is_none(when->version)) {
		if (!stamp_less(when->version, s->version))
			return verdict_fail(v, CHECK, view->key, "#%u has no higher version than it demanded",
					    s->op->index);
		if (before && stamp_less(when->version, before->version))
			return verdict_fail(v, CHECK, view->key,
					    "#%u demanded version %" PRIx64 ".%" PRIx64
					    " and replaced the one that #%u shows",
					    s->op->index, when->version.hi, when->version.lo, before->op->index);
		return true;
	}
	bool absent = when->has_version;
	if (!absent && !when->has_value)
		return true;
	uint64_t wanted = absent ? CONTENT_NONE : when->value;
	struct stamp low = before ? before->version : (struct stamp){0, 0};
	bool fits = before ? !before->has_content || before->ends || before->content == wanted : absent;
	if (fits || may_have_changed(view, low, s->version, wanted))
		return true;
	/* A number or a longer content may come again; the search judges those. */
	if (!absent && !is_put_number(wanted))
		return true;
	return verdict_fail(v, CHECK, view->key, "#%u demanded %s and replaced something else", s->op->index,
			    absent ? "that nothing is there" : "a value");
}

static bool check_predecessors(const struct view *view, struct verdict *v)
{
	for (uint32_t i = 0; i < view->count; i++)
		if (view->sights[i].wrote && !check_expected(view, &view->sights[i], v))
			return false;
	return true;
}

/* --- order --- */

/* `view` holds what is effective, by completion. */
static bool check_order(const struct view *view, struct verdict *v)
{
	const struct sight *newest = NULL;
	uint32_t next = 0;
	for (uint32_t i = 0; i < view->h->count; i++) {
		const struct history_op *op = &view->h->ops[i];
		if (op->key != view->key || !takes_part(op))
			continue;
		const struct sight s = sight_of(view, op);
		if (!is_effective(&s))
			continue;
		for (; next < view->count && view->sights[next].op->complete < op->invoke; next++)
			if (!newest || stamp_less(newest->version, view->sights[next].version))
				newest = &view->sights[next];
		if (!newest)
			continue;
		int order = stamp_compare(op->version, newest->version);
		if (order < 0 || (order == 0 && s.wrote))
			return verdict_fail(v, CHECK, view->key,
					    "#%u began after #%u had ended and its version is not newer: %" PRIx64
					    ".%" PRIx64 " after %" PRIx64 ".%" PRIx64,
					    op->index, newest->op->index, op->version.hi, op->version.lo,
					    newest->version.hi, newest->version.lo);
	}
	return true;
}

static bool check_key(struct view *view, const struct history *h, uint32_t key, struct verdict *v)
{
	view_fill(view, h, key);
	if (!check_values(view, v))
		return false;
	view_filter(view, is_answered);
	qsort(view->sights, view->count, sizeof(view->sights[0]), by_version);
	if (!check_same_version(view, v))
		return false;
	view_filter(view, is_effective);
	if (!check_predecessors(view, v))
		return false;
	qsort(view->sights, view->count, sizeof(view->sights[0]), by_completion);
	return check_order(view, v);
}

bool check_version(const struct history *h, struct verdict *v)
{
	struct view view = {.h = h, .sights = xcalloc((size_t)h->count + 1, sizeof(view.sights[0]))};
	writes_init(&view.writes, h);
	for (uint32_t key = 0; key < h->key_count && !v->violated; key++)
		check_key(&view, h, key, v);
	free(view.sights);
	writes_release(&view.writes);
	return !v->violated;
}
