/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/staleness.h"

#include "replication/op.h"

static uint64_t hash_of(const struct op *op) { return hash64_seeded(blob_slice(op->key), op->bucket) | 1; }

void staleness_release(struct node_core *core)
{
	free(core->staleness.checked);
	core->staleness.checked = NULL;
}

/* ---- telling ---- */

static bool is_write(const struct op *op)
{
	return op->opcode == OP_PUT || op->opcode == OP_DEL || op->opcode == OP_CAS || op->opcode == OP_ADD ||
	       op->opcode == OP_APPEND;
}

/** True if OP was acknowledged and neither NODE nor a hint has it yet. */
static bool is_owed(const struct op *op, node_id node)
{
	if (!op->answered || !is_write(op) || op->phase == PHASE_FORWARDING)
		return false;
	int position = row_position(&op->row, node);
	return position >= 0 && !((op->holders | op->hinted) & 1u << position);
}

static usec_t owed_since_us(const struct node_core *core, node_id node)
{
	usec_t since_us = core->now.mono_us;
	const struct hmap_node *at = hmap_first(&core->ops);
	for (; at; at = hmap_next(&core->ops, at)) {
		const struct op *op = container_of(at, struct op, node);
		if (is_owed(op, node))
			since_us = MIN(since_us, op->started_us);
	}
	return since_us;
}

void staleness_set_map(struct node_core *core, const struct cluster_map *before)
{
	uint32_t shards = core->config.shard_count;
	for (uint32_t p = core->config.shard; before && p < core->map->desc.partitions; p += shards) {
		struct row old = cluster_map_row(before, (uint16_t)p),
			   row = cluster_map_row(core->map, (uint16_t)p);
		int was = row_position(&old, core->self), is = row_position(&row, core->self);
		bool had = was >= 0 && old.old & 1u << was, has = is >= 0 && row.old & 1u << is;
		if (had || !has)
			continue;
		/* What the others told so far was about partitions that were here already. */
		COVER(staleness_new_copy);
		staleness_doubt(core, (uint16_t)p);
	}
}

void staleness_hinted(struct node_core *core, node_id node, usec_t since_us)
{
	struct staleness_peer *p = &core->staleness.peers[node];
	since_us = MAX(since_us, (usec_t)1);
	p->missed_us = p->missed_us ? MIN(p->missed_us, since_us) : since_us;
}

static hlc_t hlc_of_span(usec_t span_us) { return hlc_from_wall_us(span_us) + 1; }

hlc_t staleness_tell(struct node_core *core, node_id peer)
{
	struct staleness_peer *p = &core->staleness.peers[peer];
	if (!hints_are_counted(core, peer))
		return 0;
	if (hints_are_delivered(core, peer))
		p->missed_us = 0;
	usec_t since_us = owed_since_us(core, peer);
	if (p->missed_us)
		since_us = MIN(since_us, p->missed_us);
	hlc_t stamp = core_stamp(core), lag = hlc_of_span(core->now.mono_us - since_us);
	return lag < stamp ? stamp - lag : 0;
}

/* ---- hearing ---- */

void staleness_hear(struct node_core *core, node_id from, const struct msg *m)
{
	const struct msg_heartbeat *h = &m->heartbeat;
	struct staleness_peer *p = &core->staleness.peers[from];
	/* An answer to an earlier life of this core carries the time of another clock. */
	bool ours = m->id > core->config.incarnation << 40 && h->sent_us <= core->now.mono_us;
	if (!ours || h->incarnation < p->incarnation)
		return;
	if (h->incarnation > p->incarnation) {
		p->incarnation = h->incarnation;
		p->life_us = core->now.mono_us;
	}
	/* With another number of cores, the one that answered has other partitions than this one. */
	bool comparable = h->shards == core->config.shard_count && h->map_epoch == core->map->desc.epoch;
	if (!comparable || h->stored_hlc == 0 || h->stored_hlc > m->hlc)
		return;
	uint64_t lag_ms = hlc_ms(m->hlc - h->stored_hlc) + 1;
	if (lag_ms >= h->sent_us / USEC_PER_MSEC || h->sent_us - lag_ms * USEC_PER_MSEC < p->known_us)
		return;
	p->known_us = h->sent_us - lag_ms * USEC_PER_MSEC;
	p->told_us = h->sent_us;
}

/* ---- this node's own copy ---- */

static int own_find(const struct staleness *s, uint64_t hash)
{
	for (uint32_t i = 0; i < s->own_count; i++) {
		if (s->own[i].hash == hash)
			return (int)i;
	}
	return -1;
}

/** This node's copy has VER of the key, or a newer one. */
static void own_has(struct staleness *s, uint64_t hash, struct version ver)
{
	int at = own_find(s, hash);
	if (at >= 0 && version_at_most(s->own[at].ver, ver))
		s->own[at] = s->own[--s->own_count];
}

