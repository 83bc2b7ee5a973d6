/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/hold.h"

#include "base/clock.h"

static struct kv_options strong(const struct hold *h)
{
	struct kv_options options = KV_OPTIONS_INIT;
	options.bucket = h->bucket;
	options.level = KV_LEVEL_STRONG;
	options.timeout_ms = h->timeout_ms;
	return options;
}

static void set_held(struct hold *h, struct kv_version version, usec_t until_us)
{
	h->version = version;
	h->until_us = until_us;
	h->doubtful = false;
	if (h->fence == 0)
		h->fence = version.hlc;
}

/** A write was sent, which holds the key until UNTIL_US if it took effect. */
static enum kv_status judge(struct hold *h, enum kv_status status, const struct kv_item *item,
			    const struct kv_error *err, usec_t until_us)
{
	if (status == KV_OK) {
		set_held(h, item->version, until_us);
		return KV_OK;
	}
	if (!err->in_doubt)
		return status;
	h->doubtful = true;
	h->write = err->write;
	h->doubtful_until_us = until_us;
	return KV_IN_DOUBT;
}

/** Finds out what became of a doubtful write. KV_OK: that is known now. */
static enum kv_status settle(struct hold *h, struct kv_error *err)
{
	struct kv_options options = strong(h);
	CLEANUP(kv_item_release) struct kv_item item = {0};
	enum kv_write_outcome outcome;
	if (!h->doubtful)
		return KV_OK;
	enum kv_status status = kv_outcome(h->client, &options, h->key, &h->write, &outcome, &item, err);
	if (status != KV_OK)
		return status;
	h->doubtful = false;
	if (outcome == KV_WRITE_COMMITTED)
		set_held(h, item.version, h->doubtful_until_us);
	return KV_OK;
}

static usec_t end_us(const struct hold *h) { return clock_mono_us() + (h->ttl_ms - HOLD_GUARD_MS) * USEC_PER_MSEC; }

enum kv_status hold_acquire(struct hold *h, struct kv_item *ret_holder, struct kv_error *err)
{
	KV_ASSERT(h->fence == 0 && h->ttl_ms >= HOLD_TTL_MS_MIN);
	struct kv_options options = strong(h);
	struct kv_error why = {0};
	options.if_absent = true;
	options.ttl_ms = h->ttl_ms;
	*ret_holder = (struct kv_item){0};
	enum kv_status status = settle(h, err);
	if (status != KV_OK || (h->fence != 0 && !hold_is_lost(h)))
		return status;
	h->fence = 0;
	usec_t until_us = end_us(h);
	status = kv_put(h->client, &options, h->key, h->value, ret_holder, &why);
	*err = why;
	return judge(h, status, ret_holder, &why, until_us);
}

usec_t hold_renew_us(const struct hold *h)
{
	usec_t third_us = h->ttl_ms * USEC_PER_MSEC / 3;
	return h->until_us - MIN(h->until_us, 2 * third_us - HOLD_GUARD_MS * USEC_PER_MSEC);
}

enum kv_status hold_renew(struct hold *h, struct kv_error *err)
{
	KV_ASSERT(h->fence != 0);
	struct kv_options options = strong(h);
	struct kv_error why = {0};
	CLEANUP(kv_item_release) struct kv_item item = {0};
	enum kv_status status = settle(h, err);
	if (status != KV_OK)
		return status;
	options.expected = &h->version;
	options.ttl_ms = h->ttl_ms;
	usec_t until_us = end_us(h);
	status = kv_put(h->client, &options, h->key, h->value, &item, &why);
	*err = why;
	status = judge(h, status, &item, &why, until_us);
	if (status == KV_CONDITION_FAILED)
		h->until_us = 0;
	return status;
}

bool hold_is_lost(const struct hold *h) { return clock_mono_us() >= h->until_us; }

enum kv_status hold_release(struct hold *h, struct kv_error *err)
{
	struct kv_options options = strong(h);
	CLEANUP(kv_item_release) struct kv_item item = {0};
	enum kv_status status = settle(h, err);
	if (status != KV_OK || h->fence == 0)
		return status;
	options.expected = &h->version;
	status = kv_del(h->client, &options, h->key, &item, err);
	/* Not ours any more: there is nothing to give back. */
	return status == KV_CONDITION_FAILED ? KV_OK : status;
}
