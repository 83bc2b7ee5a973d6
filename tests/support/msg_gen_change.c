/* SPDX-License-Identifier: Apache-2.0 */
/* Random maps, and random messages of a cluster that changes. */
#include "proto/opcode.h"
#include "tests/support/msg_gen_parts.h"

struct map_node msg_gen_node(struct rng *rng, struct arena *arena, node_id index)
{
	struct map_node node = {
		.index = index,
		.uuid = uuid(rng),
		.state = (enum node_state)rng_between(rng, NODE_JOINING, NODE_STAGED),
		.leave_staged = rng_chance(rng, 200000),
		.keep_staged = rng_chance(rng, 200000),
		.gone_staged = rng_chance(rng, 200000),
		.name = bytes(rng, arena, 0, NAME_SIZE_MAX),
		.peer_address = bytes(rng, arena, 0, ADDRESS_SIZE_MAX),
		.client_address = bytes(rng, arena, 0, ADDRESS_SIZE_MAX),
		.zone = bytes(rng, arena, 0, NAME_SIZE_MAX),
		.weight = number32(rng),
		.features = number(rng, 64),
	};
	if (node.state == NODE_STAGED)
		node.replaces = rng_chance(rng, 500000) ? NODE_NONE : (node_id)rng_below(rng, NODES_MAX);
	return node;
}

void msg_gen_row(struct rng *rng, uint32_t node_count, uint32_t count, node_id *ret)
{
	uint64_t first = rng_below(rng, node_count);
	for (uint32_t i = 0; i < count; i++)
		ret[i] = (node_id)((first + i) % node_count);
}

static void gen_moves(struct rng *rng, struct arena *arena, struct map_desc *map)
{
	map->move_count = (uint32_t)rng_below(rng, 8);
	struct map_move *moves = allocate(arena, map->move_count * sizeof *moves);
	uint32_t most = MIN(map->node_count, REPLICAS_MAX);
	for (uint32_t i = 0; i < map->move_count; i++) {
		moves[i].partition = (uint16_t)rng_below(rng, map->partitions);
		moves[i].old_count = (uint16_t)rng_between(rng, 0, most);
		moves[i].new_count = (uint16_t)rng_between(rng, 0, most);
		msg_gen_row(rng, map->node_count, moves[i].old_count, moves[i].old_row);
		msg_gen_row(rng, map->node_count, moves[i].new_count, moves[i].new_row);
		moves[i].session = uuid_or_none(rng);
	}
	map->moves = moves;
}

void msg_gen_map(struct rng *rng, struct arena *arena, struct map_desc *ret)
{
	*ret = (struct map_desc){.cluster = uuid(rng)};
	ret->name = bytes(rng, arena, 0, NAME_SIZE_MAX);
	ret->epoch = number(rng, 64) | 1;
	ret->partitions = PARTITIONS_MIN << rng_below(rng, rng_chance(rng, 50000) ? 9 : 4);
	ret->node_count = length(rng, 1, NODES_MAX);
	ret->replicas = (uint32_t)rng_between(rng, 1, MIN(ret->node_count, REPLICAS_MAX));
	struct map_node *nodes = allocate(arena, ret->node_count * sizeof *nodes);
	for (uint32_t i = 0; i < ret->node_count; i++)
		nodes[i] = msg_gen_node(rng, arena, (node_id)i);
	ret->nodes = nodes;
	node_id *rows = allocate(arena, (size_t)ret->partitions * ret->replicas * sizeof *rows);
	uint64_t *epochs = allocate(arena, ret->partitions * sizeof *epochs);
	for (uint32_t p = 0; p < ret->partitions; p++) {
		msg_gen_row(rng, ret->node_count, ret->replicas, &rows[p * ret->replicas]);
		epochs[p] = number(rng, 64);
	}
	ret->rows = rows;
	ret->config_epochs = epochs;
	gen_moves(rng, arena, ret);
	ret->voter_count = (uint32_t)rng_between(rng, 0, MIN(ret->node_count, VOTERS_MAX));
	msg_gen_row(rng, ret->node_count, ret->voter_count, ret->voters);
	ret->token_count = (uint32_t)rng_between(rng, 0, TOKENS_MAX);
	for (uint32_t i = 0; i < ret->token_count; i++)
		ret->tokens[i] = (struct map_token){.hash = number(rng, 64), .expires_ms = number(rng, 64)};
	ret->paused = rng_chance(rng, 500000);
	ret->feature_level = number(rng, 64);
}

