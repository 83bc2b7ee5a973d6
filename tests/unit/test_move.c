/* SPDX-License-Identifier: Apache-2.0 */
/* A partition moves while clients write and nodes die, on whole cores. */
#include "tests/support/test.h"

#include "tests/unit/move_story.h"

/* ---- opening ---- */

static void a_new_member_serves_when_a_majority_of_old_ones_has_answered(void **state)
{
	struct story s = story_begin();
	drop(s.c, ANY, JOINS, OP_MOVE_OPEN, FOR_REPLIES);
	const struct map_desc *joint = map_with_move(&s, 1);
	install_all(&s, joint);
	pass(s.c, USEC_PER_SEC);
	assert_int_equal(stage_at(&s, JOINS), 0);
	assert_false(partition_serves(s.c->nodes[JOINS].core, s.partition));
	heal(s.c);
	drop(s.c, STAYS_A, JOINS, OP_MOVE_OPEN, FOR_REPLIES);
	drop(s.c, STAYS_B, JOINS, OP_MOVE_OPEN, FOR_REPLIES);
	pass(s.c, USEC_PER_SEC);
	assert_int_equal(stage_at(&s, JOINS), 0); /* one of three is no majority */
	heal(s.c);
	drop(s.c, STAYS_A, JOINS, OP_MOVE_OPEN, FOR_REPLIES);
	pass(s.c, USEC_PER_SEC);
	assert_true(stage_at(&s, JOINS) >= MOVE_COPYING);
	assert_true(partition_serves(s.c->nodes[JOINS].core, s.partition));
	story_end(&s);
}

static void an_old_member_answers_under_the_joint_map_only(void **state)
{
	struct story s = story_begin();
	const struct map_desc *joint = map_with_move(&s, 1);
	install(&s, STAYS_A, joint);
	install(&s, JOINS, joint);
	pass(s.c, USEC_PER_SEC);
	assert_int_equal(stage_at(&s, JOINS), 0);
	install(&s, LEAVES, joint);
	pass(s.c, USEC_PER_SEC);
	assert_true(stage_at(&s, JOINS) >= MOVE_COPYING);
	story_end(&s);
}

static struct msg open_msg(const struct story *s, uint8_t session)
{
	struct msg m = {.opcode = OP_MOVE_OPEN,
			.id = 900000,
			.epoch = s->c->map.epoch,
			.hlc = clock_of(s->c, 0),
			.move = {.partition = s->partition, .source = NODE_NONE}};
	m.move.session.bytes[0] = session;
	return m;
}

/** What node TO answers node FROM. */
static enum kv_status answer_of(struct story *s, node_id from, node_id to, const struct msg *m)
{
	keep(s->c, to, from, m->opcode, FOR_REPLIES);
	tell(s->c, from, to, m);
	run(s->c);
	struct arena arena;
	enum kv_status status = kept_msg(s->c, &arena).move.status;
	arena_release(&arena);
	frames_free(&s->c->kept);
	s->c->rule_count--;
	return status;
}

static void an_old_member_refuses_another_session(void **state)
{
	struct story s = story_begin();
	drop(s.c, JOINS, ANY, ANY, FOR_REQUESTS);
	install_all(&s, map_with_move(&s, 1));
	install_all(&s, map_without_move(&s));
	install_all(&s, map_with_move(&s, 2));
	struct msg m = open_msg(&s, 1);
	assert_int_equal(answer_of(&s, JOINS, LEAVES, &m), KV_STALE);
	m.opcode = OP_MOVE_PULL;
	assert_int_equal(answer_of(&s, JOINS, LEAVES, &m), KV_STALE);
	m = open_msg(&s, 2);
	assert_int_equal(answer_of(&s, JOINS, LEAVES, &m), KV_OK);
	assert_int_equal(answer_of(&s, STAYS_A, LEAVES, &m), KV_STALE); /* it joins nothing */
	m.epoch = 1;
	assert_int_equal(answer_of(&s, JOINS, LEAVES, &m), KV_STALE);
	story_end(&s);
}

static void a_fence_is_above_every_promise_that_was_given(void **state)
{
	struct story s = story_begin();
	struct msg prepare = replica_msg(s.c, OP_PREPARE, s.keys[0]);
	prepare.replica.ballot = (struct version){clock_of(s.c, 0) + hlc_from_ms(300), 9};
	prepare.hlc = clock_of(s.c, 0);
	assert_int_equal(answer_to(s.c, &prepare), ANSWER_PROMISE);
	drop(s.c, JOINS, ANY, ANY, FOR_REQUESTS);
	install_all(&s, map_with_move(&s, 1));
	struct msg m = open_msg(&s, 1);
	keep(s.c, STAYS_A, JOINS, OP_MOVE_OPEN, FOR_REPLIES);
	tell(s.c, JOINS, STAYS_A, &m);
	run(s.c);
	struct arena arena;
	assert_true(kept_msg(s.c, &arena).move.fence >= prepare.replica.ballot.hlc);
	arena_release(&arena);
	story_end(&s);
}

