/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mutant.h"
#include "proto/codec.h"
#include "storage/keyspace.h"
#include "storage/store_mem.h"
#include "tests/sim/disk.h"
#include "tests/sim/faults.h"
#include "tests/sim/node_inside.h"

/* --- writes --- */

static usec_t disk_delay_us(struct sim_node *n)
{
	const struct sim_options *o = &n->sim->options;
	if (n->sim->healed)
		return 1000;
	return rng_between(&n->sim->disk_rng, o->disk_min_us, o->disk_max_us) * n->disk_slowness;
}

static void node_sync(struct sim_node *n)
{
	if (n->queue.syncing || !n->queue.count)
		return;
	/* Too early for what is written now: it is told at the end of this sync and durable with the next. */
	if (MUTANT(earlyreply))
		(void)!store_mem_sync(n->store);
	n->queue.syncing = n->queue.count;
	struct sim_event *event = sim_event_new(SIM_SYNC);
	event->node = n->index;
	event->boot = n->boot;
	usec_t delay_us = disk_delay_us(n);
	sim_at(n->sim, event, n->sim->now_us + delay_us);
	if (n->crash_in_sync)
		faults_crash_in_sync(n->sim, n, delay_us);
}

static void queue_write(struct sim_node *n, struct disk_write write)
{
	struct disk_queue *q = &n->queue;
	if (q->count == q->capacity) {
		q->capacity = MAX(q->capacity * 2, 16u);
		q->items = xrealloc(q->items, q->capacity * sizeof(q->items[0]));
	}
	write.cost = n->sim->costs.present;
	q->items[q->count++] = write;
	n->sim->cover.writes++;
	node_sync(n);
}

/* A disk without room takes nothing, and the process stops as it does for any failed write. */
static bool disk_is_full(struct sim_node *n)
{
	if (n->full_until_us <= n->sim->now_us)
		return false;
	n->dying = true;
	return true;
}

void node_write(struct sim_node *n, uint32_t core, const struct action *a)
{
	if (disk_is_full(n))
		return;
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_write, n->index, core, a->write.token, a->write.count);
	disk_apply(n->store, a->write.puts, a->write.count);
	costs_write(&n->sim->costs, n->index);
	queue_write(n, (struct disk_write){.core = core, .token = a->write.token});
}

void node_drop(struct sim_node *n, uint32_t core, const struct action *a)
{
	if (disk_is_full(n))
		return;
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_drop, n->index, core, a->drop.token, a->drop.partition);
	if (!disk_drop(n->store, a->drop.partition)) {
		n->dying = true;
		return;
	}
	queue_write(n, (struct disk_write){.core = core, .token = a->drop.token});
}

static void save_encoded(struct sim_node *n, uint32_t core, struct buf bytes)
{
	struct store_op op = {.table = STORE_META, .key = slice_str(META_MAP), .value = buf_slice(&bytes)};
	enum kv_status status = store_write(n->store, &op, 1, /* sync: */ false);
	KV_ASSERT(status == KV_OK);
	queue_write(n, (struct disk_write){.core = core, .map = bytes});
}

/* The map is given to the disk at last, if the process is still the one that wanted it. */
static void save_late(struct sim *sim, struct sim_event *event)
{
	struct sim_node *n = &sim->nodes[event->node];
	struct buf bytes = event->bytes;
	event->bytes = (struct buf)BUF_INIT;
	if (n->up && n->boot == event->boot && !disk_is_full(n))
		save_encoded(n, event->core, bytes);
	else
		buf_release(&bytes);
	if (n->dying)
		node_die(n);
}

void node_save_map(struct sim_node *n, uint32_t core, const struct map_desc *map)
{
	const struct sim_options *o = &n->sim->options;
	if (disk_is_full(n))
		return;
	struct buf bytes = BUF_INIT;
	enum kv_status status = codec_map_encode(map, &bytes);
	KV_ASSERT(status == KV_OK);
	bool late = o->late_max_us && !n->sim->healed && rng_below(&n->sim->change_rng, 100) < o->late_pct;
	usec_t late_us = late ? rng_between(&n->sim->change_rng, 1, o->late_max_us) : 0;
	usec_t aimed_us = aim_at_map(n->sim, n, map);
	if (late_us == 0 && aimed_us == 0) {
		save_encoded(n, core, bytes);
		return;
	}
	struct sim_event *event = sim_event_new(SIM_FAULT);
	event->fault = save_late;
	event->node = n->index;
	event->core = core;
	event->boot = n->boot;
	buf_release(&event->bytes); /* an event that is used again has the memory of its last frame */
	event->bytes = bytes;
	n->sim->cover.late_maps += late;
	n->sim->cover.late_rows += aimed_us > 0;
	sim_at(n->sim, event, n->sim->now_us + MAX(late_us, aimed_us));
}

static void on_map_saved(struct sim_node *n, const struct buf *bytes)
{
	struct arena arena = ARENA_INIT(0);
	struct map_desc map;
	arena.limit = codec_arena_max(bytes->size);
	enum kv_status status = codec_map_decode(buf_slice(bytes), &arena, &map);
	KV_ASSERT(status == KV_OK);
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_map, n->index, map.epoch, 0, 0);
	maps_saw(n->sim, n, &map);
	for (uint32_t i = 0; i < n->sim->options.core_count; i++) {
		struct node_event ev = {.kind = EV_MAP_SAVED, .map.map = &map};
		node_step(n, i, &ev);
	}
	arena_release(&arena);
}

