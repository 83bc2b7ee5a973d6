/* SPDX-License-Identifier: Apache-2.0 */
/* kvd: one node of a cluster. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/klog.h"
#include "base/mutant.h"
#include "server/config.h"
#include "server/recovery.h"
#include "server/release.h"
#include "server/server.h"

/*
 * Read by jemalloc, if that is linked. Few threads allocate, so few arenas do; pages that were freed go back after ten seconds: the
 * next memtable has those of the last one, and the memory of a burst is not kept for long.
 */
__attribute__((visibility("default"), used)) const char *malloc_conf;
const char *malloc_conf = "narenas:4,dirty_decay_ms:10000,muzzy_decay_ms:0";

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_REFUSED = 11 };

struct options {
	const char *config_file;
	bool check_only;
	bool dev;
	bool moved;
	bool recover;
	struct recovery_order recovery;
};

static const char usage[] =
	"Usage: kvd --config FILE\n"
	"       kvd --dev [--config FILE]\n"
	"       kvd --config FILE --unsafe-recover --survivors LIST --cluster NAME [--yes]\n"
	"\n"
	"One node of a kvd cluster. Ends with SIGTERM or SIGINT, after running requests are answered. SIGHUP has it\n"
	"read its configuration again: what may change while it runs does.\n"
	"\n"
	"  -c, --config FILE   configuration (YAML); docs/configuration.md lists the keys\n"
	"      --check-config  check the configuration and exit: 0 good, 2 not\n"
	"      --dev           a cluster of one node in a temporary directory, which is removed at the end\n"
	"      --moved         the node is to be found at another peer address than before; it tells the others\n"
	"      --version       print the version and exit\n"
	"  -h, --help          print this and exit\n"
	"\n"
	"When so many nodes are gone for ever that the cluster cannot go on, with kvd stopped on each survivor:\n"
	"  --unsafe-recover    make a cluster of the survivors. What only the lost nodes had is lost, also if it was\n"
	"                      acknowledged. Without --yes only tells what would happen (exit code 11)\n"
	"  --survivors LIST    names, numbers or identities of all nodes that stay, separated by commas\n"
	"  --cluster NAME      the cluster's name or identity, so that no other one is meant\n"
	"  --yes               do it\n"
	"\n"
	"KVD_<SECTION>_<KEY> in the environment overrides a key, e.g. KVD_NODE_DATA_DIR.\n";

static const char mutant_variable[] = "KVD_MUTANT";

/** -1, or the exit code if the flags of --unsafe-recover do not fit together. */
static int check_recovery(const struct options *o)
{
	const struct recovery_order *order = &o->recovery;
	bool any = order->survivors || order->cluster || order->confirmed;
	if (!o->recover && !any)
		return -1;
	if (o->recover && order->survivors && order->cluster && o->config_file && !o->dev)
		return -1;
	fputs("kvd: --unsafe-recover needs --config, --survivors and --cluster, and they need it\nTry kvd --help.\n",
	      stderr);
	return EXIT_USAGE;
}

