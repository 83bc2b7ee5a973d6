/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map's register under random schedules: proposers on several nodes at a time, voters that change, messages lost, late and
 * doubled, crashes at any step, and in the end nodes that go for good as soon as they are told that others vote.
 *
 * Checked: one map an epoch, no node ever goes back, each map was made from the one before it, what was told done is in the chain,
 * and when all is well again those who are left can still change the map.
 *
 * With --mutants, in a build that has them: each seeded bug of the register must be noticed.
 */
#include "tests/support/death.h"

#include "base/mutant.h"
#include "tests/unit/map_world.h"

enum { EPOCHS = 1000, RUNS = SANITIZED ? 200 : 3000, MUTANT_RUNS = 6000 };

/** What is known of the map of an epoch. */
struct link {
	bool known;
	uint64_t hash;
	uint32_t mark, parent;
	uint32_t voter_count;
	node_id voters[VOTERS_MAX];
};

struct run {
	struct world w;
	struct link chain[EPOCHS];
	uint64_t epoch_max;             /* known */
	uint64_t in_force[WORLD_NODES]; /* durable on each node */
	uint32_t marks;                 /* proposals so far */
	uint32_t asked[WORLD_NODES];    /* mark of the proposal under way on each node */
	uint64_t asked_epoch[WORLD_NODES];
	bool asked_late[WORLD_NODES]; /* since leaving is set */
	uint64_t done_epoch;          /* greatest of a proposal told done */
	bool leaving[WORLD_NODES];    /* go for good when told that they may */
	bool may_go;                  /* they may, from now on */
	bool gone;
	usec_t go_us;
	const char *wrong; /* the first rule found broken */
};

static void fail_run(struct run *r, const char *why)
{
	if (!r->wrong)
		r->wrong = why;
}

/** A node takes MAP over, or has it: every node must have the same. */
static void saw_map(struct run *r, const struct map_desc *map)
{
	struct link *l = &r->chain[map->epoch];
	uint64_t hash = map_image_hash(map);
	KV_ASSERT(map->epoch < EPOCHS);
	if (l->known) {
		if (l->hash != hash)
			fail_run(r, "two maps have one epoch");
		return;
	}
	*l = (struct link){.known = true,
			   .hash = hash,
			   .mark = map->nodes[0].weight,
			   .parent = map->nodes[1].weight,
			   .voter_count = map->voter_count};
	memcpy(l->voters, map->voters, sizeof l->voters);
	r->epoch_max = MAX(r->epoch_max, map->epoch);
	const struct link *before = &r->chain[map->epoch - 1];
	if (map->epoch > 1 && before->known && l->parent != before->mark)
		fail_run(r, "a map was not made from the one before it");
	const struct link *after = &r->chain[map->epoch + 1];
	if (after->known && after->parent != l->mark)
		fail_run(r, "a map was not made from the one before it");
}

static void on_save(void *owner, node_id node, const struct map_desc *map)
{
	(void)node;
	saw_map(owner, map);
}

static void on_force(void *owner, node_id node, const struct map_desc *map)
{
	struct run *r = owner;
	saw_map(r, map);
	if (map->epoch < r->in_force[node])
		fail_run(r, "a node went back to an older map");
	r->in_force[node] = map->epoch;
}

/* ---- proposals ---- */

static void leave_for_good(struct run *r)
{
	r->gone = true;
	for (node_id i = 0; i < r->w.node_count; i++) {
		if (!r->leaving[i])
			continue;
		r->w.nodes[i].gone = true;
		/* The core of the moment is on the stack: it is taken down by whoever runs the world. */
		r->w.nodes[i].stopped = true;
		r->w.nodes[i].cut_until_us = USEC_NEVER;
	}
	r->go_us = r->w.now_us;
}

static void on_verdict(struct node_core *core, void *owner, enum map_verdict verdict)
{
	struct run *r = owner;
	node_id node = core->self;
	uint64_t epoch = r->asked_epoch[node];
	uint32_t mark = r->asked[node];
	r->asked[node] = 0;
	if (verdict != MAP_DONE)
		return;
	r->done_epoch = MAX(r->done_epoch, epoch);
	if (!r->chain[epoch].known || r->chain[epoch].mark != mark)
		fail_run(r, "what was told done is not in the chain");
	if (r->may_go && !r->gone && r->asked_late[node])
		leave_for_good(r);
}

