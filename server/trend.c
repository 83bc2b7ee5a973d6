/* SPDX-License-Identifier: Apache-2.0 */
#include "server/trend.h"

/** A model's figures that differences are made of. */
struct trend_base {
	usec_t at_us; /* 0: none */
	uint64_t failed;
	struct hist took_us[OPSTATS_OP_COUNT][OPSTATS_LEVEL_COUNT];
};

static struct trend_base *base_new(void)
{
	struct trend_base *b = xcalloc(1, sizeof *b);
	for (unsigned op = 0; op < OPSTATS_OP_COUNT; op++) {
		for (unsigned level = 0; level < OPSTATS_LEVEL_COUNT; level++)
			hist_init(&b->took_us[op][level]);
	}
	return b;
}

void trend_init(struct trend *t) { *t = (struct trend){.last = base_new(), .old = base_new(), .mid = base_new()}; }

void trend_release(struct trend *t)
{
	free(t->last);
	free(t->old);
	free(t->mid);
	*t = (struct trend){0};
}

static uint64_t count_failed(const struct status *s)
{
	uint64_t failed = 0;
	for (unsigned op = 0; op < OPSTATS_OP_COUNT; op++) {
		for (unsigned level = 0; level < OPSTATS_LEVEL_COUNT; level++) {
			for (unsigned i = 0; i < OPSTATS_STATUS_COUNT; i++) {
				if (status_class((enum kv_status)i) != STATUS_DONE)
					failed += s->results[op][level][i];
			}
		}
	}
	return failed;
}

static void base_set(struct trend_base *b, const struct status *s, usec_t now_us)
{
	b->at_us = now_us;
	b->failed = count_failed(s);
	memcpy(b->took_us, s->took_us, sizeof b->took_us);
}

static enum trend_group group_of(unsigned op, unsigned level)
{
	bool strong = level == LEVEL_STRONG - LEVEL_EVENTUAL;
	if (opstats_is_read((enum opstats_op)op))
		return strong ? TREND_READS_STRONG : TREND_READS;
	return strong ? TREND_WRITES_STRONG : TREND_WRITES;
}

static uint32_t rate_milli(uint64_t count, usec_t span_us)
{
	return (uint32_t)MIN(count * 1000 * USEC_PER_SEC / span_us, (uint64_t)UINT32_MAX);
}

static void add_point(struct trend *t, const struct status *s, usec_t span_us)
{
	struct trend_point *p = &t->points[t->taken % TREND_POINTS];
	for (unsigned group = 0; group < TREND_GROUP_COUNT; group++) {
		struct hist sum, more;
		hist_init(&sum);
		for (unsigned at = 0; at < OPSTATS_OP_COUNT * OPSTATS_LEVEL_COUNT; at++) {
			unsigned op = at / OPSTATS_LEVEL_COUNT, level = at % OPSTATS_LEVEL_COUNT;
			if (group_of(op, level) != group ||
			    s->took_us[op][level].count == t->last->took_us[op][level].count)
				continue;
			hist_since(&more, &s->took_us[op][level], &t->last->took_us[op][level]);
			hist_merge(&sum, &more);
		}
		p->rate_milli[group] = rate_milli(sum.count, span_us);
		p->p50_us[group] = (uint32_t)MIN(hist_quantile(&sum, 500), (uint64_t)UINT32_MAX);
		p->p99_us[group] = (uint32_t)MIN(hist_quantile(&sum, 990), (uint64_t)UINT32_MAX);
	}
	p->failed_milli = rate_milli(count_failed(s) - t->last->failed, span_us);
	t->taken++;
	t->count = MIN(t->count + 1, TREND_POINTS);
}

void trend_take(struct trend *t, const struct status *s, usec_t now_us)
{
	if (t->last->at_us != 0 && now_us < t->last->at_us + TREND_STEP_US)
		return;
	if (t->last->at_us != 0)
		add_point(t, s, now_us - t->last->at_us);
	base_set(t->last, s, now_us);
	if (now_us < t->mid->at_us + TREND_RECENT_US / 2)
		return;
	struct trend_base *spare = t->old;
	t->old = t->mid;
	t->mid = spare;
	base_set(t->mid, s, now_us);
}

const struct trend_point *trend_at(const struct trend *t, uint32_t i)
{
	KV_ASSERT(i < t->count);
	return &t->points[(t->taken - t->count + i) % TREND_POINTS];
}

void trend_recent(const struct trend *t, const struct status *s,
		  struct hist ret[OPSTATS_OP_COUNT][OPSTATS_LEVEL_COUNT])
{
	for (unsigned op = 0; op < OPSTATS_OP_COUNT; op++) {
		for (unsigned level = 0; level < OPSTATS_LEVEL_COUNT; level++)
			hist_since(&ret[op][level], &s->took_us[op][level], &t->old->took_us[op][level]);
	}
}

const char *trend_group_name(enum trend_group group)
{
	static const char *const names[] = {"reads", "reads_strong", "writes", "writes_strong"};
	return names[group];
}
