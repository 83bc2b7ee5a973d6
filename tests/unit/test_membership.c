/* SPDX-License-Identifier: Apache-2.0 */
/* Whole cores: clients ask for changes of the cluster, at any node, while others do. Moves are paused. */
#include "tests/support/test.h"

#include "base/hash.h"
#include "replication/membership_rules.h"
#include "tests/unit/member_bed.h"

/* ---- nodes that come ---- */

static void a_node_is_added_by_address_and_joins_when_that_is_committed(void **state)
{
	struct bed *b = bed_new(4, 3);
	assert_int_equal(bed_change(b, 1, bed_add("n3:1")), KV_OK);
	bed_pass(b, USEC_PER_SEC);
	assert_int_equal(bed_map(b, 3)->node_count, 4); /* it has the map */
	assert_int_equal(bed_node(b, 3)->state, NODE_STAGED);
	assert_slice_equal(bed_node(b, 3)->peer_address, slice_str("n3:1"));
	assert_int_equal(bed_change(b, 2, bed_add("n3:1")), KV_OK); /* once more changes nothing */
	assert_int_equal(bed_change(b, 0, bed_about(CHANGE_COMMIT, NODE_NONE)), KV_OK);
	bed_pass(b, USEC_PER_SEC);
	assert_int_equal(bed_node(b, 3)->state, NODE_JOINING);
	bed_expect_refused(b, 0, bed_about(CHANGE_COMMIT, NODE_NONE), KV_INVALID, "nothing is staged");
	bed_free(b);
}

static void an_address_where_nobody_answers_is_told(void **state)
{
	struct bed *b = bed_new(4, 3);
	struct msg_change c = bed_add("n9:1");
	c.deadline_ms = 2000;
	bed_expect_refused(b, 0, c, KV_REFUSED, "did not answer");
	bed_expect_refused(b, 0, bed_add(""), KV_INVALID, "missing");
	bed_free(b);
}

static void two_nodes_added_at_once_through_two_nodes_both_get_in(void **state)
{
	struct bed *b = bed_new(5, 3);
	struct msg_change first = bed_add("n3:1"), second = bed_add("n4:1");
	struct answer *a1 = bed_begin(b, 0, &first), *a2 = bed_begin(b, 1, &second);
	bed_pass(b, 10 * USEC_PER_SEC);
	assert_true(a1->there && a2->there);
	assert_int_equal(a1->status, KV_OK);
	assert_int_equal(a2->status, KV_OK);
	assert_int_equal(bed_map(b, 2)->node_count, 5);
	assert_int_equal(bed_map(b, 3)->node_count, 5);
	assert_int_equal(bed_map(b, 4)->node_count, 5);
	bed_free(b);
}

static void what_was_staged_may_be_discarded_and_the_identity_is_spent(void **state)
{
	struct bed *b = bed_new(4, 3);
	assert_int_equal(bed_change(b, 0, bed_add("n3:1")), KV_OK);
	assert_int_equal(bed_change(b, 0, bed_about(NODE_LEAVE, 3)), KV_REFUSED);
	bed_pass(b, USEC_PER_SEC);
	assert_int_equal(bed_change(b, 1, bed_about(CHANGE_DISCARD, NODE_NONE)), KV_OK);
	bed_pass(b, 2 * USEC_PER_SEC);
	assert_int_equal(bed_node(b, 3)->state, NODE_REMOVED);
	assert_false(world_is_up(&b->w, 3));
	assert_int_equal(b->w.nodes[3].stop_status, KV_IDENTITY);
	assert_int_equal(bed_change(b, 1, bed_about(CHANGE_DISCARD, NODE_NONE)), KV_OK);
	bed_free(b);
}

