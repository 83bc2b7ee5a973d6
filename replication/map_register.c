/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/map_register.h"

#include "base/mutant.h"
#include "replication/core.h"
#include "replication/map_image.h"
#include "replication/map_spread.h"
#include "replication/quorum.h"

_Static_assert(2 * VOTERS_MAX <= 32, "targets are bits of a uint32_t");

bool map_register_is_busy(const struct node_core *core) { return core->map_register.phase != MAP_IDLE; }

void map_register_release(struct node_core *core)
{
	cluster_map_free(core->map_register.wanted);
	cluster_map_free(core->map_register.proposed);
	core->map_register = (struct map_register){0};
}

/** Messages under way may point into it. */
static void give_back(struct node_core *core, struct cluster_map **map)
{
	if (*map)
		actions_hold_map(core->out, TAKE_PTR(*map));
}

static void finish(struct node_core *core, enum map_verdict verdict)
{
	struct map_register *r = &core->map_register;
	KV_ASSERT(r->phase != MAP_IDLE);
	map_verdict_fn *tell = r->verdict;
	void *owner = r->owner;
	give_back(core, &r->wanted);
	give_back(core, &r->proposed);
	r->phase = MAP_IDLE;
	r->message_id = 0;
	r->verdict = NULL;
	r->owner = NULL;
	tell(core, owner, verdict);
}

/* ---- who is asked ---- */

static void add_targets(struct map_register *r, const node_id *voters, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		bool known = false;
		for (uint32_t j = 0; j < r->target_count; j++)
			known |= r->targets[j] == voters[i];
		if (!known)
			r->targets[r->target_count++] = voters[i];
	}
}

/** True if a majority of VOTERS said yes. */
static bool have_majority(const struct map_register *r, const node_id *voters, uint32_t count)
{
	uint32_t yes = 0;
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = 0; j < r->target_count; j++)
			yes += r->targets[j] == voters[i] && (r->yes & 1u << j);
	}
	return yes >= quorum_majority(count);
}

static bool voters_differ(const struct map_register *r, const struct map_desc *next)
{
	if (r->old_count != next->voter_count)
		return true;
	for (uint32_t i = 0; i < r->old_count; i++) {
		bool there = false;
		for (uint32_t j = 0; j < next->voter_count; j++)
			there |= next->voters[j] == r->old_voters[i];
		if (!there)
			return true;
	}
	return false;
}

static void send_votes(struct node_core *core)
{
	struct map_register *r = &core->map_register;
	bool accepting = r->phase == MAP_ACCEPTING;
	for (uint32_t i = 0; i < r->target_count; i++) {
		if (r->yes & 1u << i)
			continue;
		struct msg *m = core_msg(core, accepting ? OP_MAP_ACCEPT : OP_MAP_PREPARE, r->message_id,
					 /* reply= */ false);
		m->vote = (struct msg_vote){
			.ballot = r->ballot, .epoch = r->base + 1, .map = accepting ? &r->proposed->desc : NULL};
		core_send(core, r->targets[i], m);
	}
	r->resend_us = core->now.mono_us + VOTE_RESEND_US;
}

/* ---- the rounds ---- */

static void begin_phase(struct node_core *core, enum map_phase phase)
{
	struct map_register *r = &core->map_register;
	r->phase = phase;
	r->message_id = core_next_id(core);
	r->yes = 0;
	r->deadline_us = core->now.mono_us + VOTE_TIMEOUT_US;
	send_votes(core);
}

/** Rounds count up in one life of a node, and a life has its number: no ballot is made twice. */
static void begin_round(struct node_core *core)
{
	struct map_register *r = &core->map_register;
	KV_ASSERT(core->map->desc.epoch == r->base);
	const struct map_desc *asked = MUTANT(mapvoters) && r->wanted ? &r->wanted->desc : &core->map->desc;
	give_back(core, &r->proposed);
	r->found = VERSION_NONE;
	r->ballot = (struct version){.hlc = ++r->round_max,
				     .id = (uint64_t)core->self << 48 |
					   (core->config.incarnation & ((UINT64_C(1) << 48) - 1))};
	r->old_count = asked->voter_count;
	memcpy(r->old_voters, asked->voters, sizeof r->old_voters);
	r->target_count = 0;
	add_targets(r, r->old_voters, r->old_count);
	begin_phase(core, MAP_PREPARING);
}

