/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/msg_check.h"

#include "proto/opcode.h"

/** Leaves the calling function with a status other than KV_OK. */
#define CHECK(expr)                                                                                                \
	do {                                                                                                       \
		enum kv_status checked_ = (expr);                                                                  \
		if (checked_ != KV_OK)                                                                             \
			return checked_;                                                                           \
	} while (0)

static enum kv_status valid(bool holds) { return holds ? KV_OK : KV_INVALID; }

static enum kv_status at_most(uint64_t number, uint64_t max) { return number <= max ? KV_OK : KV_TOO_LARGE; }

static bool version_is_zero(struct version v) { return v.hlc == 0 && v.id == 0; }

static enum kv_status check_key(struct slice key)
{
	CHECK(valid(key.size > 0));
	return at_most(key.size, KEY_SIZE_MAX);
}

static bool partition_is_valid(uint16_t partition)
{
	return partition < PARTITIONS_MAX || partition == PARTITION_META;
}

static enum kv_status check_hello(const struct msg *m)
{
	const struct msg_hello *h = &m->hello;
	CHECK(valid(h->kind == HELLO_CLIENT || h->kind == HELLO_PEER));
	bool refused = m->reply && h->status != KV_OK;
	CHECK(valid(h->proto_min <= h->proto_max && (refused || h->proto_min > 0)));
	CHECK(at_most(h->name.size, NAME_SIZE_MAX));
	CHECK(at_most(h->peer_address.size, ADDRESS_SIZE_MAX));
	CHECK(at_most(h->http_address.size, ADDRESS_SIZE_MAX));
	CHECK(at_most(h->auth_mechanisms.size, AUTH_MECHANISMS_SIZE_MAX));
	return at_most(h->message.size, MESSAGE_SIZE_MAX);
}

static enum kv_status check_request(const struct msg *m)
{
	const struct msg_request *r = &m->request;
	if (opcode_needs_key(m->opcode))
		CHECK(check_key(r->key));
	CHECK(at_most(r->key.size, KEY_SIZE_MAX));
	CHECK(valid(r->value.size == 0 || opcode_sends_value(m->opcode)));
	CHECK(at_most(r->value.size, VALUE_SIZE_MAX));
	CHECK(valid(r->level <= LEVEL_STRONG));
	CHECK(valid(r->acks <= ACKS_ALL));
	CHECK(valid(r->deadline_ms <= DEADLINE_MAX_MS));
	CHECK(valid(r->ttl_ms <= TTL_MS_MAX));
	CHECK(at_most(r->session.size, SESSION_TOKEN_SIZE_MAX));
	CHECK(valid(r->partition < PARTITIONS_MAX));
	CHECK(at_most(r->cursor.size, CURSOR_SIZE_MAX));
	CHECK(at_most(r->prefix.size, KEY_SIZE_MAX));
	return at_most(r->limit, SCAN_ITEMS_MAX);
}

static enum kv_status check_page(const struct msg_result *r)
{
	CHECK(valid(r->value.size == 0));
	CHECK(at_most(r->item_count, SCAN_ITEMS_MAX));
	CHECK(at_most(r->cursor.size, CURSOR_SIZE_MAX));
	size_t size = 0;
	for (uint32_t i = 0; i < r->item_count; i++) {
		const struct scan_item *item = &r->items[i];
		CHECK(check_key(item->key));
		CHECK(valid(!item->tombstone || item->value.size == 0));
		CHECK(at_most(item->value.size, VALUE_SIZE_MAX - size));
		size += item->value.size;
	}
	return KV_OK;
}

/** Parents come before their children; the first is nobody's. */
static enum kv_status check_timeline(const struct msg_timeline *t)
{
	CHECK(valid(!trace_is_none(&t->context) && t->span_count > 0));
	CHECK(valid(t->level <= LEVEL_STRONG && t->partition < PARTITIONS_MAX));
	CHECK(at_most(t->span_count, TIMELINE_SPANS_MAX));
	for (uint32_t i = 0; i < t->span_count; i++)
		CHECK(valid(t->spans[i].parent < MAX(i, 1u)));
	return KV_OK;
}

