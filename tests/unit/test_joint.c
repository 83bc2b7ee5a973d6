/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/op.h"
#include "tests/unit/core_cluster.h"

/** What the row {0, 1, 2} becomes. */
static const node_id one[] = {0, 1, 3}, leaving[] = {1, 2, 3}, most[] = {2, 3, 4};

static bool is_in(const node_id row[REPLICAS], node_id node)
{
	return row[0] == node || row[1] == node || row[2] == node;
}

/** A cluster with "k" = "v0" on nodes 0, 1 and 2. */
static struct cluster *before_move(void)
{
	struct cluster *c = cluster_new(5, 0);
	c->hold_moves = true;
	c->save_maps = true;
	assert_int_equal(call(c, 0, OP_PUT, "k", "v0", strong), KV_OK);
	return c;
}

static void let_join(struct cluster *c, const node_id next[REPLICAS])
{
	for (node_id i = REPLICAS; i < c->node_count; i++) {
		if (is_in(next, i))
			join(c, i, clock_of(c, i));
	}
	pass(c, 20 * USEC_PER_MSEC);
}

/** The same, and all nodes know that the row moves to NEXT, whose new members have joined. Nothing is copied yet. */
static struct cluster *joint(const node_id next[REPLICAS])
{
	struct cluster *c = before_move();
	begin_move(c, next);
	give_map_to_all(c);
	let_join(c, next);
	return c;
}

static struct version version_at(hlc_t hlc, node_id node) { return (struct version){hlc, (uint64_t)node << 48}; }

/* ---- majorities of both sets ---- */

static uint32_t count_in(uint32_t bits, const node_id row[REPLICAS])
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < REPLICAS; i++)
		count += (bits >> row[i]) & 1;
	return count;
}

static void check_operation(const node_id next[REPLICAS], uint32_t down, uint16_t opcode)
{
	static const node_id old[] = {0, 1, 2};
	struct cluster *c = joint(next);
	node_id coordinator = NODE_NONE;
	uint32_t alive = 0;
	for (node_id i = 0; i < c->node_count; i++) {
		if (down & 1u << i) {
			crash(c, i);
			continue;
		}
		alive |= 1u << i;
		if (coordinator == NODE_NONE && (i < REPLICAS || is_in(next, i)))
			coordinator = i;
	}
	bool works = count_in(alive, old) >= 2 && count_in(alive, next) >= 2;
	struct msg_request more = strong;
	more.if_present = opcode == OP_CAS;
	enum kv_status status = call(c, coordinator, opcode, "k", opcode == OP_GET ? NULL : "v1", more);
	assert_int_equal(status == KV_OK, works);
	if (works)
		assert_reads(c, coordinator, "k", opcode == OP_GET ? "v0" : "v1");
	cluster_free(c);
}

static void check_with_every_set_of_nodes_down(const node_id next[REPLICAS], uint32_t members)
{
	static const uint16_t opcodes[] = {OP_GET, OP_PUT, OP_CAS};
	for (uint32_t down = 0; down < members; down++) {
		if (down & ~members)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++)
			check_operation(next, down, opcodes[i]);
	}
}

static void strong_operations_need_a_majority_of_both_rows_where_one_node_moves(void **state)
{
	check_with_every_set_of_nodes_down(one, 0xf);
}

static void strong_operations_need_a_majority_of_both_rows_where_two_nodes_move(void **state)
{
	check_with_every_set_of_nodes_down(most, 0x1f);
}

static void what_was_written_during_the_move_is_at_every_majority_after_it(void **state)
{
	for (uint32_t pair = 0; pair < 3; pair++) {
		struct cluster *c = joint(leaving);
		/* Only 0 and 2 of the old row, only 2 and 3 of the new one hear of it. */
		drop(c, ANY, 1, OP_ACCEPT, FOR_REQUESTS);
		assert_int_equal(call(c, 0, OP_PUT, "k", "v1", strong), KV_OK);
		heal(c);
		end_move(c);
		give_map_to_all(c);
		node_id silent = leaving[pair];
		crash(c, silent);
		assert_reads(c, silent == 1 ? 2 : 1, "k", "v1");
		cluster_free(c);
	}
}

