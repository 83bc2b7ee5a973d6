/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/hint_replay.h"

#include "replication/core.h"
#include "replication/op.h"

static void begin_partition(struct hint_target *t, uint32_t partition, bool whole)
{
	t->partition = partition;
	t->whole = whole;
	t->whole_failed = false;
	t->has_after = false;
	t->page_last = false;
}

static void read_page(struct node_core *core, struct hint_target *t, enum hint_phase phase)
{
	t->phase = phase;
	t->scan_outdated = false;
	struct disk_scan scan = {.table = t->whole ? DISK_DATA : DISK_HINT,
				 .target = t->node,
				 .partition = (uint16_t)t->partition,
				 .has_after = t->has_after,
				 .after = t->after,
				 .rows_max = BUGGIFY(core, hint_page_short) ? 1 : HINT_SCAN_ITEMS,
				 .bytes_max = SCAN_SIZE_MAX};
	scan.after.table = scan.table;
	actions_hold(core->out, t->after_key);
	core_scan(core, WAIT_HINT_SCAN, t, &scan);
}

static void scan_page(struct node_core *core, struct hint_target *t) { read_page(core, t, HINT_SCANNING); }

static void count_page(struct node_core *core, struct hint_target *t) { read_page(core, t, HINT_COUNTING); }

void hint_replay_count(struct node_core *core, struct hint_target *t)
{
	begin_partition(t, core->config.shard, /* whole= */ false);
	count_page(core, t);
}

static void drop_rows(struct hint_target *t)
{
	struct ilink *link;
	while ((link = ilist_pop_front(&t->rows)))
		free(container_of(link, struct hint_row, link));
}

static void push_free(struct node_core *core, struct hint_push *p)
{
	KV_ASSERT(p->target->in_flight > 0);
	p->target->in_flight--;
	hmap_remove(&core->hints.pushes, &p->node);
	blob_unref(p->key);
	free(p);
}

void hint_replay_release(struct node_core *core)
{
	struct hmap_node *node;
	while ((node = hmap_first(&core->hints.pushes)))
		push_free(core, container_of(node, struct hint_push, node));
	hmap_release(&core->hints.pushes);
	for (size_t i = 0; i < NODES_MAX; i++) {
		if (core->hints.targets[i])
			drop_rows(core->hints.targets[i]);
	}
}

/** A hint that is being replayed must not be deleted for an older version's sake. */
void hint_replay_renew(struct node_core *core, struct hint_target *t, uint16_t partition, uint32_t bucket,
		       struct slice key, struct version ver)
{
	t->scan_outdated |= t->phase == HINT_SCANNING && t->partition == partition;
	for (struct ilink *l = ilist_first(&t->rows); l; l = ilist_next(&t->rows, l)) {
		struct hint_row *row = container_of(l, struct hint_row, link);
		if (row->bucket == bucket && slice_equal(slice_of(row->key, row->key_size), key))
			row->ver = version_max(row->ver, ver);
	}
	if (t->in_flight == 0)
		return;
	struct hmap_node *node = hmap_first(&core->hints.pushes);
	for (; node; node = hmap_next(&core->hints.pushes, node)) {
		struct hint_push *p = container_of(node, struct hint_push, node);
		if (p->target == t && p->bucket == bucket && slice_equal(blob_slice(p->key), key))
			p->renewed = true;
	}
}

static void ask_credit(struct node_core *core, struct hint_target *t)
{
	t->phase = HINT_ASKING;
	t->phase_deadline_us = core->now.mono_us + core->config.replica_timeout_us;
	t->ask_id = core_next_id(core);
	struct msg *m = core_msg(core, OP_HINT_OPEN, t->ask_id, /* reply= */ false);
	m->hint.pending = MAX(t->pending, t->left) + t->dirty_count;
	core_send(core, t->node, m);
}

static void begin_pass(struct node_core *core, struct hint_target *t)
{
	t->added = 0;
	t->left = 0;
	begin_partition(t, core->config.shard, /* whole= */ false);
	ask_credit(core, t);
}

static void end_pass(struct node_core *core, struct hint_target *t)
{
	/* A key hinted again during the pass counts twice until the next one; the hints on disk never exceed the bound. */
	t->pending = MIN(t->left + t->added, core->config.hints_max);
	t->phase = HINT_IDLE;
	t->next_us = core->now.mono_us + HINT_PASS_US;
}