static void gen_vote(struct rng *rng, struct arena *arena, const struct msg *m, struct msg_vote *v)
{
	v->ballot = version_not_zero(rng);
	v->epoch = number(rng, 64) | 1;
	v->promised = version(rng);
	v->accepted = version(rng);
	v->status = status(rng);
	if (m->opcode == OP_MAP_PREPARE && !m->reply)
		return;
	if (m->reply && coin(rng))
		return;
	struct map_desc *map = allocate(arena, sizeof *map);
	msg_gen_map(rng, arena, map);
	v->map = map;
	v->epoch = map->epoch;
}

static void gen_join(struct rng *rng, struct arena *arena, bool reply, struct msg_join *j)
{
	j->token = bytes(rng, arena, 0, TOKEN_SIZE_MAX);
	j->status = status(rng);
	j->message = bytes(rng, arena, 0, MESSAGE_SIZE_MAX);
	j->self.index = NODE_NONE;
	if (!reply)
		j->self = msg_gen_node(rng, arena, node(rng));
}

static void gen_move(struct rng *rng, struct arena *arena, const struct msg *m, struct msg_move *v)
{
	v->partition = (uint16_t)rng_below(rng, PARTITIONS_MAX);
	v->session = uuid_or_none(rng);
	v->fence = number(rng, 64);
	v->seal = version(rng);
	v->drop = version(rng);
	v->keys = number(rng, 64);
	v->bytes = number(rng, 64);
	v->cursor = bytes(rng, arena, 0, CURSOR_SIZE_MAX);
	v->done = coin(rng);
	v->stage = (enum move_stage)rng_between(rng, m->opcode == OP_MOVE_REPORT ? MOVE_OPENING : 0, MOVE_DONE);
	v->keys_done = number(rng, 64);
	v->bytes_done = number(rng, 64);
	v->bytes_per_sec = number(rng, 64);
	v->source = node(rng);
	v->retries = number32(rng);
	v->message = bytes(rng, arena, 0, MOVE_MESSAGE_MAX);
	v->status = status(rng);
	if (m->opcode == OP_MOVE_PULL && m->reply)
		v->page = bytes(rng, arena, 0, 1u << 16);
}

static void gen_tree(struct rng *rng, struct arena *arena, const struct msg *m, struct msg_tree *t)
{
	t->root_count = m->opcode == OP_TREE_ROOTS ? length(rng, 0, PARTITIONS_MAX) : 0;
	struct tree_root *roots = allocate(arena, t->root_count * sizeof *roots);
	for (uint32_t i = 0; i < t->root_count; i++)
		roots[i] = (struct tree_root){
			.partition = (uint16_t)rng_below(rng, PARTITIONS_MAX),
			.config_epoch = number(rng, 64),
			.hash = number(rng, 64),
		};
	t->roots = roots;
	t->partition = (uint16_t)rng_below(rng, PARTITIONS_MAX);
	t->leaf = (uint16_t)rng_below(rng, LEAVES_PER_PARTITION);
	t->cursor = bytes(rng, arena, 0, CURSOR_SIZE_MAX);
	t->done = coin(rng);
	t->status = status(rng);
	enum { LEAVES_SIZE = TREE_LEAVES_SIZE };
	if (m->opcode == OP_TREE_LEAVES && m->reply && coin(rng))
		t->page = slice_of(allocate(arena, LEAVES_SIZE), LEAVES_SIZE);
	if (m->opcode == OP_TREE_KEYS && m->reply)
		t->page = bytes(rng, arena, 0, 1u << 16);
}

