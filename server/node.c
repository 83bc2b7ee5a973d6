/* SPDX-License-Identifier: Apache-2.0 */
#include "server/node.h"

#include "base/clock.h"
#include "replication/op.h"
#include "server/node_disk.h"

enum { REQUESTS_FIRST = 256 };

#define REQUEST_NONE UINT32_MAX

struct node_request {
	struct node_origin origin;
	uint32_t generation; /* counts up with each answer, so that a token is never used twice */
	uint32_t next_free;
	enum msg_level level;
	usec_t arrived_us;
	bool open;
};

static struct moment moment_now(void)
{
	return (struct moment){.mono_us = clock_mono_us(), .wall_us = clock_wall_us()};
}

static void requests_grow(struct node *n)
{
	uint32_t count = n->request_count ? n->request_count * 2 : REQUESTS_FIRST;
	n->requests = xrealloc(n->requests, count * sizeof *n->requests);
	for (uint32_t i = count; i-- > n->request_count;) {
		n->requests[i] = (struct node_request){.next_free = n->request_free};
		n->request_free = i;
	}
	n->request_count = count;
}

static uint64_t request_open(struct node *n, const struct node_origin *origin, enum msg_level level,
			     usec_t arrived_us)
{
	if (n->request_free == REQUEST_NONE)
		requests_grow(n);
	uint32_t index = n->request_free;
	struct node_request *r = &n->requests[index];
	n->request_free = r->next_free;
	r->origin = *origin;
	r->level = level;
	r->arrived_us = arrived_us;
	r->open = true;
	n->requests_open++;
	return (uint64_t)r->generation << 32 | index;
}

/** Ends the request of TOKEN. Gives back what it was, until the next one is opened. */
static const struct node_request *request_close(struct node *n, uint64_t token)
{
	uint32_t index = (uint32_t)token;
	KV_ASSERT(index < n->request_count);
	struct node_request *r = &n->requests[index];
	KV_ASSERT(r->open);
	KV_ASSERT(r->generation == (uint32_t)(token >> 32));
	r->open = false;
	r->generation++;
	r->next_free = n->request_free;
	n->request_free = index;
	n->requests_open--;
	return r;
}

static void reply(struct node *n, uint64_t token, const struct msg *msg)
{
	const struct node_request *request = request_close(n, token);
	const struct node_origin origin = request->origin;
	if (opcode_is_client(origin.opcode) && origin.opcode != OP_MAP)
		opstats_answered(n->config.opstats, origin.opcode, request->level, msg->result.status,
				 clock_mono_us() - request->arrived_us);
	struct msg answer = *msg;
	answer.id = origin.id;
	answer.reply = true;
	n->config.events->reply(n->config.owner, &origin, &answer);
}

static void carry_out(struct node *n, const struct action *action)
{
	const struct node_events *events = n->config.events;
	void *owner = n->config.owner;
	switch (action->kind) {
	case ACT_SEND:
		events->send(owner, action->send.to, action->send.msg);
		return;
	case ACT_REPLY:
		reply(n, action->reply.client, action->reply.msg);
		return;
	case ACT_READ:
		node_disk_read(n, action->read.token, &action->read.key, action->read.look);
		return;
	case ACT_WRITE:
		node_disk_write(n, action->write.token, action->write.puts, action->write.count);
		return;
	case ACT_DROP:
		node_disk_drop(n, action->drop.token, action->drop.partition);
		return;
	case ACT_SCAN:
		node_disk_scan(n, action->scan.token, &action->scan.scan);
		return;
	case ACT_SAVE_MAP:
		events->save_map(owner, action->save_map.map);
		return;
	case ACT_PEER:
		events->peer(owner, action->peer.index, action->peer.address);
		return;
	case ACT_TRACE:
		events->trace(owner, action->trace.timeline);
		return;
	case ACT_STOP:
		events->stop(owner, action->stop.status, action->stop.why);
		return;
	}
	KV_UNREACHABLE("action kind");
}

