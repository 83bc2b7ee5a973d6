/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/membership_rules.h"

#include "base/cover.h"
#include "base/status.h"
#include "replication/quorum.h"

static enum change_effect refuse(struct error *err, enum kv_status status, const char *text)
{
	(void)!error_set(err, status, "%s", text);
	return CHANGE_REFUSED;
}

/** NODE is called by its name, if it has one. */
static enum change_effect refuse_node(const struct map_desc *map, struct error *err, enum kv_status status,
				      node_id node, const char *text)
{
	struct slice name = node < map->node_count ? map->nodes[node].name : (struct slice){0};
	if (name.size > 0)
		(void)!error_set(err, status, "node %.*s %s", (int)name.size, (const char *)name.data, text);
	else
		(void)!error_set(err, status, "node %u %s", node, text);
	return CHANGE_REFUSED;
}

/**
 * An earlier try may have been made, and undone or used since: to make it again would do what nobody asked for twice, or begin
 * what nobody looked at.
 */
static enum change_effect refuse_in_doubt(struct error *err)
{
	return refuse(
		err, KV_IN_DOUBT,
		"other changes of the cluster came in between; this one may or may not have been made: look at "
		"'kvctl status', and ask again");
}

/* ---- what would be left ---- */

/** The node staged to take the place of NODE, or NULL. */
static const struct map_node *replacement_of(const struct map_desc *map, node_id node)
{
	for (uint32_t i = 0; i < map->node_count; i++) {
		if (map->nodes[i].state == NODE_STAGED && map->nodes[i].replaces == node)
			return &map->nodes[i];
	}
	return NULL;
}

/** What NODE will be once everything staged has begun. */
static enum node_state state_to_be(const struct map_desc *map, node_id node)
{
	const struct map_node *n = &map->nodes[node];
	if (n->gone_staged || replacement_of(map, node))
		return NODE_REMOVED;
	if (n->leave_staged)
		return NODE_LEAVING;
	if (n->keep_staged)
		return NODE_NORMAL;
	return n->state == NODE_STAGED ? NODE_JOINING : n->state;
}

static bool enough_stay(const struct map_desc *map, struct error *err)
{
	uint32_t usable = 0;
	for (uint32_t i = 0; i < map->node_count; i++) {
		enum node_state state = state_to_be(map, (node_id)i);
		usable += state == NODE_JOINING || state == NODE_NORMAL;
	}
	if (usable >= map->replicas)
		return true;
	(void)!error_set(err, KV_REFUSED, "%u nodes would be left for %u replicas of each key: add others first",
			 usable, map->replicas);
	return false;
}

/** Every key must keep a majority of replicas on nodes that are not given up. */
static bool majorities_stay(const struct map_desc *map, struct error *err)
{
	bool dead[NODES_MAX] = {false};
	for (uint32_t i = 0; i < map->node_count; i++)
		dead[i] = state_to_be(map, (node_id)i) == NODE_REMOVED;
	for (uint32_t p = 0; p < map->partitions; p++) {
		const node_id *row = map->rows + (size_t)p * map->replicas;
		uint32_t alive = 0;
		for (uint32_t i = 0; i < map->replicas; i++)
			alive += !dead[row[i]];
		if (alive >= quorum_majority(map->replicas))
			continue;
		(void)!error_set(
			err, KV_REFUSED,
			"partition %u would have %u of %u replicas left, no majority: what was acknowledged may be "
			"lost; 'kvctl unsafe recover' does that",
			p, alive, map->replicas);
		return false;
	}
	return true;
}

/* ---- nodes that come ---- */

static const struct map_node *find_node(const struct map_desc *map, const struct uuid *uuid)
{
	for (uint32_t i = 0; i < map->node_count; i++) {
		if (uuid_equal(&map->nodes[i].uuid, uuid))
			return &map->nodes[i];
	}
	return NULL;
}

