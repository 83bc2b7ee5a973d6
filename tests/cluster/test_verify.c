/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `kvctl verify` against real nodes: a healthy cluster passes. In a build with seeded bugs it is these that are tried: some must be
 * noticed.
 * Argument after kvd: kvctl.
 */
#include "tests/cluster/harness.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mutant.h"
#include "tests/cluster/cluster.h"

enum { RUN_MS = 60000, KILL_MS = 30000, MUTANT_RUNS = 4, EXIT_CHECK_FAILED = 10, EXIT_INTERRUPTED = 130 };

static struct cluster *cluster;

/* --- kvctl --- */

struct run {
	pid_t pid;
	int code; /* -1: still runs */
	char out[PROCESS_PATH_MAX], talk[PROCESS_PATH_MAX];
};

static int open_for(char path[PROCESS_PATH_MAX], const char *name)
{
	static unsigned number;
	snprintf(path, PROCESS_PATH_MAX, "%s/%s-%u", harness_directory(), name, number++);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

/** Starts kvctl verify -o json with further ARGUMENTS, ended by NULL. */
static void start(struct run *r, const char *const *arguments)
{
	const char *argv[16] = {harness_argument(1), "verify", "-o", "json", "--endpoints", cluster->endpoints};
	size_t count = 6;
	while (*arguments && count < ARRAY_SIZE(argv) - 1)
		argv[count++] = *arguments++;
	int out = open_for(r->out, "out"), talk = open_for(r->talk, "talk");
	harness_watch_log(r->talk);
	r->code = -1;
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (r->pid == 0) {
		dup2(out, STDOUT_FILENO);
		dup2(talk, STDERR_FILENO);
		execv(argv[0], (char *const *)argv);
		_exit(126);
	}
	close(out);
	close(talk);
}

static bool has_ended(void *arg)
{
	struct run *r = arg;
	int status;
	if (waitpid(r->pid, &status, WNOHANG) != r->pid)
		return false;
	r->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return true;
}

/** Waits for the end and gives what it wrote. */
static json_t *finish(struct run *r)
{
	json_error_t error;
	harness_await(has_ended, r, RUN_MS, "the end of kvctl verify");
	json_t *row = json_load_file(r->out, 0, &error);
	if (!row)
		fail_msg("kvctl verify ended with %d and wrote no JSON: %s", r->code, error.text);
	return row;
}

static json_t *verify(int *ret_code, const char *const *arguments)
{
	struct run r;
	start(&r, arguments);
	json_t *row = finish(&r);
	*ret_code = r.code;
	return row;
}

static const char *text_of(json_t *row, const char *name)
{
	json_t *value = json_object_get(row, name);
	if (!json_is_string(value))
		fail_msg("there is no text \"%s\"", name);
	return json_string_value(value);
}

static uint64_t number_of(json_t *row, const char *name)
{
	json_t *value = json_object_get(row, name);
	if (!json_is_integer(value))
		fail_msg("there is no number \"%s\"", name);
	return (uint64_t)json_integer_value(value);
}

/* --- what is left --- */

static unsigned count_keys(uint64_t bucket)
{
	struct kv_scan_options options = KV_SCAN_OPTIONS_INIT;
	struct kv_scan *scan;
	struct kv_entry entry;
	struct kv_error err;
	unsigned count = 0;
	options.bucket = (uint32_t)bucket;
	assert_int_equal(kv_scan_open(cluster->client, &options, &scan, &err), KV_OK);
	while (kv_scan_next(scan, &entry, &err) == KV_OK)
		count++;
	kv_scan_close(scan);
	assert_int_equal(err.status, KV_NOT_FOUND);
	return count;
}

/* --- tests --- */

static void a_healthy_cluster_passes_and_nothing_is_left(void **state)
{
	int code;
	cluster = cluster_new(NULL);
	json_t *row = verify(&code, (const char *const[]){"--duration", "3s", "--keys", "7", NULL});
	char *all = json_dumps(row, 0);
	if (code != 0)
		fail_msg("exit code %d: %s", code, all);
	assert_string_equal(text_of(row, "verdict"), "pass");
	assert_true(json_is_true(json_object_get(row, "copies_checked")));
	assert_true(json_is_true(json_object_get(row, "cleaned")));
	assert_int_equal(number_of(row, "undecided_keys"), 0);
	assert_int_equal(number_of(row, "keys_at_a_time"), 7);
	assert_true(number_of(row, "done") > 0);
	assert_true(number_of(row, "sent_again") > 0);
	assert_int_equal(json_array_size(json_object_get(row, "checks")), 10);
	assert_null(json_object_get(row, "failure"));
	assert_int_equal(count_keys(number_of(row, "bucket")), 0);
	assert_int_equal(count_keys(0), 0);
	free(all);
	json_decref(row);
}

static void keys_stay_if_that_is_asked_for_and_a_seed_draws_the_same(void **state)
{
	int code;
	const char *const arguments[] = {"--ops", "150", "--clients", "1", "--seed", "12", "--keep", NULL};
	cluster = cluster_new(NULL);
	json_t *one = verify(&code, arguments);
	assert_int_equal(code, 0);
	json_t *two = verify(&code, arguments);
	assert_int_equal(code, 0);
	assert_int_equal(number_of(one, "operations_count"), 150);
	assert_int_equal(number_of(one, "seed"), 12);
	assert_true(number_of(one, "bucket") != number_of(two, "bucket"));
	assert_true(count_keys(number_of(one, "bucket")) > 0);
	assert_false(json_is_true(json_object_get(one, "cleaned")));
	json_decref(one);
	json_decref(two);
}

static bool makes_progress(void *arg)
{
	struct run *r = arg;
	return harness_file_has(r->talk, "operations");
}

static void an_interrupted_run_takes_its_keys_away(void **state)
{
	struct run r;
	cluster = cluster_new(NULL);
	start(&r, (const char *const[]){"--duration", "10m", NULL});
	harness_await(makes_progress, &r, RUN_MS, "a line of progress");
	kill(r.pid, SIGINT);
	json_t *row = finish(&r);
	assert_int_equal(r.code, EXIT_INTERRUPTED);
	assert_string_equal(text_of(row, "verdict"), "none");
	assert_true(json_is_true(json_object_get(row, "cleaned")));
	assert_int_equal(count_keys(number_of(row, "bucket")), 0);
	json_decref(row);
}

static void without_a_majority_there_is_no_pass(void **state)
{
	struct run r;
	cluster = cluster_new(NULL);
	process_kill(&cluster->nodes[1]);
	process_kill(&cluster->nodes[2]);
	start(&r, (const char *const[]){"--ops", "60", "--timeout", "200ms", NULL});
	json_t *row = finish(&r);
	assert_true(r.code == 5 || r.code == 6 || r.code == 8);
	assert_string_equal(text_of(row, "verdict"), "none");
	json_decref(row);
}

static void a_seeded_bug_is_refused_unless_it_can_be_had(void **state)
{
	struct process p;
	process_init(&p, harness_directory(), "mutant");
	setenv("KVD_MUTANT", "no-such-bug", 1);
	process_spawn(&p);
	unsetenv("KVD_MUTANT");
	assert_int_equal(process_wait(&p, 10000), 2);
	assert_true(harness_file_has(p.log, "KVD_MUTANT"));
}

/* --- seeded bugs --- */

/** The counter-example is there and is no longer than the whole. */
static void check_failure(json_t *row, const char *mutant)
{
	assert_string_equal(text_of(row, "verdict"), "fail");
	json_t *failure = json_object_get(row, "failure");
	json_t *operations = json_object_get(json_object_get(failure, "counter_example"), "operations");
	size_t count = json_array_size(operations);
	fprintf(stderr, "# %s: %s: %s (%zu operations)\n", mutant, text_of(failure, "check"),
		text_of(failure, "message"), count);
	assert_true(count > 0);
	assert_true(count < number_of(failure, "key_operations"));
}

static void must_be_noticed(const char *mutant)
{
	int code = 0;
	setenv("KVD_MUTANT", mutant, 1);
	cluster = cluster_new(NULL);
	unsetenv("KVD_MUTANT");
	assert_true(harness_file_has(cluster->nodes[0].log, "mutant.switched_on"));
	usec_t until_us = clock_mono_us() + harness_ms(KILL_MS) * USEC_PER_MSEC;
	for (int i = 0; i < MUTANT_RUNS && code == 0 && clock_mono_us() < until_us; i++) {
		json_t *row = verify(&code, (const char *const[]){"--duration", "5s", NULL});
		if (code == EXIT_CHECK_FAILED)
			check_failure(row, mutant);
		json_decref(row);
	}
	assert_int_equal(code, EXIT_CHECK_FAILED);
}

static void a_retry_that_is_a_second_write_is_noticed(void **state) { must_be_noticed("yblind"); }
static void an_accept_below_the_stored_version_is_noticed(void **state) { must_be_noticed("super"); }
static void an_update_that_starts_over_is_noticed(void **state) { must_be_noticed("naivecas"); }

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(a_healthy_cluster_passes_and_nothing_is_left),
		harness_test(keys_stay_if_that_is_asked_for_and_a_seed_draws_the_same),
		harness_test(an_interrupted_run_takes_its_keys_away),
		harness_test(without_a_majority_there_is_no_pass),
		harness_test(a_seeded_bug_is_refused_unless_it_can_be_had),
	};
	static const struct CMUnitTest bugs[] = {
		harness_test(a_seeded_bug_is_refused_unless_it_can_be_had),
		harness_test(a_retry_that_is_a_second_write_is_noticed),
		harness_test(an_accept_below_the_stored_version_is_noticed),
		harness_test(an_update_that_starts_over_is_noticed),
	};
	return mutant_is_built() ? harness_run(argc, argv, "verify", bugs)
				 : harness_run(argc, argv, "verify", tests);
}