/** The others had voted for the map and nobody told them that it was decided: they kept the one before. */
static void a_map_decided_by_a_node_that_it_removes_comes_into_force(void **state)
{
	for (unsigned lost = 0; lost < 2; lost++) {
		struct bed *b = bed_new(4, 3);
		assert_int_equal(bed_change(b, 0, bed_add("n3:1")), KV_OK);
		bed_pass(b, USEC_PER_SEC);
		struct msg_change discard = bed_about(CHANGE_DISCARD, NODE_NONE);
		bed_begin(b, 3, &discard);
		while (world_is_up(&b->w, 3))
			assert_true(world_step(&b->w, b->w.now_us + USEC_PER_SEC));
		assert_int_equal(bed_node(b, 3)->state, NODE_STAGED);
		if (lost)
			world_forget_messages(&b->w);
		bed_pass(b, lost ? 2 * VOTE_LINGERS_US : VOTE_LINGERS_US / 2);
		for (node_id i = 0; i < 3; i++)
			assert_int_equal(bed_map(b, i)->nodes[3].state, NODE_REMOVED);
		bed_free(b);
	}
}

/** It said 'done' to a discard that changed nothing, and 'nothing is staged' to a commit. */
static void a_node_that_has_not_heard_of_the_last_map_does_not_answer_by_its_own(void **state)
{
	struct bed *b = bed_new(4, 3);
	b->w.nodes[2].cut_until_us = b->w.now_us + 3 * USEC_PER_SEC;
	assert_int_equal(bed_change(b, 0, bed_add("n3:1")), KV_OK);
	assert_int_equal(bed_map(b, 2)->node_count, 3);
	struct msg_change discard = bed_about(CHANGE_DISCARD, NODE_NONE);
	const struct answer *a = bed_begin(b, 2, &discard);
	bed_pass(b, USEC_PER_SEC / 2);
	assert_false(a->there);
	bed_pass(b, 6 * USEC_PER_SEC);
	assert_true(a->there);
	assert_int_equal(a->status, KV_OK);
	assert_int_equal(bed_node(b, 3)->state, NODE_REMOVED);
	bed_free(b);
}

/* ---- tokens ---- */

static void a_token_admits_one_node(void **state)
{
	struct bed *b = bed_new(5, 3);
	assert_int_equal(bed_change(b, 2, (struct msg_change){.kind = CHANGE_TOKEN, .node = NODE_NONE}), KV_OK);
	assert_int_equal(strlen(bed_last(b)->value), 36);
	assert_int_equal(bed_map(b, 0)->token_count, 1);
	assert_int_equal(bed_map(b, 0)->tokens[0].hash, hash64(slice_str(bed_last(b)->value)));
	snprintf(b->w.join_token, sizeof b->w.join_token, "%s", bed_last(b)->value);
	world_crash(&b->w, 3);
	world_start(&b->w, 3); /* with the token */
	bed_pass(b, 5 * USEC_PER_SEC);
	assert_int_equal(bed_map(b, 3)->node_count, 4);
	assert_int_equal(bed_node(b, 3)->state, NODE_STAGED);
	assert_int_equal(bed_map(b, 0)->token_count, 0);
	world_crash(&b->w, 4);
	world_start(&b->w, 4); /* with the same one */
	bed_pass(b, 5 * USEC_PER_SEC);
	assert_int_equal(bed_map(b, 0)->node_count, 4);
	assert_false(world_is_up(&b->w, 4));
	assert_int_equal(b->w.nodes[4].stop_status, KV_REFUSED);
	bed_free(b);
}

static void a_newcomer_that_moves_before_its_first_map_gets_it(void **state)
{
	struct bed *b = bed_new(4, 3);
	assert_int_equal(bed_change(b, 2, (struct msg_change){.kind = CHANGE_TOKEN, .node = NODE_NONE}), KV_OK);
	snprintf(b->w.join_token, sizeof b->w.join_token, "%s", bed_last(b)->value);
	world_crash(&b->w, 3);
	world_start(&b->w, 3);
	for (uint32_t i = 0; i < 500 && bed_map(b, 0)->node_count == 3; i++)
		bed_pass(b, 5 * USEC_PER_MSEC);
	assert_int_equal(bed_map(b, 0)->node_count, 4);
	assert_int_equal(world_epoch(&b->w, 3), 0);
	world_crash(&b->w, 3);
	world_forget_messages(&b->w); /* its map was one of them */
	cluster_map_free(b->w.nodes[3].map);
	b->w.nodes[3].map = NULL;
	snprintf(b->w.nodes[3].address, sizeof b->w.nodes[3].address, "m3:9");
	world_start(&b->w, 3);
	bed_pass(b, 5 * USEC_PER_SEC);
	assert_int_equal(bed_map(b, 3)->node_count, 4);
	assert_slice_equal(bed_node(b, 3)->peer_address, slice_str("m3:9"));
	bed_free(b);
}

