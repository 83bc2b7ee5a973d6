/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_request.h"

#include "base/clock.h"
#include "cli/verify_value.h"

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

static struct kv_version version_of(struct stamp s) { return (struct kv_version){.hlc = s.hi, .id = s.lo}; }
static struct stamp stamp_of(struct kv_version v) { return (struct stamp){.hi = v.hlc, .lo = v.id}; }

/** The options borrow EXPECTED and parts of C. */
static struct kv_options options_of(const struct verify_client *c, struct kv_version *expected)
{
	const struct history_op *op = &c->op;
	struct kv_options o = KV_OPTIONS_INIT;
	o.bucket = c->load->bucket;
	o.level = level_of(op);
	o.acks = (enum kv_acks)op->acks;
	o.timeout_ms = c->timeout_ms;
	o.staleness_ms = (uint32_t)op->bound_ms;
	o.fence = op->fence;
	o.if_present = op->when.present;
	if (op->session)
		o.session = c->load->sessions[op->session - 1];
	*expected = version_of(op->when.version);
	if (op->when.has_version)
		o.expected = expected;
	if (op->when.has_value)
		o.expected_hash = &c->hash;
	if (op->attempts > 1)
		o.write = &c->id;
	return o;
}

enum kv_status verify_request_send(struct verify_client *c, struct kv_client *via, kv_callback callback,
				   struct kv_error *err)
{
	const struct history_op *op = &c->op;
	struct kv_version expected;
	struct kv_options o = options_of(c, &expected);
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	char text[VERIFY_KEY_TEXT];
	verify_plan_key(&c->load->plan, op->key, text);
	struct kv_slice key = kv_slice_str(text);
	if (op->value)
		verify_value_write(op->value, op->key, &bytes);
	struct kv_slice value = kv_slice_of(bytes.data, bytes.size);
	switch (op->kind) {
	case HISTORY_GET:
		return kv_get_async(via, &o, key, callback, c, err);
	case HISTORY_PUT:
		return kv_put_async(via, &o, key, value, callback, c, err);
	case HISTORY_DELETE:
		return kv_del_async(via, &o, key, callback, c, err);
	case HISTORY_ADD:
		return kv_add_async(via, &o, key, op->delta, callback, c, err);
	case HISTORY_APPEND:
		return kv_append_async(via, &o, key, value, callback, c, err);
	case HISTORY_ASK:
		return kv_outcome_async(via, &o, key, &c->about_id, callback, c, err);
	}
	KV_UNREACHABLE("no such kind");
}

/* --- answers --- */

static uint64_t content_of(struct verify_load *l, const struct history_op *op, const struct kv_item *item)
{
	return verify_value_content(&l->history, slice_of(item->value.data, item->value.size), op->key);
}

static bool says(const struct kv_error *err, const char *words) { return strstr(err->message, words); }

/** A condition did not hold, or something else keeps the write from happening for ever: a retry hears only that it did not. */
static enum history_outcome record_failure(struct verify_load *l, struct history_op *op, const struct kv_error *err,
					   const struct kv_item *item)
{
	op->fenced_off = says(err, "fencing token");
	op->version = stamp_of(item->version);
	if (stamp_is_none(op->version)) {
		op->has_found = says(err, "absent");
	} else if (item->value.size > 0) {
		op->has_found = true;
		op->found = content_of(l, op, item);
	}
	bool told = op->has_found || op->fenced_off || !stamp_is_none(op->version);
	if (told && history_is_strong(op) && !op->fenced_off)
		verify_plan_saw(&l->plan, op->key, op->version, op->found, op->found ? kv_hash(item->value) : 0);
	return told ? HISTORY_FAILED : HISTORY_REFUSED;
}

static enum history_outcome record_get(struct verify_load *l, struct history_op *op, const struct kv_error *err,
				       const struct kv_item *item)
{
	bool found = err->status == KV_OK;
	op->version = stamp_of(item->version);
	op->stale_ms = item->staleness_ms;
	if (found) {
		op->value = content_of(l, op, item);
		op->ttl_ms = item->expires_ms != 0;
	}
	if (history_is_strong(op))
		verify_plan_saw(&l->plan, op->key, found ? op->version : (struct stamp){0, 0}, op->value,
				found ? kv_hash(item->value) : 0);
	return found ? HISTORY_DONE : HISTORY_ABSENT;
}

static enum history_outcome record_told(struct verify_load *l, struct history_op *op, const struct kv_item *item)
{
	const struct history_op *about = &l->history.ops[op->about];
	switch (kv_item_outcome(item)) {
	case KV_WRITE_COMMITTED:
		op->told = HISTORY_TOLD_COMMITTED;
		op->version = stamp_of(item->version);
		if (about->kind == HISTORY_ADD || about->kind == HISTORY_APPEND)
			op->has_result = kv_item_number(item, &op->result);
		return HISTORY_DONE;
	case KV_WRITE_NOT_APPLIED:
		op->told = HISTORY_TOLD_NEVER;
		return HISTORY_DONE;
	case KV_WRITE_EXPIRED:
		op->told = HISTORY_TOLD_EXPIRED;
		return HISTORY_DONE;
	}
	return HISTORY_REFUSED; /* an outcome of a later version */
}

static enum history_outcome record_write(struct verify_load *l, struct history_op *op, const struct kv_item *item)
{
	op->version = stamp_of(item->version);
	if (op->kind == HISTORY_ADD || op->kind == HISTORY_APPEND)
		op->has_result = kv_item_number(item, &op->result);
	else if (history_is_strong(op))
		verify_plan_saw(&l->plan, op->key, op->kind == HISTORY_DELETE ? (struct stamp){0, 0} : op->version,
				CONTENT_NONE, 0);
	return HISTORY_DONE;
}

void verify_request_record(struct verify_load *l, uint32_t index, bool doubt, const struct kv_error *err,
			   const struct kv_item *item)
{
	struct history_op *op = &l->history.ops[index];
	enum history_outcome outcome;
	if (op->kind == HISTORY_GET && (err->status == KV_OK || err->status == KV_NOT_FOUND))
		outcome = record_get(l, op, err, item);
	else if (err->status == KV_OK)
		outcome = op->kind == HISTORY_ASK ? record_told(l, op, item) : record_write(l, op, item);
	else if (err->status == KV_CONDITION_FAILED && !err->in_doubt && history_is_write(op))
		outcome = record_failure(l, op, err, item);
	else
		outcome = history_is_write(op) && (doubt || err->in_doubt) ? HISTORY_DOUBT : HISTORY_REFUSED;
	history_complete(&l->history, index, clock_mono_us(), outcome, err->status);
}