static void draw_voters(struct run *r, struct map_desc *map)
{
	node_id nodes[WORLD_NODES];
	uint32_t count = 0;
	for (node_id i = 0; i < r->w.node_count; i++) {
		if (!(r->may_go && r->leaving[i]))
			nodes[count++] = i;
	}
	map->voter_count = count >= 3 && rng_chance(&r->w.rng, 500000) ? 3 : 1;
	for (uint32_t i = 0; i < map->voter_count; i++) {
		uint32_t at = (uint32_t)rng_below(&r->w.rng, count);
		map->voters[i] = nodes[at];
		nodes[at] = nodes[--count];
	}
}

/** Another map, marked with a number of its own and that of the map it follows. */
static void propose(struct run *r, node_id node)
{
	struct world *w = &r->w;
	struct node_core *core = w->nodes[node].core;
	struct map_draft d;
	if (!core || !core->map || w->nodes[node].gone || core->map->desc.epoch + 3 >= EPOCHS ||
	    map_register_is_busy(core))
		return;
	map_draft_init(&d, &core->map->desc);
	d.nodes[1].weight = d.nodes[0].weight;
	d.nodes[0].weight = r->marks + 2;
	if (r->may_go || rng_chance(&w->rng, 700000))
		draw_voters(r, &d.desc);
	r->asked[node] = ++r->marks + 1;
	r->asked_epoch[node] = d.desc.epoch;
	r->asked_late[node] = r->may_go;
	world_begin(w, node);
	map_register_propose(core, &d.desc, w->now_us + rng_between(&w->rng, 200000, 5000000), on_verdict, r);
	world_end(w, node);
	map_draft_release(&d);
}

/* ---- a run ---- */

static void boot(struct run *r, node_id node)
{
	world_start(&r->w, node);
	r->asked[node] = 0;
	/* Proposals are the test's own. */
	r->w.nodes[node].core->driver.next_us = USEC_NEVER;
}

/** Something that happens to the cluster. */
static void disturb(struct run *r)
{
	struct world *w = &r->w;
	node_id node = (node_id)rng_below(&w->rng, w->node_count);
	switch (rng_below(&w->rng, 8)) {
	case 0:
		if (world_is_up(w, node))
			world_crash(w, node);
		break;
	case 1:
	case 2:
		if (!world_is_up(w, node) && !w->nodes[node].gone)
			boot(r, node);
		break;
	case 3:
		w->nodes[node].cut_until_us =
			MAX(w->nodes[node].cut_until_us, w->now_us + rng_between(&w->rng, 10000, 1500000));
		break;
	default:
		propose(r, node);
	}
}

static void take_down_the_gone(struct run *r)
{
	for (node_id i = 0; i < r->w.node_count; i++) {
		if (r->w.nodes[i].gone && world_is_up(&r->w, i))
			world_crash(&r->w, i);
	}
}

static void run_until(struct run *r, usec_t end_us)
{
	while (!r->wrong && world_step(&r->w, end_us)) {
		if (r->gone)
			take_down_the_gone(r);
	}
}

/** All is well again: those who are left must be able to make another map. */
static void heal(struct run *r)
{
	struct world *w = &r->w;
	w->loss_ppm = w->double_ppm = w->late_ppm = 0;
	for (node_id i = 0; i < w->node_count; i++) {
		if (w->nodes[i].gone)
			continue;
		w->nodes[i].cut_until_us = 0;
		if (!world_is_up(w, i))
			boot(r, i);
	}
	uint64_t before = r->epoch_max;
	bool gone = r->gone;
	for (uint32_t i = 0; i < 300 && !r->wrong && r->done_epoch <= before; i++) {
		propose(r, (node_id)rng_below(&w->rng, w->node_count));
		run_until(r, w->now_us + 100000);
		if (r->gone != gone) {
			gone = r->gone;
			before = r->epoch_max; /* by those who went: the others must get beyond it */
		}
	}
	if (r->done_epoch <= before)
		fail_run(r, "the map cannot be changed any more");
	r->may_go = false;
	run_until(r, w->now_us + 5 * USEC_PER_SEC);
	for (node_id i = 0; i < w->node_count; i++) {
		if (!w->nodes[i].gone && world_epoch(w, i) != r->epoch_max)
			fail_run(r, "a node did not get the newest map");
	}
}

