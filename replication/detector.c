/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/core.h"

static struct peer *peer_of(struct node_core *core, node_id node)
{
	return node < NODES_MAX && core->detector.peers[node].known ? &core->detector.peers[node] : NULL;
}

static bool zone_is_ours(const struct node_core *core, const struct map_node *node)
{
	const struct map_node *self = cluster_map_node(core->map, core->self);
	return self && self->zone.size > 0 && slice_equal(self->zone, node->zone);
}

static void take_node(struct node_core *core, const struct map_node *node)
{
	struct peer *p = &core->detector.peers[node->index];
	if (node->index == core->self)
		return;
	if (node->state == NODE_REMOVED) {
		/* Its identity is spent, but must not come back under an older start either. */
		*p = (struct peer){.incarnation = p->incarnation, .boot_nonce = p->boot_nonce};
		return;
	}
	core->detector.peers_end = MAX(core->detector.peers_end, (node_id)(node->index + 1));
	if (!p->known) {
		/* Optimistic: what is not known to be down is asked. */
		*p = (struct peer){.known = true,
				   .state = PEER_UP,
				   .heard_us = core->now.mono_us,
				   .up_since_us = core->now.mono_us,
				   .incarnation = p->incarnation,
				   .boot_nonce = p->boot_nonce};
		core->detector.ping_us = core->now.mono_us;
	}
	p->same_zone = zone_is_ours(core, node);
}

void detector_set_map(struct node_core *core)
{
	KV_ASSERT(core->map);
	const struct map_desc *d = &core->map->desc;
	for (uint32_t i = 0; i < d->node_count; i++)
		take_node(core, &d->nodes[i]);
	if (core->detector.looked_us == 0)
		core->detector.looked_us = core->detector.ping_us = core->now.mono_us;
}

static void fill(struct node_core *core, struct msg_heartbeat *h)
{
	h->incarnation = core->config.incarnation;
	h->map_epoch = core->map ? core->map->desc.epoch : 0;
	h->shards = core->config.shard_count;
	h->core = core->config.shard;
	h->health = core->health.value;
	h->queue_us = (uint32_t)MIN(core->health.queue_us, (usec_t)UINT32_MAX);
	h->disk_p99_us = core->disk.state.p99_us;
	h->disk_free_pct = core->disk.state.free_pct;
	h->disk_low = core->disk.state.low;
	h->drained = hints_are_drained(core);
}

static void send_heartbeat(struct node_core *core, node_id to, uint32_t shard)
{
	struct msg *m = core_msg(core, OP_HEARTBEAT, core_next_id(core), /* reply= */ false);
	m->shard = shard;
	m->heartbeat = (struct msg_heartbeat){.seq = core->detector.seq, .sent_us = core->now.mono_us};
	fill(core, &m->heartbeat);
	core_send(core, to, m);
}

static void send_heartbeats(struct node_core *core)
{
	struct detector *d = &core->detector;
	const struct map_node *self = cluster_map_node(core->map, core->self);
	/* Whoever may remove this node looks at it from a first core, which must hear all of ours. */
	bool report = self && self->state == NODE_LEAVING && core->config.shard != 0;
	d->seq++;
	for (node_id i = 0; i < d->peers_end; i++) {
		if (!d->peers[i].known)
			continue;
		send_heartbeat(core, i, core->config.shard);
		if (report)
			send_heartbeat(core, i, /* shard= */ 0);
	}
}

