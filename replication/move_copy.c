/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/move_copy.h"

#include "replication/core.h"
#include "replication/page.h"

enum {
	ROWS_OUT_MAX = 32,    /* rows of a page pushed and not durable */
	SAVE_BYTES = 8 << 20, /* the cursor is saved so often */
	BUSY_US = 20 * 1000,  /* until rows that were refused for now are pushed again */
	PULL_TIMEOUT_US = 10 * 1000 * 1000,
};

/* ---- the source ---- */

static bool is_candidate(const struct node_core *core, const struct move *move, const struct row *row, uint32_t i)
{
	bool old = row->old & 1u << i, tried = move->tried & 1u << i;
	return old && !tried && row->nodes[i] != core->self && detector_state(core, row->nodes[i]) == PEER_UP;
}

/** True if the member at A is a better source than that at B: it leaves, or is nearer. */
static bool is_better(const struct node_core *core, const struct row *row, uint32_t a, uint32_t b)
{
	bool a_leaves = !(row->next & 1u << a), b_leaves = !(row->next & 1u << b);
	if (a_leaves != b_leaves)
		return a_leaves;
	const struct peer *peers = core->detector.peers;
	return peers[row->nodes[a]].round_trip_us < peers[row->nodes[b]].round_trip_us;
}

static bool choose_source(struct node_core *core, struct move *move)
{
	struct row row = cluster_map_row(core->map, move->partition);
	int best = -1;
	for (uint32_t i = 0; i < row.count; i++) {
		if (is_candidate(core, move, &row, i) && (best < 0 || is_better(core, &row, i, (uint32_t)best)))
			best = (int)i;
	}
	move->source = best >= 0 ? row.nodes[best] : NODE_NONE;
	return best >= 0;
}

/** The source gives nothing: another one, or all over again when every one has failed. */
static void source_fails(struct node_core *core, struct move *move, const char *why)
{
	struct row row = cluster_map_row(core->map, move->partition);
	int position = row_position(&row, move->source);
	if (position >= 0)
		move->tried |= 1u << position;
	move->pull_id = 0;
	if (COVER_IF(choose_source(core, move), move_source_changes))
		move->retries++;
	else
		move_fails(core, move, why);
	if (move->source == NODE_NONE)
		move->tried = 0;
}

/* ---- pages ---- */

static void pull(struct node_core *core, struct move *move)
{
	if (!pace_allows(core, PACE_IN))
		return;
	if (move->source == NODE_NONE && !choose_source(core, move)) {
		move->tried = 0;
		move_fails(core, move, "no old member can be reached");
		return;
	}
	move->pull_id = core_next_id(core);
	move->pull_us = core->now.mono_us + PULL_TIMEOUT_US;
	struct msg *m = core_msg(core, OP_MOVE_PULL, move->pull_id, /* reply= */ false);
	m->move.partition = move->partition;
	m->move.session = move->session;
	m->move.source = NODE_NONE;
	m->move.cursor = blob_slice(move->cursor);
	actions_hold(core->out, move->cursor);
	core_send(core, move->source, m);
}

static void page_free(struct move *move)
{
	blob_unref(move->page);
	blob_unref(move->page_end);
	free(move->rows);
	move->page = move->page_end = NULL;
	move->rows = NULL;
	move->row_count = move->row_next = 0;
	move->page_last = false;
	KV_ASSERT(move->rows_out == 0);
}

void move_copy_release(struct move *move)
{
	move->rows_out = 0; /* answers that are still to come find no move */
	page_free(move);
	blob_unref(move->cursor);
	move->cursor = NULL;
}

void move_copy_begin(struct node_core *core, struct move *move)
{
	const struct partition *p = partition_at(core, move->partition);
	move->step = MOVE_IS_COPYING;
	move->source = NODE_NONE;
	move->cursor = blob_ref(p->cursor);
	if (!COVER_IF(move->cursor, move_resumes) ||
	    !tree_totals(core, move->partition, &move->keys_done, &move->bytes_done, NULL))
		move->keys_done = move->bytes_done = 0;
	move->reported_us = 0;
}

/** Finds where the rows begin; false if the bytes are no page. */
static bool parse_page(struct move *move)
{
	struct slice bytes = blob_slice(move->page);
	struct reader in = reader_of(bytes);
	struct page_record row;
	uint32_t capacity = 0;
	for (size_t at = 0; page_take_record(&in, &row); at = bytes.size - in.rest.size) {
		if (move->row_count == capacity) {
			capacity = MAX(capacity * 2, 64u);
			move->rows = xrealloc(move->rows, capacity * sizeof move->rows[0]);
		}
		move->rows[move->row_count++] = (struct move_row){.at = (uint32_t)at};
	}
	return !in.failed;
}

static struct blob *keep(struct slice bytes)
{
	struct blob *blob = bytes.size > 0 ? blob_new(bytes) : NULL;
	KV_ASSERT(blob || bytes.size == 0);
	return blob;
}

static void begin_pass(struct node_core *core, struct move *move)
{
	move->row_next = 0;
	move->rows_again = false;
	move->row_id = core->id_last + 1;
	core->id_last += move->row_count;
}

