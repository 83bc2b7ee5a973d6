/* SPDX-License-Identifier: Apache-2.0 */
/**
 * One event loop, for one thread: file descriptors, timers, and an inbox for other threads.
 *
 * Work from other threads arrives as items; an item's run function is called on the loop's thread and owns the item. The
 * inbox wakes the loop by one eventfd write a batch: only the push that finds it empty writes. After every round of
 * callbacks the loop calls `after_round`, where output that the round produced is flushed once. One descriptor serves all
 * timers, and is armed anew only when the first of them moves forward: what is put off again and again, as time-outs
 * are, costs no system call.
 *
 * All calls but loop_post are for the loop's thread, or before it runs.
 */
#ifndef KV_SERVER_LOOP_H
#define KV_SERVER_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/iheap.h"
#include "base/status.h"
#include "base/types.h"
#include "server/mpsc.h"

/** Work for a loop. Embedded in the struct that holds what the work needs. */
struct loop_item {
	struct mpsc_node link; /* private */
	/* Owns the item. LIVE false: the loop has ended, only free what the item holds. */
	void (*run)(struct loop_item *item, bool live);
};

struct loop {
	struct event_base *base; /* read-only */
	struct mpsc inbox;       /* private, and all below */
	struct event wake_event, timer_event;
	int wake_fd, timer_fd;
	struct iheap timers; /* of struct loop_timer */
	usec_t armed_us;     /* when timer_fd fires: never later than the first timer is due */
	bool stopping;
	void (*after_round)(void *data);
	void *after_round_data;
};

/** KV_OVERLOADED with the reason in ERR if the process has no file descriptors left. */
MUST_USE enum kv_status loop_init(struct loop *loop, struct error *err);

/** The loop does not run any more; drops the inbox first. Accepts a zeroed struct. */
void loop_release(struct loop *loop);

/** The loop does not run any more: runs what is left in the inbox with live false. */
void loop_drop_inbox(struct loop *loop);

void loop_set_after_round(struct loop *loop, void (*after_round)(void *data), void *data);

/** Runs callbacks until loop_stop. */
void loop_run(struct loop *loop);

/** The loop ends after the present round. Own thread; others post an item that calls it. */
void loop_stop(struct loop *loop);

/** Hands ITEM to the loop. Any thread. Items of one thread run in the order in which it posted them. */
void loop_post(struct loop *loop, struct loop_item *item);

/** A timer that fires once at a point of clock_mono_us. The struct must stay in place between init and release. */
struct loop_timer {
	struct loop *loop; /* private, and all below; NULL before init */
	struct iheap_item item;
	void (*fire)(void *data);
	void *data;
};

void loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*fire)(void *data), void *data);

/** Arms or moves the timer. USEC_NEVER disarms it. A time in the past fires in the next round. */
void loop_timer_set(struct loop_timer *timer, usec_t due_us);

/** Accepts a zeroed struct. */
void loop_timer_release(struct loop_timer *timer);

#endif