static void a_token_expires(void **state)
{
	struct bed *b = bed_new(4, 3);
	struct msg_change c = {.kind = CHANGE_TOKEN, .node = NODE_NONE, .ttl_ms = 2000};
	assert_int_equal(bed_change(b, 0, c), KV_OK);
	snprintf(b->w.join_token, sizeof b->w.join_token, "%s", bed_last(b)->value);
	bed_pass(b, 3 * USEC_PER_SEC);
	world_crash(&b->w, 3);
	world_start(&b->w, 3);
	bed_pass(b, 3 * USEC_PER_SEC);
	assert_int_equal(b->w.nodes[3].stop_status, KV_REFUSED);
	assert_int_equal(bed_change(b, 0, c), KV_OK); /* and makes room */
	assert_int_equal(bed_map(b, 0)->token_count, 1);
	bed_free(b);
}

static void clients_are_not_told_of_tokens(void **state)
{
	struct bed *b = bed_new(3, 3);
	assert_int_equal(bed_change(b, 0, (struct msg_change){.kind = CHANGE_TOKEN, .node = NODE_NONE}), KV_OK);
	struct msg m = {.opcode = OP_MAP, .id = 1};
	struct msg_map seen = {0};
	struct node_event ev = {.kind = EV_REQUEST, .request = {.client = 99, .msg = &m}};
	struct world_node *n = &b->w.nodes[0];
	ev.now = (struct moment){.mono_us = b->w.now_us, .wall_us = b->w.now_us};
	node_core_step(n->core, &ev, &n->actions);
	for (size_t i = 0; i < n->actions.count; i++) {
		if (n->actions.items[i].kind == ACT_REPLY)
			seen = n->actions.items[i].reply.msg->map;
	}
	assert_non_null(seen.map);
	assert_int_equal(seen.map->token_count, 0);
	assert_int_equal(bed_map(b, 0)->token_count, 1);
	actions_reset(&n->actions);
	bed_free(b);
}

/* ---- nodes that go ---- */

static void a_node_may_leave_if_enough_stay(void **state)
{
	struct bed *b = bed_new(4, 4);
	bed_expect_refused(b, 0, bed_about(NODE_LEAVE, 9), KV_INVALID, "not in the cluster");
	assert_int_equal(bed_change(b, 0, bed_about(NODE_LEAVE, 3)), KV_OK);
	assert_int_equal(bed_change(b, 1, bed_about(NODE_LEAVE, 3)), KV_OK);
	bed_expect_refused(b, 1, bed_about(NODE_LEAVE, 2), KV_REFUSED, "2 nodes would be left for 3 replicas");
	assert_int_equal(bed_node(b, 3)->state, NODE_NORMAL);
	assert_int_equal(bed_change(b, 1, bed_about(CHANGE_COMMIT, NODE_NONE)), KV_OK);
	assert_int_equal(bed_map(b, 1)->nodes[3].state, NODE_LEAVING);
	bed_free(b);
}

