/* SPDX-License-Identifier: Apache-2.0 */
#include "client/link.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/hash.h"
#include "client/engine.h"
#include "proto/codec.h"

enum {
	FAILURES_MAX = 5, /* in a row, until the link is paused */
	PAUSE_FIRST_MS = 100,
	PAUSE_MAX_MS = 2000,
	GIVE_UP_COUNTS_MS = 100, /* an answer that is waited for less tells nothing about the node */
	INPUT_SIZE = 64 << 10,
	READS_MAX = 16,               /* a turn, so that one busy node does not starve the others */
	OUTPUT_HIGH = 1 << 20,        /* unwritten bytes at which requests wait in the queue */
	DEAD_PEER_TIMEOUT_MS = 10000, /* unacknowledged bytes until the kernel gives the connection up */
};

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);
static void on_connect_timeout(struct timer *timer);
static void link_break(struct link *link, enum kv_status status, const char *format, ...) PRINTF_LIKE(3, 4);

struct link *link_new(struct engine *engine, const char *address)
{
	struct link *link = xcalloc(1, sizeof *link);
	link->engine = engine;
	snprintf(link->address, sizeof link->address, "%s", address);
	link->fd = -1;
	link->expected = NODE_NONE;
	link->timer.fire = on_connect_timeout;
	ilist_init(&link->queue);
	return link;
}

/* Back to IDLE without a word to anyone. */
static void link_close(struct link *link)
{
	engine_timer_clear(link->engine, &link->timer);
	endpoint_lookup_free(link->lookup);
	link->lookup = NULL;
	if (link->readable)
		event_free(link->readable);
	if (link->writable)
		event_free(link->writable);
	link->readable = link->writable = NULL;
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	buf_release(&link->output);
	link->output_done = 0;
	link->written_total = 0;
	free(link->input);
	link->input = NULL;
	link->input_size = 0;
	reply_unref(link->incoming);
	link->incoming = NULL;
	link->abandoned = 0;
	link->draining = false;
	link->state = LINK_IDLE;
}

void link_free(struct link *link)
{
	KV_ASSERT(ilist_is_empty(&link->queue));
	KV_ASSERT(link->sent.count == 0);
	link_close(link);
	if (ilink_is_linked(&link->dirty))
		ilist_remove(&link->dirty);
	hmap_release(&link->sent);
	free(link);
}

static void link_pause(struct link *link, uint32_t doublings)
{
	usec_t cap_us = MIN((usec_t)PAUSE_FIRST_MS << MIN(doublings, 8u), (usec_t)PAUSE_MAX_MS) * USEC_PER_MSEC;
	link->paused_until_us = clock_mono_us() + cap_us / 2 + rng_below(&link->engine->rng, cap_us / 2);
}

static void link_note_failure(struct link *link)
{
	link->failures++;
	if (link->failures >= FAILURES_MAX)
		link_pause(link, link->failures - FAILURES_MAX);
}

/* True if no byte of R can have left this machine. */
static bool is_unwritten(const struct link *link, const struct request *r)
{
	return r->frame_start >= link->written_total;
}

/* The connection is over, or never came to be: tells every request of this link. */
static void link_break(struct link *link, enum kv_status status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(link->why, sizeof link->why, format, args);
	va_end(args);

	if (link->state != LINK_OPEN)
		link_note_failure(link);
	struct hmap_node *node;
	while ((node = hmap_first(&link->sent))) {
		struct request *r = container_of(node, struct request, by_id);
		hmap_remove(&link->sent, node);
		request_lost(r, !is_unwritten(link, r), status, link->why);
	}
	struct ilink *first;
	while ((first = ilist_pop_front(&link->queue)))
		request_lost(container_of(first, struct request, place), false, status, link->why);
	link_close(link);
}

/* ---- Connecting ---- */

static void on_connect_timeout(struct timer *timer)
{
	struct link *link = container_of(timer, struct link, timer);
	link_break(link, KV_UNAVAILABLE, "no connection to %s within %u ms", link->address,
		   link->engine->config.connect_timeout_ms);
}

static void set_socket_options(int fd)
{
	int on = 1;
	unsigned dead_ms = DEAD_PEER_TIMEOUT_MS;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
}

