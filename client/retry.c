/* SPDX-License-Identifier: Apache-2.0 */
#include "client/retry.h"

enum {
	PAUSE_FIRST_MS = 20,
	PAUSE_MAX_MS = 1000,
	TOKEN_TENTHS = 10,
};

/* Refusals that say: nothing changed, and it may go better later or elsewhere. */
static bool is_passing_refusal(enum kv_status status)
{
	switch (status) {
	case KV_UNAVAILABLE:
	case KV_OVERLOADED:
	case KV_THROTTLED:
	case KV_STALE:
	case KV_NOT_READY:
	case KV_CLOCK:
	case KV_CONFLICT:
	case KV_CLOSED:
		return true;
	default:
		return false;
	}
}

/* Failures of one replica that another does not share. */
static bool is_local_failure(enum kv_status status)
{
	return status == KV_INTERNAL || status == KV_IO || status == KV_CORRUPT || status == KV_IN_DOUBT;
}

bool retry_answer(enum retry_safety safety, enum kv_status status, bool in_doubt)
{
	if (safety == RETRY_READ || safety == RETRY_FOUND)
		return is_passing_refusal(status) || is_local_failure(status);
	return !in_doubt && is_passing_refusal(status);
}

usec_t retry_pause_us(struct rng *rng, uint32_t try, uint32_t at_least_ms)
{
	KV_ASSERT(try > 0);
	uint64_t cap_ms = MIN((uint64_t)PAUSE_FIRST_MS << MIN(try - 1, 16u), (uint64_t)PAUSE_MAX_MS);
	usec_t pause_us = rng_between(rng, 0, cap_ms * USEC_PER_MSEC);
	return MAX(pause_us, at_least_ms * USEC_PER_MSEC);
}

void retry_budget_init(struct retry_budget *b, uint32_t tokens)
{
	b->tenths_max = tokens * TOKEN_TENTHS;
	b->tenths = b->tenths_max;
}

void retry_budget_succeeded(struct retry_budget *b)
{
	if (b->tenths < b->tenths_max)
		b->tenths++;
}

void retry_budget_failed(struct retry_budget *b) { b->tenths -= MIN(b->tenths, (uint32_t)TOKEN_TENTHS); }
