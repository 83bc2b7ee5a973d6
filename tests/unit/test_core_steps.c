/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What single steps of whole cores do and do not do.
 */
#include "tests/support/test.h"

#include "tests/unit/core_cluster.h"

/* ---- durability ---- */

static void a_strong_write_is_on_every_disk_and_read_everywhere(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", strong), KV_OK);
	pass(c, 50 * USEC_PER_MSEC);
	for (node_id i = 0; i < 3; i++) {
		assert_slice_equal(on_disk(c, i, "k").value, slice_str("one"));
		assert_false(on_disk(c, i, "k").weak);
		assert_reads(c, i, "k", "one");
	}
	cluster_free(c);
}

static void nobody_hears_of_a_write_before_a_majority_has_synced_it(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[1].hold_writes = c->nodes[2].hold_writes = true;
	ask(c, 0, OP_PUT, "k", "one", strong);
	assert_int_equal(c->answers, 0);
	c->nodes[1].hold_writes = false;
	run(c);
	assert_int_equal(c->answers, 1);
	assert_int_equal(c->result.status, KV_OK);
	cluster_free(c);
}

static void a_reader_is_not_told_of_a_record_before_it_is_durable(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[0].hold_writes = true;
	struct record rec = whole_record((struct version){clock_of(c, 0), 1}, "early");
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = rec;
	assert_int_equal(answer_to(c, &push), 0);
	struct msg read = replica_msg(c, OP_READ, "k");
	assert_int_equal(answer_to(c, &read), 0);
	struct msg prepare = replica_msg(c, OP_PREPARE, "k");
	prepare.replica.ballot = (struct version){clock_of(c, 0), 2};
	assert_int_equal(answer_to(c, &prepare), 0);
	/* The same write again is acknowledged no sooner than the first. */
	assert_int_equal(answer_to(c, &push), 0);
	keep(c, 0, 2, ANY, FOR_REPLIES);
	c->nodes[0].hold_writes = false;
	run(c);
	assert_int_equal(kept_count(c), 4);
	cluster_free(c);
}

static void a_restarted_replica_refuses_what_it_promised_before(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct version low = {clock_of(c, 0), 1}, high = {clock_of(c, 0), 2};
	struct msg prepare = replica_msg(c, OP_PREPARE, "k");
	prepare.replica.ballot = high;
	assert_int_equal(answer_to(c, &prepare), ANSWER_PROMISE);
	crash(c, 0);
	start_node(c, 0, &c->map);
	pass(c, 50 * USEC_PER_MSEC);
	struct msg accept = replica_msg(c, OP_ACCEPT, "k");
	accept.replica.record = whole_record(low, "late");
	assert_int_equal(answer_to(c, &accept), ANSWER_REJECT);
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record(low, "late");
	assert_int_equal(answer_to(c, &push), ANSWER_STORED);
	assert_true(on_disk(c, 0, "k").weak);
	cluster_free(c);
}

static void nothing_is_stored_above_the_clocks_durable_limit(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 0);
	pass(c, 10 * USEC_PER_SEC);
	/* Its clock's new limit is not durable yet. What it stored now, overwrote and forgot with a crash would be above its floors. */
	c->nodes[0].hold_writes = true;
	start_node(c, 0, &c->map);
	struct msg accept = replica_msg(c, OP_ACCEPT, "k");
	accept.replica.record = whole_record((struct version){clock_of(c, 2), 1}, "early");
	assert_int_equal(answer_to(c, &accept), ANSWER_BUSY);
	c->nodes[0].hold_writes = false;
	pass(c, 50 * USEC_PER_MSEC);
	assert_int_equal(answer_to(c, &accept), ANSWER_ACK);
	cluster_free(c);
}

static void an_acknowledged_write_survives_the_crash_of_all_nodes(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[2].hold_writes = true;
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", strong), KV_OK);
	for (node_id i = 0; i < 3; i++)
		crash(c, i);
	c->nodes[2].hold_writes = false;
	for (node_id i = 0; i < 3; i++)
		start_node(c, i, &c->map);
	pass(c, 3 * USEC_PER_SEC);
	assert_reads(c, 2, "k", "one");
	cluster_free(c);
}

/* ---- at most once, and honest ---- */

static void an_accept_that_reached_one_replica_is_finished_not_repeated(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	keep(c, 0, 1, OP_ACCEPT, FOR_REQUESTS);
	keep(c, 0, 2, OP_ACCEPT, FOR_REQUESTS);
	ask(c, 0, OP_PUT, "k", "x", (struct msg_request){.level = LEVEL_STRONG, .deadline_ms = 3000});
	struct version first = on_disk(c, 0, "k").ver;
	assert_false(version_is_none(first));
	heal(c);
	for (uint32_t i = 0; i < 300 && c->answers == 0; i++)
		pass(c, TICK_US);
	assert_int_equal(c->result.status, KV_OK);
	/* The client's version is the first attempt, whatever ballot finished it. */
	assert_true(version_equal(c->result.version, first));
	assert_int_equal(call(c, 1, OP_PUT, "k", "y", strong), KV_OK);
	release_kept(c);
	pass(c, USEC_PER_SEC);
	for (node_id i = 0; i < 3; i++)
		assert_reads(c, i, "k", "y");
	cluster_free(c);
}

