/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/check_version.h"

#include <inttypes.h>

#define CHECK "version"

/* A sorted view of one key's answered operations. */
struct view {
	const struct history_op **ops;
	uint32_t count;
};

static bool op_answered(const struct history_op *op)
{
	return op->outcome == HISTORY_DONE || op->outcome == HISTORY_ABSENT;
}

static int by_version(const void *a, const void *b)
{
	const struct history_op *x = *(const struct history_op *const *)a,
				*y = *(const struct history_op *const *)b;
	int order = stamp_compare(x->version, y->version);
	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int by_completion(const void *a, const void *b)
{
	const struct history_op *x = *(const struct history_op *const *)a,
				*y = *(const struct history_op *const *)b;
	return (x->complete > y->complete) - (x->complete < y->complete);
}

static int by_value(const void *a, const void *b)
{
	const struct history_op *x = *(const struct history_op *const *)a,
				*y = *(const struct history_op *const *)b;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	/* The write of a value stands before the gets that returned it. */
	int kind = (x->kind == HISTORY_GET) - (y->kind == HISTORY_GET);
	return kind ? kind : (x->index > y->index) - (x->index < y->index);
}

/* A put that may have ended its life shows its version with or without its value. */
static bool same_content(const struct history_op *a, const struct history_op *b)
{
	return a->value == b->value || a->ttl_ms || b->ttl_ms;
}

static bool check_same_version(const struct view *view, uint32_t key, struct verdict *v)
{
	for (uint32_t i = 1; i < view->count; i++) {
		const struct history_op *a = view->ops[i - 1], *b = view->ops[i];
		if (stamp_is_none(a->version) || stamp_compare(a->version, b->version) != 0)
			continue;
		if (a->kind != HISTORY_GET && b->kind != HISTORY_GET)
			return verdict_fail(v, CHECK, key, "#%u and #%u wrote under one version", a->index,
					    b->index);
		if (!same_content(a, b))
			return verdict_fail(v, CHECK, key, "#%u and #%u show different values of one version",
					    a->index, b->index);
	}
	return true;
}

static bool check_get(const struct history_op *get, const struct history_op *write, struct verdict *v)
{
	if (!write)
		return verdict_fail(v, CHECK, get->key, "#%u returned a value that nobody wrote", get->index);
	if (write->outcome == HISTORY_REFUSED)
		return verdict_fail(v, CHECK, get->key, "#%u returned the value of #%u, which was refused",
				    get->index, write->index);
	if (get->complete < write->invoke)
		return verdict_fail(v, CHECK, get->key, "#%u returned the value of #%u, not yet written",
				    get->index, write->index);
	/* An eventual get may show an attempt of the write that never took effect, under its own version. */
	if (history_is_strong(get) && write->outcome == HISTORY_DONE &&
	    stamp_compare(get->version, write->version) != 0)
		return verdict_fail(v, CHECK, get->key, "#%u returned the value of #%u under another version",
				    get->index, write->index);
	return true;
}

/* `view` holds all writes of the key and its answered gets, by value. */
static bool check_values(const struct view *view, struct verdict *v)
{
	const struct history_op *write = NULL;
	for (uint32_t i = 0; i < view->count; i++) {
		const struct history_op *op = view->ops[i];
		if (op->kind == HISTORY_PUT)
			write = op;
		else if (op->kind == HISTORY_GET && op->value != 0 &&
			 !check_get(op, write && write->value == op->value ? write : NULL, v))
			return false;
	}
	return true;
}

/* `completed` holds the key's answered strong operations with a version, by completion. */
static bool check_order(const struct history *h, uint32_t key, const struct view *completed, struct verdict *v)
{
	const struct history_op *newest = NULL;
	uint32_t next = 0;
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->key != key || !history_is_strong(op) || !op_answered(op) || stamp_is_none(op->version))
			continue;
		for (; next < completed->count && completed->ops[next]->complete < op->invoke; next++)
			if (!newest || stamp_compare(completed->ops[next]->version, newest->version) > 0)
				newest = completed->ops[next];
		if (!newest)
			continue;
		int order = stamp_compare(op->version, newest->version);
		if (order < 0 || (order == 0 && op->kind != HISTORY_GET))
			return verdict_fail(v, CHECK, key,
					    "#%u began after #%u had ended and its version is not newer: %" PRIx64
					    ".%" PRIx64 " after %" PRIx64 ".%" PRIx64,
					    op->index, newest->index, op->version.hi, op->version.lo,
					    newest->version.hi, newest->version.lo);
	}
	return true;
}

static bool check_key(const struct history *h, uint32_t key, struct view *view, struct verdict *v)
{
	view->count = 0;
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->key == key && (op->kind != HISTORY_GET || op_answered(op)))
			view->ops[view->count++] = op;
	}
	qsort(view->ops, view->count, sizeof(view->ops[0]), by_value);
	if (!check_values(view, v))
		return false;

	uint32_t answered = 0, strong = 0;
	for (uint32_t i = 0; i < view->count; i++)
		if (op_answered(view->ops[i]))
			view->ops[answered++] = view->ops[i];
	view->count = answered;
	qsort(view->ops, view->count, sizeof(view->ops[0]), by_version);
	if (!check_same_version(view, key, v))
		return false;

	for (uint32_t i = 0; i < view->count; i++)
		if (history_is_strong(view->ops[i]) && !stamp_is_none(view->ops[i]->version))
			view->ops[strong++] = view->ops[i];
	view->count = strong;
	qsort(view->ops, view->count, sizeof(view->ops[0]), by_completion);
	return check_order(h, key, view, v);
}

bool check_version(const struct history *h, struct verdict *v)
{
	struct view view = {.ops = xcalloc((size_t)h->count + 1, sizeof(view.ops[0]))};
	for (uint32_t key = 0; key < h->key_count && !v->violated; key++)
		check_key(h, key, &view, v);
	free(view.ops);
	return !v->violated;
}
