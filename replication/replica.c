/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/replica.h"

#include "base/mutant.h"
#include "proto/keyhash.h"
#include "replication/served.h"

/** An answer that waits until a write is durable. */
struct held_reply {
	struct ilink link;
	uint64_t token;
	node_id to;
	struct served served;
	struct msg msg;
	struct blob *bytes; /* what msg.answer.record points into */
	struct carrier carriers[];
};

static struct msg *plain_msg(struct node_core *core, const struct msg *req, enum replica_answer answer)
{
	struct msg *m = core_msg(core, req->opcode, req->id, /* reply= */ true);
	m->answer.partition = req->replica.partition;
	m->answer.answer = answer;
	m->shard = req->shard;
	if (answer == ANSWER_EPOCH && core->map)
		m->answer.config_epoch = cluster_map_row(core->map, req->replica.partition).config_epoch;
	return m;
}

static void answer_plain(struct node_core *core, node_id to, const struct msg *req, enum replica_answer answer)
{
	core_send(core, to, plain_msg(core, req, answer));
}

static void answer_no_room(struct node_core *core, node_id to, const struct msg *req)
{
	struct msg *m = plain_msg(core, req, ANSWER_BUSY);
	m->answer.no_room = true;
	core_send(core, to, m);
}

static void answer_now(struct node_core *core, node_id to, const struct served *served, const struct msg *m,
		       struct blob *bytes)
{
	struct msg *copy = actions_copy(core->out, m, sizeof *m);
	copy->answer.carriers =
		actions_copy(core->out, m->answer.carriers, m->answer.carrier_count * sizeof m->answer.carriers[0]);
	actions_hold(core->out, bytes);
	served_answer(core, served, to, copy);
	core_send(core, to, copy);
}

/** Most answers wait for the newest write, so the place is looked for from the end. */
static void hold_in_order(struct node_core *core, struct held_reply *held)
{
	struct ilink *before = core->held.head.prev;
	while (before != &core->held.head && container_of(before, struct held_reply, link)->token > held->token)
		before = before->prev;
	ilist_insert_after(before, &held->link);
}

static void answer_held(struct node_core *core, node_id to, const struct served *served, const struct msg *m,
			struct slot *slot)
{
	size_t carriers_size = m->answer.carrier_count * sizeof m->answer.carriers[0];
	struct held_reply *held = xmalloc(sizeof *held + carriers_size);
	*held = (struct held_reply){.token = slot->write_token, .to = to, .served = *served, .msg = *m};
	held->bytes = slot->bytes ? blob_ref(slot->bytes) : NULL;
	if (carriers_size > 0)
		memcpy(held->carriers, m->answer.carriers, carriers_size);
	held->msg.answer.carriers = held->carriers;
	hold_in_order(core, held);
}

/** Sends the answer now, or when the key's last write is durable. */
static void answer(struct node_core *core, node_id to, const struct served *served, const struct msg *m,
		   struct slot *slot)
{
	if (COVER_IF(slot->write_token > core->write_done, answer_held))
		answer_held(core, to, served, m, slot);
	else
		answer_now(core, to, served, m, slot->bytes);
}

/** The write of the slot's key that was started last. */
static void note_write(struct node_core *core, struct slot *slot, uint64_t token)
{
	slot->write_token = token;
	if (ilink_is_linked(&slot->write_link))
		ilist_remove(&slot->write_link);
	ilist_push_back(&core->slots.writing, &slot->write_link);
}

static bool store_record(struct node_core *core, struct slot *slot, const struct record *rec, bool weak)
{
	struct record to_store = *rec;
	to_store.weak = weak;
	to_store.fence = MAX(rec->fence, slot->key_state.rec.fence); /* a fence only rises, whatever is written */
	struct blob *bytes = record_encode(&to_store);
	if (!bytes)
		return false;
	struct record stored;
	enum kv_status status = record_decode(blob_slice(bytes), &stored);
	KV_ASSERT(status == KV_OK);
	struct record before = slot->key_state.rec;
	actions_hold(core->out, slot->bytes); /* where it is */
	acceptor_store(&slot->key_state, &stored, core->now.mono_us);
	if (BUGGIFY(core, memory_short))
		acceptor_forget(&slot->key_state, (uint32_t)rng_below(&core->rng, 2));
	blob_unref(slot->bytes);
	slot->bytes = bytes;

	struct disk_put puts[1 + TREE_PUTS_MAX] = {{
		.key = slot_disk_key(slot),
		.value = blob_slice(bytes),
	}};
	uint32_t count = 1;
	actions_hold(core->out, bytes);
	actions_hold(core->out, slot->key);
	tree_put(core, slot, &before, &stored, puts, &count);
	gc_stored(core, slot->partition, &stored);
	note_write(core, slot, ledger_write_over(core, slot, &before, &stored, puts, count));
	return true;
}