static void a_write_that_may_have_happened_says_so(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	drop(c, 1, 0, OP_ACCEPT, FOR_REPLIES);
	drop(c, 2, 0, OP_ACCEPT, FOR_REPLIES);
	drop(c, 1, 0, OP_PREPARE, FOR_REPLIES);
	ask(c, 0, OP_PUT, "k", "x", strong);
	assert_int_equal(c->answers, 0); /* the prepare to node 2 passed, the accept's answers did not */
	pass(c, 2 * USEC_PER_SEC);
	assert_int_equal(c->answers, 1);
	/* The next ballot saw it at a majority. */
	assert_int_equal(c->result.status, KV_OK);
	drop(c, ANY, 0, OP_PREPARE, FOR_REPLIES);
	ask(c, 0, OP_ADD, "k2", NULL, strong);
	pass(c, 2 * USEC_PER_SEC);
	assert_int_equal(c->answers, 2);
	assert_int_equal(c->result.status, KV_UNAVAILABLE);
	assert_false(c->result.in_doubt);
	cluster_free(c);
}

static void a_write_whose_accepts_vanish_ends_in_doubt(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	keep(c, 0, ANY, OP_ACCEPT, FOR_REQUESTS);
	ask(c, 0, OP_PUT, "k", "x", strong);
	drop(c, 0, ANY, OP_PREPARE, FOR_REQUESTS);
	pass(c, 2 * USEC_PER_SEC);
	assert_int_equal(c->answers, 1);
	assert_int_equal(c->result.status, KV_IN_DOUBT);
	assert_true(c->result.in_doubt);
	cluster_free(c);
}

static void a_forwarded_request_that_comes_twice_is_carried_out_once(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	struct msg m = {.opcode = OP_PUT, .id = 77, .hlc = clock_of(c, 3), .epoch = 1};
	m.request = (struct msg_request){
		.key = slice_str("k"), .value = slice_str("v"), .level = LEVEL_STRONG, .forwarded = true};
	uint64_t before = stats_of(c, 0).ops_started;
	tell(c, 3, 0, &m);
	tell(c, 3, 0, &m);
	run(c);
	assert_int_equal(stats_of(c, 0).ops_started, before + 1);
	cluster_free(c);
}

static void a_node_that_is_no_replica_forwards_and_passes_the_answer_on(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	assert_int_equal(call(c, 3, OP_PUT, "k", "far", strong), KV_OK);
	assert_reads(c, 3, "k", "far");
	assert_int_equal(stats_of(c, 3).ops_forwarded, 2);
	cluster_free(c);
}

/* ---- loss of nodes ---- */

static void two_of_three_down_means_unavailable_at_once_and_eventual_goes_on(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 1);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	assert_int_equal(call(c, 0, OP_PUT, "k", "x", strong), KV_UNAVAILABLE);
	assert_false(c->result.in_doubt);
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, strong), KV_UNAVAILABLE);
	assert_int_equal(call(c, 0, OP_PUT, "k", "e", (struct msg_request){.acks = ACKS_ONE}), KV_OK);
	assert_int_equal(call(c, 0, OP_PUT, "k", "e", (struct msg_request){.acks = ACKS_MAJORITY}), KV_UNAVAILABLE);
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, (struct msg_request){0}), KV_OK);
	cluster_free(c);
}

static void a_returning_replica_gets_what_it_missed(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	assert_int_equal(call(c, 0, OP_PUT, "a", "1", strong), KV_OK);
	assert_int_equal(call(c, 1, OP_PUT, "b", "2", (struct msg_request){.acks = ACKS_MAJORITY}), KV_OK);
	assert_int_equal(call(c, 1, OP_DEL, "a", NULL, strong), KV_OK);
	assert_true(stats_of(c, 0).hints_pending > 0);
	start_node(c, 2, &c->map);
	pass(c, 20 * USEC_PER_SEC);
	assert_true(on_disk(c, 2, "a").tombstone);
	assert_slice_equal(on_disk(c, 2, "b").value, slice_str("2"));
	assert_int_equal(stats_of(c, 0).hints_pending + stats_of(c, 1).hints_pending, 0);
	cluster_free(c);
}

