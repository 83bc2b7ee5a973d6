/* SPDX-License-Identifier: Apache-2.0 */
/* One link, driven on this thread: the loop runs in turns with a node that the test plays over a real socket. */
#include "tests/support/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/listener.h"
#include "server/peer.h"
#include "tests/support/resolver.h"
#include "tests/support/wire.h"

enum { THE_NODE = 1, PATIENCE_SEC = 30 };

static struct loop loop;
static struct server_stats stats;
static struct peer_set peers;
static struct msg_hello own; /* what this node says */
static unsigned rejected;
static int listening;
static char address[ADDRESS_TEXT_SIZE];
static struct wire wire;

static void fill_hello(void *owner, struct msg_hello *ret) { *ret = own; }

static void on_rejected(void *owner, node_id index, struct slice why)
{
	rejected++;
	assert_int_equal(index, THE_NODE);
}

static const struct peer_events events = {.hello = fill_hello, .rejected = on_rejected};

static void listen_at(const char *at)
{
	struct address bound;
	struct error error;
	if (listener_bind(at, 0, &listening, &bound, &error) != KV_OK)
		fail_msg("%s", error.message);
	address_format(&bound, address);
}

static int link_up(void **state)
{
	stats = (struct server_stats){0};
	rejected = 0;
	wire.fd = -1;
	own = (struct msg_hello){.proto_min = 1,
				 .proto_max = 1,
				 .index = 0,
				 .node.bytes = {1},
				 .cluster.bytes = {7},
				 .incarnation = 1,
				 .boot_nonce = 1,
				 .peer_address = slice_str("127.0.0.1:1")};
	if (loop_init(&loop, NULL) != KV_OK)
		return -1;
	peer_set_init(&peers, &(struct peer_config){.loop = &loop, .stats = &stats, .events = &events, .seed = 1});
	listen_at("127.0.0.1:0");
	return 0;
}

static int link_down(void **state)
{
	peer_set_release(&peers);
	loop_release(&loop);
	if (listening >= 0)
		close(listening);
	if (wire.fd >= 0)
		wire_close(&wire);
	return 0;
}

/** Runs the loop until CONDITION holds. */
#define run_until(condition)                                                                                       \
	for (usec_t until_us_ = clock_mono_us() + PATIENCE_SEC * USEC_PER_SEC; !(condition);) {                    \
		assert_true(clock_mono_us() < until_us_);                                                          \
		peer_set_flush(&peers);                                                                            \
		event_base_loop(loop.base, EVLOOP_NONBLOCK);                                                       \
	}

static bool has_input(int fd)
{
	struct timeval none = {0};
	fd_set set;
	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, &none) == 1;
}

/** Takes the link's next connection and its HELLO. */
static void take_hello(struct msg *ret)
{
	int fd;
	run_until((fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC)) >= 0);
	wire_init(&wire, fd);
	run_until(has_input(fd));
	assert_true(wire_receive(&wire, ret));
	assert_int_equal(ret->opcode, OP_HELLO);
	assert_int_equal(ret->hello.kind, HELLO_PEER);
}

static void answer_hello(uint64_t id, enum kv_status status, node_id index)
{
	const struct msg reply = {
		.opcode = OP_HELLO,
		.reply = true,
		.id = id,
		.hello = {.kind = HELLO_PEER, .proto_min = 1, .proto_max = 1, .index = index, .status = status}};
	assert_true(wire_send(&wire, &reply));
}

static void send_heartbeat(uint64_t seq)
{
	const struct msg msg = {.opcode = OP_HEARTBEAT, .id = seq, .heartbeat = {.seq = seq, .incarnation = 1}};
	peer_send(&peers, THE_NODE, &msg);
}

static void assert_heartbeat(uint64_t seq)
{
	struct msg msg;
	run_until(wire.in.size > 0 || has_input(wire.fd));
	assert_true(wire_receive(&wire, &msg));
	assert_int_equal(msg.opcode, OP_HEARTBEAT);
	assert_int_equal(msg.heartbeat.seq, seq);
}

static void what_was_sent_early_leaves_in_order_when_the_link_is_up(void **state)
{
	struct msg hello;
	peer_point(&peers, THE_NODE, slice_str(address));
	send_heartbeat(1);
	send_heartbeat(2);
	take_hello(&hello);
	assert_int_equal(hello.hello.index, 0);
	answer_hello(hello.id, KV_OK, THE_NODE);
	run_until(stats_get(&stats.peer_connects) == 1);
	send_heartbeat(3);
	for (uint64_t seq = 1; seq <= 3; seq++)
		assert_heartbeat(seq);
	assert_int_equal(stats_get(&stats.peer_messages_dropped), 0);
}

static void a_broken_link_comes_back(void **state)
{
	struct msg hello;
	peer_point(&peers, THE_NODE, slice_str(address));
	take_hello(&hello);
	answer_hello(hello.id, KV_OK, THE_NODE);
	run_until(stats_get(&stats.peer_connects) == 1);
	wire_close(&wire);
	run_until(stats_get(&stats.peer_failures) == 1);
	take_hello(&hello);
	answer_hello(hello.id, KV_OK, THE_NODE);
	run_until(stats_get(&stats.peer_connects) == 2);
	send_heartbeat(9);
	assert_heartbeat(9);
}