static void begin(struct node_core *core, struct cluster_map *wanted, usec_t give_up_us, map_verdict_fn *verdict,
		  void *owner)
{
	struct map_register *r = &core->map_register;
	KV_ASSERT(r->phase == MAP_IDLE);
	r->wanted = wanted;
	r->verdict = verdict;
	r->owner = owner;
	r->base = core->map->desc.epoch;
	r->sent = false;
	r->give_up_us = give_up_us;
	r->tries = 0;
	begin_round(core);
}

void map_register_propose(struct node_core *core, const struct map_desc *next, usec_t give_up_us,
			  map_verdict_fn *verdict, void *owner)
{
	KV_ASSERT(core->map && next->epoch == core->map->desc.epoch + 1);
	KV_VERIFY_ASSERT(cluster_map_check_next(&core->map->desc, next, NULL) == KV_OK);
	begin(core, cluster_map_new(next), give_up_us, verdict, owner);
}

void map_register_look(struct node_core *core, usec_t give_up_us, map_verdict_fn *verdict, void *owner)
{
	KV_ASSERT(core->map);
	begin(core, NULL, give_up_us, verdict, owner);
}

static void pause_round(struct node_core *core)
{
	struct map_register *r = &core->map_register;
	usec_t most_us = VOTE_BACKOFF_MIN_US << MIN(r->tries, 6u);
	r->tries++;
	r->phase = MAP_PAUSING;
	r->message_id = 0;
	r->deadline_us = core->now.mono_us + rng_between(&core->rng, VOTE_BACKOFF_MIN_US / 2, most_us);
}

static void prepared(struct node_core *core)
{
	struct map_register *r = &core->map_register;
	if (MUTANT(mapfresh))
		give_back(core, &r->proposed);
	if (!r->proposed && !r->wanted) {
		/* What was decided has been accepted by one of any majority: nothing has. */
		finish(core, MAP_DONE);
		return;
	}
	if (!r->proposed)
		r->proposed = cluster_map_new(&r->wanted->desc);
	else
		COVER(map_found);
	const struct map_desc *next = &r->proposed->desc;
	if (voters_differ(r, next) && !MUTANT(mapnojoint))
		add_targets(r, next->voters, next->voter_count);
	r->sent |= r->wanted && (version_is_none(r->found) || MUTANT(mapfresh));
	begin_phase(core, MAP_ACCEPTING);
}

/** No other map can have this epoch any more. */
static void decided(struct node_core *core)
{
	struct map_register *r = &core->map_register;
	r->phase = MAP_SAVING;
	r->message_id = 0;
	(void)!map_spread_take(core, &r->proposed->desc); /* if another is being saved: tried again */
}

static void advance(struct node_core *core)
{
	struct map_register *r = &core->map_register;
	if (!have_majority(r, r->old_voters, r->old_count))
		return;
	if (r->phase == MAP_PREPARING) {
		prepared(core);
		return;
	}
	const struct map_desc *next = &r->proposed->desc;
	if (MUTANT(mapnojoint) || have_majority(r, next->voters, next->voter_count))
		decided(core);
}

/** Takes over what was accepted under the greatest ballot told; false if the answer cannot be what it says. */
static bool note_found(struct node_core *core, const struct msg_vote *v)
{
	struct map_register *r = &core->map_register;
	if (version_is_none(v->accepted) || version_at_most(v->accepted, r->found))
		return true;
	if (!v->map || v->map->epoch != r->base + 1 || cluster_map_check(v->map, NULL) != KV_OK ||
	    cluster_map_check_next(&core->map->desc, v->map, NULL) != KV_OK)
		return false;
	give_back(core, &r->proposed);
	r->proposed = cluster_map_new(v->map);
	r->found = v->accepted;
	return true;
}

