/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sim.h"

#include <inttypes.h>

#include "base/hash.h"
#include "proto/codec.h"
#include "replication/placement.h"
#include "tests/sim/check_cache.h"
#include "tests/sim/disk.h"
#include "tests/sim/faults.h"
#include "tests/sim/sim_inside.h"
#include "tests/sim/wire.h"

/* Longest parts of a run, in virtual time. */
#define FORM_MAX_US   (60 * USEC_PER_SEC)
#define WORK_MAX_US   (240 * USEC_PER_SEC)
#define CHANGE_MAX_US (120 * USEC_PER_SEC) /* until what the operator began is finished */
#define LIMITS_EVERY  512u                 /* events between two looks at the limits */
#define LOOK_EVERY    16u                  /* events between two looks at whether a part of the run is over */

#define FRAME_ARENA_MAX (256u << 20)

/* Of the few keys and clients of a run: far more means that something writes without end. */
#define QUEUED_WRITES_MAX 4096u

/* --- events --- */

/* Events that are done are used again, with the memory of their frames: most of a run is events. */
static struct sim_event *spare;

#define SPARE_BYTES_MAX (16u << 10)

struct sim_event *sim_event_new(enum sim_event_kind kind)
{
	struct sim_event *event = spare;
	if (!event) {
		event = xcalloc(1, sizeof(*event));
		event->arena = (struct arena){.limit = FRAME_ARENA_MAX, .keep = SPARE_BYTES_MAX};
		event->kind = kind;
		return event;
	}
	spare = event->next;
	struct buf bytes = event->bytes;
	struct arena arena = event->arena;
	*event = (struct sim_event){.kind = kind, .bytes = bytes, .arena = arena};
	return event;
}

void sim_event_free(struct sim_event *event)
{
	if (!event)
		return;
	disk_work_free(event->work);
	if (event->bytes.capacity > SPARE_BYTES_MAX)
		buf_release(&event->bytes);
	buf_clear(&event->bytes);
	arena_reset(&event->arena);
	event->next = spare;
	spare = event;
}

void sim_at(struct sim *sim, struct sim_event *event, usec_t at_us)
{
	KV_ASSERT(at_us >= sim->now_us);
	iheap_add(&sim->queue, &event->item, at_us);
}

static bool travels_as_bytes(const struct sim *sim, const struct msg *m)
{
	return sim->options.codec || !wire_can_copy(m);
}

/* One copy of a message on its way. */
static struct sim_event *event_of_message(struct sim *sim, uint16_t from, uint16_t to, const struct msg *m)
{
	bool to_client = to >= sim->options.node_count;
	struct sim_event *event = sim_event_new(to_client ? SIM_ANSWER : SIM_FRAME);
	event->node = to;
	event->from = from;
	event->client = to_client ? to - sim->options.node_count : from - sim->options.node_count;
	/* Clients decode what they get. */
	if (to_client || travels_as_bytes(sim, m))
		wire_encode(m, &event->bytes);
	else
		event->copy = wire_copy(m, &event->arena);
	return event;
}

/* M on its way: copies are lost, late or two. */
static void send_copies(struct sim *sim, const struct sim_event *about, const struct msg *m)
{
	usec_t delays_us[2];
	uint16_t from = about->from, to = about->node;
	bool to_client = to >= sim->options.node_count, from_client = from >= sim->options.node_count;
	bool may_repeat = !to_client && !from_client;
	usec_t extra_us = 0;
	bool hit = may_repeat && aim_at_frame(sim, from, to, m, &extra_us);
	uint32_t copies = hit ? 0 : net_send(&sim->net, from, to, may_repeat, delays_us);
	trace_add(&sim->trace, sim->now_us,
		  copies == 0   ? TRACE_lost
		  : copies == 1 ? TRACE_send
				: TRACE_twice,
		  from, to, wire_label(m), m->id);
	sim->cover.frames_sent++;
	sim->cover.frames_lost += copies == 0;
	sim->cover.frames_repeated += copies == 2;
	uint32_t cost = from_client ? costs_request(&sim->costs) : sim->costs.present;
	uint32_t depth = from_client || to_client ? 0 : costs_send(&sim->costs, from);
	for (uint32_t i = 0; i < copies; i++) {
		struct sim_event *event = event_of_message(sim, from, to, m);
		event->token = about->token;
		event->to_index = about->to_index;
		event->said = about->said;
		event->from_boot = about->from_boot;
		event->cost = cost;
		event->depth = depth;
		if (copies == 2 && opcode_is_client(m->opcode) && !m->reply)
			event->boot = sim->nodes[to].boot;
		sim_at(sim, event, sim->now_us + delays_us[i] + extra_us);
	}
}

