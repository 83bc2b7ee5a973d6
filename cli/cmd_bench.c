/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench: a closed loop. Each client has its own connections and I/O thread; a lane is one request under way, and the
 * callback that ends it starts the next. Everything a lane touches belongs to its client's thread.
 */
#include <pthread.h>

#include "base/clock.h"
#include "base/hist.h"
#include "base/rng.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/receipt.h"

enum { INFLIGHT_DEFAULT = 16, SECONDS_DEFAULT = 10, STATUS_MAX = 32, KEY_SIZE = 32, WAKE_MS = 100 };

struct bench;
struct worker;

struct lane {
	struct worker *worker;
	usec_t sent_us;
	bool is_write;
	char key[KEY_SIZE];
};

struct worker {
	struct bench *bench;
	struct kv_client *client;
	struct lane *lanes;
	struct rng rng;
	struct hist write_hist, get_hist; /* microseconds, of what succeeded or was not found */
	uint64_t statuses[STATUS_MAX];
};

struct bench {
	struct ctl *ctl;
	struct kv_options options, write_options;
	uint32_t inflight;
	uint64_t ops_max; /* 0: no bound */
	usec_t until_us;  /* USEC_NEVER: no bound */
	uint8_t *value;   /* the bytes of every value */
	_Atomic uint64_t started, done;
	_Atomic bool stop;

	pthread_mutex_t lock;
	pthread_cond_t idle;
	uint32_t running; /* lanes; under lock */
};

static void lane_end(struct bench *bench)
{
	pthread_mutex_lock(&bench->lock);
	if (--bench->running == 0)
		pthread_cond_signal(&bench->idle);
	pthread_mutex_unlock(&bench->lock);
}

/** True if one more request may start; counts it. */
static bool may_start(struct bench *bench)
{
	if (bench->stop || clock_mono_us() >= bench->until_us)
		return false;
	return bench->started++ < bench->ops_max || bench->ops_max == 0;
}

static void count_status(struct worker *worker, enum kv_status status)
{
	worker->statuses[status_is_known(status) ? status : KV_INTERNAL]++;
}

static void on_answer(struct kv_client *client, const struct kv_error *err, const struct kv_item *item, void *arg);
static void on_version(struct kv_client *client, const struct kv_error *err, const struct kv_item *item, void *arg);

/** What each kind of write is called, and what its keys begin with: a sum needs a number, so they do not share any. */
static const struct {
	const char *name, *prefix;
} kinds[] = {
	[WRITE_PUT] = {"put", "bench"},
	[WRITE_CAS] = {"cas", "bench/cas"},
	[WRITE_INCR] = {"incr", "bench/incr"},
	[WRITE_APPEND] = {"append", "bench/append"},
};

static enum kv_status send_write(struct lane *lane, struct kv_slice key, struct kv_error *err)
{
	struct worker *worker = lane->worker;
	struct bench *bench = worker->bench;
	const struct kv_options *options = &bench->write_options;
	struct kv_slice value = kv_slice_of(bench->value, bench->ctl->args.size);
	switch (bench->ctl->args.write) {
	case WRITE_PUT:
		return kv_put_async(worker->client, options, key, value, on_answer, lane, err);
	case WRITE_CAS:
		return kv_get_async(worker->client, options, key, on_version, lane, err);
	case WRITE_INCR:
		return kv_add_async(worker->client, options, key, 1, on_answer, lane, err);
	case WRITE_APPEND:
		return kv_append_async(worker->client, options, key, value, on_answer, lane, err);
	}
	KV_UNREACHABLE("no such kind");
}

/** Refused before it was sent: more of the same would not help. */
static void lane_stop(struct lane *lane, enum kv_status status)
{
	count_status(lane->worker, status);
	lane->worker->bench->stop = true;
	lane_end(lane->worker->bench);
}

/** Sends the lane's next request, or ends the lane. Client's thread, but for the first one. */
static void lane_next(struct lane *lane)
{
	struct worker *worker = lane->worker;
	struct bench *bench = worker->bench;
	const struct args *args = &bench->ctl->args;
	if (!may_start(bench)) {
		lane_end(bench);
		return;
	}
	snprintf(lane->key, sizeof lane->key, "%s/%08llu", kinds[args->write].prefix,
		 (unsigned long long)rng_below(&worker->rng, args->keys));
	struct kv_slice key = kv_slice_str(lane->key);
	lane->is_write = rng_below(&worker->rng, args->ratio_put + args->ratio_get) < args->ratio_put;
	lane->sent_us = clock_mono_us();
	struct kv_error err;
	enum kv_status status = lane->is_write
					? send_write(lane, key, &err)
					: kv_get_async(worker->client, &bench->options, key, on_answer, lane, &err);
	if (status != KV_OK)
		lane_stop(lane, status);
}

