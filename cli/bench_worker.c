/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_worker.h"

#include <event2/event.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ilist.h"

enum { PRELOAD_LANES = 256, PRELOAD_TRIES = 20, BURST = 64 };

struct lane {
	struct bench_worker *worker;
	struct kv_client *client;
	struct ilink idle; /* in the worker's list, without a request */
	usec_t start_us;   /* latency counts from here */
	size_t op;         /* of the mix */
	uint64_t number;   /* of the request in its phase */
	unsigned tries;    /* of a preload */
	char key[BENCH_KEY_SIZE_MAX];
};

/* Everything but the tally belongs to the worker's thread while a phase runs. */
struct bench_worker {
	const struct bench_config *config;
	struct bench_phase *phase;
	uint32_t index;
	pthread_t thread;
	struct event_base *base;
	struct event *timer; /* of timer_fd: the next request is due */
	int timer_fd;
	struct rng rng;
	struct kv_client **clients;
	uint32_t client_count;
	struct lane *lanes;
	uint32_t lane_count, lanes_used;
	struct ilist idle; /* lanes without a request */
	uint32_t busy;     /* the others */
	bool ended;
	uint64_t due_count; /* requests that were due so far, in an open loop */

	pthread_mutex_t lock;
	struct bench_tally tally; /* under lock */
};

static void lane_rest(struct lane *lane)
{
	KV_ASSERT(lane->worker->busy > 0);
	lane->worker->busy--;
	ilist_push_back(&lane->worker->idle, &lane->idle);
}

/** The lane that was idle longest. */
static struct lane *take_lane(struct bench_worker *worker)
{
	worker->busy++;
	return container_of(ilist_pop_front(&worker->idle), struct lane, idle);
}

/** Nothing more is to be sent: the worker's part of the phase ends with the last answer. */
static void end_if_idle(struct bench_worker *worker)
{
	struct bench_phase *phase = worker->phase;
	if (worker->busy > 0 || worker->ended)
		return;
	worker->ended = true;
	event_base_loopbreak(worker->base);
	pthread_mutex_lock(&phase->lock);
	if (--phase->running == 0)
		pthread_cond_signal(&phase->ended);
	pthread_mutex_unlock(&phase->lock);
}

/** True if one more request may start; counts it, and gives its number. */
static bool may_start(struct bench_phase *phase, uint64_t *ret_number)
{
	if (phase->stop || clock_mono_us() >= phase->until_us)
		return false;
	*ret_number = phase->started++;
	return *ret_number < phase->ops_max || phase->ops_max == 0;
}

static void count(struct lane *lane, enum kv_status status)
{
	struct bench_worker *worker = lane->worker;
	usec_t now_us = clock_mono_us();
	pthread_mutex_lock(&worker->lock);
	bench_tally_add(&worker->tally, lane->op, status, now_us > lane->start_us ? now_us - lane->start_us : 0);
	pthread_mutex_unlock(&worker->lock);
	worker->phase->done++;
}

static void on_answer(struct kv_client *client, const struct kv_error *err, const struct kv_item *item, void *arg);
static void on_version(struct kv_client *client, const struct kv_error *err, const struct kv_item *item, void *arg);

static void set_key(struct lane *lane, const char *prefix, uint64_t number)
{
	const struct bench_config *config = lane->worker->config;
	size_t taken = strlen(prefix) + 1;
	int digits = config->key_size > taken ? (int)(config->key_size - taken) : 8;
	snprintf(lane->key, sizeof lane->key, "%s/%0*llu", prefix, digits, (unsigned long long)number);
}

static enum kv_status send_request(struct lane *lane, struct kv_error *err)
{
	const struct bench_config *config = lane->worker->config;
	const struct bench_op *op = &config->mix.ops[lane->op];
	struct kv_client *client = lane->client;
	struct kv_slice key = kv_slice_str(lane->key), value = kv_slice_of(config->value, config->size);
	switch (op->kind) {
	case BENCH_GET:
		return kv_get_async(client, &op->options, key, on_answer, lane, err);
	case BENCH_PUT:
		return kv_put_async(client, &op->options, key, value, on_answer, lane, err);
	case BENCH_DEL:
		return kv_del_async(client, &op->options, key, on_answer, lane, err);
	case BENCH_CAS:
		return kv_get_async(client, &op->options, key, on_version, lane, err);
	case BENCH_INCR:
		return kv_add_async(client, &op->options, key, 1, on_answer, lane, err);
	case BENCH_APPEND:
		return kv_append_async(client, &op->options, key, value, on_answer, lane, err);
	}
	KV_UNREACHABLE("no such kind");
}

