/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/hint_push.h"

#include "replication/core.h"
#include "replication/hint_replay.h"
#include "replication/op.h"

static void push_free(struct node_core *core, struct hint_push *p)
{
	KV_ASSERT(p->target->in_flight > 0);
	p->target->in_flight--;
	hmap_remove(&core->hints.pushes, &p->node);
	blob_unref(p->key);
	free(p);
}

void hint_push_release(struct node_core *core)
{
	struct hmap_node *node;
	while ((node = hmap_first(&core->hints.pushes)))
		push_free(core, container_of(node, struct hint_push, node));
	hmap_release(&core->hints.pushes);
}

static struct disk_key push_key(const struct hint_push *p)
{
	return (struct disk_key){
		.partition = p->partition, .leaf = p->leaf, .bucket = p->bucket, .key = blob_slice(p->key)};
}

void hint_push_start(struct node_core *core, struct hint_target *t, const struct hint_row *row)
{
	struct hint_push *p = xcalloc(1, sizeof *p);
	p->target = t;
	p->id = core_next_id(core);
	p->partition = row->partition;
	p->leaf = row->leaf;
	p->bucket = row->bucket;
	p->key = blob_new(slice_of(row->key, row->key_size));
	KV_ASSERT(p->key);
	p->ver = row->ver;
	p->deadline_us = core->now.mono_us + core->config.replica_timeout_us;
	hmap_add(&core->hints.pushes, &p->node, hash_u64(p->id));
	t->in_flight++;
	struct disk_key key = push_key(p);
	key.table = DISK_DATA;
	actions_hold(core->out, p->key);
	p->epoch = cluster_map_row(core->map, p->partition).config_epoch;
	p->read_token = core_read(core, WAIT_HINT_READ, p, &key);
}

void hint_push_renew(struct node_core *core, const struct hint_target *t, uint32_t bucket, struct slice key)
{
	if (t->in_flight == 0)
		return;
	struct hmap_node *node = hmap_first(&core->hints.pushes);
	for (; node; node = hmap_next(&core->hints.pushes, node)) {
		struct hint_push *p = container_of(node, struct hint_push, node);
		if (p->target == t && p->bucket == bucket && slice_equal(blob_slice(p->key), key))
			p->renewed = true;
	}
}

static struct hint_push *find_push(const struct node_core *core, uint64_t id)
{
	struct hmap_node *node = hmap_first_same(&core->hints.pushes, hash_u64(id));
	for (; node; node = hmap_next_same(node)) {
		struct hint_push *p = container_of(node, struct hint_push, node);
		if (p->id == id)
			return p;
	}
	return NULL;
}

/** The hint of P needs no more telling. */
static void settle(struct node_core *core, struct hint_push *p)
{
	struct hint_target *t = p->target;
	struct disk_key key = push_key(p);
	core->stats.hints_replayed++;
	/* Hinted anew meanwhile: that hint is on disk still, and may not have been counted as another. */
	if (p->renewed)
		return;
	t->left -= t->left > 0;
	t->pending -= t->pending > 0;
	hints_remove(core, t, &key);
}

static void end_push(struct node_core *core, struct hint_push *p, bool delivered)
{
	struct hint_target *t = p->target;
	bool of_hint = !version_is_none(p->ver);
	if (delivered && of_hint)
		settle(core, p);
	else if (of_hint)
		hints_set_keyed(t, p->partition, true);
	t->whole_failed |= !delivered;
	push_free(core, p);
}

void hint_push_tick(struct node_core *core)
{
	struct hmap_node *node = hmap_first(&core->hints.pushes);
	while (node) {
		struct hint_push *p = container_of(node, struct hint_push, node);
		node = hmap_next(&core->hints.pushes, node);
		if (p->read_token != 0 || core->now.mono_us < p->deadline_us)
			continue;
		COVER(hint_push_expires);
		end_push(core, p, /* delivered= */ false);
	}
}

