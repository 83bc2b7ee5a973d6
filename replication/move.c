/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/move.h"

#include "base/mutant.h"
#include "replication/core.h"
#include "replication/exchange.h"
#include "replication/leaving.h"
#include "replication/move_copy.h"
#include "replication/quorum.h"

enum {
	RETRY_MIN_US = 100 * 1000,
	RETRY_MAX_US = 5 * 1000 * 1000,
	RETRY_SHIFT_MAX = 6,
	BURST_MAX = 256, /* rows pushed in one turn of the core: the loop has clients to serve */
};

/* ---- life ---- */

void moves_init(struct node_core *core) { ilist_init(&core->moves.in); }

static void move_free(struct node_core *core, struct move *move)
{
	exchange_cancel(core, move);
	move_copy_release(move);
	ilist_remove(&move->link);
	KV_ASSERT(core->moves.in_count > 0);
	core->moves.in_count--;
	free(move);
}

void moves_release(struct node_core *core)
{
	struct ilink *link;
	while ((link = ilist_first(&core->moves.in)))
		move_free(core, container_of(link, struct move, link));
}

struct move *moves_find(struct node_core *core, uint16_t partition, const struct uuid *session)
{
	for (struct ilink *l = ilist_first(&core->moves.in); l; l = ilist_next(&core->moves.in, l)) {
		struct move *move = container_of(l, struct move, link);
		if (move->partition == partition)
			return uuid_equal(&move->session, session) || MUTANT(nosession) ? move : NULL;
	}
	return NULL;
}

void move_fails(struct node_core *core, struct move *move, const char *why)
{
	usec_t wait_us =
		MIN((usec_t)RETRY_MIN_US << MIN(move->failed, (uint32_t)RETRY_SHIFT_MAX), (usec_t)RETRY_MAX_US);
	move->failed++;
	move->retries++;
	move->message = why;
	move->next_us = core->now.mono_us + wait_us + rng_below(&core->rng, wait_us);
}

uint64_t moves_empty(struct node_core *core, uint16_t partition, const struct uuid *session)
{
	struct partition *p = partition_at(core, partition);
	struct partition_floors *f = slots_floors(&core->slots, partition);
	if (!MUTANT(nodrop) || uuid_is_zero(session)) {
		slots_drop(&core->slots, partition);
		ledger_forget(core, partition);
		core_drop(core, partition);
		tree_clear(core, partition);
	}
	staleness_doubt(core, partition);
	/* What this node promised as a member of long ago is stood for by the fence that it is told when it joins. */
	f->promise = f->seal = VERSION_NONE;
	blob_unref(p->cursor);
	p->cursor = NULL;
	p->seal = p->drop = VERSION_NONE;
	p->session = *session;
	p->stage = 0;
	p->joined = 0;
	return partition_save(core, partition);
}

/* ---- stages ---- */

static void begin(struct node_core *core, struct move *move)
{
	const struct partition *p = partition_at(core, move->partition);
	if (COVER_IF(leaving_owes(core, move->partition), move_waits_for_leaving)) {
		move->step = MOVE_IS_AWAITED;
		move->message = "what this node still has from before is handed over first";
	} else if (!uuid_equal(&p->session, &move->session)) {
		move->step = MOVE_IS_EMPTYING;
		move->token = moves_empty(core, move->partition, &move->session);
	} else if (p->stage == MOVE_DONE) {
		move->step = MOVE_IS_REPORTING;
	} else {
		/* Floors that were learned in an earlier life are asked for again: the drop floor is not kept until the end. */
		move->step = MOVE_IS_OPENING;
	}
}

static void ask_old_members(struct node_core *core, struct move *move)
{
	struct row row = cluster_map_row(core->map, move->partition);
	for (uint32_t i = 0; i < row.count; i++) {
		if (!(row.old & 1u << i) || move->opened & 1u << i || row.nodes[i] == core->self)
			continue;
		struct msg *m = core_msg(core, OP_MOVE_OPEN, core_next_id(core), /* reply= */ false);
		m->move.partition = move->partition;
		m->move.session = move->session;
		m->move.source = NODE_NONE;
		core_send(core, row.nodes[i], m);
	}
}

