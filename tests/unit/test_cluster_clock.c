/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "client/cluster_clock.h"

static const hlc_t noon = 1700000000000ull * 65536;

static void it_is_not_set_before_a_node_was_heard(void **state)
{
	struct cluster_clock c = {0};
	cluster_clock_observe(&c, 0, 5);
	cluster_clock_observe_version(&c, noon);
	assert_false(cluster_clock_is_set(&c));
	cluster_clock_observe(&c, noon, 5);
	assert_true(cluster_clock_is_set(&c));
}

static void it_goes_on_with_monotonic_time(void **state)
{
	struct cluster_clock c = {0};
	cluster_clock_observe(&c, noon, 1000);
	assert_true(cluster_clock_issue(&c, 1000 + 5 * USEC_PER_SEC) == noon + hlc_from_ms(5000));
}

static void each_value_is_greater_than_the_one_before(void **state)
{
	struct cluster_clock c = {0};
	cluster_clock_observe(&c, noon, 1000);
	hlc_t last = cluster_clock_issue(&c, 1000);
	for (int i = 0; i < 1000; i++) {
		hlc_t next = cluster_clock_issue(&c, 1000);
		assert_true(next > last);
		last = next;
	}
}

static void a_reading_far_behind_is_ignored(void **state)
{
	struct cluster_clock c = {0};
	cluster_clock_observe(&c, noon, 1000);
	cluster_clock_observe(&c, noon - hlc_from_ms(60000), 2000);
	assert_true(cluster_clock_issue(&c, 2000) >= noon + hlc_from_ms(1));
}

/* A node that waits for its clock tells its durable limit, up to a second ahead; others may repeat half of that. */
static void the_lead_of_a_restarting_node_does_not_last(void **state)
{
	struct cluster_clock c = {0};
	cluster_clock_observe(&c, noon + hlc_from_ms(900), 0);
	hlc_t first = cluster_clock_issue(&c, 0);
	cluster_clock_observe(&c, noon, 0);
	assert_true(cluster_clock_issue(&c, 0) == first + 1); /* not back */
	assert_true(cluster_clock_issue(&c, USEC_PER_SEC) == noon + hlc_from_ms(1000));
}

static void values_lie_above_versions_that_were_seen(void **state)
{
	struct cluster_clock c = {0};
	cluster_clock_observe(&c, noon, 1000);
	cluster_clock_observe_version(&c, noon + hlc_from_ms(300));
	assert_true(cluster_clock_issue(&c, 1000) == noon + hlc_from_ms(300) + 1);
}

static void a_refusal_sets_a_clock_back_that_a_wrong_node_had_set(void **state)
{
	struct cluster_clock c = {0};
	cluster_clock_observe(&c, noon + hlc_from_ms(600000), 1000);
	assert_true(cluster_clock_issue(&c, 1000) >= noon + hlc_from_ms(600000));
	cluster_clock_correct(&c, 0, 2000);
	assert_true(cluster_clock_issue(&c, 2000) >= noon + hlc_from_ms(600000));
	cluster_clock_correct(&c, noon, 3000);
	assert_true(cluster_clock_issue(&c, 3000) == noon);
	/* A node that is ahead itself has nothing to correct. */
	cluster_clock_correct(&c, noon + hlc_from_ms(5), 3000);
	assert_true(cluster_clock_issue(&c, 3000) == noon + 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_not_set_before_a_node_was_heard),
		cmocka_unit_test(it_goes_on_with_monotonic_time),
		cmocka_unit_test(each_value_is_greater_than_the_one_before),
		cmocka_unit_test(a_reading_far_behind_is_ignored),
		cmocka_unit_test(the_lead_of_a_restarting_node_does_not_last),
		cmocka_unit_test(values_lie_above_versions_that_were_seen),
		cmocka_unit_test(a_refusal_sets_a_clock_back_that_a_wrong_node_had_set),
	};
	return test_run("cluster_clock", tests);
}
