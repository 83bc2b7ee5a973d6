/* SPDX-License-Identifier: Apache-2.0 */
/* The calls about one key, waiting and not. */
#include "client/call.h"
#include "client/write_id.h"

/* ---- Waiting ---- */

/* An item is told with KV_OK and KV_CONDITION_FAILED; with KV_NOT_FOUND only its receipt is worth it, with an error its
 * timeline. */
static bool tells_item(enum kv_status status, const struct kv_item *item)
{
	return status == KV_OK || status == KV_CONDITION_FAILED || item->receipt || kv_item_timeline(item);
}

static enum kv_status run_one(struct kv_client *client, const struct call_what *what,
			      const struct kv_options *options, struct kv_item *ret_item, struct kv_error *err)
{
	struct kv_options o;
	struct call call;
	if (ret_item)
		*ret_item = (struct kv_item){0};
	enum kv_status status = options_complete(&client->engine.config, what->opcode, options, &o, err);
	if (status == KV_OK)
		status = call_may_wait(client, err);
	if (status == KV_OK)
		status = call_prepare(client, &call.request, what, &o, call_done, err);
	if (status != KV_OK)
		return status;
	status = call_run(client, &call, err);
	struct kv_item item = call_take_item(&call.request);
	if (ret_item && tells_item(status, &item))
		*ret_item = item;
	else
		kv_item_release(&item);
	return status;
}

enum kv_status kv_get(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
		      struct kv_item *ret_item, struct kv_error *err)
{
	struct call_what what = {.opcode = OP_GET, .key = slice_in(key)};
	return run_one(client, &what, options, ret_item, err);
}

enum kv_status kv_put(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
		      struct kv_slice value, struct kv_item *ret_item, struct kv_error *err)
{
	struct call_what what = {.opcode = OP_PUT, .key = slice_in(key), .value = slice_in(value)};
	return run_one(client, &what, options, ret_item, err);
}

enum kv_status kv_del(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
		      struct kv_item *ret_item, struct kv_error *err)
{
	struct call_what what = {.opcode = OP_DEL, .key = slice_in(key)};
	return run_one(client, &what, options, ret_item, err);
}

/* OPTIONS with the condition of kv_cas. */
static enum kv_status cas_options(const struct kv_options *options, const struct kv_version *expected,
				  struct kv_options *ret, struct kv_error *err)
{
	struct kv_options o = KV_OPTIONS_INIT;
	enum kv_status status = options ? options_copy(options, &o, sizeof o, err) : KV_OK;
	if (status != KV_OK)
		return status;
	if (o.expected || o.if_absent)
		return client_error(err, KV_INVALID,
				    "kv_cas takes its condition as an argument: leave expected and if_absent out");
	o.size = sizeof o;
	o.expected = expected;
	o.if_absent = !expected;
	*ret = o;
	return KV_OK;
}

enum kv_status kv_cas(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
		      const struct kv_version *expected, struct kv_slice value, struct kv_item *ret_item,
		      struct kv_error *err)
{
	struct kv_options o;
	if (ret_item)
		*ret_item = (struct kv_item){0};
	enum kv_status status = cas_options(options, expected, &o, err);
	return status == KV_OK ? kv_put(client, &o, key, value, ret_item, err) : status;
}

/* The number in the answer to an update that was carried out. */
static enum kv_status run_number(struct kv_client *client, const struct call_what *what,
				 const struct kv_options *options, int64_t *ret_number, struct kv_item *ret_item,
				 struct kv_error *err)
{
	struct kv_item item;
	enum kv_status status = run_one(client, what, options, &item, err);
	if (status == KV_OK && !kv_item_number(&item, ret_number)) {
		kv_item_release(&item);
		status = client_error(err, KV_INTERNAL, "the node carried it out and told no number");
		if (err)
			err->in_doubt = true;
	}
	if (ret_item)
		*ret_item = item;
	else
		kv_item_release(&item);
	return status;
}

enum kv_status kv_add(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
		      int64_t delta, int64_t *ret_sum, struct kv_item *ret_item, struct kv_error *err)
{
	int64_t sum;
	struct call_what what = {.opcode = OP_ADD, .key = slice_in(key), .delta = delta};
	enum kv_status status = run_number(client, &what, options, &sum, ret_item, err);
	if (status == KV_OK && ret_sum)
		*ret_sum = sum;
	return status;
}

enum kv_status kv_append(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			 struct kv_slice value, uint64_t *ret_size, struct kv_item *ret_item, struct kv_error *err)
{
	int64_t size;
	struct call_what what = {.opcode = OP_APPEND, .key = slice_in(key), .value = slice_in(value)};
	enum kv_status status = run_number(client, &what, options, &size, ret_item, err);
	if (status == KV_OK && ret_size)
		*ret_size = (uint64_t)size;
	return status;
}

/* ---- What became of a write ---- */

static enum kv_status check_write(const struct kv_write_id *id, struct kv_error *err)
{
	if (!id || !write_id_is_set(id))
		return client_error(err, KV_INVALID, "the write id is empty");
	return KV_OK;
}

enum kv_status kv_outcome(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			  const struct kv_write_id *id, enum kv_write_outcome *ret_outcome,
			  struct kv_item *ret_item, struct kv_error *err)
{
	if (ret_item)
		*ret_item = (struct kv_item){0};
	enum kv_status status = check_write(id, err);
	if (status != KV_OK)
		return status;
	struct call_what what = {.opcode = OP_OUTCOME, .key = slice_in(key), .write = *id};
	struct kv_item item;
	status = run_one(client, &what, options, &item, err);
	if (status == KV_OK)
		*ret_outcome = kv_item_outcome(&item);
	if (ret_item)
		*ret_item = item;
	else
		kv_item_release(&item);
	return status;
}

