/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which partition's tombstones are collected, when, and by which of its replicas.
 */
#include "replication/gc.h"

#include "base/mutant.h"
#include "replication/gc_session.h"

/** Partitions looked at in one tick. */
enum { LOOKS_A_TICK = 64 };

hlc_t gc_end_of(const struct record *rec)
{
	if (rec->fence != 0 || (!rec->tombstone && rec->expires_ms == 0))
		return GC_NOTHING;
	return rec->tombstone ? rec->ver.hlc : MAX(rec->ver.hlc, hlc_from_ms(rec->expires_ms));
}

void gc_stored(struct node_core *core, uint16_t partition, const struct record *rec)
{
	struct gc_partition *g = &core->gc.items[partition];
	g->oldest = MIN(g->oldest, gc_end_of(rec));
}

bool gc_is_up(const struct node_core *core, node_id node)
{
	enum peer_state state = detector_state(core, node);
	return state == PEER_UP || state == PEER_SELF;
}

/* ---- when ---- */

static uint32_t slack_ms(const struct node_core *core)
{
	return MIN(core->config.gc_grace_ms / 16, (uint32_t)(GC_REST_MAX_US / USEC_PER_MSEC));
}

static hlc_t ago(const struct node_core *core, uint64_t ms)
{
	hlc_t now = core_clock(core), span = hlc_from_ms(ms);
	return now > span ? now - span : 0;
}

/** What became of no use before then may be collected. */
static hlc_t grace_end(const struct node_core *core) { return ago(core, core->config.gc_grace_ms); }

/** What became of no use before then is worth a session: a little more, so that one collects many. */
static hlc_t worth_end(const struct node_core *core)
{
	return ago(core, (uint64_t)core->config.gc_grace_ms + slack_ms(core));
}

static bool has_mortals(const struct node_core *core, uint16_t partition)
{
	const struct tree_leaf *leaves = tree_leaves(core, partition);
	KV_ASSERT(leaves);
	for (uint32_t i = 0; i < LEAVES_PER_PARTITION; i++) {
		if (leaves[i].tombstones > 0 || leaves[i].ending > 0)
			return true;
	}
	return false;
}

/** A seal that no drop floor has followed: some record may be missing somewhere, and pushes of it are refused. */
static bool is_unfinished(struct node_core *core, uint16_t partition)
{
	const struct partition *p = partition_at(core, partition);
	return version_less(p->drop, p->seal);
}

static node_id first_away(const struct node_core *core, const struct row *row)
{
	for (uint32_t i = 0; i < row->count; i++) {
		if (!gc_is_up(core, row->nodes[i]))
			return row->nodes[i];
	}
	return NODE_NONE;
}

/** How many of the replicas come before this node. */
static uint32_t rank_of(const struct node_core *core, const struct row *row)
{
	uint32_t rank = 0;
	for (uint32_t i = 0; i < row->count; i++)
		rank += row->nodes[i] < core->self;
	return rank;
}

static bool is_my_turn(const struct node_core *core, const struct gc_partition *g, const struct row *row)
{
	usec_t patience_us = rank_of(core, row) * 2 * core->config.gc_interval_us;
	return core->now.mono_us >= MAX(g->due_us, g->rest_us) + patience_us || MUTANT(gctime);
}

/** True if a session may begin, as far as others are concerned; notes who stands in its way. */
static bool others_let(const struct node_core *core, struct gc_partition *g, const struct row *row)
{
	node_id away = MUTANT(gctime) || MUTANT(gcnoall) ? NODE_NONE : first_away(core, row);
	if (away != NODE_NONE)
		g->blocked_by = away;
	return away == NODE_NONE && is_my_turn(core, g, row);
}

static void nothing_to_do(const struct node_core *core, struct gc_partition *g)
{
	g->due_us = 0;
	g->blocked_by = NODE_NONE;
	g->clean_us = core->now.mono_us;
}

