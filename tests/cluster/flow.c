/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/flow.h"

#include <errno.h>
#include <sys/socket.h>

struct piece {
	struct ilink link;
	usec_t due_us;
	size_t size, sent;
	uint8_t bytes[];
};

void flow_init(struct flow *f)
{
	*f = (struct flow){0};
	ilist_init(&f->pieces);
}

void flow_release(struct flow *f)
{
	for (struct ilink *link; (link = ilist_pop_front(&f->pieces));)
		free(container_of(link, struct piece, link));
	f->size = 0;
}

void flow_push(struct flow *f, struct slice bytes, usec_t due_us)
{
	struct piece *piece = xcalloc(1, sizeof *piece + bytes.size);
	memcpy(piece->bytes, bytes.data, bytes.size);
	piece->size = bytes.size;
	piece->due_us = f->due_us = MAX(f->due_us, due_us);
	f->size += bytes.size;
	ilist_push_back(&f->pieces, &piece->link);
}

usec_t flow_next_us(const struct flow *f)
{
	struct ilink *first = ilist_first(&f->pieces);
	return first ? container_of(first, struct piece, link)->due_us : USEC_NEVER;
}

bool flow_write(struct flow *f, int fd, usec_t now_us, uint64_t *ret_sent)
{
	for (struct ilink *first; (first = ilist_first(&f->pieces));) {
		struct piece *piece = container_of(first, struct piece, link);
		if (piece->due_us > now_us)
			return true;
		ssize_t size = send(fd, piece->bytes + piece->sent, piece->size - piece->sent,
				    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (size < 0)
			return errno == EAGAIN || errno == EINTR;
		piece->sent += (size_t)size;
		f->size -= (size_t)size;
		*ret_sent += (uint64_t)size;
		if (piece->sent < piece->size)
			return true;
		ilist_remove(first);
		free(piece);
	}
	return true;
}
