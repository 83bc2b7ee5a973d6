/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/node_core.h"

#include "base/bytes.h"
#include "replication/core.h"
#include "replication/form.h"
#include "replication/hint_credit.h"
#include "replication/hint_hand.h"
#include "replication/hint_push.h"
#include "replication/hint_replay.h"
#include "replication/move_copy.h"
#include "replication/op.h"
#include "replication/replica.h"
#include "replication/request.h"

enum { CORE_TEXTS_MAX = 16 * 1024 };

/* ---- life ---- */

static struct slice keep_text(struct node_core *core, struct slice text)
{
	struct slice copy = arena_copy(&core->texts, text);
	KV_ASSERT(copy.data);
	return copy;
}

static void set_defaults(struct core_config *c)
{
	c->ops_max = c->ops_max ? c->ops_max : OPS_MAX;
	c->slots_max = c->slots_max ? c->slots_max : SLOTS_MAX;
	c->hints_max = c->hints_max ? c->hints_max : HINT_KEYS_MAX;
	c->hint_rate = c->hint_rate ? c->hint_rate : HINT_RATE_PER_SEC;
	c->replica_timeout_us = c->replica_timeout_us ? c->replica_timeout_us : REPLICA_TIMEOUT_US;
	c->gc_grace_ms = c->gc_grace_ms ? c->gc_grace_ms : GC_GRACE_MS;
	usec_t gc_interval_us = MIN(GC_INTERVAL_US, c->gc_grace_ms * USEC_PER_MSEC / 4);
	c->gc_interval_us = c->gc_interval_us ? c->gc_interval_us : gc_interval_us;
	c->slow_us = c->slow_us ? c->slow_us : TRACE_SLOW_US;
	c->tick_us = c->tick_us ? c->tick_us : TICK_US;
	c->move_stuck_us = c->move_stuck_us ? c->move_stuck_us : MOVE_STUCK_US;
	c->exchange_interval_us = c->exchange_interval_us ? c->exchange_interval_us : EXCHANGE_INTERVAL_US;
	c->exchange_settle_us = c->exchange_settle_us ? c->exchange_settle_us : EXCHANGE_SETTLE_US;
	c->value_size_max = c->value_size_max ? c->value_size_max : VALUE_SIZE_DEFAULT_MAX;
}

struct node_core *node_core_new(const struct core_config *config)
{
	KV_ASSERT(config->shard < config->shard_count);
	KV_ASSERT(config->incarnation > 0 && !uuid_is_zero(&config->node));
	struct node_core *core = xcalloc(1, sizeof *core);
	core->config = *config;
	set_defaults(&core->config);
	core->texts = ARENA_INIT(CORE_TEXTS_MAX);
	core->config.name = keep_text(core, config->name);
	core->config.peer_address = keep_text(core, config->peer_address);
	core->config.client_address = keep_text(core, config->client_address);
	core->config.zone = keep_text(core, config->zone);
	core->config.join_token = keep_text(core, config->join_token);
	core->config.seed_count = MIN(config->seed_count, JOIN_SEEDS_MAX);
	for (uint32_t i = 0; i < core->config.seed_count; i++)
		core->config.seeds[i] = keep_text(core, config->seeds[i]);
	rng_init(&core->rng, config->seed);
	hlc_init(&core->clock, config->hlc_limit);
	core->boot_limit = config->hlc_limit;
	core->self = NODE_NONE;
	core->boot_map = config->map ? cluster_map_new(config->map) : NULL;
	core->config.map = NULL;
	/* Message ids of an earlier life must not be mistaken for ours. */
	core->id_last = config->incarnation << 40;
	ilist_init(&core->local);
	ilist_init(&core->held);
	slots_init(&core->slots, config->record_cache_bytes);
	turns_init(&core->turns);
	exchanges_init(core);
	tree_served_init(core);
	pace_init(core);
	moves_init(core);
	move_source_init(core);
	map_acceptor_init(core);
	membership_init(core);
	gc_member_init(core);
	explains_init(core);
	return core;
}

static void free_waits(struct node_core *core)
{
	struct hmap_node *node;
	while ((node = hmap_first(&core->reads))) {
		hmap_remove(&core->reads, node);
		free(container_of(node, struct disk_wait, node));
	}
	hmap_release(&core->reads);
}

