/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "proto/codec.h"
#include "proto/keyhash.h"
#include "tests/support/fake_store.h"

enum {
	CONNS_MAX = 64,
	STEPS_MAX = 16,
	LOG_MAX = 8192,
	HELD_MAX = 64,
	WAIT_SECONDS = 20,
};

struct fake_conn {
	int fd; /* -1: free */
	uint32_t node;
	struct buf in, out;
};

struct fake_node {
	int listener; /* -1: killed */
	bool kill;    /* to be done by the serving thread */
	char address[32];
	struct fake_step steps[STEPS_MAX];
	uint32_t step_count;
};

struct held {
	uint32_t conn;
	struct buf frame;
};

struct fake_server {
	pthread_mutex_t lock; /* over everything below but the thread */
	pthread_cond_t changed;
	pthread_t thread;
	int wake;
	bool stop;
	uint32_t node_count;
	struct fake_node nodes[FAKE_NODES_MAX];
	char endpoints[FAKE_NODES_MAX * 32];
	struct fake_conn conns[CONNS_MAX];
	struct fake_request *log;
	uint32_t log_count;
	struct held held[HELD_MAX];
	uint32_t held_count;
	struct fake_store *store;
	uint64_t clock; /* counts up with each message */
	uint64_t epoch; /* 0: no cluster */
	uint32_t shift; /* rows begin so many nodes later */
	bool moving;    /* partition 0, whose last member becomes the last node */
	uint32_t map_count;
};

/* ---- What the cluster looks like ---- */

static void fill_row(const struct fake_server *f, uint32_t partition, node_id *row)
{
	for (uint32_t i = 0; i < f->node_count; i++)
		row[i] = (node_id)((partition + f->shift + i) % f->node_count);
}

/* Odd numbers of replicas only: with two nodes each partition is on one. */
static uint32_t replicas(const struct fake_server *f)
{
	return f->node_count % 2 ? f->node_count : f->node_count - 1;
}

static void append_map(struct fake_server *f, const struct msg *request, struct buf *out)
{
	struct map_node nodes[FAKE_NODES_MAX] = {0};
	node_id rows[FAKE_PARTITIONS * FAKE_NODES_MAX];
	uint64_t config_epochs[FAKE_PARTITIONS];
	char names[FAKE_NODES_MAX][16];
	struct map_desc map = {
		.cluster = {{0xc1}},
		.name = slice_str("fake"),
		.epoch = f->epoch,
		.partitions = FAKE_PARTITIONS,
		.replicas = replicas(f),
		.node_count = f->node_count,
		.nodes = nodes,
		.rows = rows,
		.config_epochs = config_epochs,
		.voter_count = 1,
	};
	for (uint32_t i = 0; i < f->node_count; i++) {
		snprintf(names[i], sizeof names[i], "n%u", i + 1);
		nodes[i] = (struct map_node){
			.index = (node_id)i,
			.uuid = {{0x40, (uint8_t)i}},
			.state = NODE_NORMAL,
			.name = slice_str(names[i]),
			.peer_address = slice_str(f->nodes[i].address),
			.client_address = slice_str(f->nodes[i].address),
			.zone = slice_str("z"),
			.weight = 1,
		};
	}
	for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
		node_id row[FAKE_NODES_MAX];
		fill_row(f, p, row);
		memcpy(&rows[p * map.replicas], row, map.replicas * sizeof row[0]);
		config_epochs[p] = f->epoch;
	}
	struct map_move move = {.old_count = (uint16_t)map.replicas, .new_count = (uint16_t)map.replicas};
	memcpy(move.old_row, rows, map.replicas * sizeof rows[0]);
	fill_row(f, 0, move.new_row);
	move.new_row[map.replicas - 1] = (node_id)(f->node_count - 1);
	map.moves = &move;
	map.move_count = f->moving;
	struct msg reply = {.opcode = OP_MAP, .reply = true, .id = request->id, .epoch = f->epoch};
	reply.hlc = FAKE_HLC + ++f->clock;
	reply.map.status = f->epoch ? KV_OK : KV_NOT_READY;
	reply.map.map = f->epoch ? &map : NULL;
	f->map_count++;
	KV_ASSERT(codec_encode(&reply, out) == KV_OK);
}