static void send_push(struct node_core *core, struct hint_push *p, const struct record *rec)
{
	struct msg *m = core_msg(core, OP_PUSH, p->id, /* reply= */ false);
	p->sent = rec->ver;
	p->deadline_us = core->now.mono_us + core->config.replica_timeout_us;
	m->replica.record = *rec;
	m->replica.partition = p->partition;
	m->replica.bucket = p->bucket;
	m->replica.key = blob_slice(p->key);
	m->replica.hinted = true;
	m->replica.read_epoch = p->epoch;
	m->epoch = cluster_map_row(core->map, p->partition).config_epoch;
	m->replica.deadline_ms = (uint32_t)(core->config.replica_timeout_us / USEC_PER_MSEC);
	actions_hold(core->out, p->key);
	core_send(core, p->target->node, m);
}

void hint_push_read_done(struct node_core *core, struct hint_push *p, bool found, struct slice bytes)
{
	struct hint_target *t = p->target;
	struct record rec = {0};
	p->read_token = 0;
	if (found && record_decode(actions_copy_slice(core->out, bytes), &rec) != KV_OK) {
		core_stop(core, KV_CORRUPT, "a stored record does not match its checksum; replace this node");
		return;
	}
	/* Whom the row no longer names has no need of it, and who has left the row may not push what strong operations wrote. */
	struct row row = cluster_map_row(core->map, p->partition);
	bool left = found && rec.strong && row_position(&row, core->self) < 0;
	if (row_position(&row, t->node) < 0 || COVER_IF(left, hint_of_left)) {
		end_push(core, p, /* delivered= */ true);
		hint_replay_continue(core, t);
		return;
	}
	if (!version_less(rec.ver, p->ver) && found) {
		send_push(core, p, &rec);
		return;
	}
	/* This node missed the write itself. Whoever has it brings all replicas in step; the hint stays until that is seen. */
	p->deadline_us = core->now.mono_us + HINT_PROBE_US;
	if (!op_repair(core, p->bucket, blob_slice(p->key), p->id)) {
		end_push(core, p, /* delivered= */ false);
		hint_replay_continue(core, t);
	}
}

/** The target itself told that it has what the hint names. */
static bool target_has(const struct hint_push *p, const struct op *op)
{
	int at = row_position(&op->row, p->target->node);
	if (at < 0 || !op->replies[at].valid)
		return false;
	const struct op_reply *r = &op->replies[at];
	struct version wanted = version_max(p->ver, version_is_none(p->ver) ? op->best.rec.ver : VERSION_NONE);
	return version_at_most(wanted, r->ver) || version_at_most(wanted, r->drop);
}

void hint_push_probed(struct node_core *core, const struct op *op, bool complete)
{
	struct hint_push *p = find_push(core, op->probe_id);
	if (!p)
		return;
	struct hint_target *t = p->target;
	/* No replica has it: it was refused everywhere, or lost with a crash before anyone answered, or its tombstone dropped. */
	struct version greatest = op->best.rec.ver;
	bool nowhere = complete && (version_less(greatest, p->ver) || version_is_none(greatest));
	end_push(core, p, /* delivered= */ nowhere || COVER_IF(target_has(p, op), hint_was_repaired));
	hint_replay_continue(core, t);
}

bool hint_push_answered(struct node_core *core, const struct msg *m)
{
	struct hint_push *p = find_push(core, m->id);
	if (!p || p->read_token != 0)
		return false;
	struct hint_target *t = p->target;
	bool has = m->answer.answer == ANSWER_STORED || m->answer.answer == ANSWER_OLD;
	/* Sealed off: whoever collects the partition's tombstones brings all in step. Until that is seen the target is owed the partition. */
	bool told = has && version_at_most(p->sent, m->answer.stored);
	bool sealed = m->answer.answer == ANSWER_OLD && version_at_most(p->sent, m->answer.promise);
	if (COVER_IF(sealed && !told, hint_sealed))
		hints_set_dirty(core, t, p->partition, true);
	bool delivered = told || sealed;
	end_push(core, p, delivered);
	hint_replay_continue(core, t);
	return true;
}