static void an_old_majority_alone_does_not_acknowledge(void **state)
{
	struct cluster *c = joint(leaving);
	drop(c, ANY, 2, OP_ACCEPT, FOR_REQUESTS);
	drop(c, ANY, 3, OP_ACCEPT, FOR_REQUESTS);
	/* Nodes 0 and 1 store it; of the new row that is only node 1. */
	assert_int_equal(call(c, 0, OP_PUT, "k", "v1", strong), KV_IN_DOUBT);
	cluster_free(c);
}

static void eventual_writes_count_in_the_old_row_and_reach_all(void **state)
{
	struct cluster *c = joint(leaving);
	drop(c, ANY, ANY, OP_PUSH, FOR_REQUESTS);
	/* Node 3 has it, but what it has nobody reads yet. */
	struct msg_request acks_one = {.acks = ACKS_ONE};
	assert_int_equal(call(c, 3, OP_PUT, "e", "x", acks_one), KV_DEADLINE);
	assert_true(c->result.in_doubt);
	assert_false(version_is_none(on_disk(c, 3, "e").ver));
	assert_int_equal(call(c, 0, OP_PUT, "f", "y", acks_one), KV_OK);
	heal(c);
	assert_int_equal(call(c, 0, OP_PUT, "g", "z", (struct msg_request){.acks = ACKS_ALL}), KV_OK);
	for (node_id i = 0; i < 4; i++)
		assert_false(version_is_none(on_disk(c, i, "g").ver));
	cluster_free(c);
}

static void reads_of_lower_levels_ask_the_old_row(void **state)
{
	struct cluster *c = joint(leaving);
	/* Node 3 has nothing yet, and answers all the same. */
	assert_int_equal(call(c, 3, OP_GET, "k", NULL, (struct msg_request){.acks = ACKS_ONE}), KV_OK);
	struct msg_request bounded = {.level = LEVEL_BOUNDED, .staleness_ms = 60000};
	pass(c, 3 * USEC_PER_SEC);
	assert_int_equal(call(c, 3, OP_GET, "k", NULL, bounded), KV_OK);
	assert_int_equal(call(c, 3, OP_GET, "k", NULL, (struct msg_request){.level = LEVEL_SESSION}), KV_OK);
	drop(c, ANY, 0, OP_READ, FOR_REQUESTS);
	drop(c, ANY, 1, OP_READ, FOR_REQUESTS);
	/* Of the old row only node 2 is left. */
	assert_int_equal(call(c, 3, OP_GET, "k", NULL, (struct msg_request){.acks = ACKS_MAJORITY}),
			 KV_UNAVAILABLE);
	cluster_free(c);
}

static void an_own_copy_is_not_trusted_after_the_row_has_changed_until_a_majority_was_read(void **state)
{
	struct cluster *c = joint(leaving);
	assert_reads(c, 1, "k", "v0");
	pass(c, 3 * USEC_PER_SEC);
	end_move(c);
	give_map_to_all(c);
	pass(c, 3 * USEC_PER_SEC);
	struct msg_request bounded = {.level = LEVEL_BOUNDED, .staleness_ms = 10000};
	drop(c, 1, ANY, OP_READ, FOR_REQUESTS);
	assert_int_equal(call(c, 1, OP_GET, "k", NULL, bounded), KV_UNAVAILABLE); /* it must ask others, once */
	heal(c);
	assert_int_equal(call(c, 1, OP_GET, "k", NULL, bounded), KV_OK);
	drop(c, 1, ANY, OP_READ, FOR_REQUESTS);
	assert_int_equal(call(c, 1, OP_GET, "k", NULL, bounded), KV_OK);
	cluster_free(c);
}

