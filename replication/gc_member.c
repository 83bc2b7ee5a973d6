/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of a session at a replica. Each key goes through its slot like any other request, which this core sends to itself: CHECK
 * reads it, SYNC and DROP push to it. A step is answered when all keys are done and all writes started until then are durable.
 *
 * All of them must be of the session whose SEAL was the last one in this life of the node: what happened in between to the records
 * below the floor is then known to be nothing but that session's SYNC.
 */
#include "base/mutant.h"
#include "replication/core.h"
#include "replication/gc.h"
#include "replication/map_spread.h"
#include "replication/page.h"

struct gc_task {
	struct ilink link;
	node_id from; /* whom to answer, and as what */
	uint64_t from_id;
	uint32_t from_shard;
	uint64_t id; /* of the requests to the own replica; their shard is the key's number */
	uint16_t partition;
	enum gc_step step;
	struct version floor;
	uint64_t epoch; /* of the sender's map */
	struct blob *page;
	struct reader rest; /* of the page */
	uint32_t count;     /* keys taken from it */
	uint32_t in_flight;
	bool done;      /* with all keys */
	uint64_t token; /* done: write that must be durable */
	enum kv_status status;
	usec_t until_us;
	struct version vers[GC_KEYS_MAX]; /* as named */
	uint8_t checks[GC_KEYS_MAX];      /* CHECK: enum gc_check */
};

void gc_member_init(struct node_core *core) { ilist_init(&core->gc.tasks); }

static void task_free(struct node_core *core, struct gc_task *t)
{
	ilist_remove(&t->link);
	core->gc.task_count--;
	blob_unref(t->page);
	free(t);
}

void gc_member_release(struct node_core *core)
{
	struct ilink *link;
	while ((link = ilist_first(&core->gc.tasks)))
		task_free(core, container_of(link, struct gc_task, link));
}

static void answer(struct node_core *core, node_id to, uint64_t id, uint32_t shard, const struct msg_gc *body)
{
	struct msg *m = core_msg(core, OP_GC, id, /* reply= */ true);
	m->shard = shard;
	m->gc = *body;
	core_send(core, to, m);
}

static void refuse(struct node_core *core, node_id to, const struct msg *req, enum kv_status status)
{
	struct msg_gc body = {.partition = req->gc.partition, .step = req->gc.step, .floor = req->gc.floor};
	body.status = status;
	answer(core, to, req->id, req->shard, &body);
}

/** Answers if all is done and durable; true if it did, and T is gone. */
static bool finish(struct node_core *core, struct gc_task *t)
{
	if (!t->done || core->write_done < t->token)
		return false;
	struct msg_gc body = {.partition = t->partition, .step = t->step, .floor = t->floor, .status = t->status};
	if (t->step == GC_CHECK && t->status == KV_OK)
		body.page = actions_copy_slice(core->out, slice_of(t->checks, t->count));
	answer(core, t->from, t->from_id, t->from_shard, &body);
	task_free(core, t);
	return true;
}

/* ---- keys ---- */

/** A request to the own replica about the next key. */
static void ask(struct node_core *core, struct gc_task *t, struct msg *m, uint32_t bucket, struct slice key)
{
	m->shard = t->count++;
	m->replica.partition = t->partition;
	m->replica.bucket = bucket;
	m->replica.key = key;
	actions_hold(core->out, t->page);
	t->in_flight++;
	core_send(core, core->self, m);
}

static bool ask_about_key(struct node_core *core, struct gc_task *t)
{
	struct page_key row;
	if (!page_take_key(&t->rest, &row))
		return false;
	bool check = t->step == GC_CHECK;
	if (t->count == GC_KEYS_MAX || version_is_none(row.ver)) {
		t->rest.failed = true;
		return false;
	}
	t->vers[t->count] = row.ver;
	struct msg *m = core_msg(core, check ? OP_READ : OP_PUSH, t->id, /* reply= */ false);
	if (!check) {
		m->replica.purge = true;
		m->replica.record = (struct record){.ver = row.ver, .tombstone = true};
	}
	ask(core, t, m, row.bucket, row.key);
	return true;
}

