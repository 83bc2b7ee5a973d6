/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/runner.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>

#include "tests/sim/sim.h"

#define MEMORY_KEPT_MAX (256 << 20)

static struct sim *running;

/* The process is dying of a failed assertion; nothing here needs to be safe but itself. */
static void on_abort(int signal_number)
{
	struct sim *sim = running;
	running = NULL;
	signal(signal_number, SIG_DFL);
	if (!sim)
		return;
	struct buf text = BUF_INIT;
	verdict_fail(&sim->verdict, "assertion", UINT32_MAX, "the process stopped itself; see its message above");
	sim_explain(sim, &text);
	fprintf(stderr, "seed %" PRIu64 " failed\n%s", sim->options.seed, buf_cstr(&text));
}

/* A run allocates what the one before it gave back: the kernel need not hear of it. */
static void keep_memory(void)
{
	static bool done;
	if (done)
		return;
	done = true;
	mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT_MAX);
	mallopt(M_MMAP_THRESHOLD, MEMORY_KEPT_MAX);
	mallopt(M_MXFAST, 0); /* small blocks are in the thread's cache; the other one is emptied all the time */
}

void runner_run(const struct sim_options *options, enum runner_talk talk, struct cover *cover,
		struct run_result *ret)
{
	keep_memory();
	struct sim *sim = xcalloc(1, sizeof(*sim));
	sim->trace.verbose = talk == RUNNER_VERBOSE;
	sim->trace.keeps_all = talk == RUNNER_THOROUGH;
	sim_init(sim, options);
	running = sim;
	signal(SIGABRT, on_abort);
	*ret = (struct run_result){.clean = sim_run(sim)};
	if (!ret->clean) {
		sim_explain(sim, &ret->text);
		snprintf(ret->check, sizeof ret->check, "%s", sim->verdict.check);
	}
	ret->hash = sim->trace.hash;
	ret->events = sim->handled;
	/* Releasing adds the last counters of the cores. */
	sim_release(sim);
	running = NULL;
	cover_add(cover, &sim->cover);
	free(sim);
}

void runner_check(const struct sim_options *options, struct cover *cover, struct run_result *ret)
{
	runner_run(options, RUNNER_BRIEF, cover, ret);
	if (!ret->clean || options->seed % RUNNER_REPEAT_EVERY != 0)
		return;
	struct cover unused = {0};
	struct run_result again;
	runner_run(options, RUNNER_BRIEF, &unused, &again);
	if (again.hash != ret->hash || again.events != ret->events) {
		ret->clean = false;
		snprintf(ret->check, sizeof ret->check, "determinism");
		buf_printf(&ret->text,
			   "violated: determinism: two runs of seed %" PRIu64 " differ: %" PRIx64 " after %" PRIu64
			   " events, %" PRIx64 " after %" PRIu64 "\n",
			   options->seed, ret->hash, ret->events, again.hash, again.events);
	}
	buf_release(&again.text);
}
