/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/node.h"

#include "proto/codec.h"
#include "storage/keyspace.h"
#include "storage/store_mem.h"
#include "tests/sim/disk.h"
#include "tests/sim/faults.h"
#include "tests/sim/sim.h"
#include "tests/sim/wire.h"

#define WALL_AT_START_US (UINT64_C(1750000000) * USEC_PER_SEC)

/* --- clocks --- */

static usec_t node_elapsed_us(const struct sim_node *n, usec_t at_us)
{
	return (usec_t)((int64_t)at_us + (int64_t)at_us / 1000 * n->drift_ppm / 1000);
}

struct moment sim_node_now(const struct sim_node *n)
{
	usec_t elapsed_us = node_elapsed_us(n, n->sim->now_us);
	/* Each machine's monotonic clock has its own zero. */
	return (struct moment){
		.mono_us = elapsed_us + (usec_t)(n->index + 1) * 1000 * USEC_PER_SEC,
		.wall_us = (usec_t)((int64_t)(WALL_AT_START_US + elapsed_us) + n->skew_us + n->offset_us),
	};
}

/* When the node's monotonic clock will show MONO_US, and not before the present. */
static usec_t node_time_of(const struct sim_node *n, usec_t mono_us)
{
	usec_t now_mono_us = sim_node_now(n).mono_us;
	if (mono_us <= now_mono_us)
		return n->sim->now_us + 1;
	usec_t wait_us = MIN(mono_us - now_mono_us, 3600 * USEC_PER_SEC);
	return n->sim->now_us + wait_us + wait_us / 2000 + 1; /* drift is at most 500 ppm */
}

/* --- actions --- */

static usec_t disk_delay_us(struct sim_node *n)
{
	const struct sim_options *o = &n->sim->options;
	if (n->sim->healed)
		return 1000;
	return rng_between(&n->sim->rng, o->disk_min_us, o->disk_max_us) * n->disk_slowness;
}

static void node_sync(struct sim_node *n)
{
	if (n->queue.syncing || !n->queue.count)
		return;
	n->queue.syncing = n->queue.count;
	struct sim_event *event = sim_event_new(SIM_SYNC);
	event->node = n->index;
	event->boot = n->boot;
	usec_t delay_us = disk_delay_us(n);
	sim_at(n->sim, event, n->sim->now_us + delay_us);
	if (n->crash_in_sync)
		faults_crash_in_sync(n->sim, n, delay_us);
}

static void node_queue_write(struct sim_node *n, struct disk_write write)
{
	struct disk_queue *q = &n->queue;
	if (q->count == q->capacity) {
		q->capacity = MAX(q->capacity * 2, 16u);
		q->items = xrealloc(q->items, q->capacity * sizeof(q->items[0]));
	}
	q->items[q->count++] = write;
	n->sim->cover.writes++;
	node_sync(n);
}

static void act_write(struct sim_node *n, uint32_t core, const struct action *a)
{
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_write, n->index, core, a->write.token, a->write.count);
	disk_apply(n->store, a->write.puts, a->write.count);
	node_queue_write(n, (struct disk_write){.core = core, .token = a->write.token});
}

static void act_work(struct sim_node *n, uint32_t core, uint64_t token, struct disk_work *work)
{
	struct sim *sim = n->sim;
	/* What is found is what was there at some moment between asking and answering. */
	if (rng_chance(&sim->rng, 500000))
		disk_work_carry_out(work, n->store);
	struct sim_event *event = sim_event_new(SIM_DISK);
	event->node = n->index;
	event->core = core;
	event->boot = n->boot;
	event->token = token;
	event->work = work;
	bool cached = rng_chance(&sim->rng, 700000);
	sim_at(sim, event, sim->now_us + (cached ? rng_between(&sim->rng, 1, 50) : disk_delay_us(n)));
}

static void node_put_map(struct sim_node *n, const struct map_desc *map)
{
	struct buf bytes = BUF_INIT;
	enum kv_status status = codec_map_encode(map, &bytes);
	KV_ASSERT(status == KV_OK);
	struct store_op op = {.table = STORE_META, .key = slice_str(META_MAP), .value = buf_slice(&bytes)};
	status = store_write(n->store, &op, 1, /* sync: */ false);
	KV_ASSERT(status == KV_OK);
	buf_release(&bytes);
}

static void act_stop(struct sim_node *n, const struct action *a)
{
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_stop, n->index, a->stop.status, 0, 0);
	verdict_fail(&n->sim->verdict, "stop", UINT32_MAX, "node %u stopped itself: %s, %.*s", n->index,
		     status_name(a->stop.status), (int)a->stop.why.size, (const char *)a->stop.why.data);
	n->stopped = true;
}