/** Two old members do not know that the new ones have gone on without them: together they are a majority of the old row. */
static void a_bounded_read_is_not_told_fresh_by_members_that_were_left_behind(void **state)
{
	struct cluster *c = joint(most);
	end_move(c);
	for (node_id i = 2; i <= 4; i++)
		give_map(c, i);
	assert_int_equal(call(c, 3, OP_PUT, "k", "v1", strong), KV_OK);
	drop(c, 1, 2, OP_READ, FOR_REQUESTS);
	struct msg_request bounded = {.level = LEVEL_BOUNDED, .staleness_ms = 1};
	assert_int_not_equal(call(c, 1, OP_GET, "k", NULL, bounded), KV_OK);
	cluster_free(c);
}

/* ---- fences ---- */

static void requests_of_an_older_epoch_are_refused(void **state)
{
	struct cluster *c = before_move();
	struct msg prepare = replica_msg(c, OP_PREPARE, "k");
	struct msg read = replica_msg(c, OP_READ, "k");
	prepare.replica.ballot = version_at(clock_of(c, 0), 2);
	begin_move(c, one);
	give_map(c, 0);
	struct msg answer = answer_at(c, 2, 0, &prepare);
	assert_int_equal(answer.answer.answer, ANSWER_EPOCH);
	assert_int_equal(answer.answer.config_epoch, 2);
	assert_int_equal(answer_at(c, 2, 0, &read).answer.answer, ANSWER_EPOCH);
	/* Node 1 has not heard of the change yet. */
	assert_int_equal(answer_at(c, 2, 1, &read).answer.answer, ANSWER_RECORD);
	cluster_free(c);
}

static void a_replica_with_an_older_map_fetches_it_before_it_serves(void **state)
{
	struct cluster *c = before_move();
	begin_move(c, one);
	give_map(c, 2);
	struct msg read = replica_msg(c, OP_READ, "k");
	assert_int_equal(answer_at(c, 2, 0, &read).answer.answer, ANSWER_BUSY);
	run(c);
	assert_int_equal(node_core_epoch(c->nodes[0].core), 2);
	assert_int_equal(answer_at(c, 2, 0, &read).answer.answer, ANSWER_RECORD);
	cluster_free(c);
}

static void a_map_that_differs_elsewhere_does_no_harm(void **state)
{
	struct cluster *c = before_move();
	c->map.epoch = 2; /* of a change that is not this partition's */
	give_map(c, 0);
	drop(c, ANY, ANY, OP_MAP_PUSH, FOR_BOTH);
	drop(c, ANY, ANY, OP_MAP_PULL, FOR_BOTH);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v1", strong), KV_OK);
	assert_int_equal(call(c, 1, OP_PUT, "k", "v2", strong), KV_OK);
	assert_int_equal(stats_of(c, 0).ballots + stats_of(c, 1).ballots, 0);
	cluster_free(c);
}

static void what_waited_for_the_disk_while_the_map_changed_is_judged_again(void **state)
{
	struct cluster *c = before_move();
	c->nodes[0].hold_reads = true;
	struct msg prepare = replica_msg(c, OP_PREPARE, "cold");
	prepare.replica.ballot = version_at(clock_of(c, 0), 2);
	keep(c, 0, 2, OP_PREPARE, FOR_REPLIES);
	tell(c, 2, 0, &prepare);
	assert_int_equal(kept_count(c), 0);
	begin_move(c, one);
	give_map(c, 0);
	c->nodes[0].hold_reads = false;
	run(c);
	struct arena arena;
	assert_int_equal(kept_msg(c, &arena).answer.answer, ANSWER_EPOCH);
	arena_release(&arena);
	cluster_free(c);
}

