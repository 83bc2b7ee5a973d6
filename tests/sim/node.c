/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/node.h"

#include <inttypes.h>

#include "base/hash.h"
#include "base/mutant.h"
#include "storage/store_mem.h"
#include "tests/sim/disk.h"
#include "tests/sim/faults.h"
#include "tests/sim/node_inside.h"
#include "tests/sim/value.h"
#include "tests/sim/wire.h"

#define WALL_AT_START_US (UINT64_C(1750000000) * USEC_PER_SEC)

/* Of the few keys of a run; the table is cleared at every start. */
#define CHECKED_MAX 64u

/* How far behind its time an answer may be: a core looks at its deadlines when it is called, at least once a tick. */
#define ANSWER_LATE_MAX_US (2 * USEC_PER_MSEC)

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

void sim_node_stop(struct sim_node *n, enum kv_status status, struct slice why)
{
	if (n->dying)
		return; /* it says so once more */
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_stop, n->index, status, 0, 0);
	/* Its token was used up by another, or ended. */
	if (status == KV_REFUSED && n->token[0]) {
		n->token[0] = '\0';
		n->dying = true;
		return;
	}
	n->dying = n->leaving = (status == KV_IDENTITY || status == KV_OK) && sim_node_state(n) == NODE_REMOVED;
	if (!n->leaving)
		verdict_fail(&n->sim->verdict, "stop", UINT32_MAX, "node %u stopped itself: %s, %.*s", n->index,
			     status_name(status), (int)why.size, (const char *)why.data);
}

/* Every request is answered by its deadline, unless the process stood still. */
static void check_deadline(struct sim_node *n, uint32_t client, uint64_t token)
{
	struct sim_asked *asked = &n->asked[client];
	usec_t now_us = sim_node_now(n).mono_us;
	if (token != 0 && asked->token == token && now_us > asked->due_us + ANSWER_LATE_MAX_US)
		verdict_fail(&n->sim->verdict, "deadline", UINT32_MAX,
			     "node %u answered request %" PRIu64 " of client %u %" PRIu64 " us after its deadline",
			     n->index, token, client, now_us - asked->due_us);
}

static void act_reply(struct sim_node *n, const struct action *a)
{
	uint32_t client = (uint32_t)(a->reply.client >> 48);
	uint64_t token = a->reply.client & 0xFFFFFFFFFFFF;
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_reply, n->index, client, a->reply.msg->result.status,
		  token);
	check_deadline(n, client, token);
	costs_answer(&n->sim->costs, n->index);
	sim_send(n->sim, n->index, sim_client_end(n->sim, client), a->reply.msg, token);
}

static void node_act(struct sim_node *n, uint32_t core, const struct action *a)
{
	switch (a->kind) {
	case ACT_SEND:
		links_send(n, a->send.to, a->send.msg);
		return;
	case ACT_REPLY:
		act_reply(n, a);
		return;
	case ACT_READ:
		node_read(n, core, a->read.token, disk_work_read(&a->read.key));
		return;
	case ACT_WRITE:
		node_write(n, core, a);
		return;
	case ACT_DROP:
		node_drop(n, core, a);
		return;
	case ACT_SCAN:
		node_read(n, core, a->scan.token, disk_work_scan(&a->scan.scan));
		return;
	case ACT_SAVE_MAP:
		node_save_map(n, core, a->save_map.map);
		return;
	case ACT_PEER:
		links_point(n, a->peer.index, a->peer.address);
		return;
	case ACT_TRACE:
		return;
	case ACT_STOP:
		sim_node_stop(n, a->stop.status, a->stop.why);
		return;
	}
	KV_UNREACHABLE("no such action");
}

bool node_dies_here(struct sim_node *n)
{
	if (n->dying || n->crash_in_steps == 0 || --n->crash_in_steps > 0)
		return n->dying;
	if (n->sim->healed || !faults_may_crash(n->sim, n))
		return false;
	n->sim->cover.crashes_in_step++;
	n->dying = true;
	return true;
}

static void node_set_tick(struct sim_node *n, uint32_t core)
{
	struct sim_core *c = &n->cores[core];
	usec_t due_us = node_core_deadline_us(c->core);
	if (due_us == USEC_NEVER) {
		if (iheap_contains(&c->tick->item))
			iheap_remove(&n->sim->queue, &c->tick->item);
		return;
	}
	iheap_set(&n->sim->queue, &c->tick->item, node_time_of(n, due_us));
}

