/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The clients of a run. Each has one operation outstanding: it asks a random node, waits for the answer or for its
 * own patience to end, thinks for a while and goes on. What it saw goes into the history.
 *
 * A client behaves as the library does: writes carry a request id and the client's reading of the cluster's clock before the
 * first try, and a retry repeats both, through another node. It remembers what its last strong get saw, for conditions, and
 * its last strong write, whose outcome it or another client may ask for.
 */
#ifndef KV_SIM_WORKLOAD_H
#define KV_SIM_WORKLOAD_H

#include "proto/msg.h"
#include "tests/sim/options.h"
#include "tests/sim/session.h"
#include "verify/history.h"

struct sim;
struct sim_event;

#define WORKLOAD_ATTEMPTS_MAX       3u
#define WORKLOAD_STORM_ATTEMPTS_MAX 8u /* in a retry storm */

struct sim_client {
	uint32_t index;
	bool busy;
	uint32_t op;   /* in the history, while busy */
	uint64_t turn; /* counts attempts and thoughts; older time-outs and answers are void */
	struct request_id rid;
	hlc_t t0;
	bool doubt; /* an attempt of this operation may have taken effect */
	uint32_t deadline_ms;
	hlc_t seen;     /* greatest clock reading in answers */
	usec_t seen_us; /* when */
	/* Its last strong get. */
	struct {
		bool known;
		uint32_t key;
		struct stamp version;
		uint64_t content, hash;
	} saw;
	bool chains; /* may go on with a condition on that */
	/* Its last strong write. */
	struct {
		bool known;
		uint32_t op, key;
		struct request_id rid;
		hlc_t t0;
	} wrote;
	bool dies;      /* before it has an answer */
	uint32_t lives; /* clients before it */
	bool asks;      /* for its outcome, next */
	uint64_t hash;  /* of the value that its operation demands, if it does */
};

struct workload {
	struct sim_client clients[SIM_CLIENTS_MAX];
	uint32_t ops_left;
	uint64_t values;               /* given out */
	uint64_t fences[SIM_KEYS_MAX]; /* greatest used */
	struct session sessions[SESSIONS_MAX];
	bool final;            /* the closing reads: strong gets of every key through every node */
	uint32_t final_next;   /* next of them */
	uint32_t final_failed; /* of those asked, without an answer */
	uint32_t final_key;    /* of the last that failed */
};

void workload_init(struct sim *sim);

/** Schedules each client's first request. */
void workload_start(struct sim *sim);

/** CLIENT and ANSWER events. The caller frees the event. */
void workload_on_client(struct sim *sim, const struct sim_event *event);
void workload_on_answer(struct sim *sim, struct sim_event *event);

/** True if nothing is outstanding and nothing left to ask. */
bool workload_is_done(const struct sim *sim);

/** Starts one round of closing reads by client 0; workload_is_done tells its end. */
void workload_read_all(struct sim *sim);

#endif
