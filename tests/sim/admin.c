/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/admin.h"

#include "tests/sim/faults.h"
#include "tests/sim/sim.h"

#define ASK_DEADLINE_MS 3000u
#define FINISH_EVERY_US (200 * USEC_PER_MSEC)

static bool percent(struct sim *sim, uint32_t pct) { return rng_below(&sim->change_rng, 100) < pct; }

static struct sim_event *after(struct sim *sim, void (*fn)(struct sim *sim, struct sim_event *event), usec_t us)
{
	struct sim_event *event = sim_event_new(SIM_FAULT);
	event->fault = fn;
	sim_at(sim, event, sim->now_us + us);
	return event;
}

/* A random machine of which FIT says that it fits, or NULL. */
static struct sim_node *pick(struct sim *sim, bool (*fit)(const struct sim_node *n))
{
	struct sim_node *fits[SIM_NODES_MAX];
	uint32_t count = 0;
	for (uint32_t i = 0; i < sim->options.node_count; i++)
		if (fit(&sim->nodes[i]))
			fits[count++] = &sim->nodes[i];
	return count ? fits[rng_below(&sim->change_rng, count)] : NULL;
}

static bool is_up_member(const struct sim_node *n) { return n->up && sim_node_is_member(n); }

static bool is_up_spare(const struct sim_node *n) { return n->up && sim_node_is_spare(n); }

/* --- asking --- */

static void loses_patience(struct sim *sim, struct sim_event *event)
{
	if (sim->admin.turn == event->a)
		sim->admin.busy = false;
}

static void ask(struct sim *sim, struct msg_change change)
{
	struct admin *a = &sim->admin;
	struct sim_node *whom = pick(sim, is_up_member);
	if (!whom || percent(sim, 5))
		whom = &sim->nodes[rng_below(&sim->change_rng, sim->options.node_count)];
	a->busy = true;
	a->turn++;
	change.deadline_ms = ASK_DEADLINE_MS;
	a->asked = change;
	struct msg m = {.opcode = OP_CLUSTER_CHANGE, .id = a->turn, .change = change};
	sim->cover.changes_asked++;
	trace_add(&sim->trace, sim->now_us, TRACE_change, whom->index, change.kind, change.node, a->turn);
	sim_send(sim, sim_client_end(sim, sim_admin_client(sim)), whom->index, &m, a->turn);
	after(sim, loses_patience, (ASK_DEADLINE_MS + 200) * USEC_PER_MSEC)->a = a->turn;
}

static void ask_kind(struct sim *sim, enum change_kind kind, node_id node)
{
	ask(sim, (struct msg_change){.kind = kind, .node = node});
}

/* An empty node; in place of a dead one, if REPLACED is one. */
static void ask_add(struct sim *sim, const struct sim_node *n, node_id replaced)
{
	struct admin *a = &sim->admin;
	snprintf(a->address, sizeof a->address, "%s", n->address);
	sim->cover.changes_add += replaced == NODE_NONE;
	sim->cover.changes_replace += replaced != NODE_NONE;
	ask(sim, (struct msg_change){.kind = NODE_ADD, .node = replaced, .address = slice_str(a->address)});
}

static void ask_commit(struct sim *sim)
{
	uint64_t epoch = percent(sim, 50) ? sim->maps.newest->desc.epoch : 0;
	sim->cover.changes_commit++;
	ask(sim, (struct msg_change){.kind = CHANGE_COMMIT, .node = NODE_NONE, .epoch = epoch});
}

static void ask_discard(struct sim *sim)
{
	sim->cover.changes_discard++;
	ask_kind(sim, CHANGE_DISCARD, NODE_NONE);
}

static void ask_gone(struct sim *sim, node_id node)
{
	sim->cover.changes_gone++;
	ask_kind(sim, NODE_GONE, node);
}

/* --- what the map says --- */

static bool anything_is_staged(const struct map_desc *d)
{
	for (uint32_t i = 0; i < d->node_count; i++)
		if (d->nodes[i].state != NODE_REMOVED && map_node_is_staged(&d->nodes[i]))
			return true;
	return false;
}

static bool is_being_replaced(const struct map_desc *d, node_id node)
{
	for (uint32_t i = 0; i < d->node_count; i++)
		if (d->nodes[i].state == NODE_STAGED && d->nodes[i].replaces == node)
			return true;
	return false;
}