/** The node that stays and is reached at ADDRESS, or NULL. EXCEPT does not count. */
static const struct map_node *node_at(const struct map_desc *map, struct slice address, node_id except)
{
	for (uint32_t i = 0; i < map->node_count; i++) {
		const struct map_node *node = &map->nodes[i];
		if (node->index != except && state_to_be(map, node->index) != NODE_REMOVED &&
		    slice_equal(node->peer_address, address))
			return node;
	}
	return NULL;
}

static bool may_be_given_up(const struct map_desc *map, const struct change_order *o, struct error *err)
{
	if (o->node >= map->node_count)
		(void)refuse_node(map, err, KV_INVALID, o->node, "is not in the cluster");
	else if (map->nodes[o->node].state == NODE_STAGED)
		(void)refuse_node(map, err, KV_REFUSED, o->node,
				  "is only staged: 'kvctl cluster discard' takes that back");
	else if (o->live[o->node])
		(void)refuse_node(map, err, KV_REFUSED, o->node,
				  "answers: let it give its data away with 'kvctl node remove', or stop it first");
	else
		return true;
	return false;
}

static bool use_token(struct map_desc *map, const struct change_order *o)
{
	for (uint32_t i = 0; i < map->token_count; i++) {
		if (map->tokens[i].hash != o->token_hash || map->tokens[i].expires_ms <= o->now_ms)
			continue;
		map->tokens[i] = map->tokens[--map->token_count];
		return true;
	}
	return false;
}

/**
 * A newcomer that was started at another address before it had its first map would wait for that map where nobody sends it: it has
 * no map to compare with, and asks to be added again. Nodes that have one tell their address themselves.
 */
static enum change_effect move_newcomer(struct map_draft *d, const struct map_node *known,
					const struct change_order *o, struct error *err)
{
	struct slice peer = o->self.peer_address, client = o->self.client_address;
	bool waits = known->state == NODE_STAGED || known->state == NODE_JOINING;
	if (!waits || peer.size == 0 || slice_equal(peer, known->peer_address))
		return CHANGE_NOTHING;
	const struct map_node *other = node_at(&d->desc, peer, known->index);
	if (other && other->index != o->node)
		return refuse_node(&d->desc, err, KV_REFUSED, other->index, "already has that address");
	map_draft_address(d, known->index, peer, client);
	return CHANGE_DRAFTED;
}

/** Somebody with this identity is known. */
static enum change_effect add_again(struct map_draft *d, const struct map_node *known, const struct change_order *o,
				    struct error *err)
{
	if (known->state == NODE_REMOVED)
		return refuse_node(&d->desc, err, KV_REFUSED, known->index,
				   "had that identity, which is spent: start it with an empty data directory");
	enum change_effect effect = move_newcomer(d, known, o, err);
	if (effect == CHANGE_REFUSED || o->node == NODE_NONE ||
	    (known->state == NODE_STAGED && known->replaces == o->node))
		return effect;
	if (known->state != NODE_STAGED)
		return refuse_node(&d->desc, err, KV_REFUSED, known->index, "is already part of the cluster");
	d->nodes[known->index].replaces = o->node;
	return CHANGE_DRAFTED;
}

