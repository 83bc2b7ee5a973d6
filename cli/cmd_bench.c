/* SPDX-License-Identifier: Apache-2.0 */
/* bench: preload, then the measurement, and what it found. */
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/bench_worker.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/receipt.h"

enum { INFLIGHT_CLOSED = 16, INFLIGHT_OPEN = 256, SECONDS_DEFAULT = 10, WAKE_MS = 100 };

/* ---- Set-up ------------------------------------------------------------------------------------------------------- */

/** Every client has a connection a node, and descriptors of its own. */
static void raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)!setrlimit(RLIMIT_NOFILE, &limit);
}

static bool check_key_size(const struct bench_config *config)
{
	unsigned digits = 0;
	for (uint64_t last = config->keys - 1; last > 0; last /= 10)
		digits++;
	for (size_t i = 0; config->key_size && i < config->mix.count; i++) {
		size_t needed = strlen(config->mix.ops[i].prefix) + 1 + MAX(digits, 1u);
		if (needed > config->key_size) {
			ctl_usage(config->ctl, "--key-size: keys like %s/%llu have %zu bytes",
				  config->mix.ops[i].prefix, (unsigned long long)config->keys - 1, needed);
			return false;
		}
	}
	return true;
}

static bool config_init(struct bench_config *config, struct ctl *ctl)
{
	const struct args *args = &ctl->args;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	*config = (struct bench_config){.ctl = ctl,
					.keys = args->keys,
					.key_size = args->key_size,
					.size = args->size,
					.clients = args->clients,
					.inflight = args->inflight,
					.rate = args->rate};
	if (!bench_mix_init(&config->mix, ctl) || !check_key_size(config))
		return false;
	if (args->interval_ms && args->output != OUTPUT_JSONL) {
		ctl_usage(ctl, "--interval needs -o jsonl");
		return false;
	}
	if (args->zipf > 0)
		zipf_init(&config->zipf, config->keys, args->zipf);
	if (!config->inflight)
		config->inflight = config->rate ? INFLIGHT_OPEN : INFLIGHT_CLOSED;
	config->threads = args->threads ? args->threads : (uint32_t)MAX(cores, 1);
	config->threads = MIN(config->threads, config->clients);
	config->value = xmalloc(config->size ? config->size : 1);
	struct rng rng;
	rng_init(&rng, rng_entropy());
	for (size_t i = 0; i < config->size; i++)
		config->value[i] = (uint8_t)rng_next(&rng);
	return true;
}

/* ---- Reports ------------------------------------------------------------------------------------------------------ */

static json_t *figures(const struct bench_config *config, const struct bench_tally *tally, usec_t took_us,
		       bool histogram)
{
	double seconds = (double)took_us / (double)USEC_PER_SEC;
	json_t *row = json_object();
	json_set(row, "seconds", json_real(seconds));
	json_set(row, "per_second", json_real(seconds > 0 ? (double)bench_tally_count(tally) / seconds : 0));
	json_set(row, "operations", bench_tally_operations(tally, &config->mix, seconds, histogram));
	json_set(row, "statuses", bench_tally_statuses(tally));
	json_set_number(row, "unsent", bench_tally_unsent(tally));
	return row;
}

static json_t *summary(const struct bench_config *config, const struct bench_tally *tally, usec_t took_us)
{
	json_t *row = figures(config, tally, took_us, /* histogram= */ false);
	json_set_text(row, "consistency", level_name(ctl_options(config->ctl).level));
	for (size_t i = 0; i < config->mix.count && config->mix.count == 1; i++)
		json_set_text(row, "consistency", level_name(config->mix.ops[i].options.level));
	json_set_number(row, "clients", config->clients);
	json_set_number(row, "threads", config->threads);
	json_set_number(row, "inflight", config->inflight);
	json_set_number(row, "value_size", config->size);
	json_set_number(row, "keys", config->keys);
	json_set(row, "zipf", config->zipf.count ? json_real(config->zipf.exponent) : json_null());
	json_set(row, "rate", config->rate ? json_integer((json_int_t)config->rate) : json_null());
	return row;
}

static void show_table(const struct bench_config *config, json_t *row)
{
	static const struct output_column columns[] = {
		{"OPERATION", "operation", 0},         {"CONSISTENCY", "consistency", 0},
		{"COUNT", "count", COLUMN_RIGHT},      {"PER_SECOND", "per_second", COLUMN_RIGHT},
		{"P50_US", "p50_us", COLUMN_RIGHT},    {"P99_US", "p99_us", COLUMN_RIGHT},
		{"P99.9_US", "p999_us", COLUMN_RIGHT}, {"MAX_US", "max_us", COLUMN_RIGHT}};
	const struct ctl *ctl = config->ctl;
	ctl_say(ctl, "%u clients with %u requests each, values of %zu bytes, %.1f s, %.0f requests/s",
		config->clients, config->inflight, config->size, json_real_value(json_object_get(row, "seconds")),
		json_real_value(json_object_get(row, "per_second")));
	struct output out;
	output_begin(&out, OUTPUT_TABLE, columns, ARRAY_SIZE(columns));
	size_t index;
	json_t *operation, *count;
	json_array_foreach(json_object_get(row, "operations"), index, operation)
		output_add(&out, json_incref(operation));
	output_end(&out);
	const char *name;
	json_object_foreach(json_object_get(row, "statuses"), name, count)
	{
		if (strcmp(name, "OK") != 0)
			ctl_say(ctl, "%lld answered %s", (long long)json_integer_value(count), name);
	}
	json_int_t unsent = json_integer_value(json_object_get(row, "unsent"));
	if (unsent > 0)
		ctl_say(ctl, "%lld were due and could not be sent in time", (long long)unsent);
}