/** The version for a cas is known: now it is sent. */
static void on_version(struct kv_client *client, const struct kv_error *err, const struct kv_item *item, void *arg)
{
	struct lane *lane = arg;
	struct bench *bench = lane->worker->bench;
	if (err->status != KV_OK && err->status != KV_NOT_FOUND) {
		on_answer(client, err, item, arg);
		return;
	}
	lane->sent_us = clock_mono_us();
	struct kv_error why;
	enum kv_status status =
		kv_cas_async(client, &bench->write_options, kv_slice_str(lane->key),
			     err->status == KV_OK ? &item->version : NULL,
			     kv_slice_of(bench->value, bench->ctl->args.size), on_answer, lane, &why);
	if (status != KV_OK)
		lane_stop(lane, status);
}

static void on_answer(struct kv_client *client, const struct kv_error *err, const struct kv_item *item, void *arg)
{
	(void)client, (void)item;
	struct lane *lane = arg;
	struct worker *worker = lane->worker;
	enum kv_status status = err->status;
	count_status(worker, status);
	if (status == KV_OK || status == KV_NOT_FOUND)
		hist_add(lane->is_write ? &worker->write_hist : &worker->get_hist, clock_mono_us() - lane->sent_us);
	worker->bench->done++;
	lane_next(lane);
}

static bool worker_open(struct worker *worker, struct bench *bench, uint64_t seed)
{
	worker->bench = bench;
	/* ctl_open keeps one client; each worker takes it over and leaves room for the next. */
	if (!ctl_open(bench->ctl, NULL))
		return false;
	worker->client = TAKE_PTR(bench->ctl->client);
	worker->lanes = xcalloc(bench->inflight, sizeof *worker->lanes);
	rng_init(&worker->rng, seed);
	hist_init(&worker->write_hist);
	hist_init(&worker->get_hist);
	return true;
}

static void run_lanes(struct bench *bench, struct worker *workers, struct progress *progress)
{
	const struct args *args = &bench->ctl->args;
	usec_t whole_us = bench->until_us == USEC_NEVER ? 0 : bench->until_us - progress->start_us;
	bench->running = args->clients * bench->inflight;
	for (uint32_t i = 0; i < args->clients; i++) {
		for (uint32_t j = 0; j < bench->inflight; j++) {
			workers[i].lanes[j].worker = &workers[i];
			lane_next(&workers[i].lanes[j]);
		}
	}
	pthread_mutex_lock(&bench->lock);
	while (bench->running > 0) {
		usec_t at_us = clock_mono_us() + WAKE_MS * USEC_PER_MSEC;
		struct timespec until = {(time_t)(at_us / USEC_PER_SEC), (long)(at_us % USEC_PER_SEC * 1000)};
		pthread_cond_timedwait(&bench->idle, &bench->lock, &until);
		if (interrupt_pending())
			bench->stop = true;
		if (bench->ops_max)
			progress_update(progress, bench->done, bench->done, bench->ops_max);
		else
			progress_update(progress, bench->done, progress_elapsed_us(progress), whole_us);
	}
	pthread_mutex_unlock(&bench->lock);
}

static json_t *latency_row(const char *name, const struct hist *h, double seconds)
{
	json_t *row = json_object();
	json_set_text(row, "operation", name);
	json_set_number(row, "count", h->count);
	json_set(row, "per_second", json_real(seconds > 0 ? (double)h->count / seconds : 0));
	json_set_number(row, "p50_us", hist_quantile(h, 500));
	json_set_number(row, "p99_us", hist_quantile(h, 990));
	json_set_number(row, "p999_us", hist_quantile(h, 999));
	json_set_number(row, "max_us", h->count ? h->max : 0);
	return row;
}

static json_t *status_counts(const uint64_t counts[STATUS_MAX])
{
	json_t *object = json_object();
	for (unsigned i = 0; i < STATUS_MAX; i++) {
		if (counts[i] > 0)
			json_set_number(object, kv_status_name((enum kv_status)i), counts[i]);
	}
	return object;
}

static void show_table(struct bench *bench, json_t *operations, json_t *statuses)
{
	static const struct output_column columns[] = {{"OPERATION", "operation", 0},
						       {"COUNT", "count", COLUMN_RIGHT},
						       {"PER_SECOND", "per_second", COLUMN_RIGHT},
						       {"P50_US", "p50_us", COLUMN_RIGHT},
						       {"P99_US", "p99_us", COLUMN_RIGHT},
						       {"P99.9_US", "p999_us", COLUMN_RIGHT},
						       {"MAX_US", "max_us", COLUMN_RIGHT}};
	struct output out;
	output_begin(&out, OUTPUT_TABLE, columns, ARRAY_SIZE(columns));
	size_t index;
	json_t *row;
	json_array_foreach(operations, index, row) output_add(&out, json_incref(row));
	output_end(&out);
	const char *name;
	json_t *count;
	json_object_foreach(statuses, name, count)
	{
		if (strcmp(name, "OK") != 0)
			ctl_say(bench->ctl, "%lld answered %s", (long long)json_integer_value(count), name);
	}
}

