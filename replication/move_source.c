/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/move_source.h"

#include "base/mutant.h"
#include "replication/core.h"
#include "replication/map_spread.h"
#include "replication/page.h"
#include "replication/tree.h"

enum { PAGES_MAX = 4 * MOVES_OUT_MAX, PAGE_ROWS_MAX = 2048 };

/** A page that somebody asked for. */
struct move_page {
	struct ilink link;
	node_id from;
	uint64_t id;
	uint32_t shard; /* the asker's */
	uint16_t partition;
	struct uuid session;
	struct blob *cursor; /* NULL: the start */
	bool reading;
	bool dropped; /* the asker has given it up: read and forget */
};

void move_source_init(struct node_core *core) { ilist_init(&core->move_source.pages); }

static void page_free(struct node_core *core, struct move_page *page)
{
	KV_ASSERT(core->move_source.page_count > 0);
	ilist_remove(&page->link);
	core->move_source.page_count--;
	blob_unref(page->cursor);
	free(page);
}

void move_source_release(struct node_core *core)
{
	struct ilink *link;
	while ((link = ilist_first(&core->move_source.pages)))
		page_free(core, container_of(link, struct move_page, link));
}

/* ---- who may ask ---- */

/** KV_OK if NODE is a new member of the partition's move SESSION, this node an old one, and the map that says so is in force. */
static enum kv_status judge(struct node_core *core, node_id node, const struct msg *m)
{
	struct row row = cluster_map_row(core->map, m->move.partition);
	int position = row_position(&row, node);
	int own = row_position(&row, core->self);
	if (m->epoch > core->map->desc.epoch && !MUTANT(earlysource)) {
		map_spread_pull(core, node);
		return KV_NOT_READY;
	}
	if (!partitions_are_loaded(core))
		return KV_NOT_READY;
	if (MUTANT(earlysource) && own >= 0)
		return KV_OK;
	if (m->epoch < row.config_epoch || !row.move || position < 0 || own < 0)
		return KV_STALE;
	if (!uuid_equal(&row.move->session, &m->move.session) && !MUTANT(nosession))
		return KV_STALE;
	bool joins = !(row.old & 1u << position), holds = row.old & 1u << own;
	return joins && holds ? KV_OK : KV_STALE;
}

static struct msg *answer_to(struct node_core *core, uint16_t opcode, uint64_t id, uint32_t shard,
			     uint16_t partition, const struct uuid *session, enum kv_status status)
{
	struct msg *reply = core_msg(core, opcode, id, /* reply= */ true);
	reply->shard = shard;
	reply->move.partition = partition;
	reply->move.session = *session;
	reply->move.status = status;
	reply->move.source = NODE_NONE;
	return reply;
}

/* ---- opening ---- */

/** No ballot above it was ever promised by this core in the partition. */
static hlc_t promised_most(struct node_core *core, uint16_t partition)
{
	hlc_t most = MAX(core_clock(core), slots_floors(&core->slots, partition)->promise.hlc);
	return MAX(most, slots_promised(&core->slots, partition).hlc);
}

void move_source_opened(struct node_core *core, node_id from, const struct msg *m)
{
	enum kv_status status = judge(core, from, m);
	struct msg *reply =
		answer_to(core, OP_MOVE_OPEN, m->id, m->shard, m->move.partition, &m->move.session, status);
	if (status == KV_OK) {
		const struct partition *p = partition_at(core, m->move.partition);
		reply->move.fence = promised_most(core, m->move.partition);
		reply->move.seal = p->seal;
		reply->move.drop = p->drop;
		if (!tree_totals(core, m->move.partition, &reply->move.keys, &reply->move.bytes, NULL))
			reply->move.keys = reply->move.bytes = 0;
	}
	COVER_IF(status == KV_STALE, move_open_stale);
	core_send(core, from, reply);
}

/* ---- pages ---- */

