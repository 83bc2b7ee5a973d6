/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/check_linear.h"

#include "base/hash.h"
#include "base/hmap.h"

/* A write that may take effect or not, with a value some strong get returned. */
struct optional_put {
	uint64_t value;
	uint64_t invoke;
};

/* A put's end of life: may happen once the virtual time has come. */
struct expiry {
	uint64_t value;
	usec_t from_us;
};

/* Something that may empty the key once: a delete, or a put that nobody read and that ran out. */
struct emptier {
	uint64_t invoke;
	usec_t from_us;
};

/* A configuration met before. `done` has one bit for each operation. */
struct met {
	struct hmap_node link;
	uint64_t value;
	uint32_t emptied;
	uint64_t done[];
};

/* A choice on the path from the start to the present configuration, with what is needed to take it back. */
struct choice {
	uint32_t op;
	bool forced; /* the other choices cannot do better */
	uint64_t value_before;
	uint32_t emptied_before;
};

struct linear {
	const struct history_op **ops; /* that must take effect, in order of invocation */
	uint32_t count;
	struct optional_put *puts;
	uint32_t put_count;
	struct emptier *emptiers; /* in order of from_us */
	uint32_t emptier_count;
	struct expiry *expiries;
	uint32_t expiry_count;

	uint64_t *done;
	uint32_t words;
	uint32_t first_open; /* every operation before it is done */
	uint64_t value;
	uint32_t emptied;

	struct choice *path;
	uint32_t depth, deepest;
	uint32_t stuck; /* history index of the operation whose answer bounded the deepest path */
	struct hmap met;
	uint32_t states;
};

static bool op_must(const struct history_op *op)
{
	return history_is_strong(op) && (op->outcome == HISTORY_DONE || op->outcome == HISTORY_ABSENT);
}

static bool op_may(const struct history_op *op)
{
	if (op->kind == HISTORY_GET || op->outcome == HISTORY_REFUSED)
		return false;
	return !op_must(op);
}

static bool value_was_read(const struct history *h, uint32_t key, uint64_t value)
{
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->key == key && op->kind == HISTORY_GET && history_is_strong(op) &&
		    op->outcome == HISTORY_DONE && op->value == value)
			return true;
	}
	return false;
}

static usec_t expiry_from_us(const struct history *h, const struct history_op *op)
{
	usec_t end_us = op->invoke_us + op->ttl_ms * USEC_PER_MSEC;
	usec_t from_us = end_us > h->skew_us ? end_us - h->skew_us : 0;
	return MAX(from_us, op->invoke_us);
}

/* Inserts in order; an equal time goes behind, so that deletes stay in order of invocation. */
static void linear_add_emptier(struct linear *l, struct emptier e)
{
	uint32_t at = l->emptier_count++;
	for (; at > 0 && l->emptiers[at - 1].from_us > e.from_us; at--)
		l->emptiers[at] = l->emptiers[at - 1];
	l->emptiers[at] = e;
}

static void linear_add_optional(struct linear *l, const struct history *h, const struct history_op *op)
{
	if (op->kind == HISTORY_DELETE)
		linear_add_emptier(l, (struct emptier){.invoke = op->invoke, .from_us = op->invoke_us});
	else if (value_was_read(h, op->key, op->value))
		l->puts[l->put_count++] = (struct optional_put){.value = op->value, .invoke = op->invoke};
	else if (op->ttl_ms)
		linear_add_emptier(l, (struct emptier){.invoke = op->invoke, .from_us = expiry_from_us(h, op)});
}

static void linear_add(struct linear *l, const struct history *h, const struct history_op *op)
{
	if (op_must(op))
		l->ops[l->count++] = op;
	else if (op_may(op))
		linear_add_optional(l, h, op);
	if (op->kind == HISTORY_PUT && op->ttl_ms && op->outcome != HISTORY_REFUSED)
		l->expiries[l->expiry_count++] =
			(struct expiry){.value = op->value, .from_us = expiry_from_us(h, op)};
}

