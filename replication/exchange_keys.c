/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exchange does with a leaf that differs: lists everyone's keys of it, compares, and moves records.
 *
 * Lists come in pages. A window is what all pages together tell of completely: the keys up to the least end of the pages that
 * have more behind them. The next window begins behind it.
 */
#include "base/mutant.h"
#include "replication/exchange_inside.h"
#include "replication/op.h"
#include "replication/page.h"
#include "replication/tree_serve.h"

/* ---- memory ---- */

static void drop_lists(struct exchange *x)
{
	for (uint32_t i = 0; i <= x->member_count; i++) {
		blob_unref(x->lists[i].page);
		x->lists[i] = (struct exchange_list){0};
	}
}

static void set_key_id(struct node_core *core, struct exchange_key *k, uint64_t id)
{
	if (k->id)
		hmap_remove(&core->exchanges.moving, &k->node);
	k->id = id;
	if (id)
		hmap_add(&core->exchanges.moving, &k->node, hash_u64(id));
}

static void key_free(struct node_core *core, struct exchange_key *k)
{
	set_key_id(core, k, 0);
	ilist_remove(&k->link);
	blob_unref(k->key);
	free(k);
}

void exchange_forget_keys(struct node_core *core, struct exchange *x)
{
	struct ilink *link;
	drop_lists(x);
	while ((link = ilist_first(&x->keys)))
		key_free(core, container_of(link, struct exchange_key, link));
	while ((link = ilist_first(&x->moving))) {
		struct exchange_key *k = container_of(link, struct exchange_key, link);
		if (x->way == EXCHANGE_STRONG)
			op_stabilize_forget(core, k);
		key_free(core, k);
	}
	if (x->scan)
		x->scan->x = NULL;
	x->scan = NULL;
}

/* ---- listing ---- */

static void list_own(struct node_core *core, struct exchange *x)
{
	struct disk_scan scan = {.table = DISK_DATA,
				 .partition = x->partition,
				 .one_leaf = true,
				 .leaf = (uint16_t)x->leaf,
				 .has_after = x->cursor_key != NULL,
				 .after = x->cursor,
				 .rows_max = BUGGIFY(core, exchange_page_short) ? 1 : TREE_KEYS_MAX,
				 .bytes_max = SCAN_SIZE_MAX};
	x->scan = xcalloc(1, sizeof *x->scan);
	x->scan->x = x;
	ilist_push_back(&core->exchanges.scans, &x->scan->link);
	actions_hold(core->out, x->cursor_key);
	core_scan(core, WAIT_EXCHANGE_SCAN, x->scan, &scan);
}

static void list_window(struct node_core *core, struct exchange *x)
{
	x->phase = EXCHANGE_LISTING;
	struct msg m = {.opcode = OP_TREE_KEYS, .tree = {.partition = x->partition, .leaf = (uint16_t)x->leaf}};
	if (x->cursor_key)
		m.tree.cursor = page_cursor(core->out, &x->cursor);
	exchange_ask(core, x, &m);
	list_own(core, x);
}

void exchange_next_leaf(struct node_core *core, struct exchange *x)
{
	x->leaf += x->begun;
	x->begun = true;
	while (x->leaf < LEAVES_PER_PARTITION && !exchange_bit(x->second, x->leaf))
		x->leaf++;
	blob_unref(x->cursor_key);
	x->cursor_key = NULL;
	x->cursor = (struct disk_key){0};
	if (x->leaf == LEAVES_PER_PARTITION) {
		exchange_flush(core, x);
		return;
	}
	core->stats.exchange_leaves++;
	list_window(core, x);
}

/* ---- comparing ---- */

static int compare_names(const struct page_key *a, const struct page_key *b)
{
	if (a->bucket != b->bucket)
		return a->bucket < b->bucket ? -1 : 1;
	return slice_compare(a->key, b->key);
}

/** One participant's page, being gone through. */
struct head {
	struct reader in;
	struct page_key key;
	bool valid; /* key is there */
	bool more;  /* keys that the page does not show are behind it */
};

