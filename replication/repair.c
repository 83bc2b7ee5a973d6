/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/repair.h"

#include "replication/core.h"
#include "replication/exchange.h"
#include "replication/scrub.h"
#include "replication/tree_serve.h"

enum { WORD_BITS = 64, WORDS = PARTITIONS_MAX / WORD_BITS };

/** When this node and another one held the same. */
struct repair_known {
	node_id node;
	usec_t equal_us; /* 0: not in this life */
};

struct repair_peer;

/** An exchange under way. */
struct repair_task {
	struct repair_peer *peer; /* NULL: none */
	uint16_t partition;
	usec_t began_us;
};

/** Comparing with one other node. */
struct repair_peer {
	node_id node;
	usec_t next_us;  /* when it is asked again */
	bool forced;     /* asked for: also if it would ask us */
	bool asking;     /* a round is under way */
	uint64_t id;     /* of the question that is out */
	usec_t until_us; /* and how long it is waited for */
	usec_t asked_us;
	uint64_t asked_epoch;
	uint32_t core;          /* core of the node that is asked */
	bool whole;             /* each root, not their sum */
	uint64_t asked[WORDS];  /* partitions of the question */
	uint64_t wanted[WORDS]; /* partitions that differ */
	uint32_t wanted_count;
	uint32_t next; /* where the search for the next one begins */
	usec_t up_us;  /* since when the node has been up, as last looked */
	struct repair_task tasks[EXCHANGE_BACKGROUND_MAX];
};

static bool has_bit(const uint64_t *bits, uint32_t p) { return bits[p / WORD_BITS] >> p % WORD_BITS & 1; }

static void set_bit(uint64_t *bits, uint32_t p) { bits[p / WORD_BITS] |= UINT64_C(1) << p % WORD_BITS; }

static void want(struct repair_peer *r, uint32_t p)
{
	r->wanted_count += !has_bit(r->wanted, p);
	set_bit(r->wanted, p);
}

static void want_no_more(struct repair_peer *r, uint32_t p)
{
	r->wanted_count -= has_bit(r->wanted, p);
	r->wanted[p / WORD_BITS] &= ~(UINT64_C(1) << p % WORD_BITS);
}

static struct repair_peer *peer_of(struct node_core *core, node_id node)
{
	struct repair_peer **at = &core->repair.peers[node];
	if (!*at) {
		*at = xcalloc(1, sizeof **at);
		(*at)->node = node;
		(*at)->next_us = core->now.mono_us + rng_below(&core->rng, core->config.exchange_interval_us);
	}
	return *at;
}

void repair_release(struct node_core *core)
{
	for (size_t i = 0; i < NODES_MAX; i++)
		free(core->repair.peers[i]);
	free(core->repair.known);
	core->repair = (struct repair){0};
}

void repair_set_map(struct node_core *core)
{
	struct repair *r = &core->repair;
	uint32_t partitions = core->map->desc.partitions;
	KV_ASSERT(!r->known || r->count == partitions);
	if (!r->known)
		r->known = xcalloc((size_t)partitions * ROW_MAX, sizeof r->known[0]);
	r->count = partitions;
}

/* ---- what is known ---- */

static struct repair_known *find_known(const struct node_core *core, uint16_t partition, node_id node)
{
	struct repair_known *known = &core->repair.known[(size_t)partition * ROW_MAX];
	for (uint32_t i = 0; i < ROW_MAX; i++) {
		if (known[i].equal_us != 0 && known[i].node == node)
			return &known[i];
	}
	return NULL;
}

/** A place for another node: a free one, or that of one that is no replica any more. */
static struct repair_known *add_known(const struct node_core *core, uint16_t partition)
{
	struct row row = cluster_map_row(core->map, partition);
	struct repair_known *known = &core->repair.known[(size_t)partition * ROW_MAX];
	for (uint32_t i = 0; i < ROW_MAX; i++) {
		if (known[i].equal_us == 0 || row_position(&row, known[i].node) < 0)
			return &known[i];
	}
	KV_UNREACHABLE("a row has no more than ROW_MAX nodes, this one among them");
}

