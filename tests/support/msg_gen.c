/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/msg_gen.h"

#include "base/hash.h"
#include "proto/opcode.h"
#include "tests/support/msg_gen_parts.h"

const struct msg_kind msg_kinds[] = {
	{OP_HELLO, false},
	{OP_HELLO, true},
	{OP_PING, false},
	{OP_PING, true},
	{OP_GOAWAY, false},
	{OP_ERROR, false},
	{OP_ERROR, true},
	{OP_GET, false},
	{OP_GET, true},
	{OP_PUT, false},
	{OP_PUT, true},
	{OP_DEL, false},
	{OP_DEL, true},
	{OP_CAS, false},
	{OP_CAS, true},
	{OP_ADD, false},
	{OP_ADD, true},
	{OP_MGET, false},
	{OP_MGET, true},
	{OP_MPUT, false},
	{OP_MPUT, true},
	{OP_SCAN, false},
	{OP_SCAN, true},
	{OP_LEDGER, false},
	{OP_LEDGER, true},
	{OP_WAIT, false},
	{OP_WAIT, true},
	{OP_MAP, false},
	{OP_MAP, true},
	{OP_APPEND, false},
	{OP_APPEND, true},
	{OP_OUTCOME, false},
	{OP_OUTCOME, true},
	{OP_READ, false},
	{OP_READ, true},
	{OP_PUSH, false},
	{OP_PUSH, true},
	{OP_PREPARE, false},
	{OP_PREPARE, true},
	{OP_ACCEPT, false},
	{OP_ACCEPT, true},
	{OP_COPY, false},
	{OP_COPY, true},
	{OP_MAP_PUSH, false},
	{OP_MAP_PUSH, true},
	{OP_MAP_PULL, false},
	{OP_MAP_PULL, true},
	{OP_HINT_OPEN, true},
	{OP_HINT_OPEN, false},
	{OP_HEARTBEAT, false},
	{OP_HEARTBEAT, true},
	{OP_STATUS, false},
	{OP_STATUS, true},
	{OP_CLUSTER_INIT, false},
	{OP_CLUSTER_INIT, true},
	{OP_INIT_RESERVE, false},
	{OP_INIT_RESERVE, true},
	{OP_MAP_PREPARE, false},
	{OP_MAP_PREPARE, true},
	{OP_MAP_ACCEPT, false},
	{OP_MAP_ACCEPT, true},
	{OP_MOVE_REPORT, false},
	{OP_JOIN, false},
	{OP_JOIN, true},
	{OP_MOVE_OPEN, false},
	{OP_MOVE_OPEN, true},
	{OP_MOVE_PULL, false},
	{OP_MOVE_PULL, true},
	{OP_TREE_ROOTS, false},
	{OP_TREE_ROOTS, true},
	{OP_TREE_LEAVES, false},
	{OP_TREE_LEAVES, true},
	{OP_TREE_KEYS, false},
	{OP_TREE_KEYS, true},
	{OP_GC, false},
	{OP_GC, true},
	{OP_PROBE, false},
	{OP_PROBE, true},
	{OP_CLUSTER_CHANGE, false},
	{OP_CLUSTER_CHANGE, true},
	{OP_CLUSTER_PLAN, false},
	{OP_CLUSTER_PLAN, true},
	{OP_MOVE_LIST, false},
	{OP_MOVE_LIST, true},
	{OP_REPAIR, false},
	{OP_REPAIR, true},
	{OP_EXPLAIN, false},
	{OP_EXPLAIN, true},
	{OP_CONFIG_GET, false},
	{OP_CONFIG_GET, true},
	{OP_CONFIG_SET, false},
	{OP_CONFIG_SET, true},
	{OP_HOT_KEYS, false},
	{OP_HOT_KEYS, true},
	{OP_TRACES, false},
	{OP_TRACES, true},
};
const size_t msg_kind_count = ARRAY_SIZE(msg_kinds);

