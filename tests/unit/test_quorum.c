/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "replication/quorum.h"

/** A row without a move. */
static struct row whole(uint32_t count)
{
	uint32_t everyone = (1u << count) - 1;
	return (struct row){.count = count, .old = everyone, .next = everyone};
}

/** {0, 1, 2} becomes {0, 1, 3}. */
static const struct row one_moves = {.count = 4, .old = 0x7, .next = 0xb};

/** {0, 1, 2} becomes {2, 3, 4}. */
static const struct row two_move = {.count = 5, .old = 0x7, .next = 0x1c};

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
	struct row row = whole(3);
	quorum_init(&q, &row, need_majority(&row));
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
	struct row row = whole(3);
	quorum_init(&q, &row, need_majority(&row));
	assert_true(quorum_add(&q, 1, true));
	assert_false(quorum_add(&q, 1, true));
	assert_false(quorum_add(&q, 1, false));
	assert_int_equal(quorum_verdict(&q), QUORUM_PENDING);
	assert_true(quorum_add(&q, 0, true));
	assert_int_equal(quorum_verdict(&q), QUORUM_REACHED);
}

static void enough_replicas_block_a_majority(void **state)
{
	assert_false(quorum_blocks(0x7, 0x1));
	assert_true(quorum_blocks(0x7, 0x5));
	assert_false(quorum_blocks(0x1f, 0x3));
	assert_true(quorum_blocks(0x1f, 0x7));
	assert_true(quorum_blocks(0x1, 0x1));
	assert_false(quorum_blocks(0x7, 0x38)); /* of others */
}

static void a_joint_majority_is_one_of_each_set(void **state)
{
	assert_true(row_majority(&one_moves, 0x3));  /* 0 1 are in both */
	assert_true(row_majority(&one_moves, 0xd));  /* 0 2, 0 3 */
	assert_false(row_majority(&one_moves, 0x5)); /* 0 2, of the next set only 0 */
	assert_false(row_majority(&one_moves, 0x9)); /* 0 3, of the old set only 0 */
	assert_true(row_old_majority(&one_moves, 0x5));
	assert_false(row_majority(&two_move, 0x7));
	assert_false(row_majority(&two_move, 0x1c));
	assert_true(row_majority(&two_move, 0xd)); /* 0 2, 2 3 */
	assert_false(row_majority(&two_move, 0xb));
}

/** By force: the answers of any two majorities of a joint row meet in each set. */
static void joint_majorities_meet_in_both_sets(void **state)
{
	const struct row *rows[] = {&one_moves, &two_move};
	for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
		for (uint32_t a = 0; a <= row_everyone(rows[r]); a++) {
			bool majority = row_majority(rows[r], a);
			uint32_t rest = row_everyone(rows[r]) & ~a;
			/* What blocks it is what leaves no majority to the others. */
			assert_int_equal(row_blocks_any(rows[r], a), !row_majority(rows[r], rest));
			assert_true(!row_blocks_all(rows[r], a) || row_blocks_any(rows[r], a));
			for (uint32_t b = 0; majority && b <= row_everyone(rows[r]); b++) {
				if (!row_majority(rows[r], b))
					continue;
				assert_true(a & b & rows[r]->old);
				assert_true(a & b & rows[r]->next);
			}
		}
	}
}

static void blocking_both_sets_is_more_than_blocking_one(void **state)
{
	assert_true(row_blocks_any(&one_moves, 0x5));
	assert_false(row_blocks_all(&one_moves, 0x5)); /* 1 3 remain of the next set */
	assert_true(row_blocks_all(&one_moves, 0x3));
	assert_true(row_blocks_all(&one_moves, 0xd));
	assert_false(row_blocks_all(&two_move, 0x18));
	assert_true(row_blocks_all(&two_move, 0xd));
}

static void a_joint_phase_waits_for_both_sets(void **state)
{
	struct quorum q;
	quorum_init(&q, &one_moves, need_majority(&one_moves));
	quorum_add(&q, 0, true);
	quorum_add(&q, 2, true);
	assert_int_equal(quorum_verdict(&q), QUORUM_PENDING);
	quorum_add(&q, 3, true);
	assert_int_equal(quorum_verdict(&q), QUORUM_REACHED);
	quorum_init(&q, &one_moves, need_majority(&one_moves));
	quorum_add(&q, 1, false);
	quorum_add(&q, 3, false);
	assert_int_equal(quorum_verdict(&q), QUORUM_IMPOSSIBLE); /* of the next set only 0 is left */
}

static void eventual_acknowledgements_count_in_the_old_set(void **state)
{
	struct quorum q;
	quorum_init(&q, &one_moves, need_old(1));
	quorum_add(&q, 3, true);
	assert_int_equal(quorum_verdict(&q), QUORUM_PENDING);
	quorum_add(&q, 2, true);
	assert_int_equal(quorum_verdict(&q), QUORUM_REACHED);
	quorum_init(&q, &one_moves, need_old(1));
	for (uint32_t i = 0; i < 3; i++)
		quorum_add(&q, i, false);
	assert_int_equal(quorum_verdict(&q), QUORUM_IMPOSSIBLE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_majority_of_odd_and_even_sets),
		cmocka_unit_test(it_is_impossible_as_soon_as_that_is_known),
		cmocka_unit_test(a_second_answer_of_one_replica_does_not_count),
		cmocka_unit_test(enough_replicas_block_a_majority),
		cmocka_unit_test(a_joint_majority_is_one_of_each_set),
		cmocka_unit_test(joint_majorities_meet_in_both_sets),
		cmocka_unit_test(blocking_both_sets_is_more_than_blocking_one),
		cmocka_unit_test(a_joint_phase_waits_for_both_sets),
		cmocka_unit_test(eventual_acknowledgements_count_in_the_old_set),
	};
	return test_run("quorum", tests);
}
