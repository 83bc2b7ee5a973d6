/* SPDX-License-Identifier: Apache-2.0 */
/* kvsim: runs seeds of the simulator. docs/testing.md says how to read what it prints.
 *
 * Seeds run in a child process, because a failed assertion ends the process that meets it; what it found and reached lies in
 * memory that both share. */
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cover.h"
#include "tests/sim/arguments.h"
#include "tests/sim/runner.h"
#include "tests/sim/shrink.h"

#define MARKS_MAX 1024u

struct shared {
	uint64_t present; /* seed under way */
	uint64_t runs;
	uint64_t failed;
	uint64_t bad_seed; /* the first that failed */
	char bad_check[32];
	struct cover cover;
	bool marks[MARKS_MAX];
};

static struct shared *shared;

static void note_failure(uint64_t seed, const char *check)
{
	if (shared->failed++ == 0) {
		shared->bad_seed = seed;
		snprintf(shared->bad_check, sizeof shared->bad_check, "%s", check);
	}
}

/* --- in a process of its own --- */

/* Runs WORK in a child and returns its wait status. */
static int in_child(int (*work)(void *arg), void *arg, bool silent)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0) {
		perror("kvsim: fork");
		exit(2);
	}
	if (pid == 0) {
		if (silent && (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)))
			_exit(2);
		exit(work(arg));
	}
	int status;
	while (waitpid(pid, &status, 0) < 0)
		;
	return status;
}

static bool run_one(const struct arguments *args, uint64_t seed)
{
	struct run_result result;
	struct sim_options options;
	arguments_options(args, seed, &options);
	if (args->verbose)
		runner_run(&options, RUNNER_VERBOSE, &shared->cover, &result);
	else
		runner_check(&options, &shared->cover, &result);
	shared->runs++;
	if (args->count == 1 || !result.clean)
		printf("seed %" PRIu64 ": %s, %" PRIu64 " events, hash %016" PRIx64 "\n", seed,
		       result.clean ? "clean" : "VIOLATION", result.events, result.hash);
	if (!result.clean) {
		fputs(buf_cstr(&result.text), stdout);
		note_failure(seed, result.check);
	}
	buf_release(&result.text);
	return result.clean;
}

static int run_batch(void *arg)
{
	const struct arguments *args = arg;
	bool clean = true;
	for (; shared->present < args->seed + args->count && (clean || args->keep_going); shared->present++)
		clean &= run_one(args, shared->present);
	for (size_t i = 0; i < MIN(cover_mark_count(), (size_t)MARKS_MAX); i++)
		shared->marks[i] |= cover_mark_at(i)->hit;
	return 0;
}

