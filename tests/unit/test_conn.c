/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "server/conn.h"
#include "tests/support/wire.h"

enum { INFLIGHT = 4, VALUE_MAX = 2 << 20, OUTPUT_MAX = 4 << 20, PENDING_MAX = 4096 };

/**
 * A set of connections on a thread of its own, with an owner that answers by itself: GET at once with as many bytes as
 * the key says, PUT not before somebody sends DEL, CAS with more than the connection may hold.
 */
struct host {
	struct loop loop;
	struct conn_set conns;
	struct budget budget;
	struct server_stats stats;
	pthread_t thread;
	uint8_t *filler;
	uint64_t pending_ids[PENDING_MAX]; /* of PUTs */
	size_t pending_count;
	_Atomic uint64_t seen;      /* requests that reached the owner */
	_Atomic uint64_t value_sum; /* hash of the last PUT's value */
};

static struct host *host;
static struct wire client;

static void on_hello(void *owner, struct conn *c, const struct msg_hello *hello, struct msg *ret_reply)
{
	ret_reply->hello.kind = HELLO_PEER;
	ret_reply->hello.proto_min = ret_reply->hello.proto_max = PROTO_VERSION_MAX;
	ret_reply->hello.index = NODE_NONE;
	if (hello->kind != HELLO_CLIENT)
		ret_reply->hello.status = KV_DENIED;
}

static void answer(struct conn *c, uint16_t opcode, uint64_t id, size_t size)
{
	const struct msg reply = {
		.opcode = opcode, .reply = true, .id = id, .result = {.value = slice_of(host->filler, size)}};
	conn_send(c, &reply);
}

/** The number that KEY is; no more of the frame than that, which may go on with a digit. */
static size_t size_asked(struct slice key)
{
	char digits[24];
	snprintf(digits, sizeof digits, "%.*s", (int)key.size, (const char *)key.data);
	return (size_t)strtoul(digits, NULL, 10);
}

static void on_message(void *owner, struct conn *c, const struct frame_header *header, struct slice meta,
		       struct slice value, const struct msg *msg)
{
	host->seen++;
	switch (msg->opcode) {
	case OP_GET:
		answer(c, OP_GET, msg->id, size_asked(msg->request.key));
		return;
	case OP_PUT:
		host->value_sum = hash64(msg->request.value);
		host->pending_ids[host->pending_count++] = msg->id;
		conn_request_began(c);
		return;
	case OP_CAS:
		for (int i = 0; i < 16 && c->state != CONN_DEAD; i++)
			answer(c, OP_CAS, msg->id, 1 << 20);
		return;
	default:
		answer(c, msg->opcode, msg->id, 0);
	}
}

static const struct conn_events events = {.hello = on_hello, .message = on_message};

static void after_round(void *data) { conn_set_flush(&host->conns); }

static void *host_main(void *data)
{
	loop_run(&host->loop);
	return NULL;
}

/** Runs FN on the host's thread and waits for it. */
struct call {
	struct loop_item item;
	void (*fn)(void);
	sem_t done;
};

static void run_call(struct loop_item *item, bool live)
{
	struct call *call = container_of(item, struct call, item);
	call->fn();
	sem_post(&call->done);
}

static void on_host(void (*fn)(void))
{
	struct call call = {.item.run = run_call, .fn = fn};
	sem_init(&call.done, 0, 0);
	loop_post(&host->loop, &call.item);
	sem_wait(&call.done);
	sem_destroy(&call.done);
}

static int accepted_fd;
static uint64_t accepted_handle;

static void accept_it(void)
{
	conn_accept(&host->conns, accepted_fd, HELLO_CLIENT);
	accepted_handle = container_of(host->conns.all.head.prev, struct conn, all_link)->handle;
}

static void stop_it(void) { loop_stop(&host->loop); }

static int host_up(void **state)
{
	host = xcalloc(1, sizeof *host);
	host->budget.limit = 64 << 20;
	host->filler = xcalloc(1, VALUE_MAX);
	if (loop_init(&host->loop, NULL) != KV_OK)
		return -1;
	loop_set_after_round(&host->loop, after_round, NULL);
	conn_set_init(&host->conns, &(struct conn_config){.loop = &host->loop,
							  .events = &events,
							  .budget = &host->budget,
							  .stats = &host->stats,
							  .inflight_max = INFLIGHT,
							  .value_size_max = VALUE_MAX,
							  .output_max = OUTPUT_MAX});
	pthread_create(&host->thread, NULL, host_main, NULL);
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || fcntl(pair[0], F_SETFL, O_NONBLOCK) != 0)
		return -1;
	accepted_fd = pair[0];
	on_host(accept_it);
	wire_init(&client, pair[1]);
	return 0;
}

