/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A load of threads on a cluster, each with a client of its own, and the history of all they asked and were told.
 *
 * Operations of all levels and kinds meet on a few busy keys, of which some are counters, some logs, some under compare and
 * set or fences alone; writes in doubt are asked about. Besides there are keys that are written once and not again, so that
 * a lost write cannot hide behind a later one. Every value names its write. The history is what the checkers of verify/ take.
 *
 * A load is ended by load_stop, and by harness_teardown if a test does not come that far. Main thread only, but for the
 * counters, which anyone may read while it runs.
 */
#ifndef KV_TESTS_CLUSTER_LOAD_H
#define KV_TESTS_CLUSTER_LOAD_H

#include "tests/cluster/cluster.h"
#include "verify/history.h"

struct load_options {
	const char *prefix;    /* of the keys; loads on one cluster differ in it */
	uint64_t seed;         /* 0: always the same */
	unsigned threads;      /* 0: 6 */
	unsigned busy_keys;    /* 0: 16 */
	unsigned single_keys;  /* at most so many keys are written once; 0: 800 */
	unsigned timeout_ms;   /* of each operation; 0: 1000 */
	bool clocks_are_right; /* of all nodes, all the time: bounds of staleness are judged */
	unsigned pause_us_max; /* between two operations of a thread; 0: 12000 */
};

struct load;

/** Starts a load on all nodes of C. OPTIONS is copied, but for the prefix, which must live as long as the load. */
struct load *load_start(struct cluster *c, const struct load_options *options);

/** Ends and joins the threads. The history stays until harness_teardown. */
void load_stop(struct load *l);

/** Ends it and frees all, before harness_teardown would. */
void load_release(struct load *l);

/** After load_stop. Checkers may add to it. */
struct history *load_history(struct load *l);
const struct load_options *load_options(const struct load *l);

/** Operations carried out so far: writes or reads at a level. */
uint64_t load_successes(const struct load *l, bool strong, bool write);

/** Waits until COUNT more operations of each of the four kinds were carried out, of the eventual two if not STRONG. */
void load_await_progress(struct load *l, bool strong, unsigned count);

/** Fails the test if an operation took longer than its time-out and SLACK_MS (stretched). */
void load_check_times(const struct load *l, unsigned slack_ms);

/** Key number KEY as the load names it. */
struct kv_slice load_key(const struct load_options *options, uint32_t key, char text[64]);

/** Number of a key by its name; false if it is none of the load's. */
bool load_key_number(const struct load_options *options, struct kv_slice name, uint32_t *ret);

#endif
