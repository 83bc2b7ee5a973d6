/* SPDX-License-Identifier: Apache-2.0 */
#include "client/call.h"

#include "base/hash.h"
#include "client/trace.h"
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

/** There is something to hand to the caller: what was asked for, or at least how long it took. */
static bool tells_item(const struct request *r)
{
	bool timed = r->reply && opcode_is_client(r->reply->msg.opcode) && r->msg.request.timeline_wanted;
	return r->reply && (status_class(r->error.status) == STATUS_DONE || timed);
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
	if (!tells_item(r)) {
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

enum kv_status call_check_sizes(const struct call_what *what, struct kv_error *err)
{
	struct slice key = what->key, value = what->value;
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

static struct version version_in(struct kv_version v) { return (struct version){.hlc = v.hlc, .id = v.id}; }

static void set_condition(struct msg_request *m, const struct kv_options *o)
{
	m->if_present = o->if_present;
	m->has_expected = o->if_absent || o->expected;
	if (o->expected)
		m->expected = version_in(*o->expected);
	m->has_expected_hash = o->expected_hash != NULL;
	if (o->expected_hash)
		m->expected_hash = *o->expected_hash;
}

static void set_name(struct request *r, const struct kv_write_id *id)
{
	r->msg.request.rid = (struct request_id){.client = id->client, .seq = id->seq};
	r->msg.request.t0 = id->t0;
	r->attempts_before = id->attempt;
}

static void set_write(struct request *r, const struct call_what *what, const struct kv_options *o)
{
	struct msg_request *m = &r->msg.request;
	if (o->level != KV_LEVEL_STRONG)
		m->acks = (enum msg_acks)o->acks;
	if (what->opcode == OP_PUT || what->opcode == OP_APPEND) {
		m->value = what->value;
		m->value_hash = hash64(what->value);
		m->ttl_ms = o->ttl_ms;
	}
	m->delta = what->delta;
	m->fence = o->fence;
	set_condition(m, o);
	if (o->write)
		set_name(r, o->write);
}

static void set_session(struct kv_client *client, struct request *r, const struct kv_options *o)
{
	struct kv_session *session = o->session;
	if (o->level == KV_LEVEL_SESSION && !session)
		session = client->session;
	if (!session)
		return;
	/* A token, whatever the level, also asks for one with the answer. */
	uint64_t name = session_key_hash(o->bucket, r->msg.request.key);
	r->session = session_ref(session);
	r->msg.request.session = slice_of(r->session_token, session_key_token(session, name, r->session_token));
}

static enum retry_safety safety_of(const struct call_what *what, const struct kv_options *o)
{
	if (what->opcode == OP_GET || what->opcode == OP_OUTCOME)
		return RETRY_READ;
	return o->level == KV_LEVEL_STRONG ? RETRY_FOUND : RETRY_SAME;
}

enum kv_status call_prepare(struct kv_client *client, struct request *r, const struct call_what *what,
			    const struct kv_options *options, void (*done)(struct request *), struct kv_error *err)
{
	enum kv_status status = call_check_sizes(what, err);
	if (status != KV_OK)
		return status;
	bool cas = what->opcode == OP_PUT && options_has_condition(options);
	request_init(r, cas ? OP_CAS : what->opcode, TARGET_KEY, safety_of(what, options), done);
	r->timeout_ms = options->timeout_ms;
	r->tries_max = client->engine.config.retry_attempts;
	r->key_hash = key_hash(what->key);

	struct msg_request *m = &r->msg.request;
	m->key = what->key;
	m->bucket = options->bucket;
	m->level = (enum msg_level)options->level;
	m->receipt_wanted = options->receipt;
	m->timeline_wanted = options->timeline;
	if (options->traceparent) {
		bool parsed = traceparent_parse(options->traceparent, &m->trace);
		KV_ASSERT(parsed); /* the options are complete */
	}
	m->staleness_ms = options->staleness_ms;
	if (what->opcode == OP_OUTCOME)
		set_name(r, &what->write);
	else if (request_is_write(r))
		set_write(r, what, options);
	set_session(client, r, options);
	return KV_OK;
}

void call_abandon(struct request *r)
{
	session_unref(r->session);
	r->session = NULL;
}

struct kv_item call_take_item(struct request *r)
{
	struct kv_item item = {0};
	if (!r->reply)
		r->reply = TAKE_PTR(
			r->timed); /* no answer in the end: how an earlier try fared is better than nothing */
	if (tells_item(r)) {
		/* What a newer node tells in another form is not noted. */
		bool noted = r->session && session_absorb(r->session, r->reply->msg.result.session);
		(void)noted;
		item = item_from_reply(TAKE_PTR(r->reply), r->sent_count, r->took_us);
		item.write = request_write_id(r);
	}
	reply_unref(r->reply);
	reply_unref(r->timed);
	r->reply = r->timed = NULL;
	call_abandon(r);
	return item;
}