static void what_is_staged_about_one_node_is_taken_back_alone(void **state)
{
	struct bed *b = bed_new(6, 5);
	bed_expect_refused(b, 0, bed_about(NODE_KEEP, 9), KV_INVALID, "not in the cluster");
	assert_int_equal(bed_change(b, 0, bed_about(NODE_LEAVE, 3)), KV_OK);
	assert_int_equal(bed_change(b, 0, bed_add("n5:1")), KV_OK);
	bed_stop(b, 4);
	assert_int_equal(bed_change(b, 0, bed_about(NODE_GONE, 4)), KV_OK);
	assert_int_equal(bed_change(b, 1, bed_about(NODE_KEEP, 4)), KV_OK);
	assert_false(bed_map(b, 1)->nodes[4].gone_staged);
	assert_true(bed_map(b, 1)->nodes[3].leave_staged);
	assert_int_equal(bed_change(b, 2, bed_about(NODE_KEEP, 3)), KV_OK);
	assert_false(map_node_is_staged(&bed_map(b, 2)->nodes[3]));
	uint64_t epoch = bed_map(b, 2)->epoch;
	assert_int_equal(bed_change(b, 2, bed_about(NODE_KEEP, 3)),
			 KV_OK); /* nothing is staged about it any more */
	assert_int_equal(bed_map(b, 2)->epoch, epoch);
	assert_int_equal(bed_map(b, 2)->nodes[5].state, NODE_STAGED);
	bed_expect_refused(b, 2, bed_about(NODE_KEEP, 5), KV_REFUSED, "only staged");
	struct msg_change replace = bed_add("n5:1");
	replace.node = 4;
	assert_int_equal(bed_change(b, 2, replace), KV_OK);
	bed_expect_refused(b, 2, bed_about(NODE_KEEP, 4), KV_REFUSED, "is being replaced");
	assert_int_equal(bed_change(b, 2, bed_about(CHANGE_COMMIT, NODE_NONE)), KV_OK);
	bed_expect_refused(b, 2, bed_about(NODE_KEEP, 4), KV_REFUSED, "is removed");
	bed_free(b);
}

static void a_node_that_leaves_may_be_kept(void **state)
{
	struct bed *b = bed_new(4, 4);
	assert_int_equal(bed_change(b, 0, bed_about(NODE_LEAVE, 3)), KV_OK);
	assert_int_equal(bed_change(b, 0, bed_about(CHANGE_COMMIT, NODE_NONE)), KV_OK);
	assert_int_equal(bed_change(b, 1, bed_about(NODE_KEEP, 3)), KV_OK);
	assert_int_equal(bed_map(b, 1)->nodes[3].state, NODE_LEAVING); /* until a commit */
	assert_true(bed_map(b, 1)->nodes[3].keep_staged);
	assert_int_equal(bed_change(b, 1, bed_about(CHANGE_DISCARD, NODE_NONE)), KV_OK);
	assert_false(bed_map(b, 1)->nodes[3].keep_staged);
	assert_int_equal(bed_change(b, 1, bed_about(NODE_KEEP, 3)), KV_OK);
	assert_int_equal(bed_change(b, 2, bed_about(NODE_LEAVE, 2)), KV_OK); /* three stay */
	bed_expect_refused(b, 2, bed_about(NODE_LEAVE, 3), KV_REFUSED, "2 nodes would be left for 3 replicas");
	assert_int_equal(bed_change(b, 1, bed_about(NODE_KEEP, 2)), KV_OK);
	assert_int_equal(bed_change(b, 1, bed_about(NODE_LEAVE, 3)), KV_OK); /* it leaves after all */
	assert_false(map_node_is_staged(&bed_map(b, 1)->nodes[3]));
	assert_int_equal(bed_change(b, 1, bed_about(NODE_KEEP, 3)), KV_OK);
	assert_int_equal(bed_change(b, 3, bed_about(CHANGE_COMMIT, NODE_NONE)), KV_OK);
	assert_int_equal(bed_map(b, 3)->nodes[3].state, NODE_NORMAL);
	assert_false(map_node_is_staged(&bed_map(b, 3)->nodes[3]));
	bed_free(b);
}

static void a_node_that_answers_is_not_given_up(void **state)
{
	struct bed *b = bed_new(5, 5);
	bed_expect_refused(b, 0, bed_about(NODE_GONE, 4), KV_REFUSED, "answers");
	bed_stop(b, 4);
	assert_int_equal(bed_change(b, 0, bed_about(NODE_GONE, 4)), KV_OK);
	assert_int_equal(bed_change(b, 0, bed_about(CHANGE_COMMIT, NODE_NONE)), KV_OK);
	assert_int_equal(bed_node(b, 4)->state, NODE_REMOVED);
	world_start(&b->w, 4); /* it was not dead after all */
	bed_pass(b, 3 * USEC_PER_SEC);
	assert_false(world_is_up(&b->w, 4));
	assert_int_equal(b->w.nodes[4].stop_status, KV_IDENTITY);
	bed_free(b);
}

