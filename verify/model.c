/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/model.h"

enum answer { NO, YES, UNKNOWN };

/* --- names and pins --- */

static int by_version(const void *a, const void *b)
{
	const struct model_name *x = a, *y = b;
	int order = stamp_compare(x->version, y->version);
	return order ? order : (x->content > y->content) - (x->content < y->content);
}

static int by_piece(const void *a, const void *b)
{
	const struct model_pin *x = a, *y = b;
	if (x->piece != y->piece)
		return x->piece < y->piece ? -1 : 1;
	return (x->base > y->base) - (x->base < y->base);
}

static void pins_add(struct model *m, struct model_pin pin)
{
	m->pins = xrealloc(m->pins, (m->pin_count + 1) * sizeof(m->pins[0]));
	m->pins[m->pin_count++] = pin;
}

/* Takes a content that was read apart, down to the write it began with. */
static void pins_from(struct model *m, uint64_t content)
{
	const struct history_link *link;
	while ((link = history_link_of(m->h, content))) {
		pins_add(m, (struct model_pin){link->piece, link->base, content});
		content = link->base;
	}
	int64_t number;
	if (content != CONTENT_FOREIGN && !content_is_number(content, &number))
		pins_add(m, (struct model_pin){content, CONTENT_NONE, content});
}

static void names_add(struct model *m, struct stamp version, uint64_t content)
{
	if (!stamp_is_none(version))
		m->names[m->name_count++] = (struct model_name){version, content};
}

static void names_from(struct model *m, const struct history_op *op)
{
	if (op->outcome == HISTORY_FAILED && op->has_found)
		names_add(m, op->version, op->found);
	if (op->outcome != HISTORY_DONE)
		return;
	const struct model_pin *pin = op->kind == HISTORY_APPEND ? model_pin_of(m, op->value) : NULL;
	if (op->kind == HISTORY_GET || op->kind == HISTORY_PUT)
		names_add(m, op->version, op->value);
	else if (op->kind == HISTORY_ADD && op->has_result)
		names_add(m, op->version, content_number(op->result));
	else if (pin)
		names_add(m, op->version, pin->content);
}

static bool key_has_appends(const struct history *h, uint32_t key)
{
	for (uint32_t i = 0; i < h->count; i++)
		if (h->ops[i].key == key && h->ops[i].kind == HISTORY_APPEND)
			return true;
	return false;
}

void model_init(struct model *m, const struct history *h, uint32_t key)
{
	*m = (struct model){.h = h, .names = xcalloc((size_t)h->count + 1, sizeof(m->names[0]))};
	bool appends = key_has_appends(h, key);
	for (uint32_t i = 0; appends && i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->key != key || !history_is_strong(op))
			continue;
		if (op->kind == HISTORY_GET && op->outcome == HISTORY_DONE)
			pins_from(m, op->value);
		if (op->outcome == HISTORY_FAILED && op->has_found)
			pins_from(m, op->found);
		if (op->when.has_value && op->outcome == HISTORY_DONE)
			pins_from(m, op->when.value);
	}
	if (m->pin_count)
		qsort(m->pins, m->pin_count, sizeof(m->pins[0]), by_piece);
	for (uint32_t i = 0; i < h->count; i++)
		if (h->ops[i].key == key)
			names_from(m, &h->ops[i]);
	qsort(m->names, m->name_count, sizeof(m->names[0]), by_version);
}

void model_release(struct model *m)
{
	free(m->names);
	free(m->pins);
}

bool model_content_of(const struct model *m, struct stamp version, uint64_t *ret)
{
	uint32_t low = 0, high = m->name_count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (stamp_less(m->names[middle].version, version))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == m->name_count || !stamp_equal(m->names[low].version, version))
		return false;
	*ret = m->names[low].content;
	return true;
}

const struct model_pin *model_pin_of(const struct model *m, uint64_t piece)
{
	uint32_t low = 0, high = m->pin_count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (m->pins[middle].piece < piece)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->pin_count && m->pins[low].piece == piece ? &m->pins[low] : NULL;
}

/* --- conditions --- */

