/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/slot.h"

static struct version ver(uint64_t n) { return (struct version){.hlc = n, .id = 0}; }

static void slots_setup(struct slots *s)
{
	slots_init(s, 0);
	slots_set_partitions(s, 16, ver(1));
}

static void equal_keys_in_two_buckets_are_two_slots(void **state)
{
	struct slots s;
	slots_setup(&s);
	struct slot *a = slots_add(&s, 0, 0, 1, slice_str("k"), 0);
	assert_null(slots_find(&s, 2, slice_str("k")));
	struct slot *b = slots_add(&s, 0, 0, 2, slice_str("k"), 0);
	assert_ptr_equal(slots_find(&s, 1, slice_str("k")), a);
	assert_ptr_equal(slots_find(&s, 2, slice_str("k")), b);
	slots_release(&s);
}

static void a_slot_with_nothing_volatile_goes_when_it_settles(void **state)
{
	struct slots s;
	slots_setup(&s);
	struct slot *a = slots_add(&s, 0, 0, 0, slice_str("k"), 0);
	slots_settle(&s, a);
	assert_null(slots_find(&s, 0, slice_str("k")));
	slots_release(&s);
}

static void a_promise_keeps_its_slot_until_it_is_old(void **state)
{
	struct slots s;
	slots_setup(&s);
	struct slot *a = slots_add(&s, 3, 0, 0, slice_str("k"), 0);
	a->key_state.promised = ver(50);
	slots_settle(&s, a);
	assert_ptr_equal(slots_find(&s, 0, slice_str("k")), a);
	slots_sweep(&s, MEM_AGE_US - 1, 100);
	assert_ptr_equal(slots_find(&s, 0, slice_str("k")), a);
	slots_sweep(&s, MEM_AGE_US, 100);
	assert_null(slots_find(&s, 0, slice_str("k")));
	/* Forgotten, but the floor stands for it. */
	assert_true(version_equal(slots_floors(&s, 3)->promise, ver(50)));
	assert_true(version_equal(slots_floors(&s, 4)->promise, ver(1)));
	assert_int_equal(s.evicted, 0);
	slots_release(&s);
}

static void too_many_slots_are_evicted_early_but_busy_ones_stay(void **state)
{
	struct slots s;
	slots_setup(&s);
	char name[8];
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof name, "k%d", i);
		struct slot *slot = slots_add(&s, 0, 0, 0, slice_str(name), (usec_t)i);
		slot->key_state.promised = ver(100 + (uint64_t)i);
		if (i == 0)
			slot->state = SLOT_LOADING;
	}
	slots_sweep(&s, 20, 4);
	assert_int_equal(s.map.count, 4);
	assert_non_null(slots_find(&s, 0, slice_str("k0")));
	assert_non_null(slots_find(&s, 0, slice_str("k9")));
	assert_true(version_equal(slots_floors(&s, 0)->promise, ver(106)));
	assert_int_equal(s.evicted, 6);
	slots_release(&s);
}

static void a_parked_request_owns_all_it_points_to(void **state)
{
	char key[] = "key", value[] = "value";
	struct version attempts[2] = {ver(1), ver(2)};
	struct lineage lin[1] = {{.ver = ver(3)}};
	struct msg m = {.opcode = OP_ACCEPT, .id = 9};
	m.replica = (struct msg_replica){.key = slice_str(key), .attempts = attempts, .attempt_count = 2};
	m.replica.record = (struct record){
		.ver = ver(4), .has_value = true, .value = slice_str(value), .lin = lin, .lin_count = 1};
	struct parked *p = parked_new(2, 77, &m);
	key[0] = value[0] = 'X';
	attempts[1] = lin[0].ver = ver(99);
	assert_slice_equal(p->msg.replica.key, slice_str("key"));
	assert_slice_equal(p->msg.replica.record.value, slice_str("value"));
	assert_true(version_equal(p->msg.replica.attempts[1], ver(2)));
	assert_true(version_equal(p->msg.replica.record.lin[0].ver, ver(3)));
	assert_int_equal(p->arrived_us, 77);
	free(p);
}

static void waiting_requests_are_counted_by_their_bytes(void **state)
{
	struct slots s;
	slots_setup(&s);
	struct slot *slot = slots_add(&s, 0, 0, 0, slice_str("k"), 0);
	struct msg m = {.opcode = OP_READ, .replica = {.key = slice_str("k")}};
	slots_park(&s, slot, parked_new(1, 0, &m));
	slots_park(&s, slot, parked_new(2, 0, &m));
	assert_int_equal(slot->waiting_count, 2);
	assert_true(s.parked_bytes >= 2 * sizeof(struct parked));
	struct parked *first = slots_unpark(&s, slot);
	assert_int_equal(first->from, 1);
	free(first);
	free(slots_unpark(&s, slot));
	assert_null(slots_unpark(&s, slot));
	assert_int_equal(s.parked_bytes, 0);
	slots_release(&s);
}

static void a_key_whose_range_is_dropped_while_it_is_read_keeps_no_memory(void **state)
{
	struct slots s;
	slots_setup(&s);
	struct slot *slot = slots_add(&s, 0, 0, 0, slice_str("k"), 0);
	struct record old = {.ver = ver(40), .strong = true}, next = {.ver = ver(50), .strong = true};
	memories_add(&slot->key_state.mem, &old, &next, 0);
	slots_count_memory(&s, slot);
	slot->key_state.promised = ver(60);
	slot->state = SLOT_LOADING;
	slots_drop(&s, 0);
	assert_ptr_equal(slots_find(&s, 0, slice_str("k")), slot); /* somebody waits for it */
	assert_true(slot->dropped);
	assert_int_equal(slot->key_state.mem.count, 0);
	assert_int_equal(s.memory_bytes, 0);
	assert_true(version_is_none(slot->key_state.promised));
	/* A copy of the next try is older than what was here before, and so is what it is overwritten with. */
	slot->state = SLOT_READY;
	acceptor_store(&slot->key_state, &(struct record){.ver = ver(10), .strong = true}, 1);
	acceptor_store(&slot->key_state, &(struct record){.ver = ver(20), .strong = true}, 2);
	assert_int_equal(slot->key_state.mem.count, 1);
	slots_count_memory(&s, slot);
	slots_release(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_keys_in_two_buckets_are_two_slots),
		cmocka_unit_test(a_slot_with_nothing_volatile_goes_when_it_settles),
		cmocka_unit_test(a_promise_keeps_its_slot_until_it_is_old),
		cmocka_unit_test(too_many_slots_are_evicted_early_but_busy_ones_stay),
		cmocka_unit_test(a_parked_request_owns_all_it_points_to),
		cmocka_unit_test(waiting_requests_are_counted_by_their_bytes),
		cmocka_unit_test(a_key_whose_range_is_dropped_while_it_is_read_keeps_no_memory),
	};
	return test_run("slot", tests);
}
