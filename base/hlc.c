/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hlc.h"

void hlc_init(struct hlc *clock, hlc_t limit)
{
	clock->last = limit;
	clock->limit = limit;
}

hlc_t hlc_peek(const struct hlc *clock, usec_t wall_us) { return MAX(hlc_from_wall_us(wall_us), clock->last + 1); }

bool hlc_now(struct hlc *clock, usec_t wall_us, hlc_t *ret)
{
	KV_ASSERT(ret);
	hlc_t next = hlc_peek(clock, wall_us);
	if (next > clock->limit)
		return false;
	KV_ASSERT(next > clock->last);
	clock->last = next;
	*ret = next;
	return true;
}

bool hlc_observe(struct hlc *clock, usec_t wall_us, hlc_t seen, uint64_t drift_max_ms)
{
	if (seen > hlc_from_wall_us(wall_us) + hlc_from_ms(drift_max_ms))
		return false;
	clock->last = MAX(clock->last, seen);
	return true;
}

hlc_t hlc_wants_limit(const struct hlc *clock, usec_t wall_us, uint64_t ahead_ms)
{
	/* From physical time: asked of `last`, which a start sets to the limit, each quick restart would move it further. */
	hlc_t now = hlc_from_wall_us(wall_us);
	if (clock->limit >= now + hlc_from_ms(ahead_ms / 2))
		return 0;
	return now + hlc_from_ms(ahead_ms);
}

void hlc_set_limit(struct hlc *clock, hlc_t limit) { clock->limit = MAX(clock->limit, limit); }