static void a_new_member_serves_only_when_it_has_joined_durably(void **state)
{
	struct cluster *c = before_move();
	begin_move(c, one);
	give_map_to_all(c);
	struct msg read = replica_msg(c, OP_READ, "k");
	assert_int_equal(answer_at(c, 2, 3, &read).answer.answer, ANSWER_BUSY);
	c->nodes[3].hold_writes = true;
	join(c, 3, clock_of(c, 3));
	assert_int_equal(answer_at(c, 2, 3, &read).answer.answer, ANSWER_BUSY);
	c->nodes[3].hold_writes = false;
	run(c);
	assert_int_equal(answer_at(c, 2, 3, &read).answer.answer, ANSWER_RECORD);
	/* Its part outlives a restart, but not the end of the try. */
	crash(c, 3);
	start_node(c, 3, &c->map);
	pass(c, USEC_PER_SEC);
	assert_int_equal(answer_at(c, 2, 3, &read).answer.answer, ANSWER_RECORD);
	give_up_move(c);
	give_map_to_all(c);
	read = replica_msg(c, OP_READ, "k");
	assert_int_equal(answer_at(c, 2, 3, &read).answer.answer, ANSWER_EPOCH);
	begin_move(c, one);
	give_map_to_all(c);
	read = replica_msg(c, OP_READ, "k");
	assert_int_equal(answer_at(c, 2, 3, &read).answer.answer, ANSWER_BUSY);
	cluster_free(c);
}

static void who_is_not_in_the_row_refuses(void **state)
{
	struct cluster *c = joint(one);
	struct msg read = replica_msg(c, OP_READ, "k");
	assert_int_equal(answer_at(c, 2, 4, &read).answer.answer, ANSWER_EPOCH);
	end_move(c);
	give_map_to_all(c);
	read = replica_msg(c, OP_READ, "k");
	assert_int_equal(answer_at(c, 1, 2, &read).answer.answer, ANSWER_EPOCH);
	cluster_free(c);
}

/**
 * A ballot was promised by nodes 0 and 1 and accepted only by node 0. Now node 1 leaves, and neither node 2 nor the new node 3 has
 * ever heard of the ballot: together they would take what is below it.
 */
static struct version after_a_ballot(struct cluster *c)
{
	pass(c, 50 * USEC_PER_MSEC);
	struct version ballot = version_at(clock_of(c, 0), 1);
	struct msg prepare = replica_msg(c, OP_PREPARE, "k"), accept = replica_msg(c, OP_ACCEPT, "k");
	prepare.replica.ballot = ballot;
	accept.replica.record = whole_record(ballot, "by ballot");
	assert_int_equal(answer_at(c, 2, 0, &prepare).answer.answer, ANSWER_PROMISE);
	assert_int_equal(answer_at(c, 2, 1, &prepare).answer.answer, ANSWER_PROMISE);
	assert_int_equal(answer_at(c, 2, 0, &accept).answer.answer, ANSWER_ACK);
	begin_move(c, (node_id[]){0, 2, 3});
	give_map_to_all(c);
	hlc_t fence = node_core_clock(c->nodes[0].core, now_of(c, 0).wall_us);
	assert_true(fence >= ballot.hlc);
	join(c, 3, fence);
	return ballot;
}

static void a_ballot_of_before_is_not_overtaken_from_below_by_members_that_never_promised_it(void **state)
{
	struct cluster *c = before_move();
	struct version ballot = after_a_ballot(c);
	struct msg put = replica_msg(c, OP_ACCEPT, "k");
	put.replica.direct = true;
	put.replica.record = whole_record(version_at(ballot.hlc - 1, 2), "from below");
	assert_int_equal(answer_at(c, 0, 2, &put).answer.answer, ANSWER_ACK);
	assert_int_equal(answer_at(c, 2, 3, &put).answer.answer, ANSWER_REJECT);
	cluster_free(c);
}

/** A late eventual write: nodes 2 and 3 store it, but only by a ballot above the fence is it read, and then it stays. */
static void a_late_write_below_the_fence_does_not_count_at_a_new_member(void **state)
{
	struct cluster *c = before_move();
	struct version ballot = after_a_ballot(c);
	end_move(c);
	give_map_to_all(c);
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record(version_at(ballot.hlc - 1, 2), "from below");
	push.replica.record.strong = false;
	assert_int_equal(answer_at(c, 0, 2, &push).answer.answer, ANSWER_STORED);
	assert_int_equal(answer_at(c, 2, 3, &push).answer.answer, ANSWER_STORED);
	crash(c, 0);
	assert_reads(c, 2, "k", "from below");
	/* Node 0 comes back with what the ballot wrote, and which has not seen the late write. */
	start_node(c, 0, &c->map);
	pass(c, 3 * USEC_PER_SEC);
	crash(c, 3);
	assert_reads(c, 2, "k", "from below");
	cluster_free(c);
}

