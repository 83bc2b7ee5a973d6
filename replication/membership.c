/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/membership.h"

#include "base/hash.h"
#include "replication/core.h"
#include "replication/form.h"
#include "replication/membership_rules.h"

enum { CHANGE_ARENA_MAX = 16 << 10 };

enum change_phase {
	CHANGE_RESERVING, /* asks the node that is to be added who it is */
	CHANGE_WAITING,   /* for the register */
	CHANGE_PROPOSED,
};

enum change_origin { FROM_CLIENT, FROM_NEWCOMER, FROM_NODE };

/** A change on its way into the map. */
struct change {
	struct ilink link;
	enum change_phase phase;
	enum change_origin origin;
	uint64_t client;     /* FROM_CLIENT */
	uint64_t message_id; /* FROM_NEWCOMER: of its request */
	uint32_t message_shard;
	struct change_order order; /* texts in arena */
	uint64_t looked_epoch;     /* of a map that was the newest after this was asked for; 0: none */
	node_id index;             /* RESERVING: the link's, and the node's if nobody else comes first */
	struct slice token;        /* TOKEN: the text */
	uint64_t life;             /* FROM_NODE: the start of the node that told */
	struct slice was;          /* FROM_NODE: its peer address in the map then */
	usec_t deadline_us, resend_us;
	struct arena arena;
};

void membership_init(struct node_core *core) { ilist_init(&core->membership.changes); }

static void change_free(struct change *c)
{
	arena_release(&c->arena);
	free(c);
}

void membership_release(struct node_core *core)
{
	struct ilink *link;
	while ((link = ilist_pop_front(&core->membership.changes)))
		change_free(container_of(link, struct change, link));
	core->membership.count = 0;
	core->membership.proposed = NULL;
}

bool membership_is_busy(const struct node_core *core)
{
	for (struct ilink *l = ilist_first(&core->membership.changes); l;
	     l = ilist_next(&core->membership.changes, l)) {
		if (container_of(l, struct change, link)->phase != CHANGE_RESERVING)
			return true;
	}
	return false;
}

/* ---- answers ---- */

static void answer_client(struct node_core *core, uint64_t client, enum kv_status status, const char *text,
			  struct slice value)
{
	struct msg *m = core_msg(core, OP_CLUSTER_CHANGE, 0, /* reply= */ true);
	m->result.status = status;
	m->result.in_doubt = status == KV_IN_DOUBT;
	m->result.message = actions_copy_slice(core->out, slice_str(text));
	m->result.value = actions_copy_slice(core->out, value);
	core_reply(core, client, m);
}

static void answer_newcomer(struct node_core *core, struct slice address, uint64_t id, uint32_t shard,
			    enum kv_status status, const char *text)
{
	core_peer(core, NODE_GUEST, address);
	core->guest_until_us = core->now.mono_us + FORM_GUEST_US;
	struct msg *m = core_msg(core, OP_JOIN, id, /* reply= */ true);
	m->shard = shard;
	m->join.status = status;
	m->join.message = actions_copy_slice(core->out, slice_str(text));
	core_send(core, NODE_GUEST, m);
}

static void change_end(struct node_core *core, struct change *c, enum kv_status status, const char *text)
{
	struct membership *s = &core->membership;
	if (c->origin == FROM_CLIENT)
		answer_client(core, c->client, status, text, status == KV_OK ? c->token : slice_of(NULL, 0));
	else if (c->origin == FROM_NEWCOMER)
		answer_newcomer(core, c->order.self.peer_address, c->message_id, c->message_shard, status, text);
	/* The link to a node that was asked who it is, unless it is the map's by now. */
	if (c->index != NODE_NONE && c->index >= core->map->desc.node_count)
		core_peer(core, c->index, slice_of(NULL, 0));
	if (s->proposed == c)
		s->proposed = NULL;
	ilist_remove(&c->link);
	s->count--;
	change_free(c);
}

/* ---- into the map ---- */

static void fill_live(const struct node_core *core, bool live[NODES_MAX])
{
	for (node_id i = 0; i < NODES_MAX; i++)
		live[i] = detector_is_reachable(core, i);
}

