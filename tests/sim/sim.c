/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sim.h"

#include <inttypes.h>

#include "proto/codec.h"
#include "proto/keyhash.h"
#include "replication/partition.h"
#include "replication/placement.h"
#include "replication/record.h"
#include "storage/keyspace.h"
#include "tests/sim/check_ledger.h"
#include "tests/sim/check_settled.h"
#include "tests/sim/disk.h"
#include "tests/sim/faults.h"
#include "tests/sim/value.h"
#include "tests/sim/wire.h"
#include "verify/check_agree.h"
#include "verify/verify.h"

/* Longest parts of a run, in virtual time. */
#define FORM_MAX_US   (60 * USEC_PER_SEC)
#define WORK_MAX_US   (240 * USEC_PER_SEC)
#define QUIET_MAX_US  (60 * USEC_PER_SEC)
#define CLEAN_MAX_US  (60 * USEC_PER_SEC)
#define CHANGE_MAX_US (120 * USEC_PER_SEC) /* until what the operator began is finished */
#define SETTLE_MAX_US (10 * USEC_PER_SEC)
#define READ_ROUNDS   3u
#define LIMITS_EVERY  512u /* events between two looks at the limits */
#define LOOK_EVERY    16u  /* events between two looks at whether a part of the run is over */

#define FRAME_ARENA_MAX (256u << 20)

/* Of the trace of a small failure. */
#define EXPLAIN_ENTRIES_MAX 400u

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
	uint32_t copies = net_send(&sim->net, from, to, may_repeat, delays_us);
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
		sim_at(sim, event, sim->now_us + delays_us[i]);
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
	for (uint32_t i = 0; i < sim->options.node_count; i++)
		check_node_limits(sim, &sim->nodes[i]);
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
	if (sim_node_is_ready(&sim->nodes[0]))
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

