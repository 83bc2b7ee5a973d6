/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/core.h"

/** One core of three nodes; the other two are played by the test. */
struct bed {
	struct node_core *core;
	struct actions out;
	struct moment now;
};

static const usec_t WALL_START_US = 1700000000ull * USEC_PER_SEC;

static struct uuid identity(node_id node) { return (struct uuid){{(uint8_t)(node + 1)}}; }

static void bed_init(struct bed *b)
{
	struct map_node nodes[3];
	node_id rows[16 * 3];
	uint64_t epochs[16];
	for (node_id i = 0; i < 3; i++) {
		nodes[i] = (struct map_node){
			.index = i, .uuid = identity(i), .state = NODE_NORMAL, .peer_address = slice_str("h:1")};
	}
	for (uint32_t i = 0; i < 16 * 3; i++)
		rows[i] = (node_id)(i % 3);
	for (uint32_t i = 0; i < 16; i++)
		epochs[i] = 1;
	struct map_desc map = {.cluster = {{9}},
			       .epoch = 1,
			       .partitions = 16,
			       .replicas = 3,
			       .node_count = 3,
			       .nodes = nodes,
			       .rows = rows,
			       .config_epochs = epochs,
			       .voter_count = 1};
	struct core_config config = {
		.seed = 1, .shard_count = 1, .node = identity(0), .incarnation = 1, .boot_nonce = 1, .map = &map};
	*b = (struct bed){.now = {.mono_us = USEC_PER_SEC, .wall_us = WALL_START_US}};
	actions_init(&b->out);
	b->core = node_core_new(&config);
	node_core_start(b->core, b->now, &b->out);
	actions_reset(&b->out);
}

static void bed_release(struct bed *b)
{
	node_core_free(b->core);
	actions_release(&b->out);
}

static void answer_heartbeat(struct bed *b, node_id from, const struct msg *sent, int64_t clock_off_ms)
{
	struct msg reply = *sent;
	reply.reply = true;
	reply.hlc = hlc_from_wall_us((usec_t)((int64_t)b->now.wall_us + clock_off_ms * 1000));
	struct node_event ev = {.kind = EV_MESSAGE, .now = b->now, .message = {.from = from, .msg = &reply}};
	struct actions scratch;
	actions_init(&scratch);
	node_core_step(b->core, &ev, &scratch);
	actions_release(&scratch);
}

/** Lets MS pass in ticks; nodes whose bit is set in ALIVE answer their heartbeats, their clocks off by so much. */
static void pass(struct bed *b, uint32_t ms, uint32_t alive, int64_t clock_off_ms)
{
	for (uint32_t i = 0; i < ms; i += 10) {
		b->now.mono_us += 10 * USEC_PER_MSEC;
		b->now.wall_us += 10 * USEC_PER_MSEC;
		struct node_event ev = {.kind = EV_TICK, .now = b->now};
		node_core_step(b->core, &ev, &b->out);
		for (size_t a = 0; a < b->out.count; a++) {
			const struct action *act = &b->out.items[a];
			bool beat = act->kind == ACT_SEND && act->send.msg->opcode == OP_HEARTBEAT;
			if (beat && (alive & 1u << act->send.to))
				answer_heartbeat(b, act->send.to, act->send.msg, clock_off_ms);
		}
		actions_reset(&b->out);
	}
}

static void a_node_that_answers_stays_up(void **state)
{
	struct bed b;
	bed_init(&b);
	pass(&b, 10000, 0x6, 0);
	assert_int_equal(detector_state(b.core, 0), PEER_SELF);
	assert_int_equal(detector_state(b.core, 1), PEER_UP);
	assert_int_equal(detector_state(b.core, 2), PEER_UP);
	bed_release(&b);
}

static void silence_makes_suspect_then_down(void **state)
{
	struct bed b;
	bed_init(&b);
	pass(&b, 1000, 0x6, 0);
	pass(&b, 1200, 0x2, 0); /* the last answer was half a second old */
	assert_int_equal(detector_state(b.core, 2), PEER_SUSPECT);
	assert_true(detector_is_reachable(b.core, 2));
	pass(&b, 1000, 0x2, 0);
	assert_int_equal(detector_state(b.core, 2), PEER_DOWN);
	assert_false(detector_is_reachable(b.core, 2));
	assert_int_equal(detector_state(b.core, 1), PEER_UP);
	bed_release(&b);
}