static void more_hints_than_allowed_become_a_mark_that_survives_a_restart(void **state)
{
	struct cluster *c = cluster_new(3, 1);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	static const char *const keys[] = {"a", "b", "c", "d"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_int_equal(call(c, 0, OP_PUT, keys[i], "v", strong), KV_OK);
	assert_int_equal(stats_of(c, 0).hints_pending, 1);
	assert_true(stats_of(c, 0).partitions_dirty > 0);
	crash(c, 0);
	start_node(c, 0, &c->map);
	pass(c, USEC_PER_SEC);
	assert_true(stats_of(c, 0).partitions_dirty > 0);
	start_node(c, 2, &c->map);
	pass(c, 30 * USEC_PER_SEC);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_slice_equal(on_disk(c, 2, keys[i]).value, slice_str("v"));
	assert_int_equal(stats_of(c, 0).partitions_dirty, 0);
	cluster_free(c);
}

/* ---- what a replica refuses ---- */

static void a_request_of_an_older_map_is_refused(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->map.epoch = 5;
	for (uint32_t p = 0; p < PARTITIONS; p++)
		c->epochs[p] = 5;
	struct node_event ev = {.kind = EV_MAP_SAVED, .map.map = &c->map};
	step(c, 0, &ev);
	step(c, 0, &ev); /* twice is once */
	struct msg m = replica_msg(c, OP_READ, "k");
	m.epoch = 4;
	assert_int_equal(answer_to(c, &m), ANSWER_EPOCH);
	m.epoch = 5;
	assert_int_equal(answer_to(c, &m), ANSWER_RECORD);
	m.epoch = 6;
	assert_int_equal(answer_to(c, &m), ANSWER_BUSY);
	cluster_free(c);
}

static void a_version_from_the_future_is_refused(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct version far = {clock_of(c, 0) + hlc_from_ms(MAX_DRIFT_MS + 1), 1};
	struct version edge = {UINT64_MAX, UINT64_MAX};
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record(far, "x");
	assert_int_equal(answer_to(c, &push), ANSWER_CLOCK);
	push.replica.record = whole_record(edge, "x");
	assert_int_equal(answer_to(c, &push), ANSWER_CLOCK);
	struct msg prepare = replica_msg(c, OP_PREPARE, "k");
	prepare.replica.ballot = edge;
	assert_int_equal(answer_to(c, &prepare), ANSWER_CLOCK);
	assert_true(version_is_none(on_disk(c, 0, "k").ver));
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	cluster_free(c);
}

static void a_ballot_above_the_durable_limit_is_not_promised(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[0].hold_writes = true;
	c->mono_us += 5 * USEC_PER_SEC;
	struct msg prepare = replica_msg(c, OP_PREPARE, "k");
	prepare.replica.ballot = (struct version){clock_of(c, 0), 1};
	assert_int_equal(answer_to(c, &prepare), ANSWER_BUSY);
	cluster_free(c);
}

static void a_request_that_waited_past_its_deadline_is_dropped(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[0].hold_reads = true;
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record((struct version){clock_of(c, 0), 1}, "x");
	push.replica.deadline_ms = 30;
	assert_int_equal(answer_to(c, &push), 0);
	pass(c, 50 * USEC_PER_MSEC);
	c->nodes[0].hold_reads = false;
	pass(c, 50 * USEC_PER_MSEC);
	assert_true(version_is_none(on_disk(c, 0, "k").ver));
	assert_int_equal(stats_of(c, 0).replica_expired, 1);
	cluster_free(c);
}

static void a_damaged_value_is_not_stored(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record((struct version){clock_of(c, 0), 1}, "x");
	push.replica.record.value_hash++;
	assert_int_equal(answer_to(c, &push), ANSWER_BUSY);
	cluster_free(c);
}

static void a_key_in_the_wrong_partition_is_not_served(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg m = replica_msg(c, OP_READ, "k");
	m.replica.partition = (uint16_t)((m.replica.partition + 1) % PARTITIONS);
	assert_int_equal(answer_to(c, &m), ANSWER_BUSY);
	m.replica.partition = PARTITION_META;
	assert_int_equal(answer_to(c, &m), ANSWER_BUSY);
	cluster_free(c);
}

/* ---- strange peers ---- */

static void answers_that_nobody_waits_for_are_ignored(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	static const uint16_t opcodes[] = {OP_READ,     OP_PUSH, OP_PREPARE,   OP_ACCEPT, OP_COPY,
					   OP_MAP_PULL, OP_GET,  OP_HINT_OPEN, OP_SCAN,   OP_INIT_RESERVE};
	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++) {
		struct msg m = {.opcode = opcodes[i], .reply = true, .id = 12345, .hlc = clock_of(c, 0)};
		tell(c, 1, 0, &m);
		tell(c, 200, 0, &m);
	}
	run(c);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	cluster_free(c);
}