/** SILENT: for how long no heartbeat of ours was answered. */
static void judge_silence(struct node_core *core, node_id node)
{
	struct peer *p = &core->detector.peers[node];
	usec_t silent_us = core->now.mono_us - MIN(p->heard_us, core->now.mono_us);
	bool silent = silent_us >= health_patience_us(core, PING_SUSPECT_US);
	if (p->state == PEER_UP && silent)
		p->state = PEER_SUSPECT;
	if (p->state == PEER_SUSPECT && silent_us >= health_patience_us(core, PING_DOWN_US)) {
		p->state = PEER_DOWN;
		p->answers = 0;
	}
	if (p->timeouts > 0 && core->now.mono_us >= p->timed_out_us + REQUEST_TIMEOUTS_US)
		p->timeouts = 0;
	probe_tick(core, node, silent);
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
		if (!d->peers[i].known)
			continue;
		d->peers[i].heard_us += slept_us;
		judge_silence(core, i);
	}
	if (now >= d->ping_us) {
		health_interval(core);
		send_heartbeats(core);
		d->ping_us = now + PING_INTERVAL_US;
	}
}

void detector_hear_life(struct peer *p, uint64_t incarnation)
{
	if (incarnation <= p->incarnation)
		return;
	bool first = p->incarnation == 0;
	p->incarnation = incarnation;
	p->boot_nonce = 0; /* its HELLO to this core is still to come */
	if (first)
		return;
	p->round_trip_us = p->read_us = 0;
	p->timeouts = 0;
	p->health = p->queue_us = 0;
	p->disk = (struct disk_state){0};
	p->drained_cores = 0;
	p->drained = false;
}

/** Only while it leaves: other cores than the first report no more once it stays, and what they said last is no word for later. */
static void take_drained(struct node_core *core, node_id from, const struct msg_heartbeat *h)
{
	struct peer *p = &core->detector.peers[from];
	const struct map_node *node = cluster_map_node(core->map, from);
	if (!node || node->state != NODE_LEAVING) {
		p->drained_cores = 0;
		p->drained = false;
		return;
	}
	if (h->core >= MIN(h->shards, 64u))
		return;
	uint64_t bit = UINT64_C(1) << h->core;
	p->drained_cores = h->drained ? p->drained_cores | bit : p->drained_cores & ~bit;
	p->drained = (uint32_t)__builtin_popcountll(p->drained_cores) == h->shards;
}

/** What a node says about itself, asking or answering. */
static void take_word(struct node_core *core, node_id from, const struct msg_heartbeat *h)
{
	struct peer *p = &core->detector.peers[from];
	if (h->incarnation < p->incarnation || h->shards == 0)
		return;
	detector_hear_life(p, h->incarnation);
	p->health = MIN(h->health, HEALTH_MAX);
	p->queue_us = h->queue_us;
	p->shards = h->shards;
	p->disk.free_pct = MIN(h->disk_free_pct, 100u);
	p->disk.low = h->disk_low;
	disk_state_note(&p->disk, h->disk_p99_us, core->now.mono_us);
	take_drained(core, from, h);
}

void detector_heartbeat(struct node_core *core, node_id from, const struct msg *m)
{
	struct peer *p = peer_of(core, from);
	if (p) {
		p->asked_us = core->now.mono_us;
		take_word(core, from, &m->heartbeat);
	}
	if (m->heartbeat.core != m->shard)
		return; /* only a report; whoever would hear the answer has not asked */
	struct msg *reply = core_msg(core, OP_HEARTBEAT, m->id, true);
	reply->shard = m->shard;
	reply->heartbeat = m->heartbeat;
	fill(core, &reply->heartbeat);
	reply->heartbeat.stored_hlc = staleness_tell(core, from);
	core_send(core, from, reply);
}

static usec_t smooth(usec_t before_us, usec_t sample_us)
{
	return before_us ? (before_us * 7 + sample_us) / 8 : MAX(sample_us, (usec_t)1);
}

static bool is_slow(const struct peer *p) { return p->timeouts >= REQUEST_TIMEOUTS_MAX; }

