/* SPDX-License-Identifier: Apache-2.0 */
#include "server/latency_window.h"

void latency_window_init(struct latency_window *w)
{
	for (int g = 0; g < LATENCY_GROUPS; g++)
		hist_init(&w->before[g]);
}

static enum latency_group group_of(enum opstats_op op, unsigned level)
{
	bool strong = level == OPSTATS_LEVEL_COUNT - 1; /* the last */
	if (opstats_is_read(op))
		return strong ? LATENCY_READS_STRONG : LATENCY_READS;
	return strong ? LATENCY_WRITES_STRONG : LATENCY_WRITES;
}

void latency_window_turn(struct latency_window *w, const struct opstats *o, struct hist ret[LATENCY_GROUPS])
{
	struct hist now;
	for (int g = 0; g < LATENCY_GROUPS; g++) {
		hist_init(&now);
		for (int op = 0; op < OPSTATS_OP_COUNT; op++) {
			for (unsigned level = 0; level < OPSTATS_LEVEL_COUNT; level++) {
				if (group_of((enum opstats_op)op, level) == (enum latency_group)g)
					hist_merge(&now, &o->took_us[op][level]);
			}
		}
		hist_since(&ret[g], &now, &w->before[g]);
		w->before[g] = now;
	}
}