static void a_greedy_hint_sender_gets_no_more_than_the_budget(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	keep(c, 0, 1, OP_HINT_OPEN, FOR_REPLIES);
	static const uint64_t pending[] = {UINT64_MAX, UINT64_MAX - 1, 0, 1000000};
	for (size_t i = 0; i < ARRAY_SIZE(pending); i++) {
		struct msg m = {.opcode = OP_HINT_OPEN, .id = i + 1, .hint.pending = pending[i]};
		tell(c, 1, 0, &m);
		struct arena arena;
		assert_true(kept_msg(c, &arena).hint.granted <= HINT_SCAN_ITEMS);
		arena_release(&arena);
		frames_free(&c->kept);
	}
	cluster_free(c);
}

/* ---- mixed levels ---- */

static void a_copy_stored_below_a_promise_does_not_count(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct version old = {clock_of(c, 0), 1};
	pass(c, 20 * USEC_PER_MSEC);
	for (node_id i = 0; i < 3; i++) {
		struct msg prepare = replica_msg(c, OP_PREPARE, "k");
		prepare.replica.ballot = (struct version){clock_of(c, 0), 7};
		tell(c, 2, i, &prepare);
		struct msg push = replica_msg(c, OP_PUSH, "k");
		push.replica.record = whole_record(old, "weak");
		tell(c, 2, i, &push);
	}
	run(c);
	for (node_id i = 0; i < 3; i++)
		assert_true(on_disk(c, i, "k").weak);
	uint64_t before = stats_of(c, 1).identity_rounds;
	assert_reads(c, 1, "k", "weak");
	assert_int_equal(stats_of(c, 1).identity_rounds, before + 1);
	assert_false(on_disk(c, 1, "k").weak);
	assert_true(version_equal(on_disk(c, 1, "k").org, old));
	cluster_free(c);
}

static void an_expired_value_stays_gone(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", (struct msg_request){.level = LEVEL_STRONG, .ttl_ms = 100}),
			 KV_OK);
	assert_reads(c, 1, "k", "v");
	c->nodes[1].wall_us = 200 * USEC_PER_MSEC; /* within the drift that is allowed */
	assert_reads(c, 1, "k", NULL);
	assert_reads(c, 0, "k", NULL);
	assert_reads(c, 2, "k", NULL);
	cluster_free(c);
}

/* ---- strange peers ---- */

static void an_empty_node_ignores_a_reservation_by_an_impossible_index(void **state)
{
	struct cluster *c = cluster_make(1);
	start_node(c, 0, NULL);
	struct msg m = {.opcode = OP_INIT_RESERVE, .id = 1};
	m.init = (struct msg_init){.from = 60000, .index = 1, .from_address = slice_str("x:1")};
	m.init.cluster.bytes[0] = 3;
	struct node_event ev = {.kind = EV_MESSAGE, .now = now_of(c, 0), .message = {60000, &m, c->mono_us}};
	struct actions out;
	actions_init(&out);
	node_core_step(c->nodes[0].core, &ev, &out);
	/* The server takes an index from NODES_MAX on for a programmer's error and stops. */
	for (size_t i = 0; i < out.count; i++)
		assert_true(out.items[i].kind != ACT_PEER || out.items[i].peer.index < NODES_MAX);
	actions_release(&out);
	cluster_free(c);
}

static void a_peer_that_asks_for_the_map_as_a_client_does_gets_no_nonsense(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg m = {.opcode = OP_MAP, .id = 4, .epoch = 1, .hlc = clock_of(c, 1)};
	tell(c, 1, 0, &m); /* whatever is answered goes through the encoder */
	run(c);
	cluster_free(c);
}

static void a_replicas_answer_is_not_taken_for_that_of_a_forwarded_request(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	keep(c, 3, 0, OP_GET, FOR_REQUESTS);
	ask(c, 3, OP_GET, "k", NULL, strong);
	struct arena arena;
	struct msg sent = kept_msg(c, &arena);
	struct msg m = {.opcode = OP_READ, .reply = true, .id = sent.id, .epoch = 1, .hlc = clock_of(c, 0)};
	m.answer.answer = ANSWER_RECORD;
	m.answer.partition = data_key("k").partition;
	m.answer.record = whole_record((struct version){clock_of(c, 0), 1}, "x");
	arena_release(&arena);
	tell(c, 0, 3, &m);
	assert_int_equal(c->answers, 0);
	cluster_free(c);
}