/** The record of a message can be newer than the reading that the message carries. */
static void a_fence_is_above_every_version_that_is_stored(void **state)
{
	struct story s = story_begin();
	hlc_t sent = clock_of(s.c, 0);
	struct msg push = replica_msg(s.c, OP_PUSH, s.keys[0]);
	push.replica.record = whole_record((struct version){sent + hlc_from_ms(300), 9}, "v");
	push.hlc = sent;
	assert_int_equal(answer_to(s.c, &push), ANSWER_STORED);
	drop(s.c, JOINS, ANY, ANY, FOR_REQUESTS);
	install_all(&s, map_with_move(&s, 1));
	struct msg m = open_msg(&s, 1);
	m.hlc = sent;
	keep(s.c, STAYS_A, JOINS, OP_MOVE_OPEN, FOR_REPLIES);
	tell(s.c, JOINS, STAYS_A, &m);
	run(s.c);
	struct arena arena;
	assert_true(kept_msg(s.c, &arena).move.fence >= push.replica.record.ver.hlc);
	arena_release(&arena);
	story_end(&s);
}

/* ---- copying ---- */

/** The wait before old members are asked again once held up the copying that came after it. */
static void copying_begins_as_soon_as_a_majority_has_answered(void **state)
{
	struct story s = story_begin();
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_DONE, (uint32_t)(REPLICA_TIMEOUT_US / USEC_PER_MSEC) / 2));
	story_end(&s);
}

static void a_new_member_gets_what_the_old_ones_have(void **state)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_DONE, 20000));
	assert_int_equal(rows_at(&s, JOINS), KEYS);
	pass(s.c, USEC_PER_SEC);
	for (node_id i = 0; i < 4; i++) {
		assert_non_null(heard(&s, i));
		assert_int_equal(heard(&s, i)->stage, MOVE_DONE);
		assert_int_equal(heard(&s, i)->keys_done, KEYS);
	}
	install_all(&s, map_after_move(&s));
	drop(s.c, ANY, STAYS_A, ANY, FOR_BOTH);
	assert_filled(&s, JOINS, "-1");
	story_end(&s);
}

static void copies_of_settled_records_are_not_weak_and_nothing_is_written_anew(void **state)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	struct version before = on_disk(s.c, STAYS_A, s.keys[0]).ver;
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_DONE, 20000));
	assert_int_equal(weak_at(&s, JOINS), 0);
	for (node_id i = 0; i < 4; i++)
		assert_true(version_equal(on_disk(s.c, i, s.keys[0]).ver, before));
	story_end(&s);
}

/**
 * A ballot of the time before, which one old member accepted, has not seen an eventual write that comes later and lies below it. Were
 * that write counted at the new members, it would be read, and then the ballot's value on top of it.
 */
static void a_late_eventual_write_below_the_fence_is_weak_at_a_new_member(void **state)
{
	struct story s = story_of(5);
	struct version late = {clock_of(s.c, 0), 5};
	install_all(&s, map_with_two(&s, 1));
	assert_true(reach(&s, MOVE_DONE, 20000));
	install_all(&s, map_after_two(&s));
	struct msg m = replica_msg(s.c, OP_PUSH, s.keys[0]);
	m.replica.record = whole_record(late, "late");
	m.replica.record.strong = false;
	tell(s.c, STAYS_A, JOINS, &m);
	tell(s.c, STAYS_A, JOINS_TOO, &m);
	run(s.c);
	assert_true(on_disk(s.c, JOINS, s.keys[0]).weak);
	assert_true(on_disk(s.c, JOINS_TOO, s.keys[0]).weak);
	story_end(&s);
}

static void records_below_the_seal_are_copied(void **state)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	for (node_id i = 0; i < 3; i++) {
		struct node_core *core = s.c->nodes[i].core;
		partition_at(core, s.partition)->seal = version_floor(clock_of(s.c, i));
		core->out = &s.c->nodes[i].actions;
		partition_save(core, s.partition);
		core->out = NULL;
	}
	run(s.c);
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_DONE, 20000));
	assert_int_equal(rows_at(&s, JOINS), KEYS);
	story_end(&s);
}

