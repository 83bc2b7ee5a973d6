/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/load_inside.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "tests/cluster/value.h"

enum { TOKEN_HEAD_SIZE = 2, TOKEN_ENTRY_SIZE = 24 };

/* ---- sessions ---- */

struct stamp load_session_entry(const struct load_thread *t, uint32_t key)
{
	uint8_t token[KV_SESSION_TOKEN_SIZE_MAX];
	size_t size = kv_session_export(t->session, token);
	uint64_t hash = t->load->hashes[key];
	for (size_t at = TOKEN_HEAD_SIZE; at + TOKEN_ENTRY_SIZE <= size; at += TOKEN_ENTRY_SIZE) {
		if (load_le64(token + at) == hash)
			return (struct stamp){.hi = load_le64(token + at + 8), .lo = load_le64(token + at + 16)};
	}
	return (struct stamp){0, 0};
}

/* ---- asking ---- */

/* What the answer holds besides the item. */
struct answer {
	struct kv_item item;
	struct kv_error err;
	enum kv_write_outcome outcome;
};

static enum kv_level level_of(const struct history_op *op)
{
	static const enum kv_level levels[] = {
		[HISTORY_EVENTUAL] = KV_LEVEL_EVENTUAL,
		[HISTORY_SESSION] = KV_LEVEL_SESSION,
		[HISTORY_BOUNDED] = KV_LEVEL_BOUNDED,
		[HISTORY_STRONG] = KV_LEVEL_STRONG,
	};
	return levels[op->level];
}

static void send(struct load_thread *t, const struct asked *a, struct answer *ret)
{
	const struct history_op *op = &a->op;
	struct kv_options options = KV_OPTIONS_INIT;
	const struct kv_version expected = {.hlc = op->when.version.hi, .id = op->when.version.lo};
	char text[64];
	uint8_t bytes[LOAD_VALUE_MAX];
	struct kv_slice key = load_key(&t->load->options, op->key, text), value = {0};
	options.level = level_of(op);
	options.acks = (enum kv_acks)op->acks;
	options.session = op->session ? t->session : NULL;
	options.staleness_ms = (uint32_t)op->bound_ms;
	options.fence = op->fence;
	options.expected = op->when.has_version ? &expected : NULL;
	options.expected_hash = op->when.has_value ? &a->hash : NULL;
	options.if_present = op->when.present;
	options.receipt = op->kind == HISTORY_GET; /* tells the version of what was deleted, too */
	if (op->size > 0) {
		value_write(op->value, op->key, op->size, bytes);
		value = kv_slice_of(bytes, op->size);
	}
	switch (op->kind) {
	case HISTORY_GET:
		kv_get(t->client, &options, key, &ret->item, &ret->err);
		return;
	case HISTORY_PUT:
		kv_put(t->client, &options, key, value, &ret->item, &ret->err);
		return;
	case HISTORY_DELETE:
		kv_del(t->client, &options, key, &ret->item, &ret->err);
		return;
	case HISTORY_ADD:
		kv_add(t->client, &options, key, op->delta, NULL, &ret->item, &ret->err);
		return;
	case HISTORY_APPEND:
		kv_append(t->client, &options, key, value, NULL, &ret->item, &ret->err);
		return;
	case HISTORY_ASK:
		kv_outcome(t->client, NULL, key, &a->about, &ret->outcome, &ret->item, &ret->err);
		return;
	}
	KV_UNREACHABLE("history kind");
}

/* ---- what answers say ---- */

static struct stamp stamp_in(struct kv_version v) { return (struct stamp){.hi = v.hlc, .lo = v.id}; }

static uint64_t content_in(struct history *h, const struct history_op *op, const struct kv_item *item)
{
	return value_content(h, item->value, op->key);
}

static void take_number(struct history_op *op, const struct kv_item *item)
{
	op->has_result = kv_item_number(item, &op->result);
}