static void act_reply(struct sim_node *n, const struct action *a)
{
	uint32_t client = (uint32_t)(a->reply.client >> 48);
	uint64_t token = a->reply.client & 0xFFFFFFFFFFFF;
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_reply, n->index, client, a->reply.msg->result.status,
		  token);
	sim_send(n->sim, n->index, sim_client_end(n->sim, client), a->reply.msg, token);
}

static void node_act(struct sim_node *n, uint32_t core, const struct action *a)
{
	switch (a->kind) {
	case ACT_SEND:
		KV_ASSERT(a->send.to != n->index);
		KV_ASSERT(a->send.to < n->sim->options.node_count);
		sim_send(n->sim, n->index, a->send.to, a->send.msg, 0);
		return;
	case ACT_REPLY:
		act_reply(n, a);
		return;
	case ACT_READ:
		act_work(n, core, a->read.token, disk_work_read(&a->read.key));
		return;
	case ACT_WRITE:
		act_write(n, core, a);
		return;
	case ACT_SCAN:
		act_work(n, core, a->scan.token, disk_work_scan(&a->scan.scan));
		return;
	case ACT_SAVE_MAP:
		node_put_map(n, a->save_map.map);
		node_queue_write(n, (struct disk_write){.core = core, .map = true});
		return;
	case ACT_PEER: /* nodes are reached by index: addresses are given in that order */
		return;
	case ACT_STOP:
		act_stop(n, a);
		return;
	}
	KV_UNREACHABLE("no such action");
}

static void node_set_tick(struct sim_node *n, uint32_t core)
{
	struct sim_core *c = &n->cores[core];
	usec_t due_us = node_core_deadline_us(c->core);
	if (iheap_contains(&c->tick->item))
		iheap_remove(&n->sim->queue, &c->tick->item);
	if (due_us != USEC_NEVER)
		iheap_add(&n->sim->queue, &c->tick->item, node_time_of(n, due_us));
}

/* Carries out what the core wants after a call, and asks when to call again. */
static void node_after(struct sim_node *n, uint32_t core)
{
	for (size_t i = 0; i < n->actions.count; i++)
		node_act(n, core, &n->actions.items[i]);
	actions_reset(&n->actions);
	node_set_tick(n, core);
}

static void node_step(struct sim_node *n, uint32_t core, struct node_event *event)
{
	event->now = sim_node_now(n);
	node_core_step(n->cores[core].core, event, &n->actions);
	node_after(n, core);
}

/* --- events --- */

static void on_frame(struct sim_node *n, const struct sim_event *event)
{
	struct sim *sim = n->sim;
	struct arena arena = ARENA_INIT(0);
	struct msg m;
	wire_decode(buf_slice(&event->bytes), &arena, &m);
	uint32_t core = wire_core(&m, sim->options.partitions, sim->options.core_count);
	trace_add(&sim->trace, sim->now_us, TRACE_deliver, event->from, n->index, wire_label(&m), m.id);
	usec_t mono_us = sim_node_now(n).mono_us;
	struct node_event ev = {0};
	if (event->from >= sim->options.node_count) {
		ev.kind = EV_REQUEST;
		ev.request.client = (uint64_t)event->client << 48 | event->token;
		ev.request.msg = &m;
		ev.request.arrived_us = mono_us;
	} else {
		ev.kind = EV_MESSAGE;
		ev.message.from = event->from;
		ev.message.msg = &m;
		ev.message.arrived_us = mono_us;
	}
	node_step(n, core, &ev);
	arena_release(&arena);
}

static void on_disk(struct sim_node *n, const struct sim_event *event)
{
	struct disk_work *work = event->work;
	disk_work_carry_out(work, n->store);
	struct node_event ev = {0};
	if (!work->is_scan) {
		trace_add(&n->sim->trace, n->sim->now_us, TRACE_read, n->index, event->core, event->token,
			  work->found);
		ev.kind = EV_READ_DONE;
		ev.read.token = event->token;
		ev.read.found = work->found;
		ev.read.value = buf_slice(&work->bytes);
		node_step(n, event->core, &ev);
		return;
	}
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_scan, n->index, event->core, event->token, work->count);
	struct disk_row *rows = xcalloc(work->count, sizeof(rows[0]));
	disk_work_rows(work, rows);
	ev.kind = EV_SCAN_DONE;
	ev.scan.token = event->token;
	ev.scan.count = work->count;
	ev.scan.rows = rows;
	ev.scan.done = work->complete;
	node_step(n, event->core, &ev);
	free(rows);
}

