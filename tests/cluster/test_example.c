/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first program of the client library, built and run as a user does it: against what `meson install` leaves, found by
 * pkg-config. Arguments after kvd: source directory, build directory, compiler, compiler flags.
 */
#include "tests/cluster/harness.h"

#include <sys/wait.h>

#include "tests/cluster/cluster.h"

/* $1 source, $2 build, $3 scratch directory, $4 compiler, $5 flags, $6 endpoints */
static const char script[] =
	"set -eu\n"
	"DESTDIR=\"$3/root\" meson install -C \"$2\" --no-rebuild --tags runtime,devel >\"$3/install.log\" 2>&1 ||\n"
	"	{ cat \"$3/install.log\" >&2; exit 1; }\n"
	"pc=$(find \"$3/root\" -name kvclient.pc)\n"
	"export PKG_CONFIG_PATH=\"${pc%/*}\" PKG_CONFIG_SYSROOT_DIR=\"$3/root\"\n"
	"$4 $5 -Wall -Wextra -Werror \"$1/docs/examples/hello.c\" -o \"$3/hello\" \\\n"
	"	$(pkg-config --cflags --libs kvclient)\n"
	"library=$(find \"$3/root\" -name 'libkvclient.so.1')\n"
	"LD_LIBRARY_PATH=\"${library%/*}\" \"$3/hello\" \"$6\" >\"$3/said\"\n";

static void write_script(const char *path)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(script, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void the_first_program_builds_against_the_installed_library_and_runs(void **state)
{
	struct cluster *c = cluster_new(NULL);
	const char *directory = harness_directory();
	char path[PROCESS_PATH_MAX], command[4 * PROCESS_PATH_MAX];
	assert_non_null(harness_argument(3));
	const char *flags = harness_argument(4) ? harness_argument(4) : "";
	snprintf(path, sizeof path, "%s/script", directory);
	write_script(path);
	int size = snprintf(command, sizeof command, "sh '%s' '%s' '%s' '%s' '%s' '%s' '%s' >&2", path,
			    harness_argument(1), harness_argument(2), directory, harness_argument(3), flags,
			    c->endpoints);
	assert_in_range(size, 1, sizeof command - 1);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof path, "%s/said", directory);
	assert_true(harness_file_has(path, "wrote version "));
	assert_true(harness_file_has(path, "replicas hold it"));
	assert_true(harness_file_has(path, "strong read: world"));
	assert_true(harness_file_has(path, "eventual read: "));

	struct kv_item item;
	struct kv_error err;
	struct kv_options strong = KV_OPTIONS_INIT;
	strong.level = KV_LEVEL_STRONG;
	assert_int_equal(kv_get(c->client, &strong, kv_slice_str("hello"), &item, &err), KV_OK);
	assert_slice_equal(slice_of(item.value.data, item.value.size), slice_str("world"));
	kv_item_release(&item);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(the_first_program_builds_against_the_installed_library_and_runs),
	};
	return harness_run(argc, argv, "example", tests);
}