static enum kv_status send_preload(struct lane *lane, struct kv_error *err)
{
	const struct bench_config *config = lane->worker->config;
	struct kv_slice value = kv_slice_of(config->value, config->size);
	lane->op = config->mix.stored[lane->number / config->keys];
	const struct bench_op *op = &config->mix.ops[lane->op];
	bool is_sum = strcmp(op->prefix, "bench/incr") == 0;
	set_key(lane, op->prefix, lane->number % config->keys);
	struct kv_options options = op->options;
	if (options.level == KV_LEVEL_BOUNDED)
		options.level = KV_LEVEL_EVENTUAL;
	return kv_put_async(lane->client, &options, kv_slice_str(lane->key), is_sum ? kv_slice_str("0") : value,
			    on_answer, lane, err);
}

/** Request NUMBER of the phase, late or not, from the lane. A refusal before it was sent ends the phase. */
static void lane_send(struct lane *lane, uint64_t number, usec_t start_us)
{
	struct bench_worker *worker = lane->worker;
	const struct bench_config *config = worker->config;
	struct kv_error err;
	enum kv_status status;
	lane->start_us = start_us;
	lane->number = number;
	if (worker->phase->preload) {
		status = send_preload(lane, &err);
	} else {
		lane->op = bench_mix_draw(&config->mix, &worker->rng);
		set_key(lane, config->mix.ops[lane->op].prefix,
			config->zipf.count ? zipf_draw(&config->zipf, &worker->rng)
					   : rng_below(&worker->rng, config->keys));
		status = send_request(lane, &err);
	}
	if (status != KV_OK) {
		count(lane, status);
		worker->phase->stop = true;
		lane_rest(lane);
	}
}

/* ---- Closed loop -------------------------------------------------------------------------------------------------- */

static void lane_next(struct lane *lane)
{
	uint64_t number;
	lane->tries = 1;
	if (may_start(lane->worker->phase, &number))
		lane_send(lane, number, clock_mono_us());
	else
		lane_rest(lane);
}

/* ---- Open loop ---------------------------------------------------------------------------------------------------- */

/** When the worker's next request is due: the threads take turns. */
static usec_t next_due_us(const struct bench_worker *worker)
{
	const struct bench_config *config = worker->config;
	double number = (double)worker->due_count * config->threads + worker->index;
	return worker->phase->start_us + (usec_t)(number * 1e6 / (double)config->rate);
}

