/* SPDX-License-Identifier: Apache-2.0 */
/**
 * How much memory the buffers of all connections may take together. Shared by all shards; any thread.
 */
#ifndef KV_SERVER_BUDGET_H
#define KV_SERVER_BUDGET_H

#include <stdatomic.h>

#include "base/base.h"

struct budget {
	_Atomic uint64_t used;  /* private */
	_Atomic uint64_t limit; /* may change while in use */
};

static inline uint64_t budget_limit(const struct budget *budget)
{
	return atomic_load_explicit(&budget->limit, memory_order_relaxed);
}

/** Takes SIZE bytes if they fit under the limit; false and nothing taken otherwise. */
MUST_USE static inline bool budget_take(struct budget *budget, size_t size)
{
	if (atomic_fetch_add_explicit(&budget->used, size, memory_order_relaxed) + size <= budget_limit(budget))
		return true;
	atomic_fetch_sub_explicit(&budget->used, size, memory_order_relaxed);
	return false;
}

/** Takes SIZE bytes even beyond the limit: for answers, which free more than they take. False if now over it. */
static inline bool budget_take_always(struct budget *budget, size_t size)
{
	return atomic_fetch_add_explicit(&budget->used, size, memory_order_relaxed) + size <= budget_limit(budget);
}

static inline void budget_give(struct budget *budget, size_t size)
{
	uint64_t before = atomic_fetch_sub_explicit(&budget->used, size, memory_order_relaxed);
	KV_ASSERT(before >= size);
}

static inline uint64_t budget_used(const struct budget *budget)
{
	return atomic_load_explicit(&budget->used, memory_order_relaxed);
}

#endif