static void pages_follow_each_other(void **state)
{
	struct story s = story_begin();
	char large[100000];
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	for (uint32_t i = 0; i < KEYS; i++)
		assert_int_equal(call(s.c, STAYS_A, OP_PUT, s.keys[i], large, STRONG()), KV_OK);
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_DONE, 20000));
	assert_int_equal(rows_at(&s, JOINS), KEYS);
	pass(s.c, USEC_PER_SEC);
	assert_true(heard(&s, STAYS_A)->bytes_done >= KEYS * sizeof large);
	story_end(&s);
}

/** What was copied before the new member died is not copied again. */
static void copying_goes_on_where_it_was_after_a_restart(void **state)
{
	struct story s = story_begin();
	const size_t size = 500000;
	char *value = xmalloc(size + 1);
	memset(value, 'x', size);
	value[size] = '\0';
	for (uint32_t i = 0; i < KEYS; i++)
		assert_int_equal(call(s.c, STAYS_A, OP_PUT, s.keys[i], value, STRONG()), KV_OK);
	const struct map_desc *joint = map_with_move(&s, 1);
	struct node *n = &s.c->nodes[JOINS];
	n->hold_writes = true;
	install_all(&s, joint);
	const struct partition *p = partition_at(n->core, s.partition);
	for (uint32_t k = 0; k < 20000 && !p->cursor; k++) {
		if (ilist_is_empty(&n->jobs))
			pass(s.c, TICK_US);
		else
			do_one_job(s.c, JOINS);
	}
	assert_non_null(p->cursor);
	for (uint64_t saved = n->core->write_issued; n->core->write_done < saved;) /* durable, too */
		do_one_job(s.c, JOINS);
	uint64_t before = stats_of(s.c, JOINS).move_bytes_in, all = KEYS * size;
	assert_true(before < all);
	uint32_t there = rows_at(&s, JOINS);
	restart(&s, JOINS, joint);
	n->hold_writes = false;
	pass(s.c, 2 * USEC_PER_SEC);
	assert_true(reach(&s, MOVE_DONE, 60000));
	uint64_t after = stats_of(s.c, JOINS).move_bytes_in;
	assert_true(there > 0 && there < KEYS);
	assert_in_range(after, 1, all - there * size + size); /* the rest, and a page that was not saved */
	install_all(&s, map_after_move(&s));
	crash(s.c, STAYS_A);
	for (uint32_t i = 0; i < KEYS; i++)
		assert_reads(s.c, JOINS, s.keys[i], value);
	free(value);
	story_end(&s);
}

static void writes_of_all_kinds_go_on_while_a_partition_moves(void **state)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	keep(s.c, LEAVES, JOINS, OP_MOVE_PULL, FOR_REPLIES); /* a page is on its way all the time */
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_COPYING, 2000));
	pass(s.c, 100 * USEC_PER_MSEC);
	assert_int_equal(call(s.c, STAYS_A, OP_PUT, s.keys[0], "new", STRONG()), KV_OK);
	assert_int_equal(call(s.c, STAYS_B, OP_DEL, s.keys[1], NULL, STRONG()), KV_OK);
	assert_int_equal(call(s.c, LEAVES, OP_CAS, s.keys[2], "swapped", STRONG(.if_present = true)), KV_OK);
	assert_int_equal(call(s.c, JOINS, OP_PUT, s.keys[3], "through the new one", STRONG()), KV_OK);
	assert_int_equal(call(s.c, STAYS_A, OP_PUT, s.keys[4], "eventual", EVENTUAL()), KV_OK);
	assert_int_equal(call(s.c, LEAVES, OP_DEL, s.keys[5], NULL, EVENTUAL()), KV_OK);
	heal(s.c);
	release_kept(s.c);
	assert_true(reach(&s, MOVE_DONE, 20000));
	install_all(&s, map_after_move(&s));
	crash(s.c, STAYS_A);
	crash(s.c, LEAVES);
	assert_reads(s.c, JOINS, s.keys[0], "new");
	assert_reads(s.c, JOINS, s.keys[1], NULL);
	assert_reads(s.c, JOINS, s.keys[2], "swapped");
	assert_reads(s.c, JOINS, s.keys[3], "through the new one");
	assert_reads(s.c, JOINS, s.keys[4], "eventual");
	assert_reads(s.c, JOINS, s.keys[5], NULL);
	char value[2 * NAME_SIZE];
	snprintf(value, sizeof value, "%s-1", s.keys[6]);
	assert_reads(s.c, JOINS, s.keys[6], value);
	story_end(&s);
}

