/* SPDX-License-Identifier: Apache-2.0 */
#include "client/call.h"

#include "base/hash.h"
#include "proto/keyhash.h"

/* ---- Waiting ---- */

void call_done(struct request *r)
{
	struct waiter *w = container_of(r, struct call, request)->waiter;
	pthread_mutex_lock(&w->lock);
	KV_ASSERT(w->left > 0);
	if (--w->left == 0)
		pthread_cond_signal(&w->ended);
	pthread_mutex_unlock(&w->lock);
}

enum kv_status call_may_wait(struct kv_client *client, struct kv_error *err)
{
	if (!client->own_base)
		return client_error(err, KV_INVALID,
				    "this client runs in the caller's event loop: use the _async calls");
	if (pthread_equal(pthread_self(), client->thread))
		return client_error(err, KV_INVALID,
				    "a callback must not wait for its own thread: use the _async calls");
	return KV_OK;
}

void call_init(struct kv_client *client, struct call *call, uint16_t opcode, enum request_target target,
	       enum retry_safety safety, uint32_t timeout_ms)
{
	request_init(&call->request, opcode, target, safety, call_done);
	call->request.timeout_ms = timeout_ms;
	call->request.tries_max = client->engine.config.retry_attempts;
}

enum kv_status call_run_many(struct kv_client *client, struct call *const *calls, size_t count,
			     struct kv_error *err)
{
	KV_ASSERT(count > 0 && count <= BATCH_KEYS_MAX);
	struct waiter waiter = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.ended = PTHREAD_COND_INITIALIZER,
		.left = count,
	};
	CLEANUP(free_ptr) struct request **requests = xcalloc(count, sizeof *requests);
	for (size_t i = 0; i < count; i++) {
		calls[i]->waiter = &waiter;
		requests[i] = &calls[i]->request;
	}
	enum kv_status status = engine_submit(&client->engine, requests, count, err);
	if (status != KV_OK)
		return status;
	pthread_mutex_lock(&waiter.lock);
	while (waiter.left > 0)
		pthread_cond_wait(&waiter.ended, &waiter.lock);
	pthread_mutex_unlock(&waiter.lock);
	pthread_mutex_destroy(&waiter.lock);
	pthread_cond_destroy(&waiter.ended);
	return KV_OK;
}

enum kv_status call_run(struct kv_client *client, struct call *call, struct kv_error *err)
{
	enum kv_status status = call_may_wait(client, err);
	if (status == KV_OK)
		status = call_run_many(client, &call, 1, err);
	if (status != KV_OK)
		return status;
	struct request *r = &call->request;
	if (err)
		*err = r->error;
	if (status_class(r->error.status) != STATUS_DONE) {
		reply_unref(r->reply);
		r->reply = NULL;
	}
	return r->error.status;
}

void call_copy_text(char *to, size_t room, struct slice from)
{
	KV_ASSERT(room > 0);
	size_t size = MIN(from.size, room - 1);
	if (size > 0)
		memcpy(to, from.data, size);
	to[size] = '\0';
}

/* ---- Requests for one key ---- */

static enum kv_status check_sizes(struct slice key, struct slice value, struct kv_error *err)
{
	if (key.size == 0)
		return client_error(err, KV_INVALID, "the key is empty: 1 to %u bytes are allowed", KEY_SIZE_MAX);
	if (key.size > KEY_SIZE_MAX)
		return client_error(err, KV_TOO_LARGE, "the key has %zu bytes: at most %u are allowed", key.size,
				    KEY_SIZE_MAX);
	if (value.size > VALUE_SIZE_MAX)
		return client_error(err, KV_TOO_LARGE, "the value has %zu bytes: at most %u are allowed",
				    value.size, VALUE_SIZE_MAX);
	return KV_OK;
}

static void set_condition(struct msg_request *m, const struct kv_options *o)
{
	m->if_present = o->if_present;
	m->has_expected = o->if_absent || o->expected;
	if (o->expected)
		m->expected = (struct version){.hlc = o->expected->hlc, .id = o->expected->id};
}

enum kv_status call_prepare(struct kv_client *client, struct request *r, uint16_t opcode,
			    const struct kv_options *options, struct slice key, struct slice value,
			    void (*done)(struct request *), struct kv_error *err)
{
	enum kv_status status = check_sizes(key, value, err);
	if (status != KV_OK)
		return status;
	bool conditional = options->if_absent || options->if_present || options->expected;
	if (conditional && opcode != OP_PUT)
		return client_error(err, KV_UNSUPPORTED, "conditions are for kv_put only");
	bool write = opcode != OP_GET;
	bool strong = options->level == KV_LEVEL_STRONG;
	enum retry_safety safety = !write ? RETRY_READ : strong || conditional ? RETRY_ONCE : RETRY_SAME;
	request_init(r, conditional ? OP_CAS : opcode, TARGET_KEY, safety, done);
	r->timeout_ms = options->timeout_ms;
	r->tries_max = client->engine.config.retry_attempts;
	r->key_hash = key_hash(key);

	struct msg_request *m = &r->msg.request;
	m->key = key;
	m->bucket = options->bucket;
	m->level = (enum msg_level)options->level;
	m->receipt_wanted = options->receipt;
	m->staleness_ms = options->staleness_ms;
	if (!write)
		return KV_OK;
	if (!strong)
		m->acks = (enum msg_acks)options->acks;
	if (opcode == OP_PUT) {
		m->value = value;
		m->value_hash = hash64(value);
		m->ttl_ms = options->ttl_ms;
	}
	set_condition(m, options);
	return KV_OK;
}

