/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/exchange.h"

#include "base/bytes.h"
#include "base/mutant.h"
#include "replication/exchange_inside.h"
#include "replication/tree_serve.h"

void exchanges_init(struct node_core *core)
{
	ilist_init(&core->exchanges.running);
	ilist_init(&core->exchanges.scans);
}

static void exchange_free(struct node_core *core, struct exchange *x)
{
	KV_ASSERT(core->exchanges.count > 0);
	exchange_forget_keys(core, x);
	blob_unref(x->cursor_key);
	blob_unref(x->own);
	ilist_remove(&x->link);
	core->exchanges.count--;
	core->exchanges.background -= x->background;
	free(x);
}

void exchanges_release(struct node_core *core)
{
	struct ilink *link;
	while ((link = ilist_first(&core->exchanges.running)))
		exchange_free(core, container_of(link, struct exchange, link));
	while ((link = ilist_pop_front(&core->exchanges.scans)))
		free(container_of(link, struct exchange_scan, link));
	hmap_release(&core->exchanges.moving);
}

void exchange_finish(struct node_core *core, struct exchange *x, bool complete)
{
	exchange_done_fn done = x->done;
	void *owner = x->owner;
	hlc_t began = x->began;
	bool whole = complete && !x->failed;
	exchange_free(core, x);
	core->stats.exchanges_complete += whole;
	done(core, owner, whole, began);
}

/* ---- starting ---- */

static struct exchange *find_by_partition(const struct node_core *core, uint16_t partition)
{
	const struct ilist *running = &core->exchanges.running;
	for (struct ilink *l = ilist_first(running); l; l = ilist_next(running, l)) {
		struct exchange *x = container_of(l, struct exchange, link);
		if (x->partition == partition)
			return x;
	}
	return NULL;
}

bool exchange_is_running(const struct node_core *core, uint16_t partition)
{
	return find_by_partition(core, partition) != NULL;
}

static struct exchange *find_by_id(const struct node_core *core, uint64_t id)
{
	const struct ilist *running = &core->exchanges.running;
	for (struct ilink *l = ilist_first(running); l; l = ilist_next(running, l)) {
		struct exchange *x = container_of(l, struct exchange, link);
		if (x->id == id)
			return x;
	}
	return NULL;
}

void exchange_ask(struct node_core *core, struct exchange *x, const struct msg *m)
{
	x->id = core_next_id(core);
	x->until_us = core->now.mono_us + EXCHANGE_TIMEOUT_US;
	x->waiting = (1u << x->member_count) - 1;
	for (uint32_t i = 0; i < x->member_count; i++) {
		struct msg *sent = core_msg(core, m->opcode, x->id, /* reply= */ false);
		sent->tree = m->tree;
		core_send(core, x->members[i], sent);
	}
}

static void ask_leaves(struct node_core *core, struct exchange *x, enum exchange_phase phase)
{
	x->phase = phase;
	/*
	 * One copy for all members: whoever equals it had all of it, and nothing more, at one moment after the question. So if all
	 * do, each holds what any other held. Pages that were compared with the own tree of different moments prove nothing of
	 * one another. What is not durable here yet is in the copy too, and is waited for at the end (exchange_flush).
	 */
	x->own = page_of_leaves(core, x->partition);
	struct msg m = {.opcode = OP_TREE_LEAVES, .tree.partition = x->partition};
	exchange_ask(core, x, &m);
}

/** False if no exchange of the partition may begin now. One of repair.c's that is in the way ends. */
static bool make_room(struct node_core *core, uint16_t partition, bool background)
{
	struct exchange *x = find_by_partition(core, partition);
	if (x && (!x->background || background))
		return false;
	if (COVER_IF(x != NULL, exchange_gives_way))
		exchange_finish(core, x, /* complete= */ false);
	return core->exchanges.count < EXCHANGES_MAX;
}

