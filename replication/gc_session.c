/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/gc_session.h"

#include "base/mutant.h"
#include "replication/exchange.h"
#include "replication/op.h"
#include "replication/page.h"

static uint32_t everyone(const struct gc_session *s) { return (1u << s->size) - 1; }

static uint16_t step_of(enum gc_phase phase)
{
	switch (phase) {
	case GC_SEALING:
		return GC_SEAL;
	case GC_CHECKING:
		return GC_CHECK;
	case GC_DROPPING:
		return GC_DROP;
	case GC_LOOKING:
	case GC_WAITING:
	case GC_SYNCING:
	case GC_LISTING:
		return 0;
	}
	KV_UNREACHABLE("phases are these");
}

/* ---- asking everyone ---- */

static void send_step(struct node_core *core, struct gc_session *s)
{
	struct slice page = slice_of(NULL, 0);
	if (s->phase != GC_SEALING)
		page = actions_copy_slice(core->out, buf_slice(&s->page));
	for (uint32_t i = 0; i < s->size; i++) {
		if (s->answered & 1u << i)
			continue;
		struct msg *m = core_msg(core, OP_GC, s->id, /* reply= */ false);
		m->gc.partition = s->partition;
		m->gc.step = (enum gc_step)step_of(s->phase);
		m->gc.floor = s->floor;
		m->gc.page = page;
		core_send(core, s->nodes[i], m);
	}
	s->resend_us = core->now.mono_us + GC_RESEND_US;
}

static void begin_step(struct node_core *core, struct gc_session *s, enum gc_phase phase)
{
	s->phase = phase;
	s->id = core_next_id(core);
	s->answered = 0;
	s->until_us = core->now.mono_us + GC_STEP_US;
	send_step(core, s);
}

/* ---- the own records ---- */

static void scan(struct node_core *core, struct gc_session *s)
{
	s->scan_waits = core->write_done < s->barrier;
	if (COVER_IF(s->scan_waits, gc_scan_waits))
		return;
	struct disk_scan scan = {.table = DISK_DATA,
				 .partition = s->partition,
				 .one_leaf = true,
				 .leaf = (uint16_t)s->leaf,
				 .has_after = s->has_after,
				 .after = s->after,
				 .rows_max = BUGGIFY(core, gc_page_short) ? 1 : GC_KEYS_MAX - s->count,
				 .bytes_max = SCAN_SIZE_MAX};
	actions_hold(core->out, s->after_key);
	s->scan_token = core_scan(core, WAIT_GC_SCAN, NULL, &scan);
}

/** Goes on to the next leaf, this one included, that has anything to collect; false if there is none. */
static bool seek_leaf(struct node_core *core, struct gc_session *s)
{
	const struct tree_leaf *leaves = tree_leaves(core, s->partition);
	for (; leaves && s->leaf < LEAVES_PER_PARTITION; s->leaf++) {
		if (s->has_after || leaves[s->leaf].tombstones > 0 || leaves[s->leaf].ending > 0)
			return true;
	}
	return false;
}

static void begin_scan(struct node_core *core, struct gc_session *s)
{
	core->gc.items[s->partition].oldest = GC_NOTHING;
	s->barrier = core->write_issued;
	s->leaf = 0;
	s->has_after = false;
	s->found = GC_NOTHING;
}

static void remember_after(struct gc_session *s, const struct disk_key *key)
{
	struct blob *name = blob_new(key->key);
	KV_ASSERT(name);
	blob_unref(s->after_key);
	s->after_key = name;
	s->after = *key;
	s->after.key = blob_slice(name);
	s->has_after = true;
}

static void next_leaf(struct gc_session *s)
{
	s->leaf++;
	s->has_after = false;
}

/** When a row's record became of no use, or will; GC_NOTHING if it never does. */
static hlc_t row_end(struct node_core *core, const struct disk_row *row, struct record *ret)
{
	if (record_decode(actions_copy_slice(core->out, row->value), ret) != KV_OK)
		return GC_NOTHING; /* whoever reads it next will say so */
	return gc_end_of(ret);
}

static void list_row(struct gc_session *s, const struct disk_row *row, const struct record *rec)
{
	KV_ASSERT(s->count < GC_KEYS_MAX);
	struct page_key k = {.bucket = row->key.bucket, .key = row->key.key, .ver = rec->ver};
	k.flags = (uint8_t)((rec->weak ? PAGE_WEAK : 0) | (rec->tombstone ? PAGE_TOMBSTONE : 0) |
			    (rec->strong ? PAGE_STRONG : 0));
	page_put_key(buf_extend(&s->page, page_key_size(&k)), &k);
	s->checks[s->count++] = GC_FREE;
}

static void end_list(struct node_core *core, struct gc_session *s);

