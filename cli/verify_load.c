/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_load.h"

#include "base/clock.h"
#include "cli/verify_request.h"

enum {
	SHORT_PERCENT = 10, /* deadlines that may not be met */
	LOST_PERCENT = 3,   /* answers to strong writes that count as lost */
	RETRY_PERCENT = 70, /* writes in doubt that are tried again */
	ASK_PERCENT = 60,   /* writes still in doubt that are asked about */
	ATTEMPTS_MAX = 3,
	STALE_SLACK_MS = 50, /* clocks that run at different speeds, and a machine that stops a node for a moment */
};

static void on_answer(struct kv_client *client, const struct kv_error *err, const struct kv_item *item, void *arg);

/* --- one client --- */

static bool may_start(const struct verify_load *l)
{
	bool over = l->ops_max && l->history.count >= l->ops_max;
	return !l->stop && !over && l->refused.status == KV_OK && clock_mono_us() < l->until_us;
}

/** A node other than the client's own, where there is one. Under the lock. */
static struct kv_client *another(struct verify_load *l, const struct verify_client *c)
{
	uint32_t start = (uint32_t)verify_plan_below(&l->plan, l->client_count);
	for (uint32_t i = 0; i < l->client_count; i++) {
		const struct verify_client *other = &l->clients[(start + i) % l->client_count];
		if (other->node != c->node)
			return other->kv;
	}
	return c->kv;
}

/** About as long as a strong write takes, or shorter: it may be cut off anywhere. Under the lock. */
static uint32_t short_timeout_ms(struct verify_load *l)
{
	return 1 + (uint32_t)verify_plan_below(&l->plan, 2 + 2 * l->usual_us / USEC_PER_MSEC);
}

/** The next operation, into the history. False: the client is done. */
static bool client_draw(struct verify_client *c)
{
	struct verify_load *l = c->load;
	pthread_mutex_lock(&l->lock);
	bool more = may_start(l);
	if (more) {
		struct history_op *op = history_invoke(&l->history, clock_mono_us());
		op->client = c->index;
		op->node = c->node;
		op->attempts = 1;
		if (c->asks) {
			op->kind = HISTORY_ASK;
			op->level = HISTORY_STRONG;
			op->key = c->about_key;
			op->about = c->about;
		} else {
			verify_plan_draw(&l->plan, op, &c->hash);
		}
		bool hurried = !c->asks && verify_plan_percent(&l->plan, SHORT_PERCENT);
		c->timeout_ms = hurried ? short_timeout_ms(l) : l->timeout_ms;
		c->asks = false;
		c->doubt = false;
		c->op = *op;
	} else if (--l->running == 0) {
		pthread_cond_signal(&l->idle);
	}
	pthread_mutex_unlock(&l->lock);
	return more;
}

static void client_finish(struct verify_client *c, const struct kv_error *err, const struct kv_item *item)
{
	struct verify_load *l = c->load;
	pthread_mutex_lock(&l->lock);
	struct history_op *op = &l->history.ops[c->op.index];
	op->attempts = c->op.attempts;
	verify_request_record(l, c->op.index, c->doubt, err, item);
	if (op->outcome == HISTORY_DOUBT && history_is_strong(op) && err->write.client &&
	    verify_plan_percent(&l->plan, ASK_PERCENT)) {
		c->asks = true;
		c->about = op->index;
		c->about_key = op->key;
		c->about_id = err->write;
	}
	if (op->outcome == HISTORY_DONE && op->attempts == 1 && history_is_strong(op) && history_is_write(op))
		l->usual_us += (op->complete_us - op->invoke_us) / 16 - l->usual_us / 16;
	l->done++;
	pthread_mutex_unlock(&l->lock);
}

/** Nothing was sent. More of the same would not help, unless there was too much of it. */
static void client_refused(struct verify_client *c, const struct kv_error *err)
{
	static const struct kv_item nothing;
	struct verify_load *l = c->load;
	client_finish(c, err, &nothing);
	if (err->status == KV_OVERLOADED)
		return;
	pthread_mutex_lock(&l->lock);
	if (l->refused.status == KV_OK)
		l->refused = *err;
	pthread_mutex_unlock(&l->lock);
}

static void client_next(struct verify_client *c)
{
	struct kv_error err;
	while (client_draw(c)) {
		if (verify_request_send(c, c->kv, on_answer, &err) == KV_OK)
			return;
		client_refused(c, &err);
	}
}

