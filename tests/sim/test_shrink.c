/* SPDX-License-Identifier: Apache-2.0 */
/* Options as arguments, classes and ranges taken out, and the search for a smaller failure. */
#include "tests/support/test.h"

#include "tests/sim/arguments.h"
#include "tests/sim/shrink.h"

#define ARGUMENTS_MAX 32

/* Parses a command line of words separated by single blanks. */
static bool parse(const char *line, struct arguments *ret)
{
	char text[1024];
	char *words[ARGUMENTS_MAX];
	int count = 0;
	snprintf(text, sizeof text, "kvsim %s", line);
	for (char *word = text; word; count++) {
		assert_true(count < ARGUMENTS_MAX);
		words[count] = word;
		char *blank = strchr(word, ' ');
		if (blank)
			*blank = 0;
		word = blank ? blank + 1 : NULL;
	}
	return arguments_parse(count, words, ret);
}

static void arguments_are_taken_as_given(void **state)
{
	struct arguments a;
	assert_true(parse("--seed 7 --count 9 --nodes 5 --without crash,cut --ops 37 --skip 3-4,9-11", &a));
	assert_int_equal(a.seed, 7);
	assert_int_equal(a.count, 9);
	assert_int_equal(a.nodes, 5);
	assert_int_equal(a.without, 1u << SIM_CLASS_crash | 1u << SIM_CLASS_cut);
	assert_int_equal(a.op_count, 37);
	assert_int_equal(a.skip_count, 2);
	assert_int_equal(a.skips[1].last, 11);
}

static void wrong_arguments_are_refused(void **state)
{
	static const char *const wrong[] = {
		"--seed",          "--seed x",          "--seed -1",    "--nodes 2",
		"--nodes 10",      "--without nothing", "--skip 4-3",   "--skip 4",
		"--ops 0",         "--mutant no",       "--clients 99", "stray",
		"--no-such-thing", "--skip 1-2;3-4",
	};
	struct arguments a;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(parse(wrong[i], &a));
}

static void changed_options_come_back_from_their_arguments(void **state)
{
	struct sim_options o, again;
	struct arguments a;
	struct buf text = BUF_INIT;
	sim_options_draw(4711, 0, &o);
	for (int class = 0; class < SIM_CLASS_COUNT; class += 2)
		(void)sim_options_take_out(&o, (enum sim_class) class);
	o.op_count = 40;
	assert_true(sim_options_skip(&o, 3, 5));
	assert_true(sim_options_skip(&o, 30, 39));
	sim_options_arguments(&o, 0, &text);
	assert_true(parse(buf_cstr(&text), &a));
	arguments_options(&a, a.seed, &again);
	assert_memory_equal(&o, &again, sizeof o);
	buf_release(&text);
}

static void ranges_that_touch_become_one(void **state)
{
	struct sim_options o = {.op_count = 100};
	assert_true(sim_options_skip(&o, 10, 19));
	assert_true(sim_options_skip(&o, 30, 39));
	assert_int_equal(o.skip_count, 2);
	assert_true(sim_options_skip(&o, 20, 29));
	assert_int_equal(o.skip_count, 1);
	assert_int_equal(sim_options_ops(&o), 70);
	assert_true(sim_options_skips(&o, 10));
	assert_true(sim_options_skips(&o, 39));
	assert_false(sim_options_skips(&o, 40));
}

static void too_many_ranges_are_refused(void **state)
{
	struct sim_options o = {.op_count = 1000};
	for (uint32_t i = 0; i < SIM_SKIPS_MAX; i++)
		assert_true(sim_options_skip(&o, 10 * i, 10 * i + 1));
	assert_false(sim_options_skip(&o, 900, 900));
	assert_int_equal(o.skip_count, SIM_SKIPS_MAX);
	assert_true(sim_options_skip(&o, 2, 2)); /* touches one */
}

static void a_class_taken_out_stays_out(void **state)
{
	for (int class = 0; class < SIM_CLASS_COUNT; class ++) {
		bool found = false;
		for (uint64_t seed = 0; seed < 200; seed++) {
			struct sim_options o;
			sim_options_draw(seed, 0, &o);
			sim_options_add_changes(&o);
			found |= sim_options_take_out(&o, (enum sim_class) class);
			assert_false(sim_options_take_out(&o, (enum sim_class) class));
		}
		if (!found)
			print_message("# no seed has %s\n", sim_class_name((enum sim_class) class));
		assert_true(found);
	}
}

/* A failure that needs crashes, two of the operations and nothing else. */
static bool needs_crashes_and_two_operations(void *arg, const struct sim_options *o)
{
	return o->crash_every_us && o->op_count > 60 && !sim_options_skips(o, 17) && !sim_options_skips(o, 60);
}

static bool never_over(void *arg) { return false; }

static void a_failure_shrinks_to_what_it_needs(void **state)
{
	struct sim_options o;
	uint64_t seed = 0;
	do
		sim_options_draw(seed++, 0, &o);
	while (!o.crash_every_us || o.client_count < 2);
	struct shrink s = {.fails = needs_crashes_and_two_operations, .is_over = never_over};
	shrink_options(&s, &o);
	assert_int_equal(sim_options_ops(&o), 2);
	assert_int_equal(o.op_count, 61);
	assert_int_equal(o.client_count, 1);
	assert_int_equal(o.key_count, 1);
	assert_true(o.crash_every_us);
	assert_int_equal(o.drop_ppm + o.repeat_ppm, 0);
}

static bool at_once_over(void *arg) { return true; }

static void a_search_without_time_changes_nothing(void **state)
{
	struct sim_options o, before;
	sim_options_draw(3, 0, &o);
	before = o;
	struct shrink s = {.fails = needs_crashes_and_two_operations, .is_over = at_once_over};
	shrink_options(&s, &o);
	assert_memory_equal(&o, &before, sizeof o);
	assert_int_equal(s.tried, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_are_taken_as_given),
		cmocka_unit_test(wrong_arguments_are_refused),
		cmocka_unit_test(changed_options_come_back_from_their_arguments),
		cmocka_unit_test(ranges_that_touch_become_one),
		cmocka_unit_test(too_many_ranges_are_refused),
		cmocka_unit_test(a_class_taken_out_stays_out),
		cmocka_unit_test(a_failure_shrinks_to_what_it_needs),
		cmocka_unit_test(a_search_without_time_changes_nothing),
	};
	return test_run("sim_shrink", tests);
}
