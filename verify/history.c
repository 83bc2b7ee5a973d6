/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/history.h"

#include <inttypes.h>
#include <stdarg.h>

void history_init(struct history *h, uint32_t key_count, usec_t skew_us)
{
	KV_ASSERT(key_count > 0);
	*h = (struct history){.key_count = key_count, .skew_us = skew_us};
}

void history_release(struct history *h)
{
	struct hmap_node *next;
	for (struct hmap_node *node = hmap_first(&h->links); node; node = next) {
		next = hmap_next(&h->links, node);
		free(container_of(node, struct history_link, node));
	}
	hmap_release(&h->links);
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

uint64_t history_saw(struct history *h, uint64_t base, const uint64_t *pieces, uint32_t count)
{
	uint64_t content = base;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t longer = content_append(content, pieces[i]);
		if (content != CONTENT_NONE && !history_link_of(h, longer)) {
			struct history_link *link = xcalloc(1, sizeof(*link));
			link->content = longer;
			link->base = content;
			link->piece = pieces[i];
			hmap_add(&h->links, &link->node, longer);
		}
		content = longer;
	}
	return content;
}

const struct history_link *history_link_of(const struct history *h, uint64_t content)
{
	struct hmap_node *node = hmap_first_same(&h->links, content);
	return node ? container_of(node, struct history_link, node) : NULL;
}

static const char *kind_name(const struct history_op *op)
{
	static const char *const names[] = {"get", "put", "delete", "add", "append", "ask"};
	return names[op->kind];
}

static const char *outcome_name(const struct history_op *op)
{
	static const char *const names[] = {"no answer", "done", "absent", "in doubt", "refused", "failed"};
	return names[op->outcome];
}

static const char *level_name(const struct history_op *op)
{
	static const char *const names[] = {"eventual", "session", "bounded", "strong"};
	return names[op->level];
}

static void print_content(const char *name, uint64_t content, struct buf *out)
{
	int64_t number;
	if (content == CONTENT_FOREIGN)
		buf_printf(out, " %s=foreign", name);
	else if (content != CONTENT_NONE && content_is_number(content, &number))
		buf_printf(out, " %s=%" PRId64, name, number);
	else if (content >= CONTENT_PUT_MAX)
		buf_printf(out, " %s=~%" PRIx64, name, content);
	else if (content != CONTENT_NONE)
		buf_printf(out, " %s=v%" PRIu64, name, content);
	else
		buf_printf(out, " %s=nothing", name);
}

static void print_stamp(const char *name, struct stamp stamp, struct buf *out)
{
	buf_printf(out, " %s=%" PRIx64 ".%" PRIx64, name, stamp.hi, stamp.lo);
}

static void print_asked(const struct history_op *op, struct buf *out)
{
	static const char *const acks[] = {"", "/1", "/majority", "/all"};
	buf_printf(out, " client=%u node=%u key=%u %s%s %s", op->client, op->node, op->key, level_name(op),
		   acks[op->acks], kind_name(op));
	if (op->kind == HISTORY_PUT || op->kind == HISTORY_APPEND)
		print_content("value", op->value, out);
	if (op->kind == HISTORY_ADD)
		buf_printf(out, " delta=%" PRId64, op->delta);
	if (op->kind == HISTORY_ASK)
		buf_printf(out, " about=#%u", op->about);
	if (op->kind == HISTORY_PUT && op->ttl_ms)
		buf_printf(out, " ttl_ms=%" PRIu64, op->ttl_ms);
	if (op->when.has_version)
		print_stamp("if_version", op->when.version, out);
	if (op->when.has_value)
		print_content("if_value", op->when.value, out);
	if (op->when.present)
		buf_append_str(out, " if_present");
	if (op->fence)
		buf_printf(out, " fence=%" PRIu64, op->fence);
	if (op->session)
		buf_printf(out, " session=%u", op->session);
	if (!stamp_is_none(op->floor))
		print_stamp("floor", op->floor, out);
	if (op->level == HISTORY_BOUNDED)
		buf_printf(out, " bound_ms=%" PRIu64, op->bound_ms);
	if (op->attempts > 1)
		buf_printf(out, " attempts=%u", op->attempts);
}

static void print_answer(const struct history_op *op, struct buf *out)
{
	static const char *const told[] = {"", " committed", " never", " expired"};
	buf_printf(out, " -> %s%s", outcome_name(op), told[op->told]);
	if (op->kind == HISTORY_GET && op->outcome == HISTORY_DONE)
		print_content("value", op->value, out);
	if (op->status != KV_OK)
		buf_printf(out, " %s%s", status_name(op->status), op->fenced_off ? " (fence)" : "");
	if (op->has_found)
		print_content("found", op->found, out);
	if (op->has_result)
		buf_printf(out, " result=%" PRId64, op->result);
	if (!stamp_is_none(op->version))
		print_stamp("version", op->version, out);
	if (!stamp_is_none(op->token))
		print_stamp("token", op->token, out);
	if (op->stale_ms)
		buf_printf(out, " stale_ms=%" PRIu64, op->stale_ms);
}

bool history_was_forgotten(const struct history *h, const struct history_op *get, struct stamp version)
{
	if (!h->purges || get->outcome != HISTORY_ABSENT || !stamp_is_none(get->version))
		return false;
	for (uint32_t i = 0; i < h->count && h->ops[i].invoke < get->complete; i++) {
		const struct history_op *op = &h->ops[i];
		bool ends = op->kind == HISTORY_DELETE || (op->kind == HISTORY_PUT && op->ttl_ms);
		bool never = op->outcome == HISTORY_REFUSED || op->outcome == HISTORY_FAILED;
		if (op->key == get->key && ends && !never &&
		    (stamp_is_none(op->version) || !stamp_less(op->version, version)))
			return true;
	}
	return false;
}

void history_print_op(const struct history_op *op, struct buf *out)
{
	buf_printf(out, "  #%-4u t=%" PRIu64, op->index, op->invoke_us);
	if (op->complete == HISTORY_NEVER)
		buf_printf(out, ".. [%" PRIu64 ",-]", op->invoke);
	else
		buf_printf(out, "..%" PRIu64 " [%" PRIu64 ",%" PRIu64 "]", op->complete_us, op->invoke,
			   op->complete);
	print_asked(op, out);
	print_answer(op, out);
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