static void a_map_with_other_partitions_is_refused(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	static node_id rows[2 * PARTITIONS * REPLICAS];
	static uint64_t epochs[2 * PARTITIONS];
	struct map_desc other = c->map;
	other.epoch = 2;
	other.partitions = 2 * PARTITIONS;
	other.rows = rows;
	other.config_epochs = epochs;
	for (uint32_t i = 0; i < 2 * PARTITIONS; i++) {
		epochs[i] = 1;
		for (uint32_t k = 0; k < REPLICAS; k++)
			rows[i * REPLICAS + k] = (node_id)k;
	}
	struct msg m = {.opcode = OP_MAP_PUSH, .id = 5, .epoch = 2, .map = {.have_epoch = 2, .map = &other}};
	tell(c, 1, 0, &m);
	run(c);
	assert_int_equal(c->saves, 0); /* once saved, EV_MAP_SAVED ends in an assertion */
	cluster_free(c);
}

static void a_map_in_an_answer_lives_until_the_actions_are_reset(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct actions out;
	actions_init(&out);
	struct msg m = {.opcode = OP_MAP, .id = 4};
	struct node_event ask_map = {.kind = EV_REQUEST, .now = now_of(c, 0), .request = {1, &m, c->mono_us}};
	node_core_step(c->nodes[0].core, &ask_map, &out);
	struct map_desc next = c->map;
	next.epoch = 2;
	struct node_event saved = {.kind = EV_MAP_SAVED, .now = now_of(c, 0), .map.map = &next};
	node_core_step(c->nodes[0].core, &saved, &out);
	assert_int_equal(out.items[0].kind, ACT_REPLY);
	assert_int_equal(out.items[0].reply.msg->map.map->epoch, 1); /* under ASan: freed memory */
	actions_release(&out);
	cluster_free(c);
}

static void a_restart_seen_first_by_heartbeat_is_no_copied_data_directory(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg_hello hello = {.kind = HELLO_PEER, .cluster = c->map.cluster, .node = c->map_nodes[1].uuid};
	hello.incarnation = 1;
	hello.boot_nonce = 11;
	struct error err = {0};
	assert_int_equal(node_core_admit(c->nodes[0].core, &hello, &err), KV_OK);
	/* With several cores a node, another link of the restarted peer may be admitted by another core first. */
	struct msg answer = {.opcode = OP_HEARTBEAT, .reply = true, .hlc = clock_of(c, 1)};
	answer.heartbeat.incarnation = 2;
	answer.heartbeat.sent_us = c->mono_us;
	tell(c, 1, 0, &answer);
	hello.incarnation = 2;
	hello.boot_nonce = 22;
	assert_int_equal(node_core_admit(c->nodes[0].core, &hello, &err), KV_OK);
	cluster_free(c);
}

/* ---- forming ---- */

static void a_node_whose_own_formation_failed_answers_the_next_one(void **state)
{
	struct cluster *c = cluster_make(3);
	for (node_id i = 0; i < 3; i++)
		start_node(c, i, NULL);
	/* Node 1 tries first and is refused by node 2. */
	const struct slice addresses[] = {slice_str("n0:1"), slice_str("n1:1"), slice_str("n2:1")};
	struct msg init = {.opcode = OP_CLUSTER_INIT, .cluster_init = {.address_count = 3, .addresses = addresses}};
	struct node_event ev = {.kind = EV_REQUEST, .request = {CLIENT, &init, c->mono_us}};
	keep(c, 1, 2, OP_INIT_RESERVE, FOR_REQUESTS);
	drop(c, 1, 0, OP_INIT_RESERVE, FOR_REQUESTS);
	step(c, 1, &ev);
	struct arena arena;
	struct msg refused = kept_msg(c, &arena);
	arena_release(&arena);
	refused.reply = true;
	refused.init.from_address = slice_of(NULL, 0);
	refused.init.status = KV_REFUSED;
	tell(c, 2, 1, &refused);
	assert_int_equal(c->answers, 1);
	assert_int_equal(c->result.status, KV_REFUSED);
	heal(c);
	pass(c, FORM_RESERVE_US + USEC_PER_SEC);
	/* Then node 0 is asked, which another order of addresses makes number 1. */
	const struct slice again[] = {slice_str("n1:1"), slice_str("n0:1"), slice_str("n2:1")};
	struct msg reserve = {.opcode = OP_INIT_RESERVE, .id = 8};
	reserve.init = (struct msg_init){.from = 1, .index = 0, .from_address = again[1]};
	reserve.init.cluster.bytes[0] = 77;
	struct node_event asked = {.kind = EV_MESSAGE, .now = now_of(c, 1), .message = {1, &reserve, c->mono_us}};
	struct actions out;
	actions_init(&out);
	node_core_step(c->nodes[1].core, &asked, &out);
	bool answered = false;
	for (size_t i = 0; i < out.count; i++)
		answered |= out.items[i].kind == ACT_SEND && out.items[i].send.msg->opcode == OP_INIT_RESERVE;
	actions_release(&out);
	assert_true(answered);
	cluster_free(c);
}