/** A majority has answered: joins, or goes on where a former life stopped. */
static void opened(struct node_core *core, struct move *move)
{
	struct partition *p = partition_at(core, move->partition);
	move->next_us = 0; /* of asking; what comes next need not wait for it */
	if (p->stage == 0) {
		/* Promises up to the fence may be asked about after a restart: the clock's durable limit then stands for them. */
		if (move->fence > core->clock.limit ||
		    !partition_join(core, move->partition, move->fence, move->seal)) {
			move_fails(core, move, "the clocks of old members are ahead of this node's");
			return;
		}
		core->stats.moves_opened++;
		move->token = p->join_token;
		move->step = MOVE_IS_JOINING;
		move->failed = 0;
		return;
	}
	if (p->stage == MOVE_CHECKING)
		move->step = MOVE_IS_CHECKING;
	else
		move_copy_begin(core, move);
}

void moves_opened(struct node_core *core, node_id from, const struct msg *m)
{
	struct move *move = moves_find(core, m->move.partition, &m->move.session);
	struct row row = cluster_map_row(core->map, m->move.partition);
	int position = row_position(&row, from);
	if (!move || move->step != MOVE_IS_OPENING || position < 0 || !(row.old & 1u << position))
		return;
	if (m->move.status != KV_OK || core_is_ahead(core, version_floor(m->move.fence))) {
		move->message = m->move.status == KV_OK ? "an old member's clock is far ahead"
							: "an old member does not know the move yet";
		move->next_us = MIN(move->next_us, core->now.mono_us + RETRY_MIN_US);
		return;
	}
	move->opened |= 1u << position;
	move->fence = MAX(move->fence, m->move.fence);
	move->seal = version_max(move->seal, m->move.seal);
	move->drop = version_max(move->drop, m->move.drop);
	move->keys = MAX(move->keys, m->move.keys);
	move->bytes = MAX(move->bytes, m->move.bytes);
	if (row_old_majority(&row, move->opened) && move->failed == 0)
		opened(core, move);
}

static void open_again(struct node_core *core, struct move *move)
{
	struct row row = cluster_map_row(core->map, move->partition);
	if (core->now.mono_us < move->next_us)
		return;
	if (row_old_majority(&row, move->opened)) {
		opened(core, move);
		return;
	}
	ask_old_members(core, move);
	move->retries += move->next_us != 0;
	move->next_us = core->now.mono_us + core->config.replica_timeout_us;
}

/** Bits of the old members to compare with: all that can be reached, or one majority of them after the other. 0: too few. */
static uint32_t peers_to_check(const struct node_core *core, const struct move *move, const struct row *row)
{
	uint32_t all = 0;
	for (uint32_t i = 0; i < row->count; i++) {
		if (row->old & 1u << i && row->nodes[i] != core->self &&
		    detector_state(core, row->nodes[i]) == PEER_UP)
			all |= 1u << i;
	}
	if (!row_old_majority(row, all))
		return 0;
	if (move->failed == 0)
		return all;
	/* One that answers heartbeats may be of no use still: others make a majority without it. */
	uint32_t some = 0;
	for (uint32_t k = 0; k < row->count && !row_old_majority(row, some); k++)
		some |= all & 1u << (k + move->failed) % row->count;
	return some;
}

static void close_move(struct node_core *core, struct move *move)
{
	struct partition *p = partition_at(core, move->partition);
	/* Any record up to it was at all old members, so the check has found it, or something newer, and here is that or a newer one. */
	p->drop = move->drop;
	p->stage = MOVE_DONE;
	blob_unref(p->cursor);
	p->cursor = NULL;
	move->step = MOVE_IS_CLOSING;
	move->token = partition_save(core, move->partition);
}

static void checked(struct node_core *core, void *owner, bool complete, hlc_t began)
{
	struct move *move = owner;
	KV_ASSERT(move->step == MOVE_IS_CHECKING && move->exchanging);
	move->exchanging = false;
	if (COVER_IF(!complete, move_check_fails)) {
		move_fails(core, move, "the comparison with old members was not finished");
		return;
	}
	move->failed = 0;
	close_move(core, move);
}

