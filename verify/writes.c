/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/writes.h"

static int by_value(const void *a, const void *b)
{
	const struct history_op *x = *(const struct history_op *const *)a,
				*y = *(const struct history_op *const *)b;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

void writes_init(struct writes *w, const struct history *h)
{
	*w = (struct writes){.ops = xcalloc((size_t)h->count + 1, sizeof(w->ops[0]))};
	for (uint32_t i = 0; i < h->count; i++)
		if (h->ops[i].kind == HISTORY_PUT || h->ops[i].kind == HISTORY_APPEND)
			w->ops[w->count++] = &h->ops[i];
	qsort(w->ops, w->count, sizeof(w->ops[0]), by_value);
}

void writes_release(struct writes *w)
{
	free(w->ops);
	*w = (struct writes){0};
}

const struct history_op *writes_find(const struct writes *w, uint64_t value)
{
	uint32_t low = 0, high = w->count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (w->ops[middle]->value < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->count && w->ops[low]->value == value ? w->ops[low] : NULL;
}