static enum kv_status check_result(const struct msg *m)
{
	const struct msg_result *r = &m->result;
	CHECK(at_most(r->message.size, MESSAGE_SIZE_MAX));
	CHECK(at_most(r->session.size, SESSION_TOKEN_SIZE_MAX));
	CHECK(at_most(r->row_count, ROW_MAX));
	if (r->has_receipt) {
		CHECK(valid(r->receipt.asked <= LEVEL_STRONG && r->receipt.achieved <= LEVEL_STRONG));
		CHECK(at_most(r->receipt.replica_count, ROW_MAX));
	}
	if (r->timeline)
		CHECK(check_timeline(r->timeline));
	if (opcode_has_page(m->opcode))
		return check_page(r);
	CHECK(valid(r->item_count == 0 && r->cursor.size == 0));
	bool is_token = m->opcode == OP_CLUSTER_CHANGE;
	CHECK(valid(r->value.size == 0 || opcode_is_client(m->opcode) || m->opcode == OP_PING || is_token));
	return at_most(r->value.size, is_token ? TOKEN_SIZE_MAX : VALUE_SIZE_MAX);
}

static enum kv_status check_record(const struct record *r)
{
	CHECK(at_most(r->lin_count, LIN_MAX));
	CHECK(at_most(r->value_size, VALUE_SIZE_MAX));
	if (!r->has_value)
		return valid(r->value.size == 0);
	return valid(!r->tombstone && !version_is_zero(r->ver) && r->value.size == r->value_size);
}

static enum kv_status check_replica(const struct msg *m)
{
	const struct msg_replica *r = &m->replica;
	CHECK(check_key(r->key));
	CHECK(valid(partition_is_valid(r->partition)));
	CHECK(valid(r->deadline_ms <= DEADLINE_MAX_MS));
	CHECK(at_most(r->attempt_count, ATTEMPTS_MAX));
	if (m->opcode == OP_PREPARE)
		CHECK(valid(!version_is_zero(r->ballot)));
	if (!opcode_sends_record(m->opcode))
		return KV_OK;
	CHECK(valid(!version_is_zero(r->record.ver)));
	CHECK(valid(r->record.has_value != r->record.tombstone));
	return check_record(&r->record);
}

static enum kv_status check_answer(const struct msg *m)
{
	const struct msg_replica_reply *r = &m->answer;
	CHECK(valid(r->answer >= ANSWER_RECORD && r->answer <= ANSWER_BUSY));
	CHECK(valid(partition_is_valid(r->partition)));
	CHECK(at_most(r->carrier_count, CARRIERS_MAX));
	bool has_record = r->answer == ANSWER_RECORD || r->answer == ANSWER_PROMISE;
	return has_record ? check_record(&r->record) : KV_OK;
}

static bool node_state_is_valid(enum node_state state) { return state >= NODE_JOINING && state <= NODE_STAGED; }

static enum kv_status check_node_texts(const struct map_node *node)
{
	CHECK(at_most(node->name.size, NAME_SIZE_MAX));
	CHECK(at_most(node->peer_address.size, ADDRESS_SIZE_MAX));
	CHECK(at_most(node->client_address.size, ADDRESS_SIZE_MAX));
	return at_most(node->zone.size, NAME_SIZE_MAX);
}

/** COUNT distinct indexes below NODE_COUNT. */
static bool row_is_valid(const node_id *row, size_t count, uint32_t node_count)
{
	for (size_t i = 0; i < count; i++) {
		if (row[i] >= node_count)
			return false;
		for (size_t j = 0; j < i; j++)
			if (row[i] == row[j])
				return false;
	}
	return true;
}

static enum kv_status check_shape(const struct map_desc *map)
{
	CHECK(valid(map->epoch > 0));
	CHECK(valid(!uuid_is_zero(&map->cluster)));
	CHECK(at_most(map->name.size, NAME_SIZE_MAX));
	CHECK(at_most(map->partitions, PARTITIONS_MAX));
	CHECK(valid(map->partitions >= PARTITIONS_MIN && (map->partitions & (map->partitions - 1)) == 0));
	CHECK(valid(map->replicas > 0));
	CHECK(at_most(map->replicas, REPLICAS_MAX));
	CHECK(valid(map->node_count > 0));
	CHECK(at_most(map->node_count, NODES_MAX));
	CHECK(at_most(map->move_count, map->partitions));
	CHECK(at_most(map->token_count, TOKENS_MAX));
	return at_most(map->voter_count, VOTERS_MAX);
}