static bool start(struct node_core *core, uint16_t partition, uint32_t peers, enum exchange_way way,
		  bool background, exchange_done_fn done, void *owner)
{
	struct row row = cluster_map_row(core->map, partition);
	KV_ASSERT(peers != 0 && peers < 1u << row.count && done);
	if (!tree_is_ready(core, partition) || (way == EXCHANGE_PUSH && row.move) ||
	    row_position(&row, core->self) < 0 || !make_room(core, partition, background))
		return false;
	struct exchange *x = xcalloc(1, sizeof *x);
	*x = (struct exchange){.partition = partition,
			       .way = way,
			       .background = background,
			       .done = done,
			       .owner = owner,
			       .config_epoch = row.config_epoch,
			       .began = core_clock(core)};
	ilist_init(&x->keys);
	ilist_init(&x->moving);
	for (uint32_t i = 0; i < row.count; i++) {
		KV_ASSERT(!(peers & 1u << i) || row.nodes[i] != core->self);
		if (peers & 1u << i)
			x->members[x->member_count++] = row.nodes[i];
	}
	ilist_push_back(&core->exchanges.running, &x->link);
	core->exchanges.count++;
	core->exchanges.background += background;
	core->stats.exchanges++;
	ask_leaves(core, x, EXCHANGE_FIRST);
	return true;
}

bool exchange_start(struct node_core *core, uint16_t partition, uint32_t peers, enum exchange_way way,
		    exchange_done_fn done, void *owner)
{
	return start(core, partition, peers, way, /* background= */ false, done, owner);
}

bool exchange_start_background(struct node_core *core, uint16_t partition, uint32_t peers, exchange_done_fn done,
			       void *owner)
{
	return start(core, partition, peers, EXCHANGE_PUSH, /* background= */ true, done, owner);
}

void exchange_cancel(struct node_core *core, const void *owner)
{
	struct ilink *link = ilist_first(&core->exchanges.running);
	while (link) {
		struct exchange *x = container_of(link, struct exchange, link);
		link = ilist_next(&core->exchanges.running, link);
		if (x->owner == owner)
			exchange_free(core, x);
	}
}

/* ---- leaves ---- */

/** Notes in BITS the leaves in which PAGE differs from the own one. */
static void compare_leaves(const struct exchange *x, struct slice page, uint8_t *bits)
{
	struct slice own = blob_slice(x->own);
	size_t weak_at = LEAVES_PER_PARTITION * sizeof(uint64_t);
	KV_ASSERT(own.size == TREE_LEAVES_SIZE && page.size == TREE_LEAVES_SIZE);
	for (uint32_t i = 0; i < LEAVES_PER_PARTITION; i++) {
		size_t at = i * sizeof(uint64_t);
		bool differs = load_le64(page.data + at) != load_le64(own.data + at);
		bool any_weak = exchange_bit(own.data + weak_at, i) || exchange_bit(page.data + weak_at, i);
		if (differs || (x->way == EXCHANGE_STRONG && any_weak))
			bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << i % 8);
	}
}

static bool any_bit(const uint8_t *bits)
{
	for (uint32_t i = 0; i < LEAVES_PER_PARTITION / 8; i++) {
		if (bits[i])
			return true;
	}
	return false;
}

void exchange_flush(struct node_core *core, struct exchange *x)
{
	x->phase = EXCHANGE_FLUSHING;
	x->id = 0;
	x->barrier = core->write_issued;
	x->until_us = core->now.mono_us + EXCHANGE_TIMEOUT_US;
	if (x->barrier <= core->write_done)
		exchange_finish(core, x, /* complete= */ true);
}

static usec_t settle_us(const struct node_core *core, const struct exchange *x)
{
	/* Moves wait for it, and what differs costs them no more than a read. */
	return x->way == EXCHANGE_STRONG ? EXCHANGE_SETTLE_MOVE_US : core->config.exchange_settle_us;
}