static void strong_records_read_in_an_older_epoch_are_not_pushed(void **state)
{
	struct cluster *c = joint(leaving);
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record(version_at(clock_of(c, 0), 2), "old");
	push.replica.read_epoch = 1;
	assert_int_equal(answer_at(c, 2, 1, &push).answer.answer, ANSWER_OLD);
	push.replica.record.strong = false;
	assert_int_equal(answer_at(c, 2, 1, &push).answer.answer, ANSWER_STORED);
	cluster_free(c);
}

static void who_has_left_the_row_pushes_no_strong_records(void **state)
{
	struct cluster *c = joint(leaving);
	end_move(c);
	give_map_to_all(c);
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record(version_at(clock_of(c, 0), 2), "of one who left");
	assert_int_equal(answer_at(c, 0, 1, &push).answer.answer, ANSWER_EPOCH);
	push.replica.record.strong = false;
	assert_int_equal(answer_at(c, 0, 1, &push).answer.answer, ANSWER_STORED);
	cluster_free(c);
}

static void what_is_transferred_passes_the_seal_but_not_the_drop_floor(void **state)
{
	struct cluster *c = joint(leaving);
	uint16_t p = data_key("k").partition;
	struct node_core *core = c->nodes[3].core;
	struct version old = version_at(clock_of(c, 0) - hlc_from_ms(5000), 0);
	partition_at(core, p)->seal = version_at(old.hlc + 1, 0);
	struct actions out;
	actions_init(&out);
	core->out = &out;
	partition_save(core, p);
	core->out = NULL;
	struct node_event written = {.kind = EV_WRITE_DONE, .write.token = core->write_issued};
	step(c, 3, &written);
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record(old, "transferred");
	assert_int_equal(answer_at(c, 2, 3, &push).answer.answer, ANSWER_OLD);
	push.replica.transfer = true;
	tell(c, 3, 3, &push);
	run(c);
	assert_true(version_equal(on_disk(c, 3, "k").ver, old));
	partition_at(core, p)->drop = version_at(old.hlc + 10, 0);
	core->out = &out;
	partition_save(core, p);
	core->out = NULL;
	written.write.token = core->write_issued;
	step(c, 3, &written);
	push.replica.record.ver = push.replica.record.org = version_at(old.hlc + 5, 0);
	tell(c, 3, 3, &push);
	run(c);
	assert_true(version_equal(on_disk(c, 3, "k").ver, old));
	actions_release(&out);
	cluster_free(c);
}

/* ---- operations under way ---- */

static void promises_of_two_rows_do_not_add_up(void **state)
{
	struct cluster *c = before_move();
	keep(c, ANY, 0, OP_PREPARE, FOR_REPLIES);
	uint32_t before = c->answers;
	ask(c, 0, OP_CAS, "k", "v1", (struct msg_request){.level = LEVEL_STRONG, .if_present = true});
	assert_int_equal(kept_count(c), 2);
	heal(c);
	drop(c, 0, ANY, OP_PREPARE, FOR_REQUESTS);
	begin_move(c, one);
	give_map_to_all(c);
	keep(c, 0, ANY, OP_ACCEPT, FOR_REQUESTS);
	release_kept(c);
	assert_int_equal(kept_count(c), 0); /* no accept by promises of the row before */
	heal(c);
	let_join(c, one);
	for (int i = 0; i < 100 && c->answers == before; i++)
		pass(c, TICK_US);
	assert_int_equal(c->answers, before + 1);
	assert_int_equal(c->result.status, KV_OK);
	assert_reads(c, 1, "k", "v1");
	cluster_free(c);
}