static void an_empty_node_takes_only_one_first_map(void **state)
{
	struct cluster *c = cluster_make(3);
	start_node(c, 0, NULL);
	struct map_desc other = c->map;
	other.cluster.bytes[0] = 44;
	struct msg m = {.opcode = OP_MAP_PUSH, .id = 5, .map = {.have_epoch = 1, .map = &c->map}};
	tell(c, 1, 0, &m);
	m.map.map = &other; /* before the first is durable */
	tell(c, 2, 0, &m);
	/* Else memory keeps the first and the disk the last, and a restart changes clusters. */
	assert_int_equal(c->saves, 1);
	cluster_free(c);
}

/* ---- hints ---- */

/** A key of the partition, NUMBER-th of its kind. */
static const char *key_in(uint16_t partition, char text[16])
{
	for (int i = 0; i < 1000; i++) {
		snprintf(text, 16, "key%d", i);
		if (data_key(text).partition == partition)
			return text;
	}
	fail();
	return text;
}

static void a_mark_set_while_its_partition_is_pushed_is_kept(void **state)
{
	struct cluster *c = cluster_new(3, 1);
	char first[16], last[16];
	const char *k = key_in(2, first), *other = key_in(9, last);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	/* One hint is all that fits; it is replayed after partition 2, which K marks. */
	assert_int_equal(call(c, 0, OP_PUT, other, "v", strong), KV_OK);
	assert_int_equal(call(c, 0, OP_PUT, k, "old", strong), KV_OK);
	assert_int_equal(stats_of(c, 0).partitions_dirty, 1);
	start_node(c, 2, &c->map);
	keep(c, 2, 0, OP_PUSH, FOR_REPLIES);
	for (uint32_t i = 0; i < 1000 && version_is_none(on_disk(c, 2, k).ver); i++)
		pass(c, TICK_US);
	assert_slice_equal(on_disk(c, 2, k).value, slice_str("old"));
	/* While the push is under way node 2 refuses the next write of K; there is no room for a hint. */
	uint64_t overflowed = stats_of(c, 0).hints_overflowed;
	c->nodes[2].wall_us = -(usec_t)(700 * USEC_PER_MSEC);
	assert_int_equal(call(c, 0, OP_PUT, k, "new", strong), KV_OK);
	c->nodes[2].wall_us = 0;
	assert_int_equal(stats_of(c, 0).hints_overflowed, overflowed + 1);
	heal(c);
	release_kept(c);
	pass(c, 60 * USEC_PER_SEC);
	assert_int_equal(stats_of(c, 0).partitions_dirty + stats_of(c, 0).hints_pending,
			 0); /* all is said to be delivered */
	assert_slice_equal(on_disk(c, 2, k).value, slice_str("new"));
	cluster_free(c);
}

static void a_hint_is_not_settled_with_an_older_record(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	/* The coordinator's own disk is too slow for the write's deadline, node 1 stores it and acknowledges. */
	c->nodes[0].hold_reads = true;
	struct msg_request eventual = {.acks = ACKS_ONE, .deadline_ms = 100};
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", eventual), KV_OK);
	pass(c, USEC_PER_SEC);
	c->nodes[0].hold_reads = false;
	pass(c, USEC_PER_SEC);
	start_node(c, 2, &c->map);
	pass(c, 60 * USEC_PER_SEC);
	assert_slice_equal(on_disk(c, 1, "k").value, slice_str("v"));
	assert_slice_equal(on_disk(c, 2, "k").value, slice_str("v")); /* its hint was written and then deleted */
	assert_slice_equal(on_disk(c, 0, "k").value, slice_str("v")); /* nobody ever tells the coordinator itself */
	cluster_free(c);
}

static void many_writes_of_one_key_are_one_hint(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	for (int i = 0; i < 5; i++)
		assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	pass(c, USEC_PER_SEC);
	size_t on_disk_count = 0;
	for (size_t i = 0; i < c->nodes[0].row_count; i++)
		on_disk_count += c->nodes[0].rows[i].key.table == DISK_HINT;
	assert_int_equal(on_disk_count, 1);
	assert_int_equal(stats_of(c, 0).hints_pending, 1);
	cluster_free(c);
}

static void a_mark_of_a_shard_that_is_no_more_is_taken_over(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 0);
	/* Partition 1 was shard 1's, of two; its mark stands where every shard finds its own. */
	struct disk_put put = {.key = {.table = DISK_HINT,
				       .target = 2,
				       .partition = 1,
				       .leaf = 0xFFFF,
				       .key = slice_str("dirty")}};
	row_put(&c->nodes[0], &put);
	start_node(c, 0, &c->map);
	run(c);
	assert_int_equal(stats_of(c, 0).partitions_dirty, 1);
	cluster_free(c);
}