static void no_majority_of_a_partition_is_given_up(void **state)
{
	struct bed *b = bed_new(6, 6);
	bed_stop(b, 5);
	assert_int_equal(bed_change(b, 0, bed_about(NODE_GONE, 5)), KV_OK);
	bed_stop(b, 4);
	bed_expect_refused(b, 0, bed_about(NODE_GONE, 4), KV_REFUSED, "no majority");
	bed_free(b);
}

static void a_dead_node_is_replaced_by_one_at_its_address(void **state)
{
	struct bed *b = bed_new(6, 5);
	bed_stop(b, 4);
	world_crash(&b->w, 5);
	snprintf(b->w.nodes[5].address, sizeof b->w.nodes[5].address, "n4:1"); /* the same machine, another disk */
	b->w.nodes[4].address[0] = '\0';
	world_start(&b->w, 5);
	struct msg_change c = bed_add("n4:1");
	bed_expect_refused(b, 0, c, KV_REFUSED,
			   "already has that address: if it is dead, put the new one in its place");
	c.node = 4;
	assert_int_equal(bed_change(b, 0, c), KV_OK);
	assert_int_equal(bed_node(b, 5)->state, NODE_STAGED);
	assert_int_equal(bed_node(b, 5)->replaces, 4);
	assert_int_equal(bed_change(b, 0, bed_about(CHANGE_COMMIT, NODE_NONE)), KV_OK);
	bed_pass(b, 2 * USEC_PER_SEC);
	assert_int_equal(bed_node(b, 4)->state, NODE_REMOVED);
	assert_int_equal(bed_map(b, 5)->nodes[5].state, NODE_JOINING);
	bed_free(b);
}

/** The map in force with NODE in another state and without it in rows. */
static void make_map(struct bed *b, node_id node, enum node_state state)
{
	struct map_draft d;
	map_draft_init(&d, bed_map(b, 0));
	for (uint32_t p = 0; p < WORLD_PARTITIONS; p++) {
		for (node_id i = 0; i < WORLD_REPLICAS; i++)
			d.rows[p * WORLD_REPLICAS + i] = i;
		d.epochs[p] = d.desc.epoch;
	}
	d.nodes[node].state = state;
	for (node_id i = 0; i < b->w.node_count; i++) {
		struct msg m = {
			.opcode = OP_MAP_PUSH, .id = 5, .map = {.have_epoch = d.desc.epoch, .map = &d.desc}};
		struct node_event ev = {.kind = EV_MESSAGE, .message = {.from = (node_id)(i == 0), .msg = &m}};
		struct world_node *n = &b->w.nodes[i];
		world_begin(&b->w, i);
		ev.now = n->core->now;
		node_core_step(n->core, &ev, &n->actions);
		world_end(&b->w, i);
	}
	map_draft_release(&d);
	bed_pass(b, USEC_PER_SEC);
}

static void a_node_that_left_ends_well(void **state)
{
	struct bed *b = bed_new(4, 4);
	make_map(b, 3, NODE_LEAVING);
	bed_pass(b, 3 * USEC_PER_SEC); /* the driver finds that it holds nothing */
	assert_int_equal(bed_node(b, 3)->state, NODE_REMOVED);
	assert_false(world_is_up(&b->w, 3));
	assert_int_equal(b->w.nodes[3].stop_status, KV_OK);
	b->w.nodes[3].stopped = false;
	world_start(&b->w, 3); /* its identity is spent */
	assert_false(world_is_up(&b->w, 3));
	assert_int_equal(b->w.nodes[3].stop_status, KV_IDENTITY);
	bed_free(b);
}

/* ---- the rest ---- */

static void a_plan_that_others_overtook_is_not_committed(void **state)
{
	struct bed *b = bed_new(5, 5);
	assert_int_equal(bed_change(b, 0, bed_about(NODE_LEAVE, 4)), KV_OK);
	struct msg_change c = bed_about(CHANGE_COMMIT, NODE_NONE);
	c.epoch = bed_map(b, 0)->epoch;
	assert_int_equal(bed_change(b, 1, bed_about(NODE_LEAVE, 3)), KV_OK);
	bed_expect_refused(b, 0, c, KV_CONFLICT, "look at it again");
	c.epoch = bed_map(b, 1)->epoch;
	assert_int_equal(bed_change(b, 1, c), KV_OK);
	bed_free(b);
}

