/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that fail, fill up, hang or lose what was not synced, under one of three replicas. */
#include "tests/cluster/harness.h"

#include <signal.h>

#include "tests/cluster/disk.h"
#include "tests/cluster/judge.h"

enum { VICTIM = 1, PROGRESS = 20, ROUNDS = 4, HANG_MS = 6500, END_MS = 15000, LOG_SIZE_MIN = 8 << 10 };
enum { ABORTED = 128 + SIGABRT, FAILED = 1 };

static struct cluster *new_cluster(void) { return cluster_new(&(struct cluster_options){.faulty = true}); }

static struct load *start(struct cluster *c, const char *prefix)
{
	struct load *load = load_start(c, &(struct load_options){.prefix = prefix});
	load_await_progress(load, /* strong: */ true, PROGRESS);
	return load;
}

/** The fault stops the node, says WHY, and stops nothing else; mended, the node is one of three again. */
static void fail_and_judge(struct cluster *c, struct load *load, _Atomic uint32_t *fault, const char *why)
{
	struct process *p = &c->nodes[VICTIM];
	*fault = 1;
	assert_int_equal(process_wait(p, END_MS), ABORTED);
	assert_true(harness_file_has(p->log, "event=commit.failed"));
	assert_true(harness_file_has(p->log, why));
	load_await_progress(load, /* strong: */ true, 2 * PROGRESS);

	/* It does not start on a disk like that. */
	process_spawn(p);
	assert_int_equal(process_wait(p, END_MS), FAILED);
	assert_true(harness_file_has(p->log, "event=server.refused status=IO"));
	*fault = 0;
	cluster_restart(c, VICTIM);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
}

static void a_node_whose_sync_fails_stops_and_loses_nothing(void **state)
{
	struct cluster *c = new_cluster();
	struct load *load = start(c, "sync");
	fail_and_judge(c, load, &c->nodes[VICTIM].faults->sync_fails, "Input/output error");
}

static void a_node_whose_disk_is_full_stops_and_loses_nothing(void **state)
{
	struct cluster *c = new_cluster();
	struct load *load = start(c, "full");
	fail_and_judge(c, load, &c->nodes[VICTIM].faults->disk_full, "No space left on device");
}

static bool all_live(void *arg)
{
	cluster_check_alive(arg);
	return true;
}

struct look {
	struct cluster *cluster;
	unsigned at;
	bool degraded;
};

/** Whether the node AT says of VICTIM that its disk is degraded, or no longer. */
static bool is_told_so(void *arg)
{
	const struct look *look = arg;
	CLEANUP(cluster_status_free) struct kv_node_status *victim = cluster_status(look->cluster, VICTIM);
	CLEANUP(cluster_status_free) struct kv_node_status *status = cluster_status(look->cluster, look->at);
	for (size_t i = 0; victim && status && i < status->peer_count; i++) {
		if (status->peers[i].node == victim->index)
			return status->peers[i].degraded == look->degraded;
	}
	return false;
}

static void a_slow_disk_is_told_to_the_others_until_it_is_well_again(void **state)
{
	struct cluster *c = new_cluster();
	struct preload_control *faults = c->nodes[VICTIM].faults;
	struct look look = {.cluster = c, .at = 0};
	harness_await(is_told_so, &look, END_MS, "a disk that is well");
	faults->sync_delay_us = 300000;
	look.degraded = true;
	harness_await(is_told_so, &look, 3 * END_MS, "a slow disk that others hear of");
	look.at = VICTIM;
	assert_true(is_told_so(&look));
	faults->sync_delay_us = 0;
	look = (struct look){.cluster = c, .at = 0};
	harness_await(is_told_so, &look, 3 * END_MS, "a disk that is well again");
}

static void a_disk_that_hangs_or_is_slow_stops_nothing(void **state)
{
	struct cluster *c = new_cluster();
	struct load *load = start(c, "slow");
	struct preload_control *faults = c->nodes[VICTIM].faults;
	faults->sync_delay_us = 300000;
	load_await_progress(load, /* strong: */ true, 3 * PROGRESS);
	faults->sync_delay_us = 0;
	faults->sync_hangs = 1;
	assert_true(harness_holds(all_live, c, HANG_MS));
	load_await_progress(load, /* strong: */ true, PROGRESS);
	faults->sync_hangs = 0;
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
}

/** Killed in the middle of a sync, and then the part of the log that was not synced is lost too. */
static void a_power_cut_loses_nothing_acknowledged(void **state)
{
	struct cluster *c = new_cluster();
	struct rng rng;
	rng_init(&rng, 1);
	uint64_t lost = 0;
	struct load *load = start(c, "power");
	for (unsigned round = 0; round < harness_rounds(ROUNDS); round++) {
		/* One node, then two, then all: what is acknowledged is on disk, wherever it is. */
		for (unsigned i = 0; i <= round % c->count; i++) {
			struct process *p = &c->nodes[i];
			p->faults->sync_hangs = 1;
			harness_await(disk_has_unsynced, p, END_MS, "a write that is not synced");
		}
		for (unsigned i = 0; i <= round % c->count; i++) {
			process_kill(&c->nodes[i]);
			lost += disk_lose_unsynced(&c->nodes[i], &rng);
		}
		for (unsigned i = 0; i <= round % c->count; i++) {
			c->nodes[i].faults->sync_hangs = 0;
			cluster_start(c, i);
		}
		cluster_await_together(c);
		load_await_progress(load, /* strong: */ true, PROGRESS);
	}
	assert_true(lost > 0);
	judge(c, load);
}

static bool log_is_long(void *arg) { return disk_log_synced(arg) > LOG_SIZE_MIN; }

static void a_damaged_log_is_refused_and_the_others_go_on(void **state)
{
	struct cluster *c = new_cluster();
	struct process *p = &c->nodes[VICTIM];
	struct load *load = start(c, "damaged");
	harness_await(log_is_long, p, END_MS, "a long log");
	process_kill(p);
	disk_damage_log(p);
	process_spawn(p);
	assert_int_equal(process_wait(p, END_MS), FAILED);
	assert_true(harness_file_has(p->log, "status=CORRUPT"));
	load_await_progress(load, /* strong: */ true, 2 * PROGRESS);
	/* Still refused, not half repaired. */
	process_spawn(p);
	assert_int_equal(process_wait(p, END_MS), FAILED);
	disk_damage_log(p);
	cluster_restart(c, VICTIM);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(c, load);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(a_node_whose_sync_fails_stops_and_loses_nothing),
		harness_test(a_node_whose_disk_is_full_stops_and_loses_nothing),
		harness_test(a_disk_that_hangs_or_is_slow_stops_nothing),
		harness_test(a_slow_disk_is_told_to_the_others_until_it_is_well_again),
		harness_test(a_power_cut_loses_nothing_acknowledged),
		harness_test(a_damaged_log_is_refused_and_the_others_go_on),
	};
	return harness_run(argc, argv, "disk", tests);
}