static void weak_copies_of_the_old_members_become_strong_ones(void **state)
{
	struct story s = story_begin();
	for (node_id i = 0; i < 3; i++) {
		struct msg prepare = replica_msg(s.c, OP_PREPARE, s.keys[0]);
		prepare.replica.ballot = (struct version){clock_of(s.c, 0) + hlc_from_ms(50), 9};
		tell(s.c, 2, i, &prepare);
	}
	assert_int_equal(call(s.c, STAYS_A, OP_PUT, s.keys[0], "v", EVENTUAL()), KV_OK);
	run(s.c);
	assert_int_equal(weak_at(&s, LEAVES), 1);
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_DONE, 20000));
	install_all(&s, map_after_move(&s));
	crash(s.c, STAYS_B);
	assert_reads(s.c, JOINS, s.keys[0], "v");
	assert_reads(s.c, STAYS_A, s.keys[0], "v");
	story_end(&s);
}

/** What two old members acknowledged and the source never heard of is found by the check. */
static void a_move_from_a_source_that_missed_writes_has_them_in_the_end(void **state)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	drop(s.c, ANY, STAYS_B, ANY, FOR_REQUESTS);
	fill(&s, "-2", STRONG()); /* at nodes 0 and 2 */
	heal(s.c);
	drop(s.c, ANY, STAYS_B, OP_PUSH, FOR_REQUESTS); /* nor does a hint tell it */
	drop(s.c, JOINS, STAYS_A, OP_MOVE_PULL, FOR_REQUESTS);
	crash(s.c, LEAVES);
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_DONE, 60000));
	install_all(&s, map_after_move(&s));
	crash(s.c, STAYS_A);
	assert_filled(&s, JOINS, "-2");
	story_end(&s);
}

static void the_source_changes_when_it_dies(void **state)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	drop(s.c, LEAVES, JOINS, OP_MOVE_PULL, FOR_REPLIES);
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_COPYING, 2000));
	crash(s.c, LEAVES);
	assert_true(reach(&s, MOVE_DONE, 30000));
	pass(s.c, USEC_PER_SEC);
	assert_true(heard(&s, STAYS_A)->source != LEAVES);
	assert_true(heard(&s, STAYS_A)->retries > 0);
	install_all(&s, map_after_move(&s));
	assert_filled(&s, JOINS, "-1");
	story_end(&s);
}

static void a_move_waits_for_a_majority_to_compare_with(void **state)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	drop(s.c, ANY, JOINS, OP_TREE_LEAVES, FOR_REPLIES);
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_CHECKING, 5000));
	crash(s.c, LEAVES);
	crash(s.c, STAYS_B);
	heal(s.c);
	assert_false(reach(&s, MOVE_DONE, 15000));
	const struct map_desc *joint = &s.maps[s.map_count - 1].desc;
	restart(&s, STAYS_B, joint);
	assert_true(reach(&s, MOVE_DONE, 30000));
	story_end(&s);
}

static void two_of_three_members_are_replaced_at_once(void **state)
{
	struct story s = story_of(5);
	fill(&s, "-1", STRONG());
	drop(s.c, ANY, JOINS, OP_MOVE_PULL, FOR_REPLIES);
	install_all(&s, map_with_two(&s, 1));
	pass(s.c, USEC_PER_SEC);
	/* One of the new ones has nothing yet, the other has all. */
	assert_int_equal(call(s.c, STAYS_B, OP_PUT, s.keys[0], "both", STRONG(.deadline_ms = 3000)), KV_OK);
	assert_reads(s.c, LEAVES, s.keys[0], "both");
	heal(s.c);
	assert_true(reach(&s, MOVE_DONE, 60000));
	install_all(&s, map_after_two(&s));
	crash(s.c, STAYS_A);
	assert_reads(s.c, JOINS, s.keys[0], "both");
	for (uint32_t i = 1; i < KEYS; i++) {
		char value[2 * NAME_SIZE];
		snprintf(value, sizeof value, "%s-1", s.keys[i]);
		assert_reads(s.c, JOINS_TOO, s.keys[i], value);
	}
	story_end(&s);
}

static void a_write_that_had_one_old_member_only_is_settled_before_the_move_ends(void **state)
{
	struct story s = story_of(5);
	fill(&s, "-1", STRONG());
	/* Node 2 alone takes it; whoever asked died. */
	struct msg m = replica_msg(s.c, OP_ACCEPT, s.keys[0]);
	m.replica.record = whole_record((struct version){clock_of(s.c, 0) + hlc_from_ms(1), 7}, "half");
	m.replica.direct = true;
	tell(s.c, STAYS_A, LEAVES, &m);
	run(s.c);
	install_all(&s, map_with_two(&s, 1));
	assert_true(reach(&s, MOVE_DONE, 60000));
	install_all(&s, map_after_two(&s));
	/* Taken or not: whichever two are asked now say the same. */
	assert_int_equal(call(s.c, JOINS, OP_GET, s.keys[0], NULL, STRONG()), KV_OK);
	char first[2 * NAME_SIZE] = {0};
	memcpy(first, s.c->value.data, s.c->value.size);
	crash(s.c, JOINS_TOO);
	assert_reads(s.c, STAYS_A, s.keys[0], first);
	story_end(&s);
}