/** What becomes of an order tried before, on the map that node 0 has now. */
static enum change_effect try_again(struct bed *b, struct change_order order, struct error *err)
{
	static const bool live[NODES_MAX];
	struct map_draft d;
	map_draft_init(&d, bed_map(b, 0));
	order.live = live;
	order.may_have_happened = true;
	enum change_effect effect = change_apply(&d, &order, err);
	map_draft_release(&d);
	return effect;
}

static void expect_doubt(struct bed *b, struct change_order order)
{
	struct error err = {0};
	assert_int_equal(try_again(b, order, &err), CHANGE_REFUSED);
	assert_int_equal(err.status, KV_IN_DOUBT);
}

static void a_commit_that_may_have_been_made_does_not_commit_what_was_staged_since(void **state)
{
	struct bed *b = bed_new(5, 5);
	uint64_t planned = bed_map(b, 0)->epoch;
	assert_int_equal(bed_change(b, 0, bed_about(NODE_LEAVE, 4)), KV_OK);
	expect_doubt(b, (struct change_order){.kind = CHANGE_COMMIT});
	expect_doubt(b, (struct change_order){.kind = CHANGE_COMMIT, .epoch = planned});
	expect_doubt(b, (struct change_order){.kind = CHANGE_DISCARD});
	bed_free(b);
}

static void a_token_that_may_have_been_used_is_not_made_again(void **state)
{
	struct bed *b = bed_new(3, 3);
	struct change_order order = {.kind = CHANGE_TOKEN, .token_hash = 7, .expires_ms = UINT64_MAX};
	expect_doubt(b, order);
	assert_int_equal(bed_change(b, 0, (struct msg_change){.kind = CHANGE_TOKEN, .node = NODE_NONE}), KV_OK);
	order.token_hash = bed_map(b, 0)->tokens[0].hash; /* one that is there was made */
	struct error err = {0};
	assert_int_equal(try_again(b, order, &err), CHANGE_NOTHING);
	bed_free(b);
}

static void a_leave_that_may_have_been_discarded_is_not_staged_again(void **state)
{
	struct bed *b = bed_new(5, 5);
	expect_doubt(b, (struct change_order){.kind = NODE_LEAVE, .node = 4});
	expect_doubt(b, (struct change_order){.kind = NODE_GONE, .node = 4});
	assert_int_equal(bed_change(b, 0, bed_about(NODE_LEAVE, 4)), KV_OK);
	struct error err = {0};
	assert_int_equal(try_again(b, (struct change_order){.kind = NODE_LEAVE, .node = 4}, &err), CHANGE_NOTHING);
	bed_free(b);
}

static void a_keep_that_may_have_been_made_does_not_undo_a_later_leave(void **state)
{
	struct bed *b = bed_new(5, 5);
	struct error err = {0};
	struct change_order order = {.kind = NODE_KEEP, .node = 4};
	assert_int_equal(try_again(b, order, &err), CHANGE_NOTHING);
	assert_int_equal(bed_change(b, 0, bed_about(NODE_LEAVE, 4)), KV_OK);
	expect_doubt(b, order);
	bed_free(b);
}

static void a_pause_is_in_the_map(void **state)
{
	struct bed *b = bed_new(3, 3);
	assert_true(bed_map(b, 0)->paused);
	assert_int_equal(bed_change(b, 1, bed_about(CHANGE_RESUME, NODE_NONE)), KV_OK);
	assert_false(bed_map(b, 1)->paused);
	uint64_t epoch = bed_map(b, 1)->epoch;
	assert_int_equal(bed_change(b, 1, bed_about(CHANGE_RESUME, NODE_NONE)), KV_OK);
	assert_int_equal(bed_map(b, 1)->epoch, epoch);
	assert_int_equal(bed_change(b, 2, bed_about(CHANGE_PAUSE, NODE_NONE)), KV_OK);
	assert_true(bed_map(b, 2)->paused);
	bed_free(b);
}

