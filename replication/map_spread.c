/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/map_spread.h"

#include "replication/core.h"
#include "replication/map_register.h"

/* ---- taking one ---- */

/** Whether a node without a map takes this one for its first. */
static bool is_first_map(const struct node_core *core, const struct map_desc *map)
{
	bool named = false;
	for (uint32_t i = 0; i < map->node_count; i++)
		named |= uuid_equal(&map->nodes[i].uuid, &core->config.node);
	bool reserved = core->now.mono_us < core->reserved_until_us;
	return named && !core->form && (!reserved || uuid_equal(&core->reserved_for, &map->cluster));
}

static enum kv_status judge_map(const struct node_core *core, const struct map_desc *map)
{
	struct error err = {0};
	if (core->map && !uuid_equal(&core->map->desc.cluster, &map->cluster))
		return KV_WRONG_CLUSTER;
	enum kv_status status = cluster_map_check(map, &err);
	if (status == KV_OK && core->map && map->epoch > core->map->desc.epoch)
		status = cluster_map_check_next(&core->map->desc, map, &err);
	if (status == KV_OK && !core->map && !is_first_map(core, map))
		status = KV_REFUSED;
	return status;
}

enum kv_status map_spread_take(struct node_core *core, const struct map_desc *map)
{
	enum kv_status status = judge_map(core, map);
	bool newer = !core->map || map->epoch > core->map->desc.epoch;
	if (status != KV_OK || !newer)
		return status;
	if (core->map_spread.saving)
		return KV_AGAIN;
	core->map_spread.saving = true;
	core_save_map(core, map);
	return KV_OK;
}

/* ---- telling ---- */

static void tell_epoch(struct node_core *core, node_id to, uint64_t id, uint32_t shard, enum kv_status status)
{
	struct msg *reply = core_msg(core, OP_MAP_PUSH, id, /* reply= */ true);
	reply->shard = shard;
	reply->map.status = status;
	reply->map.have_epoch = core->map->desc.epoch;
	core_send(core, to, reply);
}

void map_spread_pushed(struct node_core *core, node_id from, const struct msg *m)
{
	struct map_spread *s = &core->map_spread;
	enum kv_status status = m->map.map ? map_spread_take(core, m->map.map) : KV_OK;
	if (from == NODE_NONE || !core->map)
		return; /* a first map is acknowledged when the push comes again and finds it there */
	if (status == KV_OK && s->saving) {
		s->asked = true;
		s->asker = from;
		s->ask_id = m->id;
		s->ask_shard = m->shard;
	}
	tell_epoch(core, from, m->id, m->shard, status == KV_AGAIN ? KV_OK : status);
}

void map_spread_saved(struct node_core *core)
{
	struct map_spread *s = &core->map_spread;
	s->saving = false;
	if (s->asked)
		tell_epoch(core, s->asker, s->ask_id, s->ask_shard, KV_OK);
	s->asked = false;
}

void map_spread_acked(struct node_core *core, node_id from, const struct msg *m)
{
	if (from >= NODES_MAX || !core->map)
		return;
	struct peer *p = &core->detector.peers[from];
	if (p->known)
		p->map_epoch = MAX(p->map_epoch, m->map.have_epoch);
	if (core->map_spread.farewell_us[from] != 0 && m->map.have_epoch >= core->map->desc.epoch)
		core->map_spread.farewell_us[from] = core->now.mono_us; /* it knows */
	map_register_heard(core);
}

static void send_map(struct node_core *core, node_id to, uint64_t id, uint16_t opcode, bool reply)
{
	struct msg *m = core_msg(core, opcode, id, reply);
	m->map.status = KV_OK;
	m->map.have_epoch = core->map->desc.epoch;
	m->map.map = &core->map->desc;
	core_send(core, to, m);
}

void map_spread_push(struct node_core *core, node_id to)
{
	send_map(core, to, core_next_id(core), OP_MAP_PUSH, /* reply= */ false);
}

void map_spread_push_all(struct node_core *core)
{
	core->map_spread.offer_us = core->now.mono_us + FORM_OFFER_US;
	for (node_id i = 0; i < core->map->desc.node_count; i++) {
		const struct peer *p = &core->detector.peers[i];
		bool lacks = p->known && p->map_epoch < core->map->desc.epoch;
		if (lacks || core->map_spread.farewell_us[i] != 0)
			map_spread_push(core, i);
	}
}

void map_spread_pulled(struct node_core *core, node_id from, const struct msg *m)
{
	if (m->reply && m->map.map)
		(void)!map_spread_take(core, m->map.map);
	else if (!m->reply && m->map.have_epoch < core->map->desc.epoch)
		send_map(core, from, m->id, OP_MAP_PULL, /* reply= */ true);
}

void map_spread_pull(struct node_core *core, node_id from)
{
	if (core->now.mono_us < core->map_spread.pull_us)
		return;
	core->map_spread.pull_us = core->now.mono_us + FORM_PULL_US;
	struct msg *pull = core_msg(core, OP_MAP_PULL, core_next_id(core), /* reply= */ false);
	pull->map.have_epoch = core->map->desc.epoch;
	core_send(core, from, pull);
}

/* ---- links and time ---- */

void map_spread_map_changed(struct node_core *core, const struct map_desc *before)
{
	const struct map_desc *map = &core->map->desc;
	struct map_spread *s = &core->map_spread;
	/* Others have it from the node that decided it; who does not is offered it in a while. */
	s->offer_us = core->now.mono_us + FORM_OFFER_US;
	for (uint32_t i = 0; i < map->node_count; i++) {
		const struct map_node *node = &map->nodes[i];
		bool was_there = before && i < before->node_count && before->nodes[i].state != NODE_REMOVED;
		if (node->index == core->self)
			continue;
		if (node->state != NODE_REMOVED)
			core_peer(core, node->index, node->peer_address);
		else if (was_there && core->config.shard == 0)
			s->farewell_us[node->index] = core->now.mono_us + FAREWELL_US;
		else if (was_there)
			core_peer(core, node->index, slice_of(NULL, 0));
	}
}

static void end_farewells(struct node_core *core)
{
	for (node_id i = 0; i < core->map->desc.node_count; i++) {
		if (core->map_spread.farewell_us[i] == 0 || core->now.mono_us < core->map_spread.farewell_us[i])
			continue;
		core->map_spread.farewell_us[i] = 0;
		core_peer(core, i, slice_of(NULL, 0));
	}
}

void map_spread_tick(struct node_core *core)
{
	if (core->config.shard != 0 || !core->map)
		return;
	end_farewells(core);
	if (core->now.mono_us >= core->map_spread.offer_us)
		map_spread_push_all(core);
}
