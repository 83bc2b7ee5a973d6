/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/core.h"
#include "tests/unit/core_cluster.h"

static const struct version seal = {1000, 3}, drop_floor = {900, 2};

static struct disk_key row_key(uint16_t partition)
{
	static char name[32];
	int size = snprintf(name, sizeof name, "partition/%04x", partition);
	return (struct disk_key){.table = DISK_META, .key = slice_of(name, (size_t)size)};
}

static void save(struct cluster *c, node_id i, uint16_t partition)
{
	struct node *n = &c->nodes[i];
	n->core->out = &n->actions;
	uint64_t token = partition_save(n->core, partition);
	n->core->out = NULL;
	assert_int_equal(token, partition_at(n->core, partition)->save_token);
	assert_true(n->core->write_done < token);
	pass(c, TICK_US);
	assert_true(n->core->write_done >= token);
}

static void what_is_saved_outlives_a_restart(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	for (uint16_t p = 0; p < PARTITIONS; p += 15) {
		struct partition *at = partition_at(c->nodes[0].core, p);
		at->seal = seal;
		at->drop = drop_floor;
		at->stage = MOVE_CHECKING;
		at->session.bytes[3] = (uint8_t)p;
		at->joined = 77;
		at->cursor = p == 0 ? NULL : blob_new(slice_str("a cursor"));
		save(c, 0, p);
		assert_true(version_equal(slots_floors(&c->nodes[0].core->slots, p)->seal, seal));
	}
	crash(c, 0);
	start_node(c, 0, &c->map);
	assert_false(partitions_are_loaded(c->nodes[0].core));
	pass(c, USEC_PER_SEC);
	assert_true(partitions_are_loaded(c->nodes[0].core));
	for (uint16_t p = 0; p < PARTITIONS; p++) {
		const struct partition *at = partition_at(c->nodes[0].core, p);
		const struct partition_floors *f = slots_floors(&c->nodes[0].core->slots, p);
		bool saved = p % 15 == 0;
		assert_true(version_equal(at->seal, saved ? seal : VERSION_NONE));
		assert_true(version_equal(f->seal, at->seal));
		assert_true(version_equal(f->drop, saved ? drop_floor : VERSION_NONE));
		assert_int_equal(at->stage, saved ? MOVE_CHECKING : 0);
		assert_int_equal(at->session.bytes[3], saved ? p : 0);
		assert_int_equal(at->joined, saved ? 77 : 0);
		if (p == 15)
			assert_slice_equal(blob_slice(at->cursor), slice_str("a cursor"));
		else
			assert_null(at->cursor);
	}
	cluster_free(c);
}

static void nothing_is_served_before_the_rows_are_read(void **state)
{
	struct cluster *c = cluster_new(3, 0);
	struct msg read = replica_msg(c, OP_READ, "k");
	crash(c, 0);
	c->nodes[0].hold_reads = true;
	start_node(c, 0, &c->map);
	pass(c, USEC_PER_SEC);
	assert_int_equal(answer_to(c, &read), ANSWER_BUSY);
	c->nodes[0].hold_reads = false;
	pass(c, USEC_PER_SEC);
	read = replica_msg(c, OP_READ, "k");
	assert_int_equal(answer_to(c, &read), ANSWER_RECORD);
	cluster_free(c);
}

/** Of a saved row, one byte is another on the disk. */
static void check_damage(size_t at)
{
	struct cluster *c = cluster_new(3, 0);
	partition_at(c->nodes[0].core, 3)->seal = seal;
	save(c, 0, 3);
	crash(c, 0);
	struct disk_key key = row_key(3);
	struct stored *row = row_find(&c->nodes[0], &key);
	assert_non_null(row);
	row->value->data[at % row->value->size] ^= 1;
	start_node(c, 0, &c->map);
	pass(c, USEC_PER_SEC);
	assert_true(c->nodes[0].stopped);
	assert_false(partitions_are_loaded(c->nodes[0].core));
	cluster_free(c);
}

static void a_damaged_row_stops_the_node(void **state)
{
	for (size_t at = 0; at < 68; at += 4)
		check_damage(at);
}

static void joining_raises_floors_above_the_fence_and_drops_the_drop_floor(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	struct node_core *core = c->nodes[3].core;
	partition_at(core, 0)->drop = drop_floor;
	save(c, 3, 0);
	c->hold_moves = true;
	begin_move(c, (node_id[]){0, 1, 3});
	give_map_to_all(c);
	assert_false(partition_serves(core, 0));
	assert_true(partition_serves(c->nodes[2].core, 0));
	hlc_t fence = clock_of(c, 3) + hlc_from_ms(200);
	join(c, 3, fence);
	const struct partition_floors *f = slots_floors(&core->slots, 0);
	assert_true(version_less((struct version){fence, UINT64_MAX - 1}, f->fence));
	assert_true(version_less((struct version){fence, UINT64_MAX - 1}, f->memory));
	assert_true(version_is_none(f->drop));
	assert_true(partition_serves(core, 0));
	end_move(c);
	give_map_to_all(c);
	assert_true(partition_serves(core, 0));
	assert_false(partition_serves(c->nodes[2].core, 0));
	cluster_free(c);
}

static void a_fence_that_the_clock_cannot_follow_is_waited_for(void **state)
{
	struct cluster *c = cluster_new(4, 0);
	struct node *n = &c->nodes[3];
	c->hold_moves = true;
	begin_move(c, (node_id[]){0, 1, 3});
	give_map_to_all(c);
	hlc_t fence = clock_of(c, 3) + hlc_from_ms(2 * MAX_DRIFT_MS);
	n->core->out = &n->actions;
	assert_false(partition_join(n->core, 0, fence, VERSION_NONE));
	n->core->out = NULL;
	assert_int_equal(partition_at(n->core, 0)->stage, 0);
	pass(c, USEC_PER_SEC);
	join(c, 3, fence);
	assert_int_equal(partition_at(n->core, 0)->stage, MOVE_COPYING);
	cluster_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_saved_outlives_a_restart),
		cmocka_unit_test(nothing_is_served_before_the_rows_are_read),
		cmocka_unit_test(a_damaged_row_stops_the_node),
		cmocka_unit_test(joining_raises_floors_above_the_fence_and_drops_the_drop_floor),
		cmocka_unit_test(a_fence_that_the_clock_cannot_follow_is_waited_for),
	};
	return test_run("partition", tests);
}