static void leaves_told(struct node_core *core, struct exchange *x, uint32_t member, const struct msg *m)
{
	if (m->tree.page.size != TREE_LEAVES_SIZE) {
		exchange_finish(core, x, /* complete= */ false);
		return;
	}
	bool first = x->phase == EXCHANGE_FIRST;
	compare_leaves(x, m->tree.page, first ? x->first : x->second);
	x->waiting &= ~(1u << member);
	if (x->waiting)
		return;
	blob_unref(x->own);
	x->own = NULL;
	if (!first) {
		for (uint32_t i = 0; i < LEAVES_PER_PARTITION / 8; i++)
			x->second[i] &= x->first[i];
		exchange_next_leaf(core, x);
	} else if (COVER_IF(any_bit(x->first), exchange_differs)) {
		x->phase = EXCHANGE_SETTLING;
		x->id = 0;
		x->until_us = core->now.mono_us + settle_us(core, x);
	} else {
		exchange_flush(core, x);
	}
}

/* ---- events ---- */

/** True while the partition has the replicas that the exchange began with. */
static bool is_current(const struct node_core *core, const struct exchange *x)
{
	struct row row = cluster_map_row(core->map, x->partition);
	return row.config_epoch == x->config_epoch && row_position(&row, core->self) >= 0 &&
	       tree_is_ready(core, x->partition);
}

void exchange_answered(struct node_core *core, node_id from, const struct msg *m)
{
	struct exchange *x = m->id ? find_by_id(core, m->id) : NULL;
	if (!x)
		return;
	uint32_t member = 0;
	while (member < x->member_count && x->members[member] != from)
		member++;
	if (member == x->member_count || !(x->waiting & 1u << member) || m->tree.partition != x->partition)
		return;
	if (m->tree.status != KV_OK || !is_current(core, x))
		exchange_finish(core, x, /* complete= */ false);
	else if (m->opcode == OP_TREE_LEAVES && (x->phase == EXCHANGE_FIRST || x->phase == EXCHANGE_SECOND))
		leaves_told(core, x, member, m);
	else if (m->opcode == OP_TREE_KEYS && x->phase == EXCHANGE_LISTING)
		exchange_listed(core, x, member, m);
}

void exchanges_written(struct node_core *core)
{
	struct ilink *link = ilist_first(&core->exchanges.running);
	while (link) {
		struct exchange *x = container_of(link, struct exchange, link);
		link = ilist_next(&core->exchanges.running, link);
		if (x->phase != EXCHANGE_FLUSHING || x->barrier > core->write_done)
			continue;
		exchange_finish(core, x, /* complete= */ true);
		link = ilist_first(&core->exchanges.running); /* whoever it was for may have ended others */
	}
}

static void tick(struct node_core *core, struct exchange *x)
{
	bool late = core->now.mono_us >= x->until_us;
	if (!is_current(core, x)) {
		COVER(exchange_outdated);
		exchange_finish(core, x, /* complete= */ false);
	} else if (x->phase == EXCHANGE_SETTLING) {
		if (late)
			ask_leaves(core, x, EXCHANGE_SECOND);
	} else if (x->phase == EXCHANGE_MOVING) {
		exchange_expire_keys(core, x);
		exchange_move_keys(core, x);
	} else if (COVER_IF(late, exchange_late)) {
		exchange_finish(core, x, /* complete= */ false);
	}
}

void exchanges_tick(struct node_core *core)
{
	/* An end may start or cancel others: each is looked up again by its place. */
	for (uint32_t i = 0; i < core->exchanges.count;) {
		struct ilink *link = ilist_first(&core->exchanges.running);
		for (uint32_t k = 0; k < i; k++)
			link = ilist_next(&core->exchanges.running, link);
		struct exchange *x = container_of(link, struct exchange, link);
		uint32_t count = core->exchanges.count;
		tick(core, x);
		i += core->exchanges.count >= count;
	}
}
