/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/check_durable.h"

#include <inttypes.h>

static void newest_copy(const struct replicas *r, uint32_t key, struct stamp *ret_ver, struct stamp *ret_org)
{
	for (uint32_t i = 0; i < r->count; i++) {
		const struct replica_copy *copy = &r->copies[i];
		bool none = stamp_is_none(copy->ver);
		struct stamp ver = none ? copy->floor : copy->ver;
		if (copy->key != key || stamp_compare(ver, *ret_ver) <= 0)
			continue;
		*ret_ver = ver;
		*ret_org = none ? ver : copy->org;
	}
}

static bool durable_op(const struct history_op *op, struct stamp ver, struct stamp org, struct verdict *v)
{
	struct stamp held = history_is_strong(op) ? org : ver;
	if (stamp_compare(held, op->version) >= 0)
		return true;
	return verdict_fail(v, "durable", op->key,
			    "#%u was acknowledged with version %" PRIx64 ".%" PRIx64
			    "; the newest copy has only %" PRIx64 ".%" PRIx64,
			    op->index, op->version.hi, op->version.lo, held.hi, held.lo);
}

bool check_durable(const struct history *h, const struct replicas *r, struct verdict *v)
{
	for (uint32_t key = 0; key < h->key_count; key++) {
		struct stamp ver = {0}, org = {0};
		newest_copy(r, key, &ver, &org);
		for (uint32_t i = 0; i < h->count; i++) {
			const struct history_op *op = &h->ops[i];
			if (op->key == key && history_is_write(op) && op->outcome == HISTORY_DONE &&
			    !durable_op(op, ver, org, v))
				return false;
		}
	}
	return true;
}
