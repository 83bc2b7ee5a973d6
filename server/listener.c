/* SPDX-License-Identifier: Apache-2.0 */
#include "server/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/klog.h"
#include "proto/codec.h"

enum { BACKLOG = 4096, ACCEPTS_MAX = 64 };

enum kv_status listener_bind(const char *text, uint16_t port, int *ret_fd, struct address *ret_bound,
			     struct error *err)
{
	struct address address;
	enum kv_status status = address_resolve(slice_str(text), /* numeric_only: */ false, &address, err);
	if (status != KV_OK)
		return status;
	if (address_port(&address) == 0)
		address_set_port(&address, port);
	int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(fd, (const struct sockaddr *)&address.storage, address.size) != 0 || listen(fd, BACKLOG) != 0) {
		int failed = errno;
		if (fd >= 0)
			close(fd);
		char shown[ADDRESS_TEXT_SIZE];
		address_format(&address, shown);
		return error_set(err, KV_UNAVAILABLE, "cannot listen on %s: %s%s", shown, strerror(failed),
				 failed == EADDRINUSE ? "; stop the process that holds it or choose another port"
						      : "");
	}
	ret_bound->size = sizeof ret_bound->storage;
	int failed = getsockname(fd, (struct sockaddr *)&ret_bound->storage, &ret_bound->size);
	KV_ASSERT(failed == 0);
	*ret_fd = fd;
	return KV_OK;
}

static void on_resume(void *data)
{
	struct listener *l = data;
	l->paused = false;
	event_add(&l->event, NULL);
}

static void pause_accepting(struct listener *l)
{
	static struct log_limit limit;
	uint64_t suppressed;
	usec_t now_us = clock_mono_us();
	if (log_limit_pass(&limit, now_us, 10 * USEC_PER_SEC, &suppressed))
		log_warn("listener.paused", L_STR("reason", strerror(errno)),
			 L_STR("action",
			       "new connections wait; raise the limit of open files or lower limits.connections"),
			 L_U64("suppressed", suppressed));
	l->paused = true;
	event_del(&l->event);
	loop_timer_set(&l->resume, now_us + LISTENER_PAUSE_US);
}

static void on_readable(evutil_socket_t listening, short what, void *data)
{
	struct listener *l = data;
	for (int i = 0; i < ACCEPTS_MAX && l->started; i++) {
		int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
				pause_accepting(l);
			return; /* EAGAIN, or a connection that ended while it waited */
		}
		int on = 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
		l->accepted(l->owner, fd);
	}
}

void listener_start(struct listener *l, struct loop *loop, int fd, void (*accepted)(void *owner, int fd),
		    void *owner)
{
	KV_ASSERT(!l->started);
	*l = (struct listener){.fd = fd, .started = true, .accepted = accepted, .owner = owner};
	loop_timer_init(&l->resume, loop, on_resume, l);
	event_assign(&l->event, loop->base, fd, EV_READ | EV_PERSIST, on_readable, l);
	event_add(&l->event, NULL);
}

void listener_stop(struct listener *l)
{
	if (!l->started)
		return;
	l->started = false;
	event_del(&l->event);
	loop_timer_release(&l->resume);
	close(l->fd);
}

void listener_refuse(int fd, enum kv_status status, const char *why)
{
	const struct msg msg = {.opcode = OP_GOAWAY,
				.result = {.status = status, .retry_after_ms = 1000, .message = slice_str(why)}};
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	enum kv_status encoded = codec_encode(&msg, &frame);
	KV_ASSERT(encoded == KV_OK);
	/* One try each: the socket is new, so its buffer takes a small frame; unread input would turn the close into a reset. */
	uint8_t unread[4096];
	ssize_t size = recv(fd, unread, sizeof unread, MSG_DONTWAIT);
	size = send(fd, frame.data, frame.size, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)size;
	close(fd);
}
