/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/driver.h"

#include "base/rng.h"
#include "replication/core.h"
#include "replication/placement.h"
#include "replication/quorum.h"
#include "replication/voters.h"

/* ---- what to do next: pure ---- */

static bool same_set(const node_id *a, const node_id *b, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!row_has(b, count, a[i]))
			return false;
	}
	return true;
}

static bool may_hold(const struct map_node *node)
{
	return node->state == NODE_NORMAL || node->state == NODE_JOINING;
}

/** A new member that will not stay makes the whole move pointless. */
static bool is_pointless(const struct map_draft *d, const struct map_move *move)
{
	for (uint32_t i = 0; i < move->new_count; i++) {
		bool joins = !row_has(move->old_row, move->old_count, move->new_row[i]);
		if (joins && !may_hold(&d->nodes[move->new_row[i]]))
			return true;
	}
	return false;
}

/** VIEW counts the moves as they were, so they are looked at from the last: ending one moves those behind it. */
static bool end_moves(struct map_draft *d, const struct driver_view *view)
{
	bool changed = false;
	for (uint32_t i = d->desc.move_count; i-- > 0;) {
		const struct map_move *move = &d->moves[i];
		bool arrived = view->moves[i] == MOVE_ARRIVED && !is_pointless(d, move);
		bool give_up =
			!arrived && (d->desc.paused || view->moves[i] == MOVE_STUCK || is_pointless(d, move));
		if (!arrived && !give_up)
			continue;
		if (arrived)
			COVER(move_arrived);
		else
			COVER(move_given_up);
		map_draft_end(d, move->partition, arrived);
		changed = true;
	}
	return changed;
}

static bool is_in_a_row(const struct map_draft *d, node_id node)
{
	return row_has(d->rows, d->desc.partitions * d->desc.replicas, node);
}

/** True if the plan gives NODE anything. */
static bool is_planned(const struct map_draft *d, const node_id *plan, node_id node)
{
	return row_has(plan, d->desc.partitions * d->desc.replicas, node);
}

static bool is_voter(const struct map_desc *map, node_id node)
{
	return row_has(map->voters, map->voter_count, node);
}

/** Nodes arrive and leave. */
static bool settle_nodes(struct map_draft *d, const struct driver_view *view)
{
	bool changed = false;
	for (uint32_t i = 0; i < d->desc.node_count; i++) {
		struct map_node *node = &d->nodes[i];
		bool joined =
			node->state == NODE_JOINING &&
			(is_in_a_row(d, node->index) || (view->plan && !is_planned(d, view->plan, node->index)));
		bool left = node->state == NODE_LEAVING && view->live[i] && view->drained[i] &&
			    !cluster_map_holds(&d->desc, node->index) && !is_voter(&d->desc, node->index);
		if (joined)
			node->state = NODE_NORMAL;
		if (COVER_IF(left, node_left)) {
			node->state = NODE_REMOVED;
			node->keep_staged = node->gone_staged = false; /* too late, and no more needed */
		}
		changed |= joined || left;
	}
	return changed;
}

static bool choose_voters(struct map_draft *d, const struct driver_view *view)
{
	node_id chosen[VOTERS_MAX] = {0};
	uint32_t count = voters_choose(&d->desc, view->fit, chosen);
	if (count == 0 || (count == d->desc.voter_count && same_set(chosen, d->desc.voters, count)))
		return false;
	COVER(voters_changed);
	memset(d->desc.voters, 0, sizeof d->desc.voters);
	memcpy(d->desc.voters, chosen, count * sizeof chosen[0]);
	d->desc.voter_count = count;
	return true;
}

/** Moves under way, by node. */
struct move_load {
	uint32_t in[NODES_MAX], out[NODES_MAX];
};

static void count_move(struct move_load *load, const node_id *from, const node_id *to, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		load->in[to[i]] += !row_has(from, count, to[i]);
		load->out[from[i]] += !row_has(to, count, from[i]);
	}
}

/** Whether a move from row FROM to row TO can get on now, within the limits. */
static bool may_start(const struct map_draft *d, const struct driver_view *view, const struct move_load *load,
		      const node_id *from, const node_id *to)
{
	uint32_t count = d->desc.replicas, alive = 0;
	for (uint32_t i = 0; i < count; i++) {
		bool joins = !row_has(from, count, to[i]), leaves = !row_has(to, count, from[i]);
		if (joins && (!view->live[to[i]] || load->in[to[i]] >= MOVES_IN_MAX))
			return false;
		/* What a dead node gives away is copied from others. */
		if (leaves && view->live[from[i]] && load->out[from[i]] >= MOVES_OUT_MAX)
			return false;
		alive += view->live[from[i]];
	}
	return alive >= quorum_majority(count);
}

static struct uuid make_session(struct rng *rng)
{
	struct uuid session;
	uint64_t high = rng_next(rng), low = rng_next(rng) | 1;
	memcpy(session.bytes, &high, 8);
	memcpy(session.bytes + 8, &low, 8);
	return session;
}