static void gen_change(struct rng *rng, struct arena *arena, struct msg_change *c)
{
	c->kind = (enum change_kind)rng_between(rng, NODE_ADD, NODE_KEEP);
	bool names_node = c->kind == NODE_LEAVE || c->kind == NODE_GONE || c->kind == NODE_KEEP ||
			  c->kind == CHANGE_ADDRESS || c->kind == CHANGE_WEIGHT;
	c->node = names_node || coin(rng) ? (node_id)rng_below(rng, NODES_MAX) : NODE_NONE;
	c->address = bytes(rng, arena, c->kind == NODE_ADD ? 1 : 0, ADDRESS_SIZE_MAX);
	c->client_address = bytes(rng, arena, 0, ADDRESS_SIZE_MAX);
	c->features = number(rng, 64);
	c->weight = number32(rng);
	c->ttl_ms = number(rng, 47);
	c->epoch = number(rng, 64);
	c->deadline_ms = (uint32_t)rng_between(rng, 0, DEADLINE_MAX_MS);
}

static void gen_plan(struct rng *rng, struct arena *arena, struct msg_plan *p)
{
	p->status = status(rng);
	p->message = bytes(rng, arena, 0, MESSAGE_SIZE_MAX);
	p->epoch = number(rng, 64);
	p->staged = coin(rng);
	p->moves = number32(rng);
	p->bytes = number(rng, 64);
	p->duration_ms = number(rng, 64);
	p->duration_busy_ms = number(rng, 64);
	p->survives = number32(rng);
	p->node_count = length(rng, 0, NODES_MAX);
	struct plan_node *nodes = allocate(arena, p->node_count * sizeof *nodes);
	for (uint32_t i = 0; i < p->node_count; i++)
		nodes[i] = (struct plan_node){
			.index = (node_id)rng_below(rng, NODES_MAX),
			.before = number32(rng),
			.after = number32(rng),
			.moves_in = number32(rng),
			.moves_out = number32(rng),
			.bytes_in = number(rng, 64),
			.bytes_out = number(rng, 64),
		};
	p->nodes = nodes;
}

static struct move_status move_status(struct rng *rng, struct arena *arena)
{
	struct move_status v = {
		.partition = (uint16_t)rng_below(rng, PARTITIONS_MAX),
		.old_count = (uint32_t)rng_between(rng, 0, REPLICAS_MAX),
		.new_count = (uint32_t)rng_between(rng, 0, REPLICAS_MAX),
		.node = node(rng),
		.stage = (enum move_stage)rng_between(rng, 0, MOVE_DONE),
		.keys = number(rng, 64),
		.bytes = number(rng, 64),
		.keys_done = number(rng, 64),
		.bytes_done = number(rng, 64),
		.bytes_per_sec = number(rng, 64),
		.source = node(rng),
		.retries = number32(rng),
		.age_ms = number(rng, 64),
		.message = bytes(rng, arena, 0, MOVE_MESSAGE_MAX),
	};
	msg_gen_row(rng, NODES_MAX, v.old_count, v.old_row);
	msg_gen_row(rng, NODES_MAX, v.new_count, v.new_row);
	return v;
}

static void gen_move_list(struct rng *rng, struct arena *arena, struct msg_move_list *l)
{
	l->epoch = number(rng, 64);
	l->waiting = number32(rng);
	l->paused = coin(rng);
	l->count = length(rng, 0, MOVE_LIST_MAX);
	struct move_status *moves = allocate(arena, l->count * sizeof *moves);
	for (uint32_t i = 0; i < l->count; i++)
		moves[i] = move_status(rng, arena);
	l->moves = moves;
}