static void list_on(struct node_core *core, struct gc_session *s)
{
	s->phase = GC_LISTING;
	if (!tree_is_ready(core, s->partition)) {
		gc_session_abort(core, s, NODE_NONE);
		return;
	}
	s->listed = !seek_leaf(core, s);
	if (s->listed || s->count == GC_KEYS_MAX || s->page.size >= MOVE_PAGE_SIZE)
		end_list(core, s);
	else
		scan(core, s);
}

static void list_anew(struct node_core *core, struct gc_session *s)
{
	buf_clear(&s->page);
	s->count = 0;
	list_on(core, s);
}

static void look_on(struct node_core *core, struct gc_session *s)
{
	bool old = s->found <= s->old;
	if (!old && tree_is_ready(core, s->partition) && seek_leaf(core, s)) {
		scan(core, s);
		return;
	}
	if (!tree_is_ready(core, s->partition))
		s->found = 0;
	gc_session_looked(core, s);
}

static void take_row(struct node_core *core, struct gc_session *s, const struct disk_row *row)
{
	struct record rec;
	hlc_t end = row_end(core, row, &rec);
	if (s->phase == GC_LISTING && end <= s->floor.hlc)
		list_row(s, row, &rec);
	else
		s->found = MIN(s->found, end);
}

void gc_session_scanned(struct node_core *core, struct gc_session *s, const struct disk_row *rows, uint32_t count,
			bool done)
{
	KV_ASSERT(s->phase == GC_LOOKING || s->phase == GC_LISTING);
	s->scan_token = 0;
	for (uint32_t i = 0; i < count; i++)
		take_row(core, s, &rows[i]);
	if (count > 0)
		remember_after(s, &rows[count - 1].key);
	if (done || count == 0)
		next_leaf(s);
	if (s->phase == GC_LOOKING)
		look_on(core, s);
	else
		list_on(core, s);
}

/* ---- the steps ---- */

static void begin_list(struct node_core *core, struct gc_session *s)
{
	begin_scan(core, s);
	list_anew(core, s);
}

static void synced(struct node_core *core, void *owner, bool complete, hlc_t began)
{
	struct gc_session *s = owner;
	KV_ASSERT(s->phase == GC_SYNCING);
	if (COVER_IF(complete, gc_synced))
		begin_list(core, s);
	else
		gc_session_abort(core, s, NODE_NONE);
}

static void sync(struct node_core *core, struct gc_session *s)
{
	uint32_t peers = everyone(s) & ~(1u << s->self);
	if (MUTANT(gcnoall))
		peers &= s->answered;
	if (peers == 0 || MUTANT(gcnosync)) {
		begin_list(core, s);
		return;
	}
	if (s->phase != GC_WAITING)
		s->until_us = core->now.mono_us + GC_STEP_US;
	s->phase = GC_WAITING;
	if (exchange_start(core, s->partition, peers, EXCHANGE_SYNC, synced, s))
		s->phase = GC_SYNCING;
}

void gc_session_go(struct node_core *core, struct gc_session *s)
{
	if (MUTANT(gctime))
		begin_list(core, s);
	else
		begin_step(core, s, GC_SEALING);
}

static void renewed(struct node_core *core, void *owner, bool complete) {}

/** Leaves in the page what all replicas let go; gives weak copies a new version. */
static void keep_free_rows(struct node_core *core, struct gc_session *s)
{
	struct buf kept = {0};
	struct reader in = reader_of(buf_slice(&s->page));
	struct page_key row;
	uint32_t renewals = 0;
	for (uint32_t i = 0; page_take_key(&in, &row); i++) {
		enum gc_check check = (enum gc_check)s->checks[i];
		if (check == GC_FREE) {
			page_put_key(buf_extend(&kept, page_key_size(&row)), &row);
			continue;
		}
		s->found = MIN(s->found, row.ver.hlc);
		if (COVER_IF(check == GC_WEAK, gc_weak) && renewals < GC_RENEWALS_MAX &&
		    op_stabilize(core, row.bucket, row.key, /* every= */ true, renewed, NULL)) {
			renewals++;
			core->stats.gc_renewed++;
		}
	}
	buf_release(&s->page);
	s->page = kept;
}

static void after_page(struct node_core *core, struct gc_session *s)
{
	if (!s->listed)
		list_anew(core, s);
	else
		gc_session_complete(core, s);
}

static void drop(struct node_core *core, struct gc_session *s)
{
	if (s->page.size > 0 || (s->listed && !s->dropped))
		begin_step(core, s, GC_DROPPING);
	else
		after_page(core, s);
}

static void end_list(struct node_core *core, struct gc_session *s)
{
	if (s->count > 0 && !MUTANT(gctime))
		begin_step(core, s, GC_CHECKING);
	else
		drop(core, s);
}

