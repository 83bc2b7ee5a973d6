/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/check_once.h"

#include <inttypes.h>

#include "verify/writes.h"

#define CHECK "once"

/* --- twice --- */

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Takes a content apart: the values of its writes, last first. Returns how many. */
static uint32_t pieces_of(const struct history *h, uint64_t content, uint64_t **pieces)
{
	uint32_t count = 0;
	const struct history_link *link;
	for (; (link = history_link_of(h, content)); content = link->base) {
		*pieces = xrealloc(*pieces, (count + 2) * sizeof(**pieces));
		(*pieces)[count++] = link->piece;
	}
	int64_t number;
	if (content == CONTENT_FOREIGN || content_is_number(content, &number))
		return count;
	*pieces = xrealloc(*pieces, (count + 1) * sizeof(**pieces));
	(*pieces)[count++] = content;
	return count;
}

static bool check_pieces_differ(const struct history *h, const struct history_op *get, struct verdict *v)
{
	uint64_t *pieces = NULL;
	uint32_t count = pieces_of(h, get->value, &pieces);
	bool twice = false;
	if (count > 1)
		qsort(pieces, count, sizeof(pieces[0]), by_number);
	for (uint32_t i = 1; i < count; i++)
		twice |= pieces[i] == pieces[i - 1];
	free(pieces);
	return !twice || verdict_fail(v, CHECK, get->key, "#%u read one piece twice", get->index);
}

/* First version that a strong get showed each put under. */
static bool check_one_version(const struct history *h, const struct writes *writes, struct verdict *v)
{
	const struct history_op **first = xcalloc((size_t)h->count + 1, sizeof(first[0]));
	for (uint32_t i = 0; i < h->count && !v->violated; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->kind != HISTORY_GET || !history_is_strong(op) || op->outcome != HISTORY_DONE ||
		    stamp_is_none(op->version))
			continue;
		const struct history_op *put = writes_find(writes, op->value);
		if (!put)
			continue;
		const struct history_op **seen = &first[put->index];
		if (*seen && !stamp_equal((*seen)->version, op->version))
			verdict_fail(v, CHECK, op->key, "#%u and #%u read the value of #%u under two versions",
				     (*seen)->index, op->index, put->index);
		*seen = op;
	}
	free(first);
	return !v->violated;
}

/* --- keys with one kind of write --- */

/* Whether all writes of KEY that may have happened are strong ones of KIND. */
static bool key_has_only(const struct history *h, uint32_t key, enum history_kind kind)
{
	bool any = false;
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->key != key || !history_is_write(op))
			continue;
		any |= op->kind == kind;
		if (op->outcome == HISTORY_REFUSED || op->outcome == HISTORY_FAILED)
			continue;
		if (op->kind != kind || !history_is_strong(op))
			return false;
	}
	return any;
}

/* --- sums --- */

struct sums {
	const struct history_op **done; /* acknowledged, with a sum, by sum */
	uint32_t count;
	int64_t done_sum, doubt_sum; /* of the deltas */
	int sign;
	bool unknown; /* one was done and its sum was not told */
	uint64_t last_complete;
};

static int by_result(const void *a, const void *b)
{
	const struct history_op *x = *(const struct history_op *const *)a,
				*y = *(const struct history_op *const *)b;
	/* In the direction in which the sum moves. */
	int order = (x->result > y->result) - (x->result < y->result);
	return x->delta < 0 ? -order : order;
}

/* False if the key is none to judge. */
static bool sums_fill(struct sums *s, const struct history *h, uint32_t key)
{
	*s = (struct sums){.done = s->done};
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->key != key || op->kind != HISTORY_ADD || op->outcome == HISTORY_REFUSED ||
		    op->outcome == HISTORY_FAILED)
			continue;
		int sign = (op->delta > 0) - (op->delta < 0);
		if (sign == 0 || (s->sign && s->sign != sign))
			return false;
		s->sign = sign;
		if (op->outcome == HISTORY_DONE) {
			s->done_sum += op->delta;
			s->last_complete = MAX(s->last_complete, op->complete);
			s->unknown |= !op->has_result;
			if (op->has_result)
				s->done[s->count++] = op;
		} else {
			s->doubt_sum += op->delta;
		}
	}
	if (s->sign == 0)
		s->sign = 1;
	qsort(s->done, s->count, sizeof(s->done[0]), by_result);
	return true;
}

