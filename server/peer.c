/* SPDX-License-Identifier: Apache-2.0 */
#include "server/peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/klog.h"
#include "proto/codec.h"
#include "server/address.h"
#include "server/outq.h"

enum { READ_SIZE = 16 << 10, WARN_INTERVAL_US = 10 * 1000 * 1000 };

enum link_state {
	LINK_WAITING,   /* for the timer to try again */
	LINK_RESOLVING, /* the name is being looked up */
	LINK_CONNECTING,
	LINK_GREETING, /* HELLO is on its way */
	LINK_UP,
	LINK_ENDING, /* sends the rest of `out`, then connects anew with another HELLO */
};

struct peer_link {
	struct peer_set *set;
	node_id index;
	char address[ADDRESS_SIZE_MAX + 1];
	enum link_state state;
	uint64_t attempt;              /* counts them: tells if a call has ended the connection */
	struct address_lookup *lookup; /* of the name, under way; perhaps since an earlier attempt */
	uint32_t failures;             /* in a row */
	struct transport transport;
	struct event read_event, write_event;
	bool has_events, writing;
	struct loop_timer timer;
	struct outq out;                   /* of this connection */
	struct outq waiting;               /* for the next one */
	uint64_t out_count, waiting_count; /* messages in them */
	struct buf in;
	struct uuid said_cluster; /* in the HELLO of this connection */
	node_id said_index;
	usec_t started_us;
	struct ilink dirty_link;
	struct log_limit warn_limit;
};

static void start_attempt(struct peer_link *link);

static void drop(struct peer_link *link, struct outq *queue, uint64_t *count)
{
	stats_add(&link->set->config.stats->peer_messages_dropped, *count);
	*count = 0;
	outq_release(queue);
}

/** Ends the connection, if there is one. What waits for the next one stays. */
static void disconnect(struct peer_link *link)
{
	if (link->has_events) {
		event_del(&link->read_event);
		event_del(&link->write_event);
	}
	link->has_events = false;
	link->writing = false;
	transport_close(&link->transport);
	drop(link, &link->out, &link->out_count);
	buf_release(&link->in);
	if (ilink_is_linked(&link->dirty_link))
		ilist_remove(&link->dirty_link);
}

static void retry_in(struct peer_link *link, usec_t wait_us)
{
	link->state = LINK_WAITING;
	wait_us = wait_us / 2 + rng_below(&link->set->rng, wait_us / 2 + 1);
	loop_timer_set(&link->timer, clock_mono_us() + wait_us);
}

static void fail(struct peer_link *link, const char *why, usec_t wait_us)
{
	uint64_t suppressed;
	if (log_limit_pass(&link->warn_limit, clock_mono_us(), WARN_INTERVAL_US, &suppressed))
		log_warn("peer.disconnected", L_U64("node", link->index), L_STR("address", link->address),
			 L_STR("reason", why), L_U64("failures", link->failures + 1),
			 L_U64("suppressed", suppressed));
	stats_add(&link->set->config.stats->peer_failures, 1);
	disconnect(link);
	drop(link, &link->waiting, &link->waiting_count); /* by the next attempt nobody waits for them any more */
	usec_t backoff_us = PEER_BACKOFF_MIN_US << MIN(link->failures, 5u);
	link->failures++;
	retry_in(link, wait_us ? wait_us : MIN(backoff_us, PEER_BACKOFF_MAX_US));
}

static void set_writing(struct peer_link *link, bool writing)
{
	if (writing == link->writing)
		return;
	link->writing = writing;
	if (writing)
		event_add(&link->write_event, NULL);
	else
		event_del(&link->write_event);
}

static void flush(struct peer_link *link)
{
	size_t sent;
	enum transport_result result = outq_write(&link->out, &link->transport, &sent);
	stats_add(&link->set->config.stats->bytes_sent, sent);
	if (result == TRANSPORT_CLOSED || result == TRANSPORT_FAILED) {
		fail(link, "the connection broke", 0);
		return;
	}
	set_writing(link, result == TRANSPORT_AGAIN);
	if (result != TRANSPORT_OK)
		return;
	if (link->state != LINK_GREETING)
		stats_add(&link->set->config.stats->peer_messages_sent, link->out_count);
	link->out_count = 0;
	if (link->state == LINK_ENDING) {
		disconnect(link);
		start_attempt(link);
	}
}

