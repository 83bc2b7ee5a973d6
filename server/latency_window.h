/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How long a shard took lately: its clients' requests in four groups, of the last whole window. One owner, no locking.
 */
#ifndef KV_SERVER_LATENCY_WINDOW_H
#define KV_SERVER_LATENCY_WINDOW_H

#include "server/opstats.h"

enum latency_group { LATENCY_READS, LATENCY_READS_STRONG, LATENCY_WRITES, LATENCY_WRITES_STRONG, LATENCY_GROUPS };

struct latency_window {
	struct hist before[LATENCY_GROUPS]; /* private: all up to the present window */
};

void latency_window_init(struct latency_window *w);

/** A window ends: RET is what O has gained in it, and the next one begins. */
void latency_window_turn(struct latency_window *w, const struct opstats *o, struct hist ret[LATENCY_GROUPS]);

#endif