/* ---- restarts ---- */

/** The new member dies at each write that it makes on the way, one run for each. True while there was one more. */
static bool new_member_dies_at_write(uint32_t number)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	const struct map_desc *joint = map_with_move(&s, 1);
	struct node *n = &s.c->nodes[JOINS];
	n->hold_writes = true;
	install_all(&s, joint);
	bool there = true;
	for (uint32_t i = 0; i < number && there; i++) {
		for (uint32_t k = 0; k < 2000 && ilist_is_empty(&n->jobs); k++)
			pass(s.c, TICK_US);
		there = !ilist_is_empty(&n->jobs) && stage_at(&s, JOINS) != MOVE_DONE;
		do_one_job(s.c, JOINS);
	}
	restart(&s, JOINS, joint);
	n->hold_writes = false;
	pass(s.c, 2 * USEC_PER_SEC);
	assert_int_equal(call(s.c, STAYS_A, OP_PUT, s.keys[0], "after", STRONG()), KV_OK);
	assert_true(reach(&s, MOVE_DONE, 60000));
	install_all(&s, map_after_move(&s));
	crash(s.c, STAYS_A);
	assert_reads(s.c, JOINS, s.keys[0], "after");
	for (uint32_t i = 1; i < KEYS; i++) {
		char value[2 * NAME_SIZE];
		snprintf(value, sizeof value, "%s-1", s.keys[i]);
		assert_reads(s.c, JOINS, s.keys[i], value);
	}
	story_end(&s);
	return there;
}

static void a_new_member_that_dies_at_any_step_goes_on_after_its_restart(void **state)
{
	uint32_t number = 0;
	while (new_member_dies_at_write(number))
		number++;
	assert_true(number > KEYS);
}

static void a_source_that_dies_at_any_stage_is_gone_on_with_or_without(void **state)
{
	static const struct {
		enum move_stage stage;
		uint16_t held; /* so that it is not over at once */
	} stages[] = {{0, OP_MOVE_OPEN}, {MOVE_COPYING, OP_MOVE_PULL}, {MOVE_CHECKING, OP_TREE_LEAVES}};
	for (size_t k = 0; k < ARRAY_SIZE(stages); k++) {
		for (node_id source = STAYS_A; source <= LEAVES; source++) {
			struct story s = story_begin();
			fill(&s, "-1", STRONG());
			drop(s.c, ANY, JOINS, stages[k].held, FOR_REPLIES);
			const struct map_desc *joint = map_with_move(&s, 1);
			install_all(&s, joint);
			assert_true(reach(&s, stages[k].stage, 5000));
			pass(s.c, 100 * USEC_PER_MSEC);
			crash(s.c, source);
			heal(s.c);
			pass(s.c, 3 * USEC_PER_SEC);
			restart(&s, source, joint);
			assert_true(reach(&s, MOVE_DONE, 60000));
			install_all(&s, map_after_move(&s));
			assert_filled(&s, JOINS, "-1");
			story_end(&s);
		}
	}
}

static void what_is_done_stays_done_after_a_restart(void **state)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	const struct map_desc *joint = map_with_move(&s, 1);
	install_all(&s, joint);
	assert_true(reach(&s, MOVE_DONE, 20000));
	restart(&s, JOINS, joint);
	restart(&s, STAYS_A, joint);
	drop(s.c, JOINS, ANY, OP_MOVE_PULL, FOR_BOTH);
	pass(s.c, 2 * USEC_PER_SEC);
	assert_int_equal(stage_at(&s, JOINS), MOVE_DONE);
	assert_non_null(heard(&s, STAYS_A));
	assert_int_equal(heard(&s, STAYS_A)->stage, MOVE_DONE);
	story_end(&s);
}

