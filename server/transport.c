/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static enum transport_result result_of(ssize_t size, size_t *ret_size)
{
	if (size > 0) {
		*ret_size = (size_t)size;
		return TRANSPORT_OK;
	}
	if (size == 0)
		return TRANSPORT_CLOSED;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return TRANSPORT_AGAIN;
	return errno == ECONNRESET || errno == EPIPE ? TRANSPORT_CLOSED : TRANSPORT_FAILED;
}

static enum transport_result tcp_read(struct transport *t, const struct iovec *parts, int count, size_t *ret_size)
{
	return result_of(readv(t->fd, parts, count), ret_size);
}

static enum transport_result tcp_write(struct transport *t, const struct iovec *parts, int count, size_t *ret_size)
{
	struct msghdr header = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
	return result_of(sendmsg(t->fd, &header, MSG_NOSIGNAL), ret_size);
}

static void tcp_end(struct transport *t)
{
	shutdown(t->fd, SHUT_WR); /* fails only on a broken connection, which the next read reports */
}

static void tcp_close(struct transport *t)
{
	close(t->fd);
	t->fd = -1;
}

static const struct transport_class tcp_class = {
	.read = tcp_read, .write = tcp_write, .end = tcp_end, .close = tcp_close};

void transport_init_tcp(struct transport *t, int fd)
{
	KV_ASSERT(fd >= 0);
	*t = (struct transport){.class = &tcp_class, .fd = fd};
}