static void gen_hello(struct rng *rng, struct arena *arena, struct msg_hello *h)
{
	h->kind = coin(rng) ? HELLO_CLIENT : HELLO_PEER;
	h->proto_min = number32(rng) | 1;
	uint32_t proto_max = number32(rng);
	h->proto_max = MAX(h->proto_min, proto_max);
	h->features = number(rng, 64);
	h->cluster = uuid_or_none(rng);
	h->node = uuid_or_none(rng);
	h->index = node(rng);
	h->incarnation = number(rng, 64);
	h->boot_nonce = number(rng, 64);
	h->name = bytes(rng, arena, 0, NAME_SIZE_MAX);
	h->peer_address = bytes(rng, arena, 0, ADDRESS_SIZE_MAX);
	h->http_address = bytes(rng, arena, 0, ADDRESS_SIZE_MAX);
	h->map_epoch = number(rng, 64);
	h->frame_size_max = number32(rng);
	h->window = number32(rng);
	h->shards = number32(rng);
	h->auth_mechanisms = bytes(rng, arena, 0, AUTH_MECHANISMS_SIZE_MAX);
	h->status = status(rng);
	h->message = bytes(rng, arena, 0, MESSAGE_SIZE_MAX);
}

static struct trace_context trace(struct rng *rng)
{
	return (struct trace_context){
		.trace_hi = number(rng, 64),
		.trace_lo = number(rng, 64),
		.span = number(rng, 64),
		.sampled = coin(rng),
	};
}

static void gen_request(struct rng *rng, struct arena *arena, uint16_t opcode, struct msg_request *r)
{
	r->bucket = number32(rng);
	r->key = bytes(rng, arena, opcode_needs_key(opcode) ? 1 : 0, KEY_SIZE_MAX);
	r->value = opcode_sends_value(opcode) ? bytes(rng, arena, 0, 1u << 16) : slice_of(NULL, 0);
	r->value_hash = coin(rng) ? hash64(r->value) : 0;
	r->level = (enum msg_level)rng_between(rng, LEVEL_DEFAULT, LEVEL_STRONG);
	r->acks = (enum msg_acks)rng_between(rng, ACKS_DEFAULT, ACKS_ALL);
	r->deadline_ms = (uint32_t)rng_between(rng, 0, DEADLINE_MAX_MS);
	r->staleness_ms = number32(rng);
	r->rid = request_id(rng);
	r->t0 = number(rng, 64);
	r->attempt = number32(rng);
	r->ttl_ms = number(rng, 47);
	r->fence = number(rng, 64);
	r->has_expected = coin(rng);
	if (r->has_expected)
		r->expected = version(rng);
	r->has_expected_hash = coin(rng);
	if (r->has_expected_hash)
		r->expected_hash = number(rng, 64);
	r->if_present = coin(rng);
	r->delta = (int64_t)number(rng, 64);
	r->session = bytes(rng, arena, 0, SESSION_TOKEN_SIZE_MAX);
	r->trace = trace(rng);
	r->timeline_wanted = coin(rng);
	r->receipt_wanted = coin(rng);
	r->forwarded = coin(rng);
	r->partition = (uint16_t)rng_below(rng, PARTITIONS_MAX);
	r->cursor = bytes(rng, arena, 0, CURSOR_SIZE_MAX);
	r->prefix = bytes(rng, arena, 0, KEY_SIZE_MAX);
	r->limit = length(rng, 0, SCAN_ITEMS_MAX);
	r->raw = coin(rng);
}

static void gen_receipt(struct rng *rng, struct msg_receipt *r)
{
	r->asked = (enum msg_level)rng_between(rng, LEVEL_DEFAULT, LEVEL_STRONG);
	r->achieved = (enum msg_level)rng_between(rng, LEVEL_DEFAULT, LEVEL_STRONG);
	r->version = version(rng);
	r->epoch = number(rng, 64);
	r->acks = number32(rng);
	r->hinted = number32(rng);
	r->rounds = number32(rng);
	r->staleness_ms = number32(rng);
	r->repaired = coin(rng);
	r->replica_count = (uint32_t)rng_between(rng, 0, ROW_MAX);
	for (uint32_t i = 0; i < r->replica_count; i++) {
		r->replicas[i].node = node(rng);
		r->replicas[i].ver = version(rng);
		r->replicas[i].status = status(rng);
	}
}