/** The one move as node I lists it. */
static struct move_status listed(struct story *s, node_id i)
{
	struct msg m = {.opcode = OP_MOVE_LIST, .id = 1};
	struct node_event ev = {.kind = EV_REQUEST, .now = now_of(s->c, i), .request = {.client = 1, .msg = &m}};
	struct actions *out = &s->c->nodes[i].actions;
	node_core_step(s->c->nodes[i].core, &ev, out);
	assert_int_equal(out->items[0].kind, ACT_REPLY);
	const struct msg_move_list *list = &out->items[0].reply.msg->move_list;
	assert_int_equal(list->count, 1);
	struct move_status status = list->moves[0];
	actions_reset(out);
	return status;
}

static void a_move_half_way_tells_how_far_it_is_and_how_fast(void **state)
{
	struct story s = story_begin();
	char large[100001];
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	for (uint32_t i = 0; i < KEYS; i++)
		assert_int_equal(call(s.c, STAYS_A, OP_PUT, s.keys[i], large, STRONG()), KV_OK);
	struct node *n = &s.c->nodes[JOINS];
	n->hold_writes = true;
	install_all(&s, map_with_move(&s, 1));
	for (uint32_t k = 0; k < 2000 && rows_at(&s, JOINS) < KEYS / 2; k++) { /* each row takes a while */
		do_one_job(s.c, JOINS);
		pass(s.c, 100 * USEC_PER_MSEC);
	}
	pass(s.c, 2 * MOVE_REPORT_US);
	struct move_status m = listed(&s, STAYS_A);
	assert_int_equal(m.stage, MOVE_COPYING);
	assert_in_range(m.bytes_done, 1, KEYS * sizeof large - 1);
	assert_in_range(m.bytes, m.bytes_done + 1, 2 * KEYS * sizeof large);
	assert_true(m.bytes_per_sec > 0);
	n->hold_writes = false;
	assert_true(reach(&s, MOVE_DONE, 20000));
	story_end(&s);
}

static void moves_are_listed_with_their_progress(void **state)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	drop(s.c, ANY, JOINS, OP_TREE_LEAVES, FOR_REPLIES);
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_CHECKING, 5000));
	pass(s.c, USEC_PER_SEC);
	struct move_status m = listed(&s, STAYS_A);
	assert_int_equal(m.partition, s.partition);
	assert_int_equal(m.node, JOINS);
	assert_int_equal(m.stage, MOVE_CHECKING);
	assert_int_equal(m.keys, KEYS);
	assert_int_equal(m.keys_done, KEYS);
	assert_true(m.bytes_done > 0);
	assert_true(m.age_ms <= MOVE_REPORT_US / USEC_PER_MSEC);
	story_end(&s);
}

/** What old members let go of was once at each of them. A new member says so too, and so must not lack what they still have. */
static void what_a_page_did_not_bring_is_not_taken_for_deleted_after_the_move(void **state)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	struct version floor = version_floor(clock_of(s.c, STAYS_A));
	for (node_id i = STAYS_A; i <= LEAVES; i++) {
		struct msg m = {.opcode = OP_GC, .id = 77, .epoch = s.c->map.epoch, .hlc = floor.hlc};
		m.gc = (struct msg_gc){.partition = s.partition, .step = GC_SEAL, .floor = floor};
		node_id runner = i == STAYS_A ? STAYS_B : STAYS_A;
		assert_int_equal(answer_at(s.c, runner, i, &m).gc.status, KV_OK);
		m.gc.step = GC_DROP;
		assert_int_equal(answer_at(s.c, runner, i, &m).gc.status, KV_OK);
		assert_true(version_equal(partition_at(s.c->nodes[i].core, s.partition)->drop, floor));
	}
	/* The row that is copied is damaged, and skipped; other members have it whole. */
	struct disk_put damage = {.key = data_key(s.keys[0]), .value = slice_str("no record of any kind")};
	row_put(&s.c->nodes[LEAVES], &damage);
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_DONE, 60000));
	install_all(&s, map_after_move(&s));
	assert_true(version_equal(partition_at(s.c->nodes[JOINS].core, s.partition)->drop, floor));
	crash(s.c, STAYS_B);
	assert_filled(&s, STAYS_A, "-1");
	assert_filled(&s, JOINS, "-1");
	story_end(&s);
}

/* ---- giving up, and coming again ---- */

static void a_move_that_is_given_up_leaves_nothing_behind(void **state)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	drop(s.c, ANY, JOINS, OP_TREE_LEAVES, FOR_REPLIES);
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_CHECKING, 5000));
	heal(s.c);
	install_all(&s, map_without_move(&s));
	pass(s.c, 10 * USEC_PER_SEC);
	assert_int_equal(rows_at(&s, JOINS), 0);
	assert_null(heard(&s, STAYS_A));
	assert_int_equal(rows_at(&s, LEAVES), KEYS);
	assert_filled(&s, LEAVES, "-1");
	install_all(&s, map_with_move(&s, 2));
	assert_true(reach(&s, MOVE_DONE, 20000));
	assert_int_equal(rows_at(&s, JOINS), KEYS);
	story_end(&s);
}

