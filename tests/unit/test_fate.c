/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/fate.h"

static struct version ver(uint64_t n) { return (struct version){.hlc = n, .id = 0}; }

/** Number SEQ in a client's lane. */
static struct request_id in_lane(uint64_t client, uint64_t seq)
{
	return (struct request_id){.client = client, .seq = REQUEST_LANE | seq};
}

/** One attempt, of which two of three replicas with full memories know nothing. */
static struct op op_alone(struct request_id rid, uint64_t attempt)
{
	struct op op = {.opcode = OP_ADD, .rid = rid, .attempt_count = 1, .attempts = {ver(attempt)}};
	op.row = (struct row){.count = 3, .old = 7, .next = 7};
	op.replies[0].valid = op.replies[1].valid = true;
	return op;
}

static void an_attempt_that_no_majority_can_have_is_dead(void **state)
{
	struct op op = op_alone(in_lane(7, 1), 10);
	struct record m = {.ver = ver(15), .rid = in_lane(8, 1)};
	assert_int_equal(fate_judge(&op, &m).fate, FATE_DEAD);
	op.replies[1].memory_floor = ver(11);
	assert_int_equal(fate_judge(&op, &m).fate, FATE_OPEN);
}

static void an_attempt_that_a_whole_lineage_passes_by_is_dead(void **state)
{
	struct op op = op_alone(in_lane(7, 1), 10);
	op.replies[0].memory_floor = op.replies[1].memory_floor = ver(50);
	struct lineage lin[] = {{.ver = ver(20)}, {.ver = ver(8)}};
	struct record m = {.ver = ver(30), .lin_count = 2, .lin = lin};
	assert_int_equal(fate_judge(&op, &m).fate, FATE_DEAD);
	/* One that ends above it, or was cut above it, may have had it. */
	m.lin_count = 1;
	assert_int_equal(fate_judge(&op, &m).fate, FATE_OPEN);
	m.lin_count = 2;
	m.lin_floor = ver(10);
	assert_int_equal(fate_judge(&op, &m).fate, FATE_OPEN);
	/* A record below it cannot have passed it by at a majority. */
	m = (struct record){.ver = ver(5)};
	assert_int_equal(fate_judge(&op, &m).fate, FATE_DEAD);
	lin[0].ver = ver(10);
	m = (struct record){.ver = ver(30), .lin_count = 2, .lin = lin};
	assert_int_equal(fate_judge(&op, &m).fate, FATE_ANCESTOR);
}

static void a_retry_needs_a_lineage_or_memories_that_reach_back_to_it(void **state)
{
	struct op op = op_alone(in_lane(7, 1), 0);
	hlc_t second = hlc_from_ms(1000);
	op.attempt_count = 0;
	op.retry = true;
	op.t0 = 100 * second;
	op.replies[0].memory_floor = op.replies[1].memory_floor = ver(200 * second);
	struct lineage lin[] = {{.ver = ver(101 * second)}, {.ver = ver(99 * second)}};
	struct record m = {.ver = ver(102 * second), .lin_count = 1, .lin = lin};
	assert_true(fate_judge(&op, &m).expired);
	m.lin_count = 2;
	assert_int_equal(fate_judge(&op, &m).fate, FATE_DEAD);
	m.lin_count = 1;
	op.replies[0].memory_floor = op.replies[1].memory_floor = ver(90 * second);
	assert_int_equal(fate_judge(&op, &m).fate, FATE_DEAD);
}

static void nothing_is_dead_whose_traces_may_have_been_dropped(void **state)
{
	struct op op = op_alone(in_lane(7, 1), 10);
	op.replies[0].memory_floor = op.replies[1].memory_floor = ver(50);
	struct record absent = {.lin_floor = ver(50)};
	assert_int_equal(fate_judge(&op, &absent).fate, FATE_OPEN);
	/* A key that never was there, or was dropped before. */
	absent.lin_floor = ver(9);
	assert_int_equal(fate_judge(&op, &absent).fate, FATE_DEAD);
}