static bool check_gaps(const struct sums *s, uint32_t key, struct verdict *v)
{
	int64_t before = 0, gaps = 0;
	for (uint32_t i = 0; i < s->count; i++) {
		const struct history_op *op = s->done[i];
		int64_t gap = (op->result - op->delta - before) * s->sign;
		if (gap < 0)
			return verdict_fail(v, CHECK, key,
					    "#%u made the sum %" PRId64 ", but before that it was %" PRId64
					    " already",
					    op->index, op->result, before);
		gaps += gap;
		before = op->result;
		if (!s->unknown && gaps > s->doubt_sum * s->sign)
			return verdict_fail(v, CHECK, key,
					    "the sum of #%u holds %" PRId64 " more than was added, even in doubt",
					    op->index, (gaps - s->doubt_sum * s->sign) * s->sign);
	}
	return true;
}

static bool check_sum_read(const struct sums *s, const struct history_op *get, struct verdict *v)
{
	int64_t number;
	if (!content_is_number(get->outcome == HISTORY_DONE ? get->value : CONTENT_NONE, &number))
		return verdict_fail(v, CHECK, get->key, "#%u read no number on a key that has additions alone",
				    get->index);
	if (number * s->sign > (s->done_sum + s->doubt_sum) * s->sign)
		return verdict_fail(v, CHECK, get->key, "#%u read %" PRId64 ", but only %" PRId64 " was ever added",
				    get->index, number, s->done_sum + s->doubt_sum);
	if (get->invoke > s->last_complete && number * s->sign < s->done_sum * s->sign)
		return verdict_fail(v, CHECK, get->key,
				    "#%u read %" PRId64 " in the end, but %" PRId64 " was acknowledged", get->index,
				    number, s->done_sum);
	return true;
}

static bool check_sums(struct sums *s, const struct history *h, uint32_t key, struct verdict *v)
{
	if (!key_has_only(h, key, HISTORY_ADD) || !sums_fill(s, h, key))
		return true;
	if (!check_gaps(s, key, v))
		return false;
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->key == key && op->kind == HISTORY_GET && history_is_strong(op) && history_is_answered(op) &&
		    !check_sum_read(s, op, v))
			return false;
	}
	return true;
}

/* --- pieces --- */

/* Judges one acknowledged append by a content read after it. SIZES are those of the pieces from the first on. */
static bool check_piece(const struct history *h, const struct writes *writes, const struct history_op *append,
			const struct history_op *get, struct verdict *v)
{
	uint64_t *pieces = NULL;
	uint32_t count = get->outcome == HISTORY_DONE ? pieces_of(h, get->value, &pieces) : 0;
	int64_t size = 0;
	bool found = false, known = true;
	for (uint32_t i = count; i > 0 && !found; i--) {
		const struct history_op *write = writes_find(writes, pieces[i - 1]);
		known &= write && write->size;
		size += write ? write->size : 0;
		found = pieces[i - 1] == append->value;
	}
	free(pieces);
	if (!found)
		return verdict_fail(v, CHECK, append->key, "#%u does not hold what #%u had appended", get->index,
				    append->index);
	if (known && append->has_result && append->result != size)
		return verdict_fail(v, CHECK, append->key,
				    "#%u was told size %" PRId64 ", but #%u shows its piece at the end of %" PRId64,
				    append->index, append->result, get->index, size);
	return true;
}

static bool check_pieces(const struct history *h, const struct writes *writes, uint32_t key, struct verdict *v)
{
	if (!key_has_only(h, key, HISTORY_APPEND))
		return true;
	const struct history_op *last = NULL;
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->key == key && op->kind == HISTORY_GET && history_is_strong(op) && history_is_answered(op))
			last = op;
	}
	for (uint32_t i = 0; last && i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->key == key && op->kind == HISTORY_APPEND && op->outcome == HISTORY_DONE &&
		    op->complete < last->invoke && !check_piece(h, writes, op, last, v))
			return false;
	}
	return true;
}

bool check_once(const struct history *h, struct verdict *v)
{
	struct writes writes;
	struct sums sums = {.done = xcalloc((size_t)h->count + 1, sizeof(sums.done[0]))};
	writes_init(&writes, h);
	for (uint32_t i = 0; i < h->count && !v->violated; i++)
		if (h->ops[i].kind == HISTORY_GET && h->ops[i].outcome == HISTORY_DONE)
			check_pieces_differ(h, &h->ops[i], v);
	check_one_version(h, &writes, v);
	for (uint32_t key = 0; key < h->key_count && !v->violated; key++)
		if (check_sums(&sums, h, key, v))
			check_pieces(h, &writes, key, v);
	free(sums.done);
	writes_release(&writes);
	return !v->violated;
}
