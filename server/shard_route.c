/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in on a shard's connections and what its core wants sent: who gets it, and how it crosses between shards. */
#include "base/clock.h"
#include "base/klog.h"
#include "proto/codec.h"
#include "proto/opcode.h"
#include "server/admin.h"
#include "server/dispatch.h"
#include "server/map_store.h"
#include "server/release.h"
#include "server/shard.h"

#define REFUSAL_LOG_INTERVAL_US (1 * USEC_PER_SEC) /* whoever is refused may come again at once */

/** A message on its way to another shard's core: the frame it came in, decoded again over there. */
struct crossing {
	struct loop_item item;
	struct shard *to;
	bool is_request;
	struct node_origin origin; /* of a request */
	node_id from;              /* of a peer's message */
	usec_t arrived_us;
	struct frame_header header;
	uint8_t body[];
};

static void crossing_run(struct loop_item *item, bool live)
{
	struct crossing *x = container_of(item, struct crossing, item);
	struct shard *s = x->to;
	if (live) {
		struct slice meta = slice_of(x->body, x->header.meta_size);
		struct slice value = slice_of(x->body + x->header.meta_size, x->header.value_size);
		struct msg msg = {0};
		s->arena.limit = codec_arena_max(x->header.meta_size);
		enum kv_status status = codec_decode(&x->header, meta, value, &s->arena, &msg);
		KV_ASSERT(status == KV_OK); /* it was decoded once already */
		if (x->is_request)
			node_request(&s->node, &x->origin, &msg, x->arrived_us);
		else
			node_message(&s->node, x->from, &msg, x->arrived_us);
		arena_reset(&s->arena);
	}
	free(x);
}

static void cross(struct shard *s, uint32_t to, const struct crossing *about, struct slice meta, struct slice value)
{
	struct crossing *x = xmalloc(sizeof *x + meta.size + value.size);
	*x = *about;
	x->item.run = crossing_run;
	x->to = s->server->shards[to];
	memcpy(x->body, meta.data, meta.size);
	if (value.size > 0)
		memcpy(x->body + meta.size, value.data, value.size);
	stats_add(&s->server->stats.requests_crossed, 1);
	loop_post(&x->to->loop, &x->item);
}

static bool is_read(uint16_t opcode) { return opcode == OP_GET || opcode == OP_WAIT; }

static void note_request(struct shard *s, const struct msg *msg)
{
	bool read = is_read(msg->opcode);
	stats_add(read ? &s->server->stats.requests_read : &s->server->stats.requests_write, 1);
	if (msg->request.attempt == 0)
		hot_keys_note(s->hot, msg->request.bucket, msg->request.key, read);
}

static void take_request(struct shard *s, struct conn *c, const struct frame_header *header, struct slice meta,
			 struct slice value, const struct msg *msg)
{
	if (s->draining) {
		conn_send_error(c, msg->opcode, msg->id, KV_CLOSED,
				"the node is shutting down; send the request to another node");
		return;
	}
	const struct node_origin origin = {
		.shard = s->index, .conn = c->handle, .id = msg->id, .opcode = msg->opcode};
	uint32_t to = dispatch_shard(msg, node_core_partitions(s->node.core), s->server->shard_count);
	conn_request_began(c);
	usec_t now_us = clock_mono_us();
	if (opcode_needs_key(msg->opcode))
		note_request(s, msg);
	if (to == s->index)
		node_request(&s->node, &origin, msg, now_us);
	else
		cross(s, to,
		      &(struct crossing){
			      .is_request = true, .origin = origin, .arrived_us = now_us, .header = *header},
		      meta, value);
}

/**
 * What every message of a node tells beside its body: a client's first write is made with this clock. Not while the node
 * still waits for it: a write made with a time that is yet to come would be refused.
 */
static void tell_time(const struct shard *s, struct msg *msg)
{
	bool ready = node_core_is_ready(s->node.core);
	msg->hlc = ready ? node_core_clock(s->node.core, clock_wall_us()) : 0;
	msg->epoch = node_core_epoch(s->node.core);
}