static enum answer version_is(const struct model *m, struct stamp version, const struct model_state *s)
{
	if (stamp_is_none(version))
		return s->content == CONTENT_NONE ? YES : NO;
	if (s->content == CONTENT_NONE)
		return NO;
	struct stamp writers = m->h->ops[s->writer].version;
	bool answered = m->h->ops[s->writer].outcome == HISTORY_DONE;
	if (answered && !stamp_is_none(writers))
		return stamp_equal(writers, version) ? YES : NO;
	uint64_t content;
	if (!model_content_of(m, version, &content))
		return UNKNOWN;
	if (content != s->content)
		return NO;
	/* A put's content is its own; the same number may have come about twice, and then only the writer's answer would tell. */
	int64_t number;
	return content_is_number(content, &number) ? UNKNOWN : YES;
}

static enum answer condition_is(const struct model *m, const struct history_op *op, const struct model_state *s)
{
	const struct history_condition *when = &op->when;
	if (when->present && s->content == CONTENT_NONE)
		return NO;
	if (when->has_value && s->content != when->value)
		return NO;
	return when->has_version ? version_is(m, when->version, s) : YES;
}

/* --- operations --- */

static bool add_holds(const struct history_op *op, const struct model_state *s)
{
	int64_t number;
	if (!content_is_number(s->content, &number))
		return false;
	return !op->has_result || number + op->delta == op->result;
}

static bool append_holds(const struct model *m, const struct history_op *op, const struct model_state *s)
{
	const struct model_pin *pin = model_pin_of(m, op->value);
	if (pin)
		return s->content == pin->base;
	bool known = op->has_result && s->size != MODEL_NO_SIZE && op->size != 0;
	return !known || (int64_t)s->size + op->size == op->result;
}

/* A failure that was answered is a read of what is there. */
static bool failure_holds(const struct model *m, const struct history_op *op, const struct model_state *s)
{
	int64_t number;
	if (op->has_found && s->content != op->found)
		return false;
	if (!stamp_is_none(op->version) && version_is(m, op->version, s) == NO)
		return false;
	if (op->kind == HISTORY_ADD)
		return !content_is_number(s->content, &number) ||
		       content_number(number + op->delta) == CONTENT_FOREIGN;
	return !history_is_conditional(op) || condition_is(m, op, s) != YES;
}

bool model_holds(const struct model *m, const struct history_op *op, const struct model_state *s)
{
	if (op->outcome == HISTORY_FAILED)
		return failure_holds(m, op, s);
	switch (op->kind) {
	case HISTORY_GET:
		return s->content == (op->outcome == HISTORY_DONE ? op->value : CONTENT_NONE);
	case HISTORY_ADD:
		return add_holds(op, s);
	case HISTORY_APPEND:
		return append_holds(m, op, s);
	case HISTORY_PUT:
	case HISTORY_DELETE:
		return condition_is(m, op, s) != NO;
	case HISTORY_ASK:
		break;
	}
	return true;
}

static struct model_state apply_add(const struct history_op *op, struct model_state s)
{
	int64_t number = 0;
	bool is_number = content_is_number(s.content, &number);
	KV_ASSERT(is_number);
	s.content = content_number(number + op->delta);
	s.size = content_number_size(number + op->delta);
	s.writer = op->index;
	return s;
}

static struct model_state apply_append(const struct history_op *op, struct model_state s)
{
	s.content = content_append(s.content, op->value);
	s.size = s.size == MODEL_NO_SIZE || op->size == 0 ? MODEL_NO_SIZE : s.size + op->size;
	s.writer = op->index;
	return s;
}

struct model_state model_apply(const struct history_op *op, struct model_state s)
{
	if (!model_is_change(op))
		return s;
	switch (op->kind) {
	case HISTORY_PUT:
		return (struct model_state){
			.content = op->value,
			.writer = op->index,
			.life = op->ttl_ms ? op->index : MODEL_NOBODY,
			.size = op->size ? op->size : MODEL_NO_SIZE,
		};
	case HISTORY_DELETE:
		return model_absent();
	case HISTORY_ADD:
		return apply_add(op, s);
	case HISTORY_APPEND:
		return apply_append(op, s);
	case HISTORY_GET:
	case HISTORY_ASK:
		break;
	}
	return s;
}
