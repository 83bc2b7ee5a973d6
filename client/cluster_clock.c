/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cluster_clock.h"

#include "proto/limits.h"

static hlc_t estimate(const struct cluster_clock *c, usec_t now_us)
{
	return c->seen + hlc_from_wall_us(now_us - c->seen_at_us);
}

void cluster_clock_observe(struct cluster_clock *c, hlc_t reading, usec_t now_us)
{
	if (reading == 0)
		return;
	/* A node may run ahead for a moment, after a restart for example, and its lead must not stay with us. One far
	 * behind has a wrong clock, and values made by it would lie under what others wrote long ago. */
	if (c->seen != 0 && reading + hlc_from_ms(2 * MAX_DRIFT_MS) < estimate(c, now_us))
		return;
	c->seen = reading;
	c->seen_at_us = now_us;
}

void cluster_clock_correct(struct cluster_clock *c, hlc_t reading, usec_t now_us)
{
	if (reading == 0 || reading >= estimate(c, now_us))
		return;
	*c = (struct cluster_clock){.seen = reading, .seen_at_us = now_us};
}

void cluster_clock_observe_version(struct cluster_clock *c, hlc_t version_hlc)
{
	c->floor = MAX(c->floor, version_hlc);
}

hlc_t cluster_clock_issue(struct cluster_clock *c, usec_t now_us)
{
	KV_ASSERT(cluster_clock_is_set(c));
	KV_ASSERT(now_us >= c->seen_at_us);
	c->floor = MAX(estimate(c, now_us), c->floor + 1);
	return c->floor;
}