static void take_client_message(struct shard *s, struct conn *c, const struct frame_header *header,
				struct slice meta, struct slice value, const struct msg *msg)
{
	if (msg->reply) {
		conn_send_error(c, 0, msg->id, KV_INVALID, "a client sends requests, this %s is a reply",
				opcode_name(msg->opcode));
		return;
	}
	if (msg->opcode == OP_PING) {
		struct msg pong = *msg;
		pong.reply = true;
		tell_time(s, &pong);
		conn_send(c, &pong);
	} else if (msg->opcode == OP_STATUS) {
		admin_reply_status(s->server, c, msg);
	} else if (msg->opcode == OP_CONFIG_GET) {
		admin_reply_config(s, c, msg);
	} else if (msg->opcode == OP_CONFIG_SET) {
		admin_change_config(s->server, c, msg);
	} else if (msg->opcode == OP_HOT_KEYS) {
		admin_reply_hot_keys(s->server, c, msg);
	} else if (msg->opcode == OP_TRACES) {
		admin_reply_traces(s->server, c, msg);
	} else if (opcode_is_client(msg->opcode) || msg->opcode >> 8 == 5) {
		take_request(s, c, header, meta, value, msg);
	} else if (msg->opcode != OP_ERROR && msg->opcode != OP_GOAWAY) {
		conn_send_error(c, msg->opcode, msg->id, KV_DENIED, "%s is not for clients",
				opcode_name(msg->opcode));
	}
}

/** Whom a message comes from if the node has no index yet: then only a cluster to be, or to be joined, is talked about. */
static bool newcomer_index(const struct msg *msg, node_id *ret)
{
	if (msg->opcode == OP_JOIN && !msg->reply) {
		*ret = NODE_GUEST;
		return true;
	}
	if (msg->opcode == OP_INIT_RESERVE) {
		*ret = msg->reply ? msg->init.index : msg->init.from;
		return true;
	}
	*ret = NODE_NONE;
	return msg->opcode == OP_MAP_PUSH;
}

static void take_peer_message(struct shard *s, struct conn *c, const struct frame_header *header, struct slice meta,
			      struct slice value, const struct msg *msg)
{
	node_id from = c->peer;
	usec_t now_us = clock_mono_us();
	if (c->life != 0 && !lives_hear(&s->server->lives, c->peer, c->life, now_us)) {
		conn_close(c); /* it says HELLO again, and hears there that it may not go on */
		return;
	}
	if (msg->opcode >> 8 == 0)
		return; /* ERROR, GOAWAY: nothing was asked over this connection */
	/* A node tells of itself that its address changed. */
	bool about_itself = msg->opcode == OP_CLUSTER_CHANGE && !msg->reply && msg->change.kind == CHANGE_ADDRESS;
	if (msg->opcode >> 8 == 5 && !about_itself) {
		conn_send_error(c, msg->opcode, msg->id, KV_DENIED, "%s is for clients", opcode_name(msg->opcode));
		return;
	}
	if (from == NODE_NONE && !newcomer_index(msg, &from)) {
		conn_send_error(c, msg->opcode, 0, KV_NOT_READY,
				"%s from a node that said it is in no cluster; it says HELLO again "
				"when it is in one",
				opcode_name(msg->opcode));
		conn_finish(c);
		return;
	}
	uint32_t to = dispatch_shard(msg, node_core_partitions(s->node.core), s->server->shard_count);
	if (to == s->index)
		node_message(&s->node, from, msg, now_us);
	else
		cross(s, to, &(struct crossing){.from = from, .arrived_us = now_us, .header = *header}, meta,
		      value);
}

static void on_message(void *owner, struct conn *c, const struct frame_header *header, struct slice meta,
		       struct slice value, const struct msg *msg)
{
	struct shard *s = owner;
	if (msg->opcode == OP_HELLO)
		conn_send_error(c, 0, msg->id, KV_INVALID, "HELLO is said once, as the first frame");
	else if (c->kind == HELLO_PEER)
		take_peer_message(s, c, header, meta, value, msg);
	else
		take_client_message(s, c, header, meta, value, msg);
}

static void fill_hello(struct shard *s, struct msg_hello *ret)
{
	node_core_hello(s->node.core, ret);
	ret->kind = HELLO_PEER;
	ret->proto_min = release.proto_min;
	ret->proto_max = release.proto_max;
	ret->frame_size_max = FRAME_HEADER_SIZE + META_SIZE_ADMIN_MAX + s->conns.config.value_size_max;
	ret->window = s->conns.config.inflight_max;
	ret->shards = s->server->shard_count;
	ret->http_address = slice_str(s->server->pages.own);
}

static enum kv_status judge_client(const struct msg_hello *hello, const struct msg_hello *own, struct error *err)
{
	if (uuid_is_zero(&hello->cluster) || uuid_equal(&hello->cluster, &own->cluster))
		return KV_OK;
	char asked[UUID_TEXT_SIZE], here[UUID_TEXT_SIZE];
	uuid_format(&hello->cluster, asked);
	uuid_format(&own->cluster, here);
	if (uuid_is_zero(&own->cluster))
		return error_set(err, KV_WRONG_CLUSTER,
				 "this node is part of no cluster, %s was asked for; check the address", asked);
	return error_set(err, KV_WRONG_CLUSTER,
			 "this node is part of cluster %s, %s was asked for; check the address", here, asked);
}