/** The partition's rows are all pushed and answered: goes on to its records if it is dirty, or to the next one. */
static void next_partition(struct node_core *core, struct hint_target *t)
{
	if (t->whole && !t->whole_failed)
		hints_set_dirty(core, t, t->partition, false);
	if (!t->whole && COVER_IF(hints_is_dirty(t, t->partition), hint_whole_partition))
		begin_partition(t, t->partition, /* whole= */ true);
	else
		begin_partition(t, t->partition + core->config.shard_count, /* whole= */ false);
	if (t->partition >= core->map->desc.partitions)
		end_pass(core, t);
	else
		scan_page(core, t);
}

static void start_push(struct node_core *core, struct hint_target *t, struct hint_row *row)
{
	struct hint_push *p = xcalloc(1, sizeof *p);
	p->target = t;
	p->id = core_next_id(core);
	p->partition = row->partition;
	p->leaf = row->leaf;
	p->bucket = row->bucket;
	p->key = blob_new(slice_of(row->key, row->key_size));
	KV_ASSERT(p->key);
	p->ver = row->ver;
	p->deadline_us = core->now.mono_us + core->config.replica_timeout_us;
	hmap_add(&core->hints.pushes, &p->node, hash_u64(p->id));
	t->in_flight++;
	struct disk_key key = {.table = DISK_DATA,
			       .partition = p->partition,
			       .leaf = p->leaf,
			       .bucket = p->bucket,
			       .key = blob_slice(p->key)};
	actions_hold(core->out, p->key);
	p->epoch = cluster_map_row(core->map, p->partition).config_epoch;
	p->read_token = core_read(core, WAIT_HINT_READ, p, &key);
}

static void push_rows(struct node_core *core, struct hint_target *t)
{
	struct ilink *link;
	uint32_t window = BUGGIFY(core, hint_window_short) ? 1 : HINT_WINDOW;
	while (t->credit > 0 && t->in_flight < window && (link = ilist_pop_front(&t->rows))) {
		struct hint_row *row = container_of(link, struct hint_row, link);
		t->credit--;
		start_push(core, t, row);
		free(row);
	}
	if (!ilist_is_empty(&t->rows)) {
		if (t->credit == 0 && core->now.mono_us >= t->next_us)
			ask_credit(core, t);
		return;
	}
	if (!t->page_last)
		scan_page(core, t);
	else if (t->in_flight == 0)
		next_partition(core, t);
}

static void stop_replay(struct node_core *core, struct hint_target *t)
{
	drop_rows(t);
	t->credit = 0;
	t->phase = HINT_IDLE;
	t->next_us = core->now.mono_us + HINT_REPLAY_DELAY_US + rng_below(&core->rng, HINT_REPLAY_DELAY_US);
}

static void tick_target(struct node_core *core, struct hint_target *t)
{
	usec_t now = core->now.mono_us;
	if (detector_state(core, t->node) != PEER_UP) {
		if (t->phase == HINT_ASKING || t->phase == HINT_PUSHING)
			stop_replay(core, t);
		return;
	}
	switch (t->phase) {
	case HINT_IDLE: {
		bool work = t->pending > 0 || t->dirty_count > 0;
		bool settled = now >= core->detector.peers[t->node].up_since_us + HINT_REPLAY_DELAY_US;
		if (work && settled && now >= t->next_us)
			begin_pass(core, t);
		return;
	}
	case HINT_ASKING:
		if (now >= t->phase_deadline_us)
			stop_replay(core, t);
		return;
	case HINT_COUNTING:
	case HINT_SCANNING:
		return;
	case HINT_PUSHING:
		push_rows(core, t);
		return;
	}
}

static void expire_pushes(struct node_core *core)
{
	struct hmap_node *node = hmap_first(&core->hints.pushes);
	while (node) {
		struct hint_push *p = container_of(node, struct hint_push, node);
		node = hmap_next(&core->hints.pushes, node);
		if (p->read_token != 0 || core->now.mono_us < p->deadline_us)
			continue;
		COVER(hint_push_expires);
		p->target->whole_failed = true;
		push_free(core, p);
	}
}