/** Whether the answer is not the last word: it left the write in doubt, or counts as lost. Sets whom to ask again. */
static bool asks_again(struct verify_client *c, const struct kv_error *err, const struct kv_item *item,
		       struct kv_client **ret_via)
{
	struct verify_load *l = c->load;
	bool strong_write = history_is_strong(&c->op) && history_is_write(&c->op);
	bool in_doubt = err->in_doubt && err->write.client;
	bool done = err->status == KV_OK && item->write.client && c->op.attempts == 1;
	if (!strong_write || (!in_doubt && !done) || c->op.attempts >= ATTEMPTS_MAX)
		return false;
	pthread_mutex_lock(&l->lock);
	bool again = verify_plan_percent(&l->plan, in_doubt ? RETRY_PERCENT : LOST_PERCENT);
	*ret_via = another(l, c);
	pthread_mutex_unlock(&l->lock);
	if (again)
		c->id = in_doubt ? err->write : item->write;
	return again;
}

static void on_answer(struct kv_client *client, const struct kv_error *err, const struct kv_item *item, void *arg)
{
	(void)client;
	struct verify_client *c = arg;
	struct kv_client *via;
	if (asks_again(c, err, item, &via)) {
		struct kv_error why;
		c->op.attempts++;
		c->doubt = true;
		c->timeout_ms = c->load->timeout_ms;
		if (verify_request_send(c, via, on_answer, &why) == KV_OK)
			return;
		client_refused(c, &why);
	} else {
		client_finish(c, err, item);
	}
	client_next(c);
}

/* --- all clients --- */

static bool takes_requests(const struct kv_node *node)
{
	return node->state != KV_NODE_REMOVED && node->client_address[0];
}

static enum kv_status client_open(struct verify_client *c, const struct kv_node *node, struct kv_error *err)
{
	c->node = node->index;
	struct kv_config *config = kv_config_new();
	enum kv_status status = kv_config_set(config, "endpoints", node->client_address, err);
	if (status == KV_OK)
		status = kv_config_set(config, "name", "kvctl verify", err);
	if (status == KV_OK)
		status = kv_config_set(config, "route", "endpoint", err);
	if (status == KV_OK)
		status = kv_open(config, &c->kv, err);
	kv_config_free(config);
	return status;
}

static void load_init(struct verify_load *l, uint64_t seed, uint32_t busy_keys)
{
	verify_plan_init(&l->plan, seed, busy_keys);
	history_init(&l->history, busy_keys, /* skew_us: */ 0);
	l->history.stale_slack_us = STALE_SLACK_MS * USEC_PER_MSEC;
	l->clients = xcalloc(l->client_count, sizeof l->clients[0]);
	for (uint32_t i = 0; i < VERIFY_SESSIONS; i++)
		l->sessions[i] = kv_session_new();
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->idle, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

enum kv_status verify_load_open(struct verify_load *l, const struct kv_node *nodes, size_t node_count,
				uint64_t seed, uint32_t busy_keys, struct kv_error *err)
{
	load_init(l, seed, busy_keys);
	size_t at = 0;
	for (uint32_t i = 0; i < l->client_count; i++, at++) {
		size_t looked = 0;
		while (looked++ < node_count && !takes_requests(&nodes[at % node_count]))
			at++;
		l->clients[i].load = l;
		l->clients[i].index = i;
		enum kv_status status = client_open(&l->clients[i], &nodes[at % node_count], err);
		if (status != KV_OK)
			return status;
	}
	return KV_OK;
}

void verify_load_start(struct verify_load *l)
{
	l->running = l->client_count;
	for (uint32_t i = 0; i < l->client_count; i++)
		client_next(&l->clients[i]);
}

bool verify_load_wait(struct verify_load *l, unsigned ms)
{
	usec_t at_us = clock_mono_us() + ms * USEC_PER_MSEC;
	struct timespec until = {(time_t)(at_us / USEC_PER_SEC), (long)(at_us % USEC_PER_SEC * 1000)};
	pthread_mutex_lock(&l->lock);
	if (l->running > 0)
		pthread_cond_timedwait(&l->idle, &l->lock, &until);
	bool over = l->running == 0;
	if (over)
		l->history.key_count = l->plan.key_count;
	pthread_mutex_unlock(&l->lock);
	return over;
}

void verify_load_release(struct verify_load *l)
{
	if (!l->clients)
		return;
	KV_ASSERT(l->running == 0);
	for (uint32_t i = 0; i < l->client_count; i++)
		kv_close(l->clients[i].kv, 0);
	for (uint32_t i = 0; i < VERIFY_SESSIONS; i++)
		kv_session_free(l->sessions[i]);
	free(l->clients);
	history_release(&l->history);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->idle);
	*l = (struct verify_load){0};
}