static void take_page(struct node_core *core, struct move *move, const struct msg *m)
{
	const struct msg_move *r = &m->move;
	struct disk_scan scan = {.table = DISK_DATA, .partition = move->partition};
	/* Without a cursor the next page would be the first again. */
	bool ends = r->done || (r->cursor.size > 0 && page_seek(r->cursor, &scan));
	move->page = keep(r->page);
	if (!ends || !parse_page(move)) {
		page_free(move);
		source_fails(core, move, "a page from an old member is damaged");
		return;
	}
	pace_spend(core, PACE_IN, r->page.size);
	core->stats.move_bytes_in += r->page.size;
	move->page_end = keep(r->cursor);
	move->page_last = r->done;
	move->page_epoch = m->epoch;
	move->failed = 0;
	move->tried = 0;
	begin_pass(core, move);
	move_copy_go_on(core, move);
}

void moves_pulled(struct node_core *core, node_id from, const struct msg *m)
{
	struct move *move = moves_find(core, m->move.partition, &m->move.session);
	if (!move || move->step != MOVE_IS_COPYING || move->pull_id == 0 || m->id != move->pull_id)
		return;
	KV_ASSERT(!move->page);
	move->pull_id = 0;
	if (m->move.status == KV_OK)
		take_page(core, move, m);
	else if (m->move.status == KV_NOT_READY)
		source_fails(core, move, "an old member is not ready to be copied from");
	else
		source_fails(core, move, "an old member does not know the move");
}

/* ---- rows ---- */

/** Hands row I to this node's own replica, which merges it with what is there. False if its bytes are damaged. */
static bool push_row(struct node_core *core, struct move *move, uint32_t i)
{
	struct slice bytes = blob_slice(move->page);
	struct reader in = reader_of(slice_of(bytes.data + move->rows[i].at, bytes.size - move->rows[i].at));
	struct page_record row;
	bool taken = page_take_record(&in, &row);
	KV_ASSERT(taken);
	struct msg *m = core_msg(core, OP_PUSH, move->row_id + i, /* reply= */ false);
	struct msg_replica *r = &m->replica;
	struct slice record = actions_copy_slice(core->out, row.record); /* aligned */
	if (record_decode(record, &r->record) != KV_OK || version_is_none(r->record.ver))
		return false;
	r->partition = move->partition;
	r->bucket = row.bucket;
	r->key = row.key;
	r->hinted = true;
	r->read_epoch = move->page_epoch;
	r->transfer = true;
	actions_hold(core->out, move->page);
	move->rows[i].state = ROW_PUSHED;
	move->rows_out++;
	core_send(core, core->self, m);
	return true;
}

static void save_cursor(struct node_core *core, struct move *move)
{
	struct partition *p = partition_at(core, move->partition);
	blob_unref(p->cursor);
	p->cursor = blob_ref(move->cursor);
	move->unsaved = 0;
	partition_save(core, move->partition);
}

static void page_done(struct node_core *core, struct move *move)
{
	bool last = move->page_last;
	size_t size = move->page ? move->page->size : 0;
	move->keys_done += move->row_count;
	move->bytes_done += size;
	move->unsaved += size;
	blob_unref(move->cursor);
	move->cursor = blob_ref(move->page_end);
	page_free(move);
	if (last)
		move_copied(core, move);
	else if (move->unsaved >= SAVE_BYTES || BUGGIFY(core, move_page_short))
		save_cursor(core, move);
}

static void push_rows(struct node_core *core, struct move *move)
{
	while (move->row_next < move->row_count && move->rows_out < ROWS_OUT_MAX && core->moves.burst > 0) {
		uint32_t i = move->row_next++;
		if (move->rows[i].state == ROW_IN)
			continue;
		core->moves.burst--;
		if (!push_row(core, move, i)) {
			/* The check compares with others and finds that it is missing. */
			move->rows[i].state = ROW_IN;
			move->message = "an old member has a damaged record";
		}
	}
	if (move->row_next < move->row_count || move->rows_out > 0)
		return;
	if (COVER_IF(move->rows_again, move_rows_again)) {
		begin_pass(core, move);
		move->next_us = core->now.mono_us + BUSY_US;
		return;
	}
	page_done(core, move);
}

static bool is_paged(const struct move *move)
{
	return move->rows || move->page || move->page_end || move->page_last;
}

void move_copy_go_on(struct node_core *core, struct move *move)
{
	KV_ASSERT(move->step == MOVE_IS_COPYING);
	if (move->pull_id != 0) {
		if (core->now.mono_us >= move->pull_us || detector_state(core, move->source) == PEER_DOWN)
			source_fails(core, move, "an old member does not answer");
		return;
	}
	if (core->now.mono_us < move->next_us)
		return;
	if (is_paged(move))
		push_rows(core, move);
	if (move->step == MOVE_IS_COPYING && !is_paged(move) && core->now.mono_us >= move->next_us)
		pull(core, move);
}

bool moves_push_done(struct node_core *core, const struct msg *m)
{
	for (struct ilink *l = ilist_first(&core->moves.in); l; l = ilist_next(&core->moves.in, l)) {
		struct move *move = container_of(l, struct move, link);
		uint64_t i = m->id - move->row_id;
		if (!move->rows || m->id < move->row_id || i >= move->row_count)
			continue;
		struct move_row *row = &move->rows[i];
		if (row->state != ROW_PUSHED)
			return true;
		bool in = m->answer.answer == ANSWER_STORED || m->answer.answer == ANSWER_OLD;
		row->state = in ? ROW_IN : ROW_WAITS;
		move->rows_again |= !in;
		KV_ASSERT(move->rows_out > 0);
		move->rows_out--;
		move_copy_go_on(core, move);
		return true;
	}
	return false;
}
