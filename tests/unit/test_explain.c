/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "cli/explain.h"

enum { NODES = 4 };

static struct explain_node nodes[NODES];
static bool moving;

static struct kv_version version(uint64_t number) { return (struct kv_version){.hlc = number, .id = 1}; }

/** n1, n2 and n3 are replicas and hold value 7; n4 has nothing to do with it. */
static void three_that_agree(void)
{
	static const char *const names[NODES] = {"n1", "n2", "n3", "n4"};
	moving = false;
	for (uint16_t i = 0; i < NODES; i++) {
		nodes[i] = (struct explain_node){
			.name = names[i], .index = i, .old = i < 3, .next = i < 3, .answers = true};
		nodes[i].e =
			(struct kv_explanation){.clock_ms = 1000, .disk = KV_ON_DISK_NOTHING, .config_epoch = 5};
		if (i == 3)
			continue;
		nodes[i].e.serves = nodes[i].e.is_replica = true;
		nodes[i].e.disk = KV_ON_DISK_RECORD;
		nodes[i].e.copy = nodes[i].e.version = version(7);
		nodes[i].e.value_hash = 77;
		nodes[i].e.value_size = 5;
	}
}

static void silence(unsigned i)
{
	nodes[i].answers = false;
	nodes[i].error = "UNAVAILABLE";
	nodes[i].e = (struct kv_explanation){0};
}

static void make_older(unsigned i)
{
	nodes[i].e.copy = nodes[i].e.version = version(6);
	nodes[i].e.value_hash = 66;
}

static void empty(unsigned i)
{
	nodes[i].e.copy = nodes[i].e.version = (struct kv_version){0};
	nodes[i].e.disk = KV_ON_DISK_NOTHING;
}

/** HOLDER keeps a hint for TARGET. */
static void keep_hint(unsigned holder, uint16_t target, bool key)
{
	struct kv_explanation *e = &nodes[holder].e;
	e->hints[e->hint_count++] = (struct kv_explained_hint){.target = target, .key = key, .partition = !key};
}

static void assert_verdict(enum explain_state state, int code, const char *words, const char *note)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT, notes = BUF_INIT;
	struct explain x;
	explain_judge(&x, nodes, NODES, moving);
	explain_words(&x, &text);
	explain_notes(&x, &notes);
	assert_string_equal(buf_cstr(&text), words);
	assert_int_equal(x.state, state);
	assert_int_equal(explain_exit_code(x.state), code);
	if (!note && notes.size > 0)
		fail_msg("a note too many: %s", buf_cstr(&notes));
	if (note && !strstr(buf_cstr(&notes), note))
		fail_msg("\"%s\" is not in \"%s\"", note, buf_cstr(&notes));
}

#define V6 "0000000000000006-0000000000000001"
#define V7 "0000000000000007-0000000000000001"

static void replicas_that_hold_the_same_agree(void **state)
{
	three_that_agree();
	assert_verdict(EXPLAIN_AGREE, 0, "all 3 replicas agree: version " V7 ", 5 B", NULL);
}

static void a_copy_written_back_is_the_same_value(void **state)
{
	three_that_agree();
	nodes[1].e.copy = version(9); /* by a strong read */
	assert_verdict(EXPLAIN_AGREE, 0, "all 3 replicas agree: version " V7 ", 5 B", NULL);
}

static void a_deletion_and_an_ended_life_are_agreed_on_too(void **state)
{
	three_that_agree();
	for (int i = 0; i < 3; i++)
		nodes[i].e.tombstone = true;
	assert_verdict(EXPLAIN_AGREE, 0, "all 3 replicas agree: it is deleted, version " V7, NULL);
	three_that_agree();
	for (int i = 0; i < 3; i++)
		nodes[i].e.expires_ms = 1000;
	assert_verdict(EXPLAIN_AGREE, 0, "all 3 replicas agree: version " V7 ", 5 B, whose time to live has ended",
		       NULL);
}

static void a_key_that_nobody_has_is_nowhere(void **state)
{
	three_that_agree();
	for (unsigned i = 0; i < 3; i++)
		empty(i);
	assert_verdict(EXPLAIN_NOWHERE, 3,
		       "none of the 3 replicas has it: it was never written, or its deletion is forgotten", NULL);
}