static void messages_to_a_node_that_is_not_there_are_dropped_and_counted(void **state)
{
	close(listening);
	listening = -1;
	peer_point(&peers, THE_NODE, slice_str(address));
	send_heartbeat(1);
	send_heartbeat(2);
	run_until(stats_get(&stats.peer_failures) >= 3); /* goes on trying */
	assert_int_equal(stats_get(&stats.peer_messages_dropped), 2);
	send_heartbeat(3);
	peer_point(&peers, THE_NODE, slice_of(NULL, 0));
	assert_int_equal(stats_get(&stats.peer_messages_dropped), 3);
	send_heartbeat(4); /* nobody is known there */
	assert_int_equal(stats_get(&stats.peer_messages_dropped), 4);
}

static void what_waits_for_a_link_is_bounded(void **state)
{
	static const uint8_t value[64 << 10];
	const struct msg msg = {.opcode = OP_PUSH,
				.id = 1,
				.replica = {.key = slice_str("k"),
					    .record = {.ver = {1, 1},
						       .org = {1, 1},
						       .has_value = true,
						       .value_size = sizeof value,
						       .value = slice_of(value, sizeof value)}}};
	peer_point(&peers, THE_NODE, slice_str(address));
	for (int i = 0; i < 64; i++)
		peer_send(&peers, THE_NODE, &msg);
	uint64_t dropped = stats_get(&stats.peer_messages_dropped);
	assert_in_range(dropped, 64 - PEER_WAITING_MAX / sizeof value - 1, 63);
}

static void a_node_that_rejects_the_identity_is_reported(void **state)
{
	struct msg hello;
	peer_point(&peers, THE_NODE, slice_str(address));
	take_hello(&hello);
	answer_hello(hello.id, KV_IDENTITY, THE_NODE);
	run_until(rejected == 1);
	assert_int_equal(stats_get(&stats.peer_connects), 0);
}

static void another_node_at_the_address_gets_nothing(void **state)
{
	struct msg hello;
	peer_point(&peers, THE_NODE, slice_str(address));
	send_heartbeat(1);
	take_hello(&hello);
	answer_hello(hello.id, KV_OK, THE_NODE + 1);
	run_until(stats_get(&stats.peer_failures) == 1);
	assert_int_equal(stats_get(&stats.peer_connects), 0);
	assert_true(wire_is_closed(&wire));
}

static void a_changed_hello_is_said_on_a_new_connection(void **state)
{
	struct msg hello;
	own.index = NODE_NONE;
	own.cluster = (struct uuid){0};
	peer_point(&peers, THE_NODE, slice_str(address));
	take_hello(&hello);
	assert_int_equal(hello.hello.index, NODE_NONE);
	answer_hello(hello.id, KV_OK, NODE_NONE);
	run_until(stats_get(&stats.peer_connects) == 1);
	peer_set_greet_again(&peers); /* nothing changed: the link stays */
	send_heartbeat(1);
	own.index = 0;
	own.cluster.bytes[0] = 7;
	peer_set_greet_again(&peers);
	send_heartbeat(2);
	assert_heartbeat(1); /* under the old name, the second under the new */
	run_until(has_input(wire.fd));
	assert_true(wire_is_closed(&wire));
	wire_close(&wire);
	take_hello(&hello);
	assert_int_equal(hello.hello.index, 0);
	answer_hello(hello.id, KV_OK, THE_NODE);
	assert_heartbeat(2);
	assert_int_equal(stats_get(&stats.peer_messages_dropped), 0);
}

static void a_name_is_looked_up(void **state)
{
	char by_name[ADDRESS_TEXT_SIZE];
	snprintf(by_name, sizeof by_name, "localhost%s", strrchr(address, ':'));
	peer_point(&peers, THE_NODE, slice_str(by_name));
	/* Whether localhost is 127.0.0.1 or ::1 first is the machine's affair: it is tried either way. */
	run_until(stats_get(&stats.peer_failures) == 1 || has_input(listening));
}

static void a_slow_resolver_is_asked_once_however_often_the_link_tries(void **state)
{
	char by_name[ADDRESS_TEXT_SIZE];
	struct msg hello;
	unsigned asked = resolver_asked();
	snprintf(by_name, sizeof by_name, "node.slow%s", strrchr(address, ':'));
	peer_point(&peers, THE_NODE, slice_str(by_name));
	run_until(stats_get(&stats.peer_failures) == 2);
	assert_int_equal(resolver_asked(), asked + 1);
	resolver_let_go(/* open= */ false);
	take_hello(&hello);
	assert_int_equal(resolver_asked(), asked + 1);
}

static void a_link_ends_while_its_name_is_looked_up(void **state)
{
	unsigned asked = resolver_asked(), answered = resolver_answered();
	peer_point(&peers, THE_NODE, slice_str("node.slow:7101"));
	run_until(resolver_asked() == asked + 1);
	peer_point(&peers, THE_NODE, slice_str(""));
	resolver_let_go(/* open= */ false);
	run_until(resolver_answered() == answered + 1);
	assert_int_equal(stats_get(&stats.peer_failures), 0);
}

#define link_test(fn) cmocka_unit_test_setup_teardown(fn, link_up, link_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		link_test(what_was_sent_early_leaves_in_order_when_the_link_is_up),
		link_test(a_broken_link_comes_back),
		link_test(messages_to_a_node_that_is_not_there_are_dropped_and_counted),
		link_test(what_waits_for_a_link_is_bounded),
		link_test(a_node_that_rejects_the_identity_is_reported),
		link_test(another_node_at_the_address_gets_nothing),
		link_test(a_changed_hello_is_said_on_a_new_connection),
		link_test(a_name_is_looked_up),
		link_test(a_slow_resolver_is_asked_once_however_often_the_link_tries),
		link_test(a_link_ends_while_its_name_is_looked_up),
	};
	return test_run("peer", tests);
}
