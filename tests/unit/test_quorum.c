/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/quorum.h"

static void a_majority_of_odd_and_even_sets(void **state)
{
	assert_int_equal(quorum_majority(1), 1);
	assert_int_equal(quorum_majority(3), 2);
	assert_int_equal(quorum_majority(4), 3);
	assert_int_equal(quorum_majority(5), 3);
}

static void it_is_impossible_as_soon_as_that_is_known(void **state)
{
	struct quorum q;
	quorum_init(&q, 3, 2);
	assert_int_equal(quorum_verdict(&q), QUORUM_PENDING);
	quorum_add(&q, 0, false);
	assert_int_equal(quorum_verdict(&q), QUORUM_PENDING);
	quorum_add(&q, 2, false);
	assert_int_equal(quorum_verdict(&q), QUORUM_IMPOSSIBLE);
	assert_false(quorum_complete(&q));
}

static void a_second_answer_of_one_replica_does_not_count(void **state)
{
	struct quorum q;
	quorum_init(&q, 3, 2);
	assert_true(quorum_add(&q, 1, true));
	assert_false(quorum_add(&q, 1, true));
	assert_false(quorum_add(&q, 1, false));
	assert_int_equal(quorum_verdict(&q), QUORUM_PENDING);
	assert_true(quorum_add(&q, 0, true));
	assert_int_equal(quorum_verdict(&q), QUORUM_REACHED);
}

static void enough_replicas_block_a_majority(void **state)
{
	assert_false(quorum_blocks(3, 0x1));
	assert_true(quorum_blocks(3, 0x5));
	assert_false(quorum_blocks(5, 0x3));
	assert_true(quorum_blocks(5, 0x7));
	assert_true(quorum_blocks(1, 0x1));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_majority_of_odd_and_even_sets),
		cmocka_unit_test(it_is_impossible_as_soon_as_that_is_known),
		cmocka_unit_test(a_second_answer_of_one_replica_does_not_count),
		cmocka_unit_test(enough_replicas_block_a_majority),
	};
	return test_run("quorum", tests);
}