/** Chooses who leaves. From now on no map names them as voters. */
static void begin_leaving(struct run *r)
{
	uint32_t count = r->w.node_count;
	uint32_t stay = (uint32_t)rng_between(&r->w.rng, 1, count - 1);
	for (uint32_t i = 0; i < count; i++)
		r->leaving[i] = true;
	for (uint32_t i = 0; i < stay; i++)
		r->leaving[rng_below(&r->w.rng, count)] = false;
	r->may_go = true;
}

/** NULL, or the rule that was broken. */
static const char *run_seed(uint64_t seed)
{
	struct run *r = xcalloc(1, sizeof *r);
	struct world *w = &r->w;
	struct rng rng;
	rng_init(&rng, seed);
	uint32_t count = (uint32_t)rng_between(&rng, 3, 6);
	world_init(w, seed, count, count);
	w->owner = r;
	w->saves = on_save;
	w->in_force = on_force;
	w->loss_ppm = (uint32_t)(rng_below(&rng, 4) * 60000);
	w->double_ppm = (uint32_t)(rng_below(&rng, 3) * 80000);
	w->late_ppm = (uint32_t)(rng_below(&rng, 3) * 60000);
	w->delay_max_us = rng_between(&rng, 1, 40) * 1000;
	saw_map(r, &w->map);
	for (node_id i = 0; i < count; i++)
		boot(r, i);
	usec_t end_us = w->now_us + rng_between(&rng, 1, 6) * USEC_PER_SEC;
	usec_t leave_us = rng_chance(&rng, 600000) ? w->now_us + rng_between(&rng, 100000, 3000000) : USEC_NEVER;
	usec_t pace_us = rng_between(&rng, 5000, 300000);
	while (w->now_us < end_us && !r->wrong) {
		run_until(r, w->now_us + rng_between(&rng, 1000, pace_us));
		if (w->now_us >= leave_us && !r->may_go)
			begin_leaving(r);
		if (!r->wrong)
			disturb(r);
		take_down_the_gone(r);
	}
	if (!r->wrong)
		heal(r);
	const char *wrong = r->wrong;
	world_release(w);
	free(r);
	return wrong;
}

/* ---- tests ---- */

static void random_schedules_end_in_one_chain_of_maps(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= RUNS; seed++) {
		const char *wrong = run_seed(seed);
		if (wrong)
			fail_msg("seed %llu: %s", (unsigned long long)seed, wrong);
	}
}

/** In a child, for a broken rule may also stop the process. Ends with 1 if something was noticed. */
static bool is_noticed(enum mutant mutant)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		death_prepare_child();
		bool on = mutant_switch(mutant);
		for (uint64_t seed = 1; on && seed <= MUTANT_RUNS; seed++) {
			const char *wrong = run_seed(seed);
			if (wrong) {
				printf("# %s: seed %llu: %s\n", mutant_name(mutant), (unsigned long long)seed,
				       wrong);
				fflush(stdout);
				_exit(1);
			}
		}
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void each_seeded_bug_is_noticed(void **state)
{
	static const enum mutant mutants[] = {MUTANT_mapearly, MUTANT_mapforget, MUTANT_mapvoters, MUTANT_mapfresh,
					      MUTANT_mapnojoint};
	(void)state;
	for (size_t i = 0; mutant_is_built() && i < ARRAY_SIZE(mutants); i++) {
		if (!is_noticed(mutants[i]))
			fail_msg("mutant %s was not noticed", mutant_name(mutants[i]));
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
		const char *wrong = run_seed(strtoull(argv[2], NULL, 10));
		printf("%s\n", wrong ? wrong : "ok");
		return wrong ? 1 : 0;
	}
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_schedules_end_in_one_chain_of_maps),
		cmocka_unit_test(each_seeded_bug_is_noticed),
	};
	return test_run("map_register", tests);
}
