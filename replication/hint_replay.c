/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/hint_replay.h"

#include "replication/core.h"
#include "replication/exchange.h"
#include "replication/hint_hand.h"
#include "replication/hint_push.h"
#include "replication/tree.h"

/** Failed exchanges of a partition until all its records are pushed. */
enum { EXCHANGES_FAILED_MAX = 3 };

void hint_replay_at(struct hint_target *t, uint32_t partition, bool whole)
{
	t->partition = partition;
	t->whole = whole;
	t->whole_failed = false;
	t->has_after = false;
	t->page_last = false;
}

void hint_replay_read(struct node_core *core, struct hint_target *t, enum hint_phase phase)
{
	KV_ASSERT(t->partition < core->map->desc.partitions);
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

void hint_replay_remember(struct hint_target *t, const struct disk_key *key)
{
	struct blob *name = blob_new(key->key);
	KV_ASSERT(name);
	blob_unref(t->after_key);
	t->after_key = name;
	t->after = *key;
	t->after.key = blob_slice(name);
	t->has_after = true;
}

static void drop_rows(struct hint_target *t)
{
	struct ilink *link;
	while ((link = ilist_pop_front(&t->rows)))
		free(container_of(link, struct hint_row, link));
}

void hint_replay_release(struct node_core *core)
{
	for (size_t i = 0; i < NODES_MAX; i++) {
		if (core->hints.targets[i])
			drop_rows(core->hints.targets[i]);
	}
}

void hint_replay_renew(struct node_core *core, struct hint_target *t, uint16_t partition, uint32_t bucket,
		       struct slice key, struct version ver)
{
	t->scan_outdated |= t->phase == HINT_SCANNING && t->partition == partition;
	for (struct ilink *l = ilist_first(&t->rows); l; l = ilist_next(&t->rows, l)) {
		struct hint_row *row = container_of(l, struct hint_row, link);
		if (row->bucket == bucket && slice_equal(slice_of(row->key, row->key_size), key))
			row->ver = version_max(row->ver, ver);
	}
	hint_push_renew(core, t, bucket, key);
}

/* ---- counting, at start ---- */

void hint_replay_count(struct node_core *core, struct hint_target *t)
{
	hint_replay_at(t, core->config.shard, /* whole= */ false);
	hint_replay_read(core, t, HINT_COUNTING);
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
		if (rows[i].key.leaf == HINT_MARK_LEAF) {
			hints_found_mark(t, rows[i].key.partition);
			continue;
		}
		hints_set_keyed(t, rows[i].key.partition, true);
		if (t->pending < core->config.hints_max)
			t->pending++;
	}
	if (count > 0)
		hint_replay_remember(t, &rows[count - 1].key);
	if (done)
		hint_replay_at(t, t->partition + core->config.shard_count, /* whole= */ false);
	if (t->partition < core->map->desc.partitions)
		hint_replay_read(core, t, HINT_COUNTING);
	else
		counted(core, t);
}

/* ---- passes ---- */

/** True if it is time to settle the target's mark of the partition: not while the target copies it in any case. */
static bool may_settle(const struct node_core *core, const struct hint_target *t, uint32_t partition)
{
	struct row row = cluster_map_row(core->map, (uint16_t)partition);
	int at = row_position(&row, t->node);
	return at >= 0 && row.old & 1u << at;
}

