/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/turn.h"

#include "replication/op.h"

static uint64_t turn_hash(uint32_t bucket, struct slice key) { return hash64_seeded(key, bucket); }

void turns_init(struct turns *t)
{
	*t = (struct turns){0};
	ilist_init(&t->idle);
	ilist_init(&t->ready);
}

static struct turn *turn_find(const struct turns *t, uint32_t bucket, struct slice key)
{
	struct hmap_node *node = hmap_first_same(&t->map, turn_hash(bucket, key));
	for (; node; node = hmap_next_same(node)) {
		struct turn *turn = container_of(node, struct turn, node);
		if (turn->bucket == bucket && slice_equal(blob_slice(turn->key), key))
			return turn;
	}
	return NULL;
}

static struct turn *turn_new(struct turns *t, const struct op *op)
{
	struct turn *turn = xcalloc(1, sizeof *turn);
	turn->bucket = op->bucket;
	turn->key = blob_ref(op->key);
	ilist_init(&turn->waiting);
	hmap_add(&t->map, &turn->node, turn_hash(op->bucket, blob_slice(op->key)));
	return turn;
}

static void turn_free(struct turns *t, struct turn *turn)
{
	KV_ASSERT(!turn->running);
	KV_ASSERT(ilist_is_empty(&turn->waiting));
	ilist_remove(&turn->idle_link);
	t->idle_count--;
	hmap_remove(&t->map, &turn->node);
	record_copy_release(&turn->base);
	blob_unref(turn->key);
	free(turn);
}

void turns_release(struct turns *t)
{
	struct ilink *link;
	while ((link = ilist_first(&t->idle)))
		turn_free(t, container_of(link, struct turn, idle_link));
	hmap_release(&t->map);
}

bool turn_take(struct node_core *core, struct op *op)
{
	struct turns *t = &core->turns;
	KV_ASSERT(!op->turn);
	struct turn *turn = turn_find(t, op->bucket, blob_slice(op->key));
	if (!turn)
		turn = turn_new(t, op);
	op->turn = turn;
	if (turn->running) {
		ilist_push_back(&turn->waiting, &op->turn_link);
		return false;
	}
	if (ilink_is_linked(&turn->idle_link)) {
		ilist_remove(&turn->idle_link);
		t->idle_count--;
		turn->hot = core->now.mono_us < turn->used_us + PROMISE_AGE_US;
	}
	turn->running = op;
	return true;
}

void turn_leave(struct node_core *core, struct op *op)
{
	struct turns *t = &core->turns;
	struct turn *turn = op->turn;
	if (!turn)
		return;
	op->turn = NULL;
	if (ilink_is_linked(&op->turn_link))
		ilist_remove(&op->turn_link);
	if (turn->running != op)
		return;
	turn->running = NULL;
	turn->used_us = core->now.mono_us;
	struct ilink *link = ilist_pop_front(&turn->waiting);
	if (link) {
		turn->running = container_of(link, struct op, turn_link);
		turn->hot = true;
		ilist_push_back(&t->ready, link);
		return;
	}
	ilist_push_back(&t->idle, &turn->idle_link);
	t->idle_count++;
}

void turns_run(struct node_core *core)
{
	struct ilink *link;
	while ((link = ilist_pop_front(&core->turns.ready)))
		op_update_run(core, container_of(link, struct op, turn_link));
}

bool turn_wants_promise(const struct op *op)
{
	const struct turn *turn = op->turn;
	return turn && (turn->hot || !ilist_is_empty(&turn->waiting));
}

bool turn_plan(struct op *op, const struct record *rec)
{
	KV_ASSERT(op->turn && op->turn->running == op);
	op->turn->next = VERSION_NONE;
	return record_copy_set(&op->turn->base, rec);
}

void turn_keep(struct op *op, struct version next)
{
	struct turn *turn = op->turn;
	KV_ASSERT(turn && turn->running == op);
	KV_ASSERT(version_less(turn->base.rec.ver, next));
	turn->next = next;
	turn->config_epoch = op->row.config_epoch;
}

bool turn_use(const struct node_core *core, struct op *op, struct version *ret_ballot,
	      const struct record **ret_base)
{
	struct turn *turn = op->turn;
	KV_ASSERT(turn && turn->running == op);
	struct version next = turn->next;
	turn->next = VERSION_NONE;
	if (version_is_none(next) || turn->config_epoch != op->row.config_epoch)
		return false;
	if (core->now.mono_us >= turn->used_us + PROMISE_AGE_US)
		return false;
	/* A retry elsewhere looks for attempts above t0, and that much below it; whoever comes late has to look itself. */
	if (op->retry || op_is_overtaken(core, op) || next.hlc + hlc_from_ms(CACHED_WINDOW_MS) <= op->t0)
		return false;
	*ret_ballot = next;
	*ret_base = &turn->base.rec;
	return true;
}

void turns_sweep(struct node_core *core)
{
	struct turns *t = &core->turns;
	struct ilink *link;
	while ((link = ilist_first(&t->idle))) {
		struct turn *turn = container_of(link, struct turn, idle_link);
		if (core->now.mono_us < turn->used_us + PROMISE_AGE_US && t->idle_count <= PROMISES_MAX)
			break;
		turn_free(t, turn);
	}
}
