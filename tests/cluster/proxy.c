/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "tests/cluster/flow.h"
#include "tests/support/frames.h"

enum {
	BACKLOG = 256,
	READ_SIZE = 16 << 10,
	READ_LIMITED_SIZE = 1 << 10, /* where the line is slow */
	WAITING_MAX = 1 << 20,       /* bytes on their way in one direction; then nobody reads */
	PIPES_MAX = 4096
};

/** Where others dial a node. */
struct door {
	int fd;
	unsigned node;
	bool is_peer;
	char address[PROXY_ADDRESS_SIZE];
	uint16_t port; /* of the node behind; 0: none yet */
};

/** One connection: side 0 dialled, side 1 was dialled. Flow S carries what side S says. */
struct pipe {
	struct ilink link;
	const struct door *door;
	int fds[2]; /* -1: not connected yet */
	unsigned ends[2];
	bool is_known; /* who dialled */
	bool is_connecting;
	bool is_broken; /* to be closed */
	struct flow flows[2];
	struct buf hello; /* what the dialler said until it was known */
	size_t polled[2]; /* place in the array of the round; SIZE_MAX: none */
};

struct proxy {
	pthread_t thread;
	int wake_fd;
	unsigned nodes;
	struct door doors[PROXY_NODES_MAX][2]; /* client, peer */
	pthread_mutex_t lock;                  /* of all below, and of the doors' ports */
	bool stopping;
	struct proxy_weather weather[PROXY_ENDS][PROXY_ENDS];
	uint64_t bytes[PROXY_ENDS][PROXY_ENDS];
	struct ilist pipes;
	unsigned pipe_count;
	struct rng rng;
	struct pollfd polled[2 * PIPES_MAX + 2 * PROXY_NODES_MAX + 1];
	size_t polled_count;
	usec_t wake_us; /* when the round ends by itself */
};

/* ---- a connection ---- */

static void pipe_free(struct proxy *p, struct pipe *pipe)
{
	ilist_remove(&pipe->link);
	p->pipe_count--;
	for (unsigned side = 0; side < 2; side++) {
		if (pipe->fds[side] >= 0)
			close(pipe->fds[side]);
		flow_release(&pipe->flows[side]);
	}
	buf_release(&pipe->hello);
	free(pipe);
}

static void pipe_accept(struct proxy *p, const struct door *door)
{
	int fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (p->pipe_count == PIPES_MAX) {
		close(fd);
		return;
	}
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	struct pipe *pipe = xcalloc(1, sizeof *pipe);
	pipe->door = door;
	pipe->fds[0] = fd;
	pipe->fds[1] = -1;
	pipe->ends[0] = PROXY_CLIENTS;
	pipe->ends[1] = door->node;
	pipe->is_known = !door->is_peer;
	flow_init(&pipe->flows[0]);
	flow_init(&pipe->flows[1]);
	ilist_push_back(&p->pipes, &pipe->link);
	p->pipe_count++;
}

static const struct proxy_weather *weather_of(const struct proxy *p, const struct pipe *pipe, unsigned side)
{
	return &p->weather[pipe->ends[side]][pipe->ends[1 - side]];
}

/** Dials the node behind the door. Until something gets through to it, it hears of no connection. */
static void pipe_connect(struct pipe *pipe)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(pipe->door->port)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = pipe->door->port ? socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
	pipe->fds[1] = fd;
	pipe->is_connecting = true;
	if (fd < 0 || (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)) {
		pipe->is_broken = true;
		return;
	}
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void pipe_connected(struct pipe *pipe)
{
	int failed = 0;
	socklen_t size = sizeof failed;
	if (getsockopt(pipe->fds[1], SOL_SOCKET, SO_ERROR, &failed, &size) != 0 || failed)
		pipe->is_broken = true;
	pipe->is_connecting = false;
}

