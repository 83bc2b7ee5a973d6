/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/shorten.h"

#include "base/clock.h"

/* What became of each operation of the key. */
enum fate { FATE_KEPT, FATE_OPEN, FATE_GONE };

struct search {
	const struct shorten *how;
	const struct history *h;
	uint32_t key;
	uint32_t *ops; /* indexes in h of the key's operations */
	enum fate *fates;
	uint32_t *places; /* of the key's operations in the history that is tried; UINT32_MAX: none */
	uint32_t count;
	uint64_t cut;   /* order number; what is later did not happen */
	uint32_t first; /* the first strong operation: see is_claimed_without */
};

/* --- trying --- */

static void op_open(struct history_op *op)
{
	op->outcome = HISTORY_PENDING;
	op->status = KV_OK;
	op->version = op->token = (struct stamp){0, 0};
	op->has_found = op->found_ends = op->fenced_off = op->has_result = false;
	op->found = 0;
	op->result = 0;
	op->complete = HISTORY_NEVER;
	op->complete_us = USEC_NEVER;
}

static bool takes_part(const struct search *s, uint32_t i)
{
	const struct history_op *op = &s->h->ops[s->ops[i]];
	if (op->invoke > s->cut || s->fates[i] == FATE_GONE)
		return false;
	/* A question without an answer says nothing. */
	return history_is_write(op) || op->complete <= s->cut;
}

/* Where the operation that is at INDEX in h stands in the history that is tried. */
static uint32_t place_of(const struct search *s, uint32_t index)
{
	uint32_t low = 0, high = s->count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (s->ops[middle] < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->count && s->ops[low] == index ? s->places[low] : UINT32_MAX;
}

static void build(struct search *s, struct history *ret)
{
	*ret = *s->h;
	ret->ops = xcalloc((size_t)s->count + 1, sizeof(ret->ops[0]));
	ret->count = 0;
	ret->capacity = s->count + 1;
	for (uint32_t i = 0; i < s->count; i++) {
		s->places[i] = UINT32_MAX;
		if (!takes_part(s, i))
			continue;
		struct history_op *op = &ret->ops[ret->count];
		*op = s->h->ops[s->ops[i]];
		op->index = s->places[i] = ret->count++;
		if (s->fates[i] == FATE_OPEN || op->complete > s->cut)
			op_open(op);
	}
	for (uint32_t i = 0; i < ret->count; i++)
		if (ret->ops[i].kind == HISTORY_ASK)
			ret->ops[i].about = place_of(s, ret->ops[i].about);
}

void shorten_release(struct history *shortened)
{
	free(shortened->ops);
	*shortened = (struct history){0};
}

/**
 * Some checkers claim more of a key that no strong operation has touched. If the first strong one was left out, what they say
 * does not count.
 */
static bool is_claimed_without(const struct search *s, const struct verdict *v)
{
	static const char *const checks[] = {"session", "bounded", "gone"};
	bool claimed = false;
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		claimed |= strcmp(v->check, checks[i]) == 0;
	return claimed && s->first < s->count && !takes_part(s, s->first);
}

static bool still_fails(struct search *s)
{
	struct history h;
	struct verdict v = {0};
	build(s, &h);
	bool good = s->how->judge(&h, &v, s->how->arg);
	shorten_release(&h);
	return !good && !is_claimed_without(s, &v);
}

static bool is_over(const struct search *s) { return clock_mono_us() >= s->how->until_us; }

/* --- steps --- */

/** The earliest moment at which the violation is there. It stays once it is there, so halving finds it. */
static void cut(struct search *s)
{
	uint64_t low = 0, high = 0;
	for (uint32_t i = 0; i < s->count; i++) {
		const struct history_op *op = &s->h->ops[s->ops[i]];
		high = MAX(high, op->complete == HISTORY_NEVER ? op->invoke : op->complete);
	}
	while (low < high && !is_over(s)) {
		s->cut = low + (high - low) / 2;
		if (still_fails(s))
			high = s->cut;
		else
			low = s->cut + 1;
	}
	s->cut = high;
}

/* Drops or opens what is kept of [from, to). Returns how many that are. */
static uint32_t take_away(struct search *s, uint32_t from, uint32_t to)
{
	uint32_t count = 0;
	for (uint32_t i = from; i < to; i++) {
		if (s->fates[i] != FATE_KEPT || !takes_part(s, i))
			continue;
		s->fates[i] = history_is_write(&s->h->ops[s->ops[i]]) ? FATE_OPEN : FATE_GONE;
		count++;
	}
	return count;
}

/* Latest first: what explains a violation is mostly near it, and what is there before explains the rest. */
static void thin(struct search *s, uint32_t size)
{
	size_t bytes = s->count * sizeof(s->fates[0]);
	CLEANUP(free_ptr) enum fate *before = xmalloc(bytes + 1);
	for (uint32_t to = s->count; to > 0 && !is_over(s);) {
		uint32_t from = to > size ? to - size : 0;
		memcpy(before, s->fates, bytes);
		if (take_away(s, from, to) > 0 && !still_fails(s))
			memcpy(s->fates, before, bytes);
		to = from;
	}
}

static uint32_t count_kept(const struct search *s)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < s->count; i++)
		kept += s->fates[i] == FATE_KEPT && takes_part(s, i);
	return kept;
}

static void search_init(struct search *s, const struct shorten *how, const struct history *h, uint32_t key)
{
	*s = (struct search){.how = how, .h = h, .key = key, .cut = HISTORY_NEVER - 1, .first = UINT32_MAX};
	s->ops = xcalloc((size_t)h->count + 1, sizeof(s->ops[0]));
	s->fates = xcalloc((size_t)h->count + 1, sizeof(s->fates[0]));
	s->places = xcalloc((size_t)h->count + 1, sizeof(s->places[0]));
	for (uint32_t i = 0; i < h->count; i++) {
		if (h->ops[i].key != key)
			continue;
		if (s->first == UINT32_MAX && history_is_strong(&h->ops[i]))
			s->first = s->count;
		s->ops[s->count++] = i;
	}
}

bool shorten(const struct shorten *how, const struct history *h, uint32_t key, struct history *ret,
	     struct verdict *v)
{
	struct search s;
	search_init(&s, how, h, key);
	bool fails = still_fails(&s);
	*ret = (struct history){0};
	if (fails) {
		if (!how->whole)
			cut(&s);
		for (uint32_t size = MAX(s.count / 2, 1u); size > 1; size /= 2)
			thin(&s, size);
		for (uint32_t kept = UINT32_MAX; count_kept(&s) < kept && !is_over(&s);) {
			kept = count_kept(&s);
			thin(&s, 1);
		}
		build(&s, ret);
		*v = (struct verdict){0};
		bool good = how->judge(ret, v, how->arg);
		KV_ASSERT(!good);
	}
	free(s.ops);
	free(s.fates);
	free(s.places);
	return fails;
}