static void a_report_of_an_earlier_try_does_not_count(void **state)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	keep(s.c, JOINS, STAYS_A, OP_MOVE_REPORT, FOR_BOTH);
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_DONE, 20000));
	pass(s.c, USEC_PER_SEC);
	install_all(&s, map_without_move(&s));
	heal(s.c);
	drop(s.c, JOINS, ANY, ANY, FOR_REQUESTS);
	install_all(&s, map_with_move(&s, 2));
	release_kept(s.c);
	assert_null(heard(&s, STAYS_A));
	story_end(&s);
}

/** What was deleted and forgotten while a node was no member must not come back with it. */
static void a_node_that_becomes_a_member_again_starts_with_nothing(void **state)
{
	struct story s = story_begin();
	hlc_t long_ago = clock_of(s.c, 0) - hlc_from_ms(2ull * 60 * 60 * 1000);
	struct record old = whole_record((struct version){long_ago, 1}, "of long ago");
	old.strong = false;
	struct blob *bytes = record_encode(&old);
	struct disk_put put = {.key = data_key(s.keys[0]), .value = blob_slice(bytes)};
	/* Its disk was not cleaned up: it was down when it left. */
	crash(s.c, JOINS);
	row_put(&s.c->nodes[JOINS], &put);
	blob_unref(bytes);
	const struct map_desc *joint = map_with_move(&s, 1);
	install_all(&s, joint);
	restart(&s, JOINS, joint);
	assert_true(reach(&s, MOVE_DONE, 20000));
	install_all(&s, map_after_move(&s));
	assert_int_equal(rows_at(&s, JOINS), 0);
	assert_int_equal(call(s.c, JOINS, OP_GET, s.keys[0], NULL, EVENTUAL()), KV_NOT_FOUND);
	story_end(&s);
}

/* ---- leaving ---- */

static void who_left_removes_its_copy_when_all_others_know(void **state)
{
	struct story s = story_begin();
	fill(&s, "-1", STRONG());
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_DONE, 20000));
	const struct map_desc *after = map_after_move(&s);
	install(&s, LEAVES, after);
	install(&s, JOINS, after);
	pass(s.c, 5 * USEC_PER_SEC);
	assert_int_equal(rows_at(&s, LEAVES), KEYS);
	install(&s, STAYS_A, after);
	install(&s, STAYS_B, after);
	pass(s.c, 5 * USEC_PER_SEC);
	assert_int_equal(rows_at(&s, LEAVES), 0);
	assert_true(leaving_is_done(s.c->nodes[LEAVES].core));
	assert_filled(&s, LEAVES, "-1"); /* it asks the members */
	story_end(&s);
}

static void who_left_hands_over_what_only_it_acknowledged(void **state)
{
	struct story s = story_begin();
	const struct map_desc *joint = map_with_move(&s, 1);
	install_all(&s, joint);
	assert_true(reach(&s, MOVE_DONE, 20000));
	drop(s.c, LEAVES, ANY, OP_PUSH, FOR_REQUESTS);
	assert_int_equal(call(s.c, LEAVES, OP_PUT, s.keys[0], "mine", EVENTUAL(.acks = ACKS_ONE)), KV_OK);
	/* It stops before it has told anyone, or left a hint. */
	crash(s.c, LEAVES);
	heal(s.c);
	const struct map_desc *after = map_after_move(&s);
	install_all(&s, after);
	restart(&s, LEAVES, after);
	pass(s.c, 15 * USEC_PER_SEC);
	assert_int_equal(rows_at(&s, LEAVES), 0);
	assert_int_equal(call(s.c, JOINS, OP_GET, s.keys[0], NULL, EVENTUAL()), KV_OK);
	assert_slice_equal(buf_slice(&s.c->value), slice_str("mine"));
	story_end(&s);
}