static bool push_record(struct node_core *core, struct gc_task *t)
{
	struct page_record row;
	struct record rec;
	if (!page_take_record(&t->rest, &row))
		return false;
	if (t->count == GC_KEYS_MAX || record_decode(actions_copy_slice(core->out, row.record), &rec) != KV_OK) {
		t->rest.failed = true;
		return false;
	}
	struct msg *m = core_msg(core, OP_PUSH, t->id, /* reply= */ false);
	m->replica.transfer = true;
	m->replica.read_epoch = t->epoch;
	m->replica.record = rec;
	m->replica.record.weak = false;
	t->vers[t->count] = rec.ver;
	ask(core, t, m, row.bucket, row.key);
	return true;
}

static bool next_key(struct node_core *core, struct gc_task *t)
{
	return t->step == GC_SYNC ? push_record(core, t) : ask_about_key(core, t);
}

static void go_on(struct node_core *core, struct gc_task *t)
{
	while (t->in_flight < GC_WINDOW && next_key(core, t))
		;
	if (t->in_flight > 0)
		return;
	if (t->rest.failed)
		t->status = KV_INVALID;
	/* Whoever goes on believes all it was told here, hash trees included, to outlive a crash. */
	t->done = true;
	t->token = core->write_issued;
	finish(core, t);
}

static enum gc_check check_of(const struct gc_task *t, uint32_t key, const struct msg_replica_reply *told)
{
	struct version ver = t->vers[key];
	if (told->answer != ANSWER_RECORD)
		return GC_KEPT;
	if (acceptor_may_drop(told, ver, t->floor))
		return GC_FREE;
	return version_equal(told->record.ver, ver) && told->record.weak ? GC_WEAK : GC_KEPT;
}

/** The record, or something newer, is here, or was. */
static bool is_in_step(const struct gc_task *t, uint32_t key, const struct msg_replica_reply *told)
{
	struct version ver = t->vers[key];
	return told->answer == ANSWER_STORED ||
	       (told->answer == ANSWER_OLD &&
		(version_at_most(ver, told->stored) || version_at_most(ver, told->promise)));
}

bool gc_member_answered(struct node_core *core, const struct msg *m)
{
	struct ilink *link = ilist_first(&core->gc.tasks);
	while (link && container_of(link, struct gc_task, link)->id != m->id)
		link = ilist_next(&core->gc.tasks, link);
	if (!link)
		return false;
	struct gc_task *t = container_of(link, struct gc_task, link);
	KV_ASSERT(t->in_flight > 0 && m->shard < t->count);
	t->in_flight--;
	if (t->step == GC_CHECK)
		t->checks[m->shard] = (uint8_t)check_of(t, m->shard, &m->answer);
	else if (t->step == GC_SYNC && COVER_IF(!is_in_step(t, m->shard, &m->answer), gc_sync_refused))
		t->status = KV_NOT_READY;
	else if (t->step == GC_DROP && COVER_IF(m->answer.answer != ANSWER_STORED, gc_drop_refused))
		core->gc.items[t->partition].oldest = 0; /* it stays here: look again */
	go_on(core, t);
	return true;
}

/* ---- steps ---- */

static enum kv_status may_take_part(struct node_core *core, node_id from, const struct msg *m)
{
	struct row row = cluster_map_row(core->map, m->gc.partition);
	bool members = row_position(&row, core->self) >= 0 && row_position(&row, from) >= 0;
	if (!members || row.move || m->epoch < row.config_epoch)
		return KV_STALE;
	if (m->epoch > core->map->desc.epoch) {
		map_spread_pull(core, from);
		return KV_NOT_READY;
	}
	bool ready = partitions_are_loaded(core) && partition_serves(core, m->gc.partition);
	return ready && core->gc.task_count < GC_TASKS_MAX ? KV_OK : KV_NOT_READY;
}

