/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/resolve.h"

static void resolve_op(struct history_op *op, const struct history_op *ask)
{
	bool open = op->outcome == HISTORY_PENDING || op->outcome == HISTORY_DOUBT;
	if (!open && !(op->outcome == HISTORY_DONE && ask->complete < op->complete))
		return;
	if (ask->told == HISTORY_TOLD_NEVER && open)
		op->outcome = HISTORY_REFUSED;
	if (ask->told != HISTORY_TOLD_COMMITTED)
		return;
	op->outcome = HISTORY_DONE;
	op->status = KV_OK;
	op->version = ask->version;
	op->has_result = ask->has_result;
	op->result = ask->result;
	op->complete = ask->complete;
	op->complete_us = ask->complete_us;
}

void resolve(const struct history *h, struct history *ret)
{
	*ret = *h;
	ret->ops = xcalloc((size_t)h->count + 1, sizeof(ret->ops[0]));
	if (h->count)
		memcpy(ret->ops, h->ops, h->count * sizeof(ret->ops[0]));
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_op *ask = &h->ops[i];
		if (ask->kind == HISTORY_ASK && ask->outcome == HISTORY_DONE && ask->about < h->count)
			resolve_op(&ret->ops[ask->about], ask);
	}
}

void resolve_release(struct history *resolved)
{
	free(resolved->ops);
	*resolved = (struct history){0};
}