void node_core_free(struct node_core *core)
{
	if (!core)
		return;
	struct hmap_node *node;
	while ((node = hmap_first(&core->ops))) {
		struct op *op = container_of(node, struct op, node);
		op->answered = true;
		turn_leave(core, op);
		op_free(core, op);
	}
	hmap_release(&core->ops);
	turns_release(&core->turns);
	iheap_release(&core->timers);
	form_release(core);
	for (size_t i = 0; i < NODES_MAX; i++)
		free(core->recent[i]);
	free(core->write_sizes);
	hints_release(core);
	staleness_release(core);
	ledger_release(core);
	moves_release(core);
	leaving_release(core);
	exchanges_release(core);
	tree_served_release(core);
	repair_release(core);
	scrub_release(core);
	explains_release(core);
	trees_release(core);
	move_source_release(core);
	move_status_release(core);
	membership_release(core);
	map_register_release(core);
	map_acceptor_release(core);
	driver_release(core);
	gc_release(core);
	partitions_release(core);
	replica_release(core);
	free_waits(core);
	slots_release(&core->slots);
	cluster_map_free(core->map);
	cluster_map_free(core->boot_map);
	arena_release(&core->texts);
	free(core);
}

/* ---- the clock's durable limit ---- */

static void reserve_clock(struct node_core *core)
{
	hlc_t limit = hlc_wants_limit(&core->clock, core->now.wall_us, HLC_LIMIT_AHEAD_MS);
	if (limit == 0 || core->limit_token != 0)
		return;
	char *name = actions_alloc(core->out, 32);
	int size = snprintf(name, 32, "hlc_limit/%u", core->config.shard);
	KV_ASSERT(size > 0 && size < 32);
	uint8_t *value = actions_alloc(core->out, 8);
	store_le64(value, limit);
	struct disk_put put = {.key = {.table = DISK_META, .key = slice_of(name, (size_t)size)},
			       .value = slice_of(value, 8)};
	core->limit_next = limit;
	core->limit_token = core_write(core, &put, 1);
}

static void clock_written(struct node_core *core)
{
	if (core->limit_token == 0 || core->write_done < core->limit_token)
		return;
	hlc_set_limit(&core->clock, core->limit_next);
	core->limit_token = 0;
}

bool node_core_is_ready(const struct node_core *core)
{
	return core->map && core->clock.limit > core->boot_limit && core_clock_is_current(core);
}

/* ---- the map ---- */

/** A node that gave everything away has left as it was asked to; any other one that was removed may not go on. */
static void stop_removed(struct node_core *core, const struct map_desc *before)
{
	const struct map_desc *map = &core->map->desc;
	bool left = before && core->self < before->node_count && before->nodes[core->self].state == NODE_LEAVING &&
		    !cluster_map_holds(map, core->self);
	if (core->map_register.phase == MAP_SAVING)
		map_spread_push_all(core); /* nobody else knows yet that it is decided */
	if (left)
		core_stop(core, KV_OK, "this node has given its partitions away and left the cluster");
	else
		core_stop(core, KV_IDENTITY, "this node's identity is not, or no longer, part of the cluster");
}

static void take_map(struct node_core *core, const struct map_desc *desc)
{
	if (core->map && core->map->desc.epoch >= desc->epoch)
		return;
	struct cluster_map *before = core->map;
	if (before)
		actions_hold_map(core->out, before); /* answers may still point to it */
	core->map = cluster_map_new(desc);
	const struct map_node *self = cluster_map_find(core->map, &core->config.node);
	core->self = self ? self->index : NODE_NONE;
	if (!self || self->state == NODE_REMOVED) {
		stop_removed(core, before ? &before->desc : NULL);
		return;
	}
	if (desc->feature_level > feature_level_of(core->config.features)) {
		core_stop(
			core, KV_VERSION,
			"the cluster's upgrade was finalized and this version cannot do what others do since: install theirs");
		return;
	}
	slots_set_partitions(&core->slots, desc->partitions, version_floor(core->boot_limit));
	partitions_set_map(core, before);
	map_spread_map_changed(core, before ? &before->desc : NULL);
	detector_set_map(core);
	staleness_set_map(core, before);
	hints_set_map(core);
	ledger_set_map(core);
	trees_set_map(core);
	repair_set_map(core);
	move_status_set_map(core);
	moves_set_map(core);
	gc_set_map(core);
	op_map_changed(core);
	hints_map_changed(core, before);
	driver_map_changed(core);
	membership_map_changed(core);
	map_register_map_changed(core);
}

