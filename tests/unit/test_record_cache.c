/* SPDX-License-Identifier: Apache-2.0 */
/* Slots that rest: which records stay in memory after use, for how long, and what they spare the disk. */
#include "tests/support/test.h"

#include "replication/slot.h"
#include "tests/unit/core_cluster.h"

enum { VALUE_SIZE = 100, ROOM = 64 << 10 };

/** A slot with a record of SIZE bytes that has nothing to do any more. */
static struct slot *add(struct slots *s, uint16_t partition, const char *key, size_t size)
{
	struct slot *slot = slots_add(s, partition, 0, 0, slice_str(key), 0);
	slot->state = SLOT_READY;
	slot->bytes = blob_new_uninit(size);
	assert_non_null(slot->bytes);
	return slot;
}

static bool is_there(const struct slots *s, const char *key) { return slots_find(s, 0, slice_str(key)) != NULL; }

static struct slots *new_slots(size_t room)
{
	struct slots *s = xcalloc(1, sizeof *s);
	slots_init(s, room);
	slots_set_partitions(s, 4, (struct version){.hlc = 1});
	return s;
}

static void free_slots(struct slots *s)
{
	slots_release(s);
	free(s);
}

static void the_least_recently_used_record_goes_first(void **state)
{
	struct slots *s = new_slots(4 * (sizeof(struct slot) + 2 * VALUE_SIZE));
	slots_settle(s, add(s, 0, "a", VALUE_SIZE));
	slots_settle(s, add(s, 0, "b", VALUE_SIZE));
	size_t each = s->rest_bytes / 2;
	slots_touch(s, slots_find(s, 0, slice_str("a")), 1);
	assert_int_equal(s->rest_count, 1);
	assert_int_equal(s->rest_bytes, each);
	assert_int_equal(s->rest_hits, 1);
	slots_settle(s, slots_find(s, 0, slice_str("a")));
	for (char key[2] = "c"; is_there(s, "b"); key[0]++)
		slots_settle(s, add(s, 0, key, VALUE_SIZE));
	assert_true(is_there(s, "a"));
	assert_int_equal(s->rest_count, s->map.count);
	assert_int_equal(s->rest_bytes, s->rest_count * each);
	assert_true(s->rest_bytes <= s->rest_bytes_max && s->rest_bytes + each > s->rest_bytes_max);
	free_slots(s);
}

static void a_record_that_would_take_the_room_of_many_does_not_rest(void **state)
{
	struct slots *s = new_slots(ROOM);
	slots_settle(s, add(s, 0, "small", ROOM / 8));
	slots_settle(s, add(s, 0, "large", ROOM / 8 + 1));
	assert_true(is_there(s, "small"));
	assert_false(is_there(s, "large"));
	free_slots(s);
}

static void a_slot_that_is_old_or_one_too_many_rests_once_floors_stand_for_its_promise(void **state)
{
	struct slots *s = new_slots(ROOM);
	struct slot *slot = add(s, 2, "k", VALUE_SIZE);
	slot->key_state.promised = (struct version){.hlc = 50};
	slots_settle(s, slot);
	assert_int_equal(s->rest_count, 0);
	slots_sweep(s, MEM_AGE_US, 100);
	assert_int_equal(s->rest_count, 1);
	assert_int_equal(slots_floors(s, 2)->promise.hlc, 50);
	assert_true(version_is_none(slot->key_state.promised));
	slots_sweep(s, 10 * MEM_AGE_US, 0); /* what rests is in no limit of slots, and has no age */
	assert_true(is_there(s, "k"));
	free_slots(s);
}

static void a_range_that_is_removed_takes_its_records_along(void **state)
{
	struct slots *s = new_slots(ROOM);
	slots_settle(s, add(s, 1, "one", VALUE_SIZE));
	slots_settle(s, add(s, 2, "two", VALUE_SIZE));
	slots_drop(s, 1);
	assert_false(is_there(s, "one"));
	assert_true(is_there(s, "two"));
	assert_int_equal(s->rest_count, 1);
	free_slots(s);
}

static struct cluster *new_cluster(void)
{
	struct cluster *c = cluster_make(3);
	c->record_cache_bytes = ROOM;
	for (node_id i = 0; i < 3; i++)
		start_node(c, i, &c->map);
	pass(c, 10 * USEC_PER_SEC);
	return c;
}

static void a_record_is_asked_of_the_disk_once(void **state)
{
	struct cluster *c = new_cluster();
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", strong), KV_OK);
	pass(c, 30 * USEC_PER_SEC);
	crash(c, 1);
	start_node(c, 1, &c->map);
	pass(c, 30 * USEC_PER_SEC);
	struct core_stats before[3], after[3];
	for (node_id i = 0; i < 3; i++)
		before[i] = stats_of(c, i);
	assert_int_equal(before[0].slots, 0);
	assert_reads(c, 1, "k", "one");
	assert_reads(c, 1, "k", "one");
	for (node_id i = 0; i < 3; i++)
		after[i] = stats_of(c, i);
	/* Here the write was done; there the node has started anew since. */
	assert_int_equal(after[0].disk_reads - before[0].disk_reads, 0);
	assert_int_equal(after[1].disk_reads - before[1].disk_reads, 1);
	assert_int_equal(after[1].record_cache_hits - before[1].record_cache_hits, 1);
	assert_int_equal(after[1].records_cached, 1);
	cluster_free(c);
}

static void a_record_in_memory_is_what_was_written_last(void **state)
{
	struct cluster *c = new_cluster();
	assert_int_equal(call(c, 0, OP_PUT, "k", "one", strong), KV_OK);
	pass(c, 30 * USEC_PER_SEC);
	assert_int_equal(call(c, 1, OP_PUT, "k", "two", strong), KV_OK);
	pass(c, 30 * USEC_PER_SEC);
	assert_reads(c, 2, "k", "two");
	assert_int_equal(call(c, 2, OP_DEL, "k", NULL, strong), KV_OK);
	pass(c, 30 * USEC_PER_SEC);
	assert_reads(c, 0, "k", NULL);
	for (node_id i = 0; i < 3; i++)
		assert_true(stats_of(c, i).record_cache_hits > 0);
	cluster_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_recently_used_record_goes_first),
		cmocka_unit_test(a_record_that_would_take_the_room_of_many_does_not_rest),
		cmocka_unit_test(a_slot_that_is_old_or_one_too_many_rests_once_floors_stand_for_its_promise),
		cmocka_unit_test(a_range_that_is_removed_takes_its_records_along),
		cmocka_unit_test(a_record_is_asked_of_the_disk_once),
		cmocka_unit_test(a_record_in_memory_is_what_was_written_last),
	};
	return test_run("record_cache", tests);
}
