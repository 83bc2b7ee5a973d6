/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/check_bounded.h"

#include <inttypes.h>

/* An acknowledged write, and the newest of all that completed no later. */
struct acked {
	const struct history_op *op;
	const struct history_op *newest;
};

struct bounds {
	const struct history *h;
	uint32_t key;
	struct acked *strong, *any; /* by completion */
	uint32_t strong_count, any_count;
	uint64_t first_strong; /* invocation of the key's first strong operation */
};

static int by_completion(const void *a, const void *b)
{
	const struct acked *x = a, *y = b;
	if (x->op->complete_us != y->op->complete_us)
		return x->op->complete_us < y->op->complete_us ? -1 : 1;
	return (x->op->index > y->op->index) - (x->op->index < y->op->index);
}

static void acked_sort(struct acked *list, uint32_t count)
{
	qsort(list, count, sizeof(list[0]), by_completion);
	for (uint32_t i = 0; i < count; i++) {
		const struct history_op *before = i ? list[i - 1].newest : NULL;
		bool newer = !before || stamp_less(before->version, list[i].op->version);
		list[i].newest = newer ? list[i].op : before;
	}
}

static void bounds_fill(struct bounds *b, uint32_t key)
{
	b->key = key;
	b->strong_count = b->any_count = 0;
	b->first_strong = HISTORY_NEVER;
	for (uint32_t i = 0; i < b->h->count; i++) {
		const struct history_op *op = &b->h->ops[i];
		if (op->key != key)
			continue;
		if (history_is_strong(op))
			b->first_strong = MIN(b->first_strong, op->invoke);
		if (!history_is_write(op) || op->outcome != HISTORY_DONE || stamp_is_none(op->version))
			continue;
		bool majority = op->acks == HISTORY_ACKS_MAJORITY || op->acks == HISTORY_ACKS_ALL;
		if (history_is_strong(op))
			b->strong[b->strong_count++].op = op;
		if (history_is_strong(op) || majority)
			b->any[b->any_count++].op = op;
	}
	acked_sort(b->strong, b->strong_count);
	acked_sort(b->any, b->any_count);
}

/* Newest write of LIST that completed at or before BY_US. */
static const struct history_op *newest_by(const struct acked *list, uint32_t count, usec_t by_us)
{
	uint32_t low = 0, high = count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (list[middle].op->complete_us <= by_us)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? list[low - 1].newest : NULL;
}

static bool check_read(const struct bounds *b, const struct history_op *get, uint64_t bound_ms, const char *whose,
		       struct verdict *v)
{
	usec_t back_us = bound_ms * USEC_PER_MSEC + b->h->stale_slack_us;
	if (back_us >= get->invoke_us)
		return true;
	usec_t by_us = get->invoke_us - back_us - 1;
	bool mixed = get->complete > b->first_strong;
	const struct history_op *write =
		mixed ? newest_by(b->strong, b->strong_count, by_us) : newest_by(b->any, b->any_count, by_us);
	if (!write || !stamp_less(get->version, write->version) || history_was_forgotten(b->h, get, write->version))
		return true;
	return verdict_fail(v, "bounded", get->key,
			    "#%u, with a bound of %" PRIu64 " ms %s, does not show #%u, done %" PRIu64
			    " us before it began",
			    get->index, bound_ms, whose, write->index, get->invoke_us - write->complete_us);
}

static bool check_key(struct bounds *b, uint32_t key, struct verdict *v)
{
	bounds_fill(b, key);
	for (uint32_t i = 0; i < b->h->count; i++) {
		const struct history_op *op = &b->h->ops[i];
		if (op->key != key || op->kind != HISTORY_GET || !history_is_answered(op))
			continue;
		if (op->level == HISTORY_BOUNDED && !check_read(b, op, op->bound_ms, "asked for", v))
			return false;
		if (op->stale_ms && !check_read(b, op, op->stale_ms, "told", v))
			return false;
	}
	return true;
}

bool check_bounded(const struct history *h, struct verdict *v)
{
	if (h->stale_slack_us == USEC_NEVER)
		return true;
	size_t room = (size_t)h->count + 1;
	struct bounds b = {
		.h = h,
		.strong = xcalloc(room, sizeof(b.strong[0])),
		.any = xcalloc(room, sizeof(b.any[0])),
	};
	for (uint32_t key = 0; key < h->key_count && !v->violated; key++)
		check_key(&b, key, v);
	free(b.strong);
	free(b.any);
	return !v->violated;
}
