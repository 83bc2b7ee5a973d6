/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The load of kvctl verify: clients that each ask one thing after the other, through different nodes, and the history of what
 * they were told.
 *
 * Some requests get a deadline too short to be met, and some answers are taken for lost: both are asked again under
 * the same id through another node, as a client would that lost its connection. What stays in doubt is asked about.
 *
 * Main thread, but for what callbacks do under the lock.
 */
#ifndef KV_CLI_VERIFY_LOAD_H
#define KV_CLI_VERIFY_LOAD_H

#include <kv/client.h>
#include <pthread.h>

#include "cli/verify_plan.h"

struct verify_load;

/** One client, and its request under way. */
struct verify_client {
	struct verify_load *load;
	struct kv_client *kv;
	uint32_t index;
	uint16_t node; /* index in the map of the node it goes through */

	struct history_op op; /* what is under way */
	uint64_t hash;        /* of the value it expects */
	uint32_t timeout_ms;
	bool doubt; /* an earlier attempt may have had an effect */
	struct kv_write_id id;

	bool asks; /* next: what became of the last write */
	uint32_t about;
	uint32_t about_key;
	struct kv_write_id about_id;
};

struct verify_load {
	/* Set by the caller before verify_load_open. */
	uint32_t client_count;
	uint32_t bucket;
	uint32_t timeout_ms;
	uint64_t ops_max; /* 0: no bound */
	usec_t until_us;  /* USEC_NEVER: no bound */

	struct verify_client *clients; /* read-only */
	struct kv_session *sessions[VERIFY_SESSIONS];
	_Atomic bool stop;     /* may be set at any time */
	_Atomic uint64_t done; /* read-only: operations answered */

	pthread_mutex_t lock; /* of all below while it runs */
	pthread_cond_t idle;
	uint32_t running;       /* clients with a request under way */
	struct history history; /* read-only afterwards */
	struct verify_plan plan;
	uint64_t usual_us;       /* what a strong write takes, lately */
	struct kv_error refused; /* why a request could not be sent at all; KV_OK: all could */
};

/** Opens a client for each of client_count, by turns through NODES, those that take requests. */
enum kv_status verify_load_open(struct verify_load *l, const struct kv_node *nodes, size_t node_count,
				uint64_t seed, uint32_t busy_keys, struct kv_error *err);

/** Lets all clients ask until the bounds are reached or `stop` is set. */
void verify_load_start(struct verify_load *l);

/** Waits up to MS milliseconds. True once the last request is answered. */
bool verify_load_wait(struct verify_load *l, unsigned ms);

/** A zeroed load, and one that was not opened to its end, are allowed. Not while it runs. */
void verify_load_release(struct verify_load *l);

#endif
