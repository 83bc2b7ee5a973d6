/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/check_gone.h"

#include "verify/writes.h"

#define CHECK "gone"

struct gone {
	const struct history *h;
	const struct writes *writes;
	const struct history_op **deletions; /* of the key, in order of invocation */
	uint32_t count;
	uint64_t first_strong; /* invocation of the key's first strong operation */
};

static bool is_deletion(const struct history_op *op)
{
	return op->kind == HISTORY_DELETE && op->outcome == HISTORY_DONE;
}

/* Whether what GET read was there before DEL began and can have been there only then. */
static bool was_written_before(const struct gone *g, const struct history_op *del, const struct history_op *get)
{
	const struct history_op *put = writes_find(g->writes, get->value);
	return put && put->kind == HISTORY_PUT && history_is_strong(put) && put->outcome == HISTORY_DONE &&
	       put->complete < del->invoke;
}

static bool check_read(const struct gone *g, const struct history_op *get, struct verdict *v)
{
	for (uint32_t i = 0; i < g->count && g->deletions[i]->invoke < get->invoke; i++) {
		const struct history_op *del = g->deletions[i];
		if (del->complete > get->invoke)
			continue;
		bool strong = history_is_strong(del) && history_is_strong(get);
		bool all =
			del->acks == HISTORY_ACKS_ALL && !history_is_strong(del) && get->complete < g->first_strong;
		if (!strong && !all)
			continue;
		if ((!stamp_is_none(get->version) && stamp_less(get->version, del->version)) ||
		    (strong && was_written_before(g, del, get)))
			return verdict_fail(v, CHECK, get->key, "#%u read a value that #%u had deleted", get->index,
					    del->index);
	}
	return true;
}

static void gone_fill(struct gone *g, uint32_t key)
{
	g->count = 0;
	g->first_strong = HISTORY_NEVER;
	for (uint32_t i = 0; i < g->h->count; i++) {
		const struct history_op *op = &g->h->ops[i];
		if (op->key != key)
			continue;
		if (is_deletion(op))
			g->deletions[g->count++] = op;
		if (history_is_strong(op))
			g->first_strong = MIN(g->first_strong, op->invoke);
	}
}

bool check_gone(const struct history *h, struct verdict *v)
{
	struct writes writes;
	writes_init(&writes, h);
	struct gone g = {
		.h = h, .writes = &writes, .deletions = xcalloc((size_t)h->count + 1, sizeof(g.deletions[0]))};
	for (uint32_t key = 0; key < h->key_count && !v->violated; key++) {
		gone_fill(&g, key);
		for (uint32_t i = 0; g.count && i < h->count && !v->violated; i++)
			if (h->ops[i].key == key && h->ops[i].kind == HISTORY_GET &&
			    h->ops[i].outcome == HISTORY_DONE)
				check_read(&g, &h->ops[i], v);
	}
	free(g.deletions);
	writes_release(&writes);
	return !v->violated;
}

bool check_gone_replicas(const struct history *h, const struct replicas *r, struct verdict *v)
{
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *del = &h->ops[i];
		if (!is_deletion(del) || !history_is_strong(del))
			continue;
		for (uint32_t n = 0; n < r->count; n++) {
			const struct replica_copy *copy = &r->copies[n];
			if (copy->key == del->key && !copy->tombstone && !stamp_is_none(copy->ver) &&
			    stamp_less(copy->org, del->version))
				return verdict_fail(v, CHECK, copy->key,
						    "node %u holds a value that #%u had deleted", copy->node,
						    del->index);
		}
	}
	return true;
}