/* Seed 2786 of clusters that change. It learns that it left and that it is to join again nearly at once. */
static void joins_anew(bool crashes)
{
	struct story s = story_begin();
	install_all(&s, map_with_move(&s, 1));
	assert_true(reach(&s, MOVE_DONE, 20000));
	const struct map_desc *after = map_after_move(&s);
	for (node_id i = 0; i <= JOINS; i++)
		if (i != LEAVES)
			install(&s, i, after);
	drop(s.c, LEAVES, ANY, OP_PUSH, FOR_REQUESTS);
	assert_int_equal(call(s.c, LEAVES, OP_PUT, s.keys[0], "mine", EVENTUAL(.acks = ACKS_ONE)), KV_OK);
	heal(s.c);
	if (crashes)
		crash(s.c, LEAVES);
	const struct map_desc *back = map_with_return(&s, 2);
	for (node_id i = 0; i <= JOINS; i++)
		if (i != LEAVES)
			install(&s, i, back);
	if (crashes) {
		restart(&s, LEAVES, back);
	} else {
		install(&s, LEAVES, after);
		install(&s, LEAVES, back);
	}
	pass(s.c, 15 * USEC_PER_SEC);
	assert_int_equal(call(s.c, STAYS_A, OP_GET, s.keys[0], NULL, STRONG()), KV_OK);
	assert_slice_equal(buf_slice(&s.c->value), slice_str("mine"));
	story_end(&s);
}

static void who_joins_anew_hands_over_before_it_begins_with_nothing(void **state)
{
	joins_anew(false);
	joins_anew(true);
}

static void a_member_that_cannot_be_reached_holds_the_range_for_a_while_only(void **state)
{
	struct story s = story_begin();
	const struct map_desc *joint = map_with_move(&s, 1);
	install_all(&s, joint);
	assert_true(reach(&s, MOVE_DONE, 20000));
	assert_int_equal(call(s.c, STAYS_A, OP_PUT, s.keys[0], "v", EVENTUAL()), KV_OK);
	install_all(&s, map_after_move(&s));
	drop(s.c, LEAVES, ANY, OP_PUSH, FOR_REQUESTS);
	pass(s.c, 20 * USEC_PER_SEC);
	assert_int_equal(rows_at(&s, LEAVES), 1);
	pass(s.c, 10 * USEC_PER_MINUTE);
	assert_int_equal(rows_at(&s, LEAVES), 0);
	story_end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_member_serves_when_a_majority_of_old_ones_has_answered),
		cmocka_unit_test(an_old_member_answers_under_the_joint_map_only),
		cmocka_unit_test(an_old_member_refuses_another_session),
		cmocka_unit_test(a_fence_is_above_every_promise_that_was_given),
		cmocka_unit_test(a_fence_is_above_every_version_that_is_stored),
		cmocka_unit_test(copying_begins_as_soon_as_a_majority_has_answered),
		cmocka_unit_test(a_new_member_gets_what_the_old_ones_have),
		cmocka_unit_test(copies_of_settled_records_are_not_weak_and_nothing_is_written_anew),
		cmocka_unit_test(a_late_eventual_write_below_the_fence_is_weak_at_a_new_member),
		cmocka_unit_test(records_below_the_seal_are_copied),
		cmocka_unit_test(pages_follow_each_other),
		cmocka_unit_test(copying_goes_on_where_it_was_after_a_restart),
		cmocka_unit_test(writes_of_all_kinds_go_on_while_a_partition_moves),
		cmocka_unit_test(weak_copies_of_the_old_members_become_strong_ones),
		cmocka_unit_test(a_move_from_a_source_that_missed_writes_has_them_in_the_end),
		cmocka_unit_test(the_source_changes_when_it_dies),
		cmocka_unit_test(a_move_waits_for_a_majority_to_compare_with),
		cmocka_unit_test(two_of_three_members_are_replaced_at_once),
		cmocka_unit_test(a_write_that_had_one_old_member_only_is_settled_before_the_move_ends),
		cmocka_unit_test(moves_are_listed_with_their_progress),
		cmocka_unit_test(a_move_half_way_tells_how_far_it_is_and_how_fast),
		cmocka_unit_test(a_new_member_that_dies_at_any_step_goes_on_after_its_restart),
		cmocka_unit_test(a_source_that_dies_at_any_stage_is_gone_on_with_or_without),
		cmocka_unit_test(what_is_done_stays_done_after_a_restart),
		cmocka_unit_test(what_a_page_did_not_bring_is_not_taken_for_deleted_after_the_move),
		cmocka_unit_test(a_move_that_is_given_up_leaves_nothing_behind),
		cmocka_unit_test(a_report_of_an_earlier_try_does_not_count),
		cmocka_unit_test(a_node_that_becomes_a_member_again_starts_with_nothing),
		cmocka_unit_test(who_left_removes_its_copy_when_all_others_know),
		cmocka_unit_test(who_left_hands_over_what_only_it_acknowledged),
		cmocka_unit_test(who_joins_anew_hands_over_before_it_begins_with_nothing),
		cmocka_unit_test(a_member_that_cannot_be_reached_holds_the_range_for_a_while_only),
	};
	return test_run("move", tests);
}
