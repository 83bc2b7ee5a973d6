/* SPDX-License-Identifier: Apache-2.0 */
#include "server/loop.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

static void run_inbox(struct loop *loop, bool live)
{
	struct mpsc_node *node = mpsc_take_all(&loop->inbox);
	while (node) {
		struct loop_item *item = container_of(node, struct loop_item, link);
		node = node->next; /* run frees the item */
		item->run(item, live);
	}
}

static void on_wake(evutil_socket_t fd, short what, void *data)
{
	struct loop *loop = data;
	uint64_t count;
	/* The counter is emptied before the inbox: a push in between wakes once too often, never too seldom. */
	ssize_t size = read(fd, &count, sizeof count);
	KV_ASSERT(size == sizeof count || errno == EAGAIN || errno == EINTR);
	run_inbox(loop, /* live: */ true);
}

static void run_timers(struct loop *loop)
{
	usec_t now_us = clock_mono_us();
	struct iheap_item *item;
	/* No more than there are: one that is armed anew from within its callback, and due, must not keep the loop here. */
	for (size_t left = loop->timers.count; left > 0; left--) {
		item = iheap_first(&loop->timers);
		if (!item || item->key > now_us)
			return;
		struct loop_timer *timer = container_of(item, struct loop_timer, item);
		iheap_remove(&loop->timers, item);
		timer->fire(timer->data);
	}
}

/** Sees to it that the loop wakes up for the first timer. */
static void arm(struct loop *loop)
{
	const struct iheap_item *first = iheap_first(&loop->timers);
	if (!first || first->key >= loop->armed_us)
		return;
	loop->armed_us = first->key;
	usec_t at_us = MAX(first->key, (usec_t)1); /* zero would disarm it */
	const struct itimerspec at = {.it_value = {.tv_sec = (time_t)(at_us / USEC_PER_SEC),
						   .tv_nsec = (long)(at_us % USEC_PER_SEC) * 1000}};
	int failed = timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
	KV_ASSERT(failed == 0);
}

static void on_timer(evutil_socket_t fd, short what, void *data)
{
	struct loop *loop = data;
	uint64_t count;
	ssize_t size = read(fd, &count, sizeof count);
	KV_ASSERT(size == sizeof count || errno == EAGAIN || errno == EINTR);
	loop->armed_us = USEC_NEVER;
	run_timers(loop);
	arm(loop);
}

enum kv_status loop_init(struct loop *loop, struct error *err)
{
	*loop = (struct loop){.wake_fd = -1, .timer_fd = -1, .armed_us = USEC_NEVER};
	struct event_config *config = event_config_new();
	KV_ASSERT(config);
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	loop->base = event_base_new_with_config(config);
	event_config_free(config);
	if (loop->base)
		loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->wake_fd >= 0)
		loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->timer_fd < 0) {
		loop_release(loop);
		return error_set(err, KV_OVERLOADED,
				 "cannot create an event loop: %s; raise the limit of open files", strerror(errno));
	}
	event_assign(&loop->wake_event, loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
	event_assign(&loop->timer_event, loop->base, loop->timer_fd, EV_READ | EV_PERSIST, on_timer, loop);
	event_add(&loop->wake_event, NULL);
	event_add(&loop->timer_event, NULL);
	return KV_OK;
}

void loop_drop_inbox(struct loop *loop) { run_inbox(loop, /* live: */ false); }

void loop_release(struct loop *loop)
{
	if (!loop->base)
		return;
	loop_drop_inbox(loop);
	if (loop->timer_fd >= 0) {
		event_del(&loop->wake_event);
		event_del(&loop->timer_event);
		close(loop->timer_fd);
	}
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	KV_ASSERT(loop->timers.count == 0);
	iheap_release(&loop->timers);
	event_base_free(loop->base);
	*loop = (struct loop){.wake_fd = -1, .timer_fd = -1};
}

void loop_set_after_round(struct loop *loop, void (*after_round)(void *data), void *data)
{
	loop->after_round = after_round;
	loop->after_round_data = data;
}

void loop_run(struct loop *loop)
{
	while (!loop->stopping) {
		int failed = event_base_loop(loop->base, EVLOOP_ONCE);
		KV_ASSERT(failed == 0);
		if (loop->after_round)
			loop->after_round(loop->after_round_data);
	}
}

void loop_stop(struct loop *loop) { loop->stopping = true; }

void loop_post(struct loop *loop, struct loop_item *item)
{
	KV_ASSERT(item->run);
	/* The item is the loop's from here on: only the loop itself may be touched below. */
	if (!mpsc_push(&loop->inbox, &item->link))
		return;
	uint64_t one = 1;
	ssize_t size;
	do
		size = write(loop->wake_fd, &one, sizeof one);
	while (size < 0 && errno == EINTR);
	KV_ASSERT(size == sizeof one || errno == EAGAIN);
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*fire)(void *data), void *data)
{
	*timer = (struct loop_timer){.loop = loop, .fire = fire, .data = data};
}

void loop_timer_set(struct loop_timer *timer, usec_t due_us)
{
	KV_ASSERT(timer->loop);
	struct iheap *timers = &timer->loop->timers;
	if (due_us != USEC_NEVER)
		iheap_set(timers, &timer->item, due_us);
	else if (iheap_contains(&timer->item))
		iheap_remove(timers, &timer->item);
	arm(timer->loop);
}

void loop_timer_release(struct loop_timer *timer)
{
	if (timer->loop)
		loop_timer_set(timer, USEC_NEVER);
	timer->loop = NULL;
}
