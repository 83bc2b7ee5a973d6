/* SPDX-License-Identifier: Apache-2.0 */
#include "client/engine.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proto/opcode.h"

enum {
	MAP_PAUSE_MS = 100, /* between two questions for a map that bring nothing new */
};

static void on_wake(evutil_socket_t fd, short what, void *arg);
static void on_timer(evutil_socket_t fd, short what, void *arg);
static void map_done(struct request *r);

enum kv_status engine_init(struct engine *e, const struct kv_config *config, struct event_base *base,
			   struct kv_error *err)
{
	*e = (struct engine){.config = *config, .base = base};
	e->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (e->wake_fd < 0)
		return client_error(err, KV_OVERLOADED, "cannot make an eventfd: %s", strerror(errno));
	rng_init(&e->rng, rng_entropy());
	uint64_t name;
	do
		name = rng_entropy();
	while (name == 0);
	lanes_init(&e->lanes, name);
	retry_budget_init(&e->budget, MAX(config->max_inflight, 10u));
	ilist_init(&e->links);
	ilist_init(&e->ready);
	ilist_init(&e->parked);
	ilist_init(&e->finished);
	ilist_init(&e->active);
	ilist_init(&e->dirty);
	ilist_init(&e->submitted);
	pthread_mutex_init(&e->lock, NULL);
	e->wake_event = event_new(base, e->wake_fd, EV_READ | EV_PERSIST, on_wake, e);
	e->timer_event = evtimer_new(base, on_timer, e);
	KV_ASSERT(e->wake_event);
	KV_ASSERT(e->timer_event);
	event_add(e->wake_event, NULL);
	for (uint32_t i = 0; i < config->endpoint_count; i++)
		engine_link(e, config->endpoints[i])->aside = false;
	return KV_OK;
}

void engine_release(struct engine *e)
{
	KV_ASSERT(ilist_is_empty(&e->active));
	KV_ASSERT(ilist_is_empty(&e->submitted));
	struct ilink *l;
	while ((l = ilist_pop_front(&e->links)))
		link_free(container_of(l, struct link, in_pool));
	event_free(e->wake_event);
	event_free(e->timer_event);
	close(e->wake_fd);
	route_release(&e->route);
	lanes_release(&e->lanes);
	iheap_release(&e->timers);
	pthread_mutex_destroy(&e->lock);
}

/* ---- Handing in ---- */

/* Bytes that R keeps in memory. */
static size_t request_bytes(const struct request *r)
{
	if (opcode_body(r->msg.opcode, false) != BODY_REQUEST)
		return 0;
	return r->msg.request.key.size + r->msg.request.value.size;
}

enum kv_status engine_submit(struct engine *e, struct request *const *requests, size_t count, struct kv_error *err)
{
	size_t bytes = 0;
	for (size_t i = 0; i < count; i++)
		bytes += request_bytes(requests[i]);
	pthread_mutex_lock(&e->lock);
	bool closing = e->closing;
	bool full = e->submitted_count + count > SUBMITTED_MAX || e->submitted_bytes + bytes > SUBMITTED_BYTES_MAX;
	bool wake = false;
	if (!closing && !full) {
		for (size_t i = 0; i < count; i++)
			ilist_push_back(&e->submitted, &requests[i]->place);
		e->submitted_count += count;
		e->submitted_bytes += bytes;
		wake = !e->wake_sent;
		e->wake_sent = true;
		if (wake)
			(void)eventfd_write(e->wake_fd, 1);
	}
	pthread_mutex_unlock(&e->lock);
	if (closing)
		return client_error(err, KV_CLOSED, "the client is closed");
	if (full)
		return client_error(err, KV_OVERLOADED,
				    "%u requests or %u MiB are waiting already: let some finish first",
				    SUBMITTED_MAX, SUBMITTED_BYTES_MAX >> 20);
	return KV_OK;
}

void engine_close(struct engine *e, unsigned drain_ms)
{
	pthread_mutex_lock(&e->lock);
	e->closing = true;
	e->drain_ms = drain_ms;
	(void)eventfd_write(e->wake_fd, 1);
	pthread_mutex_unlock(&e->lock);
}