static void gen_timeline(struct rng *rng, struct arena *arena, struct msg_timeline *t)
{
	t->context = (struct trace_context){
		.trace_hi = number(rng, 64),
		.trace_lo = number(rng, 64) | 1,
		.span = number(rng, 64),
	};
	t->span = number(rng, 64);
	t->node = node(rng);
	t->opcode = (uint16_t)number(rng, 16);
	t->level = (enum msg_level)rng_between(rng, LEVEL_DEFAULT, LEVEL_STRONG);
	t->partition = (uint16_t)rng_below(rng, PARTITIONS_MAX);
	t->epoch = number(rng, 64);
	t->ballot = version(rng);
	t->rounds = number32(rng);
	t->status = status(rng);
	t->in_doubt = coin(rng);
	t->took_us = number(rng, 64);
	t->left_out = number32(rng);
	t->span_count = length(rng, 1, TIMELINE_SPANS_MAX);
	struct timeline_span *spans = allocate(arena, t->span_count * sizeof *spans);
	for (uint32_t i = 0; i < t->span_count; i++) {
		spans[i] = (struct timeline_span){
			.kind = (enum span_kind)number32(rng),
			.parent = (uint32_t)rng_below(rng, MAX(i, 1u)),
			.node = node(rng),
			.peer = node(rng),
			.start_us = number(rng, 64),
			.took_us = number(rng, 64),
			.open = coin(rng),
			.result = number32(rng),
		};
	}
	t->spans = spans;
}

static void gen_traces(struct rng *rng, struct arena *arena, struct msg_traces *t)
{
	t->status = status(rng);
	t->count = length(rng, 0, 20);
	struct kept_timeline *traces = allocate(arena, t->count * sizeof *traces);
	for (uint32_t i = 0; i < t->count; i++) {
		struct msg_timeline *timeline = allocate(arena, sizeof *timeline);
		gen_timeline(rng, arena, timeline);
		traces[i] =
			(struct kept_timeline){.wall_us = number(rng, 64), .slow = coin(rng), .timeline = timeline};
	}
	t->traces = traces;
}

static void gen_page(struct rng *rng, struct arena *arena, struct msg_result *r)
{
	r->item_count = length(rng, 0, SCAN_ITEMS_MAX);
	struct scan_item *items = allocate(arena, r->item_count * sizeof *items);
	bool many = r->item_count > 100;
	for (uint32_t i = 0; i < r->item_count; i++) {
		struct scan_item *item = &items[i];
		item->key = bytes(rng, arena, 1, many ? 64 : KEY_SIZE_MAX);
		item->tombstone = rng_chance(rng, 100000);
		item->value = item->tombstone ? slice_of(NULL, 0) : bytes(rng, arena, 0, many ? 256 : 1u << 14);
		item->ver = version(rng);
		item->org = coin(rng) ? item->ver : version(rng);
		item->expires_ms = number(rng, 64);
		item->value_hash = number(rng, 64);
		item->weak = coin(rng);
		item->strong = coin(rng);
		item->cause = number32(rng);
	}
	r->items = items;
	r->cursor = bytes(rng, arena, 0, CURSOR_SIZE_MAX);
}