/** Returns -1 to go on, or the exit code. */
static int parse_options(int argc, char **argv, struct options *ret)
{
	enum { OPT_CHECK = 256, OPT_DEV, OPT_MOVED, OPT_RECOVER, OPT_SURVIVORS, OPT_CLUSTER, OPT_YES, OPT_VERSION };
	static const struct option known[] = {
		{"config", required_argument, NULL, 'c'},
		{"check-config", no_argument, NULL, OPT_CHECK},
		{"dev", no_argument, NULL, OPT_DEV},
		{"version", no_argument, NULL, OPT_VERSION},
		{"moved", no_argument, NULL, OPT_MOVED},
		{"unsafe-recover", no_argument, NULL, OPT_RECOVER},
		{"survivors", required_argument, NULL, OPT_SURVIVORS},
		{"cluster", required_argument, NULL, OPT_CLUSTER},
		{"yes", no_argument, NULL, OPT_YES},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	for (int option; (option = getopt_long(argc, argv, "c:h", known, NULL)) != -1;) {
		switch (option) {
		case 'c':
			ret->config_file = optarg;
			break;
		case OPT_CHECK:
			ret->check_only = true;
			break;
		case OPT_DEV:
			ret->dev = true;
			break;
		case OPT_MOVED:
			ret->moved = true;
			break;
		case OPT_RECOVER:
			ret->recover = true;
			break;
		case OPT_SURVIVORS:
			ret->recovery.survivors = optarg;
			break;
		case OPT_CLUSTER:
			ret->recovery.cluster = optarg;
			break;
		case OPT_YES:
			ret->recovery.confirmed = true;
			break;
		case OPT_VERSION:
			printf("kvd %s\n", release.version);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs("Try kvd --help.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "kvd: unexpected argument \"%s\"\nTry kvd --help.\n", argv[optind]);
		return EXIT_USAGE;
	}
	if (!ret->config_file && !ret->dev && !ret->check_only) {
		fputs("kvd: no configuration; give --config FILE, or --dev for a node to try things on\n", stderr);
		return EXIT_USAGE;
	}
	return check_recovery(ret);
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *at)
{
	return remove(path);
}

/** A server that does not handle SIGPIPE by itself, and takes SIGTERM, SIGINT and SIGHUP through a descriptor. */
static void block_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

/** Switches on the seeded bug that the environment names. False if there is none of that name, or this build has none. */
static bool choose_mutant(void)
{
	const char *name = getenv(mutant_variable);
	if (!name)
		return true;
	enum mutant mutant = mutant_find(name);
	if (!mutant_is_built()) {
		fprintf(stderr, "kvd: %s is set, and this build has no seeded bugs (-Dmutants=true)\n",
			mutant_variable);
		return false;
	}
	if (mutant == MUTANT_COUNT) {
		fprintf(stderr, "kvd: %s: there is no seeded bug \"%s\"; kvsim --list-mutants shows them\n",
			mutant_variable, name);
		return false;
	}
	if (mutant_switch(mutant) && mutant != MUTANT_NONE)
		log_warn("mutant.switched_on", L_STR("name", name), L_STR("breaks", mutant_text(mutant)));
	return true;
}

static int serve(const struct config *config, const char *file, bool dev, bool moved)
{
	if (!choose_mutant())
		return EXIT_USAGE;
	struct server server;
	struct error error;
	enum kv_status status = server_open(&server, config, moved, &error);
	if (status != KV_OK) {
		log_error("server.refused", L_STR("status", status_name(status)), L_STR("reason", error.message));
		return status == KV_IDENTITY || status == KV_REFUSED ? EXIT_REFUSED : EXIT_FAILED;
	}
	server_set_file(&server, file, (const char *const *)environ);
	server_start(&server, dev);
	int code = server_run(&server);
	server_close(&server);
	return code;
}

/** Makes the directory of --dev and has the configuration use it; NULL if that failed or the user named one. */
static const char *dev_directory(char path[64])
{
	if (getenv("KVD_NODE_DATA_DIR"))
		return NULL;
	snprintf(path, 64, "/tmp/kvd-dev-XXXXXX");
	if (!mkdtemp(path)) {
		fprintf(stderr, "kvd: cannot make a temporary directory: %s\n", strerror(errno));
		return NULL;
	}
	setenv("KVD_NODE_DATA_DIR", path, /* overwrite: */ 1);
	return path;
}

/** A misspelt override changes nothing, which would go unnoticed. */
static void warn_of_strays(void)
{
	CLEANUP(buf_release) struct buf name = BUF_INIT, meant = BUF_INIT;
	for (size_t at = 0; config_stray_next((const char *const *)environ, &at, &name, &meant);)
		log_warn("config.unknown_variable", L_STR("name", buf_cstr(&name)),
			 L_STR("did_you_mean", buf_cstr(&meant)));
}

int main(int argc, char **argv)
{
	struct options options = {0};
	int code = parse_options(argc, argv, &options);
	if (code >= 0)
		return code;
	char path[64];
	const char *temporary = options.dev && !options.check_only ? dev_directory(path) : NULL;
	CLEANUP(config_release) struct config config = {0};
	CLEANUP(buf_release) struct buf why = BUF_INIT;
	enum kv_status status = config_load(options.config_file, (const char *const *)environ, &config, &why);
	if (status != KV_OK) {
		fprintf(stderr, "%s", buf_cstr(&why));
		code = EXIT_USAGE;
	} else if (options.check_only) {
		warn_of_strays();
		printf("%s: good\n", options.config_file ? options.config_file : "configuration");
		code = 0;
	} else {
		log_configure(config.log_level, config.log_format);
		warn_of_strays();
		clock_set_wall_offset_us(config.test_wall_offset_ms * (int64_t)USEC_PER_MSEC);
		block_signals();
		code = options.recover ? recovery_run(&config, &options.recovery)
				       : serve(&config, options.config_file, options.dev, options.moved);
	}
	if (temporary)
		nftw(temporary, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return code;
}