static bool all_quiet(const struct sim *sim)
{
	if (!workload_is_done(sim) || !admin_is_done(sim))
		return false;
	for (uint32_t i = 0; i < sim->options.node_count; i++)
		if (sim_node_is_member(&sim->nodes[i]) && !sim_node_is_quiet(&sim->nodes[i]))
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

/* --- the end --- */

static void copy_read(struct sim *sim, const struct sim_node *n, uint32_t key, const struct keyspace_key *at)
{
	struct replica_copy copy = {.key = key, .node = n->index};
	struct buf name = BUF_INIT, bytes = BUF_INIT;
	keyspace_data_key(&name, at);
	if (store_get(n->store, STORE_DATA, buf_slice(&name), /* cache_only: */ false, &bytes) == KV_OK) {
		struct record rec;
		enum kv_status status = record_decode(buf_slice(&bytes), &rec);
		KV_ASSERT(status == KV_OK);
		copy.ver = (struct stamp){.hi = rec.ver.hlc, .lo = rec.ver.id};
		copy.org = (struct stamp){.hi = rec.org.hlc, .lo = rec.org.id};
		copy.tombstone = rec.tombstone;
		copy.weak = rec.weak;
		copy.expires_ms = rec.expires_ms;
		copy.value_hash = rec.value_hash;
		copy.value = rec.tombstone ? CONTENT_NONE : value_content(&sim->history, rec.value, key);
		if (copy.value == CONTENT_FOREIGN)
			verdict_fail(&sim->verdict, "value", key, "node %u holds bytes that no client wrote",
				     n->index);
	}
	buf_release(&name);
	buf_release(&bytes);
	const struct node_core *core = n->cores[at->partition % sim->options.core_count].core;
	if (stamp_is_none(copy.ver) && core && partitions_are_loaded(core)) {
		struct version drop = partition_at((struct node_core *)core, at->partition)->drop;
		copy.floor = (struct stamp){.hi = drop.hlc, .lo = drop.id};
	}
	replicas_add(&sim->replicas, &copy);
}

/* The machine where this identity lives and has its disk, or NULL. */
static const struct sim_node *node_of(const struct sim *sim, const struct uuid *uuid)
{
	for (uint32_t i = 0; i < sim->options.node_count; i++)
		if (uuid_equal(&sim->nodes[i].uuid, uuid) && !sim->nodes[i].lost)
			return &sim->nodes[i];
	return NULL;
}

/* Reads all replicas' copies of all keys from their disks. */
static void copies_collect(struct sim *sim)
{
	const struct map_desc *map = &sim->maps.newest->desc;
	replicas_release(&sim->replicas);
	for (uint32_t key = 0; key < sim->options.key_count; key++) {
		char text[16];
		struct keyspace_key at = {.key = value_key(key, text)};
		uint64_t hash = key_hash(at.key);
		at.partition = hash_partition(hash, map->partitions);
		at.leaf = hash_leaf(hash, map->partitions);
		for (uint32_t i = 0; i < map->replicas; i++) {
			node_id index = map->rows[(size_t)at.partition * map->replicas + i];
			const struct sim_node *n = node_of(sim, &map->nodes[index].uuid);
			if (n)
				copy_read(sim, n, key, &at);
		}
	}
}

static bool copies_agree(struct sim *sim)
{
	struct verdict v = {0};
	copies_collect(sim);
	return check_agree(&sim->replicas, &v);
}

/* A cluster that changed leaves nothing lying about; after a while all tombstones are purged. */
static void sim_settle(struct sim *sim)
{
	struct verdict v = {0};
	for (usec_t us = 0; us < CLEAN_MAX_US && !check_settled(sim, &v) && !sim->verdict.violated;
	     us += USEC_PER_SEC) {
		sim_until(sim, NULL, USEC_PER_SEC);
		v = (struct verdict){0};
	}
	if (!sim->verdict.violated)
		check_settled(sim, &sim->verdict);
}

/* Closing reads repair what they find different; after a few rounds all replicas must agree. */
static bool sim_close(struct sim *sim)
{
	for (uint32_t round = 0; round < READ_ROUNDS; round++) {
		workload_read_all(sim);
		if (!sim_until(sim, all_quiet, QUIET_MAX_US))
			return false;
		usec_t us = 0;
		do
			sim_until(sim, NULL, USEC_PER_SEC);
		while ((us += USEC_PER_SEC) < SETTLE_MAX_US && !copies_agree(sim));
		if (sim->work.final_failed == 0 && copies_agree(sim))
			break;
	}
	return true;
}

/* A write that only one replica had to acknowledge is gone with that replica: then nobody promised that it stays. */
static void forgive_lost(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->history.count; i++) {
		struct history_op *op = &sim->history.ops[i];
		if (history_is_write(op) && !history_is_strong(op) && op->acks == HISTORY_ACKS_ONE &&
		    op->outcome == HISTORY_DONE) {
			op->outcome = HISTORY_DOUBT;
			op->version = (struct stamp){0, 0};
		}
	}
}

static void sim_judge(struct sim *sim)
{
	uint32_t undecided = 0;
	copies_collect(sim);
	if (sim->lost_count)
		forgive_lost(sim);
	verify_history(&sim->history, &sim->verdict, &undecided);
	verify_replicas(&sim->history, &sim->replicas, &sim->verdict);
	check_ledger(sim, &sim->verdict);
	sim->cover.linear_undecided += undecided;
	if (sim->work.final_failed)
		verdict_fail(&sim->verdict, "liveness", sim->work.final_key, "%u closing reads failed",
			     sim->work.final_failed);
}

static void describe_core(const struct sim_node *n, uint32_t core, struct buf *out)
{
	struct core_stats s;
	sim_node_stats(n, core, &s);
	buf_printf(out, "; node %u core %u: operations %" PRIu64 ", hints %" PRIu64, n->index, core,
		   s.ops_in_flight, s.hints_pending);
}

