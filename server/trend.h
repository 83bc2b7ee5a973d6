/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How the node's figures develop: rates and latencies of the last minutes in steps, and latencies of the last seconds.
 * Made from status models taken one after the other. One owner, no locking.
 */
#ifndef KV_SERVER_TREND_H
#define KV_SERVER_TREND_H

#include "server/status.h"

#define TREND_STEP_US   (2 * USEC_PER_SEC)
#define TREND_POINTS    300u /* ten minutes */
#define TREND_RECENT_US (15 * USEC_PER_SEC)

enum trend_group { TREND_READS, TREND_READS_STRONG, TREND_WRITES, TREND_WRITES_STRONG, TREND_GROUP_COUNT };

/** One step. Rates are answers a second; a group that answered nothing has latencies 0. */
struct trend_point {
	uint32_t rate_milli[TREND_GROUP_COUNT]; /* thousandths */
	uint32_t failed_milli;                  /* of all groups: neither done nor a condition that did not hold */
	uint32_t p50_us[TREND_GROUP_COUNT], p99_us[TREND_GROUP_COUNT];
};

struct trend_base;

struct trend {
	struct trend_point points[TREND_POINTS]; /* read-only, through trend_at */
	uint32_t count;
	uint64_t taken;               /* points since the start */
	struct trend_base *last;      /* private: at the last step */
	struct trend_base *old, *mid; /* private: where "the last seconds" begin, and what comes after it */
};

void trend_init(struct trend *t);
void trend_release(struct trend *t);

/** S was collected at NOW_US: adds a point if a step is over. */
void trend_take(struct trend *t, const struct status *s, usec_t now_us);

/** Point I of t->count, the oldest first. */
const struct trend_point *trend_at(const struct trend *t, uint32_t i);

/** What S has more than the model of TREND_RECENT_US / 2 to TREND_RECENT_US ago (less after the start). */
void trend_recent(const struct trend *t, const struct status *s,
		  struct hist ret[OPSTATS_OP_COUNT][OPSTATS_LEVEL_COUNT]);

/** "reads"; "writes_strong". Static storage. */
const char *trend_group_name(enum trend_group group);

#endif