static void linear_init(struct linear *l, const struct history *h, uint32_t key)
{
	size_t room = (size_t)h->count + 1;
	*l = (struct linear){
		.ops = xcalloc(room, sizeof(l->ops[0])),
		.puts = xcalloc(room, sizeof(l->puts[0])),
		.emptiers = xcalloc(room, sizeof(l->emptiers[0])),
		.expiries = xcalloc(room, sizeof(l->expiries[0])),
		.path = xcalloc(room, sizeof(l->path[0])),
	};
	for (uint32_t i = 0; i < h->count; i++)
		if (h->ops[i].key == key)
			linear_add(l, h, &h->ops[i]);
	l->words = l->count / 64 + 1;
	l->done = xcalloc(l->words, sizeof(l->done[0]));
	l->stuck = l->count ? l->ops[0]->index : 0;
}

static void linear_release(struct linear *l)
{
	struct hmap_node *next;
	for (struct hmap_node *node = hmap_first(&l->met); node; node = next) {
		next = hmap_next(&l->met, node);
		free(container_of(node, struct met, link));
	}
	hmap_release(&l->met);
	free(l->ops);
	free(l->puts);
	free(l->emptiers);
	free(l->expiries);
	free(l->path);
	free(l->done);
}

static bool is_done(const struct linear *l, uint32_t op) { return l->done[op / 64] >> op % 64 & 1; }

static void mark(struct linear *l, uint32_t op, bool done)
{
	if (done)
		l->done[op / 64] |= UINT64_C(1) << op % 64;
	else
		l->done[op / 64] &= ~(UINT64_C(1) << op % 64);
}

/* The first answer among operations not done: nothing invoked after it may come before it. */
static const struct history_op *linear_horizon(const struct linear *l)
{
	const struct history_op *first = NULL;
	for (uint32_t i = l->first_open; i < l->count; i++) {
		if (first && l->ops[i]->invoke > first->complete)
			break;
		if (!is_done(l, i) && (!first || l->ops[i]->complete < first->complete))
			first = l->ops[i];
	}
	return first;
}

static bool optional_put_fits(const struct linear *l, uint64_t value, uint64_t horizon)
{
	for (uint32_t i = 0; i < l->put_count; i++)
		if (l->puts[i].value == value)
			return l->puts[i].invoke < horizon;
	return false;
}

static bool expiry_fits(const struct linear *l, usec_t horizon_us)
{
	for (uint32_t i = 0; i < l->expiry_count; i++)
		if (l->expiries[i].value == l->value)
			return l->expiries[i].from_us <= horizon_us;
	return false;
}

static bool emptier_fits(const struct emptier *e, const struct history_op *horizon)
{
	return e->invoke < horizon->complete && e->from_us <= horizon->complete_us;
}

/* Was this value read by an operation already done? Then its optional write is used up. */
static bool value_is_used(const struct linear *l, uint64_t value)
{
	for (uint32_t i = 0; i < l->count; i++) {
		if (is_done(l, i) && l->ops[i]->kind == HISTORY_GET && l->ops[i]->value == value)
			return true;
	}
	return false;
}

/* Can the operation take effect next? Moves the register if so. */
static bool linear_apply(struct linear *l, const struct history_op *op, const struct history_op *horizon)
{
	if (op->kind != HISTORY_GET) {
		l->value = op->value;
		return true;
	}
	if (l->value == op->value)
		return true;
	if (op->value != 0) {
		if (!optional_put_fits(l, op->value, horizon->complete) || value_is_used(l, op->value))
			return false;
		l->value = op->value;
		return true;
	}
	if (expiry_fits(l, horizon->complete_us)) {
		l->value = 0;
		return true;
	}
	if (l->emptied == l->emptier_count || !emptier_fits(&l->emptiers[l->emptied], horizon))
		return false;
	l->emptied++;
	l->value = 0;
	return true;
}