static void append_hello(struct fake_server *f, const struct fake_conn *c, const struct msg *request,
			 struct buf *out)
{
	struct msg reply = {
		.opcode = OP_HELLO,
		.reply = true,
		.id = request->id,
		.epoch = f->epoch,
		.hlc = FAKE_HLC + ++f->clock,
		.hello =
			{
				.kind = HELLO_PEER,
				.proto_min = 1,
				.proto_max = 1,
				.node = {{0x40, (uint8_t)c->node}},
				.index = f->epoch ? (node_id)c->node : NODE_NONE,
				.incarnation = 1,
				.name = slice_str("fake"),
				.map_epoch = f->epoch,
				.window = CONN_INFLIGHT_MAX,
				.frame_size_max = VALUE_SIZE_MAX,
				.shards = 1,
			},
	};
	if (f->epoch)
		reply.hello.cluster = (struct uuid){{0xc1}};
	KV_ASSERT(codec_encode(&reply, out) == KV_OK);
}

static void append_status(struct fake_server *f, const struct fake_conn *c, const struct msg *request,
			  struct buf *out)
{
	struct status_peer peers[FAKE_NODES_MAX] = {0};
	struct status_counter counters[] = {{slice_str("requests"), f->log_count},
					    {slice_str("maps"), f->map_count}};
	for (uint32_t i = 0; i < f->node_count; i++)
		peers[i] = (struct status_peer){
			.index = (node_id)i, .state = i == c->node ? 4 : 1, .hints_pending = i};
	struct msg reply = {.opcode = OP_STATUS, .reply = true, .id = request->id, .epoch = f->epoch};
	reply.status = (struct msg_status){
		.cluster = {{0xc1}},
		.node = {{0x40, (uint8_t)c->node}},
		.index = (node_id)c->node,
		.incarnation = 7,
		.map_epoch = f->epoch,
		.ready = true,
		.version = slice_str("0"),
		.name = slice_str("fake"),
		.peer_count = f->node_count,
		.peers = peers,
		.counter_count = ARRAY_SIZE(counters),
		.counters = counters,
	};
	KV_ASSERT(codec_encode(&reply, out) == KV_OK);
}

/* ---- Serving ---- */

static void fill_receipt(const struct fake_server *f, struct msg_result *result)
{
	result->has_receipt = true;
	result->receipt = (struct msg_receipt){
		.asked = LEVEL_EVENTUAL,
		.achieved = LEVEL_EVENTUAL,
		.version = result->version,
		.epoch = f->epoch,
		.acks = 1,
		.rounds = 1,
		.replica_count = 1,
		.replicas = {{.node = 0, .ver = result->version}},
	};
}

static void conn_close(struct fake_server *f, struct fake_conn *c)
{
	close(c->fd);
	c->fd = -1;
	buf_release(&c->in);
	buf_release(&c->out);
	pthread_cond_broadcast(&f->changed);
}

static struct fake_step next_step(struct fake_node *n)
{
	if (n->step_count == 0)
		return (struct fake_step){.action = FAKE_SERVE};
	struct fake_step step = n->steps[0];
	if (--n->steps[0].count == 0) {
		n->step_count--;
		memmove(n->steps, n->steps + 1, n->step_count * sizeof n->steps[0]);
	}
	return step;
}