/** Removes the key's record if it is REQ's and below the drop floor, which is durable first: writes are so in order. */
static void purge_record(struct node_core *core, struct slot *slot, const struct msg_replica *req)
{
	struct record before = slot->key_state.rec;
	if (!acceptor_purge(&slot->key_state, slots_floors(&core->slots, slot->partition), req->record.ver))
		return;
	COVER(record_purged);
	actions_hold(core->out, slot->bytes);
	actions_hold(core->out, slot->key);
	blob_unref(slot->bytes);
	slot->bytes = NULL;
	struct disk_put puts[1 + TREE_PUTS_MAX] = {{
		.key = slot_disk_key(slot),
		.remove = true,
	}};
	uint32_t count = 1;
	tree_put(core, slot, &before, NULL, puts, &count);
	note_write(core, slot, core_write(core, puts, count));
	core->stats.gc_purged++;
}

static bool value_is_whole(const struct record *rec)
{
	return rec->tombstone || (rec->has_value && hash64(rec->value) == rec->value_hash);
}

static enum accept_way accept_way(const struct msg *req)
{
	if (req->opcode == OP_COPY)
		return ACCEPT_COPY;
	return req->replica.direct ? ACCEPT_DIRECT : ACCEPT_BALLOT;
}

/** Mutants cas1 and cas1all: a put that says which version it replaces is refused where another one is. */
static bool compares_and_differs(const struct key_state *k, const struct msg_replica *r)
{
	return (MUTANT(cas1) || MUTANT(cas1all)) && r->direct && r->want_value &&
	       !version_equal(k->rec.tombstone ? VERSION_NONE : k->rec.org, r->next);
}

/** Carries REQ out on a loaded key and fills the answer; false if nothing can be answered but BUSY. */
static bool serve(struct node_core *core, struct slot *slot, const struct msg *req, struct carrier *carriers,
		  struct msg_replica_reply *ret)
{
	struct key_state *k = &slot->key_state;
	const struct partition_floors *f = slots_floors(&core->slots, slot->partition);
	const struct msg_replica *r = &req->replica;
	bool weak = false;
	acceptor_age(k, core->now.mono_us);
	switch (req->opcode) {
	case OP_READ:
		acceptor_read(k, f, ret);
		break;
	case OP_PREPARE:
		/* A promise lives in memory; after a restart the clock's durable limit stands for it. */
		if (r->ballot.hlc > core->clock.limit)
			return false;
		acceptor_prepare(k, f, r, carriers, ret);
		break;
	case OP_ACCEPT:
	case OP_COPY:
		if (compares_and_differs(k, r)) {
			*ret = (struct msg_replica_reply){.partition = r->partition, .answer = ANSWER_REJECT};
			break;
		}
		if (acceptor_accept(k, f, &r->record, accept_way(req), ret) == ACCEPTOR_STORE &&
		    !store_record(core, slot, &r->record, /* weak= */ false))
			return false;
		if (ret->answer == ANSWER_ACK && !r->direct && !version_is_none(r->next))
			acceptor_promise_ahead(k, f, r->record.ver, r->next, core->clock.limit, ret);
		break;
	case OP_PUSH: {
		if (r->purge) {
			purge_record(core, slot, r);
			ret->answer = ANSWER_STORED;
			break;
		}
		struct row row = cluster_map_row(core->map, slot->partition);
		struct push_way way = {.read_epoch = r->read_epoch,
				       .config_epoch = row.config_epoch,
				       .transfer = r->transfer,
				       .copied = r->transfer && row.move};
		if (acceptor_push(k, f, &r->record, &way, ret, &weak) == ACCEPTOR_STORE)
			return store_record(core, slot, &r->record, weak);
		break;
	}
	default:
		KV_UNREACHABLE("replica_request lets only replica opcodes pass");
	}
	return true;
}

/** A record goes out whole only where its value is wanted. */
static void trim_value(const struct msg_replica *req, struct msg_replica_reply *ret)
{
	if (req->want_value || !ret->record.has_value)
		return;
	ret->record.has_value = false;
	ret->record.value = slice_of(NULL, 0);
}

/**
 * On a disk that is nearly full nothing may grow. What a read writes back is stored all the same, deletions are, and whatever takes no
 * more than what it replaces.
 */
static bool lacks_room(const struct node_core *core, const struct slot *slot, const struct msg *req)
{
	bool stores = req->opcode == OP_ACCEPT || (req->opcode == OP_PUSH && !req->replica.purge);
	const struct record *next = &req->replica.record, *here = &slot->key_state.rec;
	return core->disk.state.low && stores && next->value_size > here->value_size;
}