static void gen_repair(struct rng *rng, struct arena *arena, bool reply, struct msg_repair *r)
{
	*r = (struct msg_repair){
		.shard = number32(rng),
		.run = coin(rng),
		.scrub = coin(rng),
		.status = status(rng),
		.shards = number32(rng),
		.partitions = number32(rng),
		.oldest_ms = number(rng, 64),
		.building = number32(rng),
		.exchanges = number(rng, 64),
		.differing = number(rng, 64),
		.repaired = number(rng, 64),
		.scrubbed = number(rng, 64),
		.corrupt = number(rng, 64),
		.tombstones = number(rng, 64),
		.purge_age_ms = number(rng, 64),
		.purge_blocked = number32(rng),
		.purge_blocked_by = node(rng),
		.pair_count = reply ? length(rng, 0, REPAIR_PAIRS_MAX) : 0,
	};
	struct repair_pair *pairs = allocate(arena, r->pair_count * sizeof *pairs);
	for (uint32_t i = 0; i < r->pair_count; i++)
		pairs[i] = (struct repair_pair){
			.partition = (uint16_t)rng_below(rng, PARTITIONS_MAX),
			.peer = node(rng),
			.equal_age_ms = coin(rng) ? UINT64_MAX : number(rng, 64),
		};
	r->pairs = pairs;
}

static struct record explained_record(struct rng *rng)
{
	return (struct record){
		.ver = version(rng),
		.org = version(rng),
		.weak = coin(rng),
		.tombstone = coin(rng),
		.strong = coin(rng),
		.value_hash = number(rng, 64),
		.value_size = number32(rng),
		.expires_ms = number(rng, 64),
		.fence = number(rng, 64),
		.rid = request_id(rng),
	};
}

static void gen_explanation(struct rng *rng, struct arena *arena, struct msg_explanation *e)
{
	*e = (struct msg_explanation){
		.status = status(rng),
		.message = bytes(rng, arena, 0, MESSAGE_SIZE_MAX),
		.partition = (uint16_t)rng_below(rng, PARTITIONS_MAX),
		.leaf = (uint16_t)rng_below(rng, LEAVES_PER_PARTITION),
		.config_epoch = number(rng, 64),
		.member = (uint32_t)rng_below(rng, 4),
		.serves = coin(rng),
		.stage = (enum move_stage)rng_between(rng, 0, MOVE_DONE),
		.disk = (enum explain_disk)rng_between(rng, 0, EXPLAIN_UNREADABLE),
		.stored_size = number32(rng),
		.in_memory = coin(rng),
		.writing = coin(rng),
		.record = explained_record(rng),
		.lineage = number32(rng),
		.memories = number32(rng),
		.promised = version(rng),
		.promise = version(rng),
		.memory = version(rng),
		.seal = version(rng),
		.drop = version(rng),
		.tree = (uint32_t)rng_below(rng, 4),
		.more_hints = coin(rng),
		.hint_count = length(rng, 0, EXPLAIN_HINTS_MAX),
		.pair_count = length(rng, 0, ROW_MAX),
	};
	struct explain_hint *hints = allocate(arena, e->hint_count * sizeof *hints);
	struct repair_pair *pairs = allocate(arena, e->pair_count * sizeof *pairs);
	for (uint32_t i = 0; i < e->hint_count; i++)
		hints[i] = (struct explain_hint){.target = node(rng),
						 .key = coin(rng),
						 .partition = coin(rng),
						 .ver = version(rng),
						 .created = number(rng, 64)};
	for (uint32_t i = 0; i < e->pair_count; i++)
		pairs[i] = (struct repair_pair){.partition = (uint16_t)rng_below(rng, PARTITIONS_MAX),
						.peer = node(rng),
						.equal_age_ms = number(rng, 64)};
	e->hints = hints;
	e->pairs = pairs;
}