static void who_is_behind_is_named_with_where_its_hint_waits(void **state)
{
	three_that_agree();
	make_older(1);
	keep_hint(0, 1, true);
	assert_verdict(EXPLAIN_BEHIND, 0, "n2 is behind; the newest is version " V7 ", 5 B, on n1 and n3",
		       "n2 has version " V6 "; a hint waits on n1 and is delivered when it is reached\n");
	three_that_agree();
	empty(1);
	keep_hint(2, 1, false);
	assert_verdict(EXPLAIN_BEHIND, 0, "n2 is behind; the newest is version " V7 ", 5 B, on n1 and n3",
		       "n2 has nothing of it; its whole partition is marked on n3");
}

static void without_a_hint_it_is_said_what_heals(void **state)
{
	three_that_agree();
	make_older(0);
	make_older(1);
	assert_verdict(EXPLAIN_BEHIND, 0, "n1 and n2 are behind; the newest is version " V7 ", 5 B, on n3",
		       "no hint waits for it: a strong read of the key brings it up to date");
	assert_verdict(EXPLAIN_BEHIND, 0, "n1 and n2 are behind; the newest is version " V7 ", 5 B, on n3",
		       "the newest version is on 1 of 3 replicas");
}

static void a_deletion_forgotten_by_all_rules_is_not_missing(void **state)
{
	three_that_agree();
	nodes[0].e.tombstone = true;
	for (unsigned i = 1; i < 3; i++) {
		empty(i);
		nodes[i].e.drop = version(8);
	}
	assert_verdict(EXPLAIN_AGREE, 0, "all 3 replicas agree: it is deleted, version " V7, NULL);
	nodes[1].e.drop = version(6);
	assert_verdict(EXPLAIN_BEHIND, 0,
		       "n2 is behind; the newest is a deletion: it is deleted, version " V7 ", on n1",
		       "n2 has nothing of it");
}

static void a_node_that_is_down_leaves_a_majority(void **state)
{
	three_that_agree();
	silence(1);
	keep_hint(0, 1, true);
	assert_verdict(EXPLAIN_PARTIAL, 0, "2 of 3 replicas answer and agree: version " V7 ", 5 B",
		       "n2 does not answer (UNAVAILABLE); a hint waits on n1\n");
}

static void without_a_majority_strong_requests_fail(void **state)
{
	three_that_agree();
	silence(1);
	silence(2);
	assert_verdict(EXPLAIN_NO_MAJORITY, 5,
		       "1 of 3 replicas serves it: no majority, so strong requests for it fail; eventual ones are "
		       "served by n1",
		       "n3 does not answer");
	silence(0);
	assert_verdict(
		EXPLAIN_NO_MAJORITY, 5,
		"0 of 3 replicas serve it: no majority, so strong requests for it fail; eventual ones fail as "
		"well",
		"n1 does not answer");
}

static void a_damaged_record_says_who_has_it_whole(void **state)
{
	three_that_agree();
	empty(2);
	nodes[2].e.disk = KV_ON_DISK_DAMAGED;
	assert_verdict(
		EXPLAIN_DAMAGED, 10, "the record on n3 is damaged",
		"Replace it: kvctl node add ADDRESS --replace n3, then kvctl cluster commit. Nothing is lost: n1 and "
		"n2 have it whole\n");
	nodes[2].e.disk = KV_ON_DISK_UNREADABLE;
	assert_verdict(EXPLAIN_DAMAGED, 10, "the record on n3 is damaged",
		       "n3 cannot read the block its record is in");
}

static void damage_and_a_dead_node_leave_no_majority(void **state)
{
	three_that_agree();
	empty(2);
	nodes[2].e.disk = KV_ON_DISK_DAMAGED;
	silence(1);
	assert_verdict(EXPLAIN_DAMAGED, 10, "the record on n3 is damaged",
		       "1 of 3 replicas serves it: no majority");
}

static void two_values_under_one_version_are_an_alarm(void **state)
{
	three_that_agree();
	nodes[1].e.value_hash = 78;
	assert_verdict(EXPLAIN_DAMAGED, 10, "replicas hold different values under one version",
		       "n2 has another value than n1 under the same version");
}