static void pipe_take(struct proxy *p, struct pipe *pipe, unsigned side, struct slice bytes)
{
	const struct proxy_weather *w = weather_of(p, pipe, side);
	struct flow *f = &pipe->flows[side];
	usec_t due_us = clock_mono_us();
	if (w->bytes_per_ms) {
		due_us = MAX(due_us, f->free_us);
		f->free_us = due_us + bytes.size * 1000 / w->bytes_per_ms;
	}
	due_us += w->delay_ms * USEC_PER_MSEC + rng_below(&p->rng, w->jitter_ms * USEC_PER_MSEC + 1);
	flow_push(f, bytes, due_us);
}

static unsigned node_at(const struct proxy *p, struct slice peer_address)
{
	for (unsigned i = 0; i < p->nodes; i++) {
		if (slice_equal(peer_address, slice_str(p->doors[i][1].address)))
			return i;
	}
	return PROXY_CLIENTS;
}

/** Reads the dialler's HELLO as far as it has come. Whoever says anything else counts as a client. */
static void pipe_recognise(struct proxy *p, struct pipe *pipe)
{
	struct frame_header header;
	const struct buf *said = &pipe->hello;
	if (said->size < FRAME_HEADER_SIZE)
		return;
	if (frame_header_decode(said->data, &FRAME_LIMITS_HELLO, &header) == FRAME_OK) {
		if (said->size < frame_size(&header))
			return;
		struct frame_parts parts;
		struct msg msg;
		CLEANUP(arena_release) struct arena arena = ARENA_INIT(codec_arena_max(header.meta_size));
		if (frame_split(slice_of(said->data, frame_size(&header)), &parts) &&
		    codec_decode(&parts.header, parts.meta, parts.value, &arena, &msg) == KV_OK &&
		    msg.opcode == OP_HELLO)
			pipe->ends[0] = node_at(p, msg.hello.peer_address);
	}
	pipe->is_known = true;
	pipe_take(p, pipe, 0, buf_slice(said));
	buf_release(&pipe->hello);
}

static void pipe_read(struct proxy *p, struct pipe *pipe, unsigned side)
{
	char bytes[READ_SIZE];
	size_t max = weather_of(p, pipe, side)->bytes_per_ms ? READ_LIMITED_SIZE : READ_SIZE;
	ssize_t size = recv(pipe->fds[side], bytes, max, MSG_DONTWAIT);
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0) {
		pipe->flows[side].ended = true;
	} else if (pipe->is_known) {
		pipe_take(p, pipe, side, slice_of(bytes, (size_t)size));
	} else {
		buf_append(&pipe->hello, bytes, (size_t)size);
		pipe_recognise(p, pipe);
	}
}

/** True if bytes of SIDE may be handed on now. */
static bool pipe_may_write(const struct proxy *p, const struct pipe *pipe, unsigned side, usec_t now_us)
{
	return pipe->is_known && !weather_of(p, pipe, side)->cut && flow_next_us(&pipe->flows[side]) <= now_us;
}

/** Hands on what is due, and ends when one side is gone and all it said has arrived. */
static void pipe_advance(struct proxy *p, struct pipe *pipe, usec_t now_us)
{
	if (pipe->fds[1] < 0 && pipe_may_write(p, pipe, 0, now_us))
		pipe_connect(pipe);
	for (unsigned side = 0; side < 2; side++) {
		struct flow *f = &pipe->flows[side];
		bool is_open = pipe->fds[1] >= 0 && !pipe->is_connecting;
		if (is_open && pipe_may_write(p, pipe, side, now_us) &&
		    !flow_write(f, pipe->fds[1 - side], now_us, &p->bytes[pipe->ends[side]][pipe->ends[1 - side]]))
			flow_release(f); /* nobody is there; the other flow tells the speaker */
		if (f->ended && f->size == 0 && !weather_of(p, pipe, side)->cut)
			pipe->is_broken = true;
	}
}

/* ---- rounds ---- */