/* Reads the stored map into ARENA; false if there is none. */
static bool node_get_map(struct sim_node *n, struct arena *arena, struct map_desc *ret)
{
	struct buf bytes = BUF_INIT;
	enum kv_status status =
		store_get(n->store, STORE_META, slice_str(META_MAP), /* cache_only: */ false, &bytes);
	if (status == KV_OK) {
		arena->limit = codec_arena_max(bytes.size);
		enum kv_status decoded = codec_map_decode(buf_slice(&bytes), arena, ret);
		KV_ASSERT(decoded == KV_OK);
	}
	buf_release(&bytes);
	return status == KV_OK;
}

static void on_map_saved(struct sim_node *n)
{
	struct arena arena = ARENA_INIT(0);
	struct map_desc map;
	bool there = node_get_map(n, &arena, &map);
	KV_ASSERT(there);
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_map, n->index, map.epoch, 0, 0);
	for (uint32_t i = 0; i < n->sim->options.core_count; i++) {
		struct node_event ev = {.kind = EV_MAP_SAVED, .map.map = &map};
		node_step(n, i, &ev);
	}
	arena_release(&arena);
}

static void on_sync(struct sim_node *n)
{
	enum kv_status status = store_mem_sync(n->store);
	KV_ASSERT(status == KV_OK);
	n->sim->cover.syncs++;
	/* The handlers queue further writes: take out what this sync covered first. */
	struct disk_queue *q = &n->queue;
	uint32_t count = q->syncing;
	struct disk_write *done = xcalloc(count, sizeof(done[0]));
	memcpy(done, q->items, count * sizeof(done[0]));
	memmove(q->items, q->items + count, (q->count - count) * sizeof(q->items[0]));
	q->count -= count;
	q->syncing = 0;
	node_sync(n);
	for (uint32_t i = 0; i < count; i++) {
		trace_add(&n->sim->trace, n->sim->now_us, TRACE_durable, n->index, done[i].core, done[i].token, 0);
		struct node_event ev = {.kind = EV_WRITE_DONE, .write.token = done[i].token};
		if (done[i].map)
			on_map_saved(n);
		else
			node_step(n, done[i].core, &ev);
	}
	free(done);
}

static void on_tick(struct sim_node *n, const struct sim_event *event)
{
	struct node_event ev = {.kind = EV_TICK};
	trace_mix(&n->sim->trace, n->sim->now_us, n->index);
	node_step(n, event->core, &ev);
}

void sim_node_handle(struct sim_node *n, struct sim_event *event)
{
	/* A connection ends with its process, so one frame never reaches two of them. For messages between replicas the
	 * network does that all the same; a forwarded write would be carried out by both, and only one could say so. */
	if (!n->up || (event->boot && event->boot != n->boot)) {
		KV_ASSERT(event->kind != SIM_TICK);
		sim_event_free(event);
		return;
	}
	if (n->paused_until_us > n->sim->now_us) {
		sim_at(n->sim, event, n->paused_until_us);
		return;
	}
	switch (event->kind) {
	case SIM_FRAME:
		on_frame(n, event);
		break;
	case SIM_DISK:
		on_disk(n, event);
		break;
	case SIM_SYNC:
		on_sync(n);
		break;
	case SIM_TICK:
		on_tick(n, event);
		return; /* the core's own, used again */
	default:
		KV_UNREACHABLE("not an event of a node");
	}
	sim_event_free(event);
}

/* --- start and crash --- */

void sim_node_init(struct sim_node *n, struct sim *sim, uint16_t index)
{
	*n = (struct sim_node){.sim = sim, .index = index, .disk_slowness = 1};
	snprintf(n->name, sizeof n->name, "n%u", index);
	snprintf(n->address, sizeof n->address, "n%u:7000", index);
	n->store = store_mem_new(rng_next(&sim->rng));
	for (size_t i = 0; i < sizeof n->uuid.bytes; i++)
		n->uuid.bytes[i] = (uint8_t)rng_between(&sim->rng, 1, 255);
	const struct sim_options *o = &sim->options;
	n->skew_us = (int64_t)rng_between(&sim->rng, 0, 2 * o->skew_max_us) - (int64_t)o->skew_max_us;
	n->drift_ppm = (int32_t)rng_between(&sim->rng, 0, 2 * (uint32_t)o->drift_max_ppm) - o->drift_max_ppm;
	actions_init(&n->actions);
	for (uint32_t i = 0; i < o->core_count; i++) {
		n->cores[i].tick = sim_event_new(SIM_TICK);
		n->cores[i].tick->node = index;
		n->cores[i].tick->core = i;
	}
}