static void take_submitted(struct engine *e)
{
	struct ilist taken;
	ilist_init(&taken);
	pthread_mutex_lock(&e->lock);
	struct ilink *l;
	while ((l = ilist_pop_front(&e->submitted)))
		ilist_push_back(&taken, l);
	e->wake_sent = false;
	if (e->closing && !e->draining) {
		e->draining = true;
		e->drain_until_us = clock_mono_us() + e->drain_ms * USEC_PER_MSEC;
	}
	pthread_mutex_unlock(&e->lock);
	while ((l = ilist_pop_front(&taken)))
		request_start(container_of(l, struct request, place), e);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;
	eventfd_t count;
	(void)eventfd_read(e->wake_fd, &count);
	take_submitted(e);
	for (struct ilink *l = ilist_first(&e->links); l; l = ilist_next(&e->links, l))
		link_poll_lookup(container_of(l, struct link, in_pool));
	engine_turn(e);
}

/* ---- Time ---- */

void engine_timer_set(struct engine *e, struct timer *timer, usec_t at_us)
{
	iheap_set(&e->timers, &timer->item, at_us);
}

void engine_timer_clear(struct engine *e, struct timer *timer)
{
	if (iheap_contains(&timer->item))
		iheap_remove(&e->timers, &timer->item);
}