void hint_replay_tick(struct node_core *core)
{
	expire_pushes(core);
	for (size_t i = 0; i < core->hints.targets_end; i++) {
		if (core->hints.targets[i])
			tick_target(core, core->hints.targets[i]);
	}
}

void hint_replay_granted(struct node_core *core, node_id from, const struct msg *m)
{
	struct hint_target *t = from < NODES_MAX ? core->hints.targets[from] : NULL;
	if (!t || t->phase != HINT_ASKING || t->ask_id != m->id)
		return;
	t->credit = m->hint.granted;
	t->next_us = core->now.mono_us + MIN(m->hint.pace_ms, HINT_PACE_MAX_MS) * USEC_PER_MSEC;
	t->phase = HINT_PUSHING;
	if (t->credit == 0)
		return; /* the next tick after next_us asks again */
	push_rows(core, t);
}

static void add_row(struct hint_target *t, const struct disk_key *key, struct version ver)
{
	struct hint_row *row = xmalloc(sizeof *row + key->key.size);
	*row = (struct hint_row){.partition = key->partition,
				 .leaf = key->leaf,
				 .bucket = key->bucket,
				 .ver = ver,
				 .key_size = key->key.size};
	memcpy(row->key, key->key.data, key->key.size);
	ilist_push_back(&t->rows, &row->link);
}

static void take_row(struct node_core *core, struct hint_target *t, const struct disk_row *in)
{
	if (!t->whole && in->key.leaf == HINT_MARK_LEAF)
		return;
	struct version ver = VERSION_NONE;
	hlc_t created = 0;
	if (!t->whole) {
		bool valid = hints_parse(in->value, &ver, &created);
		if (!valid || created + hlc_from_ms(HINT_AGE_MS) < core_clock(core)) {
			core->stats.hints_expired++;
			hints_set_dirty(core, t, in->key.partition, true);
			hints_remove(core, t, &in->key);
			return;
		}
		t->left++;
	}
	add_row(t, &in->key, ver);
}

static void remember_after(struct hint_target *t, const struct disk_key *key)
{
	struct blob *name = blob_new(key->key);
	KV_ASSERT(name);
	blob_unref(t->after_key);
	t->after_key = name;
	t->after = *key;
	t->after.key = blob_slice(name);
	t->has_after = true;
}

static void counted(struct node_core *core, struct hint_target *t)
{
	t->phase = HINT_IDLE;
	if (t->pending > 0 || t->dirty_count > 0)
		staleness_hinted(core, t->node, /* since_us= */ 0);
}

/** Hints written meanwhile may be counted twice; the first pass puts that right. */
static void counted_page(struct node_core *core, struct hint_target *t, const struct disk_row *rows, uint32_t count,
			 bool done)
{
	for (uint32_t i = 0; i < count; i++) {
		if (rows[i].key.leaf == HINT_MARK_LEAF)
			hints_found_mark(t, rows[i].key.partition);
		else if (t->pending < core->config.hints_max)
			t->pending++;
	}
	if (count > 0)
		remember_after(t, &rows[count - 1].key);
	if (done)
		begin_partition(t, t->partition + core->config.shard_count, /* whole= */ false);
	if (t->partition < core->map->desc.partitions)
		count_page(core, t);
	else
		counted(core, t);
}

