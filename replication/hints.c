/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/hints.h"

#include "base/bytes.h"
#include "replication/core.h"
#include "replication/hint_replay.h"

enum { HINT_VALUE_SIZE = 33, HINT_FLAG_STRONG = 2, HINT_FLAG_TOMBSTONE = 4 };

static struct hint_target *target_of(struct node_core *core, node_id node)
{
	struct hint_target **at = &core->hints.targets[node];
	if (!*at) {
		*at = xcalloc(1, sizeof **at);
		(*at)->node = node;
		ilist_init(&(*at)->rows);
		core->hints.targets_end = MAX(core->hints.targets_end, (node_id)(node + 1));
	}
	return *at;
}

bool hints_is_dirty(const struct hint_target *t, uint32_t partition)
{
	return t->dirty[partition / 8] & 1u << partition % 8;
}

static void write_mark(struct node_core *core, const struct hint_target *t, uint32_t partition, bool dirty)
{
	struct disk_put put = {
		.key = {.table = DISK_HINT,
			.target = t->node,
			.partition = (uint16_t)partition,
			.leaf = HINT_MARK_LEAF,
			.key = slice_str("dirty")},
		.remove = !dirty,
	};
	core_write(core, &put, 1);
}

static void flip_mark(struct hint_target *t, uint32_t partition, bool dirty)
{
	t->dirty[partition / 8] = (uint8_t)(t->dirty[partition / 8] ^ 1u << partition % 8);
	t->dirty_count = dirty ? t->dirty_count + 1 : t->dirty_count - 1;
}

void hints_found_mark(struct hint_target *t, uint32_t partition)
{
	if (!hints_is_dirty(t, partition))
		flip_mark(t, partition, true);
}

void hints_set_dirty(struct node_core *core, struct hint_target *t, uint32_t partition, bool dirty)
{
	/* What is missed while the partition's records are pushed may lie behind the scan. */
	if (dirty && t->whole && t->partition == partition)
		t->whole_failed = true;
	if (hints_is_dirty(t, partition) == dirty)
		return;
	flip_mark(t, partition, dirty);
	write_mark(core, t, partition, dirty);
}

void hints_set_map(struct node_core *core)
{
	const struct map_desc *d = &core->map->desc;
	for (uint32_t i = 0; i < d->node_count; i++) {
		node_id node = d->nodes[i].index;
		if (node == core->self || core->hints.targets[node])
			continue;
		struct hint_target *t = target_of(core, node);
		hint_replay_count(core, t);
	}
}

void hints_release(struct node_core *core)
{
	hint_replay_release(core);
	for (size_t i = 0; i < NODES_MAX; i++) {
		struct hint_target *t = core->hints.targets[i];
		if (!t)
			continue;
		blob_unref(t->after_key);
		free(t);
	}
}

uint64_t hints_pending(const struct node_core *core, node_id target)
{
	return core->hints.targets[target] ? core->hints.targets[target]->pending : 0;
}

uint32_t hints_dirty(const struct node_core *core, node_id target)
{
	return core->hints.targets[target] ? core->hints.targets[target]->dirty_count : 0;
}

bool hints_are_counted(const struct node_core *core, node_id target)
{
	const struct hint_target *t = core->hints.targets[target];
	return t && t->phase != HINT_COUNTING;
}

bool hints_are_delivered(const struct node_core *core, node_id target)
{
	const struct hint_target *t = core->hints.targets[target];
	return t && t->phase == HINT_IDLE && t->pending == 0 && t->dirty_count == 0 && t->in_flight == 0;
}

bool hints_parse(struct slice value, struct version *ret_ver, hlc_t *ret_created)
{
	if (value.size < HINT_VALUE_SIZE)
		return false;
	*ret_ver = (struct version){load_le64(value.data), load_le64(value.data + 8)};
	*ret_created = load_le64(value.data + 16);
	return true;
}

static uint64_t recent_hash(uint32_t bucket, struct slice key) { return hash64_seeded(key, bucket) | 1; }

static uint64_t *recent_place(struct hint_target *t, uint32_t bucket, struct slice key)
{
	return &t->recent[(recent_hash(bucket, key) >> 1) % HINT_RECENT_COUNT];
}

void hints_add(struct node_core *core, node_id target, uint16_t partition, uint16_t leaf, uint32_t bucket,
	       struct slice key, struct version ver, bool strong, bool tombstone)
{
	KV_ASSERT(target != core->self);
	struct hint_target *t = target_of(core, target);
	if (t->pending >= core->config.hints_max) {
		core->stats.hints_overflowed++;
		hints_set_dirty(core, t, partition, true);
		return;
	}
	hint_replay_renew(core, t, partition, bucket, key, ver);
	uint8_t *value = actions_alloc(core->out, HINT_VALUE_SIZE);
	store_le64(value, ver.hlc);
	store_le64(value + 8, ver.id);
	store_le64(value + 16, core_clock(core));
	value[24] = (uint8_t)((strong ? HINT_FLAG_STRONG : 0) | (tombstone ? HINT_FLAG_TOMBSTONE : 0));
	store_le64(value + 25, core->map->desc.epoch);
	struct disk_put put = {
		.key = {.table = DISK_HINT,
			.target = target,
			.partition = partition,
			.leaf = leaf,
			.bucket = bucket,
			.key = actions_copy_slice(core->out, key)},
		.value = slice_of(value, HINT_VALUE_SIZE),
	};
	core_write(core, &put, 1);
	core->stats.hints_written++;
	uint64_t *recent = recent_place(t, bucket, key);
	uint64_t hash = recent_hash(bucket, key);
	if (*recent == hash)
		return; /* the same row again */
	*recent = hash;
	t->pending++;
	t->added++;
}

void hints_remove(struct node_core *core, struct hint_target *t, const struct disk_key *key)
{
	uint64_t *recent = recent_place(t, key->bucket, key->key);
	if (*recent == recent_hash(key->bucket, key->key))
		*recent = 0;
	struct disk_put put = {.key = *key, .remove = true};
	put.key.table = DISK_HINT;
	put.key.target = t->node;
	put.key.key = actions_copy_slice(core->out, key->key);
	core_write(core, &put, 1);
}

void hints_grant(struct node_core *core, node_id from, const struct msg *m)
{
	struct hints *h = &core->hints;
	uint32_t rate = core->config.hint_rate;
	usec_t passed_us = MIN(core->now.mono_us - h->granted_us, USEC_PER_SEC);
	uint32_t fresh = (uint32_t)(passed_us * rate / USEC_PER_SEC);
	if (fresh > 0) {
		h->tokens = MIN(h->tokens + fresh, rate);
		h->granted_us = core->now.mono_us;
	}
	struct msg *reply = core_msg(core, OP_HINT_OPEN, m->id, /* reply= */ true);
	reply->shard = m->shard;
	reply->hint.pending = m->hint.pending;
	reply->hint.pace_ms = HINT_PACE_MS;
	reply->hint.granted = (uint32_t)MIN(MIN((uint64_t)h->tokens, MAX(m->hint.pending, (uint64_t)1)),
					    (uint64_t)HINT_SCAN_ITEMS);
	h->tokens -= reply->hint.granted;
	core_send(core, from, reply);
}
