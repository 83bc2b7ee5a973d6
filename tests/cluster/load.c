/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/load.h"

#include "base/clock.h"
#include "tests/cluster/harness.h"
#include "tests/cluster/load_inside.h"

enum { PROGRESS_MS = 20000, BOUND_SLACK_MS = 1000 };

struct kv_slice load_key(const struct load_options *options, uint32_t key, char text[64])
{
	int size = snprintf(text, 64, "%s-key-%u", options->prefix, key);
	return kv_slice_of(text, (size_t)size);
}

bool load_key_number(const struct load_options *options, struct kv_slice name, uint32_t *ret)
{
	char text[64], again[64];
	const char *number = memrchr(name.data, '-', name.size);
	if (!number || name.size >= sizeof text)
		return false;
	memcpy(text, name.data, name.size);
	text[name.size] = '\0';
	uint32_t key = (uint32_t)strtoul(text + (number - (const char *)name.data) + 1, NULL, 10);
	struct kv_slice same = load_key(options, key, again);
	if (same.size != name.size || memcmp(again, text, name.size) != 0)
		return false;
	*ret = key;
	return true;
}

/** Draws an operation and puts it into the history. False: the load is to end. */
static bool invoke(struct load_thread *t, struct asked *ret)
{
	struct load *l = t->load;
	pthread_mutex_lock(&l->lock);
	if (l->stopping) {
		pthread_mutex_unlock(&l->lock);
		return false;
	}
	load_draw(t, ret);
	struct history_op *op = &ret->op;
	op->client = t->index;
	op->attempts = 1;
	/* The session is this thread's alone: nothing changes what it holds before the request is sent. */
	op->floor = op->session ? load_session_entry(t, op->key) : (struct stamp){0, 0};
	struct history_op *placed = history_invoke(&l->history, clock_mono_us());
	op->index = placed->index;
	op->invoke = placed->invoke;
	op->invoke_us = placed->invoke_us;
	op->complete = placed->complete;
	op->complete_us = placed->complete_us;
	*placed = *op;
	pthread_mutex_unlock(&l->lock);
	return true;
}

/** Lets others have their turn, unless the load is to end. */
static void rest(struct load_thread *t)
{
	struct load *l = t->load;
	struct timespec until;
	uint64_t pause_us = rng_below(&t->rng, l->options.pause_us_max) + clock_mono_us();
	until.tv_sec = (time_t)(pause_us / USEC_PER_SEC);
	until.tv_nsec = (long)(pause_us % USEC_PER_SEC * 1000);
	pthread_mutex_lock(&l->lock);
	while (!l->stopping && pthread_cond_timedwait(&l->changed, &l->lock, &until) == 0)
		;
	pthread_mutex_unlock(&l->lock);
}

static void *run_thread(void *arg)
{
	struct load_thread *t = arg;
	struct asked asked;
	while (invoke(t, &asked)) {
		load_ask(t, &asked);
		rest(t);
	}
	return NULL;
}

void load_stop(struct load *l)
{
	if (!l->running)
		return;
	l->running = false;
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; i < l->options.threads; i++) {
		pthread_join(l->threads[i].thread, NULL);
		kv_close(l->threads[i].client, 0);
		kv_session_free(l->threads[i].session);
	}
	l->history.key_count = l->options.busy_keys + l->singles;
}

static void load_end(void *arg)
{
	struct load *l = arg;
	load_stop(l);
	history_release(&l->history);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->changed);
	free(l);
}

void load_release(struct load *l) { harness_end_now(load_end, l); }

