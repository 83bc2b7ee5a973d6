/* SPDX-License-Identifier: Apache-2.0 */
/**
 * What kvctl verify does once its load has ended: reads every key through every node, looks at what each replica holds, and
 * takes its keys away. Main thread.
 */
#ifndef KV_CLI_VERIFY_END_H
#define KV_CLI_VERIFY_END_H

#include "cli/verify_load.h"
#include "verify/replicas.h"

/** The end of one load, and who is asked. */
struct verify_end {
	struct verify_load *load;
	struct kv_client *client; /* requests go to a replica of their key */
	const struct kv_node *nodes;
	size_t node_count;
	uint32_t timeout_ms;
	bool (*stops)(void); /* true: the user does not want to wait */
};

/**
 * Reads each key through each node that the load went through, as part of the history: strongly, or where no strong
 * operation may meddle, in a session. Stops at the first failure, which ERR tells.
 */
enum kv_status verify_end_read(const struct verify_end *e, struct kv_error *err);

/**
 * Fills *RET with the copies of all replicas of all keys, to be released. False, with a sentence in WHY, if they cannot
 * all be told: a node does not answer, or partitions are moving.
 */
MUST_USE bool verify_end_copies(const struct verify_end *e, struct replicas *ret, struct buf *why);

/** The same until they are equal, but not longer than MS milliseconds. */
MUST_USE bool verify_end_settle(const struct verify_end *e, unsigned ms, struct replicas *ret, struct buf *why);

/** Deletes every key, and looks for what is left, a few times if need be. Returns how many keys are left or may be. */
uint32_t verify_end_clean(const struct verify_end *e, struct kv_error *err);

#endif
