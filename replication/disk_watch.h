/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How long this core's writes take to become durable, and whether a disk (its own or another node's) is degraded: its slowest
 * hundredth took more than DISK_SLOW_US for DISK_SLOW_FOR_US.
 *
 * Every core writes at least its clock's limit about twice a second, so an idle disk is measured too. A write
 * that does not end is counted as it grows.
 */
#ifndef KV_REPLICATION_DISK_WATCH_H
#define KV_REPLICATION_DISK_WATCH_H

#include "base/base.h"
#include "base/types.h"

struct node_core;

/** One disk, as it is or as its node tells. */
struct disk_state {
	uint32_t p99_us;   /* smoothed; 0: not known */
	uint32_t free_pct; /* 0: not known */
	bool low;          /* nearly full: values that take more room than what was there are refused */
	usec_t since_us;   /* the disk has been in the other state than `degraded` says since then; 0: it is not */
	bool degraded;
};

/** The disk's slowest hundredth is P99_US now. */
void disk_state_note(struct disk_state *s, uint32_t p99_us, usec_t now_us);

enum { DISK_WATCH_SUB = 4, DISK_WATCH_BUCKETS = 32 * DISK_WATCH_SUB };

/** The core's own. */
struct disk_watch {
	struct disk_state state; /* read-only */
	usec_t window_us;        /* private: when the present window began */
	uint32_t count;          /* private: commits in it */
	uint32_t buckets[DISK_WATCH_BUCKETS];
};

/** A write became durable TOOK_US after it was handed out. */
void disk_watch_add(struct disk_watch *w, usec_t took_us);

/** OLDEST_US: how long the oldest write that is not durable has taken so far; 0: there is none. */
void disk_watch_tick(struct disk_watch *w, usec_t now_us, usec_t oldest_us);

#endif