static int host_down(void **state)
{
	wire_close(&client);
	on_host(stop_it);
	pthread_join(host->thread, NULL);
	conn_set_release(&host->conns);
	loop_release(&host->loop);
	bool balanced = budget_used(&host->budget) == 0 && stats_get(&host->stats.connections) == 0;
	free(host->filler);
	free(host);
	return balanced ? 0 : -1; /* what a connection takes it gives back */
}

static bool is_error(const struct msg *msg, uint16_t opcode, uint64_t id, enum kv_status status)
{
	return msg->opcode == opcode && msg->id == id && msg->result.status == status;
}

static void assert_alive(void)
{
	struct msg ping = {.opcode = OP_PING}, reply;
	assert_true(wire_call(&client, &ping, &reply));
	assert_int_equal(reply.opcode, OP_PING);
	assert_int_equal(reply.id, ping.id);
}

static void say_hello(void) { assert_int_equal(wire_hello(&client, HELLO_CLIENT), KV_OK); }

static struct msg request(uint16_t opcode, const char *key)
{
	return (struct msg){.opcode = opcode, .id = ++client.next_id, .request = {.key = slice_str(key)}};
}

static void encode(const struct msg *msg, struct buf *out) { assert_int_equal(codec_encode(msg, out), KV_OK); }

/** Recomputes the header's sum after a test changed it. */
static void seal(uint8_t *frame)
{
	uint8_t summed[28];
	memcpy(summed, frame, 4);
	memcpy(summed + 4, frame + 8, 24);
	store_le32(frame + 4, (uint32_t)hash64(slice_of(summed, sizeof summed)));
}

static void the_first_frame_must_be_hello(void **state)
{
	struct msg get = request(OP_GET, "1"), reply;
	assert_true(wire_send(&client, &get));
	assert_true(wire_receive(&client, &reply));
	assert_true(is_error(&reply, OP_ERROR, get.id, KV_INVALID));
	assert_true(wire_is_closed(&client));
}

static void a_refused_hello_is_answered_and_closed(void **state)
{
	assert_int_equal(wire_hello(&client, HELLO_PEER), KV_DENIED);
	assert_true(wire_is_closed(&client));
}

static void another_protocol_is_closed_without_an_answer(void **state)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct msg reply;
	assert_true(wire_send_bytes(&client, http, sizeof http - 1));
	assert_false(wire_receive(&client, &reply));
}

static void another_frame_version_is_told_so(void **state)
{
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	struct msg get = request(OP_GET, "1"), reply;
	encode(&get, &frame);
	frame.data[2] = 9;
	seal(frame.data);
	assert_true(wire_send_bytes(&client, frame.data, frame.size));
	assert_true(wire_receive(&client, &reply));
	assert_true(is_error(&reply, OP_ERROR, 0, KV_VERSION));
	assert_true(wire_is_closed(&client));
}

static void a_damaged_header_closes(void **state)
{
	say_hello();
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	struct msg get = request(OP_GET, "1"), reply;
	encode(&get, &frame);
	frame.data[20] ^= 1;
	assert_true(wire_send_bytes(&client, frame.data, frame.size));
	assert_true(wire_receive(&client, &reply));
	assert_int_equal(reply.result.status, KV_CORRUPT);
	assert_true(wire_is_closed(&client));
}

static void a_damaged_body_is_answered_and_closes(void **state)
{
	say_hello();
	CLEANUP(buf_release) struct buf frame = BUF_INIT;
	struct msg get = request(OP_GET, "1"), reply;
	encode(&get, &frame);
	frame.data[frame.size - 1] ^= 1;
	assert_true(wire_send_bytes(&client, frame.data, frame.size));
	assert_true(wire_receive(&client, &reply));
	assert_true(is_error(&reply, OP_GET, get.id, KV_CORRUPT));
	assert_true(wire_is_closed(&client));
	assert_int_equal(host->seen, 0);
}

static void an_unknown_opcode_is_answered_and_the_connection_goes_on(void **state)
{
	say_hello();
	uint8_t frame[FRAME_HEADER_SIZE];
	const struct frame_header header = {.request_id = 77,
					    .opcode = 0x01F0,
					    .body_sum = frame_body_sum(slice_of(NULL, 0), slice_of(NULL, 0))};
	frame_header_encode(&header, frame);
	struct msg reply;
	assert_true(wire_send_bytes(&client, frame, sizeof frame));
	assert_true(wire_receive(&client, &reply));
	assert_true(is_error(&reply, OP_ERROR, 77, KV_UNSUPPORTED));
	assert_true(reply.result.message.size > 0);
	assert_alive();
}