/* One attempt to the present address. False: failed, errno says why. */
static bool link_connect_one(struct link *link)
{
	const struct sockaddr *to = (const void *)&link->addresses.list[link->address_index].storage;
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	set_socket_options(fd);
	if (connect(fd, to, link->addresses.list[link->address_index].size) != 0 && errno != EINPROGRESS) {
		int failed = errno;
		close(fd);
		errno = failed;
		return false;
	}
	link->fd = fd;
	link->readable = event_new(link->engine->base, fd, EV_READ | EV_PERSIST, on_readable, link);
	link->writable = event_new(link->engine->base, fd, EV_WRITE, on_writable, link);
	KV_ASSERT(link->readable);
	KV_ASSERT(link->writable);
	event_add(link->writable, NULL);
	link->state = LINK_CONNECTING;
	return true;
}

static void link_connect(struct link *link)
{
	while (link->address_index < link->addresses.count) {
		if (link_connect_one(link))
			return;
		link->address_index++;
	}
	link_break(link, KV_UNAVAILABLE, "cannot connect to %s: %s", link->address, strerror(errno));
}

/* The present address did not answer: the next one, with the time that is left. */
static void link_connect_next(struct link *link, int failed)
{
	event_free(link->readable);
	event_free(link->writable);
	link->readable = link->writable = NULL;
	close(link->fd);
	link->fd = -1;
	link->address_index++;
	errno = failed;
	link_connect(link);
}

static void link_start(struct link *link)
{
	KV_ASSERT(link->state == LINK_IDLE);
	struct engine *e = link->engine;
	engine_timer_set(e, &link->timer, clock_mono_us() + e->config.connect_timeout_ms * USEC_PER_MSEC);
	link->address_index = 0;
	link->addresses.count = 0;
	errno = EINVAL;
	if (endpoint_numeric(link->address, &link->addresses)) {
		link_connect(link);
		return;
	}
	link->state = LINK_RESOLVING;
	link->lookup = endpoint_lookup_start(link->address, e->wake_fd);
	if (!link->lookup)
		link_break(link, KV_UNAVAILABLE, "cannot look %s up: no thread can be had", link->address);
}

void link_poll_lookup(struct link *link)
{
	const char *why = NULL;
	if (link->state != LINK_RESOLVING || !endpoint_lookup_poll(link->lookup, &link->addresses, &why))
		return;
	endpoint_lookup_free(link->lookup);
	link->lookup = NULL;
	if (why)
		link_break(link, KV_UNAVAILABLE, "cannot look %s up: %s", link->address, why);
	else
		link_connect(link);
}

static void link_greet(struct link *link)
{
	struct engine *e = link->engine;
	link->next_id = 1;
	link->input = xmalloc(INPUT_SIZE);
	struct msg m = {
		.opcode = OP_HELLO,
		.id = link->next_id,
		.epoch = route_epoch(&e->route),
		.hello =
			{
				.kind = HELLO_CLIENT,
				.proto_min = PROTO_VERSION_MIN,
				.proto_max = PROTO_VERSION_MAX,
				.index = NODE_NONE,
				.name = slice_str(e->config.name),
				.map_epoch = route_epoch(&e->route),
				.frame_size_max = FRAME_HEADER_SIZE + META_SIZE_ADMIN_MAX + VALUE_SIZE_MAX,
				.window = e->config.max_inflight,
			},
	};
	if (e->route.map)
		m.hello.cluster = e->route.map->cluster;
	enum kv_status status = codec_encode(&m, &link->output);
	KV_ASSERT(status == KV_OK);
	link->next_id += 2;
	link->state = LINK_GREETING;
	event_add(link->readable, NULL);
	engine_mark_dirty(e, link);
}

static void link_welcome(struct link *link, const struct reply *reply)
{
	struct engine *e = link->engine;
	const struct msg_hello *hello = &reply->msg.hello;
	const struct map_desc *map = e->route.map;
	if (hello->status != KV_OK) {
		link_break(link, hello->status, "%s refused: %.*s", link->address,
			   (int)MIN(hello->message.size, 100u), (const char *)hello->message.data);
		return;
	}
	if (map && !uuid_is_zero(&hello->cluster) && !uuid_equal(&map->cluster, &hello->cluster)) {
		link_break(link, KV_WRONG_CLUSTER, "%s belongs to another cluster", link->address);
		return;
	}
	if (map && link->expected != NODE_NONE && !uuid_equal(&map->nodes[link->expected].uuid, &hello->node)) {
		link_break(link, KV_UNAVAILABLE, "%s is not the node that the cluster map names there",
			   link->address);
		return;
	}
	engine_timer_clear(e, &link->timer);
	link->node = hello->node;
	link->window = MIN(e->config.max_inflight, hello->window ? hello->window : CONN_INFLIGHT_MAX);
	link->state = LINK_OPEN;
	link->failures = 0;
	link->paused_until_us = 0;
	engine_mark_dirty(e, link);
	if (hello->map_epoch > route_epoch(&e->route))
		engine_fetch_map(e, link);
}