enum kv_status node_core_judge(const struct node_core *core, const struct msg_hello *hello, struct error *err)
{
	if (!core->map)
		return KV_OK;
	char theirs[UUID_TEXT_SIZE], ours[UUID_TEXT_SIZE];
	uuid_format(&hello->cluster, theirs);
	uuid_format(&core->map->desc.cluster, ours);
	if (!uuid_is_zero(&hello->cluster) && !uuid_equal(&hello->cluster, &core->map->desc.cluster))
		return error_set(err, KV_WRONG_CLUSTER, "this node belongs to cluster %s, not to %s", ours, theirs);
	if (uuid_is_zero(&hello->cluster))
		return KV_OK; /* it has no map yet and may only be told one */
	const struct map_node *node = cluster_map_find(core->map, &hello->node);
	uuid_format(&hello->node, theirs);
	if (!node && hello->map_epoch > core->map->desc.epoch)
		return error_set(err, KV_NOT_READY,
				 "node identity %s is not in map %llu, which is this node's; it asks for map %llu",
				 theirs, (unsigned long long)core->map->desc.epoch,
				 (unsigned long long)hello->map_epoch);
	if (!node || node->state == NODE_REMOVED)
		return error_set(err, KV_IDENTITY,
				 "node identity %s is not part of the cluster; it may not come back under it",
				 theirs);
	const struct peer *p = &core->detector.peers[node->index];
	if (hello->incarnation < p->incarnation)
		return error_set(
			err, KV_IDENTITY,
			"node identity %s was seen in start %llu, this is start %llu: an older or copied data directory",
			theirs, (unsigned long long)p->incarnation, (unsigned long long)hello->incarnation);
	if (hello->incarnation == p->incarnation && p->boot_nonce != 0 && hello->boot_nonce != p->boot_nonce)
		return error_set(err, KV_IDENTITY,
				 "another process already runs as node identity %s: a copied data directory",
				 theirs);
	return KV_OK;
}

enum kv_status node_core_admit(struct node_core *core, const struct msg_hello *hello, struct error *err)
{
	enum kv_status status = node_core_judge(core, hello, err);
	const struct map_node *node = core->map ? cluster_map_find(core->map, &hello->node) : NULL;
	if (status != KV_OK || !node || uuid_is_zero(&hello->cluster))
		return status;
	struct peer *p = &core->detector.peers[node->index];
	detector_hear_life(p, hello->incarnation);
	p->boot_nonce = hello->boot_nonce;
	return KV_OK;
}

void node_core_hello(const struct node_core *core, struct msg_hello *ret)
{
	*ret = (struct msg_hello){
		.kind = HELLO_PEER,
		.node = core->config.node,
		.index = core->map ? core->self : NODE_NONE,
		.incarnation = core->config.incarnation,
		.boot_nonce = core->config.boot_nonce,
		.name = core->config.name,
		.peer_address = core->config.peer_address,
		.map_epoch = node_core_epoch(core),
		.shards = core->config.shard_count,
		.features = core->config.features,
	};
	if (core->map)
		ret->cluster = core->map->desc.cluster;
}

void node_core_set_limits(struct node_core *core, uint32_t ops_max, uint32_t value_size_max)
{
	KV_ASSERT(ops_max > 0 && value_size_max > 0 && value_size_max <= VALUE_SIZE_MAX);
	core->config.ops_max = ops_max;
	core->config.value_size_max = value_size_max;
}

uint32_t node_core_replicas(const struct node_core *core) { return core->map ? core->map->desc.replicas : 0; }

uint32_t node_core_partitions(const struct node_core *core) { return core->map ? core->map->desc.partitions : 0; }

hlc_t node_core_clock(const struct node_core *core, usec_t wall_us)
{
	hlc_t wall = hlc_from_wall_us(wall_us);
	return wall > core->boot_limit ? hlc_peek(&core->clock, wall_us) : wall;
}

