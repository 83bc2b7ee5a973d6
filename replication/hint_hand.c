/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/hint_hand.h"

#include "replication/core.h"
#include "replication/hint_replay.h"

static struct row row_of(const struct node_core *core, uint32_t partition)
{
	return cluster_map_row(core->map, (uint16_t)partition);
}

static bool is_owed(const struct hint_target *t, uint32_t partition)
{
	return hints_is_keyed(t, partition) || hints_is_dirty(t, partition);
}

/* ---- dropping ---- */

static bool is_unwanted(const struct node_core *core, const struct hint_target *t, uint32_t partition)
{
	struct row row = row_of(core, partition);
	const struct map_node *node = cluster_map_node(core->map, t->node);
	bool removed = !node || node->state == NODE_REMOVED;
	return is_owed(t, partition) && (removed || row_position(&row, t->node) < 0);
}

static void drop_partition(struct node_core *core, struct hint_target *t, uint32_t partition)
{
	KV_ASSERT(t->phase == HINT_IDLE);
	hint_replay_at(t, partition, /* whole= */ false);
	t->drop_epoch = core->map->desc.epoch;
	hint_replay_read(core, t, HINT_DROPPING);
}

static bool drop_next(struct node_core *core, struct hint_target *t)
{
	const struct map_desc *d = &core->map->desc;
	if (t->swept_epoch == d->epoch)
		return false;
	if (t->keyed_count > 0 || t->dirty_count > 0) {
		for (uint32_t p = core->config.shard; p < d->partitions; p += core->config.shard_count) {
			if (!is_unwanted(core, t, p))
				continue;
			drop_partition(core, t, p);
			return true;
		}
	}
	t->swept_epoch = d->epoch;
	return false;
}

void hint_hand_dropped(struct node_core *core, struct hint_target *t, const struct disk_row *rows, uint32_t count,
		       bool done)
{
	KV_ASSERT(t->phase == HINT_DROPPING);
	uint32_t partition = t->partition;
	if (COVER_IF(t->drop_epoch != core->map->desc.epoch, hint_drop_ends_early)) {
		t->phase = HINT_IDLE; /* the target may be wanted again; what is on disk is still counted */
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (rows[i].key.leaf == HINT_MARK_LEAF)
			continue;
		hints_remove(core, t, &rows[i].key);
		t->pending -= t->pending > 0;
		core->stats.hints_dropped++;
	}
	if (count > 0)
		hint_replay_remember(t, &rows[count - 1].key);
	if (!done) {
		hint_replay_read(core, t, HINT_DROPPING);
		return;
	}
	hints_set_keyed(t, partition, false);
	hints_set_dirty(core, t, partition, false);
	if (t->keyed_count == 0 && t->in_flight == 0)
		t->pending = 0;
	t->phase = HINT_IDLE;
}

/* ---- handing on ---- */

/** A replica that has all that this node has of the partition, and runs as many cores; NODE_NONE if none is up. */
static node_id choose_keeper(const struct node_core *core, const struct hint_target *t, uint32_t partition)
{
	struct row row = row_of(core, partition);
	for (uint32_t i = 0; i < row.count; i++) {
		node_id node = row.nodes[i];
		bool full = row.old & 1u << i && node != t->node;
		if (full && detector_state(core, node) == PEER_UP && !hints_owe_node(core, node, partition) &&
		    core->detector.peers[node].shards == core->config.shard_count)
			return node;
	}
	return NODE_NONE;
}

static bool is_to_hand_on(const struct node_core *core, const struct hint_target *t, uint32_t partition)
{
	struct row row = row_of(core, partition);
	return is_owed(t, partition) && row_position(&row, core->self) < 0 && row_position(&row, t->node) >= 0;
}

static void ask_keeper(struct node_core *core, struct hint_target *t, uint16_t partition, node_id keeper)
{
	t->hand = (struct hint_hand){.id = core_next_id(core),
				     .to = keeper,
				     .partition = partition,
				     .epoch = core->map->desc.epoch,
				     .deadline_us = core->now.mono_us + core->config.replica_timeout_us};
	struct msg *m = core_msg(core, OP_HINT_OPEN, t->hand.id, /* reply= */ false);
	m->hint = (struct msg_hint){.mark = true, .partition = partition, .target = t->node};
	core_send(core, keeper, m);
}

static void hand_on(struct node_core *core, struct hint_target *t)
{
	const struct map_desc *d = &core->map->desc;
	t->hand.next_us = core->now.mono_us + HINT_HAND_US;
	for (uint32_t p = core->config.shard; p < d->partitions; p += core->config.shard_count) {
		if (!is_to_hand_on(core, t, p))
			continue;
		node_id keeper = choose_keeper(core, t, p);
		if (keeper == NODE_NONE)
			continue;
		ask_keeper(core, t, (uint16_t)p, keeper);
		return;
	}
}

bool hint_hand_tick(struct node_core *core, struct hint_target *t)
{
	KV_ASSERT(t->phase == HINT_IDLE);
	if (drop_next(core, t))
		return true;
	if (t->keyed_count == 0 && t->dirty_count == 0)
		return false;
	if (t->hand.id != 0 && core->now.mono_us >= t->hand.deadline_us)
		t->hand.id = 0;
	if (t->hand.id == 0 && core->now.mono_us >= t->hand.next_us && detector_state(core, t->node) == PEER_DOWN)
		hand_on(core, t);
	return false;
}

void hint_hand_answered(struct node_core *core, node_id from, const struct msg *m)
{
	struct hint_target *t = m->hint.target < NODES_MAX ? core->hints.targets[m->hint.target] : NULL;
	if (!t || t->hand.id == 0 || t->hand.id != m->id || t->hand.to != from)
		return;
	t->hand.id = 0;
	t->hand.next_us = core->now.mono_us + HINT_PACE_MS * USEC_PER_MSEC;
	bool same_map = t->hand.epoch == core->map->desc.epoch;
	if (m->hint.granted == 0 || !same_map || t->phase != HINT_IDLE)
		return; /* the keeper's mark is not durable yet, or things have changed */
	COVER(hint_handed_on);
	t->hand.next_us = 0;
	drop_partition(core, t, t->hand.partition);
}
