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
	}
	return *at;
}

static struct slice dirty_name(struct node_core *core, node_id node)
{
	char *text = actions_alloc(core->out, 40);
	int size = snprintf(text, 40, "hint_dirty/%u/%u", node, core->config.shard);
	KV_ASSERT(size > 0 && size < 40);
	return slice_of(text, (size_t)size);
}

bool hints_is_dirty(const struct hint_target *t, uint32_t partition)
{
	return t->dirty[partition / 8] & 1u << partition % 8;
}

static void write_dirty(struct node_core *core, struct hint_target *t)
{
	struct disk_put put = {
		.key = {.table = DISK_META, .key = dirty_name(core, t->node)},
		.value = slice_of(actions_copy(core->out, t->dirty, sizeof t->dirty), sizeof t->dirty),
	};
	core_write(core, &put, 1);
}

void hints_set_dirty(struct node_core *core, struct hint_target *t, uint32_t partition, bool dirty)
{
	if (hints_is_dirty(t, partition) == dirty)
		return;
	t->dirty[partition / 8] = (uint8_t)(t->dirty[partition / 8] ^ 1u << partition % 8);
	t->dirty_count = dirty ? t->dirty_count + 1 : t->dirty_count - 1;
	write_dirty(core, t);
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
		struct disk_key key = {.table = DISK_META, .key = dirty_name(core, node)};
		core_read(core, WAIT_HINT_DIRTY, t, &key);
	}
}

void hints_dirty_read(struct node_core *core, struct hint_target *t, bool found, struct slice bitmap)
{
	if (!found)
		return;
	for (size_t i = 0; i < MIN(bitmap.size, sizeof t->dirty); i++)
		t->dirty[i] |= bitmap.data[i];
	t->dirty_count = 0;
	for (size_t i = 0; i < sizeof t->dirty; i++)
		t->dirty_count += (uint32_t)__builtin_popcount(t->dirty[i]);
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

bool hints_parse(struct slice value, struct version *ret_ver, hlc_t *ret_created)
{
	if (value.size < HINT_VALUE_SIZE)
		return false;
	*ret_ver = (struct version){load_le64(value.data), load_le64(value.data + 8)};
	*ret_created = load_le64(value.data + 16);
	return true;
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
	hint_replay_renew(core, t, bucket, key, ver);
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
	t->pending++;
	t->added++;
	core->stats.hints_written++;
}

void hints_remove(struct node_core *core, const struct hint_target *t, const struct disk_key *key)
{
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