static bool start_moves(struct map_draft *d, const struct driver_view *view)
{
	struct move_load load = {{0}, {0}};
	struct rng rng;
	bool changed = false;
	uint32_t replicas = d->desc.replicas;
	if (d->desc.paused || !view->plan)
		return false;
	rng_init(&rng, view->seed);
	for (uint32_t i = 0; i < d->desc.move_count; i++)
		count_move(&load, d->moves[i].old_row, d->moves[i].new_row, replicas);
	for (uint32_t p = 0; p < d->desc.partitions; p++) {
		const node_id *from = d->rows + (size_t)p * replicas, *to = view->plan + (size_t)p * replicas;
		if (map_draft_move_of(d, p) || same_set(from, to, replicas) || !may_start(d, view, &load, from, to))
			continue;
		struct uuid session = make_session(&rng);
		count_move(&load, from, to, replicas);
		map_draft_move(d, p, to, &session);
		changed = true;
	}
	return changed;
}

bool driver_next(struct map_draft *draft, const struct driver_view *view)
{
	bool changed = end_moves(draft, view);
	changed |= settle_nodes(draft, view);
	changed |= choose_voters(draft, view);
	changed |= start_moves(draft, view);
	return changed;
}

enum kv_status driver_plan(const struct map_desc *map, node_id *ret_rows, struct error *err)
{
	size_t cells = (size_t)map->partitions * map->replicas;
	node_id *goals = xmalloc(cells * sizeof *goals);
	memcpy(goals, map->rows, cells * sizeof *goals);
	for (uint32_t i = 0; i < map->move_count; i++)
		memcpy(goals + (size_t)map->moves[i].partition * map->replicas, map->moves[i].new_row,
		       map->replicas * sizeof *goals);
	struct placement_input in = {.partitions = map->partitions,
				     .replicas = map->replicas,
				     .node_count = map->node_count,
				     .nodes = map->nodes,
				     .rows = goals};
	enum kv_status status = placement_plan(&in, ret_rows, err);
	free(goals);
	return status;
}

uint32_t driver_count_waiting(const struct map_desc *map, const node_id *plan)
{
	uint32_t waiting = 0;
	for (uint32_t p = 0; p < map->partitions; p++) {
		size_t at = (size_t)p * map->replicas;
		waiting += !same_set(map->rows + at, plan + at, map->replicas);
	}
	/* Those that have a move are on their way. */
	for (uint32_t i = 0; i < map->move_count; i++) {
		size_t at = (size_t)map->moves[i].partition * map->replicas;
		waiting -= !same_set(map->rows + at, plan + at, map->replicas);
	}
	return waiting;
}

/* ---- the loop ---- */

void driver_release(struct node_core *core)
{
	free(core->driver.plan);
	core->driver.plan = NULL;
}

void driver_map_changed(struct node_core *core) { core->driver.plan_epoch = 0; }

static void plan_now(struct node_core *core)
{
	struct driver *d = &core->driver;
	const struct map_desc *map = &core->map->desc;
	if (d->plan_epoch == map->epoch)
		return;
	if (!d->plan)
		d->plan = xcalloc((size_t)map->partitions * map->replicas, sizeof *d->plan);
	d->plan_is_good = driver_plan(map, d->plan, NULL) == KV_OK;
	d->waiting = d->plan_is_good ? driver_count_waiting(map, d->plan) : 0;
	d->plan_epoch = map->epoch;
}

uint32_t driver_waiting(struct node_core *core)
{
	plan_now(core);
	return core->driver.waiting;
}

static void note_silence(struct node_core *core)
{
	struct driver *d = &core->driver;
	for (node_id i = 0; i < core->map->desc.node_count; i++) {
		enum peer_state state = detector_state(core, i);
		if (d->heard_us[i] == 0 || state == PEER_UP || state == PEER_SELF)
			d->heard_us[i] = core->now.mono_us;
	}
}

/** True if no voter with a lower index is there to do it. */
static bool is_my_turn(const struct node_core *core)
{
	const struct map_desc *map = &core->map->desc;
	bool vote = false;
	for (uint32_t i = 0; i < map->voter_count; i++) {
		vote |= map->voters[i] == core->self;
		if (map->voters[i] < core->self && detector_is_reachable(core, map->voters[i]))
			return false;
	}
	return vote;
}

static enum move_health judge_move(struct node_core *core, const struct map_move *move)
{
	bool arrived = true, stuck = false;
	for (uint32_t i = 0; i < move->new_count; i++) {
		node_id node = move->new_row[i];
		if (row_has(move->old_row, move->old_count, node))
			continue;
		const struct msg_move *report = moves_report(core, move->partition, node);
		bool done = report && report->stage == MOVE_DONE && uuid_equal(&report->session, &move->session);
		usec_t progress_us = moves_progress_us(core, move->partition, node);
		arrived &= done;
		stuck |= !done && progress_us != 0 && core->now.mono_us >= progress_us + core->config.move_stuck_us;
		stuck |= !done && BUGGIFY(core, move_given_up) && rng_chance(&core->rng, 250000);
	}
	return arrived ? MOVE_ARRIVED : stuck ? MOVE_STUCK : MOVE_RUNS;
}