void sim_send(struct sim *sim, uint16_t from, uint16_t to, const struct msg *m, uint64_t token)
{
	const struct sim_event about = {.from = from, .node = to, .token = token};
	send_copies(sim, &about, m);
}

void sim_send_peer(struct sim *sim, uint16_t from, uint16_t to, node_id to_index, const struct msg *m)
{
	const struct sim_node *sender = &sim->nodes[from];
	const struct sim_event about = {.from = from,
					.node = to,
					.to_index = to_index,
					.said = node_core_index(sender->cores[0].core),
					.from_boot = sender->boot};
	send_copies(sim, &about, m);
}

const struct msg *sim_message(struct sim *sim, const struct sim_event *event)
{
	if (event->copy)
		return event->copy;
	arena_reset(&sim->frame_arena);
	struct msg *m = arena_alloc(&sim->frame_arena, sizeof(*m));
	KV_ASSERT(m);
	wire_decode(buf_slice(&event->bytes), &sim->frame_arena, m);
	return m;
}

usec_t sim_patience_us(const struct sim *sim, usec_t us)
{
	return sim->now_us < sim->storm_until_us ? MIN(us, sim->storm_patience_us) : us;
}

uint16_t sim_node_left(const struct sim *sim, uint16_t index)
{
	for (uint32_t i = 0; i < sim->options.node_count && !sim_node_is_member(&sim->nodes[index]); i++)
		index = (uint16_t)((index + 1) % sim->options.node_count);
	return index;
}

bool sim_maps_are_known(const struct sim *sim)
{
	for (uint32_t i = 0; i < sim->options.node_count; i++) {
		const struct sim_node *n = &sim->nodes[i];
		if (sim_node_is_member(n) && n->epoch != sim->maps.newest->desc.epoch)
			return false;
	}
	return true;
}

static void sim_dispatch(struct sim *sim, struct sim_event *event)
{
	switch (event->kind) {
	case SIM_FRAME:
	case SIM_DISK:
	case SIM_SYNC:
	case SIM_TICK:
		sim_node_handle(&sim->nodes[event->node], event);
		return;
	case SIM_ANSWER:
		if (event->client == sim_admin_client(sim))
			admin_on_answer(sim, event, sim_message(sim, event));
		else if (sim->on_answer)
			sim->on_answer(sim, event, sim_message(sim, event));
		else
			workload_on_answer(sim, event);
		break;
	case SIM_CLIENT:
		workload_on_client(sim, event);
		break;
	case SIM_FAULT:
		event->fault(sim, event);
		break;
	}
	sim_event_free(event);
}

/* --- limits --- */

static void check_limit(struct sim *sim, const struct sim_node *n, const char *what, uint64_t count, uint64_t most)
{
	if (count > most)
		verdict_fail(&sim->verdict, "limits", UINT32_MAX, "node %u has %" PRIu64 " %s, more than %" PRIu64,
			     n->index, count, what, most);
}

/* A slot that is in use cannot be dropped: beyond the limit there are at most those of the run's keys. */
static void check_core_limits(struct sim *sim, const struct sim_node *n, const struct core_stats *s)
{
	const struct sim_options *o = &sim->options;
	check_limit(sim, n, "operations in flight", s->ops_in_flight, o->ops_max ? o->ops_max : OPS_MAX);
	check_limit(sim, n, "slots", s->slots, (o->slots_max ? o->slots_max : SLOTS_MAX) + o->key_count);
	for (uint32_t i = 0; i < s->peer_count; i++) {
		check_limit(sim, n, "hints for one target", s->peers[i].hints_pending,
			    o->hints_max ? o->hints_max : HINT_KEYS_MAX);
		check_limit(sim, n, "dirty partitions for one target", s->peers[i].partitions_dirty, o->partitions);
	}
}

