/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/leaving.h"

#include "base/mutant.h"
#include "replication/core.h"
#include "replication/page.h"
#include "replication/quorum.h"

enum { PAGE_ROWS = 64, AGAIN_US = 1000 * 1000 };

#define LEAVING_WAIT_US (10 * USEC_PER_MINUTE) /* then the range goes whoever is missing */
#define LATELY_MS       (60ull * 60 * 1000)    /* what is older has been repaired, or was hinted */

void leaving_release(struct node_core *core)
{
	free(core->leaving.items);
	blob_unref(core->leaving.cursor);
	core->leaving = (struct leaving){0};
}

bool leaving_owes(const struct node_core *core, uint16_t partition)
{
	KV_ASSERT(partition < core->leaving.count);
	return core->leaving.items[partition].left;
}

bool leaving_is_done(const struct node_core *core) { return core->leaving.items && core->leaving.left_count == 0; }

/* ---- what is left over ---- */

static void set_left(struct node_core *core, struct leaving_partition *item, bool left)
{
	core->leaving.left_count += (uint32_t)left - (uint32_t)item->left;
	item->left = left;
}

/** From when on this node may have acknowledged eventual writes that no other has seen yet. */
static hlc_t hand_over_from(const struct node_core *core, bool in_this_life)
{
	/* In the life before it may have left the row while it was down: what counts is when it was last at work. */
	hlc_t last = in_this_life || core->boot_limit == 0 ? core_clock(core) : core->boot_limit;
	return last > hlc_from_ms(LATELY_MS) ? last - hlc_from_ms(LATELY_MS) : 0;
}

/** In a row whose move has not begun here, this node has nothing but what an earlier membership left, if it was a member. */
static bool has_begun(struct node_core *core, const struct row *row, uint16_t partition)
{
	int own = row_position(row, core->self);
	if (own < 0 || row->old & 1u << own || !row->move)
		return own >= 0;
	return uuid_equal(&partition_at(core, partition)->session, &row->move->session);
}

static void note_partition(struct node_core *core, uint16_t partition, bool first)
{
	struct leaving_partition *item = &core->leaving.items[partition];
	struct row row = cluster_map_row(core->map, partition);
	bool begun = has_begun(core, &row, partition);
	if (!begun && !item->left && (first || item->member)) {
		item->since_us = core->now.mono_us;
		item->since = hand_over_from(core, !first);
		set_left(core, item, true);
	}
	if (begun)
		set_left(core, item, false);
	item->member = row_position(&row, core->self) >= 0;
}

void leaving_set_map(struct node_core *core)
{
	struct leaving *l = &core->leaving;
	bool first = !l->items;
	if (first) {
		l->count = core->map->desc.partitions;
		l->items = xcalloc(l->count, sizeof l->items[0]);
		l->partition = (uint16_t)core->config.shard;
	}
	for (uint32_t p = core->config.shard; p < l->count; p += core->config.shard_count)
		note_partition(core, (uint16_t)p, first);
	l->outdated = l->phase != LEAVING_NOTHING;
	if (l->phase == LEAVING_PUSHING)
		l->phase = LEAVING_NOTHING; /* from the start, under the new row */
}

/* ---- when ---- */

static bool is_known_everywhere(const struct node_core *core, uint64_t epoch)
{
	for (node_id i = 0; i < core->detector.peers_end; i++) {
		const struct peer *p = &core->detector.peers[i];
		if (p->known && p->state != PEER_DOWN && p->map_epoch < epoch)
			return false;
	}
	return true;
}

static bool is_overdue(const struct node_core *core, const struct leaving_partition *item)
{
	return core->now.mono_us >= item->since_us + LEAVING_WAIT_US;
}

static void remove_range(struct node_core *core)
{
	static const struct uuid none;
	struct leaving *l = &core->leaving;
	struct row row = cluster_map_row(core->map, l->partition);
	if (row_position(&row, core->self) < 0) { /* else the move that waits empties it */
		COVER(range_left_is_removed);
		core->stats.ranges_removed++;
		(void)moves_empty(core, l->partition, &none);
	}
	set_left(core, &l->items[l->partition], false);
	l->phase = LEAVING_NOTHING;
}

/** The present partition has to wait: others first. */
static void put_off(struct node_core *core)
{
	struct leaving *l = &core->leaving;
	l->phase = LEAVING_NOTHING;
	uint32_t next = l->partition + core->config.shard_count;
	bool round = next >= l->count;
	l->partition = (uint16_t)(round ? core->config.shard : next);
	if (round)
		l->next_us = core->now.mono_us + AGAIN_US;
}

static void read_rows(struct node_core *core, enum leaving_phase phase, uint32_t rows_max)
{
	struct leaving *l = &core->leaving;
	struct disk_scan scan = {
		.table = DISK_DATA, .partition = l->partition, .rows_max = rows_max, .bytes_max = MOVE_PAGE_SIZE};
	bool found = page_seek(blob_slice(l->cursor), &scan);
	KV_ASSERT(found);
	l->phase = phase;
	l->outdated = false;
	actions_hold(core->out, l->cursor);
	core_scan(core, WAIT_LEAVING, NULL, &scan);
}

static void rewind_cursor(struct leaving *l)
{
	blob_unref(l->cursor);
	l->cursor = NULL;
	l->lacking = 0;
}