static void weights_have_limits(void **state)
{
	struct bed *b = bed_new(3, 3);
	struct msg_change c = bed_about(CHANGE_WEIGHT, 1);
	bed_expect_refused(b, 0, c, KV_INVALID, "weight is 0");
	c.weight = 5;
	assert_int_equal(bed_change(b, 0, c), KV_OK);
	assert_int_equal(bed_node(b, 1)->weight, 5);
	bed_free(b);
}

static void without_a_majority_nothing_is_changed_and_that_is_told(void **state)
{
	struct bed *b = bed_new(3, 3);
	bed_stop(b, 1);
	bed_stop(b, 2);
	struct msg_change c = bed_about(CHANGE_RESUME, NODE_NONE);
	c.deadline_ms = 2000;
	assert_int_equal(bed_change(b, 0, c), KV_UNAVAILABLE);
	assert_false(bed_last(b)->in_doubt);
	bed_free(b);
}

static void changes_through_all_nodes_at_once_all_come_about(void **state)
{
	struct bed *b = bed_new(6, 6);
	b->w.loss_ppm = 100000;
	b->w.double_ppm = 100000;
	struct answer *answers[24];
	for (uint32_t i = 0; i < 24; i++) {
		struct msg_change c = bed_about(CHANGE_WEIGHT, (node_id)(i % 6));
		c.weight = 2 + i / 6;
		c.deadline_ms = 60000;
		answers[i] = bed_begin(b, (node_id)(i % 5), &c);
	}
	bed_pass(b, 60 * USEC_PER_SEC);
	for (uint32_t i = 0; i < 24; i++) {
		assert_true(answers[i]->there);
		assert_int_equal(answers[i]->status, KV_OK);
	}
	for (node_id i = 0; i < 6; i++)
		assert_true(bed_node(b, i)->weight > 1);
	bed_free(b);
}

static void expect_plan(struct bed *b, node_id at, bool staged)
{
	struct msg m = {.opcode = OP_CLUSTER_PLAN, .id = 1};
	uint64_t client = b->asked++;
	world_ask(&b->w, at, client, &m);
	assert_true(bed_last(b)->there);
	assert_int_equal(bed_last(b)->status, KV_OK);
	assert_int_equal(bed_last(b)->plan.staged, staged);
}

static void a_plan_tells_what_a_commit_will_do(void **state)
{
	struct bed *b = bed_new(4, 3);
	expect_plan(b, 0, false);
	assert_int_equal(bed_last(b)->plan.moves, 0);
	assert_int_equal(bed_last(b)->plan.survives, 1);
	assert_non_null(strstr(bed_last(b)->message, "as many nodes as replicas"));
	assert_int_equal(bed_change(b, 0, bed_add("n3:1")), KV_OK);
	expect_plan(b, 0, true);
	assert_int_equal(bed_last(b)->plan.moves, WORLD_PARTITIONS * WORLD_REPLICAS / 4);
	assert_int_equal(bed_last(b)->plan.node_count, 4);
	assert_true(bed_last(b)->plan.duration_ms > 0);
	assert_true(bed_last(b)->plan.duration_busy_ms >= bed_last(b)->plan.duration_ms);
	assert_non_null(strstr(bed_last(b)->message, "paused"));
	bed_free(b);
}

static void a_plan_tells_what_may_be_lost_meanwhile(void **state)
{
	struct bed *b = bed_new(5, 5);
	bed_stop(b, 4);
	assert_int_equal(bed_change(b, 0, bed_about(NODE_GONE, 4)), KV_OK);
	expect_plan(b, 0, true);
	assert_int_equal(bed_last(b)->plan.survives, 0);
	assert_non_null(strstr(bed_last(b)->message, "may lose acknowledged writes"));
	bed_free(b);
}