static void load_prepare(struct load *l, const struct load_options *options)
{
	l->options = *options;
	l->options.threads = MIN(options->threads ? options->threads : 6, (unsigned)LOAD_THREADS_MAX);
	l->options.busy_keys = options->busy_keys ? options->busy_keys : 16;
	KV_ASSERT(l->options.busy_keys <= LOAD_BUSY_MAX);
	l->options.single_keys = options->single_keys ? options->single_keys : 800;
	l->options.timeout_ms = options->timeout_ms ? options->timeout_ms : 1000;
	l->options.pause_us_max = options->pause_us_max ? options->pause_us_max : 12000;
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&l->lock, NULL);
	history_init(&l->history, l->options.busy_keys + l->options.single_keys, /* skew_us: */ 0);
	l->history.stale_slack_us = options->clocks_are_right ? BOUND_SLACK_MS * USEC_PER_MSEC : USEC_NEVER;
}

/** The whole cluster is up when a load starts; later its threads might have to wait for a map. */
static void locate_keys(struct load *l, struct cluster *c)
{
	for (uint32_t key = 0; key < l->options.busy_keys; key++) {
		char text[64];
		struct kv_location location;
		struct kv_error err;
		if (kv_locate(c->client, load_key(&l->options, key, text), &location, &err) != KV_OK)
			fail_msg("where key %u lives: %s", key, err.message);
		l->hashes[key] = location.hash;
	}
}

struct load *load_start(struct cluster *c, const struct load_options *options)
{
	struct load *l = xcalloc(1, sizeof *l);
	load_prepare(l, options);
	locate_keys(l, c);
	l->running = true;
	for (unsigned i = 0; i < l->options.threads; i++) {
		struct load_thread *t = &l->threads[i];
		t->load = l;
		t->index = i;
		t->client = cluster_open_client(c->endpoints, l->options.timeout_ms);
		t->session = kv_session_new();
		rng_init(&t->rng, options->seed + 1000 + i);
		int error = pthread_create(&t->thread, NULL, run_thread, t);
		KV_ASSERT(error == 0);
	}
	harness_at_teardown(load_end, l);
	return l;
}

struct history *load_history(struct load *l)
{
	KV_ASSERT(!l->running);
	return &l->history;
}

const struct load_options *load_options(const struct load *l) { return &l->options; }

uint64_t load_successes(const struct load *l, bool strong, bool write)
{
	return atomic_load_explicit(&l->successes[strong][write], memory_order_relaxed);
}

struct goal {
	const struct load *load;
	bool strong;
	uint64_t counts[2][2];
};

static bool is_reached(void *arg)
{
	const struct goal *g = arg;
	for (int strong = 0; strong <= g->strong; strong++)
		for (int write = 0; write < 2; write++)
			if (load_successes(g->load, strong, write) < g->counts[strong][write])
				return false;
	return true;
}

void load_await_progress(struct load *l, bool strong, unsigned count)
{
	struct goal g = {.load = l, .strong = strong};
	for (int s = 0; s < 2; s++)
		for (int write = 0; write < 2; write++)
			g.counts[s][write] = load_successes(l, s, write) + count;
	if (harness_wait(is_reached, &g, PROGRESS_MS))
		return;
	for (int s = 0; s <= strong; s++)
		for (int write = 0; write < 2; write++)
			print_error("%s %ss: %llu done of %llu waited for\n", s ? "strong" : "eventual",
				    write ? "write" : "read", (unsigned long long)load_successes(l, s, write),
				    (unsigned long long)g.counts[s][write]);
	fail_msg("the load makes no progress");
}

void load_check_times(const struct load *l, unsigned slack_ms)
{
	/* A machine that does not let this program run for a while holds its calls up, too. */
	usec_t limit_us = (l->options.timeout_ms + harness_ms(slack_ms)) * USEC_PER_MSEC + harness_stalled_us();
	for (uint32_t i = 0; i < l->history.count; i++) {
		const struct history_op *op = &l->history.ops[i];
		if (op->complete_us - op->invoke_us > limit_us)
			fail_msg("#%u took %llu us: at most %llu are allowed", i,
				 (unsigned long long)(op->complete_us - op->invoke_us),
				 (unsigned long long)limit_us);
	}
}