static void gen_config(struct rng *rng, struct arena *arena, struct msg_config *c)
{
	*c = (struct msg_config){
		.status = status(rng),
		.file = bytes(rng, arena, 0, CONFIG_VALUE_MAX),
		.count = length(rng, 0, CONFIG_ENTRIES_MAX),
	};
	struct config_entry *entries = allocate(arena, c->count * sizeof *entries);
	for (uint32_t i = 0; i < c->count; i++)
		entries[i] = (struct config_entry){
			.name = bytes(rng, arena, 1, NAME_SIZE_MAX),
			.value = bytes(rng, arena, 0, 100),
			.fallback = bytes(rng, arena, 0, 100),
			.scope = (enum config_scope)rng_between(rng, CONFIG_STATIC, CONFIG_CLUSTER),
			.source = (enum config_source)rng_between(rng, CONFIG_DEFAULT, CONFIG_MAP),
			.waits = bytes(rng, arena, 0, 100),
			.needs_restart = coin(rng),
		};
	c->entries = entries;
}

static void gen_hot_keys(struct rng *rng, struct arena *arena, struct msg_hot_keys *h)
{
	*h = (struct msg_hot_keys){
		.status = status(rng),
		.window_ms = number(rng, 64),
		.total = number(rng, 64),
		.count = length(rng, 0, HOT_KEYS_MAX),
	};
	struct hot_key *keys = allocate(arena, h->count * sizeof *keys);
	for (uint32_t i = 0; i < h->count; i++)
		keys[i] = (struct hot_key){
			.bucket = number32(rng),
			.key = bytes(rng, arena, 1, KEY_SIZE_MAX),
			.reads = number(rng, 64),
			.writes = number(rng, 64),
			.error = number(rng, 64),
		};
	h->keys = keys;
}

void msg_gen_change(struct rng *rng, struct arena *arena, struct msg *ret)
{
	switch (opcode_body(ret->opcode, ret->reply)) {
	case BODY_VOTE:
		gen_vote(rng, arena, ret, &ret->vote);
		return;
	case BODY_JOIN:
		gen_join(rng, arena, ret->reply, &ret->join);
		return;
	case BODY_MOVE:
		gen_move(rng, arena, ret, &ret->move);
		return;
	case BODY_TREE:
		gen_tree(rng, arena, ret, &ret->tree);
		return;
	case BODY_GC:
		ret->gc = (struct msg_gc){
			.partition = (uint16_t)rng_below(rng, PARTITIONS_MAX),
			.step = (enum gc_step)rng_between(rng, GC_SEAL, GC_SYNC),
			.floor = version(rng),
			.page = bytes(rng, arena, 0, 1u << 16),
			.status = status(rng),
		};
		return;
	case BODY_PROBE:
		ret->probe = (struct msg_probe){.target = (node_id)rng_below(rng, NODES_MAX), .reached = coin(rng)};
		return;
	case BODY_CHANGE:
		gen_change(rng, arena, &ret->change);
		return;
	case BODY_PLAN:
		gen_plan(rng, arena, &ret->plan);
		return;
	case BODY_MOVE_LIST:
		gen_move_list(rng, arena, &ret->move_list);
		return;
	case BODY_REPAIR:
		gen_repair(rng, arena, ret->reply, &ret->repair);
		return;
	case BODY_EXPLAIN:
		ret->explain.bucket = number32(rng);
		ret->explain.key = bytes(rng, arena, 1, KEY_SIZE_MAX);
		return;
	case BODY_EXPLANATION:
		gen_explanation(rng, arena, &ret->explanation);
		return;
	case BODY_CONFIG:
		gen_config(rng, arena, &ret->config);
		return;
	case BODY_CONFIG_SET:
		ret->config_set.name = bytes(rng, arena, 1, NAME_SIZE_MAX);
		ret->config_set.value = bytes(rng, arena, 0, CONFIG_VALUE_MAX);
		return;
	case BODY_HOT_KEYS:
		gen_hot_keys(rng, arena, &ret->hot_keys);
		return;
	default:
		KV_UNREACHABLE("an opcode without a body");
	}
}
