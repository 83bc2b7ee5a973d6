/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cluster/fill.h"

#include <limits.h>

#include "base/rng.h"
#include "tests/cluster/harness.h"

enum { BATCH = 500, SCAN_MS = 10000, TRIES = 10, BATCH_MS = 20000 };

struct kv_slice fill_key(const struct fill *f, unsigned k, char text[64])
{
	int size = snprintf(text, 64, "%s-%08u", f->prefix, k);
	return kv_slice_of(text, (size_t)size);
}

/** Bytes that follow from the key alone and do not shrink when compressed. */
static void make_value(const struct fill *f, unsigned k, uint8_t bytes[FILL_VALUE_MAX])
{
	struct rng rng;
	rng_init(&rng, k);
	for (unsigned at = 0; at < f->size; at += 8) {
		uint64_t word = rng_next(&rng);
		memcpy(bytes + at, &word, MIN(8u, f->size - at));
	}
}

static void write_batch(struct cluster *c, const struct fill *f, unsigned first, unsigned count)
{
	static struct kv_pair pairs[BATCH];
	static struct kv_outcome outcomes[BATCH];
	static char texts[BATCH][64];
	struct kv_options options = KV_OPTIONS_INIT;
	struct kv_error err;
	enum kv_status status = KV_INTERNAL;
	uint8_t *values = xmalloc((size_t)count * FILL_VALUE_MAX);
	options.level = f->strong ? KV_LEVEL_STRONG : KV_LEVEL_EVENTUAL;
	options.acks = f->strong ? KV_ACKS_DEFAULT : KV_ACKS_ALL;
	options.timeout_ms = harness_call_ms(BATCH_MS);
	for (unsigned i = 0; i < count; i++) {
		make_value(f, first + i, values + (size_t)i * FILL_VALUE_MAX);
		pairs[i].key = fill_key(f, first + i, texts[i]);
		pairs[i].value = kv_slice_of(values + (size_t)i * FILL_VALUE_MAX, f->size);
	}
	for (unsigned try = 0; try < TRIES && status != KV_OK; try++) {
		status = kv_mput(c->client, &options, pairs, count, outcomes, &err);
		kv_outcomes_release(outcomes, count);
	}
	free(values);
	if (status != KV_OK)
		fail_msg("writing keys from %u on: %s: %s", first, kv_status_name(status), err.message);
}

void fill_write(struct cluster *c, const struct fill *f)
{
	assert_true(f->size <= FILL_VALUE_MAX);
	for (unsigned k = 0; k < f->count; k += BATCH)
		write_batch(c, f, k, MIN((unsigned)BATCH, f->count - k));
}

static void check_batch(struct cluster *c, const struct fill *f, unsigned first, unsigned count)
{
	static struct kv_slice keys[BATCH];
	static struct kv_outcome outcomes[BATCH];
	static char texts[BATCH][64];
	uint8_t value[FILL_VALUE_MAX];
	struct kv_options options = KV_OPTIONS_INIT;
	struct kv_error err;
	options.level = KV_LEVEL_STRONG;
	options.timeout_ms = harness_call_ms(BATCH_MS);
	for (unsigned i = 0; i < count; i++)
		keys[i] = fill_key(f, first + i, texts[i]);
	if (kv_mget(c->client, &options, keys, count, outcomes, &err) != KV_OK)
		fail_msg("reading keys from %u on: %s: %s", first, kv_status_name(err.status), err.message);
	for (unsigned i = 0; i < count; i++) {
		const struct kv_item *item = &outcomes[i].item;
		make_value(f, first + i, value);
		if (outcomes[i].error.status != KV_OK || item->value.size != f->size ||
		    memcmp(item->value.data, value, f->size) != 0)
			fail_msg("%s is not as it was written: %s", texts[i],
				 kv_status_name(outcomes[i].error.status));
	}
	kv_outcomes_release(outcomes, count);
}

void fill_check(struct cluster *c, const struct fill *f)
{
	for (unsigned k = 0; k < f->count; k += BATCH)
		check_batch(c, f, k, MIN((unsigned)BATCH, f->count - k));
}

/* ---- replicas ---- */

/* Of each key: its copies so far. */
struct copies {
	uint64_t hlc, id;
	unsigned count;
	bool differ;
};

static unsigned key_number(const struct fill *f, struct kv_slice key)
{
	char text[64];
	snprintf(text, sizeof text, "%.*s", (int)key.size, (const char *)key.data);
	unsigned k = (unsigned)strtoul(text + strlen(f->prefix) + 1, NULL, 10);
	if (k >= f->count)
		fail_msg("%s was written by nobody", text);
	return k;
}

static bool scan_node(struct cluster *c, const struct fill *f, uint16_t node, struct copies *copies)
{
	char prefix[64];
	struct kv_scan *scan;
	struct kv_scan_options options = KV_SCAN_OPTIONS_INIT;
	struct kv_error err;
	struct kv_entry entry;
	snprintf(prefix, sizeof prefix, "%s-", f->prefix);
	options.prefix = kv_slice_str(prefix);
	options.timeout_ms = harness_call_ms(SCAN_MS);
	options.node = node;
	options.raw = true;
	if (kv_scan_open(c->client, &options, &scan, &err) != KV_OK)
		return false;
	while (kv_scan_next(scan, &entry, &err) == KV_OK) {
		unsigned k = key_number(f, entry.key);
		struct copies *of = &copies[k];
		of->differ |= of->count > 0 && (of->hlc != entry.copy.hlc || of->id != entry.copy.id);
		of->hlc = entry.copy.hlc;
		of->id = entry.copy.id;
		of->count++;
	}
	kv_scan_close(scan);
	return err.status == KV_NOT_FOUND;
}

unsigned fill_differences(struct cluster *c, const struct fill *f, unsigned replicas)
{
	struct copies *copies = xcalloc(f->count, sizeof *copies);
	bool answered = true;
	unsigned differences = 0;
	for (unsigned i = 0; i < c->count && answered; i++) {
		if (c->gone[i] || c->nodes[i].pid <= 0)
			continue;
		CLEANUP(cluster_status_free) struct kv_node_status *status = cluster_status(c, i);
		answered = status && scan_node(c, f, status->index, copies);
	}
	for (unsigned k = 0; k < f->count; k++)
		differences += copies[k].differ || copies[k].count != replicas;
	free(copies);
	return answered ? differences : UINT_MAX;
}

struct comparison {
	struct cluster *cluster;
	const struct fill *fill;
	unsigned replicas, differences;
};

static bool are_equal(void *arg)
{
	struct comparison *p = arg;
	p->differences = fill_differences(p->cluster, p->fill, p->replicas);
	return p->differences == 0;
}

void fill_await_equal(struct cluster *c, const struct fill *f, unsigned replicas, unsigned timeout_ms)
{
	struct comparison p = {.cluster = c, .fill = f, .replicas = replicas};
	if (!harness_wait(are_equal, &p, timeout_ms))
		fail_msg("%u of %u keys differ between their replicas", p.differences, f->count);
}