uint64_t node_core_epoch(const struct node_core *core) { return core->map ? core->map->desc.epoch : 0; }

node_id node_core_index(const struct node_core *core) { return core->map ? core->self : NODE_NONE; }

/* ---- messages ---- */

/** A reply whose versions no correct clock can have made is treated as lost. */
static bool answer_is_sane(const struct node_core *core, const struct msg *m)
{
	const struct msg_replica_reply *a = &m->answer;
	/* A read is judged by the greatest clock reading told, so one that cannot be taken over spoils it. */
	bool tells_time = m->opcode == OP_READ || m->opcode == OP_PREPARE;
	if (tells_time && core_is_ahead(core, (struct version){.hlc = m->hlc}))
		return false;
	return !core_is_ahead(core, a->record.ver) && !core_is_ahead(core, a->promise) &&
	       !core_is_ahead(core, a->stored);
}

static void on_replica_answer(struct node_core *core, node_id from, const struct msg *m)
{
	const struct msg_replica_reply *a = &m->answer;
	if (m->opcode == OP_PUSH &&
	    (hint_push_answered(core, m) || moves_push_done(core, m) || leaving_push_done(core, m)))
		return;
	if (from == core->self && gc_member_answered(core, m))
		return;
	struct msg refused = *m;
	if (!answer_is_sane(core, m)) {
		refused.answer = (struct msg_replica_reply){.partition = a->partition, .answer = ANSWER_CLOCK};
		m = &refused;
	}
	core_observe(core, a->record.ver.hlc);
	core_observe(core, a->promise.hlc);
	core_observe(core, a->stored.hlc);
	if (exchange_key_answered(core, from, m))
		return;
	op_replica_answer(core, from, m);
}

static void on_heartbeat(struct node_core *core, node_id from, const struct msg *m)
{
	if (m->reply)
		detector_answer(core, from, m);
	else
		detector_heartbeat(core, from, m);
}

static void on_probe(struct node_core *core, node_id from, const struct msg *m)
{
	if (m->reply)
		probe_answered(core, from, m);
	else
		probe_asked(core, from, m);
}

static void on_hint_open(struct node_core *core, node_id from, const struct msg *m)
{
	if (!m->reply)
		hint_credit_asked(core, from, m);
	else if (m->hint.mark)
		hint_hand_answered(core, from, m);
	else
		hint_replay_granted(core, from, m);
}

static void on_move(struct node_core *core, node_id from, const struct msg *m)
{
	if (m->move.partition >= core->map->desc.partitions)
		return;
	if (m->opcode == OP_MOVE_REPORT)
		moves_reported(core, from, m);
	else if (m->opcode == OP_MOVE_OPEN && m->reply)
		moves_opened(core, from, m);
	else if (m->opcode == OP_MOVE_OPEN)
		move_source_opened(core, from, m);
	else if (m->reply)
		moves_pulled(core, from, m);
	else
		move_source_pulled(core, from, m);
}

static void on_map_push(struct node_core *core, node_id from, const struct msg *m)
{
	if (!m->reply) {
		map_spread_pushed(core, from, m);
		return;
	}
	map_spread_acked(core, from, m);
	form_map_acked(core, from, m);
}

static void on_vote(struct node_core *core, node_id from, const struct msg *m)
{
	if (m->reply)
		map_register_answered(core, from, m);
	else
		map_acceptor_asked(core, from, m);
}

static void on_gc(struct node_core *core, node_id from, const struct msg *m)
{
	if (m->gc.partition >= core->map->desc.partitions)
		return;
	if (m->reply)
		gc_answered(core, from, m);
	else
		gc_member_asked(core, from, m);
}

static void on_tree(struct node_core *core, node_id from, const struct msg *m)
{
	if (!m->reply)
		tree_asked(core, from, m);
	else if (m->opcode == OP_TREE_ROOTS)
		repair_roots_told(core, from, m);
	else
		exchange_answered(core, from, m);
}