/* Carries out what the core wants after a call, and asks when to call again. */
static void node_after(struct sim_node *n, uint32_t core)
{
	for (size_t i = 0; i < n->actions.count && !node_dies_here(n); i++)
		node_act(n, core, &n->actions.items[i]);
	actions_reset(&n->actions);
	node_set_tick(n, core);
}

void node_step(struct sim_node *n, uint32_t core, struct node_event *event)
{
	if (n->dying)
		return;
	event->now = sim_node_now(n);
	node_core_step(n->cores[core].core, event, &n->actions);
	node_after(n, core);
}

/* --- events --- */

static void on_frame(struct sim_node *n, const struct sim_event *event)
{
	struct sim *sim = n->sim;
	const struct msg *m = sim_message(sim, event);
	uint32_t core = wire_core(m, node_core_partitions(n->cores[0].core), sim->options.core_count);
	trace_add(&sim->trace, sim->now_us, TRACE_deliver, event->from, n->index, wire_label(m), m->id);
	usec_t mono_us = sim_node_now(n).mono_us;
	struct node_event ev = {0};
	if (event->from >= sim->options.node_count) {
		ev.kind = EV_REQUEST;
		ev.request.client = (uint64_t)event->client << 48 | event->token;
		ev.request.msg = m;
		ev.request.arrived_us = mono_us;
		if (opcode_is_client(m->opcode))
			n->asked[event->client] =
				(struct sim_asked){event->token, mono_us + m->request.deadline_ms * USEC_PER_MSEC};
	} else {
		ev.kind = EV_MESSAGE;
		if (!links_admit(n, event, m, &ev.message.from))
			return;
		ev.message.msg = m;
		ev.message.arrived_us = mono_us;
	}
	node_step(n, core, &ev);
}

static void on_tick(struct sim_node *n, const struct sim_event *event)
{
	struct node_event ev = {.kind = EV_TICK};
	trace_mix(&n->sim->trace, n->sim->now_us, n->index);
	node_step(n, event->core, &ev);
}

void node_die(struct sim_node *n)
{
	bool damaged = n->damaged;
	n->left |= n->leaving;
	sim_node_crash(n);
	if (damaged)
		node_lost(n, KV_CORRUPT);
	else
		faults_restart_later(n->sim, n);
}

static void node_dispatch(struct sim_node *n, struct sim_event *event)
{
	costs_begin(&n->sim->costs, event->cost, n->index, event->depth);
	switch (event->kind) {
	case SIM_FRAME:
		on_frame(n, event);
		break;
	case SIM_DISK:
		node_on_disk(n, event);
		break;
	case SIM_SYNC:
		node_on_sync(n);
		break;
	case SIM_TICK:
		on_tick(n, event);
		break;
	default:
		KV_UNREACHABLE("not an event of a node");
	}
	costs_end(&n->sim->costs);
}

/* What came while the process stood still has waited: its time began to run when it came. */
static void wait_for_pause(struct sim_node *n, struct sim_event *event)
{
	sim_at(n->sim, event, n->paused_until_us);
	for (uint32_t i = 0; i < n->sim->options.client_count; i++)
		n->asked[i].token = 0;
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
		wait_for_pause(n, event);
		return;
	}
	bool reused = event->kind == SIM_TICK; /* the core's own */
	node_dispatch(n, event);
	if (!reused)
		sim_event_free(event);
	if (n->dying)
		node_die(n);
}

/* --- start and crash --- */

void sim_node_init(struct sim_node *n, struct sim *sim, uint16_t index)
{
	*n = (struct sim_node){.sim = sim, .index = index, .disk_slowness = 1, .life = 1};
	snprintf(n->name, sizeof n->name, "n%u", index);
	snprintf(n->address, sizeof n->address, "n%u:7000", index);
	n->store = store_mem_new(rng_next(&sim->disk_rng));
	for (size_t i = 0; i < sizeof n->uuid.bytes; i++)
		n->uuid.bytes[i] = (uint8_t)rng_between(&sim->disk_rng, 1, 255);
	const struct sim_options *o = &sim->options;
	if (o->zone_count)
		snprintf(n->zone, sizeof n->zone, "z%u", index % o->zone_count);
	n->skew_us = (int64_t)rng_between(&sim->disk_rng, 0, 2 * o->skew_max_us) - (int64_t)o->skew_max_us;
	n->drift_ppm = (int32_t)rng_between(&sim->disk_rng, 0, 2 * (uint32_t)o->drift_max_ppm) - o->drift_max_ppm;
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
	for (uint32_t i = 0; i < n->queue.count; i++)
		buf_release(&n->queue.items[i].map);
	n->queue.count = n->queue.syncing = 0;
	n->up = n->dying = n->damaged = n->leaving = false;
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

/* Addresses of other machines, as its configuration may name them. */
static uint32_t node_seeds(const struct sim_node *n, struct slice *ret)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < n->sim->options.node_count && count < JOIN_SEEDS_MAX; i++)
		if (i != n->index && sim_node_is_member(&n->sim->nodes[i]))
			ret[count++] = slice_str(n->sim->nodes[i].address);
	return count;
}