void staleness_doubt(struct node_core *core, uint16_t partition)
{
	core->staleness.joined_us[partition] = MAX(core->now.mono_us, (usec_t)1);
}

void staleness_write_answered(struct node_core *core, const struct op *op)
{
	struct staleness *s = &core->staleness;
	int own = row_position(&op->row, core->self);
	if (!is_write(op) || own < 0 || op->phase == PHASE_FORWARDING || op->holders & 1u << own)
		return;
	uint64_t hash = hash_of(op);
	int at = own_find(s, hash);
	if (at >= 0) {
		s->own[at].ver = version_max(s->own[at].ver, op->version);
		return;
	}
	if (s->own_count == STALENESS_OWN_MAX) {
		s->own_count = 0;
		s->own_lost_us = core->now.mono_us;
		return;
	}
	s->own[s->own_count++] = (struct staleness_own){.hash = hash, .ver = op->version};
}

void staleness_write_over(struct node_core *core, const struct op *op)
{
	int own = row_position(&op->row, core->self);
	if (core->staleness.own_count > 0 && own >= 0 && op->holders & 1u << own)
		own_has(&core->staleness, hash_of(op), op->version);
}

/**
 * What was acknowledged before the read began is known. While the row changes a majority of each set must have answered: the new
 * members may have gone on alone, and only they refuse who does not know that yet.
 */
static bool told_majority(const struct op *op)
{
	uint32_t bits = 0;
	for (uint32_t i = 0; i < op->row.count; i++)
		bits |= op->replies[i].valid ? 1u << i : 0;
	return row_majority(&op->row, bits);
}

/** Position of this node's own copy in the operation's row; -1 if it has none, or one that is still being filled. */
static int own_copy(const struct node_core *core, const struct op *op)
{
	int own = row_position(&op->row, core->self);
	return own >= 0 && (op->row.old & 1u << own) ? own : -1;
}

void staleness_read_over(struct node_core *core, const struct op *op)
{
	struct staleness *s = &core->staleness;
	int own = own_copy(core, op);
	if (own < 0 || !told_majority(op))
		return;
	const struct op_reply *reply = &op->replies[own];
	if (!reply->valid || !version_equal(reply->ver, op->best.rec.ver))
		return;
	uint64_t hash = hash_of(op);
	own_has(s, hash, reply->ver);
	if (!s->checked) {
		s->checked_capacity = core->config.checked_max ? core->config.checked_max : STALENESS_KEYS_MAX;
		s->checked = xcalloc(s->checked_capacity, sizeof s->checked[0]);
	}
	s->checked[hash / 2 % s->checked_capacity] = (struct staleness_key){.hash = hash, .read_us = op->read_us};
}

/** When the read began that last found this node's copy of the key the newest of a majority; 0: none known. */
static usec_t checked_us(const struct staleness *s, uint64_t hash)
{
	if (!s->checked)
		return 0;
	const struct staleness_key *k = &s->checked[hash / 2 % s->checked_capacity];
	return k->hash == hash ? k->read_us : 0;
}

usec_t staleness_known_us(struct node_core *core, const struct op *op)
{
	const struct staleness *s = &core->staleness;
	uint64_t hash = hash_of(op);
	if (own_copy(core, op) < 0 || own_find(s, hash) >= 0)
		return 0;
	usec_t known_us = core->now.mono_us;
	usec_t joined_us = s->joined_us[op->partition];
	/* Earlier lives of this core were over when it started, before any read of this one. */
	usec_t check_us = MAX(s->own_lost_us, (usec_t)(core->config.incarnation > 1));
	check_us = MAX(check_us, joined_us);
	/* Who has left the row may owe something still, and is not asked about it. */
	check_us = MAX(check_us, partition_at(core, op->partition)->row_us);
	for (uint32_t i = 0; i < op->row.count; i++) {
		const struct staleness_peer *p = &s->peers[op->row.nodes[i]];
		if (op->row.nodes[i] == core->self)
			continue;
		known_us = MIN(known_us, p->told_us >= joined_us ? p->known_us : 0);
		if (p->incarnation > 1)
			check_us = MAX(check_us, p->life_us);
	}
	return checked_us(s, hash) >= check_us ? known_us : 0;
}

uint32_t staleness_of_read(const struct node_core *core, const struct op *op)
{
	if (op->level == LEVEL_STRONG)
		return 1;
	/* What is known is known of the own copy: nothing, if that has not answered. */
	int own = own_copy(core, op);
	usec_t own_us = own >= 0 && op->replies[own].valid ? op->known_us : 0;
	usec_t known_us = told_majority(op) ? op->read_us : own_us;
	if (known_us == 0)
		return 0;
	usec_t age_us = core->now.mono_us - known_us;
	return (uint32_t)MIN(age_us / USEC_PER_MSEC + 1, (usec_t)UINT32_MAX);
}
