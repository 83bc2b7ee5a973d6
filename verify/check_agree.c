/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/check_agree.h"

#include <inttypes.h>

static bool copies_equal(const struct replica_copy *a, const struct replica_copy *b)
{
	return stamp_compare(a->ver, b->ver) == 0 && stamp_compare(a->org, b->org) == 0 && a->value == b->value &&
	       a->tombstone == b->tombstone && a->expires_ms == b->expires_ms && a->value_hash == b->value_hash;
}

bool check_agree(const struct replicas *r, struct verdict *v)
{
	for (uint32_t i = 1; i < r->count; i++) {
		const struct replica_copy *a = &r->copies[i - 1], *b = &r->copies[i];
		if (a->key == b->key && !copies_equal(a, b))
			return verdict_fail(v, "agree", a->key,
					    "node %u holds value %" PRIu64 " ver %" PRIx64 ".%" PRIx64
					    ", node %u value %" PRIu64 " ver %" PRIx64 ".%" PRIx64,
					    a->node, a->value, a->ver.hi, a->ver.lo, b->node, b->value, b->ver.hi,
					    b->ver.lo);
	}
	return true;
}