void map_register_answered(struct node_core *core, node_id from, const struct msg *m)
{
	struct map_register *r = &core->map_register;
	const struct msg_vote *v = &m->vote;
	if (v->status == KV_STALE && v->map)
		(void)!map_spread_take(core, v->map);
	r->round_max = MAX(r->round_max, v->promised.hlc);
	bool preparing = r->phase == MAP_PREPARING;
	if (r->message_id == 0 || m->id != r->message_id ||
	    m->opcode != (preparing ? OP_MAP_PREPARE : OP_MAP_ACCEPT))
		return;
	uint32_t at = 0;
	while (at < r->target_count && r->targets[at] != from)
		at++;
	if (at == r->target_count || (r->yes & 1u << at))
		return;
	if (v->status == KV_CONFLICT)
		pause_round(core);
	if (v->status != KV_OK || (preparing && !note_found(core, v)))
		return;
	r->yes |= 1u << at;
	advance(core);
}

/* ---- the end ---- */

/** True if a majority of the voters of the map in force has told that they have it. */
static bool is_conveyed(const struct node_core *core)
{
	const struct map_desc *map = &core->map->desc;
	uint32_t have = 0;
	for (uint32_t i = 0; i < map->voter_count; i++)
		have += map->voters[i] == core->self ||
			core->detector.peers[map->voters[i]].map_epoch >= map->epoch;
	return have >= quorum_majority(map->voter_count);
}

void map_register_heard(struct node_core *core)
{
	if (core->map_register.phase == MAP_CONVEYING && is_conveyed(core))
		finish(core, MAP_DONE);
}

void map_register_map_changed(struct node_core *core)
{
	struct map_register *r = &core->map_register;
	const struct map_desc *map = &core->map->desc;
	if (r->phase == MAP_IDLE || map->epoch <= r->base)
		return;
	if (r->phase == MAP_CONVEYING) {
		finish(core, MAP_DONE); /* the map behind it is the work of those who had it */
		return;
	}
	bool decided_here = r->phase == MAP_SAVING;
	r->message_id = 0;
	if (!r->wanted || map->epoch > r->base + 1 || map_image_hash(map) != map_image_hash(&r->wanted->desc)) {
		COVER(map_other);
		finish(core, MAP_OTHER);
	} else if (voters_differ(r, map) && !MUTANT(mapnojoint)) {
		r->phase = MAP_CONVEYING;
		map_register_heard(core);
	} else {
		finish(core, MAP_DONE);
	}
	if (decided_here)
		map_spread_push_all(core);
}

static void give_up(struct node_core *core)
{
	COVER(map_given_up);
	finish(core, core->map_register.sent ? MAP_OPEN : MAP_FAILED);
}

void map_register_tick(struct node_core *core)
{
	struct map_register *r = &core->map_register;
	usec_t now = core->now.mono_us;
	switch (r->phase) {
	case MAP_IDLE:
		return;
	case MAP_SAVING:
		(void)!map_spread_take(core, &r->proposed->desc);
		return;
	case MAP_CONVEYING:
		map_register_heard(core);
		if (r->phase == MAP_CONVEYING && now >= r->give_up_us)
			finish(core, MAP_OPEN);
		return;
	case MAP_PREPARING:
	case MAP_ACCEPTING:
	case MAP_PAUSING:
		break;
	}
	if (now >= r->give_up_us)
		give_up(core);
	else if (r->phase == MAP_PAUSING && now >= r->deadline_us)
		begin_round(core);
	else if (r->phase != MAP_PAUSING && now >= r->deadline_us)
		pause_round(core);
	else if (r->phase != MAP_PAUSING && now >= r->resend_us)
		send_votes(core);
}