void repair_note_equal(struct node_core *core, uint16_t partition, node_id node, usec_t at_us)
{
	struct repair_known *known = find_known(core, partition, node);
	if (!known)
		known = add_known(core, partition);
	known->node = node;
	known->equal_us = MAX(known->equal_us, at_us);
}

void repair_note_all_equal(struct node_core *core, node_id node, uint32_t shard, uint32_t shards)
{
	for (uint32_t p = core->config.shard; p < core->map->desc.partitions; p += core->config.shard_count) {
		if (p % shards == shard && roots_share(core, (uint16_t)p, node))
			repair_note_equal(core, (uint16_t)p, node, core->now.mono_us);
	}
}

/* ---- asking ---- */

static void end_round(struct node_core *core, struct repair_peer *r)
{
	usec_t interval_us = core->config.exchange_interval_us;
	r->asking = false;
	r->forced = false;
	r->id = 0;
	r->next_us = core->now.mono_us + interval_us - interval_us / 8 + rng_below(&core->rng, interval_us / 4 + 1);
}

static bool is_for(const struct node_core *core, const struct repair_peer *r, uint32_t p, uint32_t shards)
{
	return p % shards == r->core && roots_share(core, (uint16_t)p, r->node);
}

/** Puts roots of what is shared with the core asked into M: all that are ready, or, if SUM, one for all. */
static bool fill_roots(struct node_core *core, struct repair_peer *r, uint32_t shards, struct msg *m)
{
	struct tree_root *roots = actions_alloc(core->out, core->map->desc.partitions * sizeof roots[0]);
	uint32_t count = 0;
	memset(r->asked, 0, sizeof r->asked);
	for (uint32_t p = core->config.shard; p < core->map->desc.partitions; p += core->config.shard_count) {
		if (!is_for(core, r, p, shards) || !tree_is_ready(core, (uint16_t)p))
			continue;
		set_bit(r->asked, p);
		roots[count++] = (struct tree_root){
			.partition = (uint16_t)p,
			.config_epoch = cluster_map_row(core->map, (uint16_t)p).config_epoch,
		};
	}
	m->tree.roots = roots;
	m->tree.root_count = count;
	if (count == 0)
		return false;
	uint64_t sum;
	if (!r->whole && roots_sum(core, r->node, r->core, shards, &sum)) {
		m->tree.root_count = 1;
		roots[0].config_epoch = 0;
		roots[0].hash = sum;
		return true;
	}
	r->whole = true;
	for (uint32_t i = 0; i < count; i++)
		roots[i].hash = tree_root(core, roots[i].partition);
	return true;
}

/** Asks core r->core, or the next one that shares anything; ends the round behind the last. */
static void ask(struct node_core *core, struct repair_peer *r)
{
	uint32_t shards = core->detector.peers[r->node].shards;
	for (; r->core < shards; r->core++, r->whole = false) {
		struct msg *m = core_msg(core, OP_TREE_ROOTS, core_next_id(core), /* reply= */ false);
		if (!fill_roots(core, r, shards, m))
			continue;
		r->id = m->id;
		r->asked_us = core->now.mono_us;
		r->asked_epoch = core->map->desc.epoch;
		r->until_us = core->now.mono_us + EXCHANGE_TIMEOUT_US;
		core->stats.roots_sent += m->tree.root_count;
		core_send(core, r->node, m);
		return;
	}
	end_round(core, r);
}

