/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RocksDB in this process, with the options kvd sets: what the engine alone does. Puts keys at random in batches, each of which is
 * synced, and tells what that took:
 *
 *     rocks_alone DIRECTORY KEYS VALUE_SIZE BATCH SECONDS
 */
#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/hist.h"
#include "base/rng.h"
#include "storage/store_rocks.h"

enum { KEY_SIZE = 16, BATCH_MAX = 1024 };

struct load {
	struct store *store;
	struct rng rng;
	uint64_t keys;
	size_t value_size, batch;
	uint8_t *value;
	struct hist hist; /* of batches */
};

static void die(const char *what)
{
	fprintf(stderr, "rocks_alone: %s\n", what);
	exit(1);
}

static uint64_t cpu_us(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * USEC_PER_SEC +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void put_batch(struct load *load)
{
	struct store_op ops[BATCH_MAX];
	char keys[BATCH_MAX][KEY_SIZE + 8];
	for (size_t i = 0; i < load->batch; i++) {
		snprintf(keys[i], sizeof keys[i], "bench/%010llu",
			 (unsigned long long)rng_below(&load->rng, load->keys));
		ops[i] = (struct store_op){.table = STORE_DATA,
					   .key = slice_of(keys[i], KEY_SIZE),
					   .value = slice_of(load->value, load->value_size)};
	}
	usec_t start_us = clock_mono_us();
	if (store_write(load->store, ops, load->batch, /* sync= */ true) != KV_OK)
		die("a write failed");
	hist_add(&load->hist, clock_mono_us() - start_us);
}

int main(int argc, char **argv)
{
	if (argc != 6)
		die("usage: rocks_alone DIRECTORY KEYS VALUE_SIZE BATCH SECONDS");
	struct load load = {.keys = strtoull(argv[2], NULL, 10),
			    .value_size = strtoul(argv[3], NULL, 10),
			    .batch = strtoul(argv[4], NULL, 10)};
	uint64_t seconds = strtoull(argv[5], NULL, 10);
	if (load.keys < 1 || load.batch < 1 || load.batch > BATCH_MAX || load.value_size > 1 << 24 || seconds < 1)
		die("a number is out of range");
	struct rocks_config config = {.path = argv[1],
				      .cache_size = (uint64_t)128 << 20,
				      .write_buffer_size = (uint64_t)8 << 20,
				      .create_if_missing = true};
	struct error err;
	if (store_rocks_open(&config, &load.store, &err) != KV_OK)
		die(err.message);
	rng_init(&load.rng, rng_entropy());
	hist_init(&load.hist);
	load.value = xmalloc(load.value_size + 1);
	for (size_t i = 0; i < load.value_size; i++)
		load.value[i] = (uint8_t)rng_next(&load.rng);
	usec_t start_us = clock_mono_us(), until_us = start_us + seconds * USEC_PER_SEC;
	uint64_t begin_us = cpu_us();
	while (clock_mono_us() < until_us)
		put_batch(&load);
	double took = (double)(clock_mono_us() - start_us) / 1e6;
	uint64_t puts = load.hist.count * load.batch;
	printf("{\"seconds\":%.6f,\"puts\":%llu,\"per_second\":%.1f,\"cpu_us\":%.3f,\"syncs\":%llu,\"p50_us\":%llu,"
	       "\"p99_us\":%llu,\"p999_us\":%llu,\"max_us\":%llu}\n",
	       took, (unsigned long long)puts, (double)puts / took, (double)(cpu_us() - begin_us) / (double)puts,
	       (unsigned long long)load.hist.count, (unsigned long long)hist_quantile(&load.hist, 500),
	       (unsigned long long)hist_quantile(&load.hist, 990),
	       (unsigned long long)hist_quantile(&load.hist, 999), (unsigned long long)load.hist.max);
	store_close(load.store);
	free(load.value);
	return 0;
}