enum kv_status msg_check_map(const struct map_desc *map)
{
	CHECK(check_shape(map));
	for (uint32_t i = 0; i < map->node_count; i++) {
		CHECK(valid(map->nodes[i].index == i));
		CHECK(valid(node_state_is_valid(map->nodes[i].state)));
		CHECK(check_node_texts(&map->nodes[i]));
	}
	for (uint32_t p = 0; p < map->partitions; p++) {
		const node_id *row = &map->rows[(size_t)p * map->replicas];
		CHECK(valid(row_is_valid(row, map->replicas, map->node_count)));
	}
	for (uint32_t i = 0; i < map->move_count; i++) {
		const struct map_move *move = &map->moves[i];
		CHECK(valid(move->partition < map->partitions));
		CHECK(at_most(move->old_count, REPLICAS_MAX));
		CHECK(at_most(move->new_count, REPLICAS_MAX));
		CHECK(valid(row_is_valid(move->old_row, move->old_count, map->node_count)));
		CHECK(valid(row_is_valid(move->new_row, move->new_count, map->node_count)));
	}
	return valid(row_is_valid(map->voters, map->voter_count, map->node_count));
}

static enum kv_status check_init(const struct msg *m)
{
	const struct msg_init *i = &m->init;
	CHECK(valid(i->from < NODES_MAX && i->index < NODES_MAX));
	CHECK(at_most(i->from_address.size, ADDRESS_SIZE_MAX));
	CHECK(at_most(i->message.size, MESSAGE_SIZE_MAX));
	if (!m->reply)
		return KV_OK;
	CHECK(valid(i->status != KV_OK || !uuid_is_zero(&i->self.uuid)));
	CHECK(valid(i->status != KV_OK || node_state_is_valid(i->self.state)));
	return check_node_texts(&i->self);
}

static enum kv_status check_cluster_init(const struct msg *m)
{
	const struct msg_cluster_init *c = &m->cluster_init;
	CHECK(at_most(c->name.size, NAME_SIZE_MAX));
	CHECK(at_most(c->partitions, PARTITIONS_MAX));
	CHECK(valid(c->partitions == 0 ||
		    (c->partitions >= PARTITIONS_MIN && (c->partitions & (c->partitions - 1)) == 0)));
	CHECK(at_most(c->replicas, REPLICAS_MAX));
	CHECK(valid(c->deadline_ms <= DEADLINE_MAX_MS));
	CHECK(valid(c->address_count > 0));
	CHECK(at_most(c->address_count, NODES_MAX));
	for (uint32_t i = 0; i < c->address_count; i++) {
		CHECK(valid(c->addresses[i].size > 0));
		CHECK(at_most(c->addresses[i].size, ADDRESS_SIZE_MAX));
	}
	return KV_OK;
}

static enum kv_status check_status(const struct msg *m)
{
	const struct msg_status *s = &m->status;
	CHECK(at_most(s->message.size, MESSAGE_SIZE_MAX));
	CHECK(at_most(s->version.size, NAME_SIZE_MAX));
	CHECK(at_most(s->name.size, NAME_SIZE_MAX));
	CHECK(at_most(s->peer_count, NODES_MAX));
	CHECK(at_most(s->counter_count, STATUS_COUNTERS_MAX));
	for (uint32_t i = 0; i < s->peer_count; i++)
		CHECK(valid(s->peers[i].state >= 1 && s->peers[i].state <= 4));
	for (uint32_t i = 0; i < s->counter_count; i++) {
		CHECK(valid(s->counters[i].name.size > 0));
		CHECK(at_most(s->counters[i].name.size, NAME_SIZE_MAX));
	}
	return KV_OK;
}

static enum kv_status check_vote(const struct msg *m)
{
	const struct msg_vote *v = &m->vote;
	CHECK(valid(v->epoch > 0));
	if (!m->reply) {
		CHECK(valid(!version_is_zero(v->ballot)));
		CHECK(valid((v->map != NULL) == (m->opcode == OP_MAP_ACCEPT)));
		CHECK(valid(!v->map || v->map->epoch == v->epoch));
	}
	return v->map ? msg_check_map(v->map) : KV_OK;
}

static enum kv_status check_join(const struct msg *m)
{
	const struct msg_join *j = &m->join;
	CHECK(at_most(j->token.size, TOKEN_SIZE_MAX));
	CHECK(at_most(j->message.size, MESSAGE_SIZE_MAX));
	if (m->reply)
		return KV_OK;
	CHECK(valid(!uuid_is_zero(&j->self.uuid)));
	CHECK(valid(j->self.state <= NODE_STAGED));
	return check_node_texts(&j->self);
}

static enum kv_status check_move(const struct msg *m)
{
	const struct msg_move *v = &m->move;
	CHECK(valid(v->partition < PARTITIONS_MAX));
	CHECK(at_most(v->cursor.size, CURSOR_SIZE_MAX));
	CHECK(valid(v->stage <= MOVE_DONE && (v->stage > 0 || m->opcode != OP_MOVE_REPORT)));
	CHECK(at_most(v->message.size, MOVE_MESSAGE_MAX));
	CHECK(valid(v->page.size == 0 || (m->opcode == OP_MOVE_PULL && m->reply)));
	return at_most(v->page.size, PAGE_SIZE_MAX);
}