void repair_roots_told(struct node_core *core, node_id from, const struct msg *m)
{
	struct repair_peer *r = core->repair.peers[from];
	if (!r || !r->asking || m->id == 0 || m->id != r->id)
		return;
	r->id = 0;
	if (r->asked_epoch != core->map->desc.epoch) {
		end_round(core, r);
		return;
	}
	if (!r->whole && m->tree.root_count > 0) {
		r->whole = true;
		ask(core, r);
		return;
	}
	for (uint32_t i = 0; i < m->tree.root_count; i++) {
		const struct tree_root *root = &m->tree.roots[i];
		if (root->partition >= core->map->desc.partitions || !has_bit(r->asked, root->partition))
			continue;
		r->asked[root->partition / WORD_BITS] &= ~(UINT64_C(1) << root->partition % WORD_BITS);
		if (root->config_epoch == cluster_map_row(core->map, root->partition).config_epoch)
			want(r, root->partition);
	}
	for (uint32_t p = 0; p < core->map->desc.partitions; p++) {
		if (has_bit(r->asked, p))
			repair_note_equal(core, (uint16_t)p, from, r->asked_us);
	}
	r->core++;
	r->whole = false;
	ask(core, r);
}

/* ---- going through what differs ---- */

static void exchanged(struct node_core *core, void *owner, bool complete, hlc_t began)
{
	struct repair_task *task = owner;
	if (complete)
		repair_note_equal(core, task->partition, task->peer->node, task->began_us);
	task->peer = NULL;
}

static bool is_marked(const struct node_core *core, node_id node, uint32_t partition)
{
	const struct hint_target *t = core->hints.targets[node];
	return t && hints_is_dirty(t, partition);
}

/** The next partition that differs and has no exchange, one with a mark first; the number of partitions if there is none. */
static uint32_t pick(const struct node_core *core, const struct repair_peer *r)
{
	uint32_t partitions = core->map->desc.partitions, found = partitions;
	for (uint32_t i = 0; i < partitions; i++) {
		uint32_t p = (r->next + i) % partitions;
		if (!has_bit(r->wanted, p) || exchange_is_running(core, (uint16_t)p))
			continue;
		if (COVER_IF(is_marked(core, r->node, p), repair_marked_first))
			return p;
		if (found == partitions)
			found = p;
	}
	return found;
}

static struct repair_task *free_task(struct repair_peer *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(r->tasks); i++) {
		if (!r->tasks[i].peer)
			return &r->tasks[i];
	}
	KV_UNREACHABLE("a peer has no more exchanges than may be under way in all");
}

/** An exchange mostly waits for writes under way to settle: several go on beside each other. */
static void start_some(struct node_core *core, struct repair_peer *r)
{
	while (r->wanted_count > 0 && core->exchanges.background < EXCHANGE_BACKGROUND_MAX) {
		uint32_t p = pick(core, r);
		if (p == core->map->desc.partitions)
			return;
		struct row row = cluster_map_row(core->map, (uint16_t)p);
		int position = row_position(&row, r->node);
		struct repair_task *task = free_task(r);
		r->next = p + 1;
		want_no_more(r, p);
		*task = (struct repair_task){.peer = r, .partition = (uint16_t)p, .began_us = core->now.mono_us};
		if (position < 0 || !exchange_start_background(core, (uint16_t)p, 1u << position, exchanged, task))
			task->peer = NULL;
	}
}

static void tick_peer(struct node_core *core, node_id node)
{
	struct repair_peer *r = peer_of(core, node);
	usec_t now = core->now.mono_us;
	bool up = detector_state(core, node) == PEER_UP && core->detector.peers[node].shards > 0;
	if (r->asking && (!up || (r->id != 0 && now >= r->until_us)))
		end_round(core, r);
	if (!up || core_yields(core))
		return;
	/* What has come back is compared soon. */
	if (r->up_us != core->detector.peers[node].up_since_us) {
		r->up_us = core->detector.peers[node].up_since_us;
		r->next_us = MIN(r->next_us, now + core->config.exchange_settle_us);
	}
	if (!r->asking && now >= r->next_us) {
		r->core = 0;
		r->whole = false;
		r->asking = core->self < node || r->forced;
		if (r->asking)
			ask(core, r);
		else
			end_round(core, r);
	}
	start_some(core, r);
}