static size_t watch(struct proxy *p, int fd, int events)
{
	if (fd < 0 || events == 0)
		return SIZE_MAX;
	KV_ASSERT(p->polled_count < ARRAY_SIZE(p->polled));
	p->polled[p->polled_count] = (struct pollfd){.fd = fd, .events = (short)events};
	return p->polled_count++;
}

static void pipe_watch(struct proxy *p, struct pipe *pipe, usec_t now_us)
{
	for (unsigned side = 0; side < 2; side++) {
		const struct flow *in = &pipe->flows[side];
		int events = !in->ended && in->size < WAITING_MAX ? POLLIN : 0;
		if (pipe_may_write(p, pipe, 1 - side, now_us))
			events |= POLLOUT;
		else if (!weather_of(p, pipe, 1 - side)->cut)
			p->wake_us = MIN(p->wake_us, flow_next_us(&pipe->flows[1 - side]));
		if (side == 1 && pipe->is_connecting)
			events = POLLOUT;
		pipe->polled[side] = watch(p, pipe->fds[side], events);
	}
}

static void prepare_round(struct proxy *p)
{
	usec_t now_us = clock_mono_us();
	p->polled_count = 0;
	p->wake_us = USEC_NEVER;
	watch(p, p->wake_fd, POLLIN);
	for (unsigned i = 0; i < p->nodes; i++) {
		watch(p, p->doors[i][0].fd, POLLIN);
		watch(p, p->doors[i][1].fd, POLLIN);
	}
	struct ilink *next;
	for (struct ilink *at = ilist_first(&p->pipes); at; at = next) {
		struct pipe *pipe = container_of(at, struct pipe, link);
		next = ilist_next(&p->pipes, at);
		pipe_advance(p, pipe, now_us);
		if (pipe->is_broken)
			pipe_free(p, pipe);
		else
			pipe_watch(p, pipe, now_us);
	}
}

static bool has_happened(const struct proxy *p, size_t place)
{
	return place != SIZE_MAX && p->polled[place].revents != 0;
}

static void serve_round(struct proxy *p)
{
	for (struct ilink *at = ilist_first(&p->pipes); at; at = ilist_next(&p->pipes, at)) {
		struct pipe *pipe = container_of(at, struct pipe, link);
		for (unsigned side = 0; side < 2; side++) {
			if (!has_happened(p, pipe->polled[side]))
				continue;
			if (side == 1 && pipe->is_connecting)
				pipe_connected(pipe);
			else if (p->polled[pipe->polled[side]].events & POLLIN)
				pipe_read(p, pipe, side);
		}
	}
	uint64_t wakes;
	if (p->polled[0].revents && read(p->wake_fd, &wakes, sizeof wakes) < 0)
		KV_ASSERT(errno == EAGAIN);
	for (unsigned i = 0; i < p->nodes; i++) {
		for (unsigned k = 0; k < 2; k++) {
			if (has_happened(p, 1 + 2 * (size_t)i + k))
				pipe_accept(p, &p->doors[i][k]);
		}
	}
}

static int wait_ms(const struct proxy *p)
{
	usec_t now_us = clock_mono_us();
	if (p->wake_us == USEC_NEVER)
		return -1;
	return p->wake_us <= now_us ? 0 : (int)((p->wake_us - now_us) / USEC_PER_MSEC + 1);
}