/* A dead node about which nothing is staged, or NULL: the one whose address SPARE took over, if there is one, as that address is
 * refused in anyone else's place. */
static const struct map_node *find_dead(const struct sim *sim, const struct sim_node *spare)
{
	const struct map_desc *d = &sim->maps.newest->desc;
	const struct map_node *first = NULL;
	for (uint32_t i = 0; i < d->node_count; i++) {
		const struct map_node *node = &d->nodes[i];
		if (node->state == NODE_REMOVED || node->state == NODE_STAGED || node->gone_staged ||
		    !maps_is_dead(&sim->maps, &node->uuid) || is_being_replaced(d, node->index))
			continue;
		if (spare && slice_equal(node->peer_address, slice_str(spare->address)))
			return node;
		if (!first)
			first = node;
	}
	return first;
}

/* True if a node is staged whose disk is gone: its change cannot succeed. */
static bool staged_is_dead(const struct sim *sim)
{
	const struct map_desc *d = &sim->maps.newest->desc;
	for (uint32_t i = 0; i < d->node_count; i++)
		if (d->nodes[i].state == NODE_STAGED && maps_is_dead(&sim->maps, &d->nodes[i].uuid))
			return true;
	return false;
}

/* --- what to do next --- */

static bool removes_dead(struct sim *sim)
{
	const struct sim_node *spare = pick(sim, is_up_spare);
	const struct map_node *dead = find_dead(sim, spare);
	bool enough = maps_live(&sim->maps) >= sim->options.replicas;
	if (!dead)
		return false;
	if (spare && (!enough || percent(sim, 75)))
		ask_add(sim, spare, dead->index);
	else if (enough)
		ask_gone(sim, dead->index);
	else
		return false;
	return true;
}

/* True if the map has the address of each of its nodes that may be reached at all. */
static bool addresses_are_known(const struct sim *sim)
{
	for (uint32_t i = 0; i < sim->options.node_count; i++) {
		const struct sim_node *n = &sim->nodes[i];
		const struct map_node *node = maps_find(&sim->maps, &n->uuid);
		if (sim_node_is_member(n) && !slice_equal(node->peer_address, slice_str(n->address)))
			return false;
	}
	return true;
}

/* A machine gets another address, one at a time: who has moved is heard of by asking others where they are known to be.
 * Its node says so by itself when it is back; at times the operator does. */
static bool changes_address(struct sim *sim)
{
	struct sim_node *n = pick(sim, is_up_member);
	if (!n || !faults_may_crash(sim, n) || !addresses_are_known(sim) || !sim_maps_are_known(sim))
		return false;
	const struct map_node *node = maps_find(&sim->maps, &n->uuid);
	struct admin *a = &sim->admin;
	sim_node_crash(n);
	faults_restart_later(sim, n);
	n->moves++;
	snprintf(n->address, sizeof n->address, "n%u:%u", n->index, 8000 + n->moves);
	sim->cover.changes_address++;
	if (percent(sim, 50)) {
		snprintf(a->address, sizeof a->address, "%s", n->address);
		ask(sim, (struct msg_change){.kind = CHANGE_ADDRESS,
					     .node = node->index,
					     .address = slice_str(a->address),
					     .client_address = slice_str(a->address)});
	}
	return true;
}

/* A machine is to hold more, or less, than others. */
static bool changes_weight(struct sim *sim)
{
	const struct sim_node *n = pick(sim, sim_node_is_member);
	if (!n)
		return false;
	sim->cover.changes_weight++;
	ask(sim, (struct msg_change){.kind = CHANGE_WEIGHT,
				     .node = maps_find(&sim->maps, &n->uuid)->index,
				     .weight = (uint16_t)rng_between(&sim->change_rng, 10, 300)});
	return true;
}

/* True if a majority of the voters would still be there without one more node, and everyone knows who they are. */
static bool voters_can_spare_one(const struct sim *sim)
{
	const struct map_desc *d = &sim->maps.newest->desc;
	uint32_t live = 0;
	for (uint32_t i = 0; i < d->voter_count; i++)
		live += !maps_is_dead(&sim->maps, &d->nodes[d->voters[i]].uuid);
	return live > d->voter_count / 2 + 1 && sim_maps_are_known(sim);
}