static void two_answers_bring_it_back(void **state)
{
	struct bed b;
	bed_init(&b);
	pass(&b, 3000, 0x2, 0);
	assert_int_equal(detector_state(b.core, 2), PEER_DOWN);
	pass(&b, 500, 0x6, 0);
	assert_int_equal(detector_state(b.core, 2), PEER_DOWN);
	pass(&b, 500, 0x6, 0);
	assert_int_equal(detector_state(b.core, 2), PEER_UP);
	bed_release(&b);
}

static void a_core_that_slept_blames_nobody(void **state)
{
	struct bed b;
	bed_init(&b);
	pass(&b, 1000, 0x6, 0);
	b.now.mono_us += 60 * USEC_PER_SEC;
	b.now.wall_us += 60 * USEC_PER_SEC;
	pass(&b, 20, 0, 0);
	assert_int_equal(detector_state(b.core, 1), PEER_UP);
	bed_release(&b);
}

static void a_clock_that_disagrees_with_the_majority_is_off(void **state)
{
	struct bed b;
	bed_init(&b);
	pass(&b, 1000, 0x6, 0);
	assert_false(detector_clock_is_off(b.core));
	pass(&b, 1000, 0x6, -600); /* ours is ahead */
	assert_true(detector_clock_is_off(b.core));
	pass(&b, 1000, 0x6, 0);
	assert_false(detector_clock_is_off(b.core));
	pass(&b, 1000, 0x6, 1100); /* ours is behind */
	assert_true(detector_clock_is_off(b.core));
	bed_release(&b);
}

static void one_node_with_another_time_does_not_stop_us(void **state)
{
	struct bed b;
	bed_init(&b);
	pass(&b, 1000, 0x4, 600000);
	assert_false(detector_clock_is_off(b.core));
	bed_release(&b);
}

static enum kv_status admit(struct bed *b, node_id node, uint64_t incarnation, uint64_t nonce, struct error *err)
{
	struct msg_hello hello = {.kind = HELLO_PEER,
				  .cluster = {{9}},
				  .node = identity(node),
				  .incarnation = incarnation,
				  .boot_nonce = nonce};
	return node_core_admit(b->core, &hello, err);
}

static void an_older_or_doubled_identity_is_refused(void **state)
{
	struct bed b;
	struct error err;
	bed_init(&b);
	assert_int_equal(admit(&b, 1, 5, 77, &err), KV_OK);
	assert_int_equal(admit(&b, 1, 5, 77, &err), KV_OK);
	assert_int_equal(admit(&b, 1, 5, 78, &err), KV_IDENTITY); /* a second process */
	assert_int_equal(admit(&b, 1, 4, 70, &err), KV_IDENTITY); /* an older copy */
	assert_non_null(strstr(err.message, "copied data directory"));
	assert_int_equal(admit(&b, 1, 6, 80, &err), KV_OK);
	assert_int_equal(admit(&b, 7, 1, 1, &err), KV_IDENTITY); /* unknown, or removed */
	struct msg_hello other = {.kind = HELLO_PEER, .cluster = {{8}}, .node = identity(1), .incarnation = 9};
	assert_int_equal(node_core_admit(b.core, &other, &err), KV_WRONG_CLUSTER);
	bed_release(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_that_answers_stays_up),
		cmocka_unit_test(silence_makes_suspect_then_down),
		cmocka_unit_test(two_answers_bring_it_back),
		cmocka_unit_test(a_core_that_slept_blames_nobody),
		cmocka_unit_test(a_clock_that_disagrees_with_the_majority_is_off),
		cmocka_unit_test(one_node_with_another_time_does_not_stop_us),
		cmocka_unit_test(an_older_or_doubled_identity_is_refused),
	};
	return test_run("detector", tests);
}