static void mark_dirty(struct peer_link *link)
{
	if (!link->writing && !ilink_is_linked(&link->dirty_link))
		ilist_push_back(&link->set->dirty, &link->dirty_link);
}

static void greet(struct peer_link *link)
{
	struct msg msg = {.opcode = OP_HELLO, .id = 1};
	link->set->config.events->hello(link->set->config.owner, &msg.hello);
	msg.hello.kind = HELLO_PEER;
	link->said_cluster = msg.hello.cluster;
	link->said_index = msg.hello.index;
	link->state = LINK_GREETING;
	enum kv_status status = codec_encode(&msg, outq_open(&link->out));
	KV_ASSERT(status == KV_OK);
	outq_close(&link->out);
	flush(link);
}

static void came_up(struct peer_link *link)
{
	link->state = LINK_UP;
	link->failures = 0;
	loop_timer_set(&link->timer, USEC_NEVER);
	stats_add(&link->set->config.stats->peer_connects, 1);
	log_info("peer.connected", L_U64("node", link->index), L_STR("address", link->address),
		 L_U64("took_us", clock_mono_us() - link->started_us));
	outq_move(&link->out, &link->waiting);
	link->out_count += link->waiting_count;
	link->waiting_count = 0;
	mark_dirty(link);
}

/** The other node's answer to HELLO. */
static void take_greeting(struct peer_link *link, const struct msg_hello *hello)
{
	char why[240];
	snprintf(why, sizeof why, "%s: %.*s", status_name(hello->status), (int)MIN(hello->message.size, 180u),
		 (const char *)hello->message.data);
	if (hello->status == KV_IDENTITY) {
		link->set->config.events->rejected(link->set->config.owner, link->index, hello->message);
		fail(link, why, PEER_REFUSED_RETRY_US);
	} else if (hello->status == KV_WRONG_CLUSTER || hello->status == KV_VERSION) {
		fail(link, why, PEER_REFUSED_RETRY_US);
	} else if (hello->status != KV_OK) {
		fail(link, why, 0);
	} else if (hello->index != NODE_NONE && hello->index != link->index && link->said_index != NODE_NONE &&
		   link->index != NODE_GUEST) {
		snprintf(why, sizeof why, "the node at this address is number %u of the cluster, not %u",
			 hello->index, link->index);
		fail(link, why, PEER_REFUSED_RETRY_US);
	} else {
		came_up(link);
	}
}

static void take_message(struct peer_link *link, const struct msg *msg)
{
	if (link->state == LINK_GREETING && msg->opcode == OP_HELLO && msg->reply) {
		take_greeting(link, &msg->hello);
		return;
	}
	bool is_error = msg->opcode == OP_ERROR || msg->opcode == OP_GOAWAY;
	if (!is_error)
		return; /* nothing else is said on a link that we opened */
	char why[240];
	snprintf(why, sizeof why, "%s: %.*s", status_name(msg->result.status),
		 (int)MIN(msg->result.message.size, 180u), (const char *)msg->result.message.data);
	if (link->state == LINK_GREETING || !msg->reply) {
		fail(link, why, 0);
		return;
	}
	uint64_t suppressed;
	if (log_limit_pass(&link->warn_limit, clock_mono_us(), WARN_INTERVAL_US, &suppressed))
		log_warn("peer.message_refused", L_U64("node", link->index), L_STR("reason", why),
			 L_U64("suppressed", suppressed));
}

/** Takes the frame at the beginning of the input; false if there is none in full, or the link is gone. */
static bool take_frame(struct peer_link *link)
{
	const struct frame_limits limits = FRAME_LIMITS_HELLO;
	struct frame_header header;
	if (link->in.size < FRAME_HEADER_SIZE)
		return false;
	enum frame_error error = frame_header_decode(link->in.data, &limits, &header);
	if (error != FRAME_OK) {
		fail(link, frame_error_text(error), PEER_REFUSED_RETRY_US);
		return false;
	}
	if (link->in.size < frame_size(&header))
		return false;
	struct slice meta = slice_of(link->in.data + FRAME_HEADER_SIZE, header.meta_size);
	struct slice value = slice_of(meta.data + meta.size, header.value_size);
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(codec_arena_max(header.meta_size));
	struct msg msg = {0};
	if (!frame_body_check(&header, meta, value) || codec_decode(&header, meta, value, &arena, &msg) != KV_OK) {
		fail(link, "its answer is damaged", PEER_REFUSED_RETRY_US);
		return false;
	}
	uint64_t attempt = link->attempt;
	take_message(link, &msg);
	if (link->attempt != attempt || !link->has_events)
		return false;
	buf_consume(&link->in, frame_size(&header));
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *data)
{
	struct peer_link *link = data;
	buf_reserve(&link->in, READ_SIZE);
	struct iovec part = {.iov_base = link->in.data + link->in.size, .iov_len = READ_SIZE};
	size_t size;
	enum transport_result result = transport_read(&link->transport, &part, 1, &size);
	if (result == TRANSPORT_AGAIN)
		return;
	if (result != TRANSPORT_OK) {
		fail(link, "the other side closed the connection", 0);
		return;
	}
	link->in.size += size;
	stats_add(&link->set->config.stats->bytes_received, size);
	while (take_frame(link))
		;
	if (link->has_events && link->in.size == 0)
		buf_release(&link->in);
}