static void note(struct fake_server *f, const struct fake_conn *c, const struct msg *m)
{
	KV_ASSERT(f->log_count < LOG_MAX);
	struct fake_request *to = &f->log[f->log_count++];
	*to = (struct fake_request){
		.node = c->node,
		.opcode = m->opcode,
		.rid = m->request.rid,
		.t0 = m->request.t0,
		.attempt = m->request.attempt,
		.deadline_ms = m->request.deadline_ms,
		.epoch = m->epoch,
		.level = m->request.level,
		.acks = m->request.acks,
		.partition = m->request.partition,
		.frame_id = m->id,
		.has_expected = m->request.has_expected,
		.if_present = m->request.if_present,
		.fence = m->request.fence,
		.staleness_ms = m->request.staleness_ms,
		.session_size = (uint32_t)m->request.session.size,
	};
	if (m->request.session.size > 0)
		memcpy(to->session, m->request.session.data, MIN(m->request.session.size, sizeof to->session));
	if (m->request.key.size > 0)
		memcpy(to->key, m->request.key.data, MIN(m->request.key.size, sizeof to->key - 1));
	pthread_cond_broadcast(&f->changed);
}

/* Returns false if the connection is to be closed. */
static bool serve_data(struct fake_server *f, struct fake_conn *c, const struct msg *m)
{
	note(f, c, m);
	struct fake_step step = next_step(&f->nodes[c->node]);
	struct msg reply = {.opcode = m->opcode, .reply = true, .id = m->id, .epoch = f->epoch};
	reply.hlc = FAKE_HLC + ++f->clock;
	if (step.action == FAKE_IGNORE)
		return true;
	if (step.action == FAKE_DROP)
		return false;
	if (step.action == FAKE_STATUS) {
		reply.result.status = step.status;
		reply.result.in_doubt = step.in_doubt;
		reply.result.retry_after_ms = step.retry_after_ms;
		reply.result.message = slice_str("as the script says");
	} else if (!f->epoch) {
		reply.result.status = KV_NOT_READY;
	} else if (m->epoch < f->epoch && m->epoch != 0) {
		reply.result.status = KV_STALE;
	} else if (m->opcode == OP_SCAN) {
		fake_store_scan(f->store, &m->request, FAKE_PARTITIONS, &reply.result);
	} else if (m->opcode == OP_LEDGER) {
		fake_store_ledger(f->store, c->node, &m->request, FAKE_PARTITIONS, &reply.result);
	} else {
		fake_store_serve(f->store, m, &reply.result);
	}
	if (step.action == FAKE_APPLY_DROP)
		return false;
	if (step.action == FAKE_BAD_HASH)
		reply.result.value_hash++;
	if (m->request.receipt_wanted)
		fill_receipt(f, &reply.result);
	struct buf *out = &c->out;
	if (step.action == FAKE_HOLD) {
		KV_ASSERT(f->held_count < HELD_MAX);
		f->held[f->held_count].conn = (uint32_t)(c - f->conns);
		out = &f->held[f->held_count++].frame;
	}
	KV_ASSERT(codec_encode(&reply, out) == KV_OK);
	if (step.action == FAKE_BAD_SUM)
		out->data[out->size - 1] ^= 1;
	return true;
}

static bool serve(struct fake_server *f, struct fake_conn *c, const struct msg *m)
{
	struct msg reply = {.opcode = m->opcode, .reply = true, .id = m->id, .epoch = f->epoch};
	switch (m->opcode) {
	case OP_HELLO:
		append_hello(f, c, m, &c->out);
		return true;
	case OP_MAP:
		append_map(f, m, &c->out);
		return true;
	case OP_STATUS:
		append_status(f, c, m, &c->out);
		return true;
	case OP_PING:
		KV_ASSERT(codec_encode(&reply, &c->out) == KV_OK);
		return true;
	case OP_CLUSTER_INIT:
		f->epoch = 1;
		KV_ASSERT(codec_encode(&reply, &c->out) == KV_OK);
		return true;
	default:
		return serve_data(f, c, m);
	}
}