/** OPCODE through node 0, whose answers to REPLICA are still under way when the row changes, is answered all the same. */
static void check_restart(uint16_t opcode, uint16_t replica, struct msg_request more, const char *value)
{
	struct cluster *c = before_move();
	keep(c, ANY, 0, replica, FOR_REPLIES);
	uint32_t before = c->answers;
	ask(c, 0, opcode, "k", value, more);
	assert_int_equal(c->answers, before);
	heal(c);
	begin_move(c, one);
	give_map_to_all(c);
	frames_free(&c->kept);
	let_join(c, one);
	for (int i = 0; i < 100 && c->answers == before; i++)
		pass(c, TICK_US);
	assert_int_equal(c->answers, before + 1);
	assert_int_equal(c->result.status, KV_OK);
	assert_reads(c, 1, "k", value ? value : "v0");
	if (opcode == OP_ADD || opcode == OP_PUT)
		assert_int_equal(stats_of(c, 0).ops_in_doubt, 0);
	cluster_free(c);
}

static void operations_begin_anew_when_the_row_changes(void **state)
{
	struct msg_request present = {.level = LEVEL_STRONG, .if_present = true};
	check_restart(OP_GET, OP_READ, strong, NULL);
	check_restart(OP_GET, OP_READ, (struct msg_request){.acks = ACKS_MAJORITY}, NULL);
	check_restart(OP_PUT, OP_ACCEPT, strong, "v1"); /* direct: stored by the old row, found there by a ballot */
	check_restart(OP_CAS, OP_PREPARE, present, "v1");
	check_restart(OP_CAS, OP_ACCEPT, present, "v1");
	check_restart(OP_PUT, OP_PUSH, (struct msg_request){.acks = ACKS_MAJORITY}, "v1");
}

static void an_increment_under_way_when_the_row_changes_happens_once(void **state)
{
	struct cluster *c = before_move();
	assert_int_equal(call(c, 0, OP_PUT, "n", "10", strong), KV_OK);
	keep(c, ANY, 0, OP_ACCEPT, FOR_REPLIES);
	uint32_t before = c->answers;
	ask(c, 0, OP_ADD, "n", NULL, (struct msg_request){.level = LEVEL_STRONG, .delta = 1});
	heal(c);
	begin_move(c, leaving);
	give_map_to_all(c);
	let_join(c, leaving);
	for (int i = 0; i < 100 && c->answers == before; i++)
		pass(c, TICK_US);
	assert_int_equal(c->result.status, KV_OK);
	assert_reads(c, 1, "n", "11");
	cluster_free(c);
}

static void a_coordinator_with_an_old_map_fetches_the_new_one_and_answers(void **state)
{
	static const uint16_t opcodes[] = {OP_GET, OP_PUT, OP_CAS};
	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++) {
		struct cluster *c = before_move();
		begin_move(c, one);
		for (node_id node = 1; node < c->node_count; node++)
			give_map(c, node);
		join(c, 3, clock_of(c, 3));
		struct msg_request more = strong;
		more.if_present = opcodes[i] == OP_CAS;
		assert_int_equal(node_core_epoch(c->nodes[0].core), 1);
		assert_int_equal(call(c, 0, opcodes[i], "k", i == 0 ? NULL : "v1", more), KV_OK);
		assert_int_equal(node_core_epoch(c->nodes[0].core), 2);
		cluster_free(c);
	}
}

static void a_coordinator_that_leaves_the_row_ends_what_it_has_honestly(void **state)
{
	struct cluster *c = joint(leaving);
	keep(c, ANY, 0, OP_PREPARE, FOR_REPLIES);
	keep(c, ANY, 0, OP_ACCEPT, FOR_REPLIES);
	uint32_t before = c->answers;
	ask(c, 0, OP_CAS, "k", "v1", (struct msg_request){.level = LEVEL_STRONG, .if_present = true});
	end_move(c);
	give_map(c, 0);
	assert_int_equal(c->answers, before + 1);
	assert_int_equal(c->result.status, KV_STALE); /* nothing was sent that takes effect */
	assert_false(c->result.in_doubt);
	cluster_free(c);

	c = joint(leaving);
	keep(c, ANY, 0, OP_ACCEPT, FOR_REPLIES);
	ask(c, 0, OP_PUT, "k", "v1", strong);
	end_move(c);
	give_map(c, 0);
	assert_int_equal(c->result.status, KV_IN_DOUBT);
	assert_true(c->result.in_doubt);
	heal(c);
	give_map_to_all(c);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v2", strong), KV_OK); /* sent on to a replica */
	assert_reads(c, 1, "k", "v2");
	cluster_free(c);
}

