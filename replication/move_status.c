/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/move_status.h"

#include "base/mutant.h"
#include "replication/core.h"

struct move_report {
	struct hmap_node node;
	struct msg_move move; /* as told; session zero before the first */
	node_id from;
	struct uuid session; /* of the map's move */
	bool heard;
	usec_t heard_us, progress_us;
	char message[MESSAGE_SIZE_MAX]; /* move.message points into it */
};

static uint64_t report_hash(uint16_t partition, node_id node) { return hash_u64((uint64_t)partition << 16 | node); }

static struct move_report *find(const struct node_core *core, uint16_t partition, node_id node)
{
	struct hmap_node *at = hmap_first_same(&core->move_reports.heard, report_hash(partition, node));
	for (; at; at = hmap_next_same(at)) {
		struct move_report *r = container_of(at, struct move_report, node);
		if (r->move.partition == partition && r->from == node)
			return r;
	}
	return NULL;
}

static void forget(struct node_core *core, struct move_report *r)
{
	hmap_remove(&core->move_reports.heard, &r->node);
	free(r);
}

void move_status_release(struct node_core *core)
{
	struct hmap_node *at;
	while ((at = hmap_first(&core->move_reports.heard)))
		forget(core, container_of(at, struct move_report, node));
	hmap_release(&core->move_reports.heard);
}

static bool is_new_member(const struct map_move *move, node_id node)
{
	bool old = false, next = false;
	for (uint32_t i = 0; i < move->old_count; i++)
		old |= move->old_row[i] == node;
	for (uint32_t i = 0; i < move->new_count; i++)
		next |= move->new_row[i] == node;
	return next && !old;
}

static void forget_ended(struct node_core *core)
{
	struct hmap_node *at = hmap_first(&core->move_reports.heard);
	while (at) {
		struct move_report *r = container_of(at, struct move_report, node);
		at = hmap_next(&core->move_reports.heard, at);
		const struct map_move *move = cluster_map_row(core->map, r->move.partition).move;
		if (!move || !uuid_equal(&move->session, &r->session) || !is_new_member(move, r->from))
			forget(core, r);
	}
}

static void expect(struct node_core *core, const struct map_move *move, node_id node)
{
	if (!is_new_member(move, node) || find(core, move->partition, node))
		return;
	struct move_report *r = xcalloc(1, sizeof *r);
	r->move = (struct msg_move){.partition = move->partition, .stage = MOVE_OPENING, .source = NODE_NONE};
	r->from = node;
	r->session = move->session;
	r->progress_us = core->now.mono_us;
	hmap_add(&core->move_reports.heard, &r->node, report_hash(move->partition, node));
}

void move_status_set_map(struct node_core *core)
{
	if (core->config.shard != 0)
		return;
	forget_ended(core);
	for (uint32_t i = 0; i < core->map->desc.move_count; i++) {
		const struct map_move *move = &core->map->desc.moves[i];
		for (uint32_t k = 0; k < move->new_count; k++)
			expect(core, move, move->new_row[k]);
	}
}

void moves_reported(struct node_core *core, node_id from, const struct msg *m)
{
	struct move_report *r = find(core, m->move.partition, from);
	/* A report of a try that was given up may come late: what it says is done was dropped again. */
	if (!r || (!uuid_equal(&r->session, &m->move.session) && !MUTANT(nosession)))
		return;
	bool on = !r->heard || m->move.stage > r->move.stage || m->move.bytes_done > r->move.bytes_done ||
		  m->move.keys_done > r->move.keys_done;
	r->heard = true;
	r->heard_us = core->now.mono_us;
	if (on)
		r->progress_us = core->now.mono_us;
	r->move = m->move;
	size_t size = MIN(m->move.message.size, sizeof r->message);
	if (size > 0)
		memcpy(r->message, m->move.message.data, size);
	r->move.message = slice_of(r->message, size);
	r->move.cursor = r->move.page = slice_of(NULL, 0);
}

const struct msg_move *moves_report(const struct node_core *core, uint16_t partition, node_id node)
{
	const struct move_report *r = find(core, partition, node);
	return r && r->heard ? &r->move : NULL;
}

usec_t moves_progress_us(const struct node_core *core, uint16_t partition, node_id node)
{
	const struct move_report *r = find(core, partition, node);
	return r ? r->progress_us : 0;
}

/* ---- MOVE_LIST ---- */

static void fill_status(struct node_core *core, const struct map_move *move, const struct move_report *r,
			struct move_status *ret)
{
	*ret = (struct move_status){
		.partition = move->partition,
		.old_count = move->old_count,
		.new_count = move->new_count,
		.node = r->from,
		.stage = r->move.stage,
		.keys = r->move.keys,
		.bytes = r->move.bytes,
		.keys_done = r->move.keys_done,
		.bytes_done = r->move.bytes_done,
		.bytes_per_sec = r->move.bytes_per_sec,
		.source = r->move.source,
		.retries = r->move.retries,
		.age_ms = r->heard ? (core->now.mono_us - r->heard_us) / USEC_PER_MSEC : 0,
		.message = actions_copy_slice(core->out, r->move.message),
	};
	memcpy(ret->old_row, move->old_row, sizeof ret->old_row);
	memcpy(ret->new_row, move->new_row, sizeof ret->new_row);
}

void move_status_list(struct node_core *core, uint64_t client, const struct msg *m)
{
	struct msg *reply = core_msg(core, OP_MOVE_LIST, m->id, /* reply= */ true);
	struct msg_move_list *list = &reply->move_list;
	if (core->map) {
		const struct map_desc *d = &core->map->desc;
		struct move_status *items =
			actions_alloc(core->out, (core->move_reports.heard.count + 1) * sizeof *items);
		list->epoch = d->epoch;
		list->paused = d->paused;
		list->waiting = driver_waiting(core);
		list->moves = items;
		for (uint32_t i = 0; i < d->move_count; i++) {
			for (uint32_t k = 0; k < d->moves[i].new_count; k++) {
				const struct move_report *r =
					find(core, d->moves[i].partition, d->moves[i].new_row[k]);
				if (r)
					fill_status(core, &d->moves[i], r, &items[list->count++]);
			}
		}
	}
	core_reply(core, client, reply);
}