static void gen_result(struct rng *rng, struct arena *arena, uint16_t opcode, struct msg_result *r)
{
	r->status = status(rng);
	r->in_doubt = coin(rng);
	r->retry_after_ms = number32(rng);
	r->message = bytes(rng, arena, 0, MESSAGE_SIZE_MAX);
	r->version = version(rng);
	r->value_hash = number(rng, 64);
	r->expires_ms = number(rng, 64);
	r->try_other = coin(rng);
	r->outcome = (enum msg_outcome)rng_between(rng, OUTCOME_NONE, OUTCOME_EXPIRED);
	r->staleness_ms = number32(rng);
	r->row_count = (uint16_t)rng_between(rng, 0, ROW_MAX);
	for (uint16_t i = 0; i < r->row_count; i++)
		r->row[i] = (node_id)number(rng, 16);
	r->session = bytes(rng, arena, 0, SESSION_TOKEN_SIZE_MAX);
	r->has_receipt = coin(rng);
	if (r->has_receipt)
		gen_receipt(rng, &r->receipt);
	if (rng_chance(rng, 200000)) {
		struct msg_timeline *timeline = allocate(arena, sizeof *timeline);
		gen_timeline(rng, arena, timeline);
		r->timeline = timeline;
	}
	if (opcode_has_page(opcode))
		gen_page(rng, arena, r);
	else if (opcode_is_client(opcode) || opcode == OP_PING)
		r->value = bytes(rng, arena, 0, 1u << 16);
	else if (opcode == OP_CLUSTER_CHANGE)
		r->value = bytes(rng, arena, 0, TOKEN_SIZE_MAX);
}

/** STORED: as ACCEPT, COPY and PUSH carry it, with its value unless a tombstone. */
static void gen_record(struct rng *rng, struct arena *arena, bool stored, struct record *r)
{
	r->ver = stored ? version_not_zero(rng) : version(rng);
	r->org = coin(rng) ? r->ver : version(rng);
	r->weak = coin(rng);
	r->tombstone = coin(rng);
	r->strong = coin(rng);
	bool absent = r->ver.hlc == 0 && r->ver.id == 0;
	r->has_value = !r->tombstone && !absent && (stored || coin(rng));
	r->rid = request_id(rng);
	r->result = number(rng, 64);
	r->expires_ms = number(rng, 64);
	r->fence = number(rng, 64);
	r->value_hash = number(rng, 64);
	r->value_size = (uint32_t)number(rng, 24);
	r->lin_floor = version(rng);
	if (r->has_value) {
		r->value = bytes(rng, arena, 0, 1u << 16);
		r->value_size = (uint32_t)r->value.size;
	}
	r->lin_count = (uint32_t)rng_between(rng, 0, coin(rng) ? 2 : LIN_MAX);
	struct lineage *lin = allocate(arena, r->lin_count * sizeof *lin);
	for (uint32_t i = 0; i < r->lin_count; i++)
		lin[i] = (struct lineage){.ver = version(rng), .rid = request_id(rng), .result = number(rng, 64)};
	r->lin = lin;
}

static uint16_t partition(struct rng *rng)
{
	return rng_chance(rng, 50000) ? PARTITION_META : (uint16_t)rng_below(rng, PARTITIONS_MAX);
}

static void gen_replica(struct rng *rng, struct arena *arena, uint16_t opcode, struct msg_replica *r)
{
	r->partition = partition(rng);
	r->bucket = number32(rng);
	r->key = bytes(rng, arena, 1, KEY_SIZE_MAX);
	r->deadline_ms = (uint32_t)rng_between(rng, 0, DEADLINE_MAX_MS);
	r->want_value = coin(rng);
	r->hinted = coin(rng);
	r->ballot = opcode == OP_PREPARE ? version_not_zero(rng) : version(rng);
	r->rid = request_id(rng);
	r->attempt_count = (uint32_t)rng_between(rng, 0, ATTEMPTS_MAX);
	struct version *attempts = allocate(arena, r->attempt_count * sizeof *attempts);
	for (uint32_t i = 0; i < r->attempt_count; i++)
		attempts[i] = version(rng);
	r->attempts = attempts;
	if (opcode_sends_record(opcode))
		gen_record(rng, arena, /* stored= */ true, &r->record);
	r->read_epoch = number(rng, 64);
	r->direct = coin(rng);
	r->next = version(rng);
	r->trace = trace(rng);
}