static void a_ballot_promised_ahead_is_given_up_with_the_row(void **state)
{
	struct cluster *c = before_move();
	struct msg_request add = {.level = LEVEL_STRONG, .delta = 1};
	for (int i = 0; i < 4; i++)
		assert_int_equal(call(c, 0, OP_ADD, "n", NULL, add), KV_OK);
	uint64_t ahead = stats_of(c, 0).ballots_ahead;
	assert_true(ahead > 0);
	begin_move(c, one);
	give_map_to_all(c);
	let_join(c, one);
	assert_int_equal(call(c, 0, OP_ADD, "n", NULL, add), KV_OK);
	assert_int_equal(stats_of(c, 0).ballots_ahead, ahead);
	assert_int_equal(call(c, 0, OP_ADD, "n", NULL, add), KV_OK);
	assert_int_equal(stats_of(c, 0).ballots_ahead, ahead + 1);
	cluster_free(c);
}

/* ---- making records stable ---- */

struct stable {
	uint32_t count;
	bool complete;
};

static void note_done(struct node_core *core, void *owner, bool complete)
{
	struct stable *told = owner;
	told->count++;
	told->complete = complete;
}

static void stabilize(struct cluster *c, node_id i, const char *key, bool every, struct stable *told)
{
	struct node *n = &c->nodes[i];
	struct actions out;
	actions_init(&out);
	n->core->out = &out;
	assert_true(op_stabilize(n->core, 0, slice_str(key), every, note_done, told));
	assert_int_equal(told->count, 0);
	n->core->out = NULL;
	actions_release(&out);
}

static void a_record_is_made_stable_in_both_rows(void **state)
{
	struct cluster *c = joint(most);
	struct stable told = {0};
	stabilize(c, 3, "k", /* every= */ false, &told);
	pass(c, USEC_PER_SEC);
	assert_int_equal(told.count, 1);
	assert_true(told.complete);
	uint32_t holders = 0;
	for (node_id i = 0; i < NODES; i++) {
		struct record rec = on_disk(c, i, "k");
		holders |= !version_is_none(rec.ver) && !rec.weak ? 1u << i : 0;
	}
	assert_true(count_in(holders, (node_id[]){0, 1, 2}) >= 2);
	assert_true(count_in(holders, most) >= 2);
	cluster_free(c);
}

static void weak_copies_get_a_new_version_where_all_are_to_be_strong(void **state)
{
	struct cluster *c = before_move();
	struct version ballot = version_at(clock_of(c, 0) + 1000, 1);
	struct msg prepare = replica_msg(c, OP_PREPARE, "w"), push = replica_msg(c, OP_PUSH, "w");
	prepare.replica.ballot = ballot;
	assert_int_equal(answer_at(c, 2, 0, &prepare).answer.answer, ANSWER_PROMISE);
	push.replica.record = whole_record(version_at(clock_of(c, 0), 1), "x");
	push.replica.record.strong = false;
	for (node_id i = 0; i < 3; i++)
		assert_int_equal(answer_at(c, (node_id)((i + 1) % 3), i, &push).answer.answer, ANSWER_STORED);
	assert_true(on_disk(c, 0, "w").weak);
	struct stable told = {0};
	stabilize(c, 1, "w", /* every= */ false, &told);
	pass(c, USEC_PER_SEC);
	assert_true(told.complete);
	assert_true(on_disk(c, 0, "w").weak); /* two of three do */
	told = (struct stable){0};
	stabilize(c, 1, "w", /* every= */ true, &told);
	pass(c, USEC_PER_SEC);
	assert_true(told.complete);
	for (node_id i = 0; i < 3; i++)
		assert_false(on_disk(c, i, "w").weak);
	cluster_free(c);
}