void gc_looked_after(struct node_core *core, uint16_t partition)
{
	struct gc_partition *g = &core->gc.items[partition];
	/* Longer than it takes between two steps that are heard of here. */
	usec_t while_us = MAX(2 * core->config.gc_interval_us, GC_STEP_US);
	g->due_us = 0;
	g->rest_us = MAX(g->rest_us, core->now.mono_us + while_us);
}

/* ---- sessions ---- */

static struct gc_session **session_of(struct node_core *core, uint16_t partition)
{
	for (uint32_t i = 0; i < GC_SESSIONS_MAX; i++) {
		struct gc_session *s = core->gc.sessions[i];
		if (s && s->partition == partition)
			return &core->gc.sessions[i];
	}
	return NULL;
}

static struct gc_session **free_place(struct node_core *core)
{
	for (uint32_t i = 0; i < GC_SESSIONS_MAX; i++) {
		if (!core->gc.sessions[i])
			return &core->gc.sessions[i];
	}
	return NULL;
}

static void end_session(struct node_core *core, struct gc_session *s)
{
	struct gc_session **place = session_of(core, s->partition);
	KV_ASSERT(place && *place == s);
	*place = NULL;
	gc_session_free(core, s);
}

void gc_session_looked(struct node_core *core, struct gc_session *s)
{
	uint16_t partition = s->partition;
	struct gc_partition *g = &core->gc.items[partition];
	struct row row = cluster_map_row(core->map, partition);
	g->oldest = MIN(g->oldest, s->found);
	if (g->oldest <= s->old && others_let(core, g, &row)) {
		gc_session_go(core, s);
		return;
	}
	if (g->oldest > s->old)
		nothing_to_do(core, g);
	end_session(core, s);
}

void gc_session_complete(struct node_core *core, struct gc_session *s)
{
	struct gc_partition *g = &core->gc.items[s->partition];
	COVER(gc_complete);
	core->stats.gc_sessions++;
	g->oldest = MIN(g->oldest, s->found);
	g->rest_us = core->now.mono_us + slack_ms(core) * USEC_PER_MSEC;
	nothing_to_do(core, g);
	end_session(core, s);
}

void gc_session_abort(struct node_core *core, struct gc_session *s, node_id node)
{
	struct gc_partition *g = &core->gc.items[s->partition];
	COVER(gc_aborted);
	core->stats.gc_aborted++;
	g->oldest = 0;
	if (node != NODE_NONE)
		g->blocked_by = node;
	end_session(core, s);
}

/* ---- the pass over all partitions ---- */

static bool can_be_looked_at(struct node_core *core, uint16_t partition, const struct row *row)
{
	return row_position(row, core->self) >= 0 && !row->move && partition_serves(core, partition) &&
	       tree_is_ready(core, partition) && !session_of(core, partition);
}

/** True if the partition has, or may have, something that is worth a session. */
static bool is_due(struct node_core *core, uint16_t partition)
{
	struct gc_partition *g = &core->gc.items[partition];
	if (g->oldest == 0 && !has_mortals(core, partition))
		g->oldest = GC_NOTHING;
	if (g->oldest > worth_end(core) && !is_unfinished(core, partition)) {
		nothing_to_do(core, g);
		return false;
	}
	if (g->due_us == 0)
		g->due_us = core->now.mono_us;
	return core->now.mono_us >= g->rest_us;
}

static void look_at(struct node_core *core, uint16_t partition, struct gc_session **place)
{
	struct gc_partition *g = &core->gc.items[partition];
	struct row row = cluster_map_row(core->map, partition);
	if (row_position(&row, core->self) < 0)
		nothing_to_do(core, g);
	if (!can_be_looked_at(core, partition, &row) || !is_due(core, partition))
		return;
	bool unfinished = is_unfinished(core, partition), known = g->oldest != 0;
	if ((known || unfinished) && !others_let(core, g, &row))
		return;
	struct version floor = version_max(version_floor(grace_end(core)), partition_at(core, partition)->seal);
	struct gc_session *s = *place = gc_session_new(core, partition, floor, worth_end(core));
	if (unfinished)
		gc_session_go(core, s);
	else
		gc_session_look(core, s);
}