static void on_message(struct node_core *core, node_id from, const struct msg *m, usec_t arrived_us)
{
	core_observe(core, m->hlc);
	switch (m->opcode) {
	case OP_INIT_RESERVE:
		if (!m->reply)
			form_reserve(core, m);
		else if (!membership_reserved(core, m))
			form_reserved(core, m);
		return;
	case OP_JOIN:
		if (m->reply)
			membership_joined(core, m);
		else
			membership_join(core, m);
		return;
	case OP_MAP_PUSH:
		on_map_push(core, from, m);
		return;
	default:
		break;
	}
	const struct map_node *sender = core->map ? cluster_map_node(core->map, from) : NULL;
	if (!sender || (sender->state == NODE_REMOVED && m->opcode != OP_MAP_PULL))
		return; /* not one of us */
	if (m->opcode == OP_MAP_PULL)
		map_spread_pulled(core, from, m);
	else if (m->opcode == OP_MAP_PREPARE || m->opcode == OP_MAP_ACCEPT)
		on_vote(core, from, m);
	else if (m->opcode == OP_CLUSTER_CHANGE && !m->reply)
		membership_told(core, from, m);
	else if (m->opcode == OP_HEARTBEAT)
		on_heartbeat(core, from, m);
	else if (m->opcode == OP_TREE_ROOTS || m->opcode == OP_TREE_LEAVES || m->opcode == OP_TREE_KEYS)
		on_tree(core, from, m);
	else if (m->opcode == OP_GC && m->reply && exchange_key_answered(core, from, m))
		return;
	else if (m->opcode == OP_HINT_OPEN)
		on_hint_open(core, from, m);
	else if (m->opcode == OP_MOVE_OPEN || m->opcode == OP_MOVE_PULL || m->opcode == OP_MOVE_REPORT)
		on_move(core, from, m);
	else if (m->opcode == OP_PROBE)
		on_probe(core, from, m);
	else if (m->opcode == OP_GC)
		on_gc(core, from, m);
	else if (opcode_is_replica(m->opcode) && m->reply)
		on_replica_answer(core, from, m);
	else if (opcode_is_replica(m->opcode))
		replica_request(core, from, m, arrived_us);
	else if (opcode_is_client(m->opcode) && m->reply)
		op_forward_answer(core, from, m);
	else if (request_is_forwardable(m->opcode))
		request_forwarded(core, from, m, arrived_us);
}

/* ---- disk ---- */

static struct disk_wait take_wait(struct node_core *core, uint64_t token)
{
	struct hmap_node *node = hmap_first_same(&core->reads, hash_u64(token));
	while (node && container_of(node, struct disk_wait, node)->token != token)
		node = hmap_next_same(node);
	KV_ASSERT(node);
	struct disk_wait *at = container_of(node, struct disk_wait, node);
	struct disk_wait wait = *at;
	hmap_remove(&core->reads, node);
	free(at);
	return wait;
}

static void on_read_done(struct node_core *core, const struct node_event *ev)
{
	struct disk_wait wait = take_wait(core, ev->read.token);
	if (wait.kind == WAIT_SLOT)
		replica_loaded(core, wait.owner, ev->read.found, ev->read.value);
	else if (wait.kind == WAIT_HINT_READ)
		hint_push_read_done(core, wait.owner, ev->read.found, ev->read.value);
	else if (wait.kind == WAIT_MAP_VOTE)
		map_acceptor_loaded(core, ev->read.found, ev->read.value);
	else if (wait.kind == WAIT_EXPLAIN)
		explain_read_done(core, wait.owner, ev->read.found, ev->read.unreadable, ev->read.value);
	else
		KV_UNREACHABLE("reads are for slots, hints, the vote on the map and who asks what is there");
}