static void node_start_core(struct sim_node *n, uint32_t index, hlc_t limit, const struct map_desc *map)
{
	const struct sim_options *o = &n->sim->options;
	struct core_config config = {
		.seed = rng_next(&n->sim->disk_rng),
		.shard = index,
		.shard_count = o->core_count,
		.node = n->uuid,
		.incarnation = n->boot,
		.boot_nonce = rng_next(&n->sim->disk_rng),
		.name = slice_str(n->name),
		.peer_address = slice_str(n->address),
		.client_address = slice_str(n->address),
		.zone = slice_str(n->zone),
		.weight = 100,
		.hlc_limit = limit,
		.map = map,
		.value_size_max = VALUE_SIZE_DEFAULT_MAX,
		.ops_max = o->ops_max,
		.slots_max = o->slots_max,
		.record_cache_bytes = o->record_cache_bytes,
		.hints_max = o->hints_max,
		.tick_us = o->tick_us,
		.replica_timeout_us = o->replica_timeout_us,
		.move_stuck_us = o->move_stuck_us,
		.exchange_interval_us = o->exchange_interval_us,
		.exchange_settle_us = o->exchange_interval_us / 8,
		.gc_grace_ms = (uint32_t)o->gc_grace_ms,
		.gc_interval_us = o->gc_interval_us,
		.join_token = slice_str(n->token),
		.checked_max = CHECKED_MAX,
		.restless = o->rows_move && !n->sim->healed ? value_partitions(o->key_count, o->partitions) : 0,
		.buggify_seed = o->buggify && !n->sim->healed ? hash_u64(o->seed) | 1 : 0,
	};
	config.seed_count = n->token[0] ? node_seeds(n, config.seeds) : 0;
	n->cores[index].core = node_core_new(&config);
	node_core_start(n->cores[index].core, sim_node_now(n), &n->actions);
	node_after(n, index);
}

void sim_node_start(struct sim_node *n)
{
	KV_ASSERT(!n->up);
	KV_ASSERT(!n->lost && !n->left);
	struct arena arena = ARENA_INIT(0);
	struct map_desc map;
	hlc_t limit = node_hlc_limit(n);
	bool has_map = node_get_map(n, &arena, &map);
	n->boot++;
	n->up = true;
	n->paused_until_us = 0;
	n->ignores_sync = false;
	links_reset(&n->links);
	memset(n->asked, 0, sizeof(n->asked));
	trace_add(&n->sim->trace, n->sim->now_us, TRACE_boot, n->index, n->boot, limit, 0);
	if (has_map)
		maps_saw(n->sim, n, &map); /* it may have become durable without anybody being told */
	for (uint32_t i = 0; i < n->sim->options.core_count; i++)
		node_start_core(n, i, limit, has_map ? &map : NULL);
	arena_release(&arena);
	if (n->dying)
		node_die(n);
}

void sim_node_crash(struct sim_node *n)
{
	KV_ASSERT(n->up);
	node_free_cores(n);
	size_t lost = store_mem_crash(n->store, &n->sim->disk_rng);
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

/* Where a node is lost, nobody may be left who has what a hint names: it waits for its end, or until the cluster gives the
 * node up. */
static uint64_t hints_owed(const struct sim_node *n, const struct core_stats *stats)
{
	const struct sim *sim = n->sim;
	bool any_lost = sim->options.membership ? maps_dead_left(&sim->maps) > 0 : sim->lost_count > 0;
	return any_lost ? 0 : stats->hints_pending;
}

bool sim_node_is_quiet(const struct sim_node *n)
{
	if (!sim_node_is_ready(n) || n->queue.count)
		return false;
	for (uint32_t i = 0; i < n->sim->options.core_count; i++) {
		struct core_stats stats;
		node_core_stats(n->cores[i].core, &stats);
		if (stats.ops_in_flight || hints_owed(n, &stats))
			return false;
	}
	return true;
}