static enum change_effect add_node(struct map_draft *d, const struct change_order *o, struct error *err)
{
	const struct map_desc *map = &d->desc;
	const struct map_node *known = find_node(map, &o->self.uuid);
	bool replaces = o->node != NODE_NONE;
	if (known && (!replaces || known->state == NODE_REMOVED))
		return add_again(d, known, o, err);
	if (o->by_token && !use_token(&d->desc, o))
		return refuse(err, KV_DENIED,
			      "the join token is unknown, used up or expired: 'kvctl cluster token' makes another");
	if (replaces && !may_be_given_up(map, o, err))
		return CHANGE_REFUSED;
	const struct map_node *rival = replaces ? replacement_of(map, o->node) : NULL;
	if (rival && rival != known)
		return refuse_node(&d->desc, err, KV_REFUSED, o->node, "is already being replaced");
	enum change_effect effect = CHANGE_DRAFTED;
	if (known) {
		effect = add_again(d, known, o, err);
	} else {
		const struct map_node *other = node_at(map, o->self.peer_address, o->node);
		if (other)
			return refuse_node(
				&d->desc, err, KV_REFUSED, other->index,
				"already has that address: if it is dead, put the new one in its place with 'kvctl node replace'");
		if (feature_level_of(o->self.features) < map->feature_level) {
			(void)!error_set(
				err, KV_REFUSED,
				"the cluster is at feature level %llu and that node can do %u: install a newer version there",
				(unsigned long long)map->feature_level, feature_level_of(o->self.features));
			return CHANGE_REFUSED;
		}
		struct map_node node = o->self;
		node.index = (node_id)map->node_count;
		node.state = NODE_STAGED;
		node.replaces = o->node;
		node.weight = MAX(node.weight, 1u);
		node.leave_staged = node.gone_staged = node.keep_staged = false;
		if (!map_draft_add(d, &node))
			return refuse(err, KV_REFUSED,
				      "the cluster has had as many nodes as it can ever have: form a new one");
	}
	if (effect == CHANGE_DRAFTED && replaces && !majorities_stay(map, err))
		return CHANGE_REFUSED;
	return effect;
}

/* ---- nodes that go ---- */

static enum change_effect leave(struct map_draft *d, const struct change_order *o, struct error *err)
{
	if (o->node >= d->desc.node_count)
		return refuse_node(&d->desc, err, KV_INVALID, o->node, "is not in the cluster");
	struct map_node *node = &d->nodes[o->node];
	if (node->state == NODE_STAGED)
		return refuse_node(&d->desc, err, KV_REFUSED, o->node,
				   "is only staged: 'kvctl cluster discard' takes that back");
	if (node->gone_staged)
		return refuse_node(&d->desc, err, KV_REFUSED, o->node, "is staged to be given up");
	bool leaves = node->leave_staged || node->state == NODE_LEAVING || node->state == NODE_REMOVED;
	if (leaves && !node->keep_staged)
		return CHANGE_NOTHING;
	node->leave_staged = node->state != NODE_LEAVING;
	node->keep_staged = false;
	return enough_stay(&d->desc, err) ? CHANGE_DRAFTED : CHANGE_REFUSED;
}

/** What is staged about the node is taken back at once; what was committed, by a commit. */
static enum change_effect keep(struct map_draft *d, const struct change_order *o, struct error *err)
{
	if (o->node >= d->desc.node_count)
		return refuse_node(&d->desc, err, KV_INVALID, o->node, "is not in the cluster");
	struct map_node *node = &d->nodes[o->node];
	if (node->state == NODE_REMOVED)
		return refuse_node(&d->desc, err, KV_REFUSED, o->node,
				   "is removed, and its identity is spent: start it with an empty data directory "
				   "and add it");
	if (node->state == NODE_STAGED)
		return refuse_node(&d->desc, err, KV_REFUSED, o->node,
				   "is only staged: 'kvctl cluster commit' lets it join");
	if (replacement_of(&d->desc, o->node))
		return refuse_node(&d->desc, err, KV_REFUSED, o->node,
				   "is being replaced: 'kvctl cluster discard' takes that back");
	bool was_staged = node->leave_staged || node->gone_staged;
	bool leaves = node->state == NODE_LEAVING && !node->keep_staged;
	node->leave_staged = node->gone_staged = false;
	node->keep_staged = node->state == NODE_LEAVING;
	return was_staged || leaves ? CHANGE_DRAFTED : CHANGE_NOTHING;
}