/** Takes the next key; false if the page is none, or not in order. */
static bool advance(struct head *h)
{
	struct page_key before = h->key;
	bool had = h->valid;
	h->valid = page_take_key(&h->in, &h->key);
	return !h->in.failed && (!had || !h->valid || compare_names(&before, &h->key) < 0);
}

static node_id participant(const struct node_core *core, const struct exchange *x, uint32_t i)
{
	return i < x->member_count ? x->members[i] : core->self;
}

/** Adds KEY, the least name among the heads, if the versions are not all the same; goes past it. False as advance. */
static bool take_name(struct node_core *core, struct exchange *x, struct head *heads, const struct page_key *name)
{
	uint32_t count = x->member_count + 1;
	struct exchange_key k = {.x = x, .bucket = name->bucket};
	struct version vers[ROW_MAX + 1];
	bool weak = false;
	for (uint32_t i = 0; i < count; i++) {
		bool has = heads[i].valid && compare_names(&heads[i].key, name) == 0;
		vers[i] = has ? heads[i].key.ver : VERSION_NONE;
		weak |= has && (heads[i].key.flags & PAGE_WEAK);
		bool better = MUTANT(exchangeold)
				      ? has && (version_is_none(k.best) || version_less(vers[i], k.best))
				      : version_less(k.best, vers[i]);
		if (better) {
			k.best = vers[i];
			k.holder = participant(core, x, i);
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		if (!version_equal(vers[i], k.best))
			k.lack[k.lack_count++] = participant(core, x, i);
	}
	if (k.lack_count > 0 || (x->way == EXCHANGE_STRONG && weak)) {
		struct exchange_key *added = xcalloc(1, sizeof *added);
		*added = k;
		added->key = blob_new(name->key);
		KV_ASSERT(added->key);
		ilist_push_back(&x->keys, &added->link);
	}
	bool good = true;
	struct page_key taken = *name;
	for (uint32_t i = 0; i < count; i++) {
		if (heads[i].valid && compare_names(&heads[i].key, &taken) == 0)
			good &= advance(&heads[i]);
	}
	return good;
}

/** The least name, or NULL if a page that has more behind it is at its end, or all are. */
static const struct page_key *least_name(const struct head *heads, uint32_t count)
{
	const struct page_key *least = NULL;
	for (uint32_t i = 0; i < count; i++) {
		if (!heads[i].valid && heads[i].more)
			return NULL;
		if (heads[i].valid && (!least || compare_names(&heads[i].key, least) < 0))
			least = &heads[i].key;
	}
	return least;
}

static void move_cursor(struct exchange *x, const struct page_key *last)
{
	struct blob *name = blob_new(last->key);
	KV_ASSERT(name);
	blob_unref(x->cursor_key);
	x->cursor_key = name;
	x->cursor = (struct disk_key){.table = DISK_DATA,
				      .partition = x->partition,
				      .leaf = (uint16_t)x->leaf,
				      .bucket = last->bucket,
				      .key = blob_slice(name)};
}

/** All pages of the window are here. False if one of them is damaged. */
static bool compare_window(struct node_core *core, struct exchange *x)
{
	uint32_t count = x->member_count + 1;
	struct head heads[ROW_MAX + 1] = {0};
	bool good = true, more = false;
	for (uint32_t i = 0; i < count; i++) {
		heads[i].in = reader_of(blob_slice(x->lists[i].page));
		heads[i].more = !x->lists[i].done;
		more |= heads[i].more;
		good &= advance(&heads[i]) && (heads[i].valid || !heads[i].more);
	}
	const struct page_key *least;
	struct page_key last = {0};
	while (good && (least = least_name(heads, count))) {
		last = *least;
		good = take_name(core, x, heads, &last);
	}
	x->last_window = !COVER_IF(more, exchange_large_leaf);
	if (good && last.key.size > 0)
		move_cursor(x, &last);
	return good && (x->last_window || last.key.size > 0);
}

static void list_came(struct node_core *core, struct exchange *x)
{
	if (x->waiting || x->scan)
		return;
	bool good = compare_window(core, x);
	drop_lists(x);
	if (!COVER_IF(!good, exchange_bad_page)) {
		x->phase = EXCHANGE_MOVING;
		x->id = 0;
		exchange_move_keys(core, x);
	} else {
		exchange_finish(core, x, /* complete= */ false);
	}
}

void exchange_listed(struct node_core *core, struct exchange *x, uint32_t member, const struct msg *m)
{
	x->lists[member].page = blob_new(m->tree.page);
	x->lists[member].done = m->tree.done;
	x->waiting &= ~(1u << member);
	if (!x->lists[member].page)
		exchange_finish(core, x, /* complete= */ false);
	else
		list_came(core, x);
}

void exchange_scan_done(struct node_core *core, struct exchange_scan *scan, const struct disk_row *rows,
			uint32_t count, bool done)
{
	struct exchange *x = scan->x;
	ilist_remove(&scan->link);
	free(scan);
	if (!x)
		return;
	x->scan = NULL;
	struct exchange_list *own = &x->lists[x->member_count];
	if (!page_of_keys(rows, count, &own->page)) {
		core->stats.records_corrupt++;
		core_stop(core, KV_CORRUPT, RECORD_CORRUPT_TEXT);
		return;
	}
	own->done = done;
	list_came(core, x);
}

/* ---- moving ---- */

static void key_over(struct node_core *core, struct exchange_key *k, bool moved)
{
	struct exchange *x = k->x;
	x->failed |= !moved;
	x->moving_count--;
	key_free(core, k);
}

static void stabilized(struct node_core *core, void *owner, bool complete)
{
	struct exchange_key *k = owner;
	struct exchange *x = k->x;
	core->stats.records_repaired += complete;
	key_over(core, k, complete);
	exchange_move_keys(core, x);
}

static struct msg *key_message(struct node_core *core, const struct exchange_key *k, uint16_t opcode)
{
	struct msg *m = core_msg(core, opcode, k->id, /* reply= */ false);
	m->replica.partition = k->x->partition;
	m->replica.bucket = k->bucket;
	m->replica.key = blob_slice(k->key);
	actions_hold(core->out, k->key);
	return m;
}

/** False if it cannot begin now. */
static bool begin_key(struct node_core *core, struct exchange_key *k)
{
	struct exchange *x = k->x;
	if (x->way == EXCHANGE_STRONG)
		return op_stabilize(core, k->bucket, blob_slice(k->key), /* every= */ false, stabilized, k);
	set_key_id(core, k, core_next_id(core));
	k->read_epoch = core->map->desc.epoch;
	k->until_us = core->now.mono_us + EXCHANGE_TIMEOUT_US;
	struct msg *m = key_message(core, k, OP_READ);
	m->replica.want_value = true;
	core_send(core, k->holder, m);
	return true;
}

void exchange_move_keys(struct node_core *core, struct exchange *x)
{
	KV_ASSERT(x->phase == EXCHANGE_MOVING);
	struct ilink *link;
	bool waits = x->background && core_yields(core);
	while (!waits && x->moving_count < EXCHANGE_WINDOW && (link = ilist_first(&x->keys))) {
		struct exchange_key *k = container_of(link, struct exchange_key, link);
		if (!begin_key(core, k))
			return;
		ilist_remove(&k->link);
		ilist_push_back(&x->moving, &k->link);
		x->moving_count++;
	}
	if (x->moving_count > 0 || !ilist_is_empty(&x->keys))
		return;
	if (x->last_window)
		exchange_next_leaf(core, x);
	else
		list_window(core, x);
}

void exchange_expire_keys(struct node_core *core, struct exchange *x)
{
	struct ilink *link = ilist_first(&x->moving);
	while (link && x->way != EXCHANGE_STRONG) {
		struct exchange_key *k = container_of(link, struct exchange_key, link);
		link = ilist_next(&x->moving, link);
		if (core->now.mono_us >= k->until_us)
			key_over(core, k, /* moved= */ false);
	}
}

static struct slice sync_page(struct node_core *core, const struct exchange_key *k, const struct record *rec)
{
	struct blob *bytes = record_encode(rec);
	KV_ASSERT(bytes);
	struct page_record row = {.bucket = k->bucket, .key = blob_slice(k->key), .record = blob_slice(bytes)};
	size_t size = page_record_size(&row);
	uint8_t *page = actions_alloc(core->out, size);
	page_put_record(page, &row);
	blob_unref(bytes);
	return slice_of(page, size);
}

static void send_record(struct node_core *core, struct exchange_key *k, const struct record *rec)
{
	bool sync = k->x->way == EXCHANGE_SYNC;
	struct slice page = sync ? sync_page(core, k, rec) : slice_of(NULL, 0);
	k->pushing = true;
	k->until_us = core->now.mono_us + EXCHANGE_TIMEOUT_US;
	k->best = rec->ver;
	k->waiting = (1u << k->lack_count) - 1;
	set_key_id(core, k, core_next_id(core));
	for (uint32_t i = 0; i < k->lack_count; i++) {
		struct msg *m;
		if (sync) {
			m = core_msg(core, OP_GC, k->id, /* reply= */ false);
			m->gc.partition = k->x->partition;
			m->gc.step = GC_SYNC;
			m->gc.floor = slots_floors(&core->slots, k->x->partition)->seal;
			m->gc.page = page;
		} else {
			m = key_message(core, k, OP_PUSH);
			m->replica.record = *rec;
			m->replica.read_epoch = k->read_epoch;
		}
		m->epoch = k->read_epoch;
		core_send(core, k->lack[i], m);
	}
}

static void record_told(struct node_core *core, struct exchange_key *k, const struct msg *m)
{
	const struct record *rec = &m->answer.record;
	bool told = m->answer.answer == ANSWER_RECORD && (rec->has_value || rec->tombstone);
	bool gone = m->answer.answer == ANSWER_RECORD && version_is_none(rec->ver);
	if (told) {
		send_record(core, k, rec);
		return;
	}
	struct exchange *x = k->x;
	key_over(core, k, COVER_IF(gone, exchange_key_gone)); /* dropped meanwhile */
	exchange_move_keys(core, x);
}

/** True if the one that answers has the record now, or a newer one. */
static bool is_moved(const struct exchange_key *k, const struct msg *m)
{
	if (m->opcode == OP_GC)
		return m->gc.status == KV_OK;
	bool answered = m->answer.answer == ANSWER_STORED || m->answer.answer == ANSWER_OLD;
	return answered && version_at_most(k->best, m->answer.stored);
}

static void push_answered(struct node_core *core, struct exchange_key *k, node_id from, const struct msg *m)
{
	uint32_t i = 0;
	while (i < k->lack_count && k->lack[i] != from)
		i++;
	if (i == k->lack_count || !(k->waiting & 1u << i))
		return;
	struct exchange *x = k->x;
	bool moved = is_moved(k, m);
	core->stats.records_repaired += moved;
	k->waiting &= ~(1u << i);
	x->failed |= !moved;
	if (k->waiting)
		return;
	key_over(core, k, /* moved= */ true);
	exchange_move_keys(core, x);
}

bool exchange_key_answered(struct node_core *core, node_id from, const struct msg *m)
{
	struct hmap_node *node = hmap_first_same(&core->exchanges.moving, hash_u64(m->id));
	while (node && container_of(node, struct exchange_key, node)->id != m->id)
		node = hmap_next_same(node);
	if (!node)
		return false;
	struct exchange_key *k = container_of(node, struct exchange_key, node);
	if (k->pushing)
		push_answered(core, k, from, m);
	else if (m->opcode == OP_READ && from == k->holder)
		record_told(core, k, m);
	return true;
}
