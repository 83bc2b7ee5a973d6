/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once, for a while: five nodes and one that comes and goes, three of which keep each key, under a load whose history is judged.
 *
 * KV_CHAOS_SECONDS: how long (60). KV_CHAOS_SEED: of the schedule of faults; printed. Each part of 20 seconds ends with
 * a cluster that is mended, serves, and is judged.
 */
#include "tests/cluster/harness.h"

#include "tests/cluster/chaos.h"
#include "tests/cluster/judge.h"

enum { NODES = 5, SPARES = 8, SECONDS = 60, PART_MS = 20000, PROGRESS = 10, SLACK_MS = 1500 };

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);
	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void one_part(struct chaos *chaos, unsigned part, uint64_t seed, unsigned ms)
{
	char prefix[16];
	snprintf(prefix, sizeof prefix, "p%u", part);
	struct load *load = load_start(chaos->cluster, &(struct load_options){.prefix = prefix,
									      .single_keys = 300,
									      .pause_us_max = 20000,
									      .seed = seed + part});
	load_await_progress(load, /* strong: */ true, PROGRESS);
	chaos_run(chaos, ms);
	load_await_progress(load, /* strong: */ true, PROGRESS);
	judge(chaos->cluster, load);
	load_check_times(load, SLACK_MS);
	load_release(load);
}

static void everything_at_once_breaks_nothing(void **state)
{
	static struct chaos chaos;
	uint64_t seed = number_from("KV_CHAOS_SEED", rng_entropy() >> 32);
	uint64_t ms = number_from("KV_CHAOS_SECONDS", SECONDS) * 1000;
	fprintf(stderr, "# KV_CHAOS_SEED=%llu\n", (unsigned long long)seed);
	struct cluster *c = cluster_new(&(struct cluster_options){
		.nodes = NODES, .spares = SPARES, .proxied = true, .faulty = true, .seed = seed});
	chaos_init(&chaos, c, seed);
	for (unsigned part = 0; ms > 0; part++) {
		uint64_t now_ms = MIN(ms, (uint64_t)PART_MS);
		one_part(&chaos, part, seed, (unsigned)now_ms);
		ms -= now_ms;
	}
	CLEANUP(buf_release) struct buf counts = BUF_INIT;
	chaos_describe(&chaos, &counts);
	fprintf(stderr, "# %s\n", buf_cstr(&counts));
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {harness_test(everything_at_once_breaks_nothing)};
	return harness_run(argc, argv, "chaos", tests);
}