static void change_decided(struct node_core *core, void *owner, enum map_verdict verdict)
{
	struct change *c = owner;
	KV_ASSERT(core->membership.proposed == c);
	core->membership.proposed = NULL;
	c->phase = CHANGE_WAITING;
	if (verdict == MAP_DONE)
		change_end(core, c, KV_OK, "");
	else if (verdict == MAP_OPEN)
		change_end(
			core, c, KV_IN_DOUBT,
			"no majority of the nodes that decide on the map answered in time; the change may or may not have "
			"been made: look at 'kvctl status', and ask again");
	else if (verdict == MAP_FAILED)
		change_end(core, c, KV_UNAVAILABLE,
			   "no majority of the nodes that decide on the map can be reached; nothing was changed");
	else /* If the next epoch has another map this one was not made; behind a later one it may lie unseen. */
		c->order.may_have_happened |= core->map->desc.epoch > core->map_register.base + 1;
}

/**
 * True for the word of a node about its address that something newer came after: a later start of the node was heard of, or the map
 * gives it another address than it did when it told. What it said may be undone by now, and it is not carried out on top: a
 * node whose address is still wrong tells again.
 */
static bool is_overtaken(const struct node_core *core, const struct change *c)
{
	KV_ASSERT(c->origin == FROM_NODE && c->order.node < NODES_MAX);
	const struct map_node *node = cluster_map_node(core->map, c->order.node);
	return !node || c->life < core->detector.peers[node->index].incarnation ||
	       !slice_equal(node->peer_address, c->was);
}

static void change_looked(struct node_core *core, void *owner, enum map_verdict verdict)
{
	struct change *c = owner;
	KV_ASSERT(core->membership.proposed == c);
	core->membership.proposed = NULL;
	c->phase = CHANGE_WAITING;
	if (verdict == MAP_DONE)
		c->looked_epoch = core->map->desc.epoch;
	else if (verdict != MAP_OTHER)
		change_end(core, c, c->order.may_have_happened ? KV_IN_DOUBT : KV_UNAVAILABLE,
			   "no majority of the nodes that decide on the map can be reached");
}

/**
 * A map that is not the newest says nothing about what was staged, or made, since: whoever asks elsewhere than before would
 * hear that there is nothing to do, or that its token is unknown. True if the newest has to be found first.
 */
static bool change_look(struct node_core *core, struct change *c)
{
	if (c->origin == FROM_NODE || c->looked_epoch == core->map->desc.epoch)
		return false;
	COVER(map_looked_for);
	c->phase = CHANGE_PROPOSED;
	core->membership.proposed = c;
	map_register_look(core, c->deadline_us, change_looked, c);
	return true;
}

/** Proposes the change, or ends it if it cannot be made or has been. */
static void change_propose(struct node_core *core, struct change *c)
{
	if (c->origin == FROM_NODE && is_overtaken(core, c)) {
		change_end(core, c, KV_OK, "");
		return;
	}
	bool live[NODES_MAX];
	struct error err = {0};
	CLEANUP(map_draft_release) struct map_draft draft;
	fill_live(core, live);
	c->order.live = live;
	c->order.now_ms = hlc_ms(core_clock(core));
	map_draft_init(&draft, &core->map->desc);
	enum change_effect effect = change_apply(&draft, &c->order, &err);
	c->order.live = NULL;
	if (effect == CHANGE_DRAFTED && cluster_map_check(&draft.desc, &err) != KV_OK)
		effect = CHANGE_REFUSED;
	if (effect != CHANGE_DRAFTED && change_look(core, c))
		return;
	if (effect == CHANGE_NOTHING) {
		change_end(core, c, KV_OK, "");
	} else if (effect == CHANGE_REFUSED) {
		change_end(core, c, err.status, err.message);
	} else {
		c->phase = CHANGE_PROPOSED;
		core->membership.proposed = c;
		map_register_propose(core, &draft.desc, c->deadline_us, change_decided, c);
	}
}

static void propose_first(struct node_core *core)
{
	struct ilink *link = ilist_first(&core->membership.changes);
	while (link && !map_register_is_busy(core)) {
		struct change *c = container_of(link, struct change, link);
		link = ilist_next(&core->membership.changes, link);
		if (c->phase == CHANGE_WAITING)
			change_propose(core, c);
	}
}