static void a_peers_pace_cannot_put_replay_off_for_ever(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	crash(c, 2);
	pass(c, 3 * USEC_PER_SEC);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", strong), KV_OK);
	start_node(c, 2, &c->map);
	keep(c, 0, 2, OP_HINT_OPEN, FOR_REQUESTS);
	for (uint32_t i = 0; i < 1000 && kept_count(c) == 0; i++)
		pass(c, TICK_US);
	struct arena arena;
	struct msg m = kept_msg(c, &arena);
	arena_release(&arena);
	m.reply = true;
	m.hint = (struct msg_hint){.granted = 0, .pace_ms = UINT32_MAX};
	tell(c, 2, 0, &m);
	heal(c);
	pass(c, 60 * USEC_PER_SEC);
	assert_slice_equal(on_disk(c, 2, "k").value, slice_str("v"));
	cluster_free(c);
}

/* ---- epochs and time ---- */

static void an_operation_planned_with_an_old_map_does_not_pass_as_a_new_one(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	keep(c, ANY, 0, OP_PREPARE, FOR_REPLIES);
	ask(c, 0, OP_PUT, "k", "v", strong);
	struct map_desc next = c->map;
	static node_id rows[PARTITIONS * REPLICAS];
	static uint64_t epochs[PARTITIONS];
	for (uint32_t p = 0; p < PARTITIONS; p++) {
		epochs[p] = 2;
		for (uint32_t i = 0; i < REPLICAS; i++)
			rows[p * REPLICAS + i] = (node_id)(i + (i > 0)); /* 0, 2, 3: node 1 is out */
	}
	next.epoch = 2;
	next.rows = rows;
	next.config_epochs = epochs;
	for (node_id i = 0; i < 4; i++) {
		struct node_event ev = {.kind = EV_MAP_SAVED, .map.map = &next};
		step(c, i, &ev);
	}
	heal(c);
	keep(c, 0, 2, OP_ACCEPT, FOR_REQUESTS);
	release_kept(c);
	if (kept_count(c) > 0) {
		struct arena arena;
		struct msg m = kept_msg(c, &arena);
		arena_release(&arena);
		assert_int_equal(m.epoch,
				 1); /* the row it was planned with is of epoch 1: the fence must see that */
	}
	cluster_free(c);
}

static void a_reader_with_a_fast_clock_does_not_see_a_value_expire_early(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", (struct msg_request){.level = LEVEL_STRONG, .ttl_ms = 60000}),
			 KV_OK);
	/* Node 1's clock jumps ten minutes ahead; the next heartbeat has not told it so yet. */
	c->nodes[1].wall_us = 600 * USEC_PER_SEC;
	uint32_t before = c->answers;
	ask(c, 1, OP_GET, "k", NULL, strong);
	bool seen_gone = c->answers > before && c->result.status == KV_NOT_FOUND;
	c->nodes[1].wall_us = 0;
	enum kv_status later = call(c, 0, OP_GET, "k", NULL, strong);
	assert_false(seen_gone && later == KV_OK);
	cluster_free(c);
}

static void ten_quick_restarts_cost_no_more_time_than_one(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	for (int i = 0; i < 10; i++) {
		crash(c, 0);
		start_node(c, 0, &c->map);
		pass(c, 20 * USEC_PER_MSEC);
	}
	/* One limit reaches HLC_LIMIT_AHEAD_MS ahead of physical time, and so must ten. */
	pass(c, (HLC_LIMIT_AHEAD_MS + 500) * USEC_PER_MSEC);
	assert_true(node_core_is_ready(c->nodes[0].core));
	cluster_free(c);
}

/* ---- honesty ---- */

static void a_scan_is_never_in_doubt(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	drop(c, 3, ANY, OP_SCAN, FOR_REQUESTS);
	struct msg m = {.opcode = OP_SCAN, .id = 1, .request = {.deadline_ms = 100}};
	struct node_event ev = {.kind = EV_REQUEST, .request = {CLIENT, &m, c->mono_us}};
	step(c, 3, &ev);
	pass(c, 200 * USEC_PER_MSEC);
	assert_int_equal(c->answers, 1);
	assert_false(c->result.in_doubt);
	cluster_free(c);
}

static void a_fencing_token_is_not_silently_ignored(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg_request high = {.level = LEVEL_STRONG, .fence = 9}, low = {.level = LEVEL_STRONG, .fence = 8};
	if (call(c, 0, OP_PUT, "k", "v", high) == KV_OK)
		assert_int_not_equal(call(c, 0, OP_PUT, "k", "w", low), KV_OK);
	cluster_free(c);
}