static void on_writable(evutil_socket_t fd, short what, void *data)
{
	struct peer_link *link = data;
	if (link->state != LINK_CONNECTING) {
		flush(link);
		return;
	}
	int failed = 0;
	socklen_t size = sizeof failed;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0)
		failed = errno;
	if (failed) {
		fail(link, strerror(failed), 0);
		return;
	}
	event_add(&link->read_event, NULL);
	set_writing(link, false);
	greet(link);
}

static void connect_to(struct peer_link *link, const struct address *address)
{
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		fail(link, strerror(errno), 0);
		return;
	}
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	/* A node that is gone without a word is found out by its silence, not after minutes of retransmission. */
	unsigned silence_ms = 5000;
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms, sizeof silence_ms);
	transport_init_tcp(&link->transport, fd);
	event_assign(&link->read_event, link->set->config.loop->base, fd, EV_READ | EV_PERSIST, on_readable, link);
	event_assign(&link->write_event, link->set->config.loop->base, fd, EV_WRITE | EV_PERSIST, on_writable,
		     link);
	link->has_events = true;
	link->state = LINK_CONNECTING;
	if (connect(fd, (const struct sockaddr *)&address->storage, address->size) != 0 && errno != EINPROGRESS) {
		fail(link, strerror(errno), 0);
		return;
	}
	set_writing(link, true);
}

/** Goes on once the name is known, which may be long after the attempt that asked for it has failed. */
static void poll_lookup(struct peer_link *link)
{
	struct address address;
	struct error error;
	enum kv_status status = address_lookup_poll(link->lookup, &address, &error);
	if (link->state != LINK_RESOLVING || status == KV_AGAIN)
		return;
	address_lookup_free(link->lookup);
	link->lookup = NULL;
	if (status == KV_OK)
		connect_to(link, &address);
	else
		fail(link, error.message, 0);
}

static void on_lookup(evutil_socket_t fd, short what, void *data)
{
	struct peer_set *set = data;
	eventfd_t count;
	(void)eventfd_read(set->wake_fd, &count);
	for (size_t i = 0; i < PEER_LINKS; i++) {
		if (set->links[i] && set->links[i]->lookup)
			poll_lookup(set->links[i]);
	}
}

/** One a link at a time, however slow the resolver is. */
static void look_up(struct peer_link *link)
{
	link->state = LINK_RESOLVING;
	if (!link->lookup)
		link->lookup = address_lookup_start(link->address, link->set->wake_fd);
	if (link->lookup)
		poll_lookup(link);
	else
		fail(link, "no thread can be had to look its name up", 0);
}

static void start_attempt(struct peer_link *link)
{
	link->attempt++;
	link->started_us = clock_mono_us();
	loop_timer_set(&link->timer, link->started_us + PEER_CONNECT_TIMEOUT_US);
	struct address address;
	struct error error;
	enum kv_status status =
		address_resolve(slice_str(link->address), /* numeric_only: */ true, &address, &error);
	if (status == KV_OK) {
		connect_to(link, &address);
	} else if (status == KV_AGAIN) {
		look_up(link);
	} else {
		fail(link, error.message, PEER_REFUSED_RETRY_US);
	}
}

