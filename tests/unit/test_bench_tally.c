/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "cli/bench_tally.h"

/* The table of commands, and what --mix gives. */
static bool mix_of(struct bench_mix *mix, const char *text)
{
	int words;
	char *argv[] = {(char *)"bench"};
	struct buf why = BUF_INIT;
	struct ctl ctl = {0};
	ctl.command = commands_find(1, argv, &words, &why);
	args_init(&ctl.args);
	ctl.args.mix = text;
	buf_release(&why);
	return bench_mix_init(mix, &ctl);
}

static void a_mix_has_kinds_levels_and_shares(void **state)
{
	struct bench_mix mix;
	assert_true(mix_of(&mix, "get@strong=70,get@bounded=2s=20,put=9,incr=1"));
	assert_true(mix.count == 4 && mix.total == 100);
	assert_true(mix.ops[0].kind == BENCH_GET && mix.ops[0].options.level == KV_LEVEL_STRONG);
	assert_true(mix.ops[1].options.level == KV_LEVEL_BOUNDED && mix.ops[1].options.staleness_ms == 2000);
	assert_true(mix.ops[2].options.level == KV_LEVEL_EVENTUAL && mix.ops[2].share == 9);
	assert_true(mix.ops[3].options.level == KV_LEVEL_STRONG);
	assert_string_equal(mix.ops[0].prefix, mix.ops[2].prefix);
	assert_true(mix.stored_count == 2);
	assert_true(mix.ops[mix.stored[0]].options.level == KV_LEVEL_STRONG);
}

static void a_mix_that_makes_no_sense_is_refused(void **state)
{
	static const char *const texts[] = {
		"",      "get",      "get=",         "get=0",           "get@weak=1",
		"get=x", "move=1",   "get=1,,put=1", "incr@eventual=1", "put@bounded=1s=1",
		"=1",    "@strong=1"};
	struct bench_mix mix;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_false(mix_of(&mix, texts[i]));
}

static void kinds_are_drawn_by_their_shares(void **state)
{
	struct bench_mix mix;
	struct rng rng;
	size_t seen[2] = {0};
	assert_true(mix_of(&mix, "get=3,put=1"));
	rng_init(&rng, 5);
	for (int i = 0; i < 40000; i++)
		seen[bench_mix_draw(&mix, &rng)]++;
	assert_in_range(seen[0], 29600, 30400);
}

static void what_was_never_sent_counts_for_latency_and_not_for_throughput(void **state)
{
	struct bench_mix mix;
	struct bench_tally tally, sum;
	assert_true(mix_of(&mix, "put=1"));
	bench_tally_init(&tally, &mix);
	bench_tally_init(&sum, &mix);
	for (int i = 0; i < 90; i++)
		bench_tally_add(&tally, 0, KV_OK, 100);
	for (int i = 0; i < 10; i++)
		bench_tally_add_unsent(&tally, 0, 1000000);
	bench_tally_add(&tally, 0, KV_UNAVAILABLE, 5);
	bench_tally_move(&sum, &tally);
	assert_true(bench_tally_count(&tally) == 0 && bench_tally_count(&sum) == 90);
	assert_true(bench_tally_unsent(&sum) == 10);
	assert_true(bench_tally_exit_code(&sum) == 5);
	json_t *rows = bench_tally_operations(&sum, &mix, 1, /* histogram= */ true), *row = json_array_get(rows, 0);
	assert_true(json_integer_value(json_object_get(row, "count")) == 90);
	assert_in_range(json_integer_value(json_object_get(row, "p50_us")), 97, 103);
	assert_true(json_integer_value(json_object_get(row, "p99_us")) >= 968000);
	assert_true(json_array_size(json_object_get(row, "histogram")) == 2);
	json_decref(rows);
	bench_tally_release(&tally);
	bench_tally_release(&sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mix_has_kinds_levels_and_shares),
		cmocka_unit_test(a_mix_that_makes_no_sense_is_refused),
		cmocka_unit_test(kinds_are_drawn_by_their_shares),
		cmocka_unit_test(what_was_never_sent_counts_for_latency_and_not_for_throughput),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
