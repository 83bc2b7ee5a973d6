/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator as a test, on clusters that change: nodes that join, leave, die and are replaced while everything else goes
 * wrong. KV_SIM_MEMBERSHIP_SEEDS and KV_SIM_MEMBERSHIP_FIRST choose another batch.
 */
#include "tests/support/test.h"

#include "tests/sim/batch.h"

#define SEEDS_DEFAULT 2000u

static void check_reached(const struct cover *c)
{
	const uint64_t reached[] = {
		c->maps,
		c->changes_add,
		c->changes_replace,
		c->changes_leave,
		c->changes_keep,
		c->changes_gone,
		c->changes_commit,
		c->changes_weight,
		c->late_maps,
		c->changes_discard,
		c->changes_pause,
		c->changes_token,
		c->changes_address,
		c->lost_disks,
		c->corrupt_records,
		c->hellos_refused,
		c->crashes_in_step,
		c->cuts,
		c->crashes_losing,
		c->power_cuts,
		c->syncs_failed,
		c->full_disks,
		c->clock_jumps,
		c->pauses,
		c->slow_disks,
		c->swizzles,
		c->storms,
		c->cores.moves_in,
		c->cores.moves_opened,
		c->cores.moves_done,
		c->lone_acks,
	};
	static const char *const marks[] = {"voters_changed",    "move_given_up", "replica_fences",
					    "op_begins_anew",    "record_purged", "write_lacks_room",
					    "replica_lacks_room"};
	for (size_t i = 0; i < ARRAY_SIZE(reached); i++)
		assert_true(reached[i] > 0);
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		assert_true(batch_hit(marks[i]));
	batch_print_marks();
}

static void a_batch_of_seeds_whose_clusters_change_is_clean(void **state)
{
	uint64_t count = batch_number("KV_SIM_MEMBERSHIP_SEEDS", batch_number("KV_SIM_SEEDS", SEEDS_DEFAULT));
	uint64_t first = batch_number("KV_SIM_MEMBERSHIP_FIRST", 1);
	struct cover cover = {0};
	assert_int_equal(batch_run(first, count, /* membership= */ true, &cover), 0);
	if (count < SEEDS_DEFAULT)
		return;
	check_reached(&cover);
	assert_true(cover.linear_undecided < count / 20);
}

static void one_seed_gives_one_run(void **state)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct sim_options options;
		struct run_result first, second;
		struct cover cover = {0};
		batch_options(seed, /* membership= */ true, &options);
		runner_run(&options, RUNNER_BRIEF, &cover, &first);
		runner_run(&options, RUNNER_BRIEF, &cover, &second);
		assert_true(first.hash == second.hash);
		assert_true(first.events == second.events);
		buf_release(&first.text);
		buf_release(&second.text);
	}
}

/* Seeds that once found a bug, whatever the batch is. As they did: before records stayed in memory. */
static void seeds_that_once_failed_are_clean(void **state)
{
	static const uint64_t seeds[] = {346, 1676, 2786, 25986, 44130, 52352, 87500, 93344, 200182};
	struct cover cover = {0};
	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++)
		assert_true(batch_seed_is_clean(seeds[i], /* membership= */ true, 1u << SIM_CLASS_cache, &cover));
}

/* What the seed drew before stays, so that a seed of a fixed cluster means the same run as ever; but for the kinds of runs that
 * are drawn whole. */
static void changes_are_drawn_beside_the_rest(void **state)
{
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct sim_options fixed, changing;
		batch_options(seed, /* membership= */ false, &fixed);
		batch_options(seed, /* membership= */ true, &changing);
		assert_false(fixed.membership);
		assert_int_equal(fixed.spare_count, 0);
		if (seed % 5 != 0 && seed % 5 != 4)
			continue;
		assert_int_equal(changing.node_count - changing.spare_count, fixed.node_count);
		assert_int_equal(changing.crash_every_us, fixed.crash_every_us);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_drawn_beside_the_rest),
		cmocka_unit_test(one_seed_gives_one_run),
		cmocka_unit_test(seeds_that_once_failed_are_clean),
		cmocka_unit_test(a_batch_of_seeds_whose_clusters_change_is_clean),
	};
	return test_run("sim_membership", tests);
}