/* A node that is only down, or well, is declared dead: if that is taken it never comes back. */
static bool gives_up(struct sim *sim)
{
	struct sim_node *n = pick(sim, sim_node_is_member);
	if (!n || !faults_may_lose(sim) || !voters_can_spare_one(sim) ||
	    maps_live(&sim->maps) <= sim->options.replicas)
		return false;
	maps_bury(&sim->maps, &n->uuid);
	ask_gone(sim, maps_find(&sim->maps, &n->uuid)->index);
	return true;
}

/* One that answers is not given up: then it is stopped for ever. */
static void insists(struct sim *sim)
{
	node_id about = sim->admin.asked.node;
	for (uint32_t i = 0; about < sim->maps.newest->desc.node_count && i < sim->options.node_count; i++) {
		struct sim_node *n = &sim->nodes[i];
		if (uuid_equal(&n->uuid, &sim->maps.newest->desc.nodes[about].uuid) &&
		    maps_is_dead(&sim->maps, &n->uuid))
			sim_node_lose_disk(n);
	}
}

static bool grows_or_shrinks(struct sim *sim)
{
	struct admin *a = &sim->admin;
	const struct sim_node *spare = pick(sim, is_up_spare);
	struct sim_node *member = pick(sim, is_up_member);
	if (a->left == 0)
		return false;
	a->left--;
	if (spare && percent(sim, 60)) {
		if (percent(sim, sim->options.token_pct))
			ask_kind(sim, CHANGE_TOKEN, NODE_NONE);
		else
			ask_add(sim, spare, NODE_NONE);
		return true;
	}
	/* At times more than the cluster can do without: it says so. */
	if (!member || (maps_live(&sim->maps) <= sim->options.replicas && percent(sim, 80)))
		return false;
	sim->cover.changes_leave++;
	ask_kind(sim, NODE_LEAVE, maps_find(&sim->maps, &member->uuid)->index);
	return true;
}

/* One that is to leave, or leaves, is to stay after all. What was asked before may be on its way still. */
static bool keeps(struct sim *sim)
{
	const struct map_desc *d = &sim->maps.newest->desc;
	node_id leavers[NODES_MAX];
	uint32_t count = 0;
	for (node_id i = 0; i < d->node_count; i++) {
		const struct map_node *node = &d->nodes[i];
		bool leaves = node->leave_staged || (node->state == NODE_LEAVING && !node->keep_staged);
		if (leaves && !maps_is_dead(&sim->maps, &node->uuid))
			leavers[count++] = i;
	}
	if (count == 0 || !percent(sim, sim->options.keep_pct))
		return false;
	sim->cover.changes_keep++;
	ask_kind(sim, NODE_KEEP, leavers[rng_below(&sim->change_rng, count)]);
	return true;
}

/* True if a commit would leave fewer machines than replicas, of which the map alone cannot tell that some are lost for good. */
static bool staged_is_a_trap(const struct sim *sim)
{
	const struct map_desc *d = &sim->maps.newest->desc;
	bool leaves = false;
	for (uint32_t i = 0; i < d->node_count; i++)
		leaves |= d->nodes[i].leave_staged;
	return leaves && maps_dead_left(&sim->maps) > 0 && maps_live(&sim->maps) < sim->options.replicas;
}

static void ends_staging(struct sim *sim)
{
	if (staged_is_dead(sim) || staged_is_a_trap(sim) || percent(sim, sim->options.discard_pct))
		ask_discard(sim);
	else
		ask_commit(sim);
}

static void does_something(struct sim *sim)
{
	const struct sim_options *o = &sim->options;
	const struct map_desc *d = &sim->maps.newest->desc;
	if (o->keep_pct > 0 && keeps(sim))
		return;
	if (anything_is_staged(d) && !percent(sim, o->crowd_pct)) {
		ends_staging(sim);
		return;
	}
	if (percent(sim, d->paused ? 60 : o->pause_pct)) {
		sim->cover.changes_pause++;
		ask_kind(sim, d->paused ? CHANGE_RESUME : CHANGE_PAUSE, NODE_NONE);
		return;
	}
	if (percent(sim, 80) && removes_dead(sim))
		return;
	if (percent(sim, o->move_pct) && changes_address(sim))
		return;
	if (percent(sim, o->gone_pct) && gives_up(sim))
		return;
	if (percent(sim, o->weight_pct) && changes_weight(sim))
		return;
	(void)grows_or_shrinks(sim);
}

