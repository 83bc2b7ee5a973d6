/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What was measured: for each kind of request a histogram of latencies, and how often each status was answered.
 *
 * One writer and one reader on another thread: all calls on a tally that is shared are made under its owner's lock.
 */
#ifndef KV_CLI_BENCH_TALLY_H
#define KV_CLI_BENCH_TALLY_H

#include <jansson.h>

#include "base/hist.h"
#include "cli/bench_mix.h"

#define BENCH_STATUS_MAX 32u

struct bench_tally {
	uint64_t statuses[BENCH_STATUS_MAX]; /* read-only */
	uint64_t unsent[BENCH_OPS_MAX];      /* private: of each kind, were due and never sent */
	struct hist *hists;                  /* private: microseconds, of what succeeded or was not found */
	size_t count;                        /* private: of them */
};

void bench_tally_init(struct bench_tally *tally, const struct bench_mix *mix);

/** Accepts a zeroed struct. */
void bench_tally_release(struct bench_tally *tally);

/** One answer to a request of kind OP of the mix. */
void bench_tally_add(struct bench_tally *tally, size_t op, enum kv_status status, uint64_t took_us);

/** A request that was due and could not be sent before the end: its latency is at least what it waited. */
void bench_tally_add_unsent(struct bench_tally *tally, size_t op, uint64_t waited_us);

/** Adds FROM to INTO and forgets what was in FROM. */
void bench_tally_move(struct bench_tally *into, struct bench_tally *from);

/** Of all kinds, without errors and what was never sent. */
uint64_t bench_tally_count(const struct bench_tally *tally);

/** Of all kinds. */
uint64_t bench_tally_unsent(const struct bench_tally *tally);

/** The exit code: that of the worst answer. */
int bench_tally_exit_code(const struct bench_tally *tally);

/** One object a kind. With HISTOGRAM, its pairs [least value, count] too, so that they can be added up elsewhere. */
json_t *bench_tally_operations(const struct bench_tally *tally, const struct bench_mix *mix, double seconds,
			       bool histogram);

/** {"OK": 17} */
json_t *bench_tally_statuses(const struct bench_tally *tally);

#endif