/** The first partition at or behind FROM of which there is something to tell; the map's count if there is none. */
static uint32_t next_owed(const struct node_core *core, const struct hint_target *t, uint32_t from)
{
	uint32_t p = from;
	for (; p < core->map->desc.partitions; p += core->config.shard_count) {
		if (hints_is_keyed(t, p) || (hints_is_dirty(t, p) && may_settle(core, t, p)))
			return p;
	}
	return core->map->desc.partitions;
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

/** Reads the hints of the partition at which the pass stands; those added from now on make it keyed again. */
static void scan_partition(struct node_core *core, struct hint_target *t)
{
	hints_set_keyed(t, t->partition, false);
	hint_replay_read(core, t, HINT_SCANNING);
}

static void begin_pass(struct node_core *core, struct hint_target *t)
{
	uint32_t first = next_owed(core, t, core->config.shard);
	if (first >= core->map->desc.partitions) {
		/* What is left waits for its target to become a full member. */
		t->next_us = core->now.mono_us + HINT_PASS_US;
		return;
	}
	t->added = 0;
	t->left = 0;
	hint_replay_at(t, first, /* whole= */ false);
	ask_credit(core, t);
}

static void end_pass(struct node_core *core, struct hint_target *t)
{
	/* A key hinted again during the pass counts twice until the next one; the hints on disk never exceed the bound. */
	t->pending = MIN(t->left + t->added, core->config.hints_max);
	t->phase = HINT_IDLE;
	t->next_us = core->now.mono_us + HINT_PASS_US;
}

static void exchanged(struct node_core *core, void *owner, bool complete, hlc_t began);

/** Compares the partition with the target's; false if that cannot be now. */
static bool exchange_partition(struct node_core *core, struct hint_target *t)
{
	struct row row = cluster_map_row(core->map, (uint16_t)t->partition);
	int at = row_position(&row, t->node);
	if (at < 0 || row_position(&row, core->self) < 0)
		return false;
	if (!exchange_start(core, (uint16_t)t->partition, 1u << at, EXCHANGE_PUSH, exchanged, t))
		return false;
	COVER(hint_exchange);
	t->phase = HINT_EXCHANGING;
	return true;
}

/** True if the partition's records can only be brought in step by pushing them all. */
static bool must_push_all(const struct node_core *core, const struct hint_target *t)
{
	struct row row = cluster_map_row(core->map, (uint16_t)t->partition);
	return row_position(&row, core->self) < 0 || !tree_is_ready(core, (uint16_t)t->partition) ||
	       t->exchanges_failed >= EXCHANGES_FAILED_MAX;
}

static void next_partition(struct node_core *core, struct hint_target *t)
{
	hint_replay_at(t, next_owed(core, t, t->partition + core->config.shard_count), /* whole= */ false);
	if (t->partition >= core->map->desc.partitions)
		end_pass(core, t);
	else
		scan_partition(core, t);
}

static void settle_partition(struct node_core *core, struct hint_target *t)
{
	hint_replay_at(t, t->partition, /* whole= */ true);
	if (COVER_IF(must_push_all(core, t), hint_whole_partition)) {
		hint_replay_read(core, t, HINT_SCANNING);
		return;
	}
	if (exchange_partition(core, t))
		return;
	/* Another exchange of it is under way, perhaps: its turn comes with the next pass. */
	t->exchanges_failed++;
	next_partition(core, t);
}

static void end_whole(struct node_core *core, struct hint_target *t, bool complete)
{
	KV_ASSERT(t->whole);
	if (complete && !t->whole_failed)
		hints_set_dirty(core, t, t->partition, false);
	t->exchanges_failed = complete ? 0 : t->exchanges_failed + 1;
	next_partition(core, t);
}

static void exchanged(struct node_core *core, void *owner, bool complete, hlc_t began)
{
	struct hint_target *t = owner;
	if (t->phase != HINT_EXCHANGING)
		return;
	end_whole(core, t, complete);
}

/** The partition's rows are all pushed and answered: goes on to its mark, or to the next one. */
static void end_partition(struct node_core *core, struct hint_target *t)
{
	if (t->whole)
		end_whole(core, t, /* complete= */ true);
	else if (hints_is_dirty(t, t->partition) && may_settle(core, t, t->partition))
		settle_partition(core, t);
	else
		next_partition(core, t);
}

static void push_rows(struct node_core *core, struct hint_target *t)
{
	struct ilink *link;
	uint32_t window = BUGGIFY(core, hint_window_short) ? 1 : HINT_WINDOW;
	while (t->credit > 0 && t->in_flight < window && (link = ilist_pop_front(&t->rows))) {
		struct hint_row *row = container_of(link, struct hint_row, link);
		t->credit--;
		hint_push_start(core, t, row);
		free(row);
	}
	if (!ilist_is_empty(&t->rows)) {
		if (t->credit == 0 && core->now.mono_us >= t->next_us)
			ask_credit(core, t);
		return;
	}
	if (!t->page_last && t->has_after)
		hint_replay_read(core, t, HINT_SCANNING);
	else if (!t->page_last)
		scan_partition(core, t); /* the pass has just got its credit */
	else if (t->in_flight == 0)
		end_partition(core, t);
}

void hint_replay_continue(struct node_core *core, struct hint_target *t)
{
	if (t->phase == HINT_PUSHING)
		push_rows(core, t);
}

static void stop_pass(struct node_core *core, struct hint_target *t)
{
	if (t->phase == HINT_EXCHANGING)
		exchange_cancel(core, t);
	drop_rows(t);
	if (t->partition < core->map->desc.partitions)
		hints_set_keyed(t, t->partition, true); /* there may be some that were read and not told */
	t->credit = 0;
	t->phase = HINT_IDLE;
	t->next_us = core->now.mono_us + HINT_REPLAY_DELAY_US + rng_below(&core->rng, HINT_REPLAY_DELAY_US);
}

/** The target answers and has done so for a while. */
static bool is_settled(const struct node_core *core, const struct hint_target *t)
{
	usec_t since_us = core->detector.peers[t->node].up_since_us;
	return core->now.mono_us >= since_us + HINT_REPLAY_DELAY_US;
}

static void tick_target(struct node_core *core, struct hint_target *t)
{
	usec_t now = core->now.mono_us;
	bool up = detector_state(core, t->node) == PEER_UP;
	switch (t->phase) {
	case HINT_IDLE:
		if (hint_hand_tick(core, t))
			return;
		/* Counted twice, or delivered while nobody looked: without a partition that has hints there are none. */
		if (t->keyed_count == 0 && t->in_flight == 0)
			t->pending = 0;
		if (up && is_settled(core, t) && now >= t->next_us &&
		    (t->pending > 0 || t->keyed_count > 0 || t->dirty_count > 0))
			begin_pass(core, t);
		return;
	case HINT_ASKING:
		if (!up || now >= t->phase_deadline_us)
			stop_pass(core, t);
		return;
	case HINT_PUSHING:
		if (up)
			push_rows(core, t);
		else
			stop_pass(core, t);
		return;
	case HINT_EXCHANGING:
		if (!up)
			stop_pass(core, t);
		return;
	case HINT_COUNTING:
	case HINT_SCANNING:
	case HINT_DROPPING:
		return;
	}
}

void hint_replay_tick(struct node_core *core)
{
	hint_push_tick(core);
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

void hint_replay_scan_done(struct node_core *core, struct hint_target *t, const struct disk_row *rows,
			   uint32_t count, bool done)
{
	KV_ASSERT(ilist_is_empty(&t->rows));
	if (t->phase == HINT_COUNTING) {
		counted_page(core, t, rows, count, done);
		return;
	}
	if (t->phase == HINT_DROPPING) {
		hint_hand_dropped(core, t, rows, count, done);
		return;
	}
	KV_ASSERT(t->phase == HINT_SCANNING);
	if (t->scan_outdated) {
		hint_replay_read(core, t, HINT_SCANNING);
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		take_row(core, t, &rows[i]);
	if (count > 0)
		hint_replay_remember(t, &rows[count - 1].key);
	t->page_last = done;
	t->phase = HINT_PUSHING;
	push_rows(core, t);
}
