/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/shrink.h"

/* Keeps NEXT if it still fails. */
static bool try(struct shrink *s, struct sim_options *o, const struct sim_options *next)
{
	if (s->is_over(s->arg))
		return false;
	s->tried++;
	if (!s->fails(s->arg, next))
		return false;
	*o = *next;
	return true;
}

static bool drop_classes(struct shrink *s, struct sim_options *o)
{
	bool smaller = false;
	for (int class = 0; class < SIM_CLASS_COUNT; class ++) {
		struct sim_options next = *o;
		if (sim_options_take_out(&next, (enum sim_class) class))
			smaller |= try(s, o, &next);
	}
	return smaller;
}

/* Halves, then takes quarters and so on off, down to one at a time. */
static bool lower(struct shrink *s, struct sim_options *o, uint32_t *(*field)(struct sim_options *o))
{
	bool smaller = false;
	for (uint32_t step = *field(o) / 2; step > 0 && !s->is_over(s->arg);) {
		struct sim_options next = *o;
		if (*field(&next) <= step) {
			step /= 2;
			continue;
		}
		*field(&next) -= step;
		if (try(s, o, &next))
			smaller = true;
		else
			step /= 2;
	}
	return smaller;
}

static uint32_t *op_count(struct sim_options *o) { return &o->op_count; }
static uint32_t *client_count(struct sim_options *o) { return &o->client_count; }
static uint32_t *key_count(struct sim_options *o) { return &o->key_count; }

/* Leaves out ranges of operations, large ones first. */
static bool drop_ranges(struct shrink *s, struct sim_options *o)
{
	bool smaller = false;
	for (uint32_t size = MAX(o->op_count / 2, 1u); size > 0; size /= 2) {
		for (uint32_t first = 0; first < o->op_count && !s->is_over(s->arg); first += size) {
			struct sim_options next = *o;
			uint32_t last = MIN(first + size, o->op_count) - 1;
			if (sim_options_skip(&next, first, last) && sim_options_ops(&next) < sim_options_ops(o))
				smaller |= try(s, o, &next);
		}
	}
	return smaller;
}

void shrink_options(struct shrink *s, struct sim_options *o)
{
	bool smaller = true;
	while (smaller && !s->is_over(s->arg)) {
		smaller = drop_classes(s, o);
		smaller |= lower(s, o, op_count);
		smaller |= lower(s, o, client_count);
		smaller |= lower(s, o, key_count);
		smaller |= drop_ranges(s, o);
	}
}
