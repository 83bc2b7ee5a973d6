/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/check_replicas.h"

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

static void newest_copy(const struct replicas *r, uint32_t key, struct stamp *ret_ver, struct stamp *ret_org)
{
	for (uint32_t i = 0; i < r->count; i++) {
		const struct replica_copy *copy = &r->copies[i];
		if (copy->key != key || stamp_compare(copy->ver, *ret_ver) <= 0)
			continue;
		*ret_ver = copy->ver;
		*ret_org = copy->org;
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
			if (op->key == key && op->kind != HISTORY_GET && op->outcome == HISTORY_DONE &&
			    !durable_op(op, ver, org, v))
				return false;
		}
	}
	return true;
}

static const struct history_op *writer_of(const struct history *h, uint32_t key, uint64_t value)
{
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *op = &h->ops[i];
		if (op->key == key && op->kind == HISTORY_PUT && op->value == value)
			return op;
	}
	return NULL;
}

bool check_honest(const struct history *h, const struct replicas *r, struct verdict *v)
{
	for (uint32_t i = 0; i < r->count; i++) {
		const struct replica_copy *copy = &r->copies[i];
		if (copy->value == 0)
			continue;
		const struct history_op *write = writer_of(h, copy->key, copy->value);
		if (!write)
			return verdict_fail(v, "honest", copy->key, "node %u holds a value that nobody wrote",
					    copy->node);
		if (write->outcome == HISTORY_REFUSED)
			return verdict_fail(v, "honest", copy->key,
					    "node %u holds the value of #%u, which was refused", copy->node,
					    write->index);
	}
	return true;
}