/** Something is there. */
static void found_rows(struct node_core *core)
{
	struct leaving *l = &core->leaving;
	struct row row = cluster_map_row(core->map, l->partition);
	if (is_overdue(core, &l->items[l->partition]) || MUTANT(dropearly))
		remove_range(core);
	else if (is_known_everywhere(core, row.config_epoch))
		read_rows(core, LEAVING_READING, PAGE_ROWS);
	else
		put_off(core);
}

/* ---- handing over ---- */

static bool is_handed_over(const struct node_core *core, const struct record *rec)
{
	return !rec->strong && core->leaving.items[core->leaving.partition].since <= rec->ver.hlc;
}

static void push(struct node_core *core, node_id to, uint64_t id, const struct disk_key *key,
		 const struct record *rec)
{
	struct msg *m = core_msg(core, OP_PUSH, id, /* reply= */ false);
	m->replica.partition = key->partition;
	m->replica.bucket = key->bucket;
	m->replica.key = key->key;
	m->replica.record = *rec;
	m->replica.hinted = true;
	core_send(core, to, m);
}

static void push_row(struct node_core *core, const struct row *row, const struct disk_row *in)
{
	struct leaving *l = &core->leaving;
	struct record rec;
	/* What is damaged here has to come from elsewhere in any case. */
	if (record_decode(actions_copy_slice(core->out, in->value), &rec) != KV_OK || !is_handed_over(core, &rec))
		return;
	struct disk_key key = in->key;
	key.key = actions_copy_slice(core->out, in->key.key);
	for (uint32_t i = 0; i < ROW_MAX; i++) {
		uint64_t id =
			core_next_id(core); /* of position i, sent or not: the answer tells by its id whose it is */
		l->push_count++;
		if (i >= row->count || row->nodes[i] == core->self)
			continue;
		if (detector_state(core, row->nodes[i]) != PEER_UP) {
			l->lacking |= 1u << i;
			continue;
		}
		l->push_left++;
		push(core, row->nodes[i], id, &key, &rec);
	}
}

static void keep_cursor(struct node_core *core, const struct disk_key *key)
{
	struct leaving *l = &core->leaving;
	struct blob *cursor = blob_new(page_cursor(core->out, key));
	KV_ASSERT(cursor);
	blob_unref(l->cursor);
	l->cursor = cursor;
}

static void page_done(struct node_core *core)
{
	struct leaving *l = &core->leaving;
	struct row row = cluster_map_row(core->map, l->partition);
	if (!l->page_last && row_old_majority(&row, row.old & ~l->lacking)) {
		read_rows(core, LEAVING_READING, PAGE_ROWS);
		return;
	}
	bool handed_over = row_old_majority(&row, row.old & ~l->lacking);
	rewind_cursor(l);
	if (handed_over)
		remove_range(core);
	else
		put_off(core);
}

static void push_page(struct node_core *core, const struct disk_row *rows, uint32_t count, bool done)
{
	struct leaving *l = &core->leaving;
	struct row row = cluster_map_row(core->map, l->partition);
	l->push_id = core->id_last + 1;
	l->push_count = l->push_left = 0;
	l->push_us = core->now.mono_us + core->config.replica_timeout_us;
	l->page_last = done;
	l->phase = LEAVING_PUSHING;
	for (uint32_t i = 0; i < count; i++)
		push_row(core, &row, &rows[i]);
	if (count > 0)
		keep_cursor(core, &rows[count - 1].key);
	if (COVER_IF(l->push_left > 0, leaving_hands_over))
		return;
	page_done(core);
}

bool leaving_push_done(struct node_core *core, const struct msg *m)
{
	struct leaving *l = &core->leaving;
	if (l->phase != LEAVING_PUSHING || m->id < l->push_id || m->id - l->push_id >= l->push_count)
		return false;
	uint32_t position = (uint32_t)((m->id - l->push_id) % ROW_MAX);
	bool has = m->answer.answer == ANSWER_STORED || m->answer.answer == ANSWER_OLD;
	if (!has)
		l->lacking |= 1u << position;
	KV_ASSERT(l->push_left > 0);
	if (--l->push_left == 0)
		page_done(core);
	return true;
}

void leaving_scan_done(struct node_core *core, const struct disk_row *rows, uint32_t count, bool done)
{
	struct leaving *l = &core->leaving;
	KV_ASSERT(l->phase == LEAVING_LOOKING || l->phase == LEAVING_READING);
	if (l->outdated) {
		l->phase = LEAVING_NOTHING;
		return;
	}
	if (l->phase == LEAVING_READING) {
		push_page(core, rows, count, done);
	} else if (count > 0) {
		found_rows(core);
	} else {
		set_left(core, &l->items[l->partition], false);
		l->phase = LEAVING_NOTHING;
	}
}

static void look_for_one(struct node_core *core)
{
	struct leaving *l = &core->leaving;
	for (uint32_t i = 0; i < l->count && core->now.mono_us >= l->next_us; i += core->config.shard_count) {
		if (l->items[l->partition].left) {
			rewind_cursor(l);
			read_rows(core, LEAVING_LOOKING, 1);
			return;
		}
		put_off(core);
	}
}

void leaving_tick(struct node_core *core)
{
	struct leaving *l = &core->leaving;
	if (l->phase == LEAVING_PUSHING && core->now.mono_us >= l->push_us)
		put_off(core);
	if (l->phase == LEAVING_NOTHING && l->left_count > 0)
		look_for_one(core);
}