static void fill_view(struct node_core *core, struct driver_view *view, enum move_health *moves)
{
	const struct map_desc *map = &core->map->desc;
	for (node_id i = 0; i < map->node_count; i++) {
		enum peer_state state = detector_state(core, i);
		view->live[i] = state == PEER_UP || state == PEER_SELF;
		view->fit[i] = core->now.mono_us - core->driver.heard_us[i] < VOTER_SILENT_US;
		view->drained[i] = core->detector.peers[i].drained;
	}
	for (uint32_t i = 0; i < map->move_count; i++)
		moves[i] = judge_move(core, &map->moves[i]);
	view->moves = moves;
	view->seed = rng_next(&core->rng);
	view->plan = core->driver.plan_is_good ? core->driver.plan : NULL;
}

/** Nodes in any order. */
static void shuffle(struct rng *rng, node_id *nodes, uint32_t count)
{
	for (uint32_t i = count; i > 1; i--) {
		uint32_t k = (uint32_t)rng_below(rng, i);
		node_id node = nodes[k];
		nodes[k] = nodes[i - 1];
		nodes[i - 1] = node;
	}
}

/** Simulations: any nodes that answer in place of those that the plan has for the partitions to be moved about. */
static void plan_restlessly(struct node_core *core, struct driver_view *view)
{
	const struct map_desc *map = &core->map->desc;
	node_id fit[NODES_MAX];
	uint32_t count = 0, replicas = map->replicas;
	if (core->config.restless == 0 || !view->plan)
		return;
	for (node_id i = 0; i < map->node_count; i++) {
		if (map->nodes[i].state == NODE_NORMAL && view->live[i])
			fit[count++] = i;
	}
	node_id *rows = actions_copy(core->out, view->plan, (size_t)map->partitions * replicas * sizeof *rows);
	for (uint32_t p = 0; count >= replicas && p < MIN(map->partitions, 64u); p++) {
		if (!(core->config.restless >> p & 1) || rng_chance(&core->rng, 300000))
			continue;
		shuffle(&core->rng, fit, count);
		memcpy(rows + (size_t)p * replicas, fit, replicas * sizeof *rows);
	}
	view->plan = rows;
}

/** Whatever became of it: the map in force tells what is to be done now. */
static void ignore_verdict(struct node_core *core, void *owner, enum map_verdict verdict)
{
	(void)core;
	(void)owner;
	(void)verdict;
}

/** True if the vote for a next map was long ago, and whoever wanted it has not told what came of it. */
static bool vote_lingers(struct node_core *core)
{
	struct driver *d = &core->driver;
	const struct map_acceptor *a = &core->map_acceptor;
	bool open = a->value && a->epoch == core->map->desc.epoch + 1;
	struct version vote = open ? a->accepted : VERSION_NONE;
	if (!version_equal(vote, d->vote)) {
		d->vote = vote;
		d->vote_us = core->now.mono_us;
		d->vote_is_void = false;
	}
	return open && !d->vote_is_void && core->now.mono_us >= d->vote_us + VOTE_LINGERS_US;
}

static void vote_looked_up(struct node_core *core, void *owner, enum map_verdict verdict)
{
	(void)owner;
	core->driver.vote_is_void = verdict == MAP_DONE;
	core->driver.vote_us = core->now.mono_us;
}

void driver_tick(struct node_core *core)
{
	struct driver *d = &core->driver;
	if (core->config.shard != 0)
		return;
	note_silence(core);
	/* Whoever proposed it is gone, perhaps because it is not part of that map: if it was decided, it has to come into force. */
	bool lingers = vote_lingers(core) && !map_register_is_busy(core) && !membership_is_busy(core);
	if (COVER_IF(lingers, map_vote_lingers)) {
		map_register_look(core, core->now.mono_us + VOTE_LINGERS_US, vote_looked_up, NULL);
		return;
	}
	if (core->now.mono_us < d->next_us || map_register_is_busy(core) || membership_is_busy(core))
		return;
	/* Any number of drivers at a time is allowed; one is enough. */
	if (!is_my_turn(core) && !BUGGIFY(core, two_drivers))
		return;
	d->next_us = core->now.mono_us + DRIVER_INTERVAL_US;
	plan_now(core);
	enum move_health *moves = actions_alloc(core->out, (core->map->desc.move_count + 1) * sizeof *moves);
	struct driver_view *view = actions_alloc(core->out, sizeof *view);
	memset(view, 0, sizeof *view);
	fill_view(core, view, moves);
	plan_restlessly(core, view);
	CLEANUP(map_draft_release) struct map_draft draft;
	map_draft_init(&draft, &core->map->desc);
	if (driver_next(&draft, view))
		map_register_propose(core, &draft.desc, core->now.mono_us + CHANGE_DEADLINE_MS * USEC_PER_MSEC,
				     ignore_verdict, NULL);
}