/* Says which nodes are not quiet, and why. */
static void fail_liveness(struct sim *sim, const char *what)
{
	struct buf text = BUF_INIT;
	buf_append_str(&text, workload_is_done(sim) ? "" : "; clients are busy");
	for (uint32_t i = 0; i < sim->options.node_count; i++) {
		const struct sim_node *n = &sim->nodes[i];
		if (!sim_node_is_member(n) || sim_node_is_quiet(n))
			continue;
		if (!sim_node_is_ready(n))
			buf_printf(&text, "; node %u is %s", i, n->up ? "not ready" : "down");
		for (uint32_t core = 0; n->up && core < sim->options.core_count; core++)
			describe_core(n, core, &text);
	}
	if (sim->maps.newest && !admin_is_done(sim))
		buf_printf(&text, "; the cluster is still changing:%s%s%s%s", sim->admin.busy ? " asked" : "",
			   maps_are_settled(&sim->maps) ? "" : " moves are left",
			   maps_dead_left(&sim->maps) ? " a dead node is left" : "",
			   sim_maps_are_known(sim) ? "" : " a node lacks the map");
	verdict_fail(&sim->verdict, "liveness", UINT32_MAX, "%s%s", what, buf_cstr(&text));
	buf_release(&text);
}

static bool sim_phases(struct sim *sim)
{
	if (!sim_start(sim)) {
		fail_liveness(sim, "the cluster does not come up");
		return false;
	}
	faults_start(sim);
	workload_start(sim);
	sim_until(sim, workload_is_done, WORK_MAX_US);
	faults_heal(sim);
	if (!sim_until(sim, all_quiet, QUIET_MAX_US + (sim->options.membership ? CHANGE_MAX_US : 0))) {
		fail_liveness(sim, "not quiet after healing");
		return false;
	}
	if (!sim_close(sim)) {
		fail_liveness(sim, "not quiet after the closing reads");
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

/* What happened while the operations on the key were under way. */
static void explain_decisions(const struct sim *sim, struct buf *out)
{
	usec_t from_us = USEC_NEVER, to_us = 0;
	for (uint32_t i = 0; i < sim->history.count; i++) {
		const struct history_op *op = &sim->history.ops[i];
		if (sim->verdict.key != UINT32_MAX && op->key != sim->verdict.key)
			continue;
		from_us = MIN(from_us, op->invoke_us);
		to_us = MAX(to_us, op->complete == HISTORY_NEVER ? op->invoke_us : op->complete_us);
	}
	buf_append_str(out, "decisions:\n");
	trace_print_between(&sim->trace, from_us, to_us, EXPLAIN_ENTRIES_MAX, out);
	buf_append_str(out, "last events:\n");
	trace_print(&sim->trace, 10, out);
}

void sim_explain(const struct sim *sim, struct buf *out)
{
	const struct verdict *v = &sim->verdict;
	buf_append_str(out, "options: ");
	sim_options_print(&sim->options, out);
	buf_printf(out, "\nviolated: %s", v->check);
	if (v->key != UINT32_MAX)
		buf_printf(out, ", key %u", v->key);
	buf_printf(out, ": %s\n", v->message);
	if (sim->options.membership)
		maps_print(&sim->maps, out);
	if (sim->options.membership && sim->maps.newest)
		maps_print_moves(sim, out);
	if (sim->admin.said[0])
		buf_printf(out, "the operator was last told: %s\n", sim->admin.said);
	if (v->key != UINT32_MAX) {
		buf_append_str(out, "history of the key:\n");
		history_print(&sim->history, v->key, out);
	}
	for (uint32_t i = 0; i < sim->replicas.count; i++) {
		const struct replica_copy *c = &sim->replicas.copies[i];
		if (c->key == v->key)
			buf_printf(out,
				   "  copy: node %u value %" PRIu64 "%s%s ver %" PRIx64 ".%" PRIx64 " org %" PRIx64
				   ".%" PRIx64 " expires_ms %" PRIu64 "\n",
				   c->node, c->value, c->tombstone ? " tombstone" : "", c->weak ? " weak" : "",
				   c->ver.hi, c->ver.lo, c->org.hi, c->org.lo, c->expires_ms);
	}
	if (sim->trace.keeps_all) {
		explain_decisions(sim, out);
		return;
	}
	buf_append_str(out, "last events:\n");
	trace_print(&sim->trace, 40, out);
}