/* ---- asking for one ---- */

static struct change *change_new(struct node_core *core, enum change_origin origin, enum change_kind kind,
				 usec_t deadline_us)
{
	struct membership *s = &core->membership;
	if (s->count == CHANGES_MAX)
		return NULL;
	struct change *c = xcalloc(1, sizeof *c);
	c->origin = origin;
	c->phase = CHANGE_WAITING;
	c->order.kind = kind;
	c->order.node = NODE_NONE;
	c->index = NODE_NONE;
	c->deadline_us = deadline_us;
	c->arena = ARENA_INIT(CHANGE_ARENA_MAX);
	ilist_push_back(&s->changes, &c->link);
	s->count++;
	return c;
}

static struct slice keep(struct change *c, struct slice text)
{
	struct slice copy = arena_copy(&c->arena, text);
	KV_ASSERT(copy.size == text.size);
	return copy;
}

static void keep_self(struct change *c, const struct map_node *self)
{
	c->order.self = *self;
	c->order.self.name = keep(c, self->name);
	c->order.self.peer_address = keep(c, self->peer_address);
	c->order.self.client_address = keep(c, self->client_address);
	c->order.self.zone = keep(c, self->zone);
}

static void send_reserve(struct node_core *core, struct change *c)
{
	struct msg *m = core_msg(core, OP_INIT_RESERVE, core_next_id(core), /* reply= */ false);
	m->init = (struct msg_init){.cluster = core->map->desc.cluster,
				    .from = core->self,
				    .index = c->index,
				    .from_address = core->config.peer_address};
	core_send(core, c->index, m);
	c->resend_us = core->now.mono_us + FORM_RESEND_US;
}

/** An index that neither the map nor another change has; NODE_NONE if there is none left. */
static node_id free_index(const struct node_core *core)
{
	uint32_t index = core->map->desc.node_count;
	for (struct ilink *l = ilist_first(&core->membership.changes); l;
	     l = ilist_next(&core->membership.changes, l)) {
		const struct change *c = container_of(l, struct change, link);
		if (c->index != NODE_NONE)
			index = MAX(index, c->index + 1u);
	}
	return index < NODES_MAX ? (node_id)index : NODE_NONE;
}

static void start_reserve(struct node_core *core, struct change *c)
{
	node_id index = free_index(core);
	if (index == NODE_NONE) {
		change_end(core, c, KV_REFUSED,
			   "the cluster has had as many nodes as it can ever have: form a new one");
		return;
	}
	c->index = index;
	c->phase = CHANGE_RESERVING;
	core_peer(core, index, c->order.address);
	send_reserve(core, c);
}

static uint64_t token_hash(struct slice text) { return hash64(text); }

static void make_token(struct node_core *core, struct change *c, uint64_t ttl_ms)
{
	char *text = arena_alloc(&c->arena, 40);
	KV_ASSERT(text);
	int size = snprintf(text, 40, "kvd-%016llx%016llx", (unsigned long long)rng_next(&core->rng),
			    (unsigned long long)rng_next(&core->rng));
	KV_ASSERT(size > 0 && size < 40);
	c->token = slice_of(text, (size_t)size);
	c->order.token_hash = token_hash(c->token);
	c->order.expires_ms =
		hlc_ms(core_clock(core)) + (ttl_ms ? MIN(ttl_ms, TTL_MS_MAX) : (uint64_t)TOKEN_TTL_DEFAULT_MS);
}