static void end_pass(struct gc *gc)
{
	gc->blocked = 0;
	for (uint32_t i = 0; i < gc->count; i++)
		gc->blocked += gc->items[i].blocked_by != NODE_NONE;
}

static void walk(struct node_core *core)
{
	struct gc *gc = &core->gc;
	struct gc_session **place;
	for (uint32_t looks = 0; gc->next < gc->count && looks < LOOKS_A_TICK; looks++) {
		if (!(place = free_place(core)))
			return;
		look_at(core, (uint16_t)gc->next, place);
		gc->next += core->config.shard_count;
	}
	if (gc->next >= gc->count)
		end_pass(gc);
}

void gc_tick(struct node_core *core)
{
	struct gc *gc = &core->gc;
	gc_member_tick(core);
	for (uint32_t i = 0; i < GC_SESSIONS_MAX; i++) {
		if (gc->sessions[i])
			gc_session_tick(core, gc->sessions[i]);
	}
	bool able = partitions_are_loaded(core) && node_core_is_ready(core) && !detector_clock_is_off(core);
	if (!able || core_yields(core))
		return;
	if (gc->next < gc->count) {
		walk(core);
	} else if (core->now.mono_us >= gc->pass_us + core->config.gc_interval_us) {
		gc->pass_us = core->now.mono_us;
		gc->next = core->config.shard;
	}
}

/* ---- what is heard ---- */

void gc_answered(struct node_core *core, node_id from, const struct msg *m)
{
	struct gc_session **place = session_of(core, m->gc.partition);
	if (place && (*place)->id == m->id)
		gc_session_answered(core, *place, from, m);
}

void gc_scan_done(struct node_core *core, uint64_t token, const struct disk_row *rows, uint32_t count, bool done)
{
	for (uint32_t i = 0; i < GC_SESSIONS_MAX; i++) {
		struct gc_session *s = core->gc.sessions[i];
		if (s && s->scan_token == token) {
			gc_session_scanned(core, s, rows, count, done);
			return;
		}
	}
}

/* ---- life ---- */

static void end_sessions(struct node_core *core)
{
	for (uint32_t i = 0; i < GC_SESSIONS_MAX; i++) {
		if (core->gc.sessions[i])
			gc_session_abort(core, core->gc.sessions[i], NODE_NONE);
	}
}

void gc_set_map(struct node_core *core)
{
	struct gc *gc = &core->gc;
	end_sessions(core);
	if (gc->items)
		return;
	gc->count = core->map->desc.partitions;
	gc->next = gc->count;
	gc->pass_us = core->now.mono_us;
	gc->items = xcalloc(gc->count, sizeof gc->items[0]);
	for (uint32_t i = 0; i < gc->count; i++)
		gc->items[i].runner = gc->items[i].blocked_by = NODE_NONE;
}

void gc_release(struct node_core *core)
{
	for (uint32_t i = 0; i < GC_SESSIONS_MAX; i++) {
		if (core->gc.sessions[i])
			end_session(core, core->gc.sessions[i]);
	}
	gc_member_release(core);
	free(core->gc.items);
	core->gc.items = NULL;
}

static uint64_t clean_age_ms(const struct node_core *core, const struct gc_partition *g)
{
	if (g->due_us == 0)
		return 0;
	return g->clean_us == 0 ? UINT64_MAX : (core->now.mono_us - g->clean_us) / USEC_PER_MSEC;
}

void gc_report(struct node_core *core, struct msg_repair *ret)
{
	ret->purge_age_ms = 0;
	ret->purge_blocked = 0;
	ret->purge_blocked_by = NODE_NONE;
	for (uint32_t i = core->config.shard; i < core->gc.count; i += core->config.shard_count) {
		const struct gc_partition *g = &core->gc.items[i];
		ret->purge_age_ms = MAX(ret->purge_age_ms, clean_age_ms(core, g));
		if (g->blocked_by == NODE_NONE)
			continue;
		ret->purge_blocked++;
		ret->purge_blocked_by = g->blocked_by;
	}
}
