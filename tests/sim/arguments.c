/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/arguments.h"

#include <errno.h>
#include <getopt.h>

void arguments_usage(FILE *to)
{
	fputs("usage: kvsim --seed N [--count K] [--mutant NAME] [--nodes M] [OPTION...]\n"
	      "       kvsim --list-mutants\n"
	      "\n"
	      "Simulates a cluster for each of K seeds from N on (1 and 1 if not given) and checks what its clients saw.\n"
	      "  --nodes M        3 to 9 nodes instead of as the seed draws\n"
	      "  --membership     nodes are added, removed and replaced meanwhile\n"
	      "  --mutant NAME    with a seeded bug; only in a build with -Dmutants=true\n"
	      "  --list-mutants   their names and the rules they break\n"
	      "  --keep-going     goes on after a violation\n"
	      "  --verbose        prints every event\n"
	      "  --shrink S       searches S seconds for a smaller failure (20; 0: not at all)\n"
	      "What a smaller failure is made of:\n"
	      "  --without CLASS[,CLASS...]   without these faults\n"
	      "  --ops N, --clients N, --keys N\n"
	      "  --skip FIRST-LAST[,...]      without these operations\n"
	      "\n"
	      "Classes of faults:\n",
	      to);
	for (int i = 0; i < SIM_CLASS_COUNT; i++)
		fprintf(to, "  %-10s %s\n", sim_class_name((enum sim_class)i), sim_class_text((enum sim_class)i));
	fputs("\nExit: 0 no violation, 1 a violation, 2 wrong usage.\n", to);
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

static bool small_parse(const char *text, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t value;
	if (!number_parse(text, max, &value) || value < min)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static bool classes_parse(const char *text, uint32_t *ret)
{
	while (*text) {
		size_t size = strcspn(text, ",");
		enum sim_class class = sim_class_find(slice_of(text, size));
		if (class == SIM_CLASS_COUNT)
			return false;
		*ret |= 1u << class;
		text += size + (text[size] == ',');
	}
	return true;
}

static bool skips_parse(const char *text, struct arguments *ret)
{
	while (*text) {
		unsigned first, last;
		int used = 0;
		if (ret->skip_count == SIM_SKIPS_MAX || sscanf(text, "%u-%u%n", &first, &last, &used) != 2 ||
		    first > last || (text[used] && text[used] != ','))
			return false;
		ret->skips[ret->skip_count++] = (struct sim_skip){first, last};
		text += used + (text[used] == ',');
	}
	return true;
}

static bool mutant_parse(const char *text, enum mutant *ret)
{
	*ret = mutant_find(text);
	if (*ret == MUTANT_COUNT)
		fprintf(stderr, "kvsim: no mutant '%s'; see --list-mutants\n", text);
	else if (*ret != MUTANT_NONE && !mutant_is_built())
		fprintf(stderr, "kvsim: this build has no mutants; configure one with -Dmutants=true\n");
	else
		return true;
	return false;
}

enum {
	OPT_SEED = 1,
	OPT_COUNT,
	OPT_NODES,
	OPT_MEMBERSHIP,
	OPT_MUTANT,
	OPT_LIST,
	OPT_KEEP,
	OPT_VERBOSE,
	OPT_SHRINK,
	OPT_WITHOUT,
	OPT_OPS,
	OPT_CLIENTS,
	OPT_KEYS,
	OPT_SKIP,
	OPT_HELP
};

static bool take(struct arguments *ret, int option, const char *text)
{
	switch (option) {
	case OPT_SEED:
		return number_parse(text, UINT64_MAX - 1, &ret->seed);
	case OPT_COUNT:
		return number_parse(text, 1000000000, &ret->count);
	case OPT_NODES:
		return small_parse(text, 3, SIM_FIRST_MAX, &ret->nodes);
	case OPT_MEMBERSHIP:
		return ret->membership = true;
	case OPT_MUTANT:
		return mutant_parse(text, &ret->mutant);
	case OPT_LIST:
		return ret->list_mutants = true;
	case OPT_KEEP:
		return ret->keep_going = true;
	case OPT_VERBOSE:
		return ret->verbose = true;
	case OPT_SHRINK:
		return small_parse(text, 0, 86400, &ret->shrink_s);
	case OPT_WITHOUT:
		return classes_parse(text, &ret->without);
	case OPT_OPS:
		return small_parse(text, 1, 1000000, &ret->op_count);
	case OPT_CLIENTS:
		return small_parse(text, 1, SIM_CLIENTS_MAX, &ret->client_count);
	case OPT_KEYS:
		return small_parse(text, 1, SIM_KEYS_MAX, &ret->key_count);
	case OPT_SKIP:
		return skips_parse(text, ret);
	case OPT_HELP:
		return ret->help = true;
	default:
		return false;
	}
}

bool arguments_parse(int argc, char **argv, struct arguments *ret)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, OPT_SEED},     {"count", required_argument, NULL, OPT_COUNT},
		{"nodes", required_argument, NULL, OPT_NODES},   {"membership", no_argument, NULL, OPT_MEMBERSHIP},
		{"mutant", required_argument, NULL, OPT_MUTANT}, {"list-mutants", no_argument, NULL, OPT_LIST},
		{"keep-going", no_argument, NULL, OPT_KEEP},     {"verbose", no_argument, NULL, OPT_VERBOSE},
		{"shrink", required_argument, NULL, OPT_SHRINK}, {"without", required_argument, NULL, OPT_WITHOUT},
		{"ops", required_argument, NULL, OPT_OPS},       {"clients", required_argument, NULL, OPT_CLIENTS},
		{"keys", required_argument, NULL, OPT_KEYS},     {"skip", required_argument, NULL, OPT_SKIP},
		{"help", no_argument, NULL, OPT_HELP},           {NULL, 0, NULL, 0},
	};
	*ret = (struct arguments){.seed = 1, .count = 1, .mutant = MUTANT_NONE, .shrink_s = 20};
	optind = 1;
	bool good = true;
	int option;
	while (good && (option = getopt_long(argc, argv, "", options, NULL)) != -1)
		good = take(ret, option, optarg);
	if (good && optind == argc)
		return true;
	arguments_usage(stderr);
	return false;
}

void arguments_options(const struct arguments *args, uint64_t seed, struct sim_options *ret)
{
	sim_options_draw(seed, args->nodes, ret);
	if (args->membership)
		sim_options_add_changes(ret);
	for (int i = 0; i < SIM_CLASS_COUNT; i++)
		if (args->without >> i & 1)
			(void)sim_options_take_out(ret, (enum sim_class)i);
	if (args->op_count)
		ret->op_count = args->op_count;
	if (args->client_count)
		ret->client_count = args->client_count;
	if (args->key_count)
		ret->key_count = args->key_count;
	for (uint32_t i = 0; i < args->skip_count; i++)
		(void)sim_options_skip(ret, args->skips[i].first, args->skips[i].last);
}