static enum kv_status judge_hello(struct shard *s, struct conn *c, const struct msg_hello *hello,
				  const struct msg_hello *own, struct error *err)
{
	if (hello->proto_min > release.proto_max || hello->proto_max < release.proto_min)
		return error_set(err, KV_VERSION,
				 "protocol versions %u to %u were offered, this node speaks %u to %u",
				 hello->proto_min, hello->proto_max, release.proto_min, release.proto_max);
	if (hello->kind != c->kind)
		return error_set(err, KV_DENIED,
				 c->kind == HELLO_PEER ? "this address is for nodes; clients connect to %s"
						       : "this address is for clients; nodes connect to %s",
				 server_advertised(s->server, c->kind == HELLO_PEER ? HELLO_CLIENT : HELLO_PEER));
	if (s->draining)
		return error_set(err, KV_CLOSED, "the node is shutting down; connect to another node");
	if (hello->kind != HELLO_PEER)
		return judge_client(hello, own, err);
	enum kv_status status = node_core_judge(s->node.core, hello, err);
	if (status == KV_OK && hello->index < NODES_MAX)
		status = lives_judge(&s->server->lives, hello->index, hello, clock_mono_us(), err);
	return status == KV_OK ? node_core_admit(s->node.core, hello, err) : status;
}

static void log_refusal(const struct shard *s, const struct msg_hello *hello, enum kv_status status)
{
	static struct log_limit limit;
	uint64_t suppressed;
	if (log_limit_pass(&limit, clock_mono_us(), REFUSAL_LOG_INTERVAL_US, &suppressed))
		log_warn("hello.refused", L_STR("status", status_name(status)),
			 L_STR("reason", s->hello_error.message), L_BYTES("name", hello->name),
			 L_U64("suppressed", suppressed));
}

static void on_hello(void *owner, struct conn *c, const struct msg_hello *hello, struct msg *ret_reply)
{
	struct shard *s = owner;
	struct msg_hello *answer = &ret_reply->hello;
	fill_hello(s, answer);
	tell_time(s, ret_reply);
	s->hello_error.message[0] = '\0';
	answer->status = judge_hello(s, c, hello, answer, &s->hello_error);
	answer->message = slice_str(s->hello_error.message);
	if (answer->status != KV_OK) {
		log_refusal(s, hello, answer->status);
		return;
	}
	answer->proto_min = MIN(hello->proto_max, release.proto_max);
	answer->proto_max = answer->proto_min;
	if (c->kind != HELLO_PEER)
		return;
	c->peer = hello->index;
	if (hello->index < NODES_MAX && hello->incarnation != 0) {
		c->life = hello->incarnation;
		if (lives_enter(&s->server->lives, c->peer, hello, clock_mono_us()))
			lives_save(&s->server->lives, s->server->commit, &s->loop);
	}
	pages_note(&s->server->pages, hello->index, hello->http_address);
}

static void on_closed(void *owner, struct conn *c)
{
	struct shard *s = owner;
	if (c->life != 0)
		lives_leave(&s->server->lives, c->peer, c->life);
}

const struct conn_events shard_conn_events = {.hello = on_hello, .closed = on_closed, .message = on_message};

static void deliver_answer(struct shard *s, uint64_t handle, const struct msg *msg, struct slice frame)
{
	struct conn *c = conn_find(&s->conns, handle);
	if (!c)
		return; /* nobody waits for it any more */
	if (msg)
		conn_send(c, msg);
	else
		conn_send_bytes(c, frame);
	if (c->state != CONN_DEAD)
		conn_request_ended(c);
}

/** An answer on its way back to the shard whose connection asked, already encoded. */
struct answer {
	struct loop_item item;
	struct shard *to;
	uint64_t conn;
	struct buf frame;
};

static void answer_run(struct loop_item *item, bool live)
{
	struct answer *a = container_of(item, struct answer, item);
	if (live)
		deliver_answer(a->to, a->conn, NULL, buf_slice(&a->frame));
	buf_release(&a->frame);
	free(a);
}

static void encode_answer(const struct msg *msg, struct buf *out)
{
	enum kv_status status = codec_encode(msg, out);
	if (status == KV_OK)
		return;
	const struct msg error = {.opcode = OP_ERROR, .reply = true, .id = msg->id, .result = {.status = status}};
	status = codec_encode(&error, out);
	KV_ASSERT(status == KV_OK);
}

/** What the shard asked its core to tell is kept as the frame a client would get. */
static void keep_answer(struct shard *s, enum shard_told what, const struct msg *msg)
{
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	encode_answer(msg, &frame);
	shard_tell(s, what, buf_slice(&frame));
}

