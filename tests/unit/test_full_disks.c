/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that are nearly full: nothing grows on them, and everything else goes on. */
#include "tests/support/test.h"

#include "tests/unit/core_cluster.h"

static const struct msg_request eventual_one = {.level = LEVEL_EVENTUAL, .acks = ACKS_ONE};
static const struct msg_request eventual_majority = {.level = LEVEL_EVENTUAL, .acks = ACKS_MAJORITY};
static const struct msg_request eventual_all = {.level = LEVEL_EVENTUAL, .acks = ACKS_ALL};

/** The key "k" is on three nodes, and the disks of nodes FIRST to 2 are nearly full, which everyone has heard. */
static struct cluster *cluster_with_full_disks(node_id first)
{
	struct cluster *c = cluster_new(3, 0);
	assert_int_equal(call(c, 0, OP_PUT, "k", "before", strong), KV_OK);
	for (node_id i = first; i < 3; i++)
		c->nodes[i].disk_low = true;
	pass(c, 3 * USEC_PER_SEC);
	return c;
}

static void there_is_room(struct cluster *c)
{
	for (node_id i = 0; i < 3; i++)
		c->nodes[i].disk_low = false;
	pass(c, 60 * USEC_PER_SEC);
}

static void one_full_disk_is_done_without_and_told_later(void **state)
{
	struct cluster *c = cluster_with_full_disks(2);
	assert_int_equal(call(c, 0, OP_PUT, "new", "v", strong), KV_OK);
	assert_int_equal(call(c, 2, OP_PUT, "newer", "v", strong), KV_OK); /* it may still coordinate */
	assert_int_equal(call(c, 0, OP_PUT, "third", "v", eventual_majority), KV_OK);
	assert_int_equal(call(c, 0, OP_PUT, "fourth", "v", eventual_all), KV_NO_SPACE);
	assert_false(c->result.in_doubt);
	pass(c, 10 * USEC_PER_SEC);
	static const char *const keys[] = {"new", "newer", "third"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_true(version_is_none(on_disk(c, 2, keys[i]).ver));
	assert_reads(c, 2, "new", "v");
	there_is_room(c);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_slice_equal(on_disk(c, 2, keys[i]).value, slice_str("v"));
	assert_true(version_is_none(on_disk(c, 0, "fourth").ver));
	cluster_free(c);
}

static void without_room_on_a_majority_values_are_refused_at_once(void **state)
{
	struct cluster *c = cluster_with_full_disks(1);
	usec_t before_us = c->mono_us;
	assert_int_equal(call(c, 0, OP_PUT, "new", "v", strong), KV_NO_SPACE);
	assert_false(c->result.in_doubt);
	assert_int_equal(call(c, 0, OP_APPEND, "k", " and after", strong), KV_NO_SPACE);
	assert_int_equal(call(c, 1, OP_PUT, "new", "v", eventual_majority), KV_NO_SPACE);
	assert_int_equal(c->mono_us, before_us);
	assert_int_equal(call(c, 0, OP_PUT, "one", "v", eventual_one), KV_OK); /* there is one with room */
	there_is_room(c);
	assert_reads(c, 1, "new", NULL);
	assert_reads(c, 1, "one", "v");
	cluster_free(c);
}

static void reads_and_deletions_go_on(void **state)
{
	struct cluster *c = cluster_with_full_disks(0);
	assert_reads(c, 1, "k", "before");
	assert_int_equal(call(c, 0, OP_GET, "k", NULL, eventual_one), KV_OK);
	assert_int_equal(call(c, 0, OP_DEL, "k", NULL, strong), KV_OK);
	assert_reads(c, 2, "k", NULL);
	assert_int_equal(call(c, 0, OP_DEL, "never", NULL, eventual_majority), KV_OK);
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", eventual_one), KV_NO_SPACE);
	cluster_free(c);
}

/** A replica stores what takes no more room than what was there. */
static void a_value_that_does_not_grow_is_stored(void **state)
{
	struct cluster *c = cluster_with_full_disks(2);
	assert_int_equal(call(c, 0, OP_PUT, "k", "less", strong), KV_OK);
	pass(c, 50 * USEC_PER_MSEC);
	assert_slice_equal(on_disk(c, 2, "k").value, slice_str("less"));
	assert_int_equal(call(c, 0, OP_PUT, "k", "more than before", strong), KV_OK);
	pass(c, 50 * USEC_PER_MSEC);
	assert_slice_equal(on_disk(c, 2, "k").value, slice_str("less"));
	cluster_free(c);
}

/** Nobody has heard of it yet: the replicas themselves refuse. What the coordinator stored may stay, so it is in doubt. */
static void disks_that_have_just_become_full_are_found_out(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	c->nodes[1].disk_low = c->nodes[2].disk_low = true;
	drop(c, 1, 0, OP_HEARTBEAT, FOR_BOTH);
	drop(c, 2, 0, OP_HEARTBEAT, FOR_BOTH);
	pass(c, TICK_US);
	struct msg_request soon = eventual_majority;
	soon.deadline_ms = 500;
	assert_int_equal(call(c, 0, OP_PUT, "k", "v", soon), KV_NO_SPACE);
	assert_true(c->result.in_doubt);
	cluster_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_full_disk_is_done_without_and_told_later),
		cmocka_unit_test(without_room_on_a_majority_values_are_refused_at_once),
		cmocka_unit_test(reads_and_deletions_go_on),
		cmocka_unit_test(a_value_that_does_not_grow_is_stored),
		cmocka_unit_test(disks_that_have_just_become_full_are_found_out),
	};
	return test_run("full_disks", tests);
}