static void levels_rise_when_every_node_can_and_never_fall(void **state)
{
	struct bed *b = bed_new(3, 3);
	CLEANUP(map_draft_release) struct map_draft draft;
	map_draft_init(&draft, bed_map(b, 0));
	bool live[NODES_MAX] = {0};
	struct error err = {0};
	struct change_order finalize = {.kind = CHANGE_FINALIZE, .node = NODE_NONE, .live = live};
	assert_int_equal(change_apply(&draft, &finalize, &err), CHANGE_NOTHING);
	for (node_id i = 0; i < 3; i++) {
		struct change_order told = {
			.kind = CHANGE_ADDRESS, .node = i, .live = live, .features = i == 1 ? 1 : 3};
		assert_int_equal(change_apply(&draft, &told, &err), CHANGE_DRAFTED);
		assert_int_equal(change_apply(&draft, &told, &err), CHANGE_NOTHING);
	}
	assert_int_equal(change_apply(&draft, &finalize, &err), CHANGE_REFUSED);
	assert_non_null(strstr(err.message, "can do feature level 1, others 2"));
	assert_int_equal(draft.desc.feature_level, 0);
	struct change_order told = {.kind = CHANGE_ADDRESS, .node = 1, .live = live, .features = 3};
	assert_int_equal(change_apply(&draft, &told, &err), CHANGE_DRAFTED);
	assert_int_equal(change_apply(&draft, &finalize, &err), CHANGE_DRAFTED);
	assert_int_equal(draft.desc.feature_level, 2);
	assert_int_equal(change_apply(&draft, &finalize, &err), CHANGE_NOTHING);

	draft.desc.epoch++;
	assert_int_equal(cluster_map_check_next(bed_map(b, 0), &draft.desc, &err), KV_OK);
	struct map_desc after = *bed_map(b, 0);
	after.epoch += 2;
	assert_int_equal(cluster_map_check_next(&draft.desc, &after, &err), KV_INVALID);
	assert_non_null(strstr(err.message, "never goes back"));

	struct change_order add_old = {.kind = NODE_ADD, .node = NODE_NONE, .live = live, .self = {.features = 1}};
	add_old.self.uuid.bytes[0] = 77;
	add_old.self.peer_address = slice_str("n9");
	assert_int_equal(change_apply(&draft, &add_old, &err), CHANGE_REFUSED);
	assert_non_null(strstr(err.message, "install a newer version"));
	bed_free(b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_is_added_by_address_and_joins_when_that_is_committed),
		cmocka_unit_test(an_address_where_nobody_answers_is_told),
		cmocka_unit_test(two_nodes_added_at_once_through_two_nodes_both_get_in),
		cmocka_unit_test(what_was_staged_may_be_discarded_and_the_identity_is_spent),
		cmocka_unit_test(a_map_decided_by_a_node_that_it_removes_comes_into_force),
		cmocka_unit_test(a_node_that_has_not_heard_of_the_last_map_does_not_answer_by_its_own),
		cmocka_unit_test(a_token_admits_one_node),
		cmocka_unit_test(a_newcomer_that_moves_before_its_first_map_gets_it),
		cmocka_unit_test(a_token_expires),
		cmocka_unit_test(clients_are_not_told_of_tokens),
		cmocka_unit_test(a_node_may_leave_if_enough_stay),
		cmocka_unit_test(what_is_staged_about_one_node_is_taken_back_alone),
		cmocka_unit_test(a_node_that_leaves_may_be_kept),
		cmocka_unit_test(a_node_that_answers_is_not_given_up),
		cmocka_unit_test(no_majority_of_a_partition_is_given_up),
		cmocka_unit_test(a_dead_node_is_replaced_by_one_at_its_address),
		cmocka_unit_test(a_node_that_left_ends_well),
		cmocka_unit_test(a_plan_that_others_overtook_is_not_committed),
		cmocka_unit_test(a_commit_that_may_have_been_made_does_not_commit_what_was_staged_since),
		cmocka_unit_test(a_token_that_may_have_been_used_is_not_made_again),
		cmocka_unit_test(a_leave_that_may_have_been_discarded_is_not_staged_again),
		cmocka_unit_test(a_keep_that_may_have_been_made_does_not_undo_a_later_leave),
		cmocka_unit_test(a_pause_is_in_the_map),
		cmocka_unit_test(weights_have_limits),
		cmocka_unit_test(without_a_majority_nothing_is_changed_and_that_is_told),
		cmocka_unit_test(changes_through_all_nodes_at_once_all_come_about),
		cmocka_unit_test(a_plan_tells_what_a_commit_will_do),
		cmocka_unit_test(a_plan_tells_what_may_be_lost_meanwhile),
		cmocka_unit_test(levels_rise_when_every_node_can_and_never_fall),
	};
	return test_run("membership", tests);
}