static void on_timer(void *data)
{
	struct peer_link *link = data;
	switch (link->state) {
	case LINK_WAITING:
		start_attempt(link);
		return;
	case LINK_RESOLVING:
	case LINK_CONNECTING:
	case LINK_GREETING:
		fail(link, "no answer in time", 0);
		return;
	case LINK_ENDING:
		fail(link, "the rest could not be sent in time", 0);
		return;
	case LINK_UP:
		return;
	}
	KV_UNREACHABLE("link state");
}

static void link_free(struct peer_link *link)
{
	disconnect(link);
	drop(link, &link->waiting, &link->waiting_count);
	address_lookup_free(link->lookup);
	loop_timer_release(&link->timer);
	link->set->links[link->index] = NULL;
	free(link);
}

void peer_set_init(struct peer_set *set, const struct peer_config *config)
{
	*set = (struct peer_set){.config = *config};
	rng_init(&set->rng, config->seed);
	ilist_init(&set->dirty);
	set->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	KV_ASSERT(set->wake_fd >= 0);
	event_assign(&set->wake_event, config->loop->base, set->wake_fd, EV_READ | EV_PERSIST, on_lookup, set);
	event_add(&set->wake_event, NULL);
	set->has_wake = true;
}

void peer_set_release(struct peer_set *set)
{
	for (size_t i = 0; i < PEER_LINKS; i++) {
		if (set->links[i])
			link_free(set->links[i]);
	}
	if (!set->has_wake)
		return;
	event_del(&set->wake_event);
	close(set->wake_fd);
	set->has_wake = false;
}

void peer_point(struct peer_set *set, node_id index, struct slice address)
{
	KV_ASSERT(index < PEER_LINKS);
	KV_ASSERT(address.size <= ADDRESS_SIZE_MAX);
	struct peer_link *link = set->links[index];
	if (link && slice_equal(slice_str(link->address), address))
		return;
	if (link)
		link_free(link);
	if (address.size == 0)
		return;
	link = xcalloc(1, sizeof *link);
	link->set = set;
	link->index = index;
	link->said_index = NODE_NONE;
	memcpy(link->address, address.data, address.size);
	loop_timer_init(&link->timer, set->config.loop, on_timer, link);
	set->links[index] = link;
	/* The attempt starts from the loop, not inside the step that asked for the link. */
	loop_timer_set(&link->timer, clock_mono_us());
}

void peer_send(struct peer_set *set, node_id index, const struct msg *msg)
{
	struct peer_link *link = index < PEER_LINKS ? set->links[index] : NULL;
	bool up = link && link->state == LINK_UP;
	bool full = !link || (up ? link->out.size >= PEER_QUEUE_MAX : link->waiting.size >= PEER_WAITING_MAX);
	if (full) {
		stats_add(&set->config.stats->peer_messages_dropped, 1);
		return;
	}
	struct outq *queue = up ? &link->out : &link->waiting;
	enum kv_status status = codec_encode(msg, outq_open(queue));
	outq_close(queue);
	if (status != KV_OK) {
		stats_add(&set->config.stats->peer_messages_dropped, 1);
		static struct log_limit limit;
		uint64_t suppressed;
		if (log_limit_pass(&limit, clock_mono_us(), WARN_INTERVAL_US, &suppressed))
			log_error("message.unencodable", L_STR("opcode", opcode_name(msg->opcode)),
				  L_STR("status", status_name(status)), L_U64("node", index),
				  L_U64("suppressed", suppressed));
		return;
	}
	stats_add(&set->config.stats->frames_sent, 1);
	if (!up) {
		link->waiting_count++;
		return;
	}
	link->out_count++;
	mark_dirty(link);
}

void peer_set_flush(struct peer_set *set)
{
	for (struct ilink *at; (at = ilist_pop_front(&set->dirty));)
		flush(container_of(at, struct peer_link, dirty_link));
}

void peer_set_greet_again(struct peer_set *set)
{
	struct msg_hello hello = {0};
	set->config.events->hello(set->config.owner, &hello);
	for (size_t i = 0; i < PEER_LINKS; i++) {
		struct peer_link *link = set->links[i];
		if (!link || (uuid_equal(&link->said_cluster, &hello.cluster) && link->said_index == hello.index))
			continue;
		if (link->state == LINK_UP || link->state == LINK_GREETING) {
			/* From here on messages wait for the connection that says the right thing. */
			link->state = LINK_ENDING;
			loop_timer_set(&link->timer, clock_mono_us() + PEER_CONNECT_TIMEOUT_US);
			mark_dirty(link);
		}
	}
}