static void fire_due(struct engine *e)
{
	usec_t now_us = clock_mono_us();
	struct iheap_item *first;
	while ((first = iheap_first(&e->timers)) && first->key <= now_us) {
		iheap_remove(&e->timers, first);
		struct timer *timer = container_of(first, struct timer, item);
		timer->fire(timer);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;
	fire_due(e);
	engine_turn(e);
}

static void arm_timer(struct engine *e)
{
	struct iheap_item *first = iheap_first(&e->timers);
	usec_t due_us = first ? first->key : USEC_NEVER;
	if (e->draining)
		due_us = MIN(due_us, e->drain_until_us);
	if (due_us == USEC_NEVER) {
		event_del(e->timer_event);
		return;
	}
	usec_t now_us = clock_mono_us();
	usec_t wait_us = due_us > now_us ? due_us - now_us : 0;
	struct timeval tv = {
		.tv_sec = (time_t)(wait_us / USEC_PER_SEC),
		.tv_usec = (suseconds_t)(wait_us % USEC_PER_SEC),
	};
	event_add(e->timer_event, &tv);
}

/* ---- The turn ---- */

void engine_mark_dirty(struct engine *e, struct link *link)
{
	if (!ilink_is_linked(&link->dirty))
		ilist_push_back(&e->dirty, &link->dirty);
}

/* Requests whose completion is due are gone once it ran; the count goes down first, so that it may submit again. */
static void run_finished(struct engine *e)
{
	size_t count = 0, own = 0, bytes = 0;
	for (struct ilink *l = ilist_first(&e->finished); l; l = ilist_next(&e->finished, l)) {
		count++;
		const struct request *r = container_of(l, struct request, place);
		own += r == &e->map_request;
		bytes += request_bytes(r);
	}
	pthread_mutex_lock(&e->lock);
	KV_ASSERT(e->submitted_count >= count - own);
	e->submitted_count -= count - own;
	e->submitted_bytes -= bytes;
	pthread_mutex_unlock(&e->lock);
	while (count-- > 0) {
		struct request *r = container_of(ilist_pop_front(&e->finished), struct request, place);
		r->done(r);
	}
}

static bool work(struct engine *e)
{
	struct ilink *l;
	bool worked = false;
	while ((l = ilist_pop_front(&e->ready))) {
		request_route(container_of(l, struct request, place));
		worked = true;
	}
	while ((l = ilist_pop_front(&e->dirty))) {
		link_flush(container_of(l, struct link, dirty));
		worked = true;
	}
	if (!ilist_is_empty(&e->finished)) {
		run_finished(e);
		worked = true;
	}
	return worked;
}

void engine_turn(struct engine *e)
{
	while (work(e))
		;
	if (e->draining) {
		if (!ilist_is_empty(&e->active) && clock_mono_us() >= e->drain_until_us)
			engine_fail_all(e);
		if (ilist_is_empty(&e->active)) {
			event_base_loopbreak(e->base);
			return;
		}
	}
	arm_timer(e);
}

void engine_fail_all(struct engine *e)
{
	take_submitted(e);
	struct ilink *l;
	while ((l = ilist_first(&e->active)))
		request_fail(container_of(l, struct request, active), KV_CLOSED, "the client was closed");
	while (!ilist_is_empty(&e->finished))
		run_finished(e);
}

/* ---- Links ---- */

static struct link *find_link(const struct engine *e, const char *address)
{
	for (struct ilink *l = ilist_first(&e->links); l; l = ilist_next(&e->links, l)) {
		struct link *link = container_of(l, struct link, in_pool);
		if (strcmp(link->address, address) == 0)
			return link;
	}
	return NULL;
}

struct link *engine_link(struct engine *e, const char *address)
{
	struct link *link = find_link(e, address);
	if (link || e->link_count == LINKS_MAX)
		return link;
	link = link_new(e, address);
	link->aside = true;
	ilist_push_back(&e->links, &link->in_pool);
	e->link_count++;
	return link;
}

/* The open link to the node itself, whatever address it was reached by; otherwise the one to its address. */
static struct link *link_of_node(struct engine *e, const struct map_node *node)
{
	for (struct ilink *l = ilist_first(&e->links); l; l = ilist_next(&e->links, l)) {
		struct link *link = container_of(l, struct link, in_pool);
		if (link_is_open(link) && uuid_equal(&link->node, &node->uuid))
			return link;
	}
	char address[ADDRESS_SIZE_MAX];
	if (node->client_address.size >= sizeof address || !endpoint_is_valid(node->client_address))
		return NULL;
	memcpy(address, node->client_address.data, node->client_address.size);
	address[node->client_address.size] = '\0';
	return engine_link(e, address);
}

static void map_links(struct engine *e)
{
	for (struct ilink *l = ilist_first(&e->links); l; l = ilist_next(&e->links, l))
		container_of(l, struct link, in_pool)->expected = NODE_NONE;
	const struct map_desc *map = e->route.map;
	for (uint32_t i = 0; i < map->node_count && i < NODES_MAX; i++) {
		if (map->nodes[i].state == NODE_REMOVED)
			continue;
		struct link *link = link_of_node(e, &map->nodes[i]);
		if (!link)
			continue;
		link->aside = false;
		link->expected = (node_id)i;
		e->route.links[i] = link;
	}
}

/* ---- What nodes tell on the side ---- */

void engine_observe(struct engine *e, struct link *from, const struct msg *m)
{
	bool was_set = cluster_clock_is_set(&e->clock);
	cluster_clock_observe(&e->clock, m->hlc, clock_mono_us());
	if (!was_set && cluster_clock_is_set(&e->clock)) {
		/* In the order of submission, so that of two writes to one key the later one wins. */
		for (struct ilink *l = ilist_first(&e->active); l; l = ilist_next(&e->active, l))
			request_assign_time(container_of(l, struct request, active));
	}
	if (m->epoch > route_epoch(&e->route) && m->opcode != OP_MAP && link_is_open(from))
		engine_fetch_map(e, from);
}

/* ---- The map ---- */

void engine_fetch_map(struct engine *e, struct link *prefer)
{
	if (e->map_wanted || e->draining)
		return;
	bool pressing = !ilist_is_empty(&e->parked);
	if (!pressing && clock_mono_us() < e->map_pause_until_us)
		return;
	e->map_wanted = true;
	struct request *r = &e->map_request;
	request_init(r, OP_MAP, TARGET_ANY, RETRY_READ, map_done);
	r->msg.map.have_epoch = route_epoch(&e->route);
	r->timeout_ms = e->config.timeout_ms;
	r->tries_max = e->config.retry_attempts;
	r->prefer = prefer;
	request_start(r, e);
}

/* Requests that cannot go on without a map fail with WHY; the others are routed anew. */
static void release_parked(struct engine *e, const struct kv_error *why)
{
	struct ilist waiting;
	ilist_init(&waiting);
	struct ilink *l;
	while ((l = ilist_pop_front(&e->parked)))
		ilist_push_back(&waiting, l);
	while ((l = ilist_pop_front(&waiting))) {
		struct request *r = container_of(l, struct request, place);
		if (request_needs_map(r) && !e->route.map)
			request_fail(r, why->status, "%s", why->message);
		else
			request_requeue(r);
	}
}

static void map_done(struct request *r)
{
	struct engine *e = container_of(r, struct engine, map_request);
	struct kv_error why = r->error;
	e->map_wanted = false;
	const struct map_desc *map = why.status == KV_OK ? r->reply->msg.map.map : NULL;
	if (map && route_adopt(&e->route, r->reply))
		map_links(e);
	else
		e->map_pause_until_us = clock_mono_us() + MAP_PAUSE_MS * USEC_PER_MSEC;
	if (why.status == KV_OK && !e->route.map)
		client_error(&why, KV_NOT_READY,
			     "the node is not part of a cluster yet: kvctl cluster init forms one");
	reply_unref(r->reply);
	r->reply = NULL;
	release_parked(e, &why);
}