static void on_scan_done(struct node_core *core, const struct node_event *ev)
{
	struct disk_wait wait = take_wait(core, ev->scan.token);
	if (wait.kind == WAIT_HINT_SCAN)
		hint_replay_scan_done(core, wait.owner, ev->scan.rows, ev->scan.count, ev->scan.done);
	else if (wait.kind == WAIT_SCAN)
		op_scan_done(core, wait.owner, ev->scan.rows, ev->scan.count, ev->scan.done);
	else if (wait.kind == WAIT_MOVE_PAGE)
		move_source_scan_done(core, wait.owner, ev->scan.rows, ev->scan.count, ev->scan.done);
	else if (wait.kind == WAIT_LEAVING)
		leaving_scan_done(core, ev->scan.rows, ev->scan.count, ev->scan.done);
	else if (wait.kind == WAIT_LEDGER_PAGE)
		op_ledger_done(core, wait.owner, ev->scan.rows, ev->scan.count, ev->scan.done);
	else if (wait.kind == WAIT_LEDGER_LOAD)
		ledger_loaded(core, ev->scan.rows, ev->scan.count, ev->scan.done);
	else if (wait.kind == WAIT_TREE_KEYS)
		tree_served_scan_done(core, wait.owner, ev->scan.rows, ev->scan.count, ev->scan.done);
	else if (wait.kind == WAIT_EXCHANGE_SCAN)
		exchange_scan_done(core, wait.owner, ev->scan.rows, ev->scan.count, ev->scan.done);
	else if (wait.kind == WAIT_TREE_SCAN)
		tree_scan_done(core, wait.owner, ev->scan.rows, ev->scan.count, ev->scan.done);
	else if (wait.kind == WAIT_GC_SCAN)
		gc_scan_done(core, ev->scan.token, ev->scan.rows, ev->scan.count, ev->scan.done);
	else if (wait.kind == WAIT_PARTITIONS)
		partitions_scanned(core, ev->scan.rows, ev->scan.count, ev->scan.done);
	else
		KV_UNREACHABLE("scans are for hints, the ledger, moves and clients");
}

static void on_write_done(struct node_core *core, const struct node_event *ev)
{
	core->write_began_us = ev->write.began_us;
	core_written(core, ev->write.token);
	pace_written(core);
	clock_written(core);
	replica_written(core);
	tree_served_written(core);
	exchanges_written(core);
	moves_written(core);
	map_acceptor_written(core);
	gc_member_written(core);
}

/* ---- time ---- */

static void run_timers(struct node_core *core)
{
	struct iheap_item *item;
	while ((item = iheap_first(&core->timers)) && item->key <= core->now.mono_us) {
		struct op *op = container_of(item, struct op, timer);
		iheap_remove(&core->timers, item);
		op_note_silence(core, op);
		op->class->timer(core, op);
	}
}

static void refill_repairs(struct node_core *core)
{
	usec_t passed_us = MIN(core->now.mono_us - core->repair_refill_us, USEC_PER_SEC);
	uint32_t fresh = (uint32_t)(passed_us * READ_REPAIR_RATE_PER_SEC / USEC_PER_SEC);
	if (fresh == 0)
		return;
	core->repair_tokens = MIN(core->repair_tokens + fresh, READ_REPAIR_RATE_PER_SEC);
	core->repair_refill_us = core->now.mono_us;
}

static void watch_disk(struct node_core *core, uint32_t free_pct)
{
	usec_t oldest_us = 0;
	if (core->write_done < core->write_issued)
		oldest_us = core->now.mono_us -
			    core->write_sizes[(core->write_done + 1) % core->write_sizes_capacity].since_us;
	if (free_pct != 0)
		core->disk.state.free_pct = MIN(free_pct, 100u);
	disk_watch_tick(&core->disk, core->now.mono_us, oldest_us);
}

static void on_tick(struct node_core *core, const struct node_event *ev)
{
	core->ticked_us = core->now.mono_us;
	reserve_clock(core);
	watch_disk(core, ev->tick.disk_free_pct);
	core->disk.state.low = ev->tick.disk_low || BUGGIFY(core, disk_low);
	form_tick(core);
	membership_tick(core);
	if (!core->map)
		return;
	map_spread_tick(core);
	map_register_tick(core);
	driver_tick(core);
	refill_repairs(core);
	detector_tick(core);
	hint_replay_tick(core);
	ledger_tick(core);
	trees_tick(core);
	exchanges_tick(core);
	repair_tick(core);
	scrub_tick(core);
	pace_tick(core);
	move_source_tick(core);
	moves_tick(core);
	gc_tick(core);
	slots_sweep(&core->slots, core->now.mono_us, BUGGIFY(core, slots_few) ? 0 : core->config.slots_max);
	turns_sweep(core);
}

void node_core_calm(struct node_core *core)
{
	core->config.buggify_seed = 0;
	core->config.restless = 0;
}

