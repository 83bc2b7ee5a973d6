/* SPDX-License-Identifier: Apache-2.0 */
#include "client/call.h"

/* Of one batch: keys alone, or pairs. */
struct batch {
	uint16_t opcode;
	const struct kv_slice *keys;
	const struct kv_pair *pairs;
	size_t count;
	struct kv_outcome *outcomes;
};

static struct slice batch_key(const struct batch *b, size_t i)
{
	return slice_in(b->pairs ? b->pairs[i].key : b->keys[i]);
}

static struct slice batch_value(const struct batch *b, size_t i)
{
	return b->pairs ? slice_in(b->pairs[i].value) : slice_of(NULL, 0);
}

void kv_outcomes_release(struct kv_outcome *outcomes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		kv_item_release(&outcomes[i].item);
}

static enum kv_status check_batch(const struct batch *b, const struct kv_options *o, struct kv_error *err)
{
	if (o->write)
		return client_error(err, KV_INVALID, "a write id names the write of one key");
	if (b->count > BATCH_KEYS_MAX)
		return client_error(err, KV_TOO_LARGE, "the batch has %zu keys: at most %u are allowed", b->count,
				    BATCH_KEYS_MAX);
	size_t size = 0;
	for (size_t i = 0; i < b->count; i++)
		size += batch_key(b, i).size + batch_value(b, i).size;
	if (size > BATCH_SIZE_MAX)
		return client_error(err, KV_TOO_LARGE, "the batch has %zu bytes: at most %u are allowed", size,
				    BATCH_SIZE_MAX);
	return KV_OK;
}

/* The whole batch was refused. */
static enum kv_status refuse_all(const struct batch *b, const struct kv_error *why, struct kv_error *err)
{
	for (size_t i = 0; i < b->count; i++)
		b->outcomes[i] = (struct kv_outcome){.error = *why};
	if (err)
		*err = *why;
	return why->status;
}

static void take_outcome(struct kv_outcome *outcome, struct request *r)
{
	outcome->error = r->error;
	outcome->item = call_take_item(r);
}

static enum kv_status first_failure(const struct batch *b, struct kv_error *err)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct kv_error *e = &b->outcomes[i].error;
		if (e->status == KV_OK || (e->status == KV_NOT_FOUND && b->opcode == OP_GET))
			continue;
		if (err)
			*err = *e;
		return e->status;
	}
	return client_ok(err);
}

static enum kv_status run_batch(struct kv_client *client, const struct kv_options *options, const struct batch *b,
				struct kv_error *err)
{
	struct kv_options o;
	struct kv_error why;
	enum kv_status status = options_complete(&client->engine.config, b->opcode, options, &o, &why);
	if (status == KV_OK)
		status = call_may_wait(client, &why);
	if (status == KV_OK)
		status = check_batch(b, &o, &why);
	if (status != KV_OK)
		return refuse_all(b, &why, err);

	CLEANUP(free_ptr) struct call *calls = xcalloc(b->count + 1, sizeof *calls);
	CLEANUP(free_ptr) struct call **sent = xcalloc(b->count + 1, sizeof(struct call *));
	size_t sent_count = 0;
	for (size_t i = 0; i < b->count; i++) {
		b->outcomes[i] = (struct kv_outcome){0};
		struct call_what what = {.opcode = b->opcode, .key = batch_key(b, i), .value = batch_value(b, i)};
		status = call_prepare(client, &calls[i].request, &what, &o, call_done, &b->outcomes[i].error);
		if (status == KV_OK)
			sent[sent_count++] = &calls[i];
	}
	if (sent_count > 0) {
		status = call_run_many(client, sent, sent_count, &why);
		if (status != KV_OK) {
			for (size_t n = 0; n < sent_count; n++)
				call_abandon(&sent[n]->request);
			return refuse_all(b, &why, err);
		}
	}
	for (size_t n = 0; n < sent_count; n++)
		take_outcome(&b->outcomes[sent[n] - calls], &sent[n]->request);
	return first_failure(b, err);
}

enum kv_status kv_mget(struct kv_client *client, const struct kv_options *options, const struct kv_slice *keys,
		       size_t count, struct kv_outcome *outcomes, struct kv_error *err)
{
	struct batch b = {.opcode = OP_GET, .keys = keys, .count = count, .outcomes = outcomes};
	return run_batch(client, options, &b, err);
}

enum kv_status kv_mput(struct kv_client *client, const struct kv_options *options, const struct kv_pair *pairs,
		       size_t count, struct kv_outcome *outcomes, struct kv_error *err)
{
	struct batch b = {.opcode = OP_PUT, .pairs = pairs, .count = count, .outcomes = outcomes};
	return run_batch(client, options, &b, err);
}

enum kv_status kv_mdel(struct kv_client *client, const struct kv_options *options, const struct kv_slice *keys,
		       size_t count, struct kv_outcome *outcomes, struct kv_error *err)
{
	struct batch b = {.opcode = OP_DEL, .keys = keys, .count = count, .outcomes = outcomes};
	return run_batch(client, options, &b, err);
}