static void a_malformed_request_is_answered_and_the_connection_goes_on(void **state)
{
	say_hello();
	uint8_t frame[FRAME_HEADER_SIZE + 3] = {0};
	const uint8_t meta[3] = {0xff, 0xff, 0xff};
	const struct frame_header header = {.request_id = 78,
					    .opcode = OP_GET,
					    .meta_size = sizeof meta,
					    .body_sum =
						    frame_body_sum(slice_of(meta, sizeof meta), slice_of(NULL, 0))};
	frame_header_encode(&header, frame);
	memcpy(frame + FRAME_HEADER_SIZE, meta, sizeof meta);
	struct msg reply;
	assert_true(wire_send_bytes(&client, frame, sizeof frame));
	assert_true(wire_receive(&client, &reply));
	assert_true(is_error(&reply, OP_GET, 78, KV_INVALID));
	assert_alive();
}

static void a_value_over_the_limit_is_refused_and_skipped(void **state)
{
	say_hello();
	uint8_t *big = xcalloc(1, VALUE_MAX + 1);
	struct msg put = request(OP_PUT, "k"), reply;
	put.request.value = slice_of(big, VALUE_MAX + 1);
	assert_true(wire_send(&client, &put));
	assert_true(wire_receive(&client, &reply));
	assert_true(is_error(&reply, OP_PUT, put.id, KV_TOO_LARGE));
	assert_alive();
	assert_int_equal(host->seen, 1);
	free(big);
}

static void a_frame_that_claims_four_gigabytes_closes(void **state)
{
	say_hello();
	uint8_t frame[FRAME_HEADER_SIZE];
	frame_header_encode(&(struct frame_header){.request_id = 5, .opcode = OP_PUT}, frame);
	store_le32(frame + 24, UINT32_MAX);
	seal(frame);
	struct msg reply;
	assert_true(wire_send_bytes(&client, frame, sizeof frame));
	assert_true(wire_receive(&client, &reply));
	assert_true(is_error(&reply, OP_PUT, 5, KV_TOO_LARGE));
	assert_true(wire_is_closed(&client));
}

static void frames_may_arrive_in_any_pieces(void **state)
{
	say_hello();
	CLEANUP(buf_release) struct buf frames = BUF_INIT;
	for (int i = 0; i < 3; i++) {
		struct msg get = request(OP_GET, "10");
		encode(&get, &frames);
	}
	for (size_t i = 0; i < frames.size; i++)
		assert_true(wire_send_bytes(&client, frames.data + i, 1));
	struct msg reply;
	for (uint64_t i = 3; i > 0; i--) {
		assert_true(wire_receive(&client, &reply));
		assert_int_equal(reply.id, client.next_id - i + 1);
		assert_int_equal(reply.result.value.size, 10);
	}
}

static void a_large_value_arrives_whole(void **state)
{
	say_hello();
	uint8_t *value = xmalloc(VALUE_MAX);
	for (size_t i = 0; i < VALUE_MAX; i++)
		value[i] = (uint8_t)(i * 31 >> 3);
	struct msg put = request(OP_PUT, "k");
	put.request.value = slice_of(value, VALUE_MAX);
	assert_true(wire_send(&client, &put));
	assert_alive(); /* behind it on the same connection */
	assert_int_equal(host->value_sum, hash64(put.request.value));
	free(value);
}

static void answer_pending(void)
{
	struct conn *c = conn_find(&host->conns, accepted_handle);
	size_t count = host->pending_count;
	for (size_t i = 0; i < count; i++) {
		answer(c, OP_PUT, host->pending_ids[i], 0);
		conn_request_ended(c);
	}
	memmove(host->pending_ids, host->pending_ids + count, (host->pending_count - count) * sizeof(uint64_t));
	host->pending_count -= count;
}

static void no_more_requests_than_the_window_reach_the_owner(void **state)
{
	say_hello();
	enum { REQUESTS = 3 * INFLIGHT };
	uint64_t first = client.next_id + 1;
	CLEANUP(buf_release) struct buf frames = BUF_INIT;
	for (int i = 0; i < REQUESTS; i++) {
		struct msg put = request(OP_PUT, "k");
		encode(&put, &frames);
	}
	assert_true(wire_send_bytes(&client, frames.data, frames.size));
	for (uint64_t answered = 0; answered < REQUESTS; answered += INFLIGHT) {
		while (host->seen < answered + INFLIGHT)
			sched_yield();
		assert_int_equal(host->seen, answered + INFLIGHT);
		on_host(answer_pending);
		struct msg reply;
		for (uint64_t i = 0; i < INFLIGHT; i++) {
			assert_true(wire_receive(&client, &reply));
			assert_int_equal(reply.id, first + answered + i);
		}
	}
}