static void serve_loaded(struct node_core *core, struct slot *slot, node_id from, const struct msg *req,
			 usec_t arrived_us, usec_t taken_us)
{
	KV_ASSERT(slot->state == SLOT_READY);
	struct carrier carriers[CARRIERS_MAX];
	struct msg m = {.opcode = req->opcode,
			.id = req->id,
			.reply = true,
			.shard = req->shard,
			.epoch = core->map->desc.epoch};
	m.answer.partition = slot->partition;
	if (COVER_IF(lacks_room(core, slot, req), replica_lacks_room)) {
		answer_no_room(core, from, req);
		return;
	}
	bool served = serve(core, slot, req, carriers, &m.answer);
	slots_count_memory(&core->slots, slot);
	if (!served) {
		answer_plain(core, from, req, ANSWER_BUSY);
		return;
	}
	if (req->opcode == OP_PUSH && m.answer.answer == ANSWER_OLD)
		ledger_pushed_late(core, slot, &req->replica);
	trim_value(&req->replica, &m.answer);
	core->stats.replica_rejects += m.answer.answer == ANSWER_REJECT;
	const struct served times = {.arrived_us = MIN(arrived_us, taken_us),
				     .taken_us = taken_us,
				     .ready_us = core->now.mono_us,
				     .trace = req->replica.trace,
				     .awaited = req->replica.deadline_ms != 0};
	answer(core, from, &times, &m, slot);
}

static bool is_expired(const struct node_core *core, const struct msg *req, usec_t arrived_us)
{
	return req->replica.deadline_ms != 0 &&
	       core->now.mono_us >= arrived_us + req->replica.deadline_ms * USEC_PER_MSEC;
}

/** Whether this node is a replica of the partition, as the sender believes: 0 if so. */
static enum replica_answer refuse_row(struct node_core *core, node_id from, const struct msg *req)
{
	const struct msg_replica *r = &req->replica;
	if (req->epoch > core->map->desc.epoch) {
		COVER(replica_behind);
		map_spread_pull(core, from);
		return ANSWER_BUSY;
	}
	struct row row = cluster_map_row(core->map, r->partition);
	bool outdated = COVER_IF(req->epoch < row.config_epoch, replica_fences) && !MUTANT(noepoch);
	/* Who has left the row may hold what nobody else has, and what the row has decided against since. */
	bool left = req->opcode == OP_PUSH && r->record.strong && row_position(&row, from) < 0;
	if (outdated || row_position(&row, core->self) < 0 || COVER_IF(left, push_from_outside)) {
		core->stats.replica_epoch_refused++;
		return ANSWER_EPOCH;
	}
	/* What is transferred fills a range that is not served yet. */
	bool serves = partition_serves(core, r->partition) || (r->transfer && from == core->self);
	return COVER_IF(!serves, replica_joining) ? ANSWER_BUSY : 0;
}

/** What can be refused without knowing the key: 0 if nothing. */
static enum replica_answer refuse(struct node_core *core, node_id from, const struct msg *req)
{
	const struct msg_replica *r = &req->replica;
	enum replica_answer refusal = refuse_row(core, from, req);
	if (refusal)
		return refusal;
	/* A READ is judged by its sender's clock, which is taken over here: one that cannot be is refused. */
	struct version v = req->opcode == OP_PREPARE ? r->ballot : r->record.ver;
	if (req->opcode == OP_READ)
		v.hlc = req->hlc;
	if (core_is_ahead(core, v)) {
		core->stats.replica_clock_refused++;
		return ANSWER_CLOCK;
	}
	/* Readings taken over in the life before must be known to whoever reads now. */
	if (req->opcode == OP_READ && from != core->self &&
	    COVER_IF(!core_clock_is_current(core), read_before_clock))
		return ANSWER_BUSY;
	bool stores = req->opcode == OP_ACCEPT || req->opcode == OP_COPY || req->opcode == OP_PUSH;
	/* What is stored may be overwritten and remembered; after a restart the clock's durable limit stands for that memory. */
	if (stores && v.hlc > core->clock.limit)
		return ANSWER_BUSY;
	if (stores && !tree_takes(core, r->partition))
		return ANSWER_BUSY;
	if (stores && (!value_is_whole(&r->record) || core->write_bytes >= WRITE_BYTES_MAX))
		return ANSWER_BUSY;
	/* A fence is this node's clock: nothing stored may be above it, whatever reading the message itself carried. */
	if (stores)
		core_observe(core, v.hlc);
	return 0;
}