/** Gives the exit code: that of the worst answer. */
static int report(struct bench *bench, const struct worker *workers, usec_t took_us)
{
	const struct args *args = &bench->ctl->args;
	CLEANUP(free_ptr) struct worker *sum = xcalloc(1, sizeof *sum);
	int code = 0;
	hist_init(&sum->write_hist);
	hist_init(&sum->get_hist);
	for (uint32_t i = 0; i < args->clients; i++) {
		hist_merge(&sum->write_hist, &workers[i].write_hist);
		hist_merge(&sum->get_hist, &workers[i].get_hist);
		for (unsigned j = 0; j < STATUS_MAX; j++)
			sum->statuses[j] += workers[i].statuses[j];
	}
	for (unsigned j = 0; j < STATUS_MAX; j++) {
		if (sum->statuses[j] > 0 && j != KV_NOT_FOUND)
			code = ctl_worse(code, status_exit_code((enum kv_status)j));
	}
	double seconds = (double)took_us / (double)USEC_PER_SEC;
	uint64_t count = sum->write_hist.count + sum->get_hist.count;
	json_t *row = json_object(), *operations = json_array();
	if (args->ratio_put)
		json_array_append_new(operations, latency_row(kinds[args->write].name, &sum->write_hist, seconds));
	if (args->ratio_get)
		json_array_append_new(operations, latency_row("get", &sum->get_hist, seconds));
	json_set_text(row, "consistency", level_name(bench->options.level));
	json_set_number(row, "clients", args->clients);
	json_set_number(row, "inflight", bench->inflight);
	json_set_number(row, "value_size", args->size);
	json_set(row, "seconds", json_real(seconds));
	json_set(row, "per_second", json_real(seconds > 0 ? (double)count / seconds : 0));
	json_set(row, "operations", operations);
	json_set(row, "statuses", status_counts(sum->statuses));
	if (args->output == OUTPUT_TABLE) {
		ctl_say(bench->ctl,
			"%s, %u clients with %u requests each, values of %llu bytes, %.1f s, %.0f requests/s",
			level_name(bench->options.level), args->clients, bench->inflight,
			(unsigned long long)args->size, seconds, seconds > 0 ? (double)count / seconds : 0);
		show_table(bench, operations, json_object_get(row, "statuses"));
		json_decref(row);
	} else {
		output_one(args->output, NULL, 0, row);
	}
	return code;
}

static void bench_init(struct bench *bench, struct ctl *ctl)
{
	const struct args *args = &ctl->args;
	*bench = (struct bench){.ctl = ctl, .options = ctl_options(ctl), .until_us = USEC_NEVER};
	if (args->write != WRITE_PUT && !args_given(args, FLAG_CONSISTENCY))
		bench->options.level = KV_LEVEL_STRONG;
	bench->write_options = bench->options;
	if (args->write != WRITE_PUT)
		bench->write_options.level = KV_LEVEL_STRONG;
	else if (bench->options.level == KV_LEVEL_BOUNDED)
		bench->write_options.level = KV_LEVEL_EVENTUAL;
	bench->inflight = args->inflight ? args->inflight : INFLIGHT_DEFAULT;
	bench->ops_max = args->ops;
	bench->value = xmalloc(args->size ? args->size : 1);
	struct rng rng;
	rng_init(&rng, rng_entropy());
	for (uint64_t i = 0; i < args->size; i++)
		bench->value[i] = (uint8_t)rng_next(&rng);
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&bench->lock, NULL);
	pthread_cond_init(&bench->idle, &attributes);
	pthread_condattr_destroy(&attributes);
}

int cmd_bench(struct ctl *ctl)
{
	const struct args *args = &ctl->args;
	struct bench bench;
	bench_init(&bench, ctl);
	struct worker *workers = xcalloc(args->clients, sizeof *workers);
	uint64_t seed = rng_entropy();
	bool opened = true;
	for (uint32_t i = 0; opened && i < args->clients; i++)
		opened = worker_open(&workers[i], &bench, seed + i);
	int code = 1;
	if (opened) {
		struct progress progress;
		uint64_t seconds = args->seconds || args->ops ? args->seconds : SECONDS_DEFAULT;
		interrupt_defer();
		progress_start(&progress, "bench", "requests");
		if (seconds)
			bench.until_us = progress.start_us + seconds * USEC_PER_SEC;
		run_lanes(&bench, workers, &progress);
		usec_t took_us = progress_elapsed_us(&progress);
		progress_clear(&progress);
		for (uint32_t i = 0; i < args->clients; i++)
			kv_close(TAKE_PTR(workers[i].client), 0);
		code = report(&bench, workers, took_us);
		if (interrupt_pending())
			code = INTERRUPT_EXIT_CODE;
	}
	for (uint32_t i = 0; i < args->clients; i++) {
		kv_close(workers[i].client, 0);
		free(workers[i].lanes);
	}
	free(workers);
	free(bench.value);
	pthread_cond_destroy(&bench.idle);
	pthread_mutex_destroy(&bench.lock);
	return code;
}
