/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <errno.h>

#include "server/outq.h"

/** A transport that takes at most `room` bytes a call and `total` in all, and remembers them. */
struct sink {
	struct transport transport;
	struct buf taken;
	size_t room, total;
	unsigned calls;
};

static enum transport_result sink_write(struct transport *t, const struct iovec *parts, int count, size_t *ret_size)
{
	struct sink *sink = container_of(t, struct sink, transport);
	size_t left = MIN(sink->room, sink->total - sink->taken.size);
	if (left == 0)
		return TRANSPORT_AGAIN;
	sink->calls++;
	*ret_size = 0;
	for (int i = 0; i < count && left > 0; i++) {
		size_t size = MIN(left, parts[i].iov_len);
		buf_append(&sink->taken, parts[i].iov_base, size);
		left -= size;
		*ret_size += size;
	}
	return TRANSPORT_OK;
}

static const struct transport_class sink_class = {.write = sink_write};

static void fill(struct outq *q, struct buf *same, unsigned count, size_t size)
{
	for (unsigned i = 0; i < count; i++) {
		uint8_t *bytes = xmalloc(size);
		memset(bytes, (int)('a' + i % 26), size);
		outq_append(q, bytes, size);
		buf_append(same, bytes, size);
		free(bytes);
	}
}

static void many_small_messages_leave_in_one_call(void **state)
{
	struct sink sink = {.transport.class = &sink_class, .room = SIZE_MAX, .total = SIZE_MAX};
	CLEANUP(outq_release) struct outq q = {0};
	CLEANUP(buf_release) struct buf same = BUF_INIT;
	fill(&q, &same, 1000, 100);
	assert_int_equal(q.size, 100000);
	size_t sent;
	assert_int_equal(outq_write(&q, &sink.transport, &sent), TRANSPORT_OK);
	assert_int_equal(sent, 100000);
	assert_int_equal(q.size, 0);
	assert_int_equal(sink.calls, 1);
	assert_slice_equal(buf_slice(&sink.taken), buf_slice(&same));
	buf_release(&sink.taken);
}

static void bytes_keep_their_order_whatever_the_socket_takes(void **state)
{
	static const size_t rooms[] = {1, 7, 4096, 16384, 70000};
	for (size_t i = 0; i < ARRAY_SIZE(rooms); i++) {
		struct sink sink = {.transport.class = &sink_class, .room = rooms[i], .total = 5000};
		CLEANUP(outq_release) struct outq q = {0};
		CLEANUP(buf_release) struct buf same = BUF_INIT;
		fill(&q, &same, 50, 333);
		size_t sent;
		assert_int_equal(outq_write(&q, &sink.transport, &sent), TRANSPORT_AGAIN);
		assert_int_equal(sent, 5000);
		assert_int_equal(q.size, same.size - 5000);
		fill(&q, &same, 3, 40000);
		sink.total = SIZE_MAX;
		assert_int_equal(outq_write(&q, &sink.transport, &sent), TRANSPORT_OK);
		assert_slice_equal(buf_slice(&sink.taken), buf_slice(&same));
		buf_release(&sink.taken);
	}
}

static void a_queue_moves_behind_another(void **state)
{
	struct sink sink = {.transport.class = &sink_class, .room = SIZE_MAX, .total = SIZE_MAX};
	CLEANUP(outq_release) struct outq first = {0};
	CLEANUP(outq_release) struct outq second = {0};
	outq_append(&first, "one ", 4);
	outq_append(&second, "two", 3);
	outq_move(&first, &second);
	assert_int_equal(second.size, 0);
	assert_int_equal(first.size, 7);
	outq_move(&first, &second); /* nothing moves nothing */
	outq_append(&second, "again", 5);
	size_t sent;
	assert_int_equal(outq_write(&first, &sink.transport, &sent), TRANSPORT_OK);
	assert_slice_equal(buf_slice(&sink.taken), slice_str("one two"));
	buf_release(&sink.taken);
}

static void an_open_that_adds_nothing_changes_nothing(void **state)
{
	CLEANUP(outq_release) struct outq q = {0};
	struct sink sink = {.transport.class = &sink_class, .room = SIZE_MAX, .total = SIZE_MAX};
	outq_open(&q);
	assert_int_equal(outq_close(&q), 0);
	assert_int_equal(q.size, 0);
	outq_append(&q, "x", 1);
	size_t sent;
	assert_int_equal(outq_write(&q, &sink.transport, &sent), TRANSPORT_OK);
	assert_slice_equal(buf_slice(&sink.taken), slice_str("x"));
	buf_release(&sink.taken);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_small_messages_leave_in_one_call),
		cmocka_unit_test(bytes_keep_their_order_whatever_the_socket_takes),
		cmocka_unit_test(a_queue_moves_behind_another),
		cmocka_unit_test(an_open_that_adds_nothing_changes_nothing),
	};
	return test_run("outq", tests);
}