static void a_weak_record_whose_lane_has_replaced_the_attempt_may_be_built_on_it(void **state)
{
	struct op op = op_alone(in_lane(7, 1), 10);
	/* 10 is below 20, but the lineage of 30 has only the lane's last one. */
	struct lineage lin[] = {{.ver = ver(20), .rid = in_lane(8, 1)}};
	struct record m = {.ver = ver(30), .weak = true, .rid = in_lane(7, 2), .lin_count = 1, .lin = lin};
	assert_int_equal(fate_judge(&op, &m).fate, FATE_OPEN);
	assert_true(fate_judge(&op, &m).over);
	struct lineage longer[] = {{.ver = ver(30), .rid = in_lane(7, 2)}, lin[0]};
	m = (struct record){.ver = ver(40), .weak = true, .rid = in_lane(9, 1), .lin_count = 2, .lin = longer};
	assert_int_equal(fate_judge(&op, &m).fate, FATE_OPEN);
	/* A later one in another lane tells nothing. */
	m = (struct record){.ver = ver(30), .weak = true, .rid = in_lane(9, 2)};
	assert_int_equal(fate_judge(&op, &m).fate, FATE_DEAD);
}

/** Positions 0 1 2 are the old members, 0 1 3 the next ones. */
static const struct row changing = {.count = 4, .old = 0x7, .next = 0xb};

static void tells_copy(struct op *op, uint32_t position, struct carrier *carrier)
{
	op->replies[position].valid = true;
	op->replies[position].carriers = carrier;
	op->replies[position].carrier_count = 1;
}

static void while_the_row_changes_an_attempt_is_effective_by_majorities_of_both_sets_only(void **state)
{
	struct op op = op_alone(in_lane(7, 1), 10);
	struct record m = {.ver = ver(30)};
	struct carrier carrier = {.copy = ver(12), .attempt = ver(10), .result = 4};
	op.row = changing;
	op.replies[0].memory_floor = op.replies[1].memory_floor = ver(20);
	tells_copy(&op, 0, &carrier);
	tells_copy(&op, 2, &carrier);
	assert_int_equal(fate_judge(&op, &m).fate, FATE_OPEN); /* of the next set only 0 has it */
	tells_copy(&op, 3, &carrier);
	assert_int_equal(fate_judge(&op, &m).fate, FATE_EFFECTIVE);
	assert_int_equal(fate_judge(&op, &m).result, 4);
	op.replies[2] = (struct op_reply){0};
	assert_int_equal(fate_judge(&op, &m).fate, FATE_OPEN); /* and of the old set only 0 */
}

static void while_the_row_changes_an_attempt_is_dead_where_no_majority_of_either_set_can_have_it(void **state)
{
	struct op op = op_alone(in_lane(7, 1), 10);
	struct record m = {.ver = ver(30)};
	op.row = changing;
	assert_int_equal(fate_judge(&op, &m).fate, FATE_DEAD); /* 0 and 1 are two of three in both */
	op.replies[1] = (struct op_reply){0};
	op.replies[2].valid = true;
	assert_int_equal(fate_judge(&op, &m).fate, FATE_OPEN); /* 1 and 3 may have it, and are a majority one day */
	op.replies[3].valid = true;
	assert_int_equal(fate_judge(&op, &m).fate, FATE_DEAD);
	/* What a new member did before it joined it cannot tell. */
	op.replies[3].memory_floor = ver(25);
	assert_int_equal(fate_judge(&op, &m).fate, FATE_OPEN);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attempt_that_no_majority_can_have_is_dead),
		cmocka_unit_test(an_attempt_that_a_whole_lineage_passes_by_is_dead),
		cmocka_unit_test(a_retry_needs_a_lineage_or_memories_that_reach_back_to_it),
		cmocka_unit_test(nothing_is_dead_whose_traces_may_have_been_dropped),
		cmocka_unit_test(a_weak_record_whose_lane_has_replaced_the_attempt_may_be_built_on_it),
		cmocka_unit_test(while_the_row_changes_an_attempt_is_effective_by_majorities_of_both_sets_only),
		cmocka_unit_test(
			while_the_row_changes_an_attempt_is_dead_where_no_majority_of_either_set_can_have_it),
	};
	return test_run("fate", tests);
}