static void report(const struct bench_config *config, const struct bench_tally *tally, usec_t took_us)
{
	json_t *row = summary(config, tally, took_us);
	if (config->ctl->args.output != OUTPUT_TABLE) {
		output_one(config->ctl->args.output, NULL, 0, row);
		return;
	}
	show_table(config, row);
	json_decref(row);
}

/** A line about the last interval. */
static void report_interval(const struct bench_config *config, const struct bench_tally *tally, uint64_t number,
			    usec_t took_us)
{
	json_t *row = figures(config, tally, took_us, /* histogram= */ true);
	json_set_number(row, "interval", number);
	output_one(OUTPUT_JSONL, NULL, 0, row);
	fflush(stdout);
}

/* ---- Phases ------------------------------------------------------------------------------------------------------- */

struct intervals {
	usec_t every_us, last_us; /* every 0: none are told */
	uint64_t count;
	struct bench_tally tally;
};

/** Takes what was measured over from the workers; tells of an interval that is over. */
static void collect(struct bench_phase *phase, struct bench_worker **workers, struct intervals *intervals,
		    struct bench_tally *sum)
{
	usec_t now_us = clock_mono_us();
	if (intervals->every_us && now_us < intervals->last_us + intervals->every_us)
		return;
	bench_workers_collect(workers, phase->config, &intervals->tally);
	if (intervals->every_us)
		report_interval(phase->config, &intervals->tally, intervals->count++, now_us - intervals->last_us);
	intervals->last_us = now_us;
	bench_tally_move(sum, &intervals->tally);
}

/** Runs a phase and gives how long it took. */
static usec_t run_phase(struct bench_phase *phase, struct bench_worker **workers, const char *what,
			uint64_t interval_ms, struct bench_tally *sum)
{
	struct progress progress;
	progress_start(&progress, what, "requests");
	bench_phase_begin(phase, workers);
	struct intervals intervals = {.every_us = interval_ms * USEC_PER_MSEC, .last_us = phase->start_us};
	bench_tally_init(&intervals.tally, &phase->config->mix);
	usec_t wake_us = phase->start_us, whole_us = phase->whole_us;
	do {
		wake_us += WAKE_MS * USEC_PER_MSEC;
		if (intervals.every_us)
			wake_us = MIN(wake_us, intervals.last_us + intervals.every_us);
		if (interrupt_pending())
			phase->stop = true;
		if (phase->ops_max)
			progress_update(&progress, phase->done, phase->done, phase->ops_max);
		else
			progress_update(&progress, phase->done, progress_elapsed_us(&progress), whole_us);
		if (intervals.every_us)
			collect(phase, workers, &intervals, sum);
	} while (!bench_phase_wait(phase, wake_us));
	usec_t took_us = clock_mono_us() - phase->start_us;
	bench_phase_end(phase, workers);
	bench_workers_collect(workers, phase->config, sum);
	bench_tally_release(&intervals.tally);
	progress_clear(&progress);
	return took_us;
}

/** Stores every key. False, having said so, unless all were. */
static bool preload(const struct bench_config *config, struct bench_worker **workers)
{
	uint64_t count = config->keys * config->mix.stored_count;
	struct bench_phase phase = {.config = config, .preload = true, .ops_max = count, .whole_us = USEC_NEVER};
	struct bench_tally sum;
	bench_tally_init(&sum, &config->mix);
	run_phase(&phase, workers, "preload", 0, &sum);
	uint64_t stored = sum.statuses[KV_OK];
	bench_tally_release(&sum);
	if (stored < count)
		ctl_say(config->ctl, "only %llu of %llu keys could be stored before", (unsigned long long)stored,
			(unsigned long long)count);
	return stored == count;
}

static int measure(const struct bench_config *config, struct bench_worker **workers)
{
	const struct args *args = &config->ctl->args;
	uint64_t seconds = args->seconds || args->ops ? args->seconds : SECONDS_DEFAULT;
	struct bench_phase phase = {.config = config, .ops_max = args->ops, .whole_us = USEC_NEVER};
	if (seconds)
		phase.whole_us = seconds * USEC_PER_SEC;
	struct bench_tally sum;
	bench_tally_init(&sum, &config->mix);
	usec_t took_us = run_phase(&phase, workers, "bench", args->interval_ms, &sum);
	report(config, &sum, took_us);
	int code = bench_tally_exit_code(&sum);
	bench_tally_release(&sum);
	return code;
}

int cmd_bench(struct ctl *ctl)
{
	struct bench_config config;
	if (!config_init(&config, ctl))
		return 2;
	raise_file_limit();
	int code = 1;
	struct bench_worker **workers = bench_workers_new(&config);
	if (workers) {
		interrupt_defer();
		if (!ctl->args.preload || preload(&config, workers))
			code = measure(&config, workers);
		bench_workers_free(workers, &config);
		if (interrupt_pending())
			code = INTERRUPT_EXIT_CODE;
	}
	free(config.value);
	return code;
}