static void check_node_limits(struct sim *sim, const struct sim_node *n)
{
	for (uint32_t core = 0; n->up && core < sim->options.core_count; core++) {
		struct core_stats s;
		sim_node_stats(n, core, &s);
		check_core_limits(sim, n, &s);
	}
	check_limit(sim, n, "writes that wait for a sync", n->queue.count, QUEUED_WRITES_MAX);
}

static void check_limits(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->options.node_count; i++) {
		check_node_limits(sim, &sim->nodes[i]);
		check_cache(sim, &sim->nodes[i]);
	}
}

bool sim_until(struct sim *sim, bool (*cond)(const struct sim *sim), usec_t us)
{
	usec_t end_us = sim->now_us + us;
	while (!sim->verdict.violated) {
		if (cond && sim->handled % LOOK_EVERY == 0 && cond(sim))
			return true;
		struct iheap_item *first = iheap_first(&sim->queue);
		if (!first || first->key > end_us)
			break;
		iheap_remove(&sim->queue, first);
		KV_ASSERT(first->key >= sim->now_us);
		sim->now_us = first->key;
		sim_dispatch(sim, container_of(first, struct sim_event, item));
		if (++sim->handled % LIMITS_EVERY == 0)
			check_limits(sim);
	}
	if (!sim->verdict.violated)
		sim->now_us = MAX(sim->now_us, end_us);
	return cond && cond(sim);
}

/* --- the cluster --- */

static uint32_t first_count(const struct sim *sim) { return sim->options.node_count - sim->options.spare_count; }

static void map_nodes(struct sim *sim, struct map_node *nodes)
{
	for (uint32_t i = 0; i < first_count(sim); i++) {
		const struct sim_node *n = &sim->nodes[i];
		nodes[i] = (struct map_node){
			.index = (node_id)i,
			.uuid = n->uuid,
			.state = NODE_NORMAL,
			.name = slice_str(n->name),
			.peer_address = slice_str(n->address),
			.client_address = slice_str(n->address),
			.zone = slice_str(n->zone),
			.replaces = NODE_NONE,
			.weight = 100,
		};
	}
}

/* All nodes begin with map 1, as after an earlier life of the cluster. */
static void cluster_seed(struct sim *sim)
{
	const struct sim_options *o = &sim->options;
	struct map_node nodes[SIM_NODES_MAX];
	map_nodes(sim, nodes);
	node_id *rows = xcalloc((size_t)o->partitions * o->replicas, sizeof(rows[0]));
	uint64_t *epochs = xcalloc(o->partitions, sizeof(epochs[0]));
	struct placement_input input = {.partitions = o->partitions,
					.replicas = o->replicas,
					.node_count = first_count(sim),
					.nodes = nodes};
	struct error err;
	enum kv_status status = placement_plan(&input, rows, &err);
	KV_ASSERT(status == KV_OK);
	for (uint32_t i = 0; i < o->partitions; i++)
		epochs[i] = 1;
	struct map_desc map = {
		.cluster = {.bytes = {0xC1}},
		.name = slice_str("sim"),
		.epoch = 1,
		.partitions = o->partitions,
		.replicas = o->replicas,
		.node_count = first_count(sim),
		.nodes = nodes,
		.rows = rows,
		.config_epochs = epochs,
		.voter_count = 3,
		.voters = {0, 1, 2},
	};
	for (uint32_t i = 0; i < first_count(sim); i++) {
		sim_node_seed_map(&sim->nodes[i], &map);
		maps_saw(sim, &sim->nodes[i], &map);
	}
	free(rows);
	free(epochs);
}

/* Asks node 0 to form the cluster, and again if that did not work: forming is safe to repeat. */
static void form_asks(struct sim *sim, struct sim_event *event)
{
	const struct sim_options *o = &sim->options;
	/* Machines that have left by then and are empty again would become a second cluster. */
	if (sim_node_is_ready(&sim->nodes[0]) || sim->nodes[0].life > 1)
		return;
	struct slice addresses[SIM_NODES_MAX];
	for (uint32_t i = 0; i < first_count(sim); i++)
		addresses[i] = slice_str(sim->nodes[i].address);
	struct msg m = {
		.opcode = OP_CLUSTER_INIT,
		.id = 1,
		.cluster_init =
			{
				.name = slice_str("sim"),
				.partitions = o->partitions,
				.replicas = o->replicas,
				.address_count = first_count(sim),
				.addresses = addresses,
				.deadline_ms = 4000,
			},
	};
	sim_send(sim, sim_client_end(sim, 0), 0, &m, 0);
	struct sim_event *again = sim_event_new(SIM_FAULT);
	again->fault = form_asks;
	sim_at(sim, again, sim->now_us + 5 * USEC_PER_SEC);
}