void repair_tick(struct node_core *core)
{
	for (node_id i = 0; i < core->detector.peers_end; i++) {
		if (core->detector.peers[i].known)
			tick_peer(core, i);
	}
}

/* ---- telling ---- */

struct pair_list {
	struct repair_pair *pairs;
	uint32_t count;
};

/** Keeps the oldest pairs, oldest first. */
static void add_pair(struct pair_list *l, const struct repair_pair *pair)
{
	uint32_t at = l->count;
	while (at > 0 && l->pairs[at - 1].equal_age_ms < pair->equal_age_ms)
		at--;
	if (at == REPAIR_PAIRS_MAX)
		return;
	uint32_t behind = MIN(l->count, REPAIR_PAIRS_MAX - 1) - at;
	memmove(&l->pairs[at + 1], &l->pairs[at], behind * sizeof l->pairs[0]);
	l->pairs[at] = *pair;
	l->count = MIN(l->count + 1, REPAIR_PAIRS_MAX);
}

uint64_t repair_equal_age_ms(const struct node_core *core, uint16_t partition, node_id node)
{
	const struct repair_known *known = find_known(core, partition, node);
	return known ? (core->now.mono_us - known->equal_us) / USEC_PER_MSEC : UINT64_MAX;
}

static void report_partition(const struct node_core *core, uint16_t partition, struct msg_repair *ret,
			     struct pair_list *list)
{
	struct row row = cluster_map_row(core->map, partition);
	uint64_t tombstones;
	if (row_position(&row, core->self) < 0)
		return;
	ret->partitions++;
	if (tree_totals(core, partition, NULL, NULL, &tombstones))
		ret->tombstones += tombstones;
	for (uint32_t i = 0; i < row.count; i++) {
		if (row.nodes[i] == core->self)
			continue;
		struct repair_pair pair = {.partition = partition, .peer = row.nodes[i]};
		pair.equal_age_ms = repair_equal_age_ms(core, partition, pair.peer);
		ret->oldest_ms = MAX(ret->oldest_ms, pair.equal_age_ms);
		add_pair(list, &pair);
	}
}

static void report(struct node_core *core, struct msg_repair *ret)
{
	struct pair_list list = {.pairs = actions_alloc(core->out, REPAIR_PAIRS_MAX * sizeof list.pairs[0])};
	*ret = (struct msg_repair){
		.status = KV_OK,
		.shard = core->config.shard,
		.shards = core->config.shard_count,
		.building = trees_building(core),
		.exchanges = core->stats.exchanges,
		.differing = core->stats.exchange_leaves,
		.repaired = core->stats.records_repaired,
		.scrubbed = core->stats.records_scrubbed,
		.corrupt = core->stats.records_corrupt,
	};
	for (uint32_t p = core->config.shard; p < core->map->desc.partitions; p += core->config.shard_count)
		report_partition(core, (uint16_t)p, ret, &list);
	ret->pairs = list.pairs;
	ret->pair_count = list.count;
	gc_report(core, ret);
}

void repair_asked(struct node_core *core, uint64_t client, const struct msg *m)
{
	struct msg *reply = core_msg(core, OP_REPAIR, m->id, /* reply= */ true);
	if (!core->map) {
		reply->repair = (struct msg_repair){.status = KV_NOT_READY, .shards = core->config.shard_count};
		core_reply(core, client, reply);
		return;
	}
	for (node_id i = 0; m->repair.run && i < core->detector.peers_end; i++) {
		struct repair_peer *r = core->detector.peers[i].known ? peer_of(core, i) : NULL;
		if (!r)
			continue;
		r->forced = true;
		r->next_us = core->now.mono_us;
	}
	if (m->repair.scrub)
		scrub_all(core);
	report(core, &reply->repair);
	core_reply(core, client, reply);
}
