/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/core.h"

/** What the test's nodes answer to a probe. */
enum helper { HELPER_SILENT, HELPER_HEARS_NOTHING, HELPER_HEARS };

/** One core of three nodes; the other two are played by the test. */
struct bed {
	struct node_core *core;
	struct actions out;
	struct moment now;
	enum helper helper;
	uint32_t probes;           /* messages */
	struct msg_heartbeat says; /* of the nodes that answer; incarnation 0: as they were asked */
	uint32_t sent;             /* heartbeats that went to node 1 */
	struct msg_heartbeat last; /* the last of them */
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
	if (b->says.incarnation != 0) {
		usec_t sent_us = reply.heartbeat.sent_us;
		reply.heartbeat = b->says;
		reply.heartbeat.sent_us = sent_us;
	}
	reply.hlc = hlc_from_wall_us((usec_t)((int64_t)b->now.wall_us + clock_off_ms * 1000));
	struct node_event ev = {.kind = EV_MESSAGE, .now = b->now, .message = {.from = from, .msg = &reply}};
	struct actions scratch;
	actions_init(&scratch);
	node_core_step(b->core, &ev, &scratch);
	actions_release(&scratch);
}

static void answer_probe(struct bed *b, node_id from, const struct msg *sent)
{
	struct msg reply = *sent;
	b->probes++;
	if (b->helper == HELPER_SILENT)
		return;
	reply.reply = true;
	reply.probe.reached = b->helper == HELPER_HEARS;
	struct node_event ev = {.kind = EV_MESSAGE, .now = b->now, .message = {.from = from, .msg = &reply}};
	struct actions scratch;
	actions_init(&scratch);
	node_core_step(b->core, &ev, &scratch);
	actions_release(&scratch);
}

