/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/check_fence.h"

#include <inttypes.h>

#define CHECK "fence"

struct fences {
	const struct history_op **ops; /* carried out with a fence */
	uint32_t count;
};

static int by_version(const void *a, const void *b)
{
	const struct history_op *x = *(const struct history_op *const *)a,
				*y = *(const struct history_op *const *)b;
	int order = stamp_compare(x->version, y->version);
	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int by_complete(const void *a, const void *b)
{
	const struct history_op *x = *(const struct history_op *const *)a,
				*y = *(const struct history_op *const *)b;
	return (x->complete > y->complete) - (x->complete < y->complete);
}

static bool fail_order(const struct history_op *low, const struct history_op *high, struct verdict *v)
{
	return verdict_fail(v, CHECK, low->key,
			    "#%u was carried out with fence %" PRIu64 " after #%u with %" PRIu64, low->index,
			    low->fence, high->index, high->fence);
}

static bool check_versions(struct fences *f, struct verdict *v)
{
	qsort(f->ops, f->count, sizeof(f->ops[0]), by_version);
	for (uint32_t i = 1; i < f->count; i++)
		if (!stamp_is_none(f->ops[i - 1]->version) && f->ops[i]->fence < f->ops[i - 1]->fence)
			return fail_order(f->ops[i], f->ops[i - 1], v);
	return true;
}

static bool check_times(struct fences *f, const struct history *h, uint32_t key, struct verdict *v)
{
	const struct history_op *highest = NULL;
	uint32_t next = 0;
	qsort(f->ops, f->count, sizeof(f->ops[0]), by_complete);
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->key != key || !op->fence || op->outcome != HISTORY_DONE)
			continue;
		for (; next < f->count && f->ops[next]->complete < op->invoke; next++)
			if (!highest || f->ops[next]->fence > highest->fence)
				highest = f->ops[next];
		if (highest && op->fence < highest->fence)
			return fail_order(op, highest, v);
	}
	return true;
}

/* A refusal needs a reason: a higher fence that was sent. It counts even if its write came to nothing: a replica has seen it. */
static bool check_reasons(const struct history *h, uint32_t key, struct verdict *v)
{
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->key != key || !op->fenced_off)
			continue;
		bool reason = false;
		for (uint32_t n = 0; n < h->count && h->ops[n].invoke < op->complete && !reason; n++) {
			const struct history_op *other = &h->ops[n];
			reason = other->key == key && history_is_write(other) && other->fence > op->fence;
		}
		if (!reason)
			return verdict_fail(v, CHECK, key,
					    "#%u was refused for its fence, and nobody had used a higher one",
					    op->index);
	}
	return true;
}

static bool check_key(struct fences *f, const struct history *h, uint32_t key, struct verdict *v)
{
	bool eventual = false;
	f->count = 0;
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->key != key || !history_is_write(op) || op->outcome == HISTORY_REFUSED)
			continue;
		eventual |= !history_is_strong(op);
		if (op->fence && op->outcome == HISTORY_DONE)
			f->ops[f->count++] = op;
	}
	if (!check_reasons(h, key, v))
		return false;
	return eventual || (check_versions(f, v) && check_times(f, h, key, v));
}

bool check_fence(const struct history *h, struct verdict *v)
{
	struct fences f = {.ops = xcalloc((size_t)h->count + 1, sizeof(f.ops[0]))};
	for (uint32_t key = 0; key < h->key_count && !v->violated; key++)
		check_key(&f, h, key, v);
	free(f.ops);
	return !v->violated;
}
