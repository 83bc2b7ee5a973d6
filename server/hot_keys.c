/* SPDX-License-Identifier: Apache-2.0 */
#include "server/hot_keys.h"

#include <stdlib.h>

#include "base/hash.h"

void hot_keys_clear(struct hot_keys *h)
{
	h->used = h->hand = 0;
	h->least = h->total = 0;
	memset(h->chains, 0, sizeof h->chains);
}

static uint16_t *chain_of(struct hot_keys *h, uint64_t hash) { return &h->chains[hash % ARRAY_SIZE(h->chains)]; }

static struct hot_counter *find(struct hot_keys *h, uint64_t hash)
{
	for (uint16_t at = *chain_of(h, hash); at; at = h->counters[at - 1].next) {
		if (h->counters[at - 1].hash == hash)
			return &h->counters[at - 1];
	}
	return NULL;
}

static void unchain(struct hot_keys *h, struct hot_counter *c)
{
	uint16_t number = (uint16_t)(c - h->counters + 1);
	uint16_t *at = chain_of(h, c->hash);
	while (*at != number)
		at = &h->counters[*at - 1].next;
	*at = c->next;
}

/**
 * A counter that is as low as any. The hand goes round: where it has passed all are above `least`, and when it has gone round
 * `least` was too low. Each step of it is paid for by a count that was added.
 */
static struct hot_counter *take_least(struct hot_keys *h)
{
	for (uint32_t steps = 0;; steps++) {
		struct hot_counter *c = &h->counters[h->hand];
		if (c->count <= h->least)
			return c;
		h->hand = (h->hand + 1) % HOT_COUNTERS;
		if (steps % HOT_COUNTERS != HOT_COUNTERS - 1)
			continue;
		h->least = UINT64_MAX;
		for (uint32_t i = 0; i < HOT_COUNTERS; i++)
			h->least = MIN(h->least, h->counters[i].count);
	}
}

static struct hot_counter *counter_for(struct hot_keys *h, uint64_t hash, uint32_t bucket, struct slice key)
{
	struct hot_counter *c;
	uint64_t count = 0;
	if (h->used < HOT_COUNTERS) {
		c = &h->counters[h->used++];
	} else {
		c = take_least(h);
		unchain(h, c);
		count = c->count;
	}
	c->hash = hash;
	c->count = c->error = count;
	c->reads = 0;
	c->bucket = bucket;
	c->key_size = (uint16_t)MIN(key.size, HOT_KEY_SIZE);
	memcpy(c->key, key.data, c->key_size);
	uint16_t *chain = chain_of(h, hash);
	c->next = *chain;
	*chain = (uint16_t)(c - h->counters + 1);
	return c;
}

void hot_keys_note(struct hot_keys *h, uint32_t bucket, struct slice key, bool read)
{
	KV_ASSERT(key.size > 0);
	uint64_t hash = hash64_seeded(key, bucket);
	struct hot_counter *c = find(h, hash);
	if (!c)
		c = counter_for(h, hash, bucket, key);
	c->count++;
	c->reads += read;
	h->total++;
}

void hot_sum_add(struct hot_sum *sum, const struct hot_keys *h)
{
	sum->total += h->total;
	for (uint32_t i = 0; i < h->used; i++) {
		const struct hot_counter *from = &h->counters[i];
		uint32_t at = 0;
		while (at < sum->count && sum->counters[at].hash != from->hash)
			at++;
		if (at == ARRAY_SIZE(sum->counters))
			return;
		if (at == sum->count) {
			sum->counters[sum->count++] = *from;
			continue;
		}
		sum->counters[at].count += from->count;
		sum->counters[at].reads += from->reads;
		sum->counters[at].error += from->error;
	}
}

static int compare(const void *a, const void *b)
{
	const struct hot_counter *x = a, *y = b;
	uint64_t sure_x = x->count - x->error, sure_y = y->count - y->error;
	if (sure_x != sure_y)
		return sure_x > sure_y ? -1 : 1;
	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

void hot_sum_tell(struct hot_sum *sum, struct arena *arena, struct msg_hot_keys *ret)
{
	qsort(sum->counters, sum->count, sizeof sum->counters[0], compare);
	uint32_t count = MIN(sum->count, HOT_KEYS_MAX);
	struct hot_key *keys = arena_alloc(arena, count * sizeof *keys);
	KV_ASSERT(keys);
	for (uint32_t i = 0; i < count; i++) {
		const struct hot_counter *c = &sum->counters[i];
		keys[i] = (struct hot_key){.bucket = c->bucket,
					   .key = slice_of(c->key, c->key_size),
					   .reads = c->reads,
					   .writes = c->count - c->error - c->reads,
					   .error = c->error};
	}
	*ret = (struct msg_hot_keys){
		.window_ms = HOT_WINDOW_US / USEC_PER_MSEC, .total = sum->total, .count = count, .keys = keys};
}
