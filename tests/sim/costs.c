/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/costs.h"

void costs_release(struct costs *c)
{
	free(c->items);
	*c = (struct costs){.counting = c->counting};
}

uint32_t costs_request(struct costs *c)
{
	if (!c->counting)
		return 0;
	if (c->count == c->capacity) {
		c->capacity = MAX(c->capacity * 2, 64u);
		c->items = xrealloc(c->items, c->capacity * sizeof(c->items[0]));
	}
	c->items[c->count++] = (struct cost){0};
	return c->count;
}

static struct cost *present(struct costs *c) { return c->present ? &c->items[c->present - 1] : NULL; }

void costs_begin(struct costs *c, uint32_t request, uint16_t node, uint32_t depth)
{
	KV_ASSERT(request <= c->count);
	c->present = request;
	struct cost *cost = present(c);
	if (cost)
		cost->depth[node] = MAX(cost->depth[node], depth);
}

void costs_end(struct costs *c) { c->present = 0; }

uint32_t costs_send(struct costs *c, uint16_t node)
{
	struct cost *cost = present(c);
	if (!cost)
		return 0;
	cost->messages += !cost->answered;
	return cost->depth[node] + 1;
}

void costs_write(struct costs *c, uint16_t node)
{
	struct cost *cost = present(c);
	if (cost && !cost->answered)
		cost->writes[node]++;
}

void costs_answer(struct costs *c, uint16_t node)
{
	struct cost *cost = present(c);
	if (!cost || cost->answered)
		return;
	cost->answered = true;
	cost->rounds = (cost->depth[node] + 1) / 2;
}

const struct cost *costs_of(const struct costs *c, uint32_t request)
{
	KV_ASSERT(request > 0 && request <= c->count);
	return &c->items[request - 1];
}

uint32_t cost_writes_max(const struct cost *cost)
{
	uint32_t most = 0;
	for (uint32_t i = 0; i < SIM_NODES_MAX; i++)
		most = MAX(most, cost->writes[i]);
	return most;
}