static void works(struct sim *sim, struct sim_event *event)
{
	if (sim->healed)
		return;
	if (!sim->admin.busy && sim->maps.newest)
		does_something(sim);
	after(sim, works, rng_between(&sim->change_rng, 0, 2 * sim->options.change_every_us));
}

/* --- the end --- */

static bool finishes_something(struct sim *sim)
{
	struct admin *a = &sim->admin;
	const struct map_desc *d = &sim->maps.newest->desc;
	/* What is staged may be known to nobody that is left, but as the outcome of a vote. */
	if (a->refusals % 3 == 2)
		ask_discard(sim);
	else if (d->paused)
		ask_kind(sim, CHANGE_RESUME, NODE_NONE);
	else if (anything_is_staged(d) && (a->refused || staged_is_dead(sim) || staged_is_a_trap(sim)))
		ask_discard(sim);
	else if (anything_is_staged(d))
		ask_commit(sim);
	else
		return removes_dead(sim);
	return true;
}

static void finishes(struct sim *sim, struct sim_event *event)
{
	if (!sim->admin.busy)
		(void)finishes_something(sim);
	after(sim, finishes, FINISH_EVERY_US);
}

bool admin_is_done(const struct sim *sim)
{
	const struct maps *maps = &sim->maps;
	if (!sim->options.membership)
		return true;
	return !sim->admin.busy && maps_are_settled(maps) && maps_dead_left(maps) == 0 && sim_maps_are_known(sim);
}

/* --- answers --- */

/* An empty node is started with the token. */
static void token_is_used(struct sim *sim, struct slice token)
{
	struct sim_node *n = pick(sim, is_up_spare);
	if (!n || token.size >= sizeof n->token)
		return;
	memcpy(n->token, token.data, token.size);
	n->token[token.size] = '\0';
	sim->cover.changes_token++;
	sim_node_crash(n);
	faults_restart_later(sim, n);
}

void admin_on_answer(struct sim *sim, const struct sim_event *event, const struct msg *m)
{
	struct admin *a = &sim->admin;
	if (!a->busy || event->token != a->turn)
		return;
	const struct msg_result *r = &m->result;
	trace_add(&sim->trace, sim->now_us, TRACE_changed, event->from, a->asked.kind, r->status, a->turn);
	a->busy = false;
	a->refused = a->asked.kind == CHANGE_COMMIT && r->status != KV_OK && !r->in_doubt;
	if (r->status != KV_OK)
		snprintf(a->said, sizeof a->said, "%.*s", (int)MIN(r->message.size, sizeof a->said - 1),
			 (const char *)r->message.data);
	a->refusals = r->status == KV_OK ? 0 : a->refusals + 1;
	sim->cover.changes_done += r->status == KV_OK;
	if ((a->asked.kind == NODE_GONE || a->asked.kind == NODE_ADD) && r->status == KV_REFUSED)
		insists(sim);
	if (a->asked.kind == CHANGE_TOKEN && r->status == KV_OK && !sim->healed)
		token_is_used(sim, r->value);
}

/* --- machines --- */

static void comes_back(struct sim *sim, struct sim_event *event)
{
	struct sim_node *n = &sim->nodes[event->node];
	if (n->up || !(n->lost || n->left))
		return;
	sim_node_renew(n);
	sim_node_start(n);
}

void admin_machine_is_free(struct sim *sim, struct sim_node *n)
{
	if (!sim->options.membership)
		return;
	usec_t us = rng_between(&sim->change_rng, 0, sim->options.reborn_max_us);
	after(sim, comes_back, sim->healed ? MIN(us, USEC_PER_SEC) : us)->node = n->index;
}

void admin_start(struct sim *sim)
{
	const struct sim_options *o = &sim->options;
	sim->admin.left = o->change_count;
	if (o->membership && o->change_every_us)
		after(sim, works, rng_between(&sim->change_rng, 0, 2 * o->change_every_us));
}

void admin_heal(struct sim *sim)
{
	if (!sim->options.membership)
		return;
	after(sim, finishes, 0);
}