void hint_replay_scan_done(struct node_core *core, struct hint_target *t, const struct disk_row *rows,
			   uint32_t count, bool done)
{
	KV_ASSERT(ilist_is_empty(&t->rows));
	if (t->phase == HINT_COUNTING) {
		counted_page(core, t, rows, count, done);
		return;
	}
	KV_ASSERT(t->phase == HINT_SCANNING);
	if (t->scan_outdated) {
		scan_page(core, t);
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		take_row(core, t, &rows[i]);
	if (count > 0)
		remember_after(t, &rows[count - 1].key);
	t->page_last = done;
	t->phase = HINT_PUSHING;
	push_rows(core, t);
}

static struct hint_push *find_push(const struct node_core *core, uint64_t id)
{
	struct hmap_node *node = hmap_first_same(&core->hints.pushes, hash_u64(id));
	for (; node; node = hmap_next_same(node)) {
		struct hint_push *p = container_of(node, struct hint_push, node);
		if (p->id == id)
			return p;
	}
	return NULL;
}

static struct disk_key push_key(const struct hint_push *p)
{
	return (struct disk_key){
		.partition = p->partition, .leaf = p->leaf, .bucket = p->bucket, .key = blob_slice(p->key)};
}

/** The hint of P needs no more telling. */
static void settle(struct node_core *core, struct hint_push *p)
{
	struct hint_target *t = p->target;
	struct disk_key key = push_key(p);
	core->stats.hints_replayed++;
	/* Hinted anew meanwhile: that hint is on disk still, and may not have been counted as another. */
	if (p->renewed)
		return;
	t->left -= t->left > 0;
	t->pending -= t->pending > 0;
	hints_remove(core, t, &key);
}

static void end_push(struct node_core *core, struct hint_push *p)
{
	struct hint_target *t = p->target;
	push_free(core, p);
	if (t->phase == HINT_PUSHING)
		push_rows(core, t);
}

static void send_push(struct node_core *core, struct hint_push *p, const struct record *rec)
{
	struct msg *m = core_msg(core, OP_PUSH, p->id, /* reply= */ false);
	p->sent = rec->ver;
	p->deadline_us = core->now.mono_us + core->config.replica_timeout_us;
	m->replica.record = *rec;
	m->replica.partition = p->partition;
	m->replica.bucket = p->bucket;
	m->replica.key = blob_slice(p->key);
	m->replica.hinted = true;
	m->replica.read_epoch = p->epoch;
	m->epoch = cluster_map_row(core->map, p->partition).config_epoch;
	m->replica.deadline_ms = (uint32_t)(core->config.replica_timeout_us / USEC_PER_MSEC);
	actions_hold(core->out, p->key);
	core_send(core, p->target->node, m);
}

static void settle_for_good(struct node_core *core, struct hint_push *p)
{
	if (!version_is_none(p->ver))
		settle(core, p);
	end_push(core, p);
}

void hint_replay_read_done(struct node_core *core, struct hint_push *p, bool found, struct slice bytes)
{
	struct record rec = {0};
	p->read_token = 0;
	if (found && record_decode(actions_copy_slice(core->out, bytes), &rec) != KV_OK) {
		core_stop(core, KV_CORRUPT, "a stored record does not match its checksum; replace this node");
		return;
	}
	/* Whom the row no longer names has no need of it, and who has left the row may not push what strong operations wrote. */
	struct row row = cluster_map_row(core->map, p->partition);
	bool left = found && rec.strong && row_position(&row, core->self) < 0;
	if (row_position(&row, p->target->node) < 0 || COVER_IF(left, hint_of_left)) {
		settle_for_good(core, p);
		return;
	}
	if (!version_less(rec.ver, p->ver) && found) {
		send_push(core, p, &rec);
		return;
	}
	/* This node missed the write itself. Whoever has it brings all replicas in step; the hint stays until that is seen. */
	p->deadline_us = core->now.mono_us + HINT_PROBE_US;
	if (!op_repair(core, p->bucket, blob_slice(p->key), p->id))
		end_push(core, p);
}

void hint_replay_probed(struct node_core *core, uint64_t push_id, bool complete, struct version greatest)
{
	struct hint_push *p = find_push(core, push_id);
	if (!p)
		return;
	/* No replica has it: it was refused everywhere, or lost with a crash before anyone answered. */
	if (complete && version_less(greatest, p->ver))
		settle(core, p);
	end_push(core, p);
}

bool hint_replay_push_done(struct node_core *core, const struct msg *m)
{
	struct hint_push *p = find_push(core, m->id);
	if (!p || p->read_token != 0)
		return false;
	bool has = m->answer.answer == ANSWER_STORED || m->answer.answer == ANSWER_OLD;
	/* Sealed off: whoever collects the partition's tombstones brings all in step, and hints are of no use for it. */
	bool sealed = m->answer.answer == ANSWER_OLD && version_at_most(p->sent, m->answer.promise);
	bool delivered = (has && version_at_most(p->sent, m->answer.stored)) || COVER_IF(sealed, hint_sealed);
	p->target->whole_failed |= !delivered;
	if (delivered && !version_is_none(p->ver))
		settle(core, p);
	end_push(core, p);
	return true;
}
