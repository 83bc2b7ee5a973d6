/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/rng.h"
#include "tests/cluster/harness.h"

enum {
	THREADS_MAX = 16,
	VALUE_HEADER_SIZE = 16,
	VALUE_MAX = 600,
	STRONG_PCT = 50,
	GET_PCT = 40,
	DELETE_PCT = 15,
	SINGLE_PCT = 15,
	PROGRESS_MS = 20000
};

struct load;

struct load_thread {
	struct load *load;
	unsigned index;
	struct kv_client *client;
	struct rng rng;
	pthread_t thread;
};

struct load {
	struct load_options options;
	struct load_thread threads[THREADS_MAX];
	bool running;
	_Atomic uint64_t successes[2][2]; /* strong, write */
	pthread_mutex_t lock;             /* of all below */
	pthread_cond_t changed;
	bool stopping;
	struct history history;
	uint64_t values;  /* given out */
	uint32_t singles; /* keys written once so far */
};

/* What a thread needs of its operation: the history's entry moves when others are added. */
struct asked {
	uint32_t index;
	uint32_t key;
	enum history_kind kind;
	bool strong;
	enum history_acks acks;
	uint64_t value;
};

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

static size_t value_write(uint64_t number, uint32_t key, uint8_t *ret)
{
	uint32_t size = VALUE_HEADER_SIZE + (uint32_t)(hash_u64(number) % (VALUE_MAX - VALUE_HEADER_SIZE));
	store_le64(ret, number);
	store_le32(ret + 8, key);
	store_le32(ret + 12, size);
	for (uint32_t i = VALUE_HEADER_SIZE; i < size; i++)
		ret[i] = (uint8_t)(number * 31 + i);
	return size;
}

uint64_t load_value_number(struct kv_slice value, uint32_t key)
{
	const uint8_t *bytes = value.data;
	if (value.size < VALUE_HEADER_SIZE || load_le32(bytes + 8) != key || load_le32(bytes + 12) != value.size)
		return 0;
	uint64_t number = load_le64(bytes);
	for (size_t i = VALUE_HEADER_SIZE; i < value.size; i++)
		if (bytes[i] != (uint8_t)(number * 31 + i))
			return 0;
	return number;
}

static bool percent(struct load_thread *t, unsigned pct) { return rng_below(&t->rng, 100) < pct; }

/** Draws an operation and puts it into the history. False: the load is to end. */
static bool invoke(struct load_thread *t, struct asked *ret)
{
	struct load *l = t->load;
	*ret = (struct asked){.strong = percent(t, STRONG_PCT)};
	pthread_mutex_lock(&l->lock);
	if (l->stopping) {
		pthread_mutex_unlock(&l->lock);
		return false;
	}
	bool single = percent(t, SINGLE_PCT) && l->singles < l->options.single_keys;
	if (single)
		ret->key = l->options.busy_keys + l->singles++;
	else
		ret->key = (uint32_t)rng_below(&t->rng, l->options.busy_keys);
	ret->kind = single                   ? HISTORY_PUT
		    : percent(t, GET_PCT)    ? HISTORY_GET
		    : percent(t, DELETE_PCT) ? HISTORY_DELETE
					     : HISTORY_PUT;
	/* Mostly of one replica: what other numbers of acknowledgements ask for is not there in every fault. */
	if (!ret->strong && ret->kind != HISTORY_GET)
		ret->acks = percent(t, 80) ? HISTORY_ACKS_ONE
					   : (enum history_acks)rng_between(&t->rng, HISTORY_ACKS_MAJORITY,
									    HISTORY_ACKS_ALL);
	if (ret->kind == HISTORY_PUT)
		ret->value = ++l->values;
	struct history_op *op = history_invoke(&l->history, clock_mono_us());
	op->client = t->index;
	op->key = ret->key;
	op->kind = ret->kind;
	op->level = ret->strong ? HISTORY_STRONG : HISTORY_EVENTUAL;
	op->acks = ret->acks;
	op->value = ret->value;
	op->attempts = 1;
	ret->index = op->index;
	pthread_mutex_unlock(&l->lock);
	return true;
}