static void note_heartbeat(struct bed *b, const struct action *act)
{
	if (act->send.to != 1 || act->send.msg->reply)
		return;
	b->sent++;
	b->last = act->send.msg->heartbeat;
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
			if (act->kind == ACT_SEND && act->send.msg->opcode == OP_PROBE)
				answer_probe(b, act->send.to, act->send.msg);
			if (beat)
				note_heartbeat(b, act);
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

/* ---- self-distrust ---- */

/** COUNT ticks, each GAP_MS after the one before. */
static void tick_late(struct bed *b, uint32_t count, uint32_t gap_ms)
{
	for (uint32_t i = 0; i < count; i++) {
		b->now.mono_us += gap_ms * USEC_PER_MSEC;
		b->now.wall_us += gap_ms * USEC_PER_MSEC;
		struct node_event ev = {.kind = EV_TICK, .now = b->now};
		node_core_step(b->core, &ev, &b->out);
		actions_reset(&b->out);
	}
}

static void a_core_that_is_late_gives_others_more_time(void **state)
{
	struct bed b;
	bed_init(&b);
	pass(&b, 1000, 0x6, 0);
	assert_int_equal(b.core->health.value, 0);
	tick_late(&b, 3, 150);
	assert_int_equal(b.core->health.value, 3);
	pass(&b, 1600, 0, 0); /* as long as would make a suspect of them */
	assert_int_equal(detector_state(b.core, 1), PEER_UP);
	pass(&b, 10000, 0x6, 0);
	assert_int_equal(b.core->health.value, 0);
	bed_release(&b);
}

static void health_has_an_end(void **state)
{
	struct bed b;
	bed_init(&b);
	tick_late(&b, 40, 150);
	assert_int_equal(b.core->health.value, HEALTH_MAX);
	pass(&b, 2000, 0x6, 0);
	assert_true(b.last.health > 0); /* others hear of it */
	bed_release(&b);
}

/* ---- probes ---- */

static void a_node_that_others_hear_is_down_here_all_the_same_and_its_link_is_bad(void **state)
{
	struct bed b;
	bed_init(&b);
	b.helper = HELPER_HEARS;
	pass(&b, 1000, 0x6, 0);
	pass(&b, 1300, 0x2, 0);
	assert_true(b.probes > 0);
	assert_true(detector_link_is_bad(b.core, 2));
	pass(&b, 1000, 0x2, 0);
	assert_int_equal(detector_state(b.core, 2), PEER_DOWN);
	pass(&b, 20000, 0x2, 0);
	assert_true(detector_link_is_bad(b.core, 2)); /* asked again and again */
	assert_false(detector_link_is_bad(b.core, 1));
	assert_int_equal(b.core->health.value, 0);
	struct core_stats stats;
	node_core_stats(b.core, &stats);
	assert_true(stats.peers[2].link_bad);
	pass(&b, 2000, 0x6, 0);
	assert_false(detector_link_is_bad(b.core, 2));
	bed_release(&b);
}

static void a_node_that_nobody_hears_has_no_bad_link(void **state)
{
	struct bed b;
	bed_init(&b);
	b.helper = HELPER_HEARS_NOTHING;
	pass(&b, 6000, 0x2, 0);
	assert_true(b.probes > 0);
	assert_int_equal(detector_state(b.core, 2), PEER_DOWN);
	assert_false(detector_link_is_bad(b.core, 2));
	bed_release(&b);
}

static void helpers_that_do_not_answer_speak_against_the_asker(void **state)
{
	struct bed b;
	bed_init(&b);
	pass(&b, 1000, 0x6, 0);
	pass(&b, 1400, 0x2, 0);
	assert_int_equal(b.core->health.value, 0);
	uint32_t worst = 0;
	for (uint32_t i = 0; i < 100; i++) {
		pass(&b, 10, 0x2, 0);
		worst = MAX(worst, b.core->health.value);
	}
	assert_int_equal(worst, 1);
	bed_release(&b);
}

static void a_node_whose_requests_come_and_that_does_not_answer_has_a_bad_link(void **state)
{
	struct bed b;
	bed_init(&b);
	pass(&b, 2500, 0x2, 0);
	struct msg m = {.opcode = OP_HEARTBEAT, .id = 1, .heartbeat = {.incarnation = 1, .shards = 1}};
	struct node_event ev = {.kind = EV_MESSAGE, .now = b.now, .message = {.from = 2, .msg = &m}};
	assert_false(detector_link_is_bad(b.core, 2));
	node_core_step(b.core, &ev, &b.out);
	actions_reset(&b.out);
	assert_true(detector_link_is_bad(b.core, 2));
	bed_release(&b);
}

/** What the core answers when it is asked about TARGET. */
static bool reaches(struct bed *b, node_id target)
{
	struct msg m = {.opcode = OP_PROBE, .id = 7, .shard = 3, .probe = {.target = target}};
	struct node_event ev = {.kind = EV_MESSAGE, .now = b->now, .message = {.from = 1, .msg = &m}};
	node_core_step(b->core, &ev, &b->out);
	assert_int_equal(b->out.count, 1);
	const struct msg *reply = b->out.items[0].send.msg;
	assert_int_equal(reply->opcode, OP_PROBE);
	assert_int_equal(reply->shard, 3);
	assert_int_equal(reply->probe.target, target);
	bool reached = reply->probe.reached;
	actions_reset(&b->out);
	return reached;
}

static void a_helper_tells_whom_it_heard_just_now(void **state)
{
	struct bed b;
	bed_init(&b);
	pass(&b, 2000, 0x6, 0);
	assert_true(reaches(&b, 2));
	assert_true(reaches(&b, 0));
	assert_false(reaches(&b, 77));
	pass(&b, 1000, 0x2, 0);
	assert_false(reaches(&b, 2));
	bed_release(&b);
}

/* ---- requests ---- */

static void requests_in_a_row_without_an_answer_make_a_suspect(void **state)
{
	struct bed b;
	bed_init(&b);
	pass(&b, 1000, 0x6, 0);
	for (uint32_t i = 0; i < REQUEST_TIMEOUTS_MAX - 1; i++)
		detector_request_failed(b.core, 2);
	detector_request_answered(b.core, 2, /* read= */ false, 100);
	for (uint32_t i = 0; i < REQUEST_TIMEOUTS_MAX - 1; i++)
		detector_request_failed(b.core, 2);
	assert_int_equal(detector_state(b.core, 2), PEER_UP);
	detector_request_failed(b.core, 2);
	assert_int_equal(detector_state(b.core, 2), PEER_SUSPECT);
	pass(&b, 1000, 0x6, 0); /* that it answers heartbeats does not clear it */
	assert_int_equal(detector_state(b.core, 2), PEER_SUSPECT);
	assert_true(detector_is_reachable(b.core, 2));
	detector_request_answered(b.core, 2, /* read= */ false, 100);
	pass(&b, 600, 0x6, 0);
	assert_int_equal(detector_state(b.core, 2), PEER_UP);
	for (uint32_t i = 0; i < REQUEST_TIMEOUTS_MAX; i++)
		detector_request_failed(b.core, 2);
	pass(&b, 6000, 0x6, 0); /* nor is it held against it for ever */
	assert_int_equal(detector_state(b.core, 2), PEER_UP);
	bed_release(&b);
}

/* ---- what nodes say of themselves ---- */

static void a_disk_that_is_slow_for_a_while_is_degraded_and_a_new_life_has_no_past(void **state)
{
	struct bed b;
	bed_init(&b);
	b.says = (struct msg_heartbeat){
		.incarnation = 1, .map_epoch = 1, .shards = 1, .health = 2, .disk_p99_us = 2 * DISK_SLOW_US};
	pass(&b, 8000, 0x6, 0);
	assert_false(detector_is_degraded(b.core, 1));
	pass(&b, 5000, 0x6, 0);
	assert_true(detector_is_degraded(b.core, 1));
	assert_int_equal(b.core->detector.peers[1].health, 2);
	b.says.incarnation = 2;
	b.says.disk_p99_us = 0;
	b.core->detector.peers[1].read_us = 7;
	pass(&b, 600, 0x6, 0);
	assert_false(detector_is_degraded(b.core, 1));
	assert_int_equal(b.core->detector.peers[1].read_us, 0);
	bed_release(&b);
}

/** The map after this one, in which node 2 has STATE. */
static void next_map(struct bed *b, enum node_state state)
{
	struct map_desc next = b->core->map->desc;
	struct map_node nodes[3];
	memcpy(nodes, next.nodes, sizeof nodes);
	nodes[2].state = state;
	next.nodes = nodes;
	next.epoch++;
	struct node_event ev = {.kind = EV_MAP_SAVED, .now = b->now, .map.map = &next};
	node_core_step(b->core, &ev, &b->out);
	actions_reset(&b->out);
}

static void a_node_is_drained_when_all_its_cores_are(void **state)
{
	struct bed b;
	bed_init(&b);
	next_map(&b, NODE_LEAVING);
	b.says = (struct msg_heartbeat){.incarnation = 1, .map_epoch = 2, .shards = 2, .core = 0, .drained = true};
	pass(&b, 600, 0x6, 0);
	assert_false(b.core->detector.peers[2].drained);
	struct msg m = {.opcode = OP_HEARTBEAT, .id = 1, .heartbeat = b.says};
	m.heartbeat.core = 1; /* a report to the first core, which is not answered */
	struct node_event ev = {.kind = EV_MESSAGE, .now = b.now, .message = {.from = 2, .msg = &m}};
	node_core_step(b.core, &ev, &b.out);
	assert_int_equal(b.out.count, 0);
	assert_true(b.core->detector.peers[2].drained);
	m.heartbeat.drained = false;
	node_core_step(b.core, &ev, &b.out);
	assert_false(b.core->detector.peers[2].drained);
	bed_release(&b);
}

/** Its other cores stop reporting when it stays: what they said counted when it was to leave once more, whatever they owed by then. */
static void what_a_node_that_stays_said_does_not_count_when_it_leaves_again(void **state)
{
	struct bed b;
	bed_init(&b);
	next_map(&b, NODE_LEAVING);
	struct msg m = {.opcode = OP_HEARTBEAT,
			.id = 1,
			.heartbeat = {.incarnation = 1, .map_epoch = 2, .shards = 2, .core = 1, .drained = true}};
	struct node_event ev = {.kind = EV_MESSAGE, .now = b.now, .message = {.from = 2, .msg = &m}};
	node_core_step(b.core, &ev, &b.out);
	next_map(&b, NODE_NORMAL);
	b.says = (struct msg_heartbeat){.incarnation = 1, .map_epoch = 3, .shards = 2, .core = 0, .drained = false};
	pass(&b, 600, 0x6, 0);
	next_map(&b, NODE_LEAVING);
	b.says.drained = true;
	pass(&b, 600, 0x6, 0);
	assert_false(b.core->detector.peers[2].drained); /* core 1 has not said so this time */
	ev.now = b.now;
	node_core_step(b.core, &ev, &b.out);
	assert_true(b.core->detector.peers[2].drained);
	bed_release(&b);
}

static void a_removed_node_is_no_peer_and_one_that_leaves_is(void **state)
{
	struct bed b;
	bed_init(&b);
	pass(&b, 1000, 0x6, 0);
	next_map(&b, NODE_LEAVING);
	assert_int_equal(detector_state(b.core, 2), PEER_UP);
	next_map(&b, NODE_REMOVED);
	assert_int_equal(detector_state(b.core, 2), PEER_DOWN);
	assert_false(b.core->detector.peers[2].known);
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
		cmocka_unit_test(a_core_that_is_late_gives_others_more_time),
		cmocka_unit_test(health_has_an_end),
		cmocka_unit_test(a_node_that_others_hear_is_down_here_all_the_same_and_its_link_is_bad),
		cmocka_unit_test(a_node_that_nobody_hears_has_no_bad_link),
		cmocka_unit_test(helpers_that_do_not_answer_speak_against_the_asker),
		cmocka_unit_test(a_node_whose_requests_come_and_that_does_not_answer_has_a_bad_link),
		cmocka_unit_test(a_helper_tells_whom_it_heard_just_now),
		cmocka_unit_test(requests_in_a_row_without_an_answer_make_a_suspect),
		cmocka_unit_test(a_disk_that_is_slow_for_a_while_is_degraded_and_a_new_life_has_no_past),
		cmocka_unit_test(a_node_is_drained_when_all_its_cores_are),
		cmocka_unit_test(what_a_node_that_stays_said_does_not_count_when_it_leaves_again),
		cmocka_unit_test(a_removed_node_is_no_peer_and_one_that_leaves_is),
		cmocka_unit_test(an_older_or_doubled_identity_is_refused),
	};
	return test_run("detector", tests);
}