static void run_all(struct arguments *args)
{
	shared->present = args->seed;
	while (shared->present < args->seed + args->count && (shared->failed == 0 || args->keep_going)) {
		int status = in_child(run_batch, args, /* silent= */ false);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		printf("seed %" PRIu64 ": VIOLATION, the process died of %s %d\n", shared->present,
		       WIFSIGNALED(status) ? "signal" : "exit code",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		note_failure(shared->present++, "assertion");
		shared->runs++;
	}
}

/* --- smaller failures --- */

struct trial {
	const char *check;
	usec_t end_us;
	const struct sim_options *options;
};

static int run_trial(void *arg)
{
	const struct trial *trial = arg;
	struct cover unused = {0};
	struct run_result result;
	runner_run(trial->options, RUNNER_BRIEF, &unused, &result);
	bool same = !result.clean && strcmp(result.check, trial->check) == 0;
	buf_release(&result.text);
	return same;
}

static bool trial_fails(void *arg, const struct sim_options *options)
{
	struct trial *trial = arg;
	trial->options = options;
	int status = in_child(run_trial, trial, /* silent= */ true);
	if (strcmp(trial->check, "assertion") == 0)
		return WIFSIGNALED(status);
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static bool trial_is_over(void *arg) { return clock_mono_us() >= ((struct trial *)arg)->end_us; }

static int run_last(void *arg)
{
	struct cover unused = {0};
	struct run_result result;
	runner_run(arg, RUNNER_THOROUGH, &unused, &result);
	fputs(buf_cstr(&result.text), stdout);
	buf_release(&result.text);
	return 0;
}

static void shrink_failure(const struct arguments *args)
{
	struct sim_options options;
	arguments_options(args, shared->bad_seed, &options);
	if (strcmp(shared->bad_check, "determinism") == 0)
		return;
	struct trial trial = {.check = shared->bad_check,
			      .end_us = clock_mono_us() + args->shrink_s * USEC_PER_SEC};
	struct shrink shrink = {.fails = trial_fails, .is_over = trial_is_over, .arg = &trial};
	shrink_options(&shrink, &options);
	struct buf text = BUF_INIT;
	sim_options_arguments(&options, args->nodes, &text);
	if (args->mutant != MUTANT_NONE)
		buf_printf(&text, " --mutant %s", mutant_name(args->mutant));
	printf("\nsmallest failure found in %u runs, %u operations: kvsim %s\n", shrink.tried,
	       sim_options_ops(&options), buf_cstr(&text));
	buf_release(&text);
	(void)in_child(run_last, &options, /* silent= */ false);
}

/* --- talking --- */

static void print_options(const struct arguments *args)
{
	struct sim_options options;
	struct buf text = BUF_INIT;
	arguments_options(args, args->seed, &options);
	sim_options_print(&options, &text);
	printf("%s\n", buf_cstr(&text));
	buf_release(&text);
}

static void print_mutants(void)
{
	for (int i = MUTANT_NONE + 1; i < MUTANT_COUNT; i++)
		printf("%-12s %s\n", mutant_name((enum mutant)i), mutant_text((enum mutant)i));
}

/* True if a mark of the same name was hit: one in an inline function may be there several times. */
static bool mark_is_hit(const char *name)
{
	for (size_t i = 0; i < MIN(cover_mark_count(), (size_t)MARKS_MAX); i++)
		if (shared->marks[i] && strcmp(cover_mark_at(i)->name, name) == 0)
			return true;
	return false;
}

static void print_marks(void)
{
	size_t missed = 0;
	struct buf text = BUF_INIT;
	for (size_t i = 0; i < MIN(cover_mark_count(), (size_t)MARKS_MAX); i++) {
		const char *name = cover_mark_at(i)->name;
		if (mark_is_hit(name))
			continue;
		missed++;
		buf_printf(&text, " %s", name);
	}
	printf("MARKS %zu, never hit %zu:%s\n", cover_mark_count(), missed, buf_cstr(&text));
	buf_release(&text);
}

static void print_speed(void)
{
	struct rusage usage;
	getrusage(RUSAGE_CHILDREN, &usage);
	double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	printf("SPEED %.1f CPU seconds, %.0f virtual seconds a CPU second, %.1f seeds a CPU second\n", cpu_s,
	       (double)shared->cover.virtual_seconds / cpu_s, (double)shared->runs / cpu_s);
}

static void print_end(const struct arguments *args)
{
	struct buf text = BUF_INIT;
	cover_print(&shared->cover, &text);
	printf("COVER %s\n", buf_cstr(&text));
	buf_release(&text);
	print_marks();
	print_speed();
	if (shared->failed)
		printf("FIRST seed=%" PRIu64 " run=%" PRIu64 " check=%s\n", shared->bad_seed,
		       shared->bad_seed - args->seed + 1, shared->bad_check);
	printf("%" PRIu64 " of %" PRIu64 " runs violated a check\n", shared->failed, shared->runs);
}

int main(int argc, char **argv)
{
	struct arguments args;
	if (!arguments_parse(argc, argv, &args))
		return 2;
	if (args.help) {
		arguments_usage(stdout);
		return 0;
	}
	if (args.list_mutants) {
		print_mutants();
		return 0;
	}
	if (!mutant_switch(args.mutant))
		return 2;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("kvsim: mmap");
		return 2;
	}
	if (args.count == 1)
		print_options(&args);
	run_all(&args);
	print_end(&args);
	if (shared->failed && args.shrink_s)
		shrink_failure(&args);
	return shared->failed ? 1 : 0;
}
