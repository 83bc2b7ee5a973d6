/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define HOUSE_US (1 * USEC_PER_SEC)

struct http_conn {
	struct http *http;
	struct ilink link;
	int fd;
	struct event read_event, write_event;
	struct buf in, out;
	size_t sent;     /* bytes of out */
	bool keep;       /* after the answer */
	bool ended;      /* the other side sends no more */
	usec_t until_us; /* closed then */
};

static void close_conn(struct http_conn *c)
{
	event_del(&c->read_event);
	event_del(&c->write_event);
	ilist_remove(&c->link);
	c->http->count--;
	close(c->fd);
	buf_release(&c->in);
	buf_release(&c->out);
	free(c);
}

/* ---- Answering ---- */

static void put_answer(struct http_conn *c, const struct http_answer *answer, bool body)
{
	buf_printf(&c->out,
		   "HTTP/1.1 %d %s\r\n"
		   "Content-Type: %s\r\n"
		   "Content-Length: %zu\r\n"
		   "Cache-Control: no-store\r\n"
		   "X-Content-Type-Options: nosniff\r\n"
		   "%s%s\r\n",
		   answer->code, http_reason(answer->code), answer->type, answer->body.size,
		   answer->extra ? answer->extra : "", c->keep ? "" : "Connection: close\r\n");
	if (body)
		buf_append_slice(&c->out, buf_slice(&answer->body));
}

/** Something that is wrong with the request itself: said, and the connection ends. */
static void refuse(struct http_conn *c, int code)
{
	struct http_answer answer = {.code = code,
				     .type = "text/plain; charset=utf-8",
				     .extra = code == 405 ? "Allow: GET, HEAD\r\n" : NULL};
	buf_printf(&answer.body, "%s\n", http_reason(code));
	c->keep = false;
	put_answer(c, &answer, /* body: */ true);
	buf_release(&answer.body);
	buf_clear(&c->in);
}

static void serve(struct http_conn *c, const struct http_request *request)
{
	struct http *http = c->http;
	buf_clear(&http->body);
	struct http_answer answer = {.code = 404, .type = "text/plain; charset=utf-8", .body = http->body};
	http->answer(http->owner, request->path, &answer);
	c->keep = request->keep && !c->ended;
	if (answer.body.size == 0)
		buf_printf(&answer.body, "%s\n", http_reason(answer.code));
	put_answer(c, &answer, !request->head);
	http->body = answer.body;
	buf_consume(&c->in, request->size);
}

/** Sends what the socket takes. True if the answer is out; else the connection waits, or is gone. */
static bool flush(struct http_conn *c)
{
	while (c->sent < c->out.size) {
		ssize_t size = send(c->fd, c->out.data + c->sent, c->out.size - c->sent, MSG_NOSIGNAL);
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0 && errno == EAGAIN) {
			event_add(&c->write_event, NULL);
			return false;
		}
		if (size < 0) {
			close_conn(c);
			return false;
		}
		c->sent += (size_t)size;
	}
	event_del(&c->write_event);
	c->sent = 0;
	buf_release(&c->out);
	return true;
}

/** After the last answer. Unread input would turn the close into a reset, and the other side might lose the answer. */
static void linger(struct http_conn *c)
{
	shutdown(c->fd, SHUT_WR);
	c->until_us = clock_mono_us() + HOUSE_US;
	event_add(&c->read_event, NULL);
}

/** Answers the whole requests that are there, one after the other. */
static void go_on(struct http_conn *c)
{
	struct http_request request;
	int code;
	for (;;) {
		enum http_parse parsed = http_request_parse(buf_slice(&c->in), &request, &code);
		if (parsed == HTTP_INCOMPLETE)
			break;
		event_del(&c->read_event);
		c->until_us = clock_mono_us() + HTTP_ANSWER_US;
		if (parsed == HTTP_REFUSED)
			refuse(c, code);
		else
			serve(c, &request);
		if (!flush(c))
			return;
		if (!c->keep) {
			linger(c);
			return;
		}
		c->until_us = clock_mono_us() + (c->in.size > 0 ? HTTP_HEAD_US : HTTP_IDLE_US);
	}
	if (c->ended)
		close_conn(c);
	else
		event_add(&c->read_event, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *data)
{
	struct http_conn *c = data;
	uint8_t bytes[4096];
	ssize_t size = recv(fd, bytes, sizeof bytes, 0);
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size < 0 || (size == 0 && c->in.size == 0)) {
		close_conn(c);
		return;
	}
	if (!c->keep)
		return; /* the last answer is out: what still comes is thrown away */
	if (c->in.size == 0)
		c->until_us = clock_mono_us() + HTTP_HEAD_US;
	c->ended = size == 0;
	buf_append(&c->in, bytes, (size_t)size);
	go_on(c);
}

static void on_writable(evutil_socket_t fd, short what, void *data)
{
	struct http_conn *c = data;
	if (!flush(c))
		return;
	if (c->keep)
		go_on(c);
	else
		linger(c);
}

/* ---- Connections ---- */

static void on_accepted(void *owner, int fd)
{
	struct http *http = owner;
	struct http_conn *c = xcalloc(1, sizeof *c);
	c->http = http;
	c->fd = fd;
	c->keep = true;
	c->until_us = clock_mono_us() + HTTP_HEAD_US;
	ilist_push_back(&http->conns, &c->link);
	http->count++;
	event_assign(&c->read_event, http->loop->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->write_event, http->loop->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	event_add(&c->read_event, NULL);
	if (http->count <= HTTP_CONNECTIONS_MAX)
		return;
	event_del(&c->read_event);
	refuse(c, 503);
	if (http->count > 2 * HTTP_CONNECTIONS_MAX)
		close_conn(c);
	else if (flush(c))
		linger(c);
}

static void on_house(void *data)
{
	struct http *http = data;
	usec_t now_us = clock_mono_us();
	struct ilink *next;
	for (struct ilink *at = ilist_first(&http->conns); at; at = next) {
		struct http_conn *c = container_of(at, struct http_conn, link);
		next = ilist_next(&http->conns, at);
		if (now_us >= c->until_us)
			close_conn(c);
	}
	loop_timer_set(&http->house, now_us + HOUSE_US);
}

void http_start(struct http *http, struct loop *loop, int fd, http_answer_fn *answer, void *owner)
{
	*http = (struct http){.loop = loop, .answer = answer, .owner = owner};
	ilist_init(&http->conns);
	listener_start(&http->listener, loop, fd, on_accepted, http);
	loop_timer_init(&http->house, loop, on_house, http);
	loop_timer_set(&http->house, clock_mono_us() + HOUSE_US);
}

void http_stop(struct http *http)
{
	if (!http->loop)
		return;
	listener_stop(&http->listener);
	loop_timer_release(&http->house);
	struct ilink *at;
	while ((at = ilist_first(&http->conns)))
		close_conn(container_of(at, struct http_conn, link));
	buf_release(&http->body);
	*http = (struct http){0};
}