static void take_get(struct load_thread *t, struct history_op *op, const struct answer *r)
{
	bool found = r->err.status == KV_OK;
	op->version = stamp_in(r->item.version);
	op->stale_ms = r->item.staleness_ms;
	op->value = found ? content_in(&t->load->history, op, &r->item) : CONTENT_NONE;
	if (op->level != HISTORY_STRONG || op->key >= t->load->options.busy_keys)
		return;
	t->saw.known = true;
	t->saw.key = op->key;
	t->saw.version = op->version;
	t->saw.content = op->value;
	t->saw.hash = found ? kv_hash(r->item.value) : 0;
}

static void take_told(const struct load *l, struct history_op *op, const struct answer *r)
{
	const struct history_op *about = &l->history.ops[op->about];
	op->told = r->outcome == KV_WRITE_COMMITTED     ? HISTORY_TOLD_COMMITTED
		   : r->outcome == KV_WRITE_NOT_APPLIED ? HISTORY_TOLD_NEVER
							: HISTORY_TOLD_EXPIRED;
	if (op->told != HISTORY_TOLD_COMMITTED)
		return;
	op->version = stamp_in(r->item.version);
	if (about->kind == HISTORY_ADD || about->kind == HISTORY_APPEND)
		take_number(op, &r->item);
}

static enum history_outcome take_success(struct load_thread *t, struct history_op *op, const struct answer *r)
{
	if (op->kind == HISTORY_GET)
		take_get(t, op, r);
	else if (op->kind == HISTORY_ASK)
		take_told(t->load, op, r);
	else
		op->version = stamp_in(r->item.version);
	if (op->kind == HISTORY_ADD || op->kind == HISTORY_APPEND)
		take_number(op, &r->item);
	return r->err.status == KV_NOT_FOUND ? HISTORY_ABSENT : HISTORY_DONE;
}

/** A condition did not hold, or something else kept the write from happening for ever: a retry hears only that it did not. */
static enum history_outcome take_failure(struct load_thread *t, struct history_op *op, const struct answer *r)
{
	op->fenced_off = strstr(r->err.message, "fencing token") != NULL;
	op->version = stamp_in(r->item.version);
	if (stamp_is_none(op->version)) {
		op->has_found = strstr(r->err.message, "absent") != NULL;
	} else if (r->item.value.size > 0) {
		op->has_found = true;
		op->found = content_in(&t->load->history, op, &r->item);
	}
	bool told = op->has_found || op->fenced_off || !stamp_is_none(op->version);
	return told ? HISTORY_FAILED : HISTORY_REFUSED;
}

static enum history_outcome take_error(struct load_thread *t, struct history_op *op, const struct kv_error *err)
{
	if (!history_is_write(op) || !err->in_doubt)
		return HISTORY_REFUSED;
	t->doubt.known = op->level == HISTORY_STRONG && err->write.t0 != 0;
	t->doubt.op = op->index;
	t->doubt.key = op->key;
	t->doubt.id = err->write;
	return HISTORY_DOUBT;
}

static enum history_outcome take_answer(struct load_thread *t, struct history_op *op, const struct answer *r)
{
	if (r->err.status == KV_OK || (op->kind == HISTORY_GET && r->err.status == KV_NOT_FOUND))
		return take_success(t, op, r);
	if (r->err.status == KV_CONDITION_FAILED && !r->err.in_doubt)
		return take_failure(t, op, r);
	return take_error(t, op, &r->err);
}

void load_ask(struct load_thread *t, struct asked *a)
{
	struct load *l = t->load;
	struct answer r = {0};
	send(t, a, &r);
	struct stamp token = a->op.session ? load_session_entry(t, a->op.key) : (struct stamp){0, 0};
	pthread_mutex_lock(&l->lock);
	struct history_op *op = &l->history.ops[a->op.index];
	enum history_outcome outcome = take_answer(t, op, &r);
	bool answered = outcome == HISTORY_DONE || outcome == HISTORY_ABSENT;
	if (answered)
		op->token = token;
	history_complete(&l->history, a->op.index, clock_mono_us(), outcome, r.err.status);
	pthread_mutex_unlock(&l->lock);
	if (answered && a->op.kind != HISTORY_ASK)
		atomic_fetch_add_explicit(&l->successes[a->op.level == HISTORY_STRONG][a->op.kind != HISTORY_GET],
					  1, memory_order_relaxed);
	kv_item_release(&r.item);
}