static void read_page(struct node_core *core, struct move_page *page)
{
	struct disk_scan scan = {.table = DISK_DATA,
				 .partition = page->partition,
				 .rows_max = BUGGIFY(core, move_page_short) ? 1 : PAGE_ROWS_MAX,
				 .bytes_max = MOVE_PAGE_SIZE};
	page->reading = true;
	bool found = page_seek(blob_slice(page->cursor), &scan);
	KV_ASSERT(found);
	actions_hold(core->out, page->cursor);
	core_scan(core, WAIT_MOVE_PAGE, page, &scan);
}

void move_source_tick(struct node_core *core)
{
	struct ilink *link = ilist_first(&core->move_source.pages);
	for (; link && pace_allows(core, PACE_OUT); link = ilist_next(&core->move_source.pages, link)) {
		struct move_page *page = container_of(link, struct move_page, link);
		if (page->reading)
			continue;
		/* What the page turns out to have less is given back: many partitions have little. */
		pace_spend(core, PACE_OUT, MOVE_PAGE_SIZE);
		read_page(core, page);
	}
}

/** Whoever asks again has given up waiting for what it asked before. */
static void drop_earlier(struct node_core *core, node_id from, uint16_t partition)
{
	struct ilink *link = ilist_first(&core->move_source.pages);
	while (link) {
		struct move_page *page = container_of(link, struct move_page, link);
		link = ilist_next(&core->move_source.pages, link);
		if (page->from != from || page->partition != partition)
			continue;
		page->dropped = true;
		if (!page->reading)
			page_free(core, page);
	}
}

static void add_page(struct node_core *core, node_id from, const struct msg *m)
{
	struct move_page *page = xcalloc(1, sizeof *page);
	*page = (struct move_page){.from = from,
				   .id = m->id,
				   .shard = m->shard,
				   .partition = m->move.partition,
				   .session = m->move.session};
	if (m->move.cursor.size > 0) {
		page->cursor = blob_new(m->move.cursor);
		KV_ASSERT(page->cursor);
	}
	ilist_push_back(&core->move_source.pages, &page->link);
	core->move_source.page_count++;
	move_source_tick(core);
}

void move_source_pulled(struct node_core *core, node_id from, const struct msg *m)
{
	enum kv_status status = judge(core, from, m);
	struct disk_scan scan = {.table = DISK_DATA, .partition = m->move.partition};
	if (status == KV_OK && !page_seek(m->move.cursor, &scan))
		status = KV_INVALID;
	drop_earlier(core, from, m->move.partition);
	if (status == KV_OK && core->move_source.page_count >= PAGES_MAX)
		status = KV_NOT_READY;
	if (status == KV_OK)
		add_page(core, from, m);
	else
		core_send(core, from,
			  answer_to(core, OP_MOVE_PULL, m->id, m->shard, m->move.partition, &m->move.session,
				    status));
}

/** The move that the page is for is still in the map. */
static bool is_wanted(const struct node_core *core, const struct move_page *page)
{
	struct row row = cluster_map_row(core->map, page->partition);
	return !page->dropped &&
	       ((row.move && uuid_equal(&row.move->session, &page->session)) || MUTANT(earlysource));
}

void move_source_scan_done(struct node_core *core, struct move_page *page, const struct disk_row *rows,
			   uint32_t count, bool done)
{
	if (COVER_IF(!is_wanted(core, page), move_page_unwanted)) {
		pace_return(core, PACE_OUT, MOVE_PAGE_SIZE);
		page_free(core, page);
		return;
	}
	struct msg *reply =
		answer_to(core, OP_MOVE_PULL, page->id, page->shard, page->partition, &page->session, KV_OK);
	reply->move.page = page_of_rows(core->out, rows, count);
	reply->move.done = done;
	core->stats.move_bytes_out += reply->move.page.size;
	pace_return(core, PACE_OUT, MOVE_PAGE_SIZE - MIN(reply->move.page.size, (size_t)MOVE_PAGE_SIZE));
	if (!done && count > 0)
		reply->move.cursor = page_cursor(core->out, &rows[count - 1].key);
	core_send(core, page->from, reply);
	page_free(core, page);
}
