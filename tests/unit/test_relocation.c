/* SPDX-License-Identifier: Apache-2.0 */
/* Whole cores: nodes that are reached elsewhere from now on. */
#include "tests/support/test.h"

#include "tests/unit/member_bed.h"

static void a_node_that_comes_back_elsewhere_tells_where(void **state)
{
	struct bed *b = bed_new(3, 3);
	world_crash(&b->w, 2);
	snprintf(b->w.nodes[2].address, sizeof b->w.nodes[2].address, "m2:9");
	world_start(&b->w, 2);
	bed_pass(b, 5 * USEC_PER_SEC);
	assert_slice_equal(bed_node(b, 2)->peer_address, slice_str("m2:9"));
	assert_slice_equal(bed_map(b, 2)->nodes[2].client_address, slice_str("m2:9"));
	bed_free(b);
}

/** Another start of NODE, which is reached elsewhere from then on. */
static void restart_at(struct bed *b, node_id node, const char *address)
{
	if (world_is_up(&b->w, node))
		world_crash(&b->w, node);
	snprintf(b->w.nodes[node].address, sizeof b->w.nodes[node].address, "%s", address);
	world_start(&b->w, node);
}

static void deliver(struct bed *b, node_id from, node_id to, const struct msg *m)
{
	struct world_node *n = &b->w.nodes[to];
	struct node_event ev = {.kind = EV_MESSAGE, .message = {.from = from, .msg = m}};
	world_begin(&b->w, to);
	ev.now = n->core->now;
	node_core_step(n->core, &ev, &n->actions);
	world_end(&b->w, to);
}

/** TO hears what NODE told about its address in start LIFE. */
static void deliver_address(struct bed *b, node_id to, node_id node, uint64_t life, const char *address)
{
	struct msg m = {.opcode = OP_CLUSTER_CHANGE,
			.id = (life << 40) + 1,
			.change = {.kind = CHANGE_ADDRESS,
				   .node = node,
				   .address = slice_str(address),
				   .client_address = slice_str(address)}};
	deliver(b, node, to, &m);
}

static void expect_address(const struct bed *b, node_id node, const char *address)
{
	for (node_id i = 0; i < b->w.node_count; i++) {
		assert_slice_equal(bed_map(b, i)->nodes[node].peer_address, slice_str(address));
		if (i != node)
			assert_string_equal(b->w.nodes[i].links[node], address);
	}
}

static void a_late_address_change_is_not_made_on_top_of_a_newer_one(void **state)
{
	struct bed *b = bed_new(3, 3);
	b->w.nodes[0].cut_until_us = b->w.now_us + 8 * USEC_PER_SEC;
	restart_at(b, 2, "m2:9");
	deliver_address(b, 0, 2, 2, "m2:9"); /* its order waits */
	bed_pass(b, 3 * USEC_PER_SEC);
	assert_slice_equal(bed_map(b, 1)->nodes[2].peer_address, slice_str("m2:9"));
	restart_at(b, 2, "m2:10");
	bed_pass(b, 3 * USEC_PER_SEC);
	uint64_t epoch = bed_map(b, 1)->epoch;
	assert_slice_equal(bed_map(b, 1)->nodes[2].peer_address, slice_str("m2:10"));
	bed_pass(b, 6 * USEC_PER_SEC);
	expect_address(b, 2, "m2:10");
	assert_int_equal(bed_map(b, 0)->epoch, epoch); /* it never was anything else */
	bed_free(b);
}

static void a_doubled_address_change_does_not_cut_the_link(void **state)
{
	struct bed *b = bed_new(3, 3);
	restart_at(b, 2, "m2:9");
	bed_pass(b, 3 * USEC_PER_SEC);
	restart_at(b, 2, "m2:10");
	bed_pass(b, 3 * USEC_PER_SEC);
	expect_address(b, 2, "m2:10");
	deliver_address(b, 0, 2, 2, "m2:9");
	expect_address(b, 2, "m2:10");
	assert_int_equal(b->w.nodes[0].core->membership.count, 0);
	bed_free(b);
}

static void a_map_with_the_old_address_does_not_undo_what_the_node_told(void **state)
{
	struct bed *b = bed_new(3, 3);
	bed_stop(b, 1);
	bed_stop(b, 2);
	deliver_address(b, 0, 2, 2, "m2:9");
	assert_string_equal(b->w.nodes[0].links[2], "m2:9");
	struct map_draft d;
	map_draft_init(&d, bed_map(b, 0));
	d.nodes[1].weight = 7;
	deliver(b, 1, 0, &(struct msg){.opcode = OP_MAP_PUSH, .id = 5, .map = {.map = &d.desc}});
	bed_pass(b, USEC_PER_SEC);
	assert_int_equal(bed_node(b, 1)->weight, 7);
	assert_string_equal(b->w.nodes[0].links[2], "m2:9");
	map_draft_release(&d);
	bed_free(b);
}

static void a_node_that_a_wrong_map_cut_off_comes_back(void **state)
{
	struct bed *b = bed_new(3, 3);
	struct msg_change c = bed_about(CHANGE_ADDRESS, 2);
	c.address = slice_str("m9:9"); /* nobody is there */
	assert_int_equal(bed_change(b, 0, c), KV_OK);
	assert_slice_equal(bed_node(b, 2)->peer_address, slice_str("m9:9"));
	assert_slice_equal(bed_map(b, 2)->nodes[2].peer_address, slice_str("n2:1")); /* it knows nothing of that */
	bed_pass(b, 10 * USEC_PER_SEC);
	expect_address(b, 2, "n2:1");
	bed_free(b);
}

static void nodes_that_all_moved_at_once_find_each_other(void **state)
{
	struct bed *b = bed_new(3, 3);
	snprintf(b->w.seed, sizeof b->w.seed, "m1:9");
	for (node_id i = 0; i < 3; i++)
		world_crash(&b->w, i);
	restart_at(b, 0, "m0:9");
	restart_at(b, 1, "m1:9");
	restart_at(b, 2, "m2:9");
	bed_pass(b, 20 * USEC_PER_SEC);
	expect_address(b, 0, "m0:9");
	expect_address(b, 1, "m1:9");
	expect_address(b, 2, "m2:9");
	bed_free(b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_that_comes_back_elsewhere_tells_where),
		cmocka_unit_test(a_late_address_change_is_not_made_on_top_of_a_newer_one),
		cmocka_unit_test(a_doubled_address_change_does_not_cut_the_link),
		cmocka_unit_test(a_map_with_the_old_address_does_not_undo_what_the_node_told),
		cmocka_unit_test(a_node_that_a_wrong_map_cut_off_comes_back),
		cmocka_unit_test(nodes_that_all_moved_at_once_find_each_other),
	};
	return test_run("relocation", tests);
}