static enum kv_status check_tree(const struct msg *m)
{
	const struct msg_tree *t = &m->tree;
	CHECK(at_most(t->root_count, PARTITIONS_MAX));
	CHECK(valid(t->root_count == 0 || m->opcode == OP_TREE_ROOTS));
	for (uint32_t i = 0; i < t->root_count; i++)
		CHECK(valid(t->roots[i].partition < PARTITIONS_MAX));
	CHECK(valid(t->partition < PARTITIONS_MAX && t->leaf < LEAVES_PER_PARTITION));
	CHECK(at_most(t->cursor.size, CURSOR_SIZE_MAX));
	if (t->page.size == 0)
		return KV_OK;
	CHECK(valid(m->reply && m->opcode != OP_TREE_ROOTS));
	CHECK(valid(m->opcode != OP_TREE_LEAVES || t->page.size == TREE_LEAVES_SIZE));
	return at_most(t->page.size, PAGE_SIZE_MAX);
}

static enum kv_status check_gc(const struct msg *m)
{
	CHECK(valid(m->gc.partition < PARTITIONS_MAX));
	CHECK(valid(m->gc.step >= GC_SEAL && m->gc.step <= GC_SYNC));
	return at_most(m->gc.page.size, PAGE_SIZE_MAX);
}

static enum kv_status check_change(const struct msg *m)
{
	const struct msg_change *c = &m->change;
	CHECK(valid(c->kind >= NODE_ADD && c->kind <= NODE_KEEP));
	CHECK(valid(c->node == NODE_NONE || c->node < NODES_MAX));
	CHECK(at_most(c->address.size, ADDRESS_SIZE_MAX));
	CHECK(at_most(c->client_address.size, ADDRESS_SIZE_MAX));
	CHECK(valid(c->ttl_ms <= TTL_MS_MAX));
	CHECK(valid(c->deadline_ms <= DEADLINE_MAX_MS));
	switch (c->kind) {
	case NODE_ADD:
		return valid(c->address.size > 0);
	case NODE_LEAVE:
	case NODE_GONE:
	case NODE_KEEP:
	case CHANGE_ADDRESS:
	case CHANGE_WEIGHT:
		return valid(c->node != NODE_NONE);
	default:
		return KV_OK;
	}
}

static enum kv_status check_plan(const struct msg *m)
{
	CHECK(at_most(m->plan.message.size, MESSAGE_SIZE_MAX));
	CHECK(at_most(m->plan.node_count, NODES_MAX));
	for (uint32_t i = 0; i < m->plan.node_count; i++)
		CHECK(valid(m->plan.nodes[i].index < NODES_MAX));
	return KV_OK;
}

static enum kv_status check_move_list(const struct msg *m)
{
	CHECK(at_most(m->move_list.count, MOVE_LIST_MAX));
	for (uint32_t i = 0; i < m->move_list.count; i++) {
		const struct move_status *v = &m->move_list.moves[i];
		CHECK(valid(v->partition < PARTITIONS_MAX && v->stage <= MOVE_DONE));
		CHECK(at_most(v->old_count, REPLICAS_MAX));
		CHECK(at_most(v->new_count, REPLICAS_MAX));
		CHECK(valid(row_is_valid(v->old_row, v->old_count, NODES_MAX)));
		CHECK(valid(row_is_valid(v->new_row, v->new_count, NODES_MAX)));
		CHECK(at_most(v->message.size, MOVE_MESSAGE_MAX));
	}
	return KV_OK;
}

static enum kv_status check_repair(const struct msg *m)
{
	CHECK(at_most(m->repair.pair_count, REPAIR_PAIRS_MAX));
	CHECK(valid(m->repair.pair_count == 0 || m->reply));
	for (uint32_t i = 0; i < m->repair.pair_count; i++)
		CHECK(valid(m->repair.pairs[i].partition < PARTITIONS_MAX));
	return KV_OK;
}

