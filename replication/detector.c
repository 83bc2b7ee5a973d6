/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/core.h"

static struct peer *peer_of(struct node_core *core, node_id node)
{
	return node < NODES_MAX && core->detector.peers[node].known ? &core->detector.peers[node] : NULL;
}

void detector_set_map(struct node_core *core)
{
	KV_ASSERT(core->map);
	const struct map_desc *d = &core->map->desc;
	for (uint32_t i = 0; i < d->node_count; i++) {
		struct peer *p = &core->detector.peers[d->nodes[i].index];
		if (d->nodes[i].index == core->self || p->known)
			continue;
		/* Optimistic: what is not known to be down is asked. */
		*p = (struct peer){.known = true,
				   .state = PEER_UP,
				   .heard_us = core->now.mono_us,
				   .up_since_us = core->now.mono_us,
				   .incarnation = p->incarnation,
				   .boot_nonce = p->boot_nonce};
		core->detector.peers_end = MAX(core->detector.peers_end, (node_id)(d->nodes[i].index + 1));
	}
	core->detector.ping_us = core->now.mono_us;
	core->detector.looked_us = core->now.mono_us;
}

static void send_heartbeats(struct node_core *core)
{
	struct detector *d = &core->detector;
	d->seq++;
	for (node_id i = 0; i < d->peers_end; i++) {
		if (!d->peers[i].known)
			continue;
		struct msg *m = core_msg(core, OP_HEARTBEAT, core_next_id(core), false);
		m->heartbeat = (struct msg_heartbeat){.seq = d->seq,
						      .sent_us = core->now.mono_us,
						      .incarnation = core->config.incarnation,
						      .map_epoch = core->map->desc.epoch,
						      .shards = core->config.shard_count};
		core_send(core, i, m);
	}
}

static void judge_silence(struct node_core *core, struct peer *p)
{
	usec_t silent_us = core->now.mono_us - MIN(p->heard_us, core->now.mono_us);
	if (p->state == PEER_UP && silent_us >= PING_SUSPECT_US)
		p->state = PEER_SUSPECT;
	if (p->state == PEER_SUSPECT && silent_us >= PING_DOWN_US) {
		p->state = PEER_DOWN;
		p->answers = 0;
	}
}

void detector_tick(struct node_core *core)
{
	struct detector *d = &core->detector;
	usec_t now = core->now.mono_us;
	/* Time that this core itself slept through says nothing about the others. */
	usec_t gap_us = now - d->looked_us;
	usec_t slept_us = COVER_IF(gap_us > PING_INTERVAL_US, detector_slept) ? gap_us : 0;
	d->looked_us = now;
	for (node_id i = 0; i < d->peers_end; i++) {
		struct peer *p = &d->peers[i];
		if (!p->known)
			continue;
		p->heard_us += slept_us;
		judge_silence(core, p);
	}
	if (now >= d->ping_us) {
		send_heartbeats(core);
		d->ping_us = now + PING_INTERVAL_US;
	}
}

void detector_heartbeat(struct node_core *core, node_id from, const struct msg *m)
{
	struct msg *reply = core_msg(core, OP_HEARTBEAT, m->id, true);
	reply->shard = m->shard;
	reply->heartbeat = m->heartbeat;
	reply->heartbeat.incarnation = core->config.incarnation;
	reply->heartbeat.map_epoch = core->map ? core->map->desc.epoch : 0;
	reply->heartbeat.stored_hlc = staleness_tell(core, from);
	reply->heartbeat.shards = core->config.shard_count;
	core_send(core, from, reply);
}

static void note_round_trip(struct peer *p, usec_t sent_us, usec_t now_us)
{
	usec_t sample_us = now_us - MIN(sent_us, now_us);
	p->round_trip_us = p->round_trip_us ? (p->round_trip_us * 7 + sample_us) / 8 : sample_us;
}

void detector_answer(struct node_core *core, node_id from, const struct msg *m)
{
	struct peer *p = peer_of(core, from);
	if (!p)
		return;
	usec_t now = core->now.mono_us;
	const struct msg_heartbeat *h = &m->heartbeat;
	note_round_trip(p, h->sent_us, now);
	p->heard_us = now;
	if (h->incarnation > p->incarnation) {
		p->incarnation = h->incarnation;
		p->boot_nonce = 0; /* its HELLO to this core is still to come */
	}
	p->map_epoch = h->map_epoch;
	p->shards = h->shards;
	staleness_hear(core, from, m);
	p->clock_ahead_ms = (int64_t)hlc_ms(m->hlc) - (int64_t)(core->now.wall_us / USEC_PER_MSEC);
	p->answers++;
	if (p->state == PEER_DOWN && p->answers < PING_UP_COUNT)
		return;
	if (p->state != PEER_UP)
		p->up_since_us = now;
	p->state = PEER_UP;
}

enum peer_state detector_state(const struct node_core *core, node_id node)
{
	if (node == core->self)
		return PEER_SELF;
	if (node >= NODES_MAX || !core->detector.peers[node].known)
		return PEER_DOWN;
	return core->detector.peers[node].state;
}

bool detector_is_reachable(const struct node_core *core, node_id node)
{
	return detector_state(core, node) != PEER_DOWN;
}

bool detector_clock_is_off(const struct node_core *core)
{
	uint32_t disagree = 0;
	for (node_id i = 0; i < core->detector.peers_end; i++) {
		const struct peer *p = &core->detector.peers[i];
		/* A hybrid clock may run ahead of its physical one by the drift it allows, never behind it. */
		bool ahead = p->clock_ahead_ms > 2 * (int64_t)MAX_DRIFT_MS;
		bool behind = p->clock_ahead_ms < -(int64_t)MAX_DRIFT_MS;
		disagree += p->known && p->state == PEER_UP && (ahead || behind);
	}
	return disagree * 2 > core->map->desc.node_count;
}