static void finish_step(struct node *n)
{
	for (size_t i = 0; i < n->actions.count; i++)
		carry_out(n, &n->actions.items[i]);
	actions_reset(&n->actions);
	n->busy = false;
}

static void step_one(struct node *n, struct node_event *event)
{
	KV_ASSERT(!n->busy);
	n->busy = true;
	event->now = moment_now();
	node_core_step(n->core, event, &n->actions);
	finish_step(n);
}

/** Gives the core what was read from memory meanwhile; each may cause more. */
static void deliver_ready(struct node *n)
{
	if (n->delivering)
		return;
	n->delivering = true;
	struct node_event event;
	for (struct node_read *read; (read = node_disk_next_ready(n, &event));) {
		step_one(n, &event);
		node_disk_recycle(n, read);
	}
	n->delivering = false;
}

void node_step(struct node *n, struct node_event *event)
{
	step_one(n, event);
	deliver_ready(n);
}

static void on_tick(void *data)
{
	struct node *n = data;
	const struct commit_stats *stats = commit_stats(n->config.commit);
	struct node_event event = {
		.kind = EV_TICK,
		.tick = {.disk_free_pct = atomic_load_explicit(&stats->free_pct, memory_order_relaxed),
			 .disk_low = atomic_load_explicit(&stats->room_low, memory_order_relaxed)},
	};
	node_step(n, &event);
}

void node_init(struct node *n, const struct node_config *config)
{
	*n = (struct node){.config = *config, .request_free = REQUEST_NONE};
	n->config.core = NULL; /* borrowed for the call */
	ilist_init(&n->ready);
	ilist_init(&n->spare);
	actions_init(&n->actions);
	loop_timer_init(&n->tick, config->loop, on_tick, n);
	n->core = node_core_new(config->core);
	requests_grow(n);
}

void node_release(struct node *n)
{
	if (!n->core)
		return;
	loop_timer_release(&n->tick);
	node_disk_release(n);
	actions_release(&n->actions);
	node_core_free(n->core);
	free(n->requests);
	*n = (struct node){0};
}

void node_start(struct node *n)
{
	KV_ASSERT(!n->busy);
	n->busy = true;
	node_core_start(n->core, moment_now(), &n->actions);
	finish_step(n);
	deliver_ready(n);
	node_arm(n);
}

/** What arrived at ARRIVED_US was taken up by the core as EVENT. */
static void note_queue(struct node *n, enum opstats_queue queue, usec_t arrived_us, const struct node_event *event)
{
	usec_t taken_us = event->now.mono_us;
	hist_add(&n->config.opstats->queue_us[queue], taken_us > arrived_us ? taken_us - arrived_us : 0);
}

void node_request(struct node *n, const struct node_origin *origin, const struct msg *msg, usec_t arrived_us)
{
	enum msg_level level =
		opcode_is_client(msg->opcode) && msg->opcode != OP_MAP ? op_level(msg) : LEVEL_DEFAULT;
	struct node_event event = {
		.kind = EV_REQUEST,
		.request = {.client = request_open(n, origin, level, arrived_us),
			    .msg = msg,
			    .arrived_us = arrived_us},
	};
	node_step(n, &event);
	note_queue(n, OPSTATS_QUEUE_CLIENT, arrived_us, &event);
}

void node_message(struct node *n, node_id from, const struct msg *msg, usec_t arrived_us)
{
	struct node_event event = {.kind = EV_MESSAGE,
				   .message = {.from = from, .msg = msg, .arrived_us = arrived_us}};
	node_step(n, &event);
	note_queue(n, OPSTATS_QUEUE_PEER, arrived_us, &event);
}

void node_map_saved(struct node *n, const struct map_desc *map)
{
	struct node_event event = {.kind = EV_MAP_SAVED, .map = {.map = map}};
	node_step(n, &event);
}

void node_arm(struct node *n) { loop_timer_set(&n->tick, node_core_deadline_us(n->core)); }

uint32_t node_requests_open(const struct node *n) { return n->requests_open; }