static enum kv_status run_one(struct kv_client *client, uint16_t opcode, const struct kv_options *options,
			      struct kv_slice key, struct kv_slice value, struct kv_item *ret_item,
			      struct kv_error *err)
{
	if (ret_item)
		*ret_item = (struct kv_item){0};
	struct kv_options o;
	struct call call;
	enum kv_status status = options_complete(&client->engine.config, options, &o, err);
	if (status == KV_OK)
		status = call_prepare(client, &call.request, opcode, &o, slice_in(key), slice_in(value), call_done,
				      err);
	if (status == KV_OK)
		status = call_run(client, &call, err);
	else
		return status;
	if (status != KV_OK && status != KV_NOT_FOUND)
		return status;
	struct kv_item item = item_from_reply(call.request.reply, call.request.sent_count);
	if (ret_item && (status == KV_OK || item.receipt))
		*ret_item = item;
	else
		kv_item_release(&item);
	return status;
}

enum kv_status kv_get(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
		      struct kv_item *ret_item, struct kv_error *err)
{
	return run_one(client, OP_GET, options, key, (struct kv_slice){0}, ret_item, err);
}

enum kv_status kv_put(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
		      struct kv_slice value, struct kv_item *ret_item, struct kv_error *err)
{
	return run_one(client, OP_PUT, options, key, value, ret_item, err);
}

enum kv_status kv_del(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
		      struct kv_item *ret_item, struct kv_error *err)
{
	return run_one(client, OP_DEL, options, key, (struct kv_slice){0}, ret_item, err);
}

/* ---- With a callback ---- */

struct async_call {
	struct request request;
	struct kv_client *client;
	kv_callback callback;
	void *arg;
	uint8_t bytes[]; /* key, then value */
};

static void async_done(struct request *r)
{
	struct async_call *call = container_of(r, struct async_call, request);
	struct kv_item item = {0};
	if (r->error.status == KV_OK || r->error.status == KV_NOT_FOUND)
		item = item_from_reply(TAKE_PTR(r->reply), r->sent_count);
	call->callback(call->client, &r->error, &item, call->arg);
	kv_item_release(&item);
	reply_unref(r->reply);
	free(call);
}

static enum kv_status start_async(struct kv_client *client, uint16_t opcode, const struct kv_options *options,
				  struct kv_slice key, struct kv_slice value, kv_callback callback, void *arg,
				  struct kv_error *err)
{
	if (!callback)
		return client_error(err, KV_INVALID, "an asynchronous call needs a callback");
	struct kv_options o;
	enum kv_status status = options_complete(&client->engine.config, options, &o, err);
	if (status == KV_OK)
		status = check_sizes(slice_in(key), slice_in(value), err);
	if (status != KV_OK)
		return status;
	CLEANUP(free_ptr) struct async_call *call = malloc(sizeof *call + key.size + value.size);
	if (!call)
		return client_error(err, KV_OVERLOADED, "out of memory for %zu bytes", key.size + value.size);
	memcpy(call->bytes, key.data, key.size);
	if (value.size > 0)
		memcpy(call->bytes + key.size, value.data, value.size);
	call->client = client;
	call->callback = callback;
	call->arg = arg;
	status = call_prepare(client, &call->request, opcode, &o, slice_of(call->bytes, key.size),
			      slice_of(call->bytes + key.size, value.size), async_done, err);
	struct request *r = &call->request;
	if (status == KV_OK)
		status = engine_submit(&client->engine, &r, 1, err);
	if (status != KV_OK)
		return status;
	(void)TAKE_PTR(call); /* its callback frees it, perhaps already has */
	return client_ok(err);
}

enum kv_status kv_get_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			    kv_callback callback, void *arg, struct kv_error *err)
{
	return start_async(client, OP_GET, options, key, (struct kv_slice){0}, callback, arg, err);
}

enum kv_status kv_put_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			    struct kv_slice value, kv_callback callback, void *arg, struct kv_error *err)
{
	return start_async(client, OP_PUT, options, key, value, callback, arg, err);
}

enum kv_status kv_del_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			    kv_callback callback, void *arg, struct kv_error *err)
{
	return start_async(client, OP_DEL, options, key, (struct kv_slice){0}, callback, arg, err);
}