static void check(struct node_core *core, struct move *move)
{
	if (move->exchanging || core->now.mono_us < move->next_us)
		return;
	if (MUTANT(onesource) || MUTANT(noxfer)) {
		close_move(core, move);
		return;
	}
	struct row row = cluster_map_row(core->map, move->partition);
	uint32_t peers = peers_to_check(core, move, &row);
	if (peers == 0) {
		move_fails(core, move, "a majority of the old members cannot be reached");
		return;
	}
	/* Otherwise the own tree is being read still, or too many are at it. */
	move->exchanging = exchange_start(core, move->partition, peers, EXCHANGE_STRONG, checked, move);
	if (!move->exchanging)
		move->next_us = core->now.mono_us + RETRY_MIN_US;
}

void move_copied(struct node_core *core, struct move *move)
{
	struct partition *p = partition_at(core, move->partition);
	p->stage = MOVE_CHECKING;
	partition_save(core, move->partition);
	move->step = MOVE_IS_CHECKING;
	move->failed = 0;
	move->next_us = 0;
}

/** The write that MOVE waits for is durable. */
static void go_on_after_write(struct node_core *core, struct move *move)
{
	if (move->step == MOVE_IS_EMPTYING) {
		move->step = MOVE_IS_OPENING;
		open_again(core, move);
	} else if (move->step == MOVE_IS_JOINING) {
		move_copy_begin(core, move);
		if (MUTANT(noxfer))
			move_copied(core, move);
	} else {
		core->stats.moves_done++;
		move->step = MOVE_IS_REPORTING;
		move->report_us = 0;
	}
}

/* ---- reports ---- */

static enum move_stage stage_of(const struct move *move)
{
	switch (move->step) {
	case MOVE_IS_AWAITED:
	case MOVE_IS_EMPTYING:
	case MOVE_IS_OPENING:
	case MOVE_IS_JOINING:
		return MOVE_OPENING;
	case MOVE_IS_COPYING:
		return MOVE_COPYING;
	case MOVE_IS_CHECKING:
	case MOVE_IS_CLOSING:
		return MOVE_CHECKING;
	case MOVE_IS_REPORTING:
		return MOVE_DONE;
	}
	KV_UNREACHABLE("step of a move");
}

static void fill_report(const struct move *move, struct msg_move *ret)
{
	*ret = (struct msg_move){
		.partition = move->partition,
		.session = move->session,
		.stage = stage_of(move),
		.keys = MAX(move->keys, move->keys_done),
		.bytes = MAX(move->bytes, move->bytes_done),
		.keys_done = move->keys_done,
		.bytes_done = move->bytes_done,
		.bytes_per_sec = move->bytes_per_sec,
		.source = move->source,
		.retries = move->retries,
		.message = slice_str(move->message ? move->message : ""),
	};
}

static void measure_rate(struct node_core *core, struct move *move)
{
	usec_t passed_us = core->now.mono_us - move->reported_us;
	if (move->reported_us != 0 && passed_us > 0) {
		uint64_t rate = (move->bytes_done - move->reported_bytes) * USEC_PER_SEC / passed_us;
		move->bytes_per_sec = move->bytes_per_sec ? (3 * move->bytes_per_sec + rate) / 4 : rate;
	}
	move->reported_us = core->now.mono_us;
	move->reported_bytes = move->bytes_done;
}

static void report(struct node_core *core, struct move *move)
{
	if (core->now.mono_us < move->report_us)
		return;
	move->report_us = core->now.mono_us + MOVE_REPORT_US;
	measure_rate(core, move);
	for (uint32_t i = 0; i < core->map->desc.node_count; i++) {
		const struct map_node *node = &core->map->desc.nodes[i];
		if (node->state == NODE_REMOVED)
			continue;
		struct msg *m = core_msg(core, OP_MOVE_REPORT, core_next_id(core), /* reply= */ false);
		fill_report(move, &m->move);
		if (node->index == core->self)
			core_send_first(core, m);
		else
			core_send(core, node->index, m);
	}
}