static enum kv_status check_explanation(const struct msg *m)
{
	const struct msg_explanation *e = &m->explanation;
	CHECK(at_most(e->message.size, MESSAGE_SIZE_MAX));
	CHECK(valid(e->partition < PARTITIONS_MAX && e->leaf < LEAVES_PER_PARTITION));
	CHECK(valid(e->member <= (EXPLAIN_PRESENT | EXPLAIN_TO_BE) && e->stage <= MOVE_DONE && e->tree <= 3));
	CHECK(valid(e->disk <= EXPLAIN_UNREADABLE));
	CHECK(at_most(e->hint_count, EXPLAIN_HINTS_MAX));
	CHECK(at_most(e->pair_count, ROW_MAX));
	for (uint32_t i = 0; i < e->pair_count; i++)
		CHECK(valid(e->pairs[i].partition < PARTITIONS_MAX));
	return KV_OK;
}

static enum kv_status check_config(const struct msg *m)
{
	CHECK(at_most(m->config.file.size, CONFIG_VALUE_MAX));
	CHECK(at_most(m->config.count, CONFIG_ENTRIES_MAX));
	for (uint32_t i = 0; i < m->config.count; i++) {
		const struct config_entry *e = &m->config.entries[i];
		CHECK(valid(e->name.size > 0 && e->scope >= CONFIG_STATIC && e->source >= CONFIG_DEFAULT));
		CHECK(at_most(e->name.size, NAME_SIZE_MAX));
		CHECK(at_most(e->value.size, CONFIG_VALUE_MAX));
		CHECK(at_most(e->fallback.size, CONFIG_VALUE_MAX));
		CHECK(at_most(e->waits.size, CONFIG_VALUE_MAX));
	}
	return KV_OK;
}

static enum kv_status check_config_set(const struct msg *m)
{
	CHECK(valid(m->config_set.name.size > 0));
	CHECK(at_most(m->config_set.name.size, NAME_SIZE_MAX));
	return at_most(m->config_set.value.size, CONFIG_VALUE_MAX);
}

static enum kv_status check_hot_keys(const struct msg *m)
{
	CHECK(at_most(m->hot_keys.count, HOT_KEYS_MAX));
	for (uint32_t i = 0; i < m->hot_keys.count; i++)
		CHECK(check_key(m->hot_keys.keys[i].key));
	return KV_OK;
}

static enum kv_status check_traces(const struct msg *m)
{
	CHECK(at_most(m->traces.count, TRACES_TOLD_MAX));
	for (uint32_t i = 0; i < m->traces.count; i++) {
		CHECK(valid(m->traces.traces[i].timeline != NULL));
		CHECK(check_timeline(m->traces.traces[i].timeline));
	}
	return KV_OK;
}

enum kv_status msg_check(const struct msg *m)
{
	switch (opcode_body(m->opcode, m->reply)) {
	case BODY_UNKNOWN:
		return KV_UNSUPPORTED;
	case BODY_NONE:
		return KV_OK;
	case BODY_HINT:
		return valid(!m->hint.mark || (m->hint.partition < PARTITIONS_MAX && m->hint.target < NODES_MAX));
	case BODY_HELLO:
		return check_hello(m);
	case BODY_REQUEST:
		return check_request(m);
	case BODY_RESULT:
		return check_result(m);
	case BODY_REPLICA:
		return check_replica(m);
	case BODY_ANSWER:
		return check_answer(m);
	case BODY_HEARTBEAT:
		return valid(m->heartbeat.health <= 7 && m->heartbeat.disk_free_pct <= 100);
	case BODY_MAP:
		return m->map.map ? msg_check_map(m->map.map) : KV_OK;
	case BODY_INIT:
		return check_init(m);
	case BODY_CLUSTER_INIT:
		return check_cluster_init(m);
	case BODY_STATUS:
		return check_status(m);
	case BODY_VOTE:
		return check_vote(m);
	case BODY_JOIN:
		return check_join(m);
	case BODY_MOVE:
		return check_move(m);
	case BODY_TREE:
		return check_tree(m);
	case BODY_GC:
		return check_gc(m);
	case BODY_PROBE:
		return valid(m->probe.target < NODES_MAX);
	case BODY_CHANGE:
		return check_change(m);
	case BODY_PLAN:
		return check_plan(m);
	case BODY_MOVE_LIST:
		return check_move_list(m);
	case BODY_REPAIR:
		return check_repair(m);
	case BODY_EXPLAIN:
		return check_key(m->explain.key);
	case BODY_EXPLANATION:
		return check_explanation(m);
	case BODY_CONFIG:
		return check_config(m);
	case BODY_CONFIG_SET:
		return check_config_set(m);
	case BODY_HOT_KEYS:
		return check_hot_keys(m);
	case BODY_TRACE_QUERY:
		return KV_OK;
	case BODY_TRACES:
		return check_traces(m);
	}
	KV_UNREACHABLE("message body");
}