static bool all_ready(const struct sim *sim)
{
	for (uint32_t i = 0; i < sim->options.node_count; i++)
		if (sim_node_is_member(&sim->nodes[i]) && !sim_node_is_ready(&sim->nodes[i]))
			return false;
	return true;
}

bool sim_start(struct sim *sim)
{
	if (!sim->options.form)
		cluster_seed(sim);
	for (uint32_t i = 0; i < sim->options.node_count; i++)
		sim_node_start(&sim->nodes[i]);
	if (sim->options.form) {
		form_asks(sim, NULL);
		sim->cover.runs_formed++;
	}
	return sim_until(sim, all_ready, FORM_MAX_US);
}

/* --- a run --- */

static bool sim_phases(struct sim *sim)
{
	if (!sim_start(sim)) {
		sim_fail_liveness(sim, "the cluster does not come up");
		return false;
	}
	faults_start(sim);
	workload_start(sim);
	sim_until(sim, workload_is_done, WORK_MAX_US);
	faults_heal(sim);
	if (!sim_until(sim, sim_is_quiet, QUIET_MAX_US + (sim->options.membership ? CHANGE_MAX_US : 0))) {
		sim_fail_liveness(sim, "not quiet after healing");
		return false;
	}
	if (!sim_close(sim)) {
		sim_fail_liveness(sim, "not quiet after the closing reads");
		return false;
	}
	if (sim->options.membership)
		sim_settle(sim);
	return !sim->verdict.violated;
}

bool sim_run(struct sim *sim)
{
	bool ran = sim_phases(sim);
	if (ran)
		sim_judge(sim);
	sim->cover.runs++;
	sim->cover.events += sim->handled;
	sim->cover.virtual_seconds += sim->now_us / USEC_PER_SEC;
	return !sim->verdict.violated;
}

void sim_init(struct sim *sim, const struct sim_options *options)
{
	bool verbose = sim->trace.verbose, keeps_all = sim->trace.keeps_all;
	*sim = (struct sim){.options = *options};
	sim->trace.verbose = verbose;
	sim->trace.keeps_all = keeps_all;
	rng_init(&sim->rng, hash_u64(options->seed + 1));
	rng_init(&sim->net_rng, hash_u64(options->seed + 2));
	rng_init(&sim->fault_rng, hash_u64(options->seed + 3));
	rng_init(&sim->disk_rng, hash_u64(options->seed + 4));
	rng_init(&sim->change_rng, hash_u64(options->seed + 5));
	sim->costs.counting = options->costs;
	sim->frame_arena = (struct arena){.limit = FRAME_ARENA_MAX, .keep = SPARE_BYTES_MAX};
	net_init(&sim->net, &sim->net_rng, options->node_count + options->client_count + options->membership);
	/* Two clocks are apart by twice the skew and what they drift in a run; a hybrid clock runs ahead of its own
	 * physical one by the drift it allows, which happens after a node starts at its old limit. */
	usec_t skew_us = 2 * options->skew_max_us + 400 * (usec_t)options->drift_max_ppm +
			 (MAX_DRIFT_MS + 10) * USEC_PER_MSEC;
	history_init(&sim->history, options->key_count, skew_us);
	sim->history.purges = options->membership;
	sim->history.stale_slack_us = options->jump_every_us ? USEC_NEVER : skew_us;
	for (uint32_t i = 0; i < options->node_count; i++)
		sim_node_init(&sim->nodes[i], sim, (uint16_t)i);
	workload_init(sim);
}

void sim_release(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->options.node_count; i++)
		sim_node_release(&sim->nodes[i]);
	struct iheap_item *first;
	while ((first = iheap_first(&sim->queue))) {
		iheap_remove(&sim->queue, first);
		sim_event_free(container_of(first, struct sim_event, item));
	}
	iheap_release(&sim->queue);
	costs_release(&sim->costs);
	trace_release(&sim->trace);
	arena_release(&sim->frame_arena);
	history_release(&sim->history);
	maps_release(&sim->maps);
	replicas_release(&sim->replicas);
}