static enum change_effect give_up(struct map_draft *d, const struct change_order *o, struct error *err)
{
	if (o->node < d->desc.node_count &&
	    (d->nodes[o->node].gone_staged || d->nodes[o->node].state == NODE_REMOVED))
		return CHANGE_NOTHING;
	if (!may_be_given_up(&d->desc, o, err))
		return CHANGE_REFUSED;
	d->nodes[o->node].gone_staged = true;
	d->nodes[o->node].leave_staged = d->nodes[o->node].keep_staged = false;
	bool may = enough_stay(&d->desc, err) && majorities_stay(&d->desc, err);
	return may ? CHANGE_DRAFTED : CHANGE_REFUSED;
}

/* ---- what is staged ---- */

static enum change_effect commit(struct map_draft *d, const struct change_order *o, struct error *err)
{
	bool staged = false;
	for (uint32_t i = 0; i < d->desc.node_count; i++)
		staged |= map_node_is_staged(&d->nodes[i]);
	if (o->may_have_happened)
		return refuse_in_doubt(err);
	if (!staged)
		return refuse(err, KV_INVALID, "nothing is staged: add, remove or replace a node first");
	if (o->epoch != 0 && o->epoch != d->desc.epoch - 1)
		return refuse(err, KV_CONFLICT,
			      "the cluster has changed since that plan was made: look at it again");
	if (!enough_stay(&d->desc, err) || !majorities_stay(&d->desc, err))
		return CHANGE_REFUSED;
	(void)map_draft_commit(d);
	return CHANGE_DRAFTED;
}

static enum change_effect discard(struct map_draft *d)
{
	bool staged = false;
	for (uint32_t i = 0; i < d->desc.node_count; i++) {
		struct map_node *node = &d->nodes[i];
		staged |= map_node_is_staged(node);
		node->leave_staged = node->gone_staged = node->keep_staged = false;
		if (node->state == NODE_STAGED) {
			node->state = NODE_REMOVED;
			node->replaces = 0;
		}
	}
	return staged ? CHANGE_DRAFTED : CHANGE_NOTHING;
}

/* ---- the rest ---- */

static enum change_effect pause(struct map_draft *d, bool paused)
{
	if (d->desc.paused == paused)
		return CHANGE_NOTHING;
	d->desc.paused = paused;
	return CHANGE_DRAFTED;
}

static void drop_expired(struct map_desc *map, uint64_t now_ms)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < map->token_count; i++) {
		if (map->tokens[i].expires_ms > now_ms)
			map->tokens[kept++] = map->tokens[i];
	}
	map->token_count = kept;
}

static enum change_effect make_token(struct map_draft *d, const struct change_order *o, struct error *err)
{
	for (uint32_t i = 0; i < d->desc.token_count; i++) {
		if (d->desc.tokens[i].hash == o->token_hash)
			return CHANGE_NOTHING;
	}
	drop_expired(&d->desc, o->now_ms);
	if (d->desc.token_count == TOKENS_MAX)
		return refuse(err, KV_REFUSED, "16 join tokens are open: use them, or wait until they expire");
	d->desc.tokens[d->desc.token_count++] =
		(struct map_token){.hash = o->token_hash, .expires_ms = o->expires_ms};
	return CHANGE_DRAFTED;
}

static enum change_effect set_address(struct map_draft *d, const struct change_order *o, struct error *err)
{
	if (o->node >= d->desc.node_count || d->nodes[o->node].state == NODE_REMOVED)
		return refuse_node(&d->desc, err, KV_INVALID, o->node, "is not in the cluster");
	const struct map_node *node = &d->nodes[o->node];
	struct slice peer = o->address.size > 0 ? o->address : node->peer_address;
	struct slice client = o->client_address.size > 0 ? o->client_address : node->client_address;
	bool same = slice_equal(peer, node->peer_address) && slice_equal(client, node->client_address);
	if (same && node->features == o->features)
		return CHANGE_NOTHING;
	const struct map_node *other = same ? NULL : node_at(&d->desc, peer, o->node);
	if (other)
		return refuse_node(&d->desc, err, KV_REFUSED, other->index, "already has that address");
	map_draft_address(d, o->node, peer, client);
	d->nodes[o->node].features = o->features;
	return CHANGE_DRAFTED;
}

