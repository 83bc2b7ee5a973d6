/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/pace.h"

#include "replication/core.h"

#define PACE_SLOW_FACTOR  2u                  /* commits that take so many times the usual are slow */
#define PACE_SLOW_MIN_US  (4 * USEC_PER_MSEC) /* and no faster than this */
#define PACE_JUDGE_US     (500 * USEC_PER_MSEC)
#define PACE_RAISE_US     (5 * USEC_PER_SEC)
#define PACE_LONG_STEP_US (100 * USEC_PER_MSEC)

enum {
	SHORT_SHIFT = 4,
	LONG_SHIFT = 12
}; /* weights: a sixteenth a sample; a 4096th each 100 ms, about seven minutes */

void pace_init(struct node_core *core) { core->pace.rate = MOVE_RATE_MAX; }

void pace_write(struct node_core *core)
{
	struct pace *p = &core->pace;
	if (p->probe_token != 0)
		return;
	p->probe_token = core->write_issued;
	p->probe_us = core->now.mono_us;
}

static uint64_t smooth(uint64_t value, uint64_t sample, unsigned shift)
{
	uint64_t scaled = (value << shift) - value + sample;
	return (scaled + (1u << (shift - 1))) >> shift;
}

void pace_written(struct node_core *core)
{
	struct pace *p = &core->pace;
	if (p->probe_token == 0 || core->write_done < p->probe_token)
		return;
	uint64_t took_us = MAX(core->now.mono_us - p->probe_us, (usec_t)1)
			   << 8; /* a fixed point for slow averages */
	p->probe_token = 0;
	p->short_us = p->short_us ? smooth(p->short_us, took_us, SHORT_SHIFT) : took_us;
	if (p->long_us == 0)
		p->long_us = took_us;
	if (core->now.mono_us < p->long_at_us + PACE_LONG_STEP_US)
		return;
	p->long_at_us = core->now.mono_us;
	/* What is better than usual is the usual soon; what is worse takes minutes to be. */
	p->long_us = smooth(p->long_us, p->short_us, p->short_us < p->long_us ? SHORT_SHIFT : LONG_SHIFT);
}

static bool is_suffering(const struct node_core *core)
{
	const struct pace *p = &core->pace;
	bool slow = p->short_us > p->long_us * PACE_SLOW_FACTOR && p->short_us > PACE_SLOW_MIN_US << 8;
	return slow || core->op_count > core->config.ops_max / 2;
}

static void fill(struct node_core *core)
{
	struct pace *p = &core->pace;
	usec_t passed_us = MIN(core->now.mono_us - p->filled_us, USEC_PER_SEC);
	p->filled_us = core->now.mono_us;
	int64_t fresh = (int64_t)(passed_us * p->rate / USEC_PER_SEC);
	/* What is not used is lost, but for a tenth of a second of it or a page. */
	int64_t most = MAX((int64_t)p->rate / 10, (int64_t)MOVE_PAGE_SIZE);
	for (size_t way = 0; way < PACE_WAYS; way++)
		p->left[way] = MIN(p->left[way] + fresh, most);
}

void pace_tick(struct node_core *core)
{
	struct pace *p = &core->pace;
	usec_t now_us = core->now.mono_us;
	fill(core);
	if (now_us < p->judged_us + PACE_JUDGE_US)
		return;
	p->judged_us = now_us;
	if (COVER_IF(is_suffering(core), pace_slows)) {
		p->rate = MAX(p->rate / 2, (uint64_t)MOVE_RATE_MIN);
		p->raised_us = now_us;
	} else if (now_us >= p->raised_us + PACE_RAISE_US) {
		p->rate = MIN(p->rate + p->rate / 10, (uint64_t)MOVE_RATE_MAX);
		p->raised_us = now_us;
	}
	KV_ASSERT(p->rate >= MOVE_RATE_MIN && p->rate <= MOVE_RATE_MAX);
}

bool pace_allows(const struct node_core *core, enum pace_way way)
{
	KV_ASSERT(way < PACE_WAYS);
	return core->pace.left[way] > 0;
}

void pace_spend(struct node_core *core, enum pace_way way, uint64_t bytes)
{
	KV_ASSERT(way < PACE_WAYS);
	core->pace.left[way] -= (int64_t)MIN(bytes, (uint64_t)PAGE_SIZE_MAX);
}

void pace_return(struct node_core *core, enum pace_way way, uint64_t bytes)
{
	KV_ASSERT(way < PACE_WAYS);
	core->pace.left[way] += (int64_t)MIN(bytes, (uint64_t)PAGE_SIZE_MAX);
}