void membership_change(struct node_core *core, uint64_t client, const struct msg *m, usec_t arrived_us)
{
	const struct msg_change *in = &m->change;
	if (!core->map) {
		answer_client(core, client, KV_NOT_READY,
			      "the node is not part of a cluster yet; run 'kvctl cluster init'", slice_of(NULL, 0));
		return;
	}
	if (in->kind == NODE_ADD && in->address.size == 0) {
		answer_client(core, client, KV_INVALID, "the address of the node to be added is missing",
			      slice_of(NULL, 0));
		return;
	}
	usec_t patience_us = (in->deadline_ms ? in->deadline_ms : CHANGE_DEADLINE_MS) * USEC_PER_MSEC;
	struct change *c = change_new(core, FROM_CLIENT, in->kind, arrived_us + patience_us);
	if (!c) {
		answer_client(core, client, KV_OVERLOADED, "this node carries out many changes already; try again",
			      slice_of(NULL, 0));
		return;
	}
	c->client = client;
	c->order.node = in->node;
	c->order.address = keep(c, in->address);
	c->order.client_address = keep(c, in->client_address);
	c->order.features = in->features;
	c->order.weight = in->weight;
	c->order.epoch = in->epoch;
	if (in->kind == CHANGE_TOKEN)
		make_token(core, c, in->ttl_ms);
	if (in->kind == NODE_ADD)
		start_reserve(core, c);
	propose_first(core);
}

bool membership_reserved(struct node_core *core, const struct msg *m)
{
	const struct msg_init *in = &m->init;
	if (!core->map || !uuid_equal(&in->cluster, &core->map->desc.cluster))
		return false;
	for (struct ilink *l = ilist_first(&core->membership.changes); l;
	     l = ilist_next(&core->membership.changes, l)) {
		struct change *c = container_of(l, struct change, link);
		if (c->phase != CHANGE_RESERVING || c->index != in->index)
			continue;
		if (in->status != KV_OK) {
			char text[240];
			snprintf(text, sizeof text, "the node at %.*s cannot be added: %.*s",
				 (int)MIN(c->order.address.size, 100u), (const char *)c->order.address.data,
				 (int)MIN(in->message.size, 100u), (const char *)in->message.data);
			change_end(core, c, KV_REFUSED, text);
			return true;
		}
		keep_self(c, &in->self);
		c->phase = CHANGE_WAITING;
		propose_first(core);
		return true;
	}
	return false;
}

void membership_told(struct node_core *core, node_id from, const struct msg *m)
{
	const struct msg_change *in = &m->change;
	uint64_t life = m->id >> 40; /* message ids count up from the number of the start */
	const struct map_node *node = cluster_map_node(core->map, from);
	if (in->kind != CHANGE_ADDRESS || in->node != from || !node)
		return;
	struct peer *p = &core->detector.peers[from];
	if (life < p->incarnation)
		return; /* late or doubled: the node has been started anew since, maybe elsewhere */
	if (from != core->self) {
		detector_hear_life(p, life);
		/* At once: its vote may be needed for the map that says so to everyone. */
		if (in->address.size > 0)
			core_peer(core, from, in->address);
	}
	if (relocation_is_known(node, in->address, in->client_address, in->features))
		return; /* only this node's link was wrong */
	for (struct ilink *l = ilist_first(&core->membership.changes); l;
	     l = ilist_next(&core->membership.changes, l)) {
		const struct change *c = container_of(l, struct change, link);
		if (c->origin == FROM_NODE && c->order.node == from && c->life == life)
			return; /* asked again */
	}
	struct change *c =
		change_new(core, FROM_NODE, CHANGE_ADDRESS, core->now.mono_us + CHANGE_DEADLINE_MS * USEC_PER_MSEC);
	if (!c)
		return;
	c->life = life;
	c->was = keep(c, node->peer_address);
	c->order.node = from;
	c->order.address = keep(c, in->address);
	c->order.features = in->features;
	c->order.client_address = keep(c, in->client_address);
	propose_first(core);
}

/* ---- joining by token ---- */

void membership_join(struct node_core *core, const struct msg *m)
{
	const struct msg_join *in = &m->join;
	if (in->self.peer_address.size == 0 || uuid_is_zero(&in->self.uuid))
		return;
	if (!core->map) {
		answer_newcomer(core, in->self.peer_address, m->id, m->shard, KV_NOT_READY,
				"the node asked is not part of a cluster itself");
		return;
	}
	for (struct ilink *l = ilist_first(&core->membership.changes); l;
	     l = ilist_next(&core->membership.changes, l)) {
		const struct change *c = container_of(l, struct change, link);
		if (c->order.kind == NODE_ADD && uuid_equal(&c->order.self.uuid, &in->self.uuid))
			return; /* asked again */
	}
	struct change *c =
		change_new(core, FROM_NEWCOMER, NODE_ADD, core->now.mono_us + CHANGE_DEADLINE_MS * USEC_PER_MSEC);
	if (!c)
		return;
	c->message_id = m->id;
	c->message_shard = m->shard;
	c->order.by_token = true;
	c->order.token_hash = token_hash(in->token);
	keep_self(c, &in->self);
	propose_first(core);
}

