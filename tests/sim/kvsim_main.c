/* SPDX-License-Identifier: Apache-2.0 */
/* kvsim: runs seeds of the simulator by hand. docs/testing.md says how to read what it prints. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>

#include "tests/sim/runner.h"

struct arguments {
	uint64_t seed;
	uint64_t count;
	uint32_t nodes;
	bool verbose;
	bool keep_going;
};

static void usage(FILE *to)
{
	fputs("usage: kvsim [--seed N] [--count K] [--nodes M] [--verbose] [--keep-going]\n"
	      "\n"
	      "Runs K seeds from N on (1 and 1 if not given) and checks each.\n"
	      "  --nodes M      3 to 5 nodes instead of as the seed draws\n"
	      "  --verbose      prints every event\n"
	      "  --keep-going   goes on after a violation and lists the seeds at the end\n"
	      "\n"
	      "Exit: 0 no violation, 1 a violation, 2 wrong usage.\n",
	      to);
}

static bool number_parse(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || value > max)
		return false;
	*ret = value;
	return true;
}

/* 0 to go on, otherwise the exit code plus 1. */
static int arguments_parse(int argc, char **argv, struct arguments *ret)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, 's'},
		{"count", required_argument, NULL, 'c'},
		{"nodes", required_argument, NULL, 'n'},
		{"verbose", no_argument, NULL, 'v'},
		{"keep-going", no_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	uint64_t nodes = 0;
	bool good = true;
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			good &= number_parse(optarg, UINT64_MAX - 1, &ret->seed);
			break;
		case 'c':
			good &= number_parse(optarg, 1000000000, &ret->count);
			break;
		case 'n':
			good &= number_parse(optarg, SIM_NODES_MAX, &nodes) && nodes >= 3;
			break;
		case 'v':
			ret->verbose = true;
			break;
		case 'k':
			ret->keep_going = true;
			break;
		case 'h':
			usage(stdout);
			return 1;
		default:
			good = false;
		}
	}
	ret->nodes = (uint32_t)nodes;
	if (good && optind == argc)
		return 0;
	usage(stderr);
	return 3;
}

static bool run_one(const struct arguments *args, uint64_t seed, struct cover *cover)
{
	struct run_result result;
	if (args->verbose) {
		struct sim_options options;
		sim_options_draw(seed, args->nodes, &options);
		runner_run(&options, /* verbose: */ true, cover, &result);
	} else {
		runner_check(seed, args->nodes, cover, &result);
	}
	bool clean = result.clean;
	if (args->count == 1 || !clean)
		printf("seed %" PRIu64 ": %s, %" PRIu64 " events, hash %016" PRIx64 "\n", seed,
		       clean ? "clean" : "VIOLATION", result.events, result.hash);
	if (!clean) {
		fputs(buf_cstr(&result.text), stdout);
		printf("again: kvsim --seed %" PRIu64, seed);
		if (args->nodes)
			printf(" --nodes %u", args->nodes);
		printf(" --verbose\n");
	}
	buf_release(&result.text);
	fflush(stdout);
	return clean;
}

static void print_options(const struct arguments *args)
{
	struct sim_options options;
	struct buf text = BUF_INIT;
	sim_options_draw(args->seed, args->nodes, &options);
	sim_options_print(&options, &text);
	printf("%s\n", buf_cstr(&text));
	buf_release(&text);
}

int main(int argc, char **argv)
{
	struct arguments args = {.seed = 1, .count = 1};
	int stop = arguments_parse(argc, argv, &args);
	if (stop)
		return stop - 1;
	if (args.count == 1)
		print_options(&args);
	struct cover cover = {0};
	uint64_t failed = 0;
	for (uint64_t i = 0; i < args.count && (failed == 0 || args.keep_going); i++)
		failed += !run_one(&args, args.seed + i, &cover);
	struct buf text = BUF_INIT;
	cover_print(&cover, &text);
	printf("COVER %s\n", buf_cstr(&text));
	buf_release(&text);
	printf("%" PRIu64 " of %" PRIu64 " runs violated a check\n", failed, cover.runs);
	return failed ? 1 : 0;
}
