/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/frames.h"

void wire_init(struct wire *w, int fd) { *w = (struct wire){.fd = fd, .arena = ARENA_INIT((size_t)64 << 20)}; }

bool wire_connect(struct wire *w, const char *address)
{
	const char *colon = strrchr(address, ':');
	KV_ASSERT(colon);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	KV_ASSERT(fd >= 0);
	wire_init(w, fd);
	if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
		return true;
	wire_close(w);
	return false;
}

void wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	buf_release(&w->in);
	buf_release(&w->frame);
	arena_release(&w->arena);
}

bool wire_send_bytes(struct wire *w, const void *data, size_t size)
{
	const char *at = data;
	while (size > 0) {
		ssize_t sent = send(w->fd, at, size, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		at += sent;
		size -= (size_t)sent;
	}
	return true;
}

bool wire_send(struct wire *w, const struct msg *msg)
{
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	enum kv_status status = codec_encode(msg, &frame);
	KV_ASSERT(status == KV_OK);
	return wire_send_bytes(w, frame.data, frame.size);
}

/** Reads more into the buffer; false at the end, on an error or after the time-out. */
static bool read_more(struct wire *w)
{
	struct pollfd fd = {.fd = w->fd, .events = POLLIN};
	if (poll(&fd, 1, WIRE_TIMEOUT_MS) <= 0)
		return false;
	buf_reserve(&w->in, 64 << 10);
	ssize_t size = recv(w->fd, w->in.data + w->in.size, 64 << 10, 0);
	if (size <= 0)
		return false;
	w->in.size += (size_t)size;
	return true;
}

bool wire_receive(struct wire *w, struct msg *ret)
{
	const struct frame_limits limits = FRAME_LIMITS_OPEN(PAGE_SIZE_MAX);
	struct frame_header header;
	while (w->in.size < FRAME_HEADER_SIZE) {
		if (!read_more(w))
			return false;
	}
	enum frame_error error = frame_header_decode(w->in.data, &limits, &header);
	KV_ASSERT(error == FRAME_OK);
	while (w->in.size < frame_size(&header)) {
		if (!read_more(w))
			return false;
	}
	buf_clear(&w->frame);
	buf_append(&w->frame, w->in.data, frame_size(&header));
	buf_consume(&w->in, frame_size(&header));
	arena_reset(&w->arena);
	struct frame_parts parts;
	bool split = frame_split(buf_slice(&w->frame), &parts);
	KV_ASSERT(split);
	enum kv_status status = codec_decode(&parts.header, parts.meta, parts.value, &w->arena, ret);
	KV_ASSERT(status == KV_OK);
	return true;
}

bool wire_is_closed(struct wire *w)
{
	for (;;) {
		struct pollfd fd = {.fd = w->fd, .events = POLLIN};
		if (poll(&fd, 1, WIRE_TIMEOUT_MS) <= 0)
			return false;
		char unread[4096];
		ssize_t size = recv(w->fd, unread, sizeof unread, 0);
		if (size == 0 || (size < 0 && errno != EINTR))
			return true;
	}
}

enum kv_status wire_hello(struct wire *w, enum hello_kind kind)
{
	struct msg hello = {
		.opcode = OP_HELLO,
		.hello = {.kind = kind,
			  .proto_min = PROTO_VERSION_MIN,
			  .proto_max = PROTO_VERSION_MAX,
			  .index = NODE_NONE,
			  .name = slice_str("test"),
			  .frame_size_max = 32u << 20,
			  .window = 256},
	};
	struct msg reply;
	return wire_call(w, &hello, &reply) && reply.opcode == OP_HELLO ? reply.hello.status : KV_CLOSED;
}

bool wire_call(struct wire *w, struct msg *request, struct msg *ret)
{
	request->id = ++w->next_id;
	return wire_send(w, request) && wire_receive(w, ret);
}
