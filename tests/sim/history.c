/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/history.h"

#include <inttypes.h>
#include <stdarg.h>

void history_init(struct history *h, uint32_t key_count, usec_t skew_us)
{
	KV_ASSERT(key_count > 0);
	*h = (struct history){.key_count = key_count, .skew_us = skew_us};
}

void history_release(struct history *h)
{
	free(h->ops);
	*h = (struct history){0};
}

static struct history_op *history_append(struct history *h)
{
	if (h->count == h->capacity) {
		h->capacity = MAX(h->capacity * 2, 64u);
		h->ops = xrealloc(h->ops, h->capacity * sizeof(h->ops[0]));
	}
	struct history_op *op = &h->ops[h->count];
	*op = (struct history_op){.index = h->count++, .complete = HISTORY_NEVER, .complete_us = USEC_NEVER};
	return op;
}

struct history_op *history_invoke(struct history *h, usec_t now_us)
{
	struct history_op *op = history_append(h);
	op->invoke = ++h->order;
	op->invoke_us = now_us;
	return op;
}

void history_complete(struct history *h, uint32_t index, usec_t now_us, enum history_outcome outcome,
		      enum kv_status status)
{
	KV_ASSERT(index < h->count);
	struct history_op *op = &h->ops[index];
	KV_ASSERT(op->outcome == HISTORY_PENDING);
	op->outcome = outcome;
	op->status = status;
	if (outcome == HISTORY_PENDING)
		return;
	op->complete = ++h->order;
	op->complete_us = now_us;
}

struct history_op *history_place(struct history *h, uint64_t invoke, uint64_t complete)
{
	KV_ASSERT(invoke < complete);
	KV_ASSERT(h->count == 0 || h->ops[h->count - 1].invoke < invoke);
	struct history_op *op = history_append(h);
	op->invoke = op->invoke_us = invoke;
	op->complete = op->complete_us = complete;
	return op;
}

static const char *kind_name(const struct history_op *op)
{
	static const char *const names[] = {"get", "put", "delete"};
	return names[op->kind];
}

static const char *outcome_name(const struct history_op *op)
{
	static const char *const names[] = {"no answer", "done", "absent", "in doubt", "refused"};
	return names[op->outcome];
}

static const char *level_name(const struct history_op *op)
{
	static const char *const acks[] = {"eventual", "eventual/1", "eventual/majority", "eventual/all"};
	return op->strong ? "strong" : op->kind == HISTORY_GET ? acks[0] : acks[op->acks];
}

void history_print_op(const struct history_op *op, struct buf *out)
{
	buf_printf(out, "  #%-4u t=%" PRIu64, op->index, op->invoke_us);
	if (op->complete == HISTORY_NEVER)
		buf_append_str(out, "..");
	else
		buf_printf(out, "..%" PRIu64, op->complete_us);
	buf_printf(out, " [%" PRIu64 ",", op->invoke);
	if (op->complete == HISTORY_NEVER)
		buf_append_str(out, "-]");
	else
		buf_printf(out, "%" PRIu64 "]", op->complete);
	buf_printf(out, " client=%u node=%u key=%u %s %s value=%" PRIu64, op->client, op->node, op->key,
		   level_name(op), kind_name(op), op->value);
	if (op->ttl_ms)
		buf_printf(out, " ttl_ms=%" PRIu64, op->ttl_ms);
	if (op->attempts > 1)
		buf_printf(out, " attempts=%u", op->attempts);
	buf_printf(out, " -> %s", outcome_name(op));
	if (op->status != KV_OK)
		buf_printf(out, " %s", status_name(op->status));
	if (!version_is_none(op->version))
		buf_printf(out, " version=%" PRIx64 ".%" PRIx64, op->version.hlc, op->version.id);
	buf_append_str(out, "\n");
}

void history_print(const struct history *h, uint32_t key, struct buf *out)
{
	for (uint32_t i = 0; i < h->count; i++)
		if (h->ops[i].key == key)
			history_print_op(&h->ops[i], out);
}

bool verdict_fail(struct verdict *v, const char *check, uint32_t key, const char *format, ...)
{
	if (v->violated)
		return false;
	v->violated = true;
	v->check = check;
	v->key = key;
	va_list args;
	va_start(args, format);
	vsnprintf(v->message, sizeof v->message, format, args);
	va_end(args);
	return false;
}
