/* SPDX-License-Identifier: Apache-2.0 */
#include "server/loop.h"

#include <errno.h>
#include <sys/eventfd.h>
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

enum kv_status loop_init(struct loop *loop, struct error *err)
{
	*loop = (struct loop){.wake_fd = -1};
	struct event_config *config = event_config_new();
	KV_ASSERT(config);
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
	loop->base = event_base_new_with_config(config);
	event_config_free(config);
	if (loop->base)
		loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->wake_fd < 0) {
		loop_release(loop);
		return error_set(err, KV_OVERLOADED,
				 "cannot create an event loop: %s; raise the limit of open files", strerror(errno));
	}
	event_assign(&loop->wake_event, loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
	event_add(&loop->wake_event, NULL);
	return KV_OK;
}

void loop_drop_inbox(struct loop *loop) { run_inbox(loop, /* live: */ false); }

void loop_release(struct loop *loop)
{
	if (!loop->base)
		return;
	loop_drop_inbox(loop);
	if (loop->wake_fd >= 0) {
		event_del(&loop->wake_event);
		close(loop->wake_fd);
	}
	event_base_free(loop->base);
	*loop = (struct loop){.wake_fd = -1};
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

static void on_timer(evutil_socket_t fd, short what, void *data)
{
	struct loop_timer *timer = data;
	timer->due_us = USEC_NEVER;
	timer->fire(timer->data);
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*fire)(void *data), void *data)
{
	*timer = (struct loop_timer){.due_us = USEC_NEVER, .initialised = true, .fire = fire, .data = data};
	event_assign(&timer->event, loop->base, -1, 0, on_timer, timer);
}

void loop_timer_set(struct loop_timer *timer, usec_t due_us)
{
	KV_ASSERT(timer->initialised);
	if (due_us == timer->due_us)
		return;
	timer->due_us = due_us;
	if (due_us == USEC_NEVER) {
		event_del(&timer->event);
		return;
	}
	usec_t now_us = clock_mono_us();
	usec_t wait_us = due_us > now_us ? due_us - now_us : 0;
	struct timeval wait = {.tv_sec = (time_t)(wait_us / USEC_PER_SEC),
			       .tv_usec = (suseconds_t)(wait_us % USEC_PER_SEC)};
	event_add(&timer->event, &wait);
}

void loop_timer_release(struct loop_timer *timer)
{
	if (timer->initialised)
		event_del(&timer->event);
	timer->initialised = false;
}