static void arm(const struct bench_worker *worker, usec_t at_us)
{
	struct itimerspec at = {.it_value = {(time_t)(at_us / USEC_PER_SEC), (long)(at_us % USEC_PER_SEC * 1000)}};
	KV_ASSERT(timerfd_settime(worker->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
}

/** Sends what is due, as far as lanes are idle; BURST at once, so that a worker that is late reads answers in between. */
static void pace(struct bench_worker *worker)
{
	struct bench_phase *phase = worker->phase;
	for (unsigned sent = 0; !phase->stop; sent++) {
		usec_t due_us = next_due_us(worker);
		if (due_us >= phase->until_us || (phase->ops_max && phase->started >= phase->ops_max))
			break;
		if (due_us > clock_mono_us() || sent == BURST) {
			arm(worker, due_us);
			return;
		}
		if (clock_mono_us() >= phase->until_us) /* what is left was due and stays unsent */
			break;
		if (ilist_is_empty(&worker->idle))
			return;
		worker->due_count++;
		lane_send(take_lane(worker), phase->started++, due_us);
	}
	end_if_idle(worker);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	uint64_t fired;
	if (read(fd, &fired, sizeof fired) == sizeof fired)
		pace(arg);
}

/** At the end of an open loop: what was due and never sent has waited until now at least. */
static void count_unsent(struct bench_worker *worker)
{
	const struct bench_phase *phase = worker->phase;
	usec_t now_us = clock_mono_us(), end_us = MIN(now_us, phase->until_us), due_us;
	pthread_mutex_lock(&worker->lock);
	while (!phase->ops_max && (due_us = next_due_us(worker)) < end_us) {
		worker->due_count++;
		bench_tally_add_unsent(&worker->tally, bench_mix_draw(&worker->config->mix, &worker->rng),
				       now_us - due_us);
	}
	pthread_mutex_unlock(&worker->lock);
}

/* ---- Answers ------------------------------------------------------------------------------------------------------ */

static bool is_open_loop(const struct bench_phase *phase) { return phase->config->rate > 0 && !phase->preload; }

/** The version for a cas is known: now it is sent, and in a closed loop measured. */
static void on_version(struct kv_client *client, const struct kv_error *err, const struct kv_item *item, void *arg)
{
	struct lane *lane = arg;
	const struct bench_config *config = lane->worker->config;
	if (err->status != KV_OK && err->status != KV_NOT_FOUND) {
		on_answer(client, err, item, arg);
		return;
	}
	if (!is_open_loop(lane->worker->phase))
		lane->start_us = clock_mono_us();
	struct kv_error why;
	enum kv_status status = kv_cas_async(client, &config->mix.ops[lane->op].options, kv_slice_str(lane->key),
					     err->status == KV_OK ? &item->version : NULL,
					     kv_slice_of(config->value, config->size), on_answer, lane, &why);
	if (status != KV_OK)
		on_answer(client, &why, item, arg);
}

static void on_answer(struct kv_client *client, const struct kv_error *err, const struct kv_item *item, void *arg)
{
	(void)client, (void)item;
	struct lane *lane = arg;
	struct bench_worker *worker = lane->worker;
	if (worker->phase->preload && err->status != KV_OK && lane->tries < PRELOAD_TRIES && !worker->phase->stop) {
		lane->tries++;
		lane_send(lane, lane->number, lane->start_us);
		return;
	}
	count(lane, err->status);
	if (is_open_loop(worker->phase)) {
		lane_rest(lane);
		pace(worker);
	} else {
		lane_next(lane);
		end_if_idle(worker);
	}
}

/* ---- Threads ------------------------------------------------------------------------------------------------------ */

static void *run(void *arg)
{
	struct bench_worker *worker = arg;
	if (is_open_loop(worker->phase)) {
		worker->due_count = 0;
		pace(worker);
	} else {
		for (uint32_t i = 0; i < worker->lanes_used; i++)
			lane_next(take_lane(worker));
		end_if_idle(worker);
	}
	if (!worker->ended)
		event_base_loop(worker->base, EVLOOP_NO_EXIT_ON_EMPTY);
	if (is_open_loop(worker->phase))
		count_unsent(worker);
	return NULL;
}

void bench_phase_begin(struct bench_phase *phase, struct bench_worker **workers)
{
	const struct bench_config *config = phase->config;
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&phase->lock, NULL);
	pthread_cond_init(&phase->ended, &attributes);
	pthread_condattr_destroy(&attributes);
	phase->running = config->threads;
	phase->started = phase->done = 0;
	phase->start_us = clock_mono_us();
	phase->until_us = phase->whole_us == USEC_NEVER ? USEC_NEVER : phase->start_us + phase->whole_us;
	for (uint32_t i = 0; i < config->threads; i++) {
		struct bench_worker *worker = workers[i];
		worker->phase = phase;
		worker->busy = 0;
		worker->ended = false;
		/* Lanes of all clients in turn, so that a phase that needs few takes some of each. */
		worker->lanes_used = phase->preload ? worker->lane_count : worker->client_count * config->inflight;
		ilist_init(&worker->idle);
		for (uint32_t j = 0; j < worker->lanes_used; j++)
			ilist_push_back(&worker->idle, &worker->lanes[j].idle);
		KV_ASSERT(pthread_create(&worker->thread, NULL, run, worker) == 0);
	}
}

bool bench_phase_wait(struct bench_phase *phase, usec_t at_us)
{
	struct timespec until = {(time_t)(at_us / USEC_PER_SEC), (long)(at_us % USEC_PER_SEC * 1000)};
	pthread_mutex_lock(&phase->lock);
	while (phase->running > 0 && pthread_cond_timedwait(&phase->ended, &phase->lock, &until) == 0)
		;
	bool ended = phase->running == 0;
	pthread_mutex_unlock(&phase->lock);
	return ended;
}

void bench_phase_end(struct bench_phase *phase, struct bench_worker **workers)
{
	for (uint32_t i = 0; i < phase->config->threads; i++) {
		pthread_join(workers[i]->thread, NULL);
		while (!ilist_is_empty(&workers[i]->idle))
			ilist_pop_front(&workers[i]->idle);
	}
	pthread_cond_destroy(&phase->ended);
	pthread_mutex_destroy(&phase->lock);
}

void bench_workers_collect(struct bench_worker **workers, const struct bench_config *config,
			   struct bench_tally *tally)
{
	for (uint32_t i = 0; i < config->threads; i++) {
		pthread_mutex_lock(&workers[i]->lock);
		bench_tally_move(tally, &workers[i]->tally);
		pthread_mutex_unlock(&workers[i]->lock);
	}
}

/* ---- Life --------------------------------------------------------------------------------------------------------- */

static bool open_loop(struct bench_worker *worker)
{
	struct event_config *config = event_config_new();
	if (config) {
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
		worker->base = event_base_new_with_config(config);
		event_config_free(config);
	}
	worker->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (!worker->base || worker->timer_fd < 0)
		return false;
	worker->timer = event_new(worker->base, worker->timer_fd, EV_READ | EV_PERSIST, on_timer, worker);
	return event_add(worker->timer, NULL) == 0;
}

static bool worker_open(struct bench_worker *worker, struct kv_config *options)
{
	const struct bench_config *config = worker->config;
	struct kv_error err;
	if (!open_loop(worker)) {
		ctl_say(config->ctl, "no event loop: out of file descriptors");
		return false;
	}
	kv_config_set_event_base(options, worker->base);
	for (uint32_t i = 0; i < worker->client_count; i++) {
		if (kv_open(options, &worker->clients[i], &err) != KV_OK) {
			ctl_fail(config->ctl, NULL, &err);
			return false;
		}
	}
	for (uint32_t i = 0; i < worker->lane_count; i++)
		worker->lanes[i] =
			(struct lane){.worker = worker, .client = worker->clients[i % worker->client_count]};
	return true;
}

struct bench_worker **bench_workers_new(const struct bench_config *config)
{
	KV_ASSERT(config->threads > 0 && config->threads <= config->clients);
	struct bench_worker **workers = xcalloc(config->threads, sizeof *workers);
	struct kv_config *options = ctl_config(config->ctl);
	uint64_t seed = rng_entropy();
	bool opened = options != NULL;
	for (uint32_t i = 0; i < config->threads; i++) {
		struct bench_worker *worker = workers[i] = xcalloc(1, sizeof *worker);
		worker->config = config;
		worker->index = i;
		worker->timer_fd = -1;
		worker->client_count = (config->clients + i) / config->threads;
		worker->clients = xcalloc(worker->client_count, sizeof(struct kv_client *));
		worker->lane_count = worker->client_count * config->inflight;
		if (worker->lane_count < PRELOAD_LANES)
			worker->lane_count +=
				(PRELOAD_LANES - worker->lane_count) / worker->client_count * worker->client_count;
		worker->lanes = xcalloc(worker->lane_count, sizeof *worker->lanes);
		rng_init(&worker->rng, seed + i);
		pthread_mutex_init(&worker->lock, NULL);
		bench_tally_init(&worker->tally, &config->mix);
		opened = opened && worker_open(worker, options);
	}
	kv_config_free(options);
	if (opened)
		return workers;
	bench_workers_free(workers, config);
	return NULL;
}

void bench_workers_free(struct bench_worker **workers, const struct bench_config *config)
{
	for (uint32_t i = 0; workers && i < config->threads; i++) {
		struct bench_worker *worker = workers[i];
		for (uint32_t j = 0; j < worker->client_count; j++)
			kv_close(worker->clients[j], 0);
		if (worker->timer)
			event_free(worker->timer);
		if (worker->base)
			event_base_free(worker->base);
		if (worker->timer_fd >= 0)
			close(worker->timer_fd);
		pthread_mutex_destroy(&worker->lock);
		bench_tally_release(&worker->tally);
		free(worker->clients);
		free(worker->lanes);
		free(worker);
	}
	free(workers);
}