void node_core_set_slow(struct node_core *core, usec_t slow_us) { core->config.slow_us = slow_us; }

usec_t node_core_deadline_us(const struct node_core *core)
{
	const struct iheap_item *item = iheap_first(&core->timers);
	/* Counted from the last tick: what else happens meanwhile does not put it off. */
	usec_t tick_us = core->ticked_us + core->config.tick_us;
	return item ? MIN(item->key, tick_us) : tick_us;
}

/* ---- the step ---- */

static void run_local(struct node_core *core)
{
	struct ilink *link;
	do {
		while ((link = ilist_pop_front(&core->local))) {
			const struct local_msg *local = container_of(link, struct local_msg, link);
			on_message(core, core->self, local->msg, core->now.mono_us);
		}
		turns_run(core);
	} while (!ilist_is_empty(&core->local));
}

void node_core_start(struct node_core *core, struct moment now, struct actions *out)
{
	core->now = now;
	core->out = out;
	core->ticked_us = now.mono_us;
	core->repair_refill_us = now.mono_us;
	core->hints.granted_us = now.mono_us;
	map_acceptor_start(core);
	if (core->boot_map)
		take_map(core, &core->boot_map->desc);
	cluster_map_free(core->boot_map);
	core->boot_map = NULL;
	reserve_clock(core);
	core->out = NULL;
}

void node_core_step(struct node_core *core, const struct node_event *event, struct actions *out)
{
	KV_ASSERT(event->now.mono_us >= core->now.mono_us);
	health_step(core, event->now.mono_us - core->now.mono_us);
	core->now = event->now;
	core->out = out;
	switch (event->kind) {
	case EV_REQUEST:
		health_waited(core, event->request.arrived_us);
		request_from_client(core, event);
		break;
	case EV_MESSAGE:
		health_waited(core, event->message.arrived_us);
		on_message(core, event->message.from, event->message.msg, event->message.arrived_us);
		break;
	case EV_READ_DONE:
		on_read_done(core, event);
		break;
	case EV_WRITE_DONE:
		on_write_done(core, event);
		break;
	case EV_SCAN_DONE:
		on_scan_done(core, event);
		break;
	case EV_MAP_SAVED:
		take_map(core, event->map.map);
		map_spread_saved(core);
		form_map_saved(core);
		break;
	case EV_TICK:
		on_tick(core, event);
		break;
	}
	run_timers(core);
	run_local(core);
	core->out = NULL;
}

void node_core_stats(const struct node_core *core, struct core_stats *ret)
{
	*ret = core->stats;
	ret->ops_limit = core->config.ops_max;
	ret->ops_in_flight = core->op_count;
	ret->slots = core->slots.map.count - core->slots.rest_count;
	ret->slots_evicted = core->slots.evicted;
	ret->records_cached = core->slots.rest_count;
	ret->record_cache_bytes = core->slots.rest_bytes;
	ret->record_cache_bytes_max = core->slots.rest_bytes_max;
	ret->record_cache_hits = core->slots.rest_hits;
	ret->ledger_entries = core->ledger.entries.count;
	ret->gc_blocked = core->gc.blocked;
	ret->moves_in = core->moves.in_count;
	ret->move_rate = core->pace.rate;
	ret->ranges_left = core->leaving.left_count;
	ret->trees_building = trees_building(core);
	ret->hints_pending = 0;
	ret->partitions_dirty = 0;
	ret->peer_count = 0;
	for (node_id i = 0; core->map && i < core->map->desc.node_count; i++) {
		node_id index = core->map->desc.nodes[i].index;
		ret->hints_pending += hints_pending(core, index);
		ret->partitions_dirty += hints_dirty(core, index);
		ret->peer_epochs[ret->peer_count] = core->detector.peers[index].map_epoch;
		ret->peer_ahead_ms[ret->peer_count] = core->detector.peers[index].clock_ahead_ms;
		memcpy(ret->peer_took[ret->peer_count], core->detector.peers[index].took, sizeof ret->peer_took[0]);
		struct status_peer *peer = &ret->peers[ret->peer_count++];
		detector_tell(core, index, peer);
		peer->hints_pending = hints_pending(core, index);
		peer->partitions_dirty = hints_dirty(core, index);
	}
}
