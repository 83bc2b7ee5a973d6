/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The load: threads with an event loop each, clients in those loops, and lanes, each of which has at most one request under
 * way.
 *
 * Closed loop: every lane sends its next request when the last one is answered. Open loop: requests are due at a fixed rate
 * and go to the lane that was idle longest; latency counts from the time a request was due, so that a server that stands
 * still is charged for all that could not be sent meanwhile.
 */
#ifndef KV_CLI_BENCH_WORKER_H
#define KV_CLI_BENCH_WORKER_H

#include <pthread.h>

#include "base/types.h"
#include "cli/bench_tally.h"
#include "cli/zipf.h"

#define BENCH_KEY_SIZE_MAX 128u

/** What every thread reads and none changes. */
struct bench_config {
	struct ctl *ctl;
	struct bench_mix mix;
	uint64_t keys;
	uint32_t key_size; /* 0: the prefix and eight digits */
	struct zipf zipf;  /* count 0: all keys alike */
	uint8_t *value;    /* the bytes of every value */
	size_t size;
	uint32_t threads, clients, inflight; /* inflight: of a client */
	uint64_t rate;                       /* a second; 0: closed loop */
};

/** One pass of the load. */
struct bench_phase {
	const struct bench_config *config;
	bool preload;              /* every key once, in order */
	uint64_t ops_max;          /* 0: no bound */
	usec_t whole_us;           /* how long it may take; USEC_NEVER: any time */
	usec_t start_us, until_us; /* bench_phase_begin sets them */
	_Atomic uint64_t started, done;
	_Atomic bool stop; /* may be set by any thread */

	pthread_mutex_t lock;
	pthread_cond_t ended;
	uint32_t running; /* threads; under lock */
};

struct bench_worker;

/** Workers for CONFIG, which outlives them, with their clients. NULL after an error, which was told. */
struct bench_worker **bench_workers_new(const struct bench_config *config);

/** None runs. NULL is allowed. */
void bench_workers_free(struct bench_worker **workers, const struct bench_config *config);

/** Begins a phase on all workers, whose other fields than CONFIG, PRELOAD, OPS_MAX and UNTIL_US this sets. */
void bench_phase_begin(struct bench_phase *phase, struct bench_worker **workers);

/** Waits for the end of the phase, until AT_US at most (clock_mono_us). True if it ended. */
bool bench_phase_wait(struct bench_phase *phase, usec_t at_us);

/** After its end: joins the threads. */
void bench_phase_end(struct bench_phase *phase, struct bench_worker **workers);

/** Moves what was measured since the last call into TALLY. Also while the phase runs. */
void bench_workers_collect(struct bench_worker **workers, const struct bench_config *config,
			   struct bench_tally *tally);

#endif
