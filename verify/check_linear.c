/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/check_linear.h"

#include "base/hash.h"
#include "verify/model.h"

/* Operations taken before an observer that needs something no particular write leaves; more are not tried. */
#define VAGUE_MAX 3u

/* A configuration met before. `bits` has one bit for each operation, those that may never happen last. */
struct met {
	struct hmap_node link;
	struct model_state state;
	uint64_t bits[];
};

/* What an operation that is to come next needs to find. */
enum want_kind { WANT_ANY, WANT_CONTENT, WANT_NUMBER };

struct want {
	enum want_kind kind;
	uint64_t content;
	int64_t number;
};

/* An operation to be done next, once those above it in the stack are done. */
struct goal {
	uint32_t item;
	struct want want;
};

struct linear {
	const struct history *h;
	struct model model;
	/* First those that must take effect, in order of invocation, then those that may: the same. */
	const struct history_op **ops;
	uint32_t must, count;
	uint32_t *adds; /* items of additions that may happen, by delta, then invocation */
	uint32_t add_count;
	bool adds_grow;  /* none of them takes away */
	bool may_empty;  /* something that may happen leaves nothing */
	bool only_grows; /* all writes are additions that take nothing away */

	uint64_t *bits; /* items done */
	uint32_t words;
	uint32_t done;
	uint32_t first_open; /* every item that must happen before it is done */
	struct model_state state;

	struct goal *goals; /* stack; the last is to come first */
	uint32_t goal_count;
	uint32_t base; /* goals below it belong to steps that are taken */

	uint32_t deepest;
	uint32_t stuck;  /* history index of the operation whose answer bounded the deepest path */
	uint32_t *trail; /* items taken because they fit and change nothing */
	uint32_t trail_count;
	struct hmap met;
	uint32_t steps;
	bool gave_up; /* no more steps */
	bool limited; /* something was not tried */
};

static bool linear_search(struct linear *l);
static bool linear_bridge(struct linear *l, const struct history_op *horizon, uint32_t vague);

/* --- what takes part --- */

static bool op_must(const struct history_op *op)
{
	if (!history_is_strong(op) || op->kind == HISTORY_ASK)
		return false;
	return history_is_answered(op) || (op->outcome == HISTORY_FAILED && !op->fenced_off);
}

static bool op_may(const struct history_op *op)
{
	return history_is_write(op) && op->outcome != HISTORY_REFUSED && op->outcome != HISTORY_FAILED &&
	       !op_must(op);
}

