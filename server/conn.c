/* SPDX-License-Identifier: Apache-2.0 */
#include "server/conn.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/klog.h"
#include "proto/codec.h"
#include "proto/opcode.h"

/* Unsent output from which on a connection is not read, and beyond which it is closed when memory is short. */
enum { OUTPUT_PAUSE = 1 << 20, OUTPUT_FAIR = 64 << 10 };

#define UNENCODABLE_LOG_INTERVAL_US (10 * USEC_PER_SEC)

bool conn_is_paused(const struct conn *c)
{
	if (c->state == CONN_CLOSING)
		return false; /* what arrives is thrown away */
	return c->inflight >= c->set->config.inflight_max || c->out.size > OUTPUT_PAUSE;
}

void conn_update_reading(struct conn *c)
{
	bool wanted = !conn_is_paused(c);
	if (c->state == CONN_DEAD || wanted == c->reading)
		return;
	c->reading = wanted;
	if (!wanted) {
		event_del(&c->read_event);
		return;
	}
	event_add(&c->read_event, NULL);
	if (c->in.size > 0 && !ilink_is_linked(&c->resume_link))
		ilist_push_back(&c->set->resume, &c->resume_link);
}

static void on_readable(evutil_socket_t fd, short what, void *data) { conn_read(data); }

static void on_writable(evutil_socket_t fd, short what, void *data)
{
	struct conn *c = data;
	if (ilink_is_linked(&c->dirty_link))
		ilist_remove(&c->dirty_link);
	conn_flush(c);
}

void conn_start(struct conn *c)
{
	struct event_base *base = c->set->config.loop->base;
	event_assign(&c->read_event, base, c->transport.fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->write_event, base, c->transport.fd, EV_WRITE | EV_PERSIST, on_writable, c);
	event_add(&c->read_event, NULL);
	c->reading = true;
}

static void mark_dirty(struct conn *c)
{
	if (!c->writing && !ilink_is_linked(&c->dirty_link))
		ilist_push_back(&c->set->dirty, &c->dirty_link);
}

/** Accounts for SIZE new bytes of output and closes a connection that takes none. */
static void output_added(struct conn *c, size_t size)
{
	struct conn_set *set = c->set;
	if (size == 0)
		return;
	c->out_taken += size;
	bool fits = budget_take_always(set->config.budget, size);
	stats_add(&set->config.stats->frames_sent, 1);
	if (c->out.size > set->config.output_max || (!fits && c->out.size > OUTPUT_FAIR)) {
		stats_add(&set->config.stats->connections_overrun, 1);
		conn_close(c);
		return;
	}
	mark_dirty(c);
	conn_update_reading(c);
}

/** An answer that keeps no limit (a page too large) becomes an error, so that the request is not left open. */
static void send_unencodable(struct conn *c, const struct msg *msg, enum kv_status status)
{
	static struct log_limit limit;
	uint64_t suppressed;
	KV_ASSERT(msg->opcode != OP_ERROR);
	if (log_limit_pass(&limit, clock_mono_us(), UNENCODABLE_LOG_INTERVAL_US, &suppressed))
		log_error("answer.unencodable", L_STR("opcode", opcode_name(msg->opcode)),
			  L_STR("status", status_name(status)), L_U64("suppressed", suppressed));
	if (c->state != CONN_DEAD)
		conn_send_error(c, 0, msg->id, status, "the answer to %s cannot be sent: %s",
				opcode_name(msg->opcode), status_text(status));
}

void conn_send(struct conn *c, const struct msg *msg)
{
	if (c->state != CONN_DEAD && c->state != CONN_CLOSING) {
		enum kv_status status = codec_encode(msg, outq_open(&c->out));
		output_added(c, outq_close(&c->out));
		if (status != KV_OK)
			send_unencodable(c, msg, status);
	}
}

void conn_send_bytes(struct conn *c, struct slice frame)
{
	if (c->state != CONN_DEAD && c->state != CONN_CLOSING) {
		outq_append(&c->out, frame.data, frame.size);
		output_added(c, frame.size);
	}
}

void conn_send_error(struct conn *c, uint16_t opcode, uint64_t request_id, enum kv_status status,
		     const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	const struct msg msg = {
		.opcode = opcode_body(opcode, /* reply: */ true) == BODY_RESULT ? opcode : OP_ERROR,
		.reply = request_id != 0,
		.id = request_id,
		.result = {.status = status,
			   .message = slice_str(text),
			   .retry_after_ms = status_class(status) == STATUS_RETRY ? 1000 : 0},
	};
	stats_add(&c->set->config.stats->frames_bad, 1);
	conn_send(c, &msg);
}

void conn_request_began(struct conn *c) { c->inflight++; }

void conn_request_ended(struct conn *c)
{
	KV_ASSERT(c->inflight > 0);
	c->inflight--;
	conn_update_reading(c);
}

/** All is sent on a connection that is to close: leaves the other side time to read the last answer. */
static void linger(struct conn *c)
{
	if (c->ended)
		return;
	c->ended = true;
	transport_end(&c->transport);
	conn_watch(c, &c->set->linger_watch);
}

void conn_finish(struct conn *c)
{
	if (c->state == CONN_DEAD || c->state == CONN_CLOSING)
		return;
	c->state = CONN_CLOSING;
	budget_give(c->set->config.budget, c->in_taken);
	c->in_taken = 0;
	conn_watch(c, &c->set->linger_watch);
	mark_dirty(c);
	conn_update_reading(c);
}

static void set_writing(struct conn *c, bool writing)
{
	if (writing == c->writing)
		return;
	c->writing = writing;
	if (writing)
		event_add(&c->write_event, NULL);
	else
		event_del(&c->write_event);
}

void conn_flush(struct conn *c)
{
	size_t sent;
	enum transport_result result = outq_write(&c->out, &c->transport, &sent);
	if (sent > 0) {
		stats_add(&c->set->config.stats->bytes_sent, sent);
		budget_give(c->set->config.budget, sent);
		c->out_taken -= sent;
	}
	if (result == TRANSPORT_CLOSED || result == TRANSPORT_FAILED) {
		conn_close(c);
		return;
	}
	set_writing(c, result == TRANSPORT_AGAIN);
	if (c->state == CONN_OPEN) {
		if (!c->writing && c->watch)
			conn_watch(c, NULL);
		else if (c->writing && (sent > 0 || !c->watch))
			conn_watch(c, &c->set->stall_watch);
	}
	if (c->state == CONN_CLOSING && !c->writing)
		linger(c);
	else
		conn_update_reading(c);
}