static void tell_written(struct sim_node *n, const struct disk_write *write)
{
	struct sim *sim = n->sim;
	trace_add(&sim->trace, sim->now_us, TRACE_durable, n->index, write->core, write->token, 0);
	struct node_event ev = {.kind = EV_WRITE_DONE, .write.token = write->token};
	costs_begin(&sim->costs, write->cost, n->index, 0);
	if (write->map.size)
		on_map_saved(n, &write->map);
	else
		node_step(n, write->core, &ev);
	costs_end(&sim->costs);
}

/* True if the sync went well. After one that failed nobody knows what is on the disk: the process stops. */
static bool sync_ends(struct sim_node *n)
{
	bool fails = n->fail_in_sync && faults_may_crash(n->sim, n);
	n->fail_in_sync = false;
	if (fails) {
		n->sim->cover.syncs_failed++;
		trace_add(&n->sim->trace, n->sim->now_us, TRACE_sync_failed, n->index, n->queue.syncing, 0, 0);
		n->ignores_sync = MUTANT(syncignored);
		if (n->ignores_sync)
			return true;
		store_mem_fail_next_sync(n->store);
	}
	if (MUTANT(earlyreply) || n->ignores_sync)
		return true;
	enum kv_status status = store_mem_sync(n->store);
	KV_ASSERT((status == KV_OK) == !fails);
	return status == KV_OK;
}

void node_on_sync(struct sim_node *n)
{
	if (!sync_ends(n)) {
		n->dying = true;
		return;
	}
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
	for (uint32_t i = 0; i < count && !node_dies_here(n); i++)
		tell_written(n, &done[i]);
	if (n->lose_after_sync)
		faults_lose_after_sync(n->sim, n);
	for (uint32_t i = 0; i < count; i++)
		buf_release(&done[i].map);
	free(done);
}

/* --- reads --- */

/* False if a record's checksum is wrong: the process stops, and the node is lost, if so many may be. Otherwise the damage
 * was on the way from the disk. */
static bool carry_out(struct sim_node *n, struct disk_work *work)
{
	disk_work_carry_out(work, n->store);
	if (work->status == KV_OK)
		return true;
	KV_ASSERT(work->status == KV_CORRUPT);
	n->sim->cover.corrupt_records++;
	n->dying = true;
	n->damaged = faults_may_lose(n->sim);
	return false;
}

void node_read(struct sim_node *n, uint32_t core, uint64_t token, struct disk_work *work)
{
	struct sim *sim = n->sim;
	/* What is found is what was there at some moment between asking and answering. */
	if (rng_chance(&sim->disk_rng, 500000) && !carry_out(n, work)) {
		disk_work_free(work);
		return;
	}
	struct sim_event *event = sim_event_new(SIM_DISK);
	event->node = n->index;
	event->core = core;
	event->boot = n->boot;
	event->token = token;
	event->work = work;
	event->cost = sim->costs.present;
	bool cached = rng_chance(&sim->disk_rng, 700000);
	sim_at(sim, event, sim->now_us + (cached ? rng_between(&sim->disk_rng, 1, 50) : disk_delay_us(n)));
}

static void tell_rows(struct sim_node *n, const struct sim_event *event)
{
	const struct disk_work *work = event->work;
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_scan, n->index, event->core, event->token, work->count);
	struct disk_row *rows = xcalloc(work->count, sizeof(rows[0]));
	disk_work_rows(work, rows);
	struct node_event ev = {
		.kind = EV_SCAN_DONE,
		.scan = {.token = event->token, .count = work->count, .rows = rows, .done = work->complete}};
	node_step(n, event->core, &ev);
	free(rows);
}

void node_on_disk(struct sim_node *n, const struct sim_event *event)
{
	struct disk_work *work = event->work;
	if (!carry_out(n, work))
		return;
	if (work->is_scan) {
		tell_rows(n, event);
		return;
	}
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_read, n->index, event->core, event->token, work->found);
	struct node_event ev = {
		.kind = EV_READ_DONE,
		.read = {.token = event->token, .found = work->found, .value = buf_slice(&work->bytes)}};
	node_step(n, event->core, &ev);
}

/* --- what is on the disk --- */

void node_put_map(struct sim_node *n, const struct map_desc *map)
{
	struct buf bytes = BUF_INIT;
	enum kv_status status = codec_map_encode(map, &bytes);
	KV_ASSERT(status == KV_OK);
	struct store_op op = {.table = STORE_META, .key = slice_str(META_MAP), .value = buf_slice(&bytes)};
	status = store_write(n->store, &op, 1, /* sync: */ false);
	KV_ASSERT(status == KV_OK);
	buf_release(&bytes);
}

bool node_get_map(struct sim_node *n, struct arena *arena, struct map_desc *ret)
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

hlc_t node_hlc_limit(struct sim_node *n)
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