static void a_move_tells_who_comes_and_who_goes(void **state)
{
	three_that_agree();
	moving = true;
	nodes[2].next = false;
	nodes[3].next = true;
	nodes[3].e.stage = KV_MOVE_COPYING;
	nodes[3].e.serves = nodes[3].e.is_to_be = true;
	assert_verdict(EXPLAIN_AGREE, 0, "all 4 replicas agree: version " V7 ", 5 B",
		       "n4 is becoming a replica and copies\n");
	assert_verdict(EXPLAIN_AGREE, 0, "all 4 replicas agree: version " V7 ", 5 B",
		       "n3 is a replica until the move of the partition is done\n");
	nodes[3].e.stage = KV_MOVE_DONE; /* then it must have it */
	assert_verdict(EXPLAIN_BEHIND, 0, "n4 is behind; the newest is version " V7 ", 5 B, on n1, n2 and n3",
		       "n4 has nothing of it");
}

static void a_move_needs_majorities_of_both_sets(void **state)
{
	three_that_agree();
	moving = true;
	nodes[1].next = nodes[2].next = false;
	nodes[3].next = true;
	silence(3);
	assert_verdict(
		EXPLAIN_NO_MAJORITY, 5,
		"3 of 3 present and 1 of 2 new replicas serve it: no majority, so strong requests for it fail; "
		"eventual ones are served by n1, n2 and n3",
		"n4 is becoming a replica\n");
}

static void marks_of_a_copy_are_told(void **state)
{
	three_that_agree();
	nodes[0].e.weak = true;
	nodes[1].e.promised = version(9);
	nodes[2].e.writing = true;
	const char *words = "all 3 replicas agree: version " V7 ", 5 B";
	assert_verdict(EXPLAIN_AGREE, 0, words, "n1's copy is weak");
	assert_verdict(EXPLAIN_AGREE, 0, words, "n2 has promised a ballot above its copy");
	assert_verdict(EXPLAIN_AGREE, 0, words, "n3 is just writing it to its disk");
	three_that_agree();
	nodes[2].e.fence = nodes[0].e.fence = 4;
	assert_verdict(EXPLAIN_AGREE, 0, words, "writes with a fence need at least 4\n");
}

static void an_older_map_and_a_copy_left_behind_are_told(void **state)
{
	three_that_agree();
	nodes[1].e.config_epoch = 4;
	const char *words = "all 3 replicas agree: version " V7 ", 5 B";
	assert_verdict(EXPLAIN_AGREE, 0, words, "n2 knows the partition's replicas as of map 4, others as of 5\n");
	three_that_agree();
	nodes[3].e = nodes[0].e;
	assert_verdict(EXPLAIN_AGREE, 0, words, "n4 is no replica and still has a copy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replicas_that_hold_the_same_agree),
		cmocka_unit_test(a_copy_written_back_is_the_same_value),
		cmocka_unit_test(a_deletion_and_an_ended_life_are_agreed_on_too),
		cmocka_unit_test(a_key_that_nobody_has_is_nowhere),
		cmocka_unit_test(who_is_behind_is_named_with_where_its_hint_waits),
		cmocka_unit_test(without_a_hint_it_is_said_what_heals),
		cmocka_unit_test(a_deletion_forgotten_by_all_rules_is_not_missing),
		cmocka_unit_test(a_node_that_is_down_leaves_a_majority),
		cmocka_unit_test(without_a_majority_strong_requests_fail),
		cmocka_unit_test(a_damaged_record_says_who_has_it_whole),
		cmocka_unit_test(damage_and_a_dead_node_leave_no_majority),
		cmocka_unit_test(two_values_under_one_version_are_an_alarm),
		cmocka_unit_test(a_move_tells_who_comes_and_who_goes),
		cmocka_unit_test(a_move_needs_majorities_of_both_sets),
		cmocka_unit_test(marks_of_a_copy_are_told),
		cmocka_unit_test(an_older_map_and_a_copy_left_behind_are_told),
	};
	return test_run("explain", tests);
}