static void park(struct node_core *core, struct slot *slot, node_id from, const struct msg *req, usec_t arrived_us)
{
	bool room = slot->waiting_count < SLOT_QUEUE_MAX && core->slots.parked_bytes < PARKED_BYTES_MAX;
	struct parked *p = room ? parked_new(from, arrived_us, req) : NULL;
	if (!p) {
		answer_plain(core, from, req, ANSWER_BUSY);
		return;
	}
	p->taken_us = core->now.mono_us;
	slots_park(&core->slots, slot, p);
	if (slot->state == SLOT_LOADING)
		return;
	slot->state = SLOT_LOADING;
	struct disk_key key = slot_disk_key(slot);
	actions_hold(core->out, slot->key);
	slot->read_token = core_read(core, WAIT_SLOT, slot, &key);
}

/** True if the message's key and partition belong together: a peer with another idea of placement is refused. */
static bool is_placed_well(const struct node_core *core, const struct msg_replica *r)
{
	return core->map && r->partition < core->map->desc.partitions &&
	       hash_partition(key_hash(r->key), core->map->desc.partitions) == r->partition;
}

void replica_request(struct node_core *core, node_id from, const struct msg *m, usec_t arrived_us)
{
	const struct msg_replica *r = &m->replica;
	KV_ASSERT(opcode_is_replica(m->opcode) && !m->reply);
	core->stats.replica_requests++;
	if (is_expired(core, m, arrived_us)) {
		core->stats.replica_expired++;
		return;
	}
	if (!is_placed_well(core, r) || !partitions_are_loaded(core) || BUGGIFY(core, replica_busy)) {
		answer_plain(core, from, m, ANSWER_BUSY);
		return;
	}
	enum replica_answer refusal = refuse(core, from, m);
	if (refusal) {
		answer_plain(core, from, m, refusal);
		return;
	}
	struct slot *slot = slots_find(&core->slots, r->bucket, r->key);
	if (!slot) {
		uint16_t leaf = hash_leaf(key_hash(r->key), core->map->desc.partitions);
		slot = slots_add(&core->slots, r->partition, leaf, r->bucket, r->key, core->now.mono_us);
	}
	slots_touch(&core->slots, slot, core->now.mono_us);
	if (slot->state != SLOT_READY) {
		park(core, slot, from, m, arrived_us);
		if (slot->state == SLOT_COLD)
			slots_settle(&core->slots, slot);
		return;
	}
	serve_loaded(core, slot, from, m, arrived_us, core->now.mono_us);
	slots_settle(&core->slots, slot);
}

/** While the record was read the map may have changed, and floors with it. */
static void serve_parked(struct node_core *core, struct slot *slot, const struct parked *p)
{
	if (is_expired(core, &p->msg, p->arrived_us)) {
		core->stats.replica_expired++;
		return;
	}
	enum replica_answer refusal = refuse(core, p->from, &p->msg);
	if (refusal)
		answer_plain(core, p->from, &p->msg, refusal);
	else
		serve_loaded(core, slot, p->from, &p->msg, p->arrived_us, p->taken_us);
}

void replica_loaded(struct node_core *core, struct slot *slot, bool found, struct slice bytes)
{
	KV_ASSERT(slot->state == SLOT_LOADING);
	KV_ASSERT(!slot->bytes && version_is_none(slot->key_state.rec.ver));
	slot->state = SLOT_READY;
	/* The range was dropped while the disk was asked. */
	found &= !slot->dropped;
	slot->dropped = false;
	if (found) {
		slot->bytes = blob_new(bytes);
		KV_ASSERT(slot->bytes);
		if (record_decode(blob_slice(slot->bytes), &slot->key_state.rec) != KV_OK) {
			core->stats.records_corrupt++;
			core_stop(core, KV_CORRUPT,
				  "a stored record does not match its checksum; replace this node");
			return;
		}
	}
	struct parked *p;
	while ((p = slots_unpark(&core->slots, slot))) {
		serve_parked(core, slot, p);
		free(p);
	}
	slots_settle(&core->slots, slot);
}

void replica_written(struct node_core *core)
{
	struct ilink *link;
	while ((link = ilist_first(&core->held))) {
		struct held_reply *held = container_of(link, struct held_reply, link);
		if (held->token > core->write_done)
			break;
		ilist_remove(link);
		answer_now(core, held->to, &held->served, &held->msg, held->bytes);
		blob_unref(held->bytes);
		free(held);
	}
	while ((link = ilist_first(&core->slots.writing))) {
		struct slot *slot = container_of(link, struct slot, write_link);
		if (slot->write_token > core->write_done)
			break;
		ilist_remove(link);
		slots_settle(&core->slots, slot);
	}
}

void replica_release(struct node_core *core)
{
	struct ilink *link;
	while ((link = ilist_pop_front(&core->held))) {
		struct held_reply *held = container_of(link, struct held_reply, link);
		blob_unref(held->bytes);
		free(held);
	}
}