static void a_promise_carries_a_value_only_if_asked(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "large", strong), KV_OK);
	keep(c, 1, 0, OP_PREPARE, FOR_REPLIES);
	ask(c, 0, OP_CAS, "k", "next", (struct msg_request){.level = LEVEL_STRONG, .if_present = true});
	struct arena arena;
	struct msg m = kept_msg(c, &arena);
	arena_release(&arena);
	assert_int_equal(m.answer.answer, ANSWER_PROMISE);
	assert_false(m.answer.record.has_value);
	cluster_free(c);
}

static void messages_do_not_put_the_next_tick_off(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	usec_t due_us = node_core_deadline_us(c->nodes[0].core);
	c->mono_us += TICK_US / 2;
	struct msg read = replica_msg(c, OP_READ, "k");
	assert_int_equal(answer_to(c, &read), ANSWER_RECORD);
	assert_true(node_core_deadline_us(c->nodes[0].core) <= due_us);
	cluster_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_strong_write_is_on_every_disk_and_read_everywhere),
		cmocka_unit_test(nobody_hears_of_a_write_before_a_majority_has_synced_it),
		cmocka_unit_test(a_reader_is_not_told_of_a_record_before_it_is_durable),
		cmocka_unit_test(a_restarted_replica_refuses_what_it_promised_before),
		cmocka_unit_test(nothing_is_stored_above_the_clocks_durable_limit),
		cmocka_unit_test(an_acknowledged_write_survives_the_crash_of_all_nodes),
		cmocka_unit_test(an_accept_that_reached_one_replica_is_finished_not_repeated),
		cmocka_unit_test(a_write_that_may_have_happened_says_so),
		cmocka_unit_test(a_write_whose_accepts_vanish_ends_in_doubt),
		cmocka_unit_test(a_forwarded_request_that_comes_twice_is_carried_out_once),
		cmocka_unit_test(a_node_that_is_no_replica_forwards_and_passes_the_answer_on),
		cmocka_unit_test(two_of_three_down_means_unavailable_at_once_and_eventual_goes_on),
		cmocka_unit_test(a_returning_replica_gets_what_it_missed),
		cmocka_unit_test(more_hints_than_allowed_become_a_mark_that_survives_a_restart),
		cmocka_unit_test(a_request_of_an_older_map_is_refused),
		cmocka_unit_test(a_version_from_the_future_is_refused),
		cmocka_unit_test(a_ballot_above_the_durable_limit_is_not_promised),
		cmocka_unit_test(a_request_that_waited_past_its_deadline_is_dropped),
		cmocka_unit_test(a_damaged_value_is_not_stored),
		cmocka_unit_test(a_key_in_the_wrong_partition_is_not_served),
		cmocka_unit_test(answers_that_nobody_waits_for_are_ignored),
		cmocka_unit_test(a_greedy_hint_sender_gets_no_more_than_the_budget),
		cmocka_unit_test(a_copy_stored_below_a_promise_does_not_count),
		cmocka_unit_test(an_expired_value_stays_gone),
		cmocka_unit_test(an_empty_node_ignores_a_reservation_by_an_impossible_index),
		cmocka_unit_test(a_peer_that_asks_for_the_map_as_a_client_does_gets_no_nonsense),
		cmocka_unit_test(a_replicas_answer_is_not_taken_for_that_of_a_forwarded_request),
		cmocka_unit_test(a_map_with_other_partitions_is_refused),
		cmocka_unit_test(a_map_in_an_answer_lives_until_the_actions_are_reset),
		cmocka_unit_test(a_restart_seen_first_by_heartbeat_is_no_copied_data_directory),
		cmocka_unit_test(a_node_whose_own_formation_failed_answers_the_next_one),
		cmocka_unit_test(an_empty_node_takes_only_one_first_map),
		cmocka_unit_test(a_mark_set_while_its_partition_is_pushed_is_kept),
		cmocka_unit_test(a_hint_is_not_settled_with_an_older_record),
		cmocka_unit_test(many_writes_of_one_key_are_one_hint),
		cmocka_unit_test(a_mark_of_a_shard_that_is_no_more_is_taken_over),
		cmocka_unit_test(a_peers_pace_cannot_put_replay_off_for_ever),
		cmocka_unit_test(an_operation_planned_with_an_old_map_does_not_pass_as_a_new_one),
		cmocka_unit_test(a_reader_with_a_fast_clock_does_not_see_a_value_expire_early),
		cmocka_unit_test(ten_quick_restarts_cost_no_more_time_than_one),
		cmocka_unit_test(a_scan_is_never_in_doubt),
		cmocka_unit_test(a_fencing_token_is_not_silently_ignored),
		cmocka_unit_test(a_promise_carries_a_value_only_if_asked),
		cmocka_unit_test(messages_do_not_put_the_next_tick_off),
	};
	return test_run("core_steps", tests);
}
