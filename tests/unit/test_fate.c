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
	op.row.count = 3;
	op.replies[0].valid = op.replies[1].valid = true;
	return op;
}

static void an_attempt_that_no_majority_can_have_is_dead(void **state)
{
	struct op op = op_alone(in_lane(7, 1), 10);
	struct record m = {.ver = ver(5), .rid = in_lane(8, 1)};
	assert_int_equal(fate_judge(&op, &m).fate, FATE_DEAD);
	op.replies[1].memory_floor = ver(11);
	assert_int_equal(fate_judge(&op, &m).fate, FATE_OPEN);
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attempt_that_no_majority_can_have_is_dead),
		cmocka_unit_test(a_weak_record_whose_lane_has_replaced_the_attempt_may_be_built_on_it),
	};
	return test_run("fate", tests);
}
