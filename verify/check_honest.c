/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/check_honest.h"

#include "verify/writes.h"

#define CHECK "honest"

/* --- outcomes --- */

static bool said_not_applied(const struct history_op *op)
{
	return op->outcome == HISTORY_REFUSED || op->outcome == HISTORY_FAILED;
}

static bool check_told(const struct history_op *ask, const struct history_op *op, struct verdict *v)
{
	if (ask->told == HISTORY_TOLD_COMMITTED && said_not_applied(op))
		return verdict_fail(v, CHECK, op->key, "#%u was told that #%u is committed, which was %s",
				    ask->index, op->index, op->outcome == HISTORY_FAILED ? "failed" : "refused");
	if (ask->told == HISTORY_TOLD_NEVER && op->outcome == HISTORY_DONE)
		return verdict_fail(v, CHECK, op->key, "#%u was told that #%u is never applied, which was done",
				    ask->index, op->index);
	if (ask->told != HISTORY_TOLD_COMMITTED || op->outcome != HISTORY_DONE)
		return true;
	if (!stamp_is_none(ask->version) && !stamp_is_none(op->version) && !stamp_equal(ask->version, op->version))
		return verdict_fail(v, CHECK, op->key,
				    "#%u was told another version of #%u than the one it was done under",
				    ask->index, op->index);
	if (ask->has_result && op->has_result && ask->result != op->result)
		return verdict_fail(v, CHECK, op->key, "#%u was told another result of #%u than its own answer",
				    ask->index, op->index);
	return true;
}

/* What was told first about each operation, one answer for all. */
static bool check_outcomes(const struct history *h, struct verdict *v)
{
	const struct history_op **first = xcalloc((size_t)h->count + 1, sizeof(first[0]));
	for (uint32_t i = 0; i < h->count && !v->violated; i++) {
		const struct history_op *ask = &h->ops[i];
		if (ask->kind != HISTORY_ASK || ask->outcome != HISTORY_DONE || ask->about >= h->count)
			continue;
		check_told(ask, &h->ops[ask->about], v);
		if (ask->told != HISTORY_TOLD_COMMITTED && ask->told != HISTORY_TOLD_NEVER)
			continue;
		if (first[ask->about] && first[ask->about]->told != ask->told)
			verdict_fail(v, CHECK, ask->key, "#%u and #%u were told different outcomes of #%u",
				     first[ask->about]->index, ask->index, ask->about);
		first[ask->about] = ask;
	}
	free(first);
	return !v->violated;
}

/* Marks what an outcome says never happens, in a copy of what the operations themselves were told. */
static bool *never_marks(const struct history *h)
{
	bool *never = xcalloc((size_t)h->count + 1, sizeof(never[0]));
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		never[i] |= history_is_write(op) && said_not_applied(op);
		if (op->kind == HISTORY_ASK && op->outcome == HISTORY_DONE && op->told == HISTORY_TOLD_NEVER &&
		    op->about < h->count)
			never[op->about] = true;
	}
	return never;
}

/* --- what was seen --- */

struct seen {
	const struct history *h;
	struct writes writes;
	bool *never;
};

static void seen_init(struct seen *s, const struct history *h)
{
	s->h = h;
	writes_init(&s->writes, h);
	s->never = never_marks(h);
}

static void seen_release(struct seen *s)
{
	writes_release(&s->writes);
	free(s->never);
}

/* Where something was seen. */
struct place {
	uint32_t key;
	bool strong;
	uint64_t by; /* not later than that */
};

/* What is wrong with a value seen as part of what the key held; NULL if nothing. */
static const char *part_problem(const struct seen *s, const struct place *at, uint64_t part)
{
	const struct history_op *write = writes_find(&s->writes, part);
	if (!write || write->key != at->key)
		return "a value that nobody wrote";
	if (s->never[write->index] && (at->strong || !history_is_strong(write)))
		return "a value whose write was said not to be applied";
	return at->by < write->invoke ? "a value that was not yet written" : NULL;
}

static const char *content_problem(const struct seen *s, const struct place *at, uint64_t content)
{
	int64_t number;
	const struct history_link *link;
	const char *problem = NULL;
	if (content == CONTENT_FOREIGN)
		return "bytes that no operation leaves";
	for (; !problem && (link = history_link_of(s->h, content)); content = link->base)
		problem = part_problem(s, at, link->piece);
	if (problem || content_is_number(content, &number))
		return problem;
	return part_problem(s, at, content);
}

static void check_seen(const struct seen *s, const struct history_op *op, uint64_t content, struct verdict *v)
{
	const struct place at = {.key = op->key, .strong = history_is_strong(op), .by = op->complete};
	const char *problem = content_problem(s, &at, content);
	if (problem)
		verdict_fail(v, CHECK, op->key, "#%u saw %s", op->index, problem);
}

bool check_honest(const struct history *h, struct verdict *v)
{
	struct seen s;
	if (!check_outcomes(h, v))
		return false;
	seen_init(&s, h);
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->kind == HISTORY_GET && op->outcome == HISTORY_DONE)
			check_seen(&s, op, op->value, v);
		else if (op->outcome == HISTORY_FAILED && op->has_found)
			check_seen(&s, op, op->found, v);
	}
	seen_release(&s);
	return !v->violated;
}

bool check_honest_replicas(const struct history *h, const struct replicas *r, struct verdict *v)
{
	struct seen s;
	seen_init(&s, h);
	for (uint32_t i = 0; i < r->count; i++) {
		const struct replica_copy *copy = &r->copies[i];
		const struct place at = {.key = copy->key, .strong = true, .by = HISTORY_NEVER};
		const char *problem = content_problem(&s, &at, copy->value);
		if (problem)
			verdict_fail(v, CHECK, copy->key, "node %u holds %s", copy->node, problem);
	}
	seen_release(&s);
	return !v->violated;
}