enum kv_status kv_outcome_text(struct kv_client *client, const struct kv_options *options, const char *text,
			       enum kv_write_outcome *ret_outcome, struct kv_item *ret_item, struct kv_error *err)
{
	struct kv_write_id id;
	size_t key_size;
	if (ret_item)
		*ret_item = (struct kv_item){0};
	CLEANUP(free_ptr) uint8_t *key = xmalloc(strlen(text) + 1);
	if (!kv_write_id_parse(text, &id, key, &key_size))
		return client_error(err, KV_INVALID, "\"%.100s\" does not name a write", text);
	return kv_outcome(client, options, kv_slice_of(key, key_size), &id, ret_outcome, ret_item, err);
}

enum kv_status kv_write_id_new(struct kv_client *client, unsigned timeout_ms, struct kv_write_id *ret_id,
			       struct kv_error *err)
{
	struct call call;
	uint32_t limit_ms;
	enum kv_status status = options_timeout(&client->engine.config, timeout_ms, &limit_ms, err);
	if (status != KV_OK)
		return status;
	call_init(client, &call, OP_PUT, TARGET_CLOCK, RETRY_SAME, limit_ms);
	status = call_run(client, &call, err);
	if (status == KV_OK)
		*ret_id = request_write_id(&call.request);
	return status;
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
	struct kv_item item = call_take_item(r);
	call->callback(call->client, &r->error, &item, call->arg);
	kv_item_release(&item);
	free(call);
}

/* Copies key and value behind the call, and makes WHAT mean the copies. NULL: out of memory. */
static struct async_call *new_async(struct call_what *what)
{
	size_t key_size = what->key.size, value_size = what->value.size;
	struct async_call *call = malloc(sizeof *call + key_size + value_size);
	if (!call)
		return NULL;
	if (key_size > 0)
		memcpy(call->bytes, what->key.data, key_size);
	if (value_size > 0)
		memcpy(call->bytes + key_size, what->value.data, value_size);
	what->key = slice_of(call->bytes, key_size);
	what->value = slice_of(call->bytes + key_size, value_size);
	return call;
}

static enum kv_status start_async(struct kv_client *client, struct call_what *what,
				  const struct kv_options *options, kv_callback callback, void *arg,
				  struct kv_error *err)
{
	if (!callback)
		return client_error(err, KV_INVALID, "an asynchronous call needs a callback");
	struct kv_options o;
	enum kv_status status = options_complete(&client->engine.config, what->opcode, options, &o, err);
	if (status == KV_OK)
		status = call_check_sizes(what, err);
	if (status != KV_OK)
		return status;
	CLEANUP(free_ptr) struct async_call *call = new_async(what);
	if (!call)
		return client_error(err, KV_OVERLOADED, "out of memory for %zu bytes",
				    what->key.size + what->value.size);
	call->client = client;
	call->callback = callback;
	call->arg = arg;
	struct request *r = &call->request;
	status = call_prepare(client, r, what, &o, async_done, err);
	if (status != KV_OK)
		return status;
	status = engine_submit(&client->engine, &r, 1, err);
	if (status != KV_OK) {
		call_abandon(r);
		return status;
	}
	(void)TAKE_PTR(call); /* its callback frees it, perhaps already has */
	return client_ok(err);
}

enum kv_status kv_get_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			    kv_callback callback, void *arg, struct kv_error *err)
{
	struct call_what what = {.opcode = OP_GET, .key = slice_in(key)};
	return start_async(client, &what, options, callback, arg, err);
}

enum kv_status kv_put_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			    struct kv_slice value, kv_callback callback, void *arg, struct kv_error *err)
{
	struct call_what what = {.opcode = OP_PUT, .key = slice_in(key), .value = slice_in(value)};
	return start_async(client, &what, options, callback, arg, err);
}

enum kv_status kv_del_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			    kv_callback callback, void *arg, struct kv_error *err)
{
	struct call_what what = {.opcode = OP_DEL, .key = slice_in(key)};
	return start_async(client, &what, options, callback, arg, err);
}

enum kv_status kv_cas_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			    const struct kv_version *expected, struct kv_slice value, kv_callback callback,
			    void *arg, struct kv_error *err)
{
	struct kv_options o;
	enum kv_status status = cas_options(options, expected, &o, err);
	return status == KV_OK ? kv_put_async(client, &o, key, value, callback, arg, err) : status;
}

enum kv_status kv_add_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			    int64_t delta, kv_callback callback, void *arg, struct kv_error *err)
{
	struct call_what what = {.opcode = OP_ADD, .key = slice_in(key), .delta = delta};
	return start_async(client, &what, options, callback, arg, err);
}

enum kv_status kv_append_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
			       struct kv_slice value, kv_callback callback, void *arg, struct kv_error *err)
{
	struct call_what what = {.opcode = OP_APPEND, .key = slice_in(key), .value = slice_in(value)};
	return start_async(client, &what, options, callback, arg, err);
}

enum kv_status kv_outcome_async(struct kv_client *client, const struct kv_options *options, struct kv_slice key,
				const struct kv_write_id *id, kv_callback callback, void *arg, struct kv_error *err)
{
	enum kv_status status = check_write(id, err);
	if (status != KV_OK)
		return status;
	struct call_what what = {.opcode = OP_OUTCOME, .key = slice_in(key), .write = *id};
	return start_async(client, &what, options, callback, arg, err);
}
