/* SPDX-License-Identifier: Apache-2.0 */
#include "server/outq.h"

enum {
	CHUNK_SIZE = 16 << 10, /* a chunk with fewer bytes takes another message */
	PARTS_MAX = 64,
};

struct outq_chunk {
	struct outq_chunk *next;
	struct buf bytes;
};

static void chunk_free(struct outq_chunk *chunk)
{
	buf_release(&chunk->bytes);
	free(chunk);
}

void outq_release(struct outq *q)
{
	if (!q)
		return;
	while (q->first) {
		struct outq_chunk *next = q->first->next;
		chunk_free(q->first);
		q->first = next;
	}
	*q = (struct outq){0};
}

struct buf *outq_open(struct outq *q)
{
	if (!q->last || q->last->bytes.size >= CHUNK_SIZE) {
		struct outq_chunk *chunk = xcalloc(1, sizeof *chunk);
		if (q->last)
			q->last->next = chunk;
		else
			q->first = chunk;
		q->last = chunk;
	}
	q->open_size = q->last->bytes.size;
	return &q->last->bytes;
}

size_t outq_close(struct outq *q)
{
	KV_ASSERT(q->last);
	KV_ASSERT(q->last->bytes.size >= q->open_size);
	size_t added = q->last->bytes.size - q->open_size;
	q->open_size = q->last->bytes.size;
	q->size += added;
	return added;
}

void outq_append(struct outq *q, const void *data, size_t size)
{
	buf_append(outq_open(q), data, size);
	outq_close(q);
}

void outq_move(struct outq *q, struct outq *from)
{
	KV_ASSERT(from->sent == 0);
	if (!from->first)
		return;
	if (q->last)
		q->last->next = from->first;
	else
		q->first = from->first;
	q->last = from->last;
	q->size += from->size;
	*from = (struct outq){0};
}

static int fill_parts(const struct outq *q, struct iovec parts[PARTS_MAX])
{
	int count = 0;
	size_t skip = q->sent;
	for (struct outq_chunk *chunk = q->first; chunk && count < PARTS_MAX; chunk = chunk->next) {
		if (chunk->bytes.size > skip)
			parts[count++] = (struct iovec){.iov_base = chunk->bytes.data + skip,
							.iov_len = chunk->bytes.size - skip};
		skip = 0;
	}
	return count;
}

static void drop_sent(struct outq *q, size_t size)
{
	KV_ASSERT(size <= q->size);
	q->size -= size;
	q->sent += size;
	while (q->first && q->sent >= q->first->bytes.size) {
		struct outq_chunk *chunk = q->first;
		q->sent -= chunk->bytes.size;
		q->first = chunk->next;
		if (!q->first)
			q->last = NULL;
		chunk_free(chunk);
	}
	KV_ASSERT(q->first || q->sent == 0);
}

enum transport_result outq_write(struct outq *q, struct transport *t, size_t *ret_sent)
{
	*ret_sent = 0;
	while (q->size > 0) {
		struct iovec parts[PARTS_MAX];
		size_t size;
		enum transport_result result = transport_write(t, parts, fill_parts(q, parts), &size);
		if (result != TRANSPORT_OK)
			return result;
		*ret_sent += size;
		drop_sent(q, size);
	}
	return TRANSPORT_OK;
}