/** Only upwards: what a level brought may be on disk from then on. Nodes that are still to come are asked too. */
static enum change_effect finalize(struct map_draft *d, struct error *err)
{
	uint32_t lowest = 64, highest = 0;
	node_id behind = NODE_NONE;
	for (uint32_t i = 0; i < d->desc.node_count; i++) {
		const struct map_node *node = &d->nodes[i];
		if (node->state == NODE_REMOVED)
			continue;
		uint32_t level = feature_level_of(node->features);
		highest = MAX(highest, level);
		if (level < lowest) {
			lowest = level;
			behind = node->index;
		}
	}
	if (lowest < highest) {
		const struct map_node *node = &d->nodes[behind];
		(void)!error_set(err, KV_REFUSED,
				 "node %.*s can do feature level %u, others %u: upgrade every node first",
				 (int)MIN(node->name.size, 64u), (const char *)node->name.data, lowest, highest);
		return CHANGE_REFUSED;
	}
	if (lowest <= d->desc.feature_level)
		return CHANGE_NOTHING;
	d->desc.feature_level = lowest;
	return CHANGE_DRAFTED;
}

static enum change_effect set_weight(struct map_draft *d, const struct change_order *o, struct error *err)
{
	if (o->node >= d->desc.node_count || d->nodes[o->node].state == NODE_REMOVED)
		return refuse_node(&d->desc, err, KV_INVALID, o->node, "is not in the cluster");
	if (o->weight < 1 || o->weight > WEIGHT_MAX) {
		(void)!error_set(err, KV_INVALID, "weight is %u: must be 1 to %u", o->weight, WEIGHT_MAX);
		return CHANGE_REFUSED;
	}
	if (d->nodes[o->node].weight == o->weight)
		return CHANGE_NOTHING;
	d->nodes[o->node].weight = o->weight;
	return CHANGE_DRAFTED;
}

static enum change_effect apply(struct map_draft *draft, const struct change_order *order, struct error *err)
{
	switch (order->kind) {
	case NODE_ADD:
		return add_node(draft, order, err);
	case NODE_LEAVE:
		return leave(draft, order, err);
	case NODE_GONE:
		return give_up(draft, order, err);
	case NODE_KEEP:
		return keep(draft, order, err);
	case CHANGE_COMMIT:
		return commit(draft, order, err);
	case CHANGE_DISCARD:
		return discard(draft);
	case CHANGE_PAUSE:
		return pause(draft, true);
	case CHANGE_RESUME:
		return pause(draft, false);
	case CHANGE_TOKEN:
		return make_token(draft, order, err);
	case CHANGE_ADDRESS:
		return set_address(draft, order, err);
	case CHANGE_WEIGHT:
		return set_weight(draft, order, err);
	case CHANGE_FINALIZE:
		return finalize(draft, err);
	}
	return refuse(err, KV_UNSUPPORTED, "this version does not know that change; upgrade the node");
}

/** Changes that mean something else when they are made again after others. The rest sets what is to be, or is known by its node. */
static bool is_made_once(enum change_kind kind)
{
	return kind == NODE_LEAVE || kind == NODE_GONE || kind == NODE_KEEP || kind == CHANGE_COMMIT ||
	       kind == CHANGE_DISCARD || kind == CHANGE_TOKEN;
}

enum change_effect change_apply(struct map_draft *draft, const struct change_order *order, struct error *err)
{
	KV_ASSERT(order->live);
	enum change_effect effect = apply(draft, order, err);
	bool again = effect == CHANGE_DRAFTED && order->may_have_happened && is_made_once(order->kind);
	return again ? refuse_in_doubt(err) : effect;
}