static void gen_answer(struct rng *rng, struct arena *arena, struct msg_replica_reply *r)
{
	r->partition = partition(rng);
	r->answer = (enum replica_answer)rng_between(rng, ANSWER_RECORD, ANSWER_BUSY);
	if (r->answer == ANSWER_RECORD || r->answer == ANSWER_PROMISE)
		gen_record(rng, arena, /* stored= */ false, &r->record);
	r->drop_floor = version(rng);
	r->promise = version(rng);
	r->stored = version(rng);
	r->above = coin(rng);
	r->no_promise = coin(rng);
	r->no_room = coin(rng);
	r->out = coin(rng);
	r->memory_floor = version(rng);
	r->carrier_count = (uint32_t)rng_between(rng, 0, CARRIERS_MAX);
	struct carrier *carriers = allocate(arena, r->carrier_count * sizeof *carriers);
	for (uint32_t i = 0; i < r->carrier_count; i++)
		carriers[i] = (struct carrier){
			.copy = version(rng),
			.attempt = version(rng),
			.result = number(rng, 64),
		};
	r->carriers = carriers;
	r->config_epoch = number(rng, 64);
	r->served = (struct served_time){
		.queue_us = number32(rng),
		.disk_us = number32(rng),
		.commit_us = number32(rng),
		.sync_us = number32(rng),
	};
}

static void gen_map(struct rng *rng, struct arena *arena, struct msg_map *m)
{
	m->status = status(rng);
	m->have_epoch = number(rng, 64);
	if (coin(rng))
		return;
	struct map_desc *map = allocate(arena, sizeof *map);
	msg_gen_map(rng, arena, map);
	m->map = map;
}

static void gen_init(struct rng *rng, struct arena *arena, bool reply, struct msg_init *i)
{
	i->cluster = uuid_or_none(rng);
	i->from = (node_id)rng_below(rng, NODES_MAX);
	i->index = (node_id)rng_below(rng, NODES_MAX);
	i->from_address = bytes(rng, arena, 0, ADDRESS_SIZE_MAX);
	i->status = status(rng);
	i->message = bytes(rng, arena, 0, MESSAGE_SIZE_MAX);
	i->self.index = NODE_NONE;
	if (reply)
		i->self = msg_gen_node(rng, arena, node(rng));
}

static void gen_cluster_init(struct rng *rng, struct arena *arena, struct msg_cluster_init *c)
{
	c->name = bytes(rng, arena, 0, NAME_SIZE_MAX);
	c->partitions = coin(rng) ? 0 : PARTITIONS_MIN << rng_below(rng, 9);
	c->replicas = (uint32_t)rng_between(rng, 0, REPLICAS_MAX);
	c->deadline_ms = (uint32_t)rng_between(rng, 0, DEADLINE_MAX_MS);
	c->address_count = length(rng, 1, NODES_MAX);
	struct slice *addresses = allocate(arena, c->address_count * sizeof *addresses);
	for (uint32_t i = 0; i < c->address_count; i++)
		addresses[i] = bytes(rng, arena, 1, ADDRESS_SIZE_MAX);
	c->addresses = addresses;
}