/** The answer to something that the process asked itself: how things stand, or the outcome of its first request. */
static void take_own_answer(struct shard *s, const struct msg *msg)
{
	if (msg->opcode == OP_REPAIR || msg->opcode == OP_MOVE_LIST) {
		keep_answer(s, msg->opcode == OP_REPAIR ? SHARD_REPAIR : SHARD_MOVES, msg);
		return;
	}
	if (msg->result.status == KV_OK)
		log_info("request.done", L_STR("opcode", opcode_name(msg->opcode)));
	else
		server_fail(s->server, msg->result.status, msg->result.message);
}

static void on_reply(void *owner, const struct node_origin *origin, const struct msg *msg)
{
	struct shard *s = owner;
	if (origin->conn == 0) {
		take_own_answer(s, msg);
	} else if (origin->shard == s->index) {
		deliver_answer(s, origin->conn, msg, slice_of(NULL, 0));
	} else {
		struct answer *a = xcalloc(1, sizeof *a);
		a->item.run = answer_run;
		a->to = s->server->shards[origin->shard];
		a->conn = origin->conn;
		encode_answer(msg, &a->frame);
		loop_post(&a->to->loop, &a->item);
	}
}

/** A message to another core of this node: taken as if a peer had sent it. One that cannot be encoded is lost. */
static void send_within(struct shard *s, const struct msg *msg)
{
	static const struct frame_limits limits = {
		.meta_max = META_SIZE_MAX, .meta_admin_max = META_SIZE_ADMIN_MAX, .value_max = VALUE_SIZE_MAX};
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	struct crossing about = {.from = node_core_index(s->node.core), .arrived_us = clock_mono_us()};
	if (codec_encode(msg, &frame) != KV_OK ||
	    frame_header_decode(frame.data, &limits, &about.header) != FRAME_OK)
		return;
	uint32_t to = dispatch_shard(msg, node_core_partitions(s->node.core), s->server->shard_count);
	struct slice meta = slice_of(frame.data + FRAME_HEADER_SIZE, about.header.meta_size);
	KV_ASSERT(to != s->index);
	cross(s, to, &about, meta, slice_of(meta.data + meta.size, about.header.value_size));
}

static void on_send(void *owner, node_id to, const struct msg *msg)
{
	struct shard *s = owner;
	if (to == node_core_index(s->node.core))
		send_within(s, msg);
	else
		peer_send(&s->peers, to, msg);
}

static void on_peer(void *owner, node_id index, struct slice address)
{
	peer_point(&((struct shard *)owner)->peers, index, address);
}

static void on_trace(void *owner, const struct msg_timeline *timeline)
{
	static struct log_limit limits[2]; /* of requests, and of what is served as a replica */
	struct shard *s = owner;
	usec_t ago_us = clock_mono_us() - timeline->arrived_us;
	usec_t wall_us = clock_wall_us() - ago_us;
	stats_add(&s->server->stats.traces_kept, 1);
	traces_keep(&s->traces, timeline, wall_us);
	if (!timeline->slow)
		return;
	struct slow_op slow;
	stats_add(&s->server->stats.traces_slow, 1);
	slow_op_tell(timeline, wall_us, &slow);
	traces_keep_slow(&s->traces, &slow);
	slow_op_log(&slow, timeline->ballot, &limits[slow.replica]);
}

static void on_map_stored(void *owner, struct slice stored)
{
	struct shard *s = owner;
	for (uint32_t i = 0; i < s->server->shard_count; i++)
		shard_post_map(s->server->shards[i], stored);
}

static void on_save_map(void *owner, const struct map_desc *map)
{
	struct shard *s = owner;
	map_store_save(s->server->commit, &s->loop, map, on_map_stored, s);
}

static void on_stop(void *owner, enum kv_status status, struct slice why)
{
	struct server *server = ((struct shard *)owner)->server;
	if (status == KV_OK)
		server_retire(server);
	else
		server_fail(server, status, why);
}

const struct node_events shard_node_events = {
	.send = on_send,
	.reply = on_reply,
	.peer = on_peer,
	.trace = on_trace,
	.save_map = on_save_map,
	.stop = on_stop,
};

static void on_link_hello(void *owner, struct msg_hello *ret) { fill_hello(owner, ret); }

static void on_rejected(void *owner, node_id index, struct slice why)
{
	struct shard *s = owner;
	log_error("identity.rejected", L_U64("node", index), L_BYTES("reason", why));
	identity_spend(s->server->config->node_data_dir);
	server_fail(s->server, KV_IDENTITY, why);
}

const struct peer_events shard_peer_events = {.hello = on_link_hello, .rejected = on_rejected};