/* Serves whole frames. False: close. */
static bool take_frames(struct fake_server *f, struct fake_conn *c)
{
	static const struct frame_limits limits = FRAME_LIMITS_OPEN(VALUE_SIZE_MAX);
	while (c->in.size >= FRAME_HEADER_SIZE) {
		struct frame_header h;
		if (frame_header_decode(c->in.data, &limits, &h) != FRAME_OK)
			return false;
		if (c->in.size < frame_size(&h))
			return true;
		struct slice meta = slice_of(c->in.data + FRAME_HEADER_SIZE, h.meta_size);
		struct slice value = slice_of(meta.data + h.meta_size, h.value_size);
		CLEANUP(arena_release) struct arena arena = ARENA_INIT(codec_arena_max(h.meta_size));
		struct msg m;
		if (!frame_body_check(&h, meta, value) || codec_decode(&h, meta, value, &arena, &m) != KV_OK)
			return false;
		bool go_on = serve(f, c, &m);
		if (!go_on)
			return false;
		buf_consume(&c->in, frame_size(&h));
	}
	return true;
}

static bool read_some(struct fake_server *f, struct fake_conn *c)
{
	uint8_t *to = buf_extend(&c->in, 65536);
	ssize_t got = recv(c->fd, to, 65536, MSG_DONTWAIT);
	c->in.size -= 65536 - (got > 0 ? (size_t)got : 0);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	return got > 0 && take_frames(f, c);
}