static void gen_status(struct rng *rng, struct arena *arena, struct msg_status *s)
{
	s->status = status(rng);
	s->message = bytes(rng, arena, 0, MESSAGE_SIZE_MAX);
	s->cluster = uuid_or_none(rng);
	s->node = uuid_or_none(rng);
	s->index = node(rng);
	s->incarnation = number(rng, 64);
	s->map_epoch = number(rng, 64);
	s->uptime_ms = number(rng, 64);
	s->shards = number32(rng);
	s->ready = coin(rng);
	s->version = bytes(rng, arena, 0, NAME_SIZE_MAX);
	s->name = bytes(rng, arena, 0, NAME_SIZE_MAX);
	s->peer_count = length(rng, 0, NODES_MAX);
	struct status_peer *peers = allocate(arena, s->peer_count * sizeof *peers);
	for (uint32_t i = 0; i < s->peer_count; i++)
		peers[i] = (struct status_peer){
			.index = node(rng),
			.state = (uint32_t)rng_between(rng, 1, 4),
			.round_trip_us = number(rng, 64),
			.hints_pending = number(rng, 64),
			.partitions_dirty = number32(rng),
			.link_bad = coin(rng),
			.degraded = coin(rng),
			.health = number32(rng),
			.disk_p99_us = number32(rng),
			.disk_free_pct = number32(rng),
			.disk_low = coin(rng),
		};
	s->peers = peers;
	s->counter_count = length(rng, 0, STATUS_COUNTERS_MAX);
	struct status_counter *counters = allocate(arena, s->counter_count * sizeof *counters);
	for (uint32_t i = 0; i < s->counter_count; i++) {
		counters[i].name = bytes(rng, arena, 1, NAME_SIZE_MAX);
		counters[i].value = number(rng, 64);
	}
	s->counters = counters;
}

void msg_gen(struct rng *rng, struct msg_kind kind, struct arena *arena, struct msg *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->opcode = kind.opcode;
	ret->reply = kind.reply;
	ret->id = number(rng, 64);
	ret->hlc = number(rng, 64);
	ret->epoch = number(rng, 64);
	ret->shard = number32(rng);
	switch (opcode_body(kind.opcode, kind.reply)) {
	case BODY_NONE:
		return;
	case BODY_HELLO:
		gen_hello(rng, arena, &ret->hello);
		return;
	case BODY_REQUEST:
		gen_request(rng, arena, kind.opcode, &ret->request);
		return;
	case BODY_TRACE_QUERY:
		ret->trace_query.trace_hi = number(rng, 64);
		ret->trace_query.trace_lo = number(rng, 64);
		return;
	case BODY_TRACES:
		gen_traces(rng, arena, &ret->traces);
		return;
	case BODY_RESULT:
		gen_result(rng, arena, kind.opcode, &ret->result);
		return;
	case BODY_REPLICA:
		gen_replica(rng, arena, kind.opcode, &ret->replica);
		return;
	case BODY_ANSWER:
		gen_answer(rng, arena, &ret->answer);
		return;
	case BODY_HEARTBEAT:
		ret->heartbeat = (struct msg_heartbeat){
			.seq = number(rng, 64),
			.sent_us = number(rng, 64),
			.incarnation = number(rng, 64),
			.map_epoch = number(rng, 64),
			.health = (uint32_t)rng_between(rng, 0, 7),
			.queue_us = number32(rng),
			.disk_p99_us = number32(rng),
			.disk_free_pct = (uint32_t)rng_between(rng, 0, 100),
			.disk_low = coin(rng),
			.stored_hlc = number(rng, 64),
			.shards = number32(rng),
			.drained = coin(rng),
			.core = number32(rng),
		};
		return;
	case BODY_HINT:
		ret->hint = (struct msg_hint){
			.pending = number(rng, 64),
			.granted = number32(rng),
			.pace_ms = number32(rng),
			.mark = coin(rng),
		};
		if (ret->hint.mark) {
			ret->hint.partition = (uint16_t)rng_between(rng, 0, PARTITIONS_MAX - 1);
			ret->hint.target = (node_id)rng_between(rng, 0, NODES_MAX - 1);
		}
		return;
	case BODY_MAP:
		gen_map(rng, arena, &ret->map);
		return;
	case BODY_INIT:
		gen_init(rng, arena, kind.reply, &ret->init);
		return;
	case BODY_CLUSTER_INIT:
		gen_cluster_init(rng, arena, &ret->cluster_init);
		return;
	case BODY_STATUS:
		gen_status(rng, arena, &ret->status);
		return;
	default:
		msg_gen_change(rng, arena, ret);
	}
}
