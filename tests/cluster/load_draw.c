/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/load_inside.h"

#include "base/clock.h"
#include "tests/cluster/value.h"

enum {
	STRONG_PCT = 50,
	GET_PCT = 40,
	DELETE_PCT = 15,
	SINGLE_PCT = 15,
	CONDITION_PCT = 25,
	SESSION_PCT = 30,
	BOUNDED_PCT = 20,
	ASK_PCT = 80,
	PIECE_ROOM = 8,
	BOUND_MS_MAX = 4000
};

/* What a busy key is for, so that each checker finds keys it can say most about. */
enum role { ROLE_ANY, ROLE_COUNTER, ROLE_LOG, ROLE_CAS, ROLE_FENCED, ROLES };

/** Half of the keys take everything. */
static enum role role_of(uint32_t key) { return key % 2 == 0 ? ROLE_ANY : (enum role)(1 + key / 2 % (ROLES - 1)); }

static bool percent(struct load_thread *t, unsigned pct) { return rng_below(&t->rng, 100) < pct; }

static void draw_value(struct load_thread *t, struct history_op *op, uint32_t room)
{
	op->value = ++t->load->values;
	op->size = value_size(op->value, room);
}

static void draw_put_or_delete(struct load_thread *t, struct history_op *op, unsigned delete_pct)
{
	op->kind = percent(t, delete_pct) ? HISTORY_DELETE : HISTORY_PUT;
	if (op->kind == HISTORY_PUT)
		draw_value(t, op, LOAD_VALUE_MAX - VALUE_HEAD_SIZE);
}

/** A condition on what the thread's last strong get of the key saw, or on absence and presence. */
static void draw_condition(struct load_thread *t, struct asked *a)
{
	struct history_condition *when = &a->op.when;
	if (t->saw.known && t->saw.key == a->op.key && percent(t, 75)) {
		when->has_value = t->saw.content != CONTENT_NONE && percent(t, 30);
		when->has_version = !when->has_value || percent(t, 10);
		when->version = t->saw.content == CONTENT_NONE ? (struct stamp){0, 0} : t->saw.version;
		when->value = t->saw.content;
		a->hash = t->saw.hash;
		return;
	}
	when->present = percent(t, 50);
	when->has_version = !when->present;
}

static void draw_fence(struct load_thread *t, struct history_op *op)
{
	uint64_t *highest = &t->load->fences[op->key];
	uint64_t low = *highest > 2 ? *highest - 2 : 1;
	op->fence = rng_between(&t->rng, low, *highest + 1);
	*highest = MAX(*highest, op->fence);
}

/** Weak operations may be those of a session, or reads with a bound. */
static void draw_weak(struct load_thread *t, struct history_op *op)
{
	/* Mostly of one replica: what other numbers of acknowledgements ask for is not there in every fault. */
	if (op->kind != HISTORY_GET)
		op->acks = percent(t, 80) ? HISTORY_ACKS_ONE
					  : (enum history_acks)rng_between(&t->rng, HISTORY_ACKS_MAJORITY,
									   HISTORY_ACKS_ALL);
	if (op->key >= t->load->options.busy_keys)
		return;
	if (percent(t, SESSION_PCT)) {
		op->level = HISTORY_SESSION;
		op->session = 1 + t->index;
	} else if (op->kind == HISTORY_GET && percent(t, BOUNDED_PCT)) {
		op->level = HISTORY_BOUNDED;
		op->bound_ms = rng_between(&t->rng, 1, BOUND_MS_MAX);
	}
}

static void draw_any(struct load_thread *t, struct asked *a)
{
	if (percent(t, GET_PCT))
		a->op.kind = HISTORY_GET;
	else
		draw_put_or_delete(t, &a->op, DELETE_PCT);
	if (a->op.level != HISTORY_STRONG)
		draw_weak(t, &a->op);
	else if (a->op.kind != HISTORY_GET && percent(t, CONDITION_PCT))
		draw_condition(t, a);
}

static void draw_by_role(struct load_thread *t, struct asked *a)
{
	struct history_op *op = &a->op;
	enum role role = role_of(op->key);
	if (role == ROLE_ANY) {
		draw_any(t, a);
		return;
	}
	if (percent(t, GET_PCT)) {
		op->kind = HISTORY_GET;
		if (op->level != HISTORY_STRONG)
			draw_weak(t, op);
		return;
	}
	op->level = HISTORY_STRONG;
	if (role == ROLE_COUNTER) {
		op->kind = HISTORY_ADD;
		op->delta = (int64_t)rng_between(&t->rng, 1, 5);
	} else if (role == ROLE_LOG) {
		op->kind = HISTORY_APPEND;
		draw_value(t, op, PIECE_ROOM);
	} else if (role == ROLE_CAS) {
		draw_put_or_delete(t, op, DELETE_PCT / 2);
		draw_condition(t, a);
	} else {
		draw_put_or_delete(t, op, DELETE_PCT / 2);
		draw_fence(t, op);
	}
}

/** What became of the thread's last write in doubt. */
static bool draw_ask(struct load_thread *t, struct asked *a)
{
	if (!t->doubt.known)
		return false;
	t->doubt.known = false;
	if (!percent(t, ASK_PCT))
		return false;
	a->op.kind = HISTORY_ASK;
	a->op.level = HISTORY_STRONG;
	a->op.about = t->doubt.op;
	a->op.key = t->doubt.key;
	a->about = t->doubt.id;
	return true;
}

void load_draw(struct load_thread *t, struct asked *ret)
{
	struct load *l = t->load;
	struct history_op *op = &ret->op;
	*ret = (struct asked){.op.level = percent(t, STRONG_PCT) ? HISTORY_STRONG : HISTORY_EVENTUAL};
	if (draw_ask(t, ret))
		return;
	if (percent(t, SINGLE_PCT) && l->singles < l->options.single_keys) {
		op->key = l->options.busy_keys + l->singles++;
		draw_put_or_delete(t, op, 0);
		if (op->level != HISTORY_STRONG)
			draw_weak(t, op);
		return;
	}
	op->key = (uint32_t)rng_below(&t->rng, l->options.busy_keys);
	/* Compare and set what was just seen. */
	if (t->saw.known && role_of(t->saw.key) == ROLE_CAS && percent(t, 50))
		op->key = t->saw.key;
	draw_by_role(t, ret);
}