/* ---- the map and time ---- */

static bool is_new_member(const struct node_core *core, const struct row *row)
{
	int own = row_position(row, core->self);
	return row->move && own >= 0 && !(row->old & 1u << own);
}

static void end_moves(struct node_core *core)
{
	struct ilink *link = ilist_first(&core->moves.in);
	while (link) {
		struct move *move = container_of(link, struct move, link);
		link = ilist_next(&core->moves.in, link);
		struct row row = cluster_map_row(core->map, move->partition);
		if (is_new_member(core, &row) && uuid_equal(&row.move->session, &move->session))
			continue;
		bool final = row_position(&row, core->self) >= 0;
		if (COVER_IF(final, move_final))
			staleness_doubt(core, move->partition);
		COVER_IF(!final, move_given_up);
		move_free(core, move);
	}
}

static bool has_move(const struct node_core *core, uint16_t partition)
{
	for (struct ilink *l = ilist_first(&core->moves.in); l; l = ilist_next(&core->moves.in, l)) {
		if (container_of(l, struct move, link)->partition == partition)
			return true;
	}
	return false;
}

static void add_moves(struct node_core *core)
{
	const struct map_desc *d = &core->map->desc;
	for (uint32_t i = 0; i < d->move_count; i++) {
		struct row row = cluster_map_row(core->map, d->moves[i].partition);
		bool mine = d->moves[i].partition % core->config.shard_count == core->config.shard;
		if (!mine || !is_new_member(core, &row) || has_move(core, d->moves[i].partition))
			continue;
		struct move *move = xcalloc(1, sizeof *move);
		move->partition = d->moves[i].partition;
		move->session = d->moves[i].session;
		move->source = NODE_NONE;
		ilist_push_back(&core->moves.in, &move->link);
		core->moves.in_count++;
		begin(core, move);
	}
}

static void follow_map(struct node_core *core)
{
	if (!core->moves.map_changed || !partitions_are_loaded(core))
		return;
	core->moves.map_changed = false;
	leaving_set_map(core); /* first: who joins anew may have to hand over before */
	end_moves(core);
	add_moves(core);
}

void moves_set_map(struct node_core *core)
{
	core->moves.map_changed = true;
	follow_map(core);
}

static void go_on(struct node_core *core, struct move *move)
{
	switch (move->step) {
	case MOVE_IS_AWAITED:
		if (!leaving_owes(core, move->partition)) {
			move->message = NULL;
			begin(core, move);
		}
		return;
	case MOVE_IS_EMPTYING:
	case MOVE_IS_JOINING:
	case MOVE_IS_CLOSING:
		if (core->write_done >= move->token)
			go_on_after_write(core, move);
		return;
	case MOVE_IS_OPENING:
		open_again(core, move);
		return;
	case MOVE_IS_COPYING:
		move_copy_go_on(core, move);
		return;
	case MOVE_IS_CHECKING:
		check(core, move);
		return;
	case MOVE_IS_REPORTING:
		return;
	}
	KV_UNREACHABLE("step of a move");
}

/** What is done does not hold up what waits. */
static void work(struct node_core *core)
{
	uint32_t at_work = 0;
	core->moves.burst = BURST_MAX;
	for (struct ilink *l = ilist_first(&core->moves.in); l; l = ilist_next(&core->moves.in, l)) {
		struct move *move = container_of(l, struct move, link);
		if (move->step != MOVE_IS_REPORTING && at_work++ >= MOVES_IN_MAX)
			continue;
		go_on(core, move);
	}
}

void moves_tick(struct node_core *core)
{
	follow_map(core);
	if (core->moves.map_changed)
		return;
	work(core);
	for (struct ilink *l = ilist_first(&core->moves.in); l; l = ilist_next(&core->moves.in, l))
		report(core, container_of(l, struct move, link));
	leaving_tick(core);
}

void moves_written(struct node_core *core)
{
	if (!core->moves.map_changed && !ilist_is_empty(&core->moves.in))
		work(core);
}