static void *run(void *arg)
{
	struct proxy *p = arg;
	pthread_mutex_lock(&p->lock);
	while (!p->stopping) {
		prepare_round(p);
		int timeout_ms = wait_ms(p);
		/* Only this thread touches the array and the pipes' sockets. */
		pthread_mutex_unlock(&p->lock);
		int ready = poll(p->polled, p->polled_count, timeout_ms);
		pthread_mutex_lock(&p->lock);
		if (ready > 0)
			serve_round(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- commands ---- */

static void wake(struct proxy *p)
{
	uint64_t one = 1;
	ssize_t size = write(p->wake_fd, &one, sizeof one);
	KV_ASSERT(size == sizeof one);
}

static void door_open(struct door *door, unsigned node, bool is_peer)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof at;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*door = (struct door){.node = node, .is_peer = is_peer};
	door->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool open = door->fd >= 0 && bind(door->fd, (const struct sockaddr *)&at, size) == 0 &&
		    listen(door->fd, BACKLOG) == 0 && getsockname(door->fd, (struct sockaddr *)&at, &size) == 0;
	KV_ASSERT(open);
	snprintf(door->address, sizeof door->address, "127.0.0.1:%u", ntohs(at.sin_port));
}

struct proxy *proxy_new(unsigned nodes, uint64_t seed)
{
	KV_ASSERT(nodes <= PROXY_NODES_MAX);
	struct proxy *p = xcalloc(1, sizeof *p);
	p->nodes = nodes;
	p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	KV_ASSERT(p->wake_fd >= 0);
	rng_init(&p->rng, seed);
	ilist_init(&p->pipes);
	pthread_mutex_init(&p->lock, NULL);
	for (unsigned i = 0; i < nodes; i++) {
		door_open(&p->doors[i][0], i, /* is_peer: */ false);
		door_open(&p->doors[i][1], i, /* is_peer: */ true);
	}
	int error = pthread_create(&p->thread, NULL, run, p);
	KV_ASSERT(error == 0);
	return p;
}

void proxy_free(struct proxy *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	wake(p);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	for (struct ilink *at; (at = ilist_first(&p->pipes));)
		pipe_free(p, container_of(at, struct pipe, link));
	for (unsigned i = 0; i < p->nodes; i++) {
		close(p->doors[i][0].fd);
		close(p->doors[i][1].fd);
	}
	close(p->wake_fd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

const char *proxy_client_address(const struct proxy *p, unsigned index) { return p->doors[index][0].address; }

const char *proxy_peer_address(const struct proxy *p, unsigned index) { return p->doors[index][1].address; }

static uint16_t port_of(const char *address)
{
	const char *colon = strrchr(address, ':');
	KV_ASSERT(colon);
	return (uint16_t)atoi(colon + 1);
}

void proxy_point(struct proxy *p, unsigned index, const char *client, const char *peer)
{
	KV_ASSERT(index < p->nodes);
	pthread_mutex_lock(&p->lock);
	p->doors[index][0].port = port_of(client);
	p->doors[index][1].port = port_of(peer);
	pthread_mutex_unlock(&p->lock);
}

void proxy_set(struct proxy *p, unsigned from, unsigned to, const struct proxy_weather *weather)
{
	KV_ASSERT(from < PROXY_ENDS && to < PROXY_ENDS);
	pthread_mutex_lock(&p->lock);
	p->weather[from][to] = *weather;
	wake(p);
	pthread_mutex_unlock(&p->lock);
}

void proxy_heal(struct proxy *p)
{
	pthread_mutex_lock(&p->lock);
	memset(p->weather, 0, sizeof p->weather);
	wake(p);
	pthread_mutex_unlock(&p->lock);
}

void proxy_reset(struct proxy *p, unsigned a, unsigned b)
{
	pthread_mutex_lock(&p->lock);
	for (struct ilink *at = ilist_first(&p->pipes); at; at = ilist_next(&p->pipes, at)) {
		struct pipe *pipe = container_of(at, struct pipe, link);
		pipe->is_broken |=
			(pipe->ends[0] == a && pipe->ends[1] == b) || (pipe->ends[0] == b && pipe->ends[1] == a);
	}
	wake(p);
	pthread_mutex_unlock(&p->lock);
}

unsigned proxy_connections(struct proxy *p)
{
	pthread_mutex_lock(&p->lock);
	unsigned count = p->pipe_count;
	pthread_mutex_unlock(&p->lock);
	return count;
}

uint64_t proxy_bytes(struct proxy *p, unsigned from, unsigned to)
{
	pthread_mutex_lock(&p->lock);
	uint64_t bytes = p->bytes[from][to];
	pthread_mutex_unlock(&p->lock);
	return bytes;
}
