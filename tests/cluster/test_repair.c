/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica that lost everything, and one that differs without anybody knowing: both are as the others again, while clients
 * go on.
 *
 * KV_REPAIR_KEYS: keys that a lost node had (12000).
 */
#include "tests/cluster/harness.h"

#include <unistd.h>

#include "base/clock.h"
#include "tests/cluster/change.h"
#include "tests/cluster/fill.h"
#include "tests/cluster/judge.h"
#include "tests/cluster/latency.h"
#include "tests/cluster/plant.h"

enum {
	KEYS = 12000,
	SIZE = 100,
	PROGRESS = 20,
	COMPARE_MS = 1000,
	REPAIRED_MS = 30000,
	END_MS = 20000,
	PLANTED = 6
};

/* A tree's rows are written after ten seconds without a change. */
enum { AT_REST_MS = 13000, SECOND_US = 1000000 };

static unsigned number_from(const char *variable, unsigned otherwise)
{
	const char *text = getenv(variable);
	return text && *text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void remove_directory(const struct process *p)
{
	char command[PROCESS_PATH_MAX + 16];
	snprintf(command, sizeof command, "rm -r '%s'", p->data_dir);
	assert_int_equal(system(command), 0);
}

/* ---- a lost directory ---- */

static struct {
	unsigned looks, moving_looks;
	uint64_t bytes_seen; /* copied of the moves of one look, at most */
	usec_t told_us;
} progress;

static void note_progress(const struct kv_moves *moves)
{
	uint64_t done = 0, bytes = 0, rate = 0;
	for (size_t i = 0; i < moves->count; i++) {
		done += moves->moves[i].bytes_done;
		bytes += moves->moves[i].bytes;
		rate += moves->moves[i].bytes_per_sec;
	}
	progress.looks++;
	progress.moving_looks += moves->count > 0;
	progress.bytes_seen = MAX(progress.bytes_seen, done);
	if (moves->count == 0 || clock_mono_us() < progress.told_us + SECOND_US)
		return;
	progress.told_us = clock_mono_us();
	fprintf(stderr, "# %zu moving, %u wait, %llu of %llu KB, %llu KB/s\n", moves->count, moves->waiting,
		(unsigned long long)done >> 10, (unsigned long long)bytes >> 10, (unsigned long long)rate >> 10);
}

/** Every core of every node was found equal to the others since it started. */
static bool all_were_equal(void *arg)
{
	struct cluster *c = arg;
	for (unsigned i = 0; i < c->count; i++) {
		struct kv_repair *repair;
		if (c->gone[i])
			continue;
		if (kv_repair_get(c->client, c->nodes[i].client, 0, KV_REPAIR_ASK, 0, &repair, NULL) != KV_OK)
			return false;
		bool equal = repair->oldest_ms != KV_AGE_NEVER && repair->building == 0;
		kv_repair_free(repair);
		if (!equal)
			return false;
	}
	return true;
}

static void a_lost_directory_is_filled_again_while_clients_go_on(void **state)
{
	const struct fill keys = {.prefix = "keys", .count = number_from("KV_REPAIR_KEYS", KEYS), .size = SIZE};
	/* A second for each 2,000 keys is far more than it takes. */
	unsigned patience_ms = 60000 + keys.count / 2;
	struct cluster *c = cluster_new(&(struct cluster_options){.compare_ms = COMPARE_MS});
	fill_write(c, &keys);
	struct load *load = load_start(c, &(struct load_options){.prefix = "r",
								 .timeout_ms = harness_ms(3000),
								 .single_keys = 2000,
								 .clocks_are_right = true});
	usec_t began_us = clock_mono_us();
	load_await_progress(load, /* strong: */ true, 5 * PROGRESS);
	process_kill(&c->nodes[2]);
	remove_directory(&c->nodes[2]);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	change_add(c, 2);
	change_commit(c);
	usec_t moving_us = clock_mono_us();
	change_await_done_in(c, patience_ms, note_progress);
	usec_t done_us = clock_mono_us();
	assert_true(progress.moving_looks > 0);
	assert_true(progress.bytes_seen > 0);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	harness_await(all_were_equal, c, patience_ms, "nodes that were all found equal");
	judge(c, load);
	fprintf(stderr, "# %u keys of %u bytes on a new node after %.1f s\n", keys.count, keys.size,
		(double)(done_us - moving_us) / USEC_PER_SEC);
	latency_tell(load, "before", began_us, moving_us);
	latency_tell(load, "repair", moving_us, done_us);
	latency_check_strong(load);
	fill_check(c, &keys);
	fill_await_equal(c, &keys, 3, patience_ms);
}

/* ---- differences that nobody knows of ---- */

static bool always(void *arg)
{
	cluster_check_alive(arg);
	return true;
}

static uint64_t repaired_by_others(struct cluster *c)
{
	return cluster_counter_of(c, 0, "records_repaired") + cluster_counter_of(c, 2, "records_repaired");
}

/** Stops node 1, changes its disk, starts it, and waits until nothing of that is left, without asking for anything. */
static void plant_and_wait(struct cluster *c, const struct fill *keys)
{
	usec_t began_us = clock_mono_us();
	uint64_t repaired = repaired_by_others(c);
	plant_differences(&c->nodes[1], keys, PLANTED);
	cluster_restart(c, 1);
	unsigned planted = fill_differences(c, keys, 3);
	fill_await_equal(c, keys, 3, REPAIRED_MS);
	fprintf(stderr, "# %u differences seen, none after %.1f s\n", planted,
		(double)(clock_mono_us() - began_us) / USEC_PER_SEC);
	repaired = repaired_by_others(c) - repaired + cluster_counter_of(c, 1, "records_repaired");
	fprintf(stderr, "# leaves mended %llu, repaired %llu\n",
		(unsigned long long)cluster_counter_of(c, 1, "tree_leaves_mended"), (unsigned long long)repaired);
	assert_true(repaired > 0); /* by comparing, and not by a hint or a read */
	fill_check(c, keys);
}

/** The partitions had changed until the end: their trees are built from the records at the start. */
static void differences_on_a_busy_disk_are_found_and_repaired_without_being_told(void **state)
{
	const struct fill keys = {.prefix = "busy", .count = 4000, .size = SIZE};
	struct cluster *c = cluster_new(&(struct cluster_options){.compare_ms = COMPARE_MS});
	fill_write(c, &keys);
	process_kill(&c->nodes[1]);
	struct load *load = load_start(c, &(struct load_options){.prefix = "b", .clocks_are_right = true});
	load_await_progress(load, /* strong: */ true, PROGRESS);
	plant_and_wait(c, &keys);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
}

/** The trees of partitions at rest are read as they were written: the first pass of the scrub finds that they are wrong. */
static void differences_on_a_resting_disk_are_found_and_repaired_without_being_told(void **state)
{
	const struct fill keys = {.prefix = "still", .count = 4000, .size = SIZE};
	struct cluster *c = cluster_new(&(struct cluster_options){.compare_ms = COMPARE_MS});
	fill_write(c, &keys);
	assert_true(harness_holds(always, c, AT_REST_MS));
	process_terminate(&c->nodes[1]);
	assert_int_equal(process_wait(&c->nodes[1], END_MS), 0);
	plant_and_wait(c, &keys);
	assert_true(cluster_counter_of(c, 1, "tree_leaves_mended") > 0);
	cluster_check_serves(c);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(a_lost_directory_is_filled_again_while_clients_go_on),
		harness_test(differences_on_a_busy_disk_are_found_and_repaired_without_being_told),
		harness_test(differences_on_a_resting_disk_are_found_and_repaired_without_being_told),
	};
	return harness_run(argc, argv, "repair", tests);
}