/* ---- Frames in ---- */

static void link_goaway(struct link *link)
{
	link->draining = true;
	struct ilink *first;
	while ((first = ilist_pop_front(&link->queue)))
		request_requeue(container_of(first, struct request, place));
	engine_mark_dirty(link->engine, link);
}

static struct request *find_sent(const struct link *link, uint64_t id)
{
	/* Ids are the hash: unique on a connection, so the first is the only one. */
	struct hmap_node *node = hmap_first_same(&link->sent, hash_u64(id));
	return node ? container_of(node, struct request, by_id) : NULL;
}

static void link_take_push(struct link *link, const struct msg *m)
{
	if (m->opcode == OP_GOAWAY)
		link_goaway(link);
	else if (m->opcode == OP_ERROR)
		link_break(link, m->result.status == KV_OK ? KV_UNAVAILABLE : m->result.status,
			   "%s ended the connection: %.*s", link->address, (int)MIN(m->result.message.size, 100u),
			   (const char *)m->result.message.data);
}

/* Takes over REPLY, whole and undecoded. */
static void link_take_frame(struct link *link, struct reply *reply)
{
	enum kv_status status = reply_decode(reply);
	bool is_reply = reply->header.flags & FRAME_REPLY;
	if (status == KV_UNSUPPORTED && !is_reply) {
		reply_unref(reply); /* news of a later version */
		return;
	}
	if (status != KV_OK) {
		link_break(link, KV_CORRUPT, "%s sent a frame that cannot be read: %s", link->address,
			   kv_status_text(status));
		reply_unref(reply);
		return;
	}
	const struct msg *m = &reply->msg;
	engine_observe(link->engine, link, m);
	if (link->state == LINK_GREETING && is_reply && m->opcode == OP_HELLO) {
		link_welcome(link, reply);
		reply_unref(reply);
		return;
	}
	if (!is_reply || (link->state == LINK_GREETING && m->opcode == OP_ERROR)) {
		link_take_push(link, m);
		reply_unref(reply);
		return;
	}
	struct request *r = find_sent(link, m->id);
	if (!r) {
		/* Given up before; the node is alive after all. */
		if (link->abandoned > 0)
			link->abandoned--;
		reply_unref(reply);
		return;
	}
	if (m->opcode != r->msg.opcode && m->opcode != OP_ERROR) {
		link_break(link, KV_CORRUPT, "%s answered with another opcode", link->address);
		reply_unref(reply);
		return;
	}
	hmap_remove(&link->sent, &r->by_id);
	link->failures = 0;
	link->paused_until_us = 0;
	request_answered(r, reply);
	engine_mark_dirty(link->engine, link);
}

/* Begins with the frame at BYTES. Returns how many bytes of them it took, 0 if it needs more or the link broke. */
static size_t link_take_header(struct link *link, const uint8_t *bytes, size_t size)
{
	static const struct frame_limits limits = FRAME_LIMITS_OPEN(VALUE_SIZE_MAX);
	if (size < FRAME_HEADER_SIZE)
		return 0;
	struct frame_header header;
	enum frame_error error = frame_header_decode(bytes, &limits, &header);
	if (error != FRAME_OK) {
		link_break(link, KV_CORRUPT, "%s does not speak this protocol: %s", link->address,
			   frame_error_text(error));
		return 0;
	}
	struct reply *reply = reply_new(&header);
	if (!reply) {
		link_break(link, KV_OVERLOADED, "out of memory for an answer of %s", link->address);
		return 0;
	}
	size_t take = MIN(reply_body_size(reply), size - FRAME_HEADER_SIZE);
	memcpy(reply->body, bytes + FRAME_HEADER_SIZE, take);
	if (take < reply_body_size(reply)) {
		link->incoming = reply;
		link->incoming_size = take;
	} else {
		link_take_frame(link, reply);
	}
	return FRAME_HEADER_SIZE + take;
}

/* GOT bytes were read, the body under way first. */
static void link_take_bytes(struct link *link, size_t got)
{
	if (link->incoming) {
		size_t take = MIN(got, reply_body_size(link->incoming) - link->incoming_size);
		link->incoming_size += take;
		got -= take;
		if (link->incoming_size < reply_body_size(link->incoming))
			return;
		link_take_frame(link, TAKE_PTR(link->incoming));
	}
	if (link->state == LINK_IDLE)
		return;
	link->input_size += got;
	size_t at = 0;
	while (!link->incoming) {
		size_t took = link_take_header(link, link->input + at, link->input_size - at);
		if (link->state == LINK_IDLE)
			return;
		if (took == 0)
			break;
		at += took;
	}
	memmove(link->input, link->input + at, link->input_size - at);
	link->input_size -= at;
}

