/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/health.h"

#include "replication/core.h"

void health_strain(struct node_core *core)
{
	struct health *h = &core->health;
	h->strained = true;
	h->value = MIN(h->value + 1, HEALTH_MAX);
}

void health_step(struct node_core *core, usec_t gap_us)
{
	if (COVER_IF(gap_us > core->config.tick_us + HEALTH_LAG_US, health_lags))
		health_strain(core);
}

void health_interval(struct node_core *core)
{
	struct health *h = &core->health;
	KV_ASSERT(h->value <= HEALTH_MAX);
	if (!h->strained)
		h->value -= h->value > 0;
	h->strained = false;
	h->queue_us = (h->queue_us * 3 + h->waited_us) / 4;
	h->waited_us = 0;
}

void health_waited(struct node_core *core, usec_t arrived_us)
{
	if (arrived_us == 0)
		return; /* not known */
	usec_t waited_us = core->now.mono_us - MIN(arrived_us, core->now.mono_us);
	core->health.waited_us = MAX(core->health.waited_us, waited_us);
}

usec_t health_patience_us(const struct node_core *core, usec_t us)
{
	KV_ASSERT(core->health.value <= HEALTH_MAX);
	return us * (1 + core->health.value);
}

bool health_is_overloaded(const struct node_core *core)
{
	return core->op_count >= core->config.ops_max / 2 || core->op_bytes >= OP_BYTES_MAX / 2 ||
	       core->write_bytes >= WRITE_BYTES_MAX / 2 || core->health.queue_us >= HINT_BUSY_US ||
	       core->health.value >= HEALTH_POOR;
}