/* True the first time the present configuration is seen. */
static bool linear_is_new(struct linear *l)
{
	size_t size = l->words * sizeof(l->done[0]);
	uint64_t hash = hash64_seeded(slice_of(l->done, size), hash_u64(l->value + l->emptied));
	for (struct hmap_node *node = hmap_first_same(&l->met, hash); node; node = hmap_next_same(node)) {
		const struct met *met = container_of(node, struct met, link);
		if (met->value == l->value && met->emptied == l->emptied && memcmp(met->done, l->done, size) == 0)
			return false;
	}
	struct met *met = xmalloc(sizeof(*met) + size);
	met->value = l->value;
	met->emptied = l->emptied;
	memcpy(met->done, l->done, size);
	hmap_add(&l->met, &met->link, hash);
	l->states++;
	return true;
}

static void linear_undo(struct linear *l)
{
	const struct choice *last = &l->path[--l->depth];
	mark(l, last->op, false);
	l->first_open = MIN(l->first_open, last->op);
	l->value = last->value_before;
	l->emptied = last->emptied_before;
}

/* Takes operation I if it can come next and leads somewhere new. */
static bool linear_take(struct linear *l, uint32_t i, const struct history_op *horizon, bool forced)
{
	struct choice choice = {.op = i, .forced = forced, .value_before = l->value, .emptied_before = l->emptied};
	if (!linear_apply(l, l->ops[i], horizon))
		return false;
	mark(l, i, true);
	l->path[l->depth++] = choice;
	if (!linear_is_new(l)) {
		linear_undo(l);
		return false;
	}
	while (l->first_open < l->count && is_done(l, l->first_open))
		l->first_open++;
	return true;
}

/* Takes the next possible operation at or after FROM. Returns false if there is none. */
static bool linear_advance(struct linear *l, uint32_t from)
{
	const struct history_op *horizon = linear_horizon(l);
	if (l->depth >= l->deepest) {
		l->deepest = l->depth;
		l->stuck = horizon->index;
	}
	/* A get of the present value changes nothing: whatever can follow now can follow after it. */
	for (uint32_t i = l->first_open; from == 0 && i < l->count && l->ops[i]->invoke < horizon->complete; i++)
		if (!is_done(l, i) && l->ops[i]->kind == HISTORY_GET && l->ops[i]->value == l->value)
			return linear_take(l, i, horizon, /* forced: */ true);
	for (uint32_t i = MAX(from, l->first_open); i < l->count && l->ops[i]->invoke < horizon->complete; i++)
		if (!is_done(l, i) && linear_take(l, i, horizon, /* forced: */ false))
			return true;
	return false;
}

static enum linear_answer linear_search(struct linear *l)
{
	uint32_t from = 0;
	while (l->depth < l->count) {
		if (l->states > CHECK_LINEAR_STATES_MAX)
			return LINEAR_UNDECIDED;
		if (linear_advance(l, from)) {
			from = 0;
			continue;
		}
		if (l->depth == 0)
			return LINEAR_NO;
		const struct choice *last = &l->path[l->depth - 1];
		from = last->forced ? l->count : last->op + 1;
		linear_undo(l);
	}
	return LINEAR_YES;
}

enum linear_answer check_linear_key(const struct history *h, uint32_t key, uint32_t *ret_stuck)
{
	struct linear l;
	linear_init(&l, h, key);
	enum linear_answer answer = linear_search(&l);
	if (answer == LINEAR_NO && ret_stuck)
		*ret_stuck = l.stuck;
	linear_release(&l);
	return answer;
}

bool check_linear(const struct history *h, struct verdict *v, uint32_t *ret_undecided)
{
	uint32_t undecided = 0;
	for (uint32_t key = 0; key < h->key_count; key++) {
		uint32_t stuck = 0;
		enum linear_answer answer = check_linear_key(h, key, &stuck);
		if (answer == LINEAR_NO)
			verdict_fail(v, "linear", key,
				     "no order of the operations explains the answers; stuck at #%u", stuck);
		undecided += answer == LINEAR_UNDECIDED;
	}
	*ret_undecided = undecided;
	return !v->violated;
}