static bool write_some(struct fake_conn *c)
{
	ssize_t put = send(c->fd, c->out.data, c->out.size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (put < 0)
		return errno == EAGAIN || errno == EINTR;
	buf_consume(&c->out, (size_t)put);
	return true;
}

static void accept_one(struct fake_server *f, uint32_t node)
{
	int fd = accept4(f->nodes[node].listener, NULL, NULL, SOCK_CLOEXEC);
	for (uint32_t i = 0; fd >= 0 && i < CONNS_MAX; i++) {
		if (f->conns[i].fd >= 0)
			continue;
		f->conns[i] = (struct fake_conn){.fd = fd, .node = node};
		pthread_cond_broadcast(&f->changed);
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void kill_node(struct fake_server *f, uint32_t node)
{
	close(f->nodes[node].listener);
	f->nodes[node].listener = -1;
	for (uint32_t i = 0; i < CONNS_MAX; i++) {
		if (f->conns[i].fd >= 0 && f->conns[i].node == node)
			conn_close(f, &f->conns[i]);
	}
	pthread_cond_broadcast(&f->changed);
}

static void serve_ready(struct fake_server *f, const struct pollfd *polls)
{
	eventfd_t count;
	if (polls[0].revents)
		(void)eventfd_read(f->wake, &count);
	for (uint32_t i = 0; i < CONNS_MAX; i++) {
		struct fake_conn *c = &f->conns[i];
		short ready = polls[1 + FAKE_NODES_MAX + i].revents;
		if (c->fd < 0 || c->fd != polls[1 + FAKE_NODES_MAX + i].fd)
			continue;
		if ((ready & (POLLIN | POLLHUP | POLLERR)) && !read_some(f, c)) {
			conn_close(f, c);
			continue;
		}
		if (c->out.size > 0 && !write_some(c))
			conn_close(f, c);
	}
	for (uint32_t i = 0; i < f->node_count; i++) {
		if (polls[1 + i].revents && f->nodes[i].listener >= 0)
			accept_one(f, i);
		if (f->nodes[i].kill && f->nodes[i].listener >= 0)
			kill_node(f, i);
	}
}

static void *fake_main(void *arg)
{
	struct fake_server *f = arg;
	struct pollfd polls[1 + FAKE_NODES_MAX + CONNS_MAX];
	pthread_mutex_lock(&f->lock);
	while (!f->stop) {
		memset(polls, 0, sizeof polls);
		polls[0] = (struct pollfd){.fd = f->wake, .events = POLLIN};
		for (uint32_t i = 0; i < FAKE_NODES_MAX; i++) {
			int fd = i < f->node_count ? f->nodes[i].listener : -1;
			polls[1 + i] = (struct pollfd){.fd = fd, .events = POLLIN};
		}
		for (uint32_t i = 0; i < CONNS_MAX; i++) {
			short wanted = (short)(POLLIN | (f->conns[i].out.size > 0 ? POLLOUT : 0));
			polls[1 + FAKE_NODES_MAX + i] = (struct pollfd){.fd = f->conns[i].fd, .events = wanted};
		}
		pthread_mutex_unlock(&f->lock);
		poll(polls, ARRAY_SIZE(polls), -1);
		pthread_mutex_lock(&f->lock);
		serve_ready(f, polls);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* ---- For the test ---- */

static void start_node(struct fake_node *n)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof a;
	n->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	KV_ASSERT(n->listener >= 0);
	KV_ASSERT(bind(n->listener, (struct sockaddr *)&a, sizeof a) == 0);
	KV_ASSERT(listen(n->listener, 64) == 0);
	KV_ASSERT(getsockname(n->listener, (struct sockaddr *)&a, &size) == 0);
	snprintf(n->address, sizeof n->address, "127.0.0.1:%u", ntohs(a.sin_port));
}

struct fake_server *fake_start_empty(uint32_t node_count)
{
	KV_ASSERT(node_count > 0 && node_count <= FAKE_NODES_MAX);
	struct fake_server *f = xcalloc(1, sizeof *f);
	f->node_count = node_count;
	f->log = xcalloc(LOG_MAX, sizeof *f->log);
	f->store = fake_store_new();
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	KV_ASSERT(f->wake >= 0);
	for (uint32_t i = 0; i < CONNS_MAX; i++)
		f->conns[i].fd = -1;
	size_t used = 0;
	for (uint32_t i = 0; i < node_count; i++) {
		start_node(&f->nodes[i]);
		used += (size_t)snprintf(f->endpoints + used, sizeof f->endpoints - used, "%s%s", i ? "," : "",
					 f->nodes[i].address);
	}
	KV_ASSERT(pthread_create(&f->thread, NULL, fake_main, f) == 0);
	return f;
}

struct fake_server *fake_start(uint32_t node_count)
{
	struct fake_server *f = fake_start_empty(node_count);
	pthread_mutex_lock(&f->lock);
	f->epoch = 1;
	pthread_mutex_unlock(&f->lock);
	return f;
}

static void lock(struct fake_server *f) { pthread_mutex_lock(&f->lock); }

static void unlock_and_wake(struct fake_server *f)
{
	(void)eventfd_write(f->wake, 1);
	pthread_mutex_unlock(&f->lock);
}

void fake_stop(struct fake_server *f)
{
	lock(f);
	f->stop = true;
	unlock_and_wake(f);
	pthread_join(f->thread, NULL);
	for (uint32_t i = 0; i < f->node_count; i++) {
		if (f->nodes[i].listener >= 0)
			close(f->nodes[i].listener);
	}
	for (uint32_t i = 0; i < CONNS_MAX; i++) {
		if (f->conns[i].fd >= 0)
			conn_close(f, &f->conns[i]);
	}
	fake_store_free(f->store);
	for (uint32_t i = 0; i < HELD_MAX; i++)
		buf_release(&f->held[i].frame);
	close(f->wake);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f->log);
	free(f);
}

const char *fake_address(const struct fake_server *f, uint32_t node) { return f->nodes[node].address; }

const char *fake_endpoints(const struct fake_server *f) { return f->endpoints; }

uint32_t fake_owner(struct fake_server *f, const char *key)
{
	node_id row[FAKE_NODES_MAX];
	lock(f);
	fill_row(f, hash_partition(key_hash(slice_str(key)), FAKE_PARTITIONS), row);
	pthread_mutex_unlock(&f->lock);
	return row[0];
}

void fake_script(struct fake_server *f, uint32_t node, struct fake_step step)
{
	lock(f);
	struct fake_node *n = &f->nodes[node];
	KV_ASSERT(n->step_count < STEPS_MAX);
	KV_ASSERT(step.count > 0);
	n->steps[n->step_count++] = step;
	pthread_mutex_unlock(&f->lock);
}

void fake_kill(struct fake_server *f, uint32_t node)
{
	lock(f);
	f->nodes[node].kill = true;
	(void)eventfd_write(f->wake, 1);
	while (f->nodes[node].listener >= 0)
		pthread_cond_wait(&f->changed, &f->lock);
	pthread_mutex_unlock(&f->lock);
}

void fake_lose(struct fake_server *f, uint32_t node, const char *key, const char *value, hlc_t hlc)
{
	lock(f);
	fake_store_lose(f->store, node, key, value, hlc);
	pthread_mutex_unlock(&f->lock);
}

void fake_goaway(struct fake_server *f, uint32_t node)
{
	lock(f);
	for (uint32_t i = 0; i < CONNS_MAX; i++) {
		struct msg m = {.opcode = OP_GOAWAY, .id = 2};
		if (f->conns[i].fd >= 0 && f->conns[i].node == node)
			KV_ASSERT(codec_encode(&m, &f->conns[i].out) == KV_OK);
	}
	unlock_and_wake(f);
}

void fake_release(struct fake_server *f)
{
	lock(f);
	while (f->held_count > 0) {
		struct held *h = &f->held[--f->held_count];
		if (f->conns[h->conn].fd >= 0)
			buf_append_slice(&f->conns[h->conn].out, buf_slice(&h->frame));
		buf_clear(&h->frame);
	}
	unlock_and_wake(f);
}

void fake_change_map(struct fake_server *f)
{
	lock(f);
	f->epoch++;
	f->shift++;
	pthread_mutex_unlock(&f->lock);
}

void fake_move(struct fake_server *f)
{
	lock(f);
	f->epoch++;
	f->moving = true;
	pthread_mutex_unlock(&f->lock);
}

static uint32_t connections(const struct fake_server *f, uint32_t node)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < CONNS_MAX; i++)
		count += f->conns[i].fd >= 0 && f->conns[i].node == node;
	return count;
}

/* Waits for the next change; false after WAIT_SECONDS in all. Under the lock. */
static bool wait_change(struct fake_server *f, usec_t since_us)
{
	usec_t end_us = since_us + WAIT_SECONDS * USEC_PER_SEC;
	struct timespec until = {.tv_sec = (time_t)(end_us / USEC_PER_SEC)};
	return pthread_cond_timedwait(&f->changed, &f->lock, &until) == 0;
}

bool fake_wait_requests(struct fake_server *f, uint32_t count)
{
	bool in_time = true;
	usec_t since_us = clock_wall_us();
	lock(f);
	while (f->log_count < count && in_time)
		in_time = wait_change(f, since_us);
	pthread_mutex_unlock(&f->lock);
	return in_time;
}

bool fake_wait_connections(struct fake_server *f, uint32_t node, uint32_t count)
{
	bool in_time = true;
	usec_t since_us = clock_wall_us();
	lock(f);
	while (connections(f, node) != count && in_time)
		in_time = wait_change(f, since_us);
	pthread_mutex_unlock(&f->lock);
	return in_time;
}

uint32_t fake_request_count(struct fake_server *f)
{
	lock(f);
	uint32_t count = f->log_count;
	pthread_mutex_unlock(&f->lock);
	return count;
}

struct fake_request fake_request(struct fake_server *f, uint32_t index)
{
	lock(f);
	KV_ASSERT(index < f->log_count);
	struct fake_request request = f->log[index];
	pthread_mutex_unlock(&f->lock);
	return request;
}

uint32_t fake_map_count(struct fake_server *f)
{
	lock(f);
	uint32_t count = f->map_count;
	pthread_mutex_unlock(&f->lock);
	return count;
}
