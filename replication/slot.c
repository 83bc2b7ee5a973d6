/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/slot.h"

#include "base/cover.h"
#include "base/hash.h"
#include "base/mutant.h"

enum {
	REST_OVERHEAD =
		128, /* the place in the map, heads of blobs and what an allocator adds, beside an eighth of the record */
	REST_SHARE = 8,   /* no record takes a larger part of what all may have */
	REST_SMALL = 640, /* bytes that a small record takes: so many fit at most, as far as the map is concerned */
};

static uint64_t slot_hash(uint32_t bucket, struct slice key) { return hash64_seeded(key, bucket); }

void slots_init(struct slots *s, size_t rest_bytes_max)
{
	*s = (struct slots){.rest_bytes_max = rest_bytes_max};
	if (rest_bytes_max > 0)
		hmap_reserve(&s->map, rest_bytes_max / REST_SMALL); /* a million slots would be moved in one step */
	ilist_init(&s->by_age);
	ilist_init(&s->resting);
	ilist_init(&s->writing);
}

void slots_park(struct slots *s, struct slot *slot, struct parked *p)
{
	ilist_push_back(&slot->waiting, &p->link);
	slot->waiting_count++;
	s->parked_bytes += p->size;
}

struct parked *slots_unpark(struct slots *s, struct slot *slot)
{
	struct ilink *link = ilist_pop_front(&slot->waiting);
	if (!link)
		return NULL;
	struct parked *p = container_of(link, struct parked, link);
	KV_ASSERT(slot->waiting_count > 0 && s->parked_bytes >= p->size);
	slot->waiting_count--;
	s->parked_bytes -= p->size;
	return p;
}

/** A slot that rests does so no more; it is in no list then. */
static void take_out(struct slots *s, struct slot *slot)
{
	s->rest_count -= slot->rest_bytes > 0;
	s->rest_bytes -= slot->rest_bytes;
	slot->rest_bytes = 0;
	ilist_remove(&slot->age_link);
}

static void slot_free(struct slots *s, struct slot *slot)
{
	struct parked *p;
	while ((p = slots_unpark(s, slot)))
		free(p);
	if (ilink_is_linked(&slot->write_link))
		ilist_remove(&slot->write_link);
	take_out(s, slot);
	ilist_remove(&slot->of_link);
	hmap_remove(&s->map, &slot->node);
	s->memory_bytes -= slot->memory_bytes;
	key_state_release(&slot->key_state);
	blob_unref(slot->bytes);
	blob_unref(slot->key);
	free(slot);
}

void slots_release(struct slots *s)
{
	struct ilink *link;
	while ((link = ilist_first(&s->by_age)) || (link = ilist_first(&s->resting)))
		slot_free(s, container_of(link, struct slot, age_link));
	hmap_release(&s->map);
	free(s->floors);
	free(s->of);
	s->floors = NULL;
	s->of = NULL;
}

void slots_set_partitions(struct slots *s, uint32_t partitions, struct version boot)
{
	KV_ASSERT(!s->floors || s->partitions == partitions);
	if (s->floors)
		return;
	s->partitions = partitions;
	s->floors = xcalloc(partitions, sizeof s->floors[0]);
	s->of = xcalloc(partitions, sizeof s->of[0]);
	for (uint32_t i = 0; i < partitions; i++) {
		ilist_init(&s->of[i]);
		s->floors[i].promise = MUTANT(crashprom) ? VERSION_NONE : boot;
		s->floors[i].memory = MUTANT(crashhist) ? VERSION_NONE : boot;
	}
}

struct partition_floors *slots_floors(struct slots *s, uint16_t partition)
{
	KV_ASSERT(partition < s->partitions);
	return &s->floors[partition];
}

struct slot *slots_find(const struct slots *s, uint32_t bucket, struct slice key)
{
	struct hmap_node *node = hmap_first_same(&s->map, slot_hash(bucket, key));
	for (; node; node = hmap_next_same(node)) {
		struct slot *slot = container_of(node, struct slot, node);
		if (slot->bucket == bucket && slice_equal(blob_slice(slot->key), key))
			return slot;
	}
	return NULL;
}

struct slot *slots_add(struct slots *s, uint16_t partition, uint16_t leaf, uint32_t bucket, struct slice key,
		       usec_t now_us)
{
	KV_ASSERT(!slots_find(s, bucket, key));
	KV_ASSERT(partition < s->partitions);
	struct slot *slot = xcalloc(1, sizeof *slot);
	slot->partition = partition;
	slot->leaf = leaf;
	slot->bucket = bucket;
	slot->key = blob_new(key);
	KV_ASSERT(slot->key);
	slot->used_us = now_us;
	ilist_init(&slot->waiting);
	hmap_add(&s->map, &slot->node, slot_hash(bucket, key));
	ilist_push_back(&s->by_age, &slot->age_link);
	ilist_push_back(&s->of[partition], &slot->of_link);
	return slot;
}

void slots_touch(struct slots *s, struct slot *slot, usec_t now_us)
{
	slot->used_us = now_us;
	s->rest_hits += COVER_IF(slot->rest_bytes > 0, record_rested);
	take_out(s, slot);
	ilist_push_back(&s->by_age, &slot->age_link);
}

bool slot_is_idle(const struct slot *slot)
{
	return slot->state != SLOT_LOADING && !ilink_is_linked(&slot->write_link);
}

static void drop_record(struct slot *slot)
{
	KV_ASSERT(slot_is_idle(slot));
	slot->key_state.rec = (struct record){0};
	blob_unref(slot->bytes);
	slot->bytes = NULL;
	slot->state = SLOT_COLD;
}

