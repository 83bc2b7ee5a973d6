/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node that dies at each stage of a move: who copies, who is copied from, and who drives. The move goes on or is begun anew,
 * and everything is right in the end.
 *
 * KV_CLUSTER_ROUNDS: how many times a node joins and leaves (2); each brings two of the twelve cases.
 */
#include "tests/cluster/harness.h"

#include "base/clock.h"
#include "tests/cluster/change.h"
#include "tests/cluster/fill.h"
#include "tests/cluster/judge.h"
#include "tests/cluster/latency.h"

enum {
	ROUNDS = 2,
	PARTITIONS = 16,
	PROGRESS = 20,
	STAGE_MS = 15000,
	END_MS = 30000,
	SHORT_MS = 300,
	LONG_MS = 2300, /* longer than it takes to be seen down */
	SYNC_US = 100000,
	DRIVER = 0 /* the lowest index */
};

enum role { ROLE_SOURCE, ROLE_TARGET, ROLE_DRIVER, ROLES };

static const char *const role_names[] = {"source", "target", "driver"};
static const char *const stage_names[] = {"waiting", "opening", "copying", "checking", "done"};
static const enum kv_move_stage stages[] = {KV_MOVE_OPENING, KV_MOVE_COPYING, KV_MOVE_CHECKING, KV_MOVE_DONE};

static const struct fill rest = {.prefix = "rest", .count = 3000, .size = 500, .strong = true};

/** A case, and whom it strikes. */
struct crash {
	struct cluster *cluster;
	enum role role;
	enum kv_move_stage stage;
	unsigned victim; /* CHANGE_NOBODY: not known yet */
	bool over;       /* the change came to its end before */
};

static unsigned by_map_index(struct cluster *c, uint16_t node)
{
	for (unsigned i = 0; i < c->count; i++) {
		if (c->nodes[i].pid > 0 && change_map_index(c, i) == node)
			return i;
	}
	return CHANGE_NOBODY;
}

/** Whom MOVE is copied from, or will be. */
static uint16_t source_of(const struct kv_move *move)
{
	if (move->source != KV_NODE_NONE)
		return move->source;
	return move->old_nodes[move->old_count - 1];
}

static bool has_come_so_far(void *arg)
{
	struct crash *x = arg;
	cluster_check_alive(x->cluster);
	struct kv_moves *moves = change_moves(x->cluster);
	for (size_t i = 0; moves && i < moves->count && x->victim == CHANGE_NOBODY; i++) {
		const struct kv_move *move = &moves->moves[i];
		if (move->stage != x->stage)
			continue;
		unsigned who =
			x->role == ROLE_DRIVER
				? DRIVER
				: by_map_index(x->cluster, x->role == ROLE_SOURCE ? source_of(move) : move->node);
		if (x->role == ROLE_DRIVER || who != DRIVER)
			x->victim = who;
	}
	x->over = moves && moves->count == 0 && change_is_done(x->cluster);
	kv_moves_free(moves);
	return x->victim != CHANGE_NOBODY || x->over;
}

static bool always(void *arg)
{
	cluster_check_alive(arg);
	return true;
}

/** Nodes that write slowly stay longer at each stage. */
static void set_pace(struct cluster *c, uint32_t sync_us)
{
	for (unsigned i = 0; i < c->count; i++) {
		if (i != DRIVER)
			c->nodes[i].faults->sync_delay_us = sync_us;
	}
}

/** Kills whoever it is at that stage, and starts it again after a short or a long while. True if it came to that. */
static bool strike(struct cluster *c, unsigned number)
{
	/* All twelve in six rounds, and each role in fewer. */
	unsigned kind = number * 5 % (ROLES * ARRAY_SIZE(stages));
	struct crash x = {.cluster = c,
			  .role = (enum role)(kind % ROLES),
			  .stage = stages[kind / ROLES],
			  .victim = CHANGE_NOBODY};
	unsigned away_ms = number % 2 ? LONG_MS : SHORT_MS;
	harness_await(has_come_so_far, &x, STAGE_MS, "a stage of a move");
	fprintf(stderr, "# %s dies while %s: n%u, for %u ms\n", role_names[x.role], stage_names[x.stage],
		x.over ? 99 : x.victim, away_ms);
	if (x.over)
		return false;
	struct process *p = &c->nodes[x.victim];
	process_kill(p);
	p->faults->sync_delay_us = 0;
	assert_true(harness_holds(always, c, away_ms));
	/* Who is to leave may have to end at once. */
	if (c->gone[x.victim])
		process_spawn(p);
	else
		cluster_restart(c, x.victim);
	return true;
}

static unsigned join_and_leave(struct cluster *c, unsigned round)
{
	unsigned struck = 0;
	unsigned fresh = change_add(c, CHANGE_NOBODY);
	set_pace(c, SYNC_US);
	change_commit(c);
	struck += strike(c, 2 * round);
	set_pace(c, 0);
	change_await_done(c);
	change_remove(c, fresh, /* gone: */ false);
	set_pace(c, SYNC_US);
	change_commit(c);
	struck += strike(c, 2 * round + 1);
	set_pace(c, 0);
	change_await_done(c);
	assert_int_equal(change_state(c, fresh), KV_NODE_REMOVED);
	assert_int_equal(process_wait(&c->nodes[fresh], END_MS), 0);
	return struck;
}

static void who_dies_at_any_stage_of_a_move_breaks_nothing(void **state)
{
	struct cluster *c = cluster_new(&(struct cluster_options){.partitions = PARTITIONS, .faulty = true});
	unsigned rounds = harness_rounds(ROUNDS), struck = 0;
	fill_write(c, &rest);
	struct load *load = load_start(c, &(struct load_options){.prefix = "c",
								 .timeout_ms = harness_ms(3000),
								 .single_keys = 3000,
								 .clocks_are_right = true});
	load_await_progress(load, /* strong: */ true, PROGRESS);
	for (unsigned round = 0; round < rounds; round++)
		struck += join_and_leave(c, round);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
	fill_check(c, &rest);
	fill_await_equal(c, &rest, 3, END_MS);
	fprintf(stderr, "# %u of %u times somebody died\n", struck, 2 * rounds);
	assert_true(struck * 2 >= 2 * rounds);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {harness_test(who_dies_at_any_stage_of_a_move_breaks_nothing)};
	return harness_run(argc, argv, "move_crash", tests);
}
