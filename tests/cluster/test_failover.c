/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that die and come back under load, on a cluster of three. */
#include "tests/cluster/harness.h"

#include "base/clock.h"
#include "tests/cluster/judge.h"

enum { ROUNDS = 3, PROGRESS = 20, STRONG_MS = 1500, SLACK_MS = 1000, PROBES = 6 };

static struct cluster *cluster;

/** A strong put where two of three nodes are down: refused, or in doubt if EARLY, and never late. */
static void put_without_quorum(unsigned number, bool early)
{
	char key[32];
	struct kv_options options = KV_OPTIONS_INIT;
	struct kv_error err;
	options.level = KV_LEVEL_STRONG;
	options.timeout_ms = STRONG_MS;
	snprintf(key, sizeof key, "probe-%u", number);
	usec_t began_us = clock_mono_us();
	enum kv_status status = kv_put(cluster->client, &options, kv_slice_str(key), kv_slice_str("v"), NULL, &err);
	usec_t took_us = clock_mono_us() - began_us;
	if (took_us > (STRONG_MS + harness_ms(SLACK_MS)) * USEC_PER_MSEC)
		fail_msg("a strong put without a quorum took %llu us", (unsigned long long)took_us);
	bool expected = status == KV_UNAVAILABLE || (early && (status == KV_IN_DOUBT || status == KV_DEADLINE));
	if (!expected || (!early && err.in_doubt))
		fail_msg("strong put %u without a quorum gave %s%s after %llu us: %s", number,
			 kv_status_name(status), err.in_doubt ? " in doubt" : "", (unsigned long long)took_us,
			 err.message);
}

/** A strong get of a key that was never put, the same: an answer of absence would need a majority, too. */
static void get_without_quorum(unsigned number)
{
	char key[32];
	struct kv_options options = KV_OPTIONS_INIT;
	struct kv_error err;
	struct kv_item item;
	options.level = KV_LEVEL_STRONG;
	options.timeout_ms = STRONG_MS;
	snprintf(key, sizeof key, "absent-%u", number);
	usec_t began_us = clock_mono_us();
	enum kv_status status = kv_get(cluster->client, &options, kv_slice_str(key), &item, &err);
	usec_t took_us = clock_mono_us() - began_us;
	if (status != KV_UNAVAILABLE || took_us > (STRONG_MS + harness_ms(SLACK_MS)) * USEC_PER_MSEC)
		fail_msg("strong get %u without a quorum gave %s after %llu us: %s", number, kv_status_name(status),
			 (unsigned long long)took_us, err.message);
}

static bool is_seen_down(void *arg)
{
	const unsigned *nodes = arg; /* who looks, at whom */
	CLEANUP(cluster_status_free) struct kv_node_status *status = cluster_status(cluster, nodes[0]);
	for (size_t i = 0; status && i < status->peer_count; i++) {
		if (status->peers[i].node == nodes[1])
			return status->peers[i].state == KV_PEER_DOWN;
	}
	return false;
}

static unsigned index_of(unsigned node)
{
	CLEANUP(cluster_status_free) struct kv_node_status *status = cluster_status(cluster, node);
	assert_non_null(status);
	return status->index;
}

static void one_round(unsigned round)
{
	char prefix[16];
	unsigned first = round % 3, second = (round + 1) % 3, third = (round + 2) % 3;
	unsigned seen[2] = {third, index_of(second)};
	snprintf(prefix, sizeof prefix, "f%u", round);
	struct load *load = load_start(cluster, &(struct load_options){.prefix = prefix, .clocks_are_right = true});
	load_await_progress(load, /* strong: */ true, PROGRESS);

	process_kill(&cluster->nodes[first]);
	load_await_progress(load, /* strong: */ true, 2 * PROGRESS);

	process_kill(&cluster->nodes[second]);
	put_without_quorum(round * PROBES, /* early: */ true);
	harness_await(is_seen_down, seen, 10000, "a dead node that is seen down");
	load_await_progress(load, /* strong: */ false, PROGRESS / 4);
	for (unsigned i = 1; i < PROBES; i++) {
		put_without_quorum(round * PROBES + i, /* early: */ false);
		get_without_quorum(round * PROBES + i);
	}

	cluster_restart(cluster, second);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	cluster_restart(cluster, first);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(cluster, load);
	load_check_times(load, SLACK_MS);
}

static void one_dead_node_stops_nothing_two_stop_only_strong_requests_and_nothing_acknowledged_is_lost(void **state)
{
	cluster = cluster_new(NULL);
	for (unsigned round = 0; round < harness_rounds(ROUNDS); round++)
		one_round(round);
}

/** All at once, in the middle of writes: what was acknowledged was on disk. */
static void a_cluster_killed_as_a_whole_comes_back_with_all_it_acknowledged(void **state)
{
	cluster = cluster_new(NULL);
	struct load *load = load_start(
		cluster, &(struct load_options){.prefix = "all", .pause_us_max = 3000, .clocks_are_right = true});
	load_await_progress(load, /* strong: */ true, 4 * PROGRESS);
	for (unsigned i = 0; i < cluster->count; i++)
		process_kill(&cluster->nodes[i]);
	for (unsigned i = 0; i < cluster->count; i++)
		process_start(&cluster->nodes[i]);
	cluster_await_together(cluster);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(cluster, load);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		harness_test(
			one_dead_node_stops_nothing_two_stop_only_strong_requests_and_nothing_acknowledged_is_lost),
		harness_test(a_cluster_killed_as_a_whole_comes_back_with_all_it_acknowledged),
	};
	return harness_run(argc, argv, "failover", tests);
}
