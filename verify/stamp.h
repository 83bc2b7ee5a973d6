/* SPDX-License-Identifier: Apache-2.0 */
/**
 * 128 bits that a store orders its values by, as its clients are told. The checkers compare stamps and know nothing else
 * of them. {0,0} is "none".
 */
#ifndef KV_VERIFY_STAMP_H
#define KV_VERIFY_STAMP_H

#include "base/base.h"

struct stamp {
	uint64_t hi, lo;
};

/** <0, 0, >0 as A is below, equal to, above B. */
static inline int stamp_compare(struct stamp a, struct stamp b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	if (a.lo != b.lo)
		return a.lo < b.lo ? -1 : 1;
	return 0;
}

static inline bool stamp_less(struct stamp a, struct stamp b) { return stamp_compare(a, b) < 0; }
static inline bool stamp_equal(struct stamp a, struct stamp b) { return stamp_compare(a, b) == 0; }
static inline bool stamp_is_none(struct stamp s) { return s.hi == 0 && s.lo == 0; }
static inline struct stamp stamp_max(struct stamp a, struct stamp b) { return stamp_less(a, b) ? b : a; }

#endif
