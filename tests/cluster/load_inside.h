/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The parts of a load: who asks (load.c), what is drawn (load_draw.c), how it is asked and what the answers say
 * (load_ask.c).
 */
#ifndef KV_TESTS_CLUSTER_LOAD_INSIDE_H
#define KV_TESTS_CLUSTER_LOAD_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/rng.h"
#include "tests/cluster/load.h"

#define LOAD_THREADS_MAX 16
#define LOAD_VALUE_MAX   600u
#define LOAD_BUSY_MAX    32

/* What a thread knows of its operation: the history's entry moves when others are added. */
struct asked {
	struct history_op op;     /* as drawn */
	uint64_t hash;            /* of op.when.value */
	struct kv_write_id about; /* of the write that an ASK is about */
};

struct load_thread {
	struct load *load;
	unsigned index;
	struct kv_client *client;
	struct kv_session *session;
	struct rng rng;
	pthread_t thread;
	struct {
		bool known;
		uint32_t key;
		struct stamp version;
		uint64_t content, hash;
	} saw; /* the last strong get: for conditions */
	struct {
		bool known;
		uint32_t op, key;
		enum history_kind kind;
		struct kv_write_id id;
	} doubt; /* the last strong write in doubt: to be asked about */
};

struct load {
	struct load_options options;
	struct load_thread threads[LOAD_THREADS_MAX];
	bool running;
	uint64_t hashes[LOAD_BUSY_MAX];   /* of the busy keys */
	_Atomic uint64_t successes[2][2]; /* strong, write */
	pthread_mutex_t lock;             /* of all below */
	pthread_cond_t changed;
	bool stopping;
	struct history history;
	uint64_t values;                /* given out */
	uint32_t singles;               /* keys written once so far */
	uint64_t fences[LOAD_BUSY_MAX]; /* highest given out, by key */
};

/** Draws an operation: op.index and what the history adds are left out. The load is locked. */
void load_draw(struct load_thread *t, struct asked *ret);

/** What the thread's session holds of a busy key; {0,0}: nothing. */
struct stamp load_session_entry(const struct load_thread *t, uint32_t key);

/** Asks, waits for the answer, writes it into the history and counts it. */
void load_ask(struct load_thread *t, struct asked *a);

#endif