void detector_answer(struct node_core *core, node_id from, const struct msg *m)
{
	struct peer *p = peer_of(core, from);
	if (!p)
		return;
	usec_t now = core->now.mono_us;
	const struct msg_heartbeat *h = &m->heartbeat;
	take_word(core, from, h);
	p->round_trip_us = smooth(p->round_trip_us, now - MIN(h->sent_us, now));
	p->heard_us = now;
	p->map_epoch = h->map_epoch;
	p->shards = h->shards;
	staleness_hear(core, from, m);
	p->clock_ahead_ms = (int64_t)hlc_ms(m->hlc) - (int64_t)(core->now.wall_us / USEC_PER_MSEC);
	p->answers++;
	if (p->state == PEER_DOWN && p->answers < PING_UP_COUNT)
		return;
	if (is_slow(p)) {
		p->state = PEER_SUSPECT;
		return;
	}
	if (p->state != PEER_UP)
		p->up_since_us = now;
	p->state = PEER_UP;
}

void detector_request_answered(struct node_core *core, node_id node, bool read, usec_t took_us)
{
	struct peer *p = peer_of(core, node);
	if (!p)
		return;
	p->timeouts = 0;
	if (read)
		p->read_us = smooth(p->read_us, took_us);
}

void detector_replica_answered(struct node_core *core, node_id node, enum replica_work work, usec_t took_us)
{
	KV_ASSERT(work < REPLICA_WORK_COUNT);
	struct peer *p = peer_of(core, node);
	if (!p)
		return;
	p->took[work].count++;
	p->took[work].us += took_us;
	detector_request_answered(core, node, work == REPLICA_READ, took_us);
}

void detector_request_failed(struct node_core *core, node_id node)
{
	struct peer *p = peer_of(core, node);
	if (!p)
		return;
	p->timeouts++;
	p->timed_out_us = core->now.mono_us;
	if (p->state == PEER_UP && COVER_IF(is_slow(p), detector_requests_time_out))
		p->state = PEER_SUSPECT;
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

bool detector_link_is_bad(const struct node_core *core, node_id node)
{
	if (node >= NODES_MAX || !core->detector.peers[node].known)
		return false;
	const struct peer *p = &core->detector.peers[node];
	usec_t now = core->now.mono_us;
	bool silent = now >= p->heard_us + PING_SUSPECT_US;
	bool asks = p->asked_us != 0 && now < p->asked_us + PING_SUSPECT_US;
	bool heard = p->probe.reached_us != 0 && now < p->probe.reached_us + PROBE_AGAIN_US + PROBE_TIMEOUT_US;
	return silent && (asks || heard);
}

bool detector_disk_is_low(const struct node_core *core, node_id node)
{
	if (node == core->self)
		return core->disk.state.low;
	return node < NODES_MAX && core->detector.peers[node].disk.low;
}

bool detector_is_degraded(const struct node_core *core, node_id node)
{
	if (node == core->self)
		return core->disk.state.degraded;
	return node < NODES_MAX && core->detector.peers[node].disk.degraded;
}

void detector_tell(const struct node_core *core, node_id node, struct status_peer *ret)
{
	KV_ASSERT(node < NODES_MAX);
	const struct peer *p = &core->detector.peers[node];
	const struct disk_state *disk = node == core->self ? &core->disk.state : &p->disk;
	*ret = (struct status_peer){
		.index = node,
		.state = detector_state(core, node),
		.round_trip_us = p->round_trip_us,
		.link_bad = detector_link_is_bad(core, node),
		.degraded = disk->degraded,
		.health = node == core->self ? core->health.value : p->health,
		.disk_p99_us = disk->p99_us,
		.disk_free_pct = disk->free_pct,
		.disk_low = disk->low,
	};
}

bool detector_clock_is_off(const struct node_core *core)
{
	uint32_t disagree = 0, others = 0;
	for (node_id i = 0; i < core->detector.peers_end; i++) {
		const struct peer *p = &core->detector.peers[i];
		/* A hybrid clock may run ahead of its physical one by the drift it allows, never behind it. */
		bool ahead = p->clock_ahead_ms > 2 * (int64_t)MAX_DRIFT_MS;
		bool behind = p->clock_ahead_ms < -(int64_t)MAX_DRIFT_MS;
		disagree += p->known && p->state == PEER_UP && (ahead || behind);
		others += p->known;
	}
	return disagree * 2 > others + 1;
}