/** What only this node has, from before it knew better, would otherwise come up later. */
static void who_makes_a_record_stable_looks_at_its_own_copy(void **state)
{
	struct cluster *c = joint(leaving);
	struct msg push = replica_msg(c, OP_PUSH, "k");
	push.replica.record = whole_record(version_at(clock_of(c, 3), 1), "only here");
	push.replica.record.strong = false;
	assert_int_equal(answer_at(c, 1, 3, &push).answer.answer, ANSWER_STORED);
	crash(c, 3);
	start_node(c, 3, &c->map);
	pass(c, 2 * USEC_PER_SEC);
	c->nodes[3].hold_reads = true; /* all others are quicker */
	struct stable told = {0};
	stabilize(c, 3, "k", /* every= */ false, &told);
	pass(c, 200 * USEC_PER_MSEC);
	assert_int_equal(told.count, 0);
	c->nodes[3].hold_reads = false;
	pass(c, USEC_PER_SEC);
	assert_true(told.complete);
	assert_reads(c, 1, "k", "only here");
	cluster_free(c);
}

static void nobody_hears_of_what_was_forgotten(void **state)
{
	struct cluster *c = before_move();
	struct stable told = {0};
	stabilize(c, 0, "k", false, &told);
	op_stabilize_forget(c->nodes[0].core, &told);
	pass(c, USEC_PER_SEC);
	assert_int_equal(told.count, 0);
	assert_int_equal(stats_of(c, 0).ops_in_flight, 0);
	cluster_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(strong_operations_need_a_majority_of_both_rows_where_one_node_moves),
		cmocka_unit_test(strong_operations_need_a_majority_of_both_rows_where_two_nodes_move),
		cmocka_unit_test(what_was_written_during_the_move_is_at_every_majority_after_it),
		cmocka_unit_test(an_old_majority_alone_does_not_acknowledge),
		cmocka_unit_test(eventual_writes_count_in_the_old_row_and_reach_all),
		cmocka_unit_test(reads_of_lower_levels_ask_the_old_row),
		cmocka_unit_test(an_own_copy_is_not_trusted_after_the_row_has_changed_until_a_majority_was_read),
		cmocka_unit_test(a_bounded_read_is_not_told_fresh_by_members_that_were_left_behind),
		cmocka_unit_test(requests_of_an_older_epoch_are_refused),
		cmocka_unit_test(a_replica_with_an_older_map_fetches_it_before_it_serves),
		cmocka_unit_test(a_map_that_differs_elsewhere_does_no_harm),
		cmocka_unit_test(what_waited_for_the_disk_while_the_map_changed_is_judged_again),
		cmocka_unit_test(a_new_member_serves_only_when_it_has_joined_durably),
		cmocka_unit_test(who_is_not_in_the_row_refuses),
		cmocka_unit_test(a_ballot_of_before_is_not_overtaken_from_below_by_members_that_never_promised_it),
		cmocka_unit_test(a_late_write_below_the_fence_does_not_count_at_a_new_member),
		cmocka_unit_test(strong_records_read_in_an_older_epoch_are_not_pushed),
		cmocka_unit_test(who_has_left_the_row_pushes_no_strong_records),
		cmocka_unit_test(what_is_transferred_passes_the_seal_but_not_the_drop_floor),
		cmocka_unit_test(promises_of_two_rows_do_not_add_up),
		cmocka_unit_test(operations_begin_anew_when_the_row_changes),
		cmocka_unit_test(an_increment_under_way_when_the_row_changes_happens_once),
		cmocka_unit_test(a_coordinator_with_an_old_map_fetches_the_new_one_and_answers),
		cmocka_unit_test(a_coordinator_that_leaves_the_row_ends_what_it_has_honestly),
		cmocka_unit_test(a_ballot_promised_ahead_is_given_up_with_the_row),
		cmocka_unit_test(a_record_is_made_stable_in_both_rows),
		cmocka_unit_test(weak_copies_get_a_new_version_where_all_are_to_be_strong),
		cmocka_unit_test(who_makes_a_record_stable_looks_at_its_own_copy),
		cmocka_unit_test(nobody_hears_of_what_was_forgotten),
	};
	return test_run("joint", tests);
}
