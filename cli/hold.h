/* SPDX-License-Identifier: Apache-2.0 */
/**
 * A key that one holder has at a time: it is there while somebody holds it, and ends by itself if its holder does not renew it.
 *
 * The fence of a holder is the clock part of the version under which it got the key, so every later holder has a greater one. With
 * --fence on its writes a holder that lost the key without knowing changes nothing. One thread.
 */
#ifndef KV_CLI_HOLD_H
#define KV_CLI_HOLD_H

#include "base/types.h"
#include "cli/commands.h"

struct hold {
	struct kv_client *client; /* borrowed, as key and value are */
	struct kv_slice key, value;
	uint32_t bucket;
	uint64_t ttl_ms;
	unsigned timeout_ms;
	uint64_t fence; /* 0: not held */
	/* private */
	struct kv_version version;
	usec_t until_us; /* of the monotonic clock: held until then at least */
	bool doubtful;   /* what became of the last write is not known */
	struct kv_write_id write;
	usec_t doubtful_until_us; /* if it took effect */
};

/** The cluster's clock may be ahead by that much: a holder counts on so much less. */
enum { HOLD_GUARD_MS = 500, HOLD_TTL_MS_MIN = 2000 };

/**
 * Tries to get the key. KV_CONDITION_FAILED: somebody holds it, under the version in *ret_holder, which the caller releases
 * in any case. After KV_IN_DOUBT the next try asks first what became of this one.
 */
MUST_USE enum kv_status hold_acquire(struct hold *h, struct kv_item *ret_holder, struct kv_error *err);

/** When to renew, on the monotonic clock. */
usec_t hold_renew_us(const struct hold *h);

/** Holds the key for another ttl_ms. KV_CONDITION_FAILED: it is lost. Other errors: it is held until its time is over. */
MUST_USE enum kv_status hold_renew(struct hold *h, struct kv_error *err);

/** Its time is over, or somebody else has it: what is done from now on may be done by two. */
bool hold_is_lost(const struct hold *h);

/** Gives the key back, if it is still held. After an error it ends by itself. */
MUST_USE enum kv_status hold_release(struct hold *h, struct kv_error *err);

#endif