static int by_delta(const void *a, const void *b, void *arg)
{
	const struct linear *l = arg;
	const struct history_op *x = l->ops[*(const uint32_t *)a], *y = l->ops[*(const uint32_t *)b];
	if (x->delta != y->delta)
		return x->delta < y->delta ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

static void linear_add_all(struct linear *l, uint32_t key, bool (*takes_part)(const struct history_op *op))
{
	for (uint32_t i = 0; i < l->h->count; i++)
		if (l->h->ops[i].key == key && takes_part(&l->h->ops[i]))
			l->ops[l->count++] = &l->h->ops[i];
}

static void linear_init(struct linear *l, const struct history *h, uint32_t key)
{
	size_t room = (size_t)h->count + 1;
	*l = (struct linear){
		.h = h,
		.ops = xcalloc(room, sizeof(l->ops[0])),
		.adds = xcalloc(room, sizeof(l->adds[0])),
		.goals = xcalloc(2 * room, sizeof(l->goals[0])),
		.trail = xcalloc(room, sizeof(l->trail[0])),
		.state = model_absent(),
		.adds_grow = true,
	};
	model_init(&l->model, h, key);
	linear_add_all(l, key, op_must);
	l->must = l->count;
	linear_add_all(l, key, op_may);
	l->only_grows = true;
	for (uint32_t i = 0; i < l->count; i++)
		if (model_is_change(l->ops[i]))
			l->only_grows &= l->ops[i]->kind == HISTORY_ADD && l->ops[i]->delta > 0;
	for (uint32_t i = 0; i < l->count; i++)
		l->may_empty |= l->ops[i]->ttl_ms || (i >= l->must && l->ops[i]->kind == HISTORY_DELETE);
	for (uint32_t i = l->must; i < l->count; i++) {
		if (l->ops[i]->kind != HISTORY_ADD)
			continue;
		l->adds[l->add_count++] = i;
		l->adds_grow &= l->ops[i]->delta >= 0;
	}
	qsort_r(l->adds, l->add_count, sizeof(l->adds[0]), by_delta, l);
	l->words = l->count / 64 + 1;
	l->bits = xcalloc(l->words, sizeof(l->bits[0]));
	l->stuck = l->must ? l->ops[0]->index : 0;
}

static void linear_release(struct linear *l)
{
	struct hmap_node *next;
	for (struct hmap_node *node = hmap_first(&l->met); node; node = next) {
		next = hmap_next(&l->met, node);
		free(container_of(node, struct met, link));
	}
	hmap_release(&l->met);
	model_release(&l->model);
	free(l->ops);
	free(l->adds);
	free(l->goals);
	free(l->trail);
	free(l->bits);
}

/* --- configurations --- */

static bool is_done(const struct linear *l, uint32_t item) { return l->bits[item / 64] >> item % 64 & 1; }

static void flip(struct linear *l, uint32_t item) { l->bits[item / 64] ^= UINT64_C(1) << item % 64; }

static bool state_equal(const struct model_state *a, const struct model_state *b)
{
	return a->content == b->content && a->writer == b->writer && a->life == b->life && a->size == b->size;
}

/* True the first time the present configuration is seen. */
static bool linear_is_new(struct linear *l)
{
	size_t size = l->words * sizeof(l->bits[0]);
	uint64_t seed = hash_u64(l->state.content ^ (uint64_t)l->state.writer << 32 ^ l->state.life);
	uint64_t hash = hash64_seeded(slice_of(l->bits, size), seed);
	for (struct hmap_node *node = hmap_first_same(&l->met, hash); node; node = hmap_next_same(node)) {
		const struct met *met = container_of(node, struct met, link);
		if (state_equal(&met->state, &l->state) && memcmp(met->bits, l->bits, size) == 0)
			return false;
	}
	struct met *met = xmalloc(sizeof(*met) + size);
	met->state = l->state;
	memcpy(met->bits, l->bits, size);
	hmap_add(&l->met, &met->link, hash);
	return true;
}

/* The first answer among operations not done: nothing invoked after it may come before it. */
static const struct history_op *linear_horizon(const struct linear *l)
{
	const struct history_op *first = NULL;
	for (uint32_t i = l->first_open; i < l->must; i++) {
		if (first && l->ops[i]->invoke > first->complete)
			break;
		if (!is_done(l, i) && (!first || l->ops[i]->complete < first->complete))
			first = l->ops[i];
	}
	return first;
}

static bool may_come(const struct linear *l, uint32_t item, const struct history_op *horizon)
{
	return !is_done(l, item) && l->ops[item]->invoke < horizon->complete;
}

/* --- time to live --- */

/* Whether the life that put OP gave can have ended when HORIZON was answered. */
static bool life_is_over(const struct linear *l, const struct history_op *op, const struct history_op *horizon)
{
	usec_t end_us = op->invoke_us + op->ttl_ms * USEC_PER_MSEC;
	usec_t from_us = end_us > l->h->skew_us ? end_us - l->h->skew_us : 0;
	return MAX(from_us, op->invoke_us) <= horizon->complete_us;
}

/* --- bridging: operations that may happen, placed where they are needed --- */

static struct want want_content(uint64_t content)
{
	return (struct want){.kind = WANT_CONTENT, .content = content};
}

static struct want want_number(int64_t number)
{
	return (struct want){.kind = WANT_NUMBER, .number = number, .content = content_number(number)};
}

/* What OP needs, as far as its answer and condition say. */
static struct want want_of(const struct linear *l, const struct history_op *op)
{
	uint64_t content;
	if (op->outcome == HISTORY_FAILED)
		return op->has_found ? want_content(op->found) : (struct want){0};
	if (op->kind == HISTORY_GET)
		return want_content(op->outcome == HISTORY_DONE ? op->value : CONTENT_NONE);
	if (op->kind == HISTORY_ADD)
		return op->has_result ? want_number(op->result - op->delta) : (struct want){0};
	if (op->kind == HISTORY_APPEND) {
		const struct model_pin *pin = model_pin_of(&l->model, op->value);
		bool alone = op->has_result && op->size != 0 && op->result == op->size;
		if (pin || alone)
			return want_content(pin ? pin->base : CONTENT_NONE);
		return (struct want){0};
	}
	if (op->when.has_value)
		return want_content(op->when.value);
	if (!op->when.has_version)
		return (struct want){0};
	if (stamp_is_none(op->when.version))
		return want_content(CONTENT_NONE);
	return model_content_of(&l->model, op->when.version, &content) ? want_content(content) : (struct want){0};
}

/* Tries the goals with ITEM before them. */
static bool bridge_with(struct linear *l, uint32_t item, struct want want, const struct history_op *horizon,
			uint32_t vague)
{
	for (uint32_t i = l->base; i < l->goal_count; i++)
		if (l->goals[i].item == item)
			return false;
	l->goals[l->goal_count++] = (struct goal){.item = item, .want = want};
	bool found = linear_bridge(l, horizon, vague);
	l->goal_count--;
	return found;
}

/* Tries the goals from a key that was emptied without an operation: ITEM, if not MODEL_NOBODY, was used up by it. */
static bool bridge_from_empty(struct linear *l, uint32_t item, const struct history_op *horizon, uint32_t vague)
{
	struct model_state before = l->state;
	l->state = model_absent();
	if (item != MODEL_NOBODY)
		flip(l, item);
	bool found = linear_bridge(l, horizon, vague);
	if (item != MODEL_NOBODY)
		flip(l, item);
	l->state = before;
	return found;
}

static bool value_was_read(const struct linear *l, const struct history_op *put)
{
	uint64_t unused;
	if (!stamp_is_none(put->version) && model_content_of(&l->model, put->version, &unused) &&
	    put->outcome != HISTORY_DONE)
		return true;
	for (uint32_t i = 0; i < l->must; i++)
		if ((l->ops[i]->kind == HISTORY_GET && l->ops[i]->value == put->value) ||
		    (l->ops[i]->has_found && l->ops[i]->found == put->value))
			return true;
	return false;
}

/* Ways to an empty key: the end of a life, a delete, a put that nobody read and that ended. */
static bool bridge_to_nothing(struct linear *l, const struct history_op *horizon, uint32_t vague)
{
	if (l->state.life != MODEL_NOBODY && life_is_over(l, &l->h->ops[l->state.life], horizon) &&
	    bridge_from_empty(l, MODEL_NOBODY, horizon, vague))
		return true;
	bool plain = false; /* deletes without a condition are alike: the oldest serves best */
	for (uint32_t i = l->must; i < l->count; i++) {
		const struct history_op *op = l->ops[i];
		if (op->kind != HISTORY_DELETE || !may_come(l, i, horizon))
			continue;
		if (!history_is_conditional(op) && plain)
			continue;
		plain |= !history_is_conditional(op);
		if (bridge_with(l, i, want_of(l, op), horizon, vague))
			return true;
	}
	for (uint32_t i = l->must; !plain && i < l->count; i++) {
		const struct history_op *op = l->ops[i];
		if (op->kind == HISTORY_PUT && op->ttl_ms && may_come(l, i, horizon) &&
		    life_is_over(l, op, horizon) && !value_was_read(l, op) &&
		    bridge_from_empty(l, i, horizon, vague))
			return true;
	}
	return false;
}

/* Place of the topmost goal among the additions, one behind it; 0 if it is none. */
static uint32_t adds_from(const struct linear *l)
{
	if (l->goal_count - l->base < 2 || l->goals[l->goal_count - 1].item < l->must)
		return 0;
	uint32_t top = l->goals[l->goal_count - 1].item;
	for (uint32_t i = 0; i < l->add_count; i++)
		if (l->adds[i] == top)
			return i + 1;
	return 0;
}

/* Ways to a number: additions, in one order only, since all orders lead to the same; of equal ones the oldest. */
static bool bridge_to_number(struct linear *l, int64_t number, const struct history_op *horizon, uint32_t vague)
{
	int64_t lowest = 0, tried = 0;
	if (number == 0 && l->state.content != CONTENT_NONE && bridge_to_nothing(l, horizon, vague))
		return true;
	bool is_number = content_is_number(l->state.content, &lowest);
	if (!is_number && !l->may_empty)
		return false;
	if (l->may_empty)
		lowest = is_number ? MIN(lowest, 0) : 0;
	for (uint32_t i = adds_from(l); i < l->add_count; i++) {
		const struct history_op *op = l->ops[l->adds[i]];
		if (op->delta == 0 || op->delta == tried || !may_come(l, l->adds[i], horizon))
			continue;
		if (l->adds_grow && number - op->delta < lowest)
			break;
		tried = op->delta;
		if (bridge_with(l, l->adds[i], want_number(number - op->delta), horizon, vague))
			return true;
	}
	return false;
}

/* Ways to a content that one put left, or one append the last part of. */
static bool bridge_to_content(struct linear *l, uint64_t content, const struct history_op *horizon, uint32_t vague)
{
	const struct history_link *link = history_link_of(l->h, content);
	int64_t number;
	for (uint32_t i = l->must; i < l->count; i++) {
		const struct history_op *op = l->ops[i];
		if (!may_come(l, i, horizon))
			continue;
		if (op->kind == HISTORY_PUT && op->value == content &&
		    bridge_with(l, i, want_of(l, op), horizon, vague))
			return true;
		bool whole = op->kind == HISTORY_APPEND && op->value == content;
		bool part = op->kind == HISTORY_APPEND && link && op->value == link->piece;
		if ((whole || part) &&
		    bridge_with(l, i, want_content(part ? link->base : CONTENT_NONE), horizon, vague))
			return true;
	}
	return content != CONTENT_FOREIGN && content_is_number(content, &number) &&
	       bridge_to_number(l, number, horizon, vague);
}

/* The topmost goal needs something else than what is there, nobody knows what: any one operation may bring it. */
static bool bridge_to_anything(struct linear *l, const struct history_op *horizon, uint32_t vague)
{
	if (vague == VAGUE_MAX) {
		l->limited = true;
		return false;
	}
	if (l->state.life != MODEL_NOBODY && life_is_over(l, &l->h->ops[l->state.life], horizon) &&
	    bridge_from_empty(l, MODEL_NOBODY, horizon, vague + 1))
		return true;
	for (uint32_t i = l->must; i < l->count; i++)
		if (may_come(l, i, horizon) && bridge_with(l, i, want_of(l, l->ops[i]), horizon, vague + 1))
			return true;
	return false;
}

/* Does all goals from the topmost down, if each fits what those above it leave, then goes on with the search. */
static bool goals_take(struct linear *l)
{
	struct model_state before = l->state;
	uint32_t base = l->base, first_open = l->first_open, top = l->goal_count, taken = top;
	bool found = false;
	while (taken > base && model_holds(&l->model, l->ops[l->goals[taken - 1].item], &l->state)) {
		uint32_t item = l->goals[--taken].item;
		l->state = model_apply(l->ops[item], l->state);
		flip(l, item);
	}
	if (taken == base && linear_is_new(l)) {
		while (l->first_open < l->must && is_done(l, l->first_open))
			l->first_open++;
		l->done++;
		l->base = l->goal_count;
		found = linear_search(l);
		l->base = base;
		l->done--;
	}
	for (uint32_t i = taken; i < top; i++)
		flip(l, l->goals[i].item);
	l->first_open = first_open;
	l->state = before;
	return found;
}

/* An operation whose effect depends on what it finds may need another one before it. */
static bool builds_on(const struct history_op *op) { return op->kind == HISTORY_ADD || op->kind == HISTORY_APPEND; }

/* Looks for operations that, placed before the topmost goal, make it fit. */
static bool linear_bridge(struct linear *l, const struct history_op *horizon, uint32_t vague)
{
	const struct goal *top = &l->goals[l->goal_count - 1];
	const struct want want = top->want;
	if (++l->steps > CHECK_LINEAR_STATES_MAX)
		l->gave_up = true;
	if (l->gave_up)
		return false;
	bool fits = model_holds(&l->model, l->ops[top->item], &l->state);
	int64_t number;
	if (want.kind == WANT_CONTENT)
		fits &= l->state.content == want.content;
	else if (want.kind == WANT_NUMBER)
		fits &= content_is_number(l->state.content, &number) && number == want.number;
	if (fits) {
		if (goals_take(l))
			return true;
		if (want.kind != WANT_ANY || !builds_on(l->ops[top->item]))
			return false;
	}
	if (want.kind == WANT_ANY)
		return bridge_to_anything(l, horizon, vague);
	if (want.kind == WANT_NUMBER)
		return bridge_to_number(l, want.number, horizon, vague);
	if (want.content == CONTENT_NONE)
		return bridge_to_nothing(l, horizon, vague);
	return bridge_to_content(l, want.content, horizon, vague);
}

/* --- the search --- */

static bool linear_take(struct linear *l, uint32_t item, const struct history_op *horizon)
{
	return bridge_with(l, item, want_of(l, l->ops[item]), horizon, /* vague: */ 0);
}

/* Takes what fits and changes nothing: whatever can follow now can follow after it. */
static bool linear_observe(struct linear *l)
{
	const struct history_op *horizon = linear_horizon(l);
	for (uint32_t i = l->first_open; horizon && i < l->must && l->ops[i]->invoke < horizon->complete; i++) {
		if (is_done(l, i) || model_is_change(l->ops[i]) || !model_holds(&l->model, l->ops[i], &l->state))
			continue;
		flip(l, i);
		l->done++;
		l->trail[l->trail_count++] = i;
		while (l->first_open < l->must && is_done(l, l->first_open))
			l->first_open++;
		return true;
	}
	return false;
}

/* The sum that an operation shows before it does anything. */
static bool sum_shown(const struct history_op *op, int64_t *ret)
{
	if (op->kind == HISTORY_ADD && op->outcome == HISTORY_DONE && op->has_result) {
		*ret = op->result - op->delta;
		return true;
	}
	if (op->kind != HISTORY_GET)
		return false;
	return content_is_number(op->outcome == HISTORY_DONE ? op->value : CONTENT_NONE, ret);
}

/* Where sums only grow, what shows the least comes first: the least sum that is still to be shown. */
static int64_t least_shown(const struct linear *l)
{
	int64_t least = INT64_MAX, sum;
	for (uint32_t i = l->first_open; i < l->must; i++)
		if (!is_done(l, i) && sum_shown(l->ops[i], &sum))
			least = MIN(least, sum);
	return least;
}

static bool comes_too_early(const struct linear *l, const struct history_op *op, int64_t least)
{
	int64_t sum;
	return l->only_grows && sum_shown(op, &sum) && sum > least;
}

static bool linear_choose(struct linear *l)
{
	const struct history_op *horizon = linear_horizon(l);
	if (!horizon)
		return true;
	if (l->done >= l->deepest) {
		l->deepest = l->done;
		l->stuck = horizon->index;
	}
	int64_t least = l->only_grows ? least_shown(l) : 0;
	for (uint32_t i = l->first_open; i < l->must && l->ops[i]->invoke < horizon->complete; i++)
		if (!is_done(l, i) && !comes_too_early(l, l->ops[i], least) && linear_take(l, i, horizon))
			return true;
	return false;
}

static bool linear_search(struct linear *l)
{
	uint32_t trail_count = l->trail_count, first_open = l->first_open;
	while (linear_observe(l))
		;
	if (linear_choose(l))
		return true;
	while (l->trail_count > trail_count) {
		flip(l, l->trail[--l->trail_count]);
		l->done--;
	}
	l->first_open = first_open;
	return false;
}

enum linear_answer check_linear_key(const struct history *h, uint32_t key, uint32_t *ret_stuck)
{
	struct linear l;
	linear_init(&l, h, key);
	enum linear_answer answer = linear_search(&l)        ? LINEAR_YES
				    : l.gave_up || l.limited ? LINEAR_UNDECIDED
							     : LINEAR_NO;
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