static void step_done(struct node_core *core, struct gc_session *s)
{
	if (BUGGIFY(core, gc_gives_up)) {
		gc_session_abort(core, s, NODE_NONE);
		return;
	}
	switch (s->phase) {
	case GC_SEALING:
		sync(core, s);
		return;
	case GC_CHECKING:
		keep_free_rows(core, s);
		drop(core, s);
		return;
	case GC_DROPPING:
		COVER(gc_dropped);
		s->dropped = true;
		after_page(core, s);
		return;
	default:
		KV_UNREACHABLE("these phases ask everyone");
	}
}

/** Takes the answers to CHECK; false if there are not as many as keys. */
static bool take_checks(struct gc_session *s, struct slice page)
{
	if (page.size != s->count)
		return false;
	for (uint32_t i = 0; i < s->count; i++) {
		uint8_t before = s->checks[i], now = page.data[i];
		if (now == GC_WEAK && before == GC_FREE)
			s->checks[i] = GC_WEAK;
		else if (now != GC_FREE && now != GC_WEAK)
			s->checks[i] = GC_KEPT;
	}
	return true;
}

static bool all_have_answered(const struct gc_session *s)
{
	uint32_t count = (uint32_t)__builtin_popcount(s->answered);
	return count == s->size || (MUTANT(gcnoall) && count >= s->size / 2 + 1);
}

void gc_session_answered(struct node_core *core, struct gc_session *s, node_id from, const struct msg *m)
{
	uint32_t at = 0;
	while (at < s->size && s->nodes[at] != from)
		at++;
	if (at == s->size || s->answered & 1u << at || m->gc.step != step_of(s->phase))
		return;
	if (m->gc.status == KV_NOT_READY)
		return; /* it is asked again */
	if (m->gc.status != KV_OK || (s->phase == GC_CHECKING && !take_checks(s, m->gc.page))) {
		if (!MUTANT(gcnoall))
			gc_session_abort(core, s, from);
		return;
	}
	s->answered |= 1u << at;
	if (all_have_answered(s))
		step_done(core, s);
}

/* ---- life ---- */

struct gc_session *gc_session_new(struct node_core *core, uint16_t partition, struct version floor, hlc_t old)
{
	struct row row = cluster_map_row(core->map, partition);
	KV_ASSERT(!row.move && row.count <= REPLICAS_MAX && row_position(&row, core->self) >= 0);
	struct gc_session *s = xcalloc(1, sizeof *s);
	s->partition = partition;
	s->floor = floor;
	s->old = old;
	s->size = row.count;
	s->self = (uint32_t)row_position(&row, core->self);
	memcpy(s->nodes, row.nodes, row.count * sizeof s->nodes[0]);
	if (MUTANT(gctime)) {
		s->size = 1;
		s->self = 0;
		s->nodes[0] = core->self;
	}
	return s;
}

void gc_session_look(struct node_core *core, struct gc_session *s)
{
	s->phase = GC_LOOKING;
	begin_scan(core, s);
	look_on(core, s);
}

void gc_session_free(struct node_core *core, struct gc_session *s)
{
	if (s->phase == GC_SYNCING)
		exchange_cancel(core, s);
	buf_release(&s->page);
	blob_unref(s->after_key);
	free(s);
}

/** A replica that the session waits for, or that is not there. */
static node_id missing(const struct node_core *core, const struct gc_session *s)
{
	for (uint32_t i = 0; i < s->size; i++) {
		if (!gc_is_up(core, s->nodes[i]))
			return s->nodes[i];
	}
	for (uint32_t i = 0; i < s->size && step_of(s->phase); i++) {
		if (!(s->answered & 1u << i))
			return s->nodes[i];
	}
	return NODE_NONE;
}

static bool is_late(const struct node_core *core, const struct gc_session *s)
{
	bool timed = step_of(s->phase) != 0 || s->phase == GC_WAITING;
	return timed && core->now.mono_us >= s->until_us;
}

static bool someone_is_away(const struct node_core *core, const struct gc_session *s)
{
	for (uint32_t i = 0; i < s->size; i++) {
		if (!gc_is_up(core, s->nodes[i]) && !MUTANT(gcnoall))
			return true;
	}
	return false;
}

void gc_session_tick(struct node_core *core, struct gc_session *s)
{
	if (s->scan_waits)
		scan(core, s);
	if (s->phase == GC_LOOKING)
		return;
	if (is_late(core, s) || COVER_IF(someone_is_away(core, s), gc_member_away))
		gc_session_abort(core, s, missing(core, s));
	else if (s->phase == GC_WAITING)
		sync(core, s);
	else if (step_of(s->phase) != 0 && core->now.mono_us >= s->resend_us)
		send_step(core, s);
}