static void a_client_that_takes_no_answers_is_not_read(void **state)
{
	say_hello();
	enum { REQUESTS = 200 };
	for (int i = 0; i < REQUESTS; i++) {
		struct msg get = request(OP_GET, "65536");
		assert_true(wire_send(&client, &get));
	}
	/* 12.5 MiB are asked for; the owner saw no more than fits into socket, pause mark and output limit. */
	while (budget_used(&host->budget) < 1 << 20)
		sched_yield();
	assert_true(host->seen < REQUESTS);
	assert_true(budget_used(&host->budget) < OUTPUT_MAX);
	struct msg reply;
	for (int i = 0; i < REQUESTS; i++) {
		assert_true(wire_receive(&client, &reply));
		assert_int_equal(reply.result.value.size, 65536);
	}
}

static void too_much_unsent_output_closes(void **state)
{
	say_hello();
	struct msg cas = request(OP_CAS, "k");
	assert_true(wire_send(&client, &cas));
	assert_true(wire_is_closed(&client));
	assert_int_equal(stats_get(&host->stats.connections_overrun), 1);
}

static void shrink_budget(void) { host->budget.limit = 1 << 20; }

static void a_request_that_memory_cannot_hold_is_refused_and_skipped(void **state)
{
	say_hello();
	on_host(shrink_budget);
	uint8_t *value = xcalloc(1, VALUE_MAX);
	struct msg put = request(OP_PUT, "k"), reply;
	put.request.value = slice_of(value, VALUE_MAX);
	assert_true(wire_send(&client, &put));
	assert_true(wire_receive(&client, &reply));
	assert_true(is_error(&reply, OP_PUT, put.id, KV_OVERLOADED));
	assert_true(reply.result.retry_after_ms > 0);
	assert_alive();
	free(value);
}

static bool handle_is_gone;

static void look_for_handle(void) { handle_is_gone = conn_find(&host->conns, accepted_handle) == NULL; }

static void the_handle_of_a_closed_connection_finds_nothing(void **state)
{
	say_hello();
	on_host(look_for_handle);
	assert_false(handle_is_gone);
	shutdown(client.fd, SHUT_RDWR);
	while (stats_get(&host->stats.connections) > 0)
		sched_yield();
	on_host(look_for_handle);
	assert_true(handle_is_gone);
	/* The slot is used again, under another handle. */
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	uint64_t old = accepted_handle;
	accepted_fd = pair[0];
	on_host(accept_it);
	assert_int_equal((uint32_t)accepted_handle, (uint32_t)old);
	assert_int_not_equal(accepted_handle, old);
	close(pair[1]);
}

static void expire(void) { conn_set_check_times(&host->conns, UINT64_MAX / 2); }

static void who_says_no_hello_in_time_is_closed(void **state)
{
	on_host(expire);
	assert_true(wire_is_closed(&client));
	assert_int_equal(stats_get(&host->stats.connections_timed_out), 1);
}

static void drain(void) { conn_set_drain(&host->conns); }

static void draining_tells_clients_to_go(void **state)
{
	say_hello();
	struct msg put = request(OP_PUT, "k"), said;
	assert_true(wire_send(&client, &put));
	while (host->seen < 1)
		sched_yield();
	on_host(drain);
	assert_true(wire_receive(&client, &said));
	assert_int_equal(said.opcode, OP_GOAWAY);
	assert_int_equal(said.result.status, KV_CLOSED);
	on_host(answer_pending);
	assert_true(wire_receive(&client, &said));
	assert_int_equal(said.id, put.id);
}

#define host_test(fn) cmocka_unit_test_setup_teardown(fn, host_up, host_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		host_test(the_first_frame_must_be_hello),
		host_test(a_refused_hello_is_answered_and_closed),
		host_test(another_protocol_is_closed_without_an_answer),
		host_test(another_frame_version_is_told_so),
		host_test(a_damaged_header_closes),
		host_test(a_damaged_body_is_answered_and_closes),
		host_test(an_unknown_opcode_is_answered_and_the_connection_goes_on),
		host_test(a_malformed_request_is_answered_and_the_connection_goes_on),
		host_test(a_value_over_the_limit_is_refused_and_skipped),
		host_test(a_frame_that_claims_four_gigabytes_closes),
		host_test(frames_may_arrive_in_any_pieces),
		host_test(a_large_value_arrives_whole),
		host_test(no_more_requests_than_the_window_reach_the_owner),
		host_test(a_client_that_takes_no_answers_is_not_read),
		host_test(too_much_unsent_output_closes),
		host_test(a_request_that_memory_cannot_hold_is_refused_and_skipped),
		host_test(the_handle_of_a_closed_connection_finds_nothing),
		host_test(who_says_no_hello_in_time_is_closed),
		host_test(draining_tells_clients_to_go),
	};
	return test_run("conn", tests);
}