static void link_read(struct link *link)
{
	for (int i = 0; i < READS_MAX && link->state >= LINK_GREETING; i++) {
		struct iovec parts[2];
		int count = 0;
		if (link->incoming) {
			parts[count].iov_base = link->incoming->body + link->incoming_size;
			parts[count++].iov_len = reply_body_size(link->incoming) - link->incoming_size;
		}
		size_t room = INPUT_SIZE - link->input_size;
		parts[count].iov_base = link->input + link->input_size;
		parts[count++].iov_len = room;
		ssize_t got = readv(link->fd, parts, count);
		if (got > 0) {
			bool full = (size_t)got >= room;
			link_take_bytes(link, (size_t)got);
			if (!full)
				return;
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return;
		link_break(link, KV_UNAVAILABLE, "the connection to %s was lost: %s", link->address,
			   got == 0 ? "the node closed it" : strerror(errno));
		return;
	}
}

/* ---- Frames out ---- */

static void link_write(struct link *link)
{
	while (link->output_done < link->output.size) {
		ssize_t put = send(link->fd, link->output.data + link->output_done,
				   link->output.size - link->output_done, MSG_NOSIGNAL);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno == EAGAIN) {
			event_add(link->writable, NULL);
			return;
		}
		if (put < 0) {
			link_break(link, KV_UNAVAILABLE, "the connection to %s was lost: %s", link->address,
				   strerror(errno));
			return;
		}
		link->output_done += (size_t)put;
		link->written_total += (uint64_t)put;
	}
	link->output_done = 0;
	buf_clear(&link->output);
}

static bool has_room(const struct link *link)
{
	return link->sent.count + link->abandoned < link->window &&
	       link->output.size - link->output_done < OUTPUT_HIGH;
}

static void link_fill(struct link *link)
{
	while (has_room(link) && !ilist_is_empty(&link->queue)) {
		struct request *r = container_of(ilist_pop_front(&link->queue), struct request, place);
		uint64_t start = link->written_total + (link->output.size - link->output_done);
		uint64_t id = link->next_id;
		if (!request_encode(r, id, &link->output))
			continue;
		link->next_id += 2;
		r->frame_start = start;
		hmap_add(&link->sent, &r->by_id, hash_u64(id));
	}
}

void link_flush(struct link *link)
{
	if (link->state == LINK_IDLE && !ilist_is_empty(&link->queue))
		link_start(link);
	if (link_is_open(link))
		link_fill(link);
	if (link->state >= LINK_GREETING && !event_pending(link->writable, EV_WRITE, NULL))
		link_write(link);
	if (link->draining && link->sent.count == 0 && link->output.size == 0) {
		link_close(link);
		link_pause(link, 0);
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct link *link = arg;
	struct engine *e = link->engine;
	if (link->state == LINK_CONNECTING) {
		int failed = 0;
		socklen_t size = sizeof failed;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0)
			failed = errno;
		if (failed)
			link_connect_next(link, failed);
		else
			link_greet(link);
	} else {
		link_write(link);
		engine_mark_dirty(e, link);
	}
	engine_turn(e);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct link *link = arg;
	struct engine *e = link->engine;
	link_read(link);
	engine_turn(e);
}

/* ---- Requests ---- */

void link_submit(struct link *link, struct request *r)
{
	KV_ASSERT(!link->draining);
	r->at = link;
	r->phase = REQUEST_QUEUED;
	ilist_push_back(&link->queue, &r->place);
	engine_mark_dirty(link->engine, link);
}

void link_remove(struct link *link, struct request *r, bool gave_up)
{
	KV_ASSERT(r->at == link);
	r->at = NULL;
	if (r->phase == REQUEST_QUEUED) {
		ilist_remove(&r->place);
		return;
	}
	KV_ASSERT(r->phase == REQUEST_SENT);
	hmap_remove(&link->sent, &r->by_id);
	link->abandoned++;
	if (gave_up && clock_mono_us() - r->sent_us >= GIVE_UP_COUNTS_MS * USEC_PER_MSEC)
		link_note_failure(link);
	if (link->abandoned > link->window / 2 && link->failures >= FAILURES_MAX)
		link_break(link, KV_UNAVAILABLE, "%s left too many requests without an answer", link->address);
}