/** An empty node that was given a token asks one seed after the other. */
static void ask_to_join(struct node_core *core)
{
	struct membership *s = &core->membership;
	const struct core_config *config = &core->config;
	if (config->join_token.size == 0 || config->seed_count == 0 || core->form)
		return;
	/* While it takes part in forming a cluster its links are that one's. */
	if (core->now.mono_us < s->join_us || core->now.mono_us < core->reserved_until_us)
		return;
	COVER(join_asked);
	s->join_us = core->now.mono_us + JOIN_RETRY_US;
	node_id to = (node_id)(s->join_seed++ % config->seed_count);
	core_peer(core, to, config->seeds[to]);
	struct msg *m = core_msg(core, OP_JOIN, core_next_id(core), /* reply= */ false);
	m->join.token = config->join_token;
	m->join.self = form_describe_self(core, 0);
	core_send(core, to, m);
}

void membership_joined(struct node_core *core, const struct msg *m)
{
	const struct msg_join *in = &m->join;
	bool asked = core->config.join_token.size > 0 && m->id >> 40 == core->config.incarnation;
	/* What an earlier start of this node asked may have been answered otherwise than what this one asks. */
	if (core->map || !asked)
		return;
	if (in->status == KV_OK) {
		core->membership.join_us = core->now.mono_us + 5 * JOIN_RETRY_US; /* the map is on its way */
	} else if (status_class(in->status) == STATUS_FINAL) {
		char text[240];
		snprintf(text, sizeof text, "this node was not admitted to the cluster: %.*s",
			 (int)MIN(in->message.size, 180u), (const char *)in->message.data);
		core_stop(core, KV_REFUSED, text);
	}
}

/* ---- the map, time ---- */

void membership_map_changed(struct node_core *core)
{
	struct membership *s = &core->membership;
	if (core->config.shard != 0)
		return;
	/* Links to seeds that the map has not given to a node. */
	for (uint32_t i = core->map->desc.node_count; i < core->config.seed_count && s->join_seed > 0; i++)
		core_peer(core, (node_id)i, slice_of(NULL, 0));
	s->join_seed = 0;
	/* A map that does not have what a node has told here has pointed the link to it back to where it was. */
	for (struct ilink *l = ilist_first(&s->changes); l; l = ilist_next(&s->changes, l)) {
		const struct change *c = container_of(l, struct change, link);
		if (c->origin == FROM_NODE && c->order.node != core->self && c->order.address.size > 0 &&
		    !is_overtaken(core, c))
			core_peer(core, c->order.node, c->order.address);
	}
}

static void change_tick(struct node_core *core, struct change *c)
{
	bool late = core->now.mono_us >= c->deadline_us;
	if (c->phase == CHANGE_RESERVING && late)
		change_end(
			core, c, KV_REFUSED,
			"the node to be added did not answer in time; check that it runs and its peer address is reachable");
	else if (c->phase == CHANGE_RESERVING && c->index < core->map->desc.node_count)
		start_reserve(core, c); /* another node has the index by now */
	else if (c->phase == CHANGE_RESERVING && core->now.mono_us >= c->resend_us)
		send_reserve(core, c);
	else if (c->phase == CHANGE_WAITING && late)
		change_end(core, c, c->order.may_have_happened ? KV_IN_DOUBT : KV_UNAVAILABLE,
			   "other changes of the cluster came first; try again");
}

void membership_tick(struct node_core *core)
{
	if (core->config.shard != 0)
		return;
	if (!core->map) {
		ask_to_join(core);
		return;
	}
	relocation_tick(core);
	struct ilink *link = ilist_first(&core->membership.changes);
	while (link) {
		struct change *c = container_of(link, struct change, link);
		link = ilist_next(&core->membership.changes, link);
		change_tick(core, c);
	}
	propose_first(core);
}