static enum kv_status ask(struct load_thread *t, const struct asked *a, struct kv_item *item, struct kv_error *err)
{
	struct kv_options options = KV_OPTIONS_INIT;
	char text[64];
	uint8_t value[VALUE_MAX];
	struct kv_slice key = load_key(&t->load->options, a->key, text);
	options.level = a->strong ? KV_LEVEL_STRONG : KV_LEVEL_EVENTUAL;
	options.acks = (enum kv_acks)a->acks;
	if (a->kind == HISTORY_GET)
		return kv_get(t->client, &options, key, item, err);
	if (a->kind == HISTORY_DELETE)
		return kv_del(t->client, &options, key, item, err);
	return kv_put(t->client, &options, key, kv_slice_of(value, value_write(a->value, a->key, value)), item,
		      err);
}

static enum history_outcome outcome_of(const struct asked *a, const struct kv_error *err)
{
	if (err->status == KV_OK)
		return HISTORY_DONE;
	if (a->kind == HISTORY_GET && err->status == KV_NOT_FOUND)
		return HISTORY_ABSENT;
	return a->kind != HISTORY_GET && err->in_doubt ? HISTORY_DOUBT : HISTORY_REFUSED;
}

static void complete(struct load_thread *t, const struct asked *a, const struct kv_item *item,
		     const struct kv_error *err)
{
	struct load *l = t->load;
	enum history_outcome outcome = outcome_of(a, err);
	/* A value that no load wrote gets a number that no write has: the checkers say so. */
	uint64_t read =
		a->kind == HISTORY_GET && outcome == HISTORY_DONE ? load_value_number(item->value, a->key) : 0;
	if (a->kind == HISTORY_GET && outcome == HISTORY_DONE && read == 0)
		read = UINT64_MAX;
	pthread_mutex_lock(&l->lock);
	struct history_op *op = &l->history.ops[a->index];
	if (a->kind == HISTORY_GET)
		op->value = read;
	if (outcome == HISTORY_DONE)
		op->version = (struct stamp){.hi = item->version.hlc, .lo = item->version.id};
	history_complete(&l->history, a->index, clock_mono_us(), outcome, err->status);
	pthread_mutex_unlock(&l->lock);
	if (outcome == HISTORY_DONE || outcome == HISTORY_ABSENT)
		atomic_fetch_add_explicit(&l->successes[a->strong][a->kind != HISTORY_GET], 1,
					  memory_order_relaxed);
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
		struct kv_item item = {0};
		struct kv_error err;
		ask(t, &asked, &item, &err);
		if (getenv("KV_DBG") && err.status > 1)
			fprintf(stderr, "%d %d %s %s %d\n", asked.strong, asked.kind, kv_status_name(err.status),
				err.message, err.in_doubt);
		complete(t, &asked, &item, &err);
		kv_item_release(&item);
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
	l->options.threads = MIN(options->threads ? options->threads : 6, (unsigned)THREADS_MAX);
	l->options.busy_keys = options->busy_keys ? options->busy_keys : 12;
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
}

struct load *load_start(struct cluster *c, const struct load_options *options)
{
	struct load *l = xcalloc(1, sizeof *l);
	load_prepare(l, options);
	l->running = true;
	for (unsigned i = 0; i < l->options.threads; i++) {
		struct load_thread *t = &l->threads[i];
		t->load = l;
		t->index = i;
		t->client = cluster_open_client(c->endpoints, l->options.timeout_ms);
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
	if (getenv("KV_DBG"))
		abort();
	for (int s = 0; s <= strong; s++)
		for (int write = 0; write < 2; write++)
			print_error("%s %ss: %llu done of %llu waited for\n", s ? "strong" : "eventual",
				    write ? "write" : "read", (unsigned long long)load_successes(l, s, write),
				    (unsigned long long)g.counts[s][write]);
	fail_msg("the load makes no progress");
}

void load_check_times(const struct load *l, unsigned slack_ms)
{
	usec_t limit_us = (l->options.timeout_ms + harness_ms(slack_ms)) * USEC_PER_MSEC;
	for (uint32_t i = 0; i < l->history.count; i++) {
		const struct history_op *op = &l->history.ops[i];
		if (op->complete_us - op->invoke_us > limit_us)
			fail_msg("#%u took %llu us", i, (unsigned long long)(op->complete_us - op->invoke_us));
	}
}