static void node_free_cores(struct sim_node *n)
{
	for (uint32_t i = 0; i < n->sim->options.core_count; i++) {
		struct sim_core *c = &n->cores[i];
		if (!c->core)
			continue;
		struct core_stats stats;
		node_core_stats(c->core, &stats);
		cover_add_core(&n->sim->cover, &stats);
		node_core_free(c->core);
		c->core = NULL;
		if (iheap_contains(&c->tick->item))
			iheap_remove(&n->sim->queue, &c->tick->item);
	}
	n->queue.count = n->queue.syncing = 0;
	n->up = false;
}

void sim_node_release(struct sim_node *n)
{
	node_free_cores(n);
	for (uint32_t i = 0; i < n->sim->options.core_count; i++)
		sim_event_free(n->cores[i].tick);
	actions_release(&n->actions);
	store_close(n->store);
	free(n->queue.items);
}

void sim_node_seed_map(struct sim_node *n, const struct map_desc *map)
{
	node_put_map(n, map);
	enum kv_status status = store_mem_sync(n->store);
	KV_ASSERT(status == KV_OK);
}

static hlc_t node_hlc_limit(struct sim_node *n)
{
	hlc_t limit = 0;
	for (uint32_t i = 0; i < n->sim->options.core_count; i++) {
		char name[32];
		struct buf bytes = BUF_INIT;
		snprintf(name, sizeof name, "%s/%u", META_HLC_LIMIT, i);
		if (store_get(n->store, STORE_META, slice_str(name), /* cache_only: */ false, &bytes) == KV_OK) {
			uint64_t stored;
			KV_ASSERT(bytes.size == sizeof stored);
			memcpy(&stored, bytes.data, sizeof stored);
			limit = MAX(limit, (hlc_t)stored);
		}
		buf_release(&bytes);
	}
	return limit;
}

static void node_start_core(struct sim_node *n, uint32_t index, hlc_t limit, const struct map_desc *map)
{
	const struct sim_options *o = &n->sim->options;
	struct core_config config = {
		.seed = rng_next(&n->sim->rng),
		.shard = index,
		.shard_count = o->core_count,
		.node = n->uuid,
		.incarnation = n->boot,
		.boot_nonce = rng_next(&n->sim->rng),
		.name = slice_str(n->name),
		.peer_address = slice_str(n->address),
		.client_address = slice_str(n->address),
		.zone = slice_str(""),
		.weight = 100,
		.hlc_limit = limit,
		.map = map,
		.value_size_max = VALUE_SIZE_DEFAULT_MAX,
		.ops_max = o->ops_max,
		.slots_max = o->slots_max,
		.hints_max = o->hints_max,
	};
	n->cores[index].core = node_core_new(&config);
	node_core_start(n->cores[index].core, sim_node_now(n), &n->actions);
	node_after(n, index);
}

void sim_node_start(struct sim_node *n)
{
	KV_ASSERT(!n->up);
	struct arena arena = ARENA_INIT(0);
	struct map_desc map;
	hlc_t limit = node_hlc_limit(n);
	bool has_map = node_get_map(n, &arena, &map);
	n->boot++;
	n->up = true;
	n->paused_until_us = 0;
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_boot, n->index, n->boot, limit, 0);
	for (uint32_t i = 0; i < n->sim->options.core_count; i++)
		node_start_core(n, i, limit, has_map ? &map : NULL);
	arena_release(&arena);
}

void sim_node_crash(struct sim_node *n)
{
	KV_ASSERT(n->up);
	node_free_cores(n);
	size_t lost = store_mem_crash(n->store, &n->sim->rng);
	n->sim->cover.crashes++;
	n->sim->cover.crashes_losing += lost > 0;
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_crash, n->index, lost, 0, 0);
}

/* --- state --- */

bool sim_node_is_ready(const struct sim_node *n)
{
	for (uint32_t i = 0; n->up && i < n->sim->options.core_count; i++)
		if (!node_core_is_ready(n->cores[i].core))
			return false;
	return n->up;
}

void sim_node_stats(const struct sim_node *n, uint32_t core, struct core_stats *ret)
{
	KV_ASSERT(n->up);
	node_core_stats(n->cores[core].core, ret);
}

bool sim_node_is_quiet(const struct sim_node *n)
{
	if (!sim_node_is_ready(n) || n->queue.count)
		return false;
	for (uint32_t i = 0; i < n->sim->options.core_count; i++) {
		struct core_stats stats;
		node_core_stats(n->cores[i].core, &stats);
		if (stats.ops_in_flight || stats.hints_pending)
			return false;
	}
	return true;
}