void slots_count_memory(struct slots *s, struct slot *slot)
{
	struct key_state *k = &slot->key_state;
	if (s->memory_bytes - slot->memory_bytes + k->mem.bytes > MEMORY_BYTES_MAX)
		acceptor_forget(k, k->mem.count / 2);
	s->memory_bytes += k->mem.bytes - slot->memory_bytes;
	slot->memory_bytes = k->mem.bytes;
}

static bool nothing_volatile(const struct slots *s, const struct slot *slot)
{
	const struct key_state *k = &slot->key_state;
	const struct partition_floors *f = &s->floors[slot->partition];
	return k->mem.count == 0 && version_at_most(k->promised, f->promise) &&
	       version_at_most(k->mem_floor, f->memory);
}

/** Keeps the slot for its record, if it has one that is worth it, and lets others go for it. */
static void rest(struct slots *s, struct slot *slot)
{
	size_t record_size = slot->bytes ? slot->bytes->size : 0;
	KV_ASSERT(slot_is_idle(slot));
	KV_ASSERT(nothing_volatile(s, slot) && slot->rest_bytes == 0);
	if (slot->state != SLOT_READY || record_size > s->rest_bytes_max / REST_SHARE) {
		slot_free(s, slot);
		return;
	}
	ilist_remove(&slot->age_link);
	ilist_push_back(&s->resting, &slot->age_link);
	slot->rest_bytes = sizeof *slot + slot->key->size + record_size + record_size / 8 + REST_OVERHEAD;
	s->rest_bytes += slot->rest_bytes;
	s->rest_count++;
	while (COVER_IF(s->rest_bytes > s->rest_bytes_max, record_let_go))
		slot_free(s, container_of(ilist_first(&s->resting), struct slot, age_link));
}

void slots_settle(struct slots *s, struct slot *slot)
{
	if (!slot_is_idle(slot))
		return;
	if (nothing_volatile(s, slot)) {
		rest(s, slot);
		return;
	}
	/* The slot stays for its promise or memory; a small record stays with it and saves the next read. */
	if (slot->state == SLOT_READY && slot->bytes && slot->bytes->size > SLOT_RECORD_KEEP)
		drop_record(slot);
}

/** Replaces what the slot knows by floors that say "it may have been so": only ever causes rejects and doubt. */
static void evict(struct slots *s, struct slot *slot)
{
	struct key_state *k = &slot->key_state;
	struct partition_floors *f = slots_floors(s, slot->partition);
	KV_ASSERT(slot_is_idle(slot));
	f->promise = version_max(f->promise, k->promised);
	f->memory = version_max(f->memory, k->mem_floor);
	if (k->mem.count > 0)
		f->memory = version_max(f->memory, memories_at(&k->mem, k->mem.count - 1)->ver);
	memories_release(&k->mem);
	k->promised = k->mem_floor = VERSION_NONE;
	slots_count_memory(s, slot);
	rest(s, slot);
}

struct version slots_promised(const struct slots *s, uint16_t partition)
{
	struct version most = VERSION_NONE;
	for (struct ilink *l = ilist_first(&s->of[partition]); l; l = ilist_next(&s->of[partition], l))
		most = version_max(most, container_of(l, struct slot, of_link)->key_state.promised);
	return most;
}

void slots_sweep(struct slots *s, usec_t now_us, size_t count_max)
{
	struct ilink *link = ilist_first(&s->by_age);
	while (link) {
		struct slot *slot = container_of(link, struct slot, age_link);
		bool old = slot->used_us + MEM_AGE_US <= now_us;
		bool crowded = s->map.count - s->rest_count > count_max;
		if (!old && !crowded)
			break;
		link = ilist_next(&s->by_age, link);
		if (!slot_is_idle(slot))
			continue;
		s->evicted += COVER_IF(!old, slot_evicted);
		evict(s, slot);
	}
}

/** Whoever waits for the record is judged again when it is read. What the key was before counts no more than in other slots. */
static void drop_later(struct slots *s, struct slot *slot)
{
	slot->dropped = true;
	key_state_release(&slot->key_state);
	s->memory_bytes -= slot->memory_bytes;
	slot->memory_bytes = 0;
}

void slots_drop(struct slots *s, uint16_t partition)
{
	struct ilink *link = ilist_first(&s->of[partition]);
	while (link) {
		struct slot *slot = container_of(link, struct slot, of_link);
		link = ilist_next(&s->of[partition], link);
		if (MUTANT(restdrop) && slot->rest_bytes > 0)
			continue;
		if (slot->state == SLOT_LOADING)
			drop_later(s, slot);
		else
			slot_free(s, slot);
	}
}

struct parked *parked_new(node_id from, usec_t arrived_us, const struct msg *m)
{
	const struct msg_replica *src = &m->replica;
	size_t attempts_size = src->attempt_count * sizeof src->attempts[0];
	size_t lin_size = src->record.lin_count * sizeof src->record.lin[0];
	size_t value_size = src->record.value.size;
	size_t size = sizeof(struct parked) + attempts_size + lin_size + src->key.size + value_size;
	struct parked *p = malloc(size);
	if (!p)
		return NULL;
	*p = (struct parked){.from = from, .arrived_us = arrived_us, .size = size, .msg = *m};
	struct msg_replica *dst = &p->msg.replica;
	uint8_t *at = (uint8_t *)(p + 1);
	if (attempts_size > 0)
		dst->attempts = memcpy(at, src->attempts, attempts_size);
	at += attempts_size;
	if (lin_size > 0)
		dst->record.lin = memcpy(at, src->record.lin, lin_size);
	at += lin_size;
	dst->key = slice_of(memcpy(at, src->key.data, src->key.size), src->key.size);
	at += src->key.size;
	if (value_size > 0)
		memcpy(at, src->record.value.data, value_size);
	if (src->record.has_value)
		dst->record.value = slice_of(at, value_size);
	return p;
}