/** True if M belongs to the session that sealed last, in this life. */
static bool is_of_session(const struct node_core *core, node_id from, const struct msg *m)
{
	const struct gc_partition *g = &core->gc.items[m->gc.partition];
	struct row row = cluster_map_row(core->map, m->gc.partition);
	return (g->runner == from && g->row_epoch == row.config_epoch && version_equal(g->floor, m->gc.floor)) ||
	       MUTANT(gctime);
}

static enum kv_status seal(struct node_core *core, node_id from, const struct msg *m)
{
	struct gc_partition *g = &core->gc.items[m->gc.partition];
	struct partition *p = partition_at(core, m->gc.partition);
	if (core_is_ahead(core, m->gc.floor))
		return KV_CLOCK;
	/* From here on this node's clock is above the floor: a life that ended below it has ended here too. */
	core_observe(core, m->gc.floor.hlc);
	g->runner = from;
	g->row_epoch = cluster_map_row(core->map, m->gc.partition).config_epoch;
	g->floor = m->gc.floor;
	if (version_less(p->seal, m->gc.floor)) {
		p->seal = m->gc.floor;
		partition_save(core, m->gc.partition);
	}
	return KV_OK;
}

static void raise_drop_floor(struct node_core *core, const struct msg *m)
{
	struct partition *p = partition_at(core, m->gc.partition);
	if (version_at_most(m->gc.floor, p->drop) || MUTANT(gctime))
		return;
	KV_ASSERT(version_at_most(m->gc.floor, p->seal));
	p->drop = m->gc.floor;
	partition_save(core, m->gc.partition);
}

static enum kv_status begin(struct node_core *core, node_id from, const struct msg *m)
{
	enum kv_status status = may_take_part(core, from, m);
	if (status != KV_OK)
		return status;
	if (from != core->self)
		gc_looked_after(core, m->gc.partition);
	if (m->gc.step == GC_SEAL)
		return seal(core, from, m);
	/* SYNC as well: what one session has found to be in step would else be changed below its floor by another's. */
	if (COVER_IF(!is_of_session(core, from, m), gc_other_session))
		return KV_STALE;
	if (m->gc.step == GC_DROP)
		raise_drop_floor(core, m);
	return KV_OK;
}

void gc_member_asked(struct node_core *core, node_id from, const struct msg *m)
{
	enum kv_status status = begin(core, from, m);
	struct blob *page = status == KV_OK ? blob_new(m->gc.page) : NULL;
	if (!page) {
		refuse(core, from, m, status == KV_OK ? KV_OVERLOADED : status);
		return;
	}
	struct gc_task *t = xcalloc(1, sizeof *t);
	t->from = from;
	t->from_id = m->id;
	t->from_shard = m->shard;
	t->id = core_next_id(core);
	t->partition = m->gc.partition;
	t->step = m->gc.step;
	t->floor = m->gc.floor;
	t->epoch = m->epoch;
	t->page = page;
	t->rest = reader_of(m->gc.step == GC_SEAL ? slice_of(NULL, 0) : blob_slice(page));
	t->until_us = core->now.mono_us + GC_STEP_US;
	ilist_push_back(&core->gc.tasks, &t->link);
	core->gc.task_count++;
	go_on(core, t);
}

void gc_member_written(struct node_core *core)
{
	struct ilink *link = ilist_first(&core->gc.tasks);
	while (link) {
		struct gc_task *t = container_of(link, struct gc_task, link);
		link = ilist_next(&core->gc.tasks, link);
		(void)finish(core, t);
	}
}

void gc_member_tick(struct node_core *core)
{
	struct ilink *link = ilist_first(&core->gc.tasks);
	while (link) {
		struct gc_task *t = container_of(link, struct gc_task, link);
		link = ilist_next(&core->gc.tasks, link);
		if (core->now.mono_us >= t->until_us)
			task_free(core, t);
	}
}
