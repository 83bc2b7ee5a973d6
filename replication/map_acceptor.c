/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/map_acceptor.h"

#include "base/bytes.h"
#include "base/mutant.h"
#include "replication/core.h"
#include "replication/map_image.h"
#include "replication/map_spread.h"

enum { VOTE_FORMAT = 1, HELD_MAX = 64, VOTE_ARENA_MAX = 4 << 20 };

#define VOTE_ROW "map_vote"

/** An answer that waits until what it tells is durable. */
struct held_vote {
	struct ilink link;
	uint64_t token;
	node_id to;
	struct msg msg;
	struct cluster_map *value; /* msg.vote.map, or NULL */
};

static struct disk_key row_key(void) { return (struct disk_key){.table = DISK_META, .key = slice_str(VOTE_ROW)}; }

void map_acceptor_init(struct node_core *core) { ilist_init(&core->map_acceptor.held); }

void map_acceptor_start(struct node_core *core)
{
	if (core->config.shard != 0)
		return;
	struct disk_key key = row_key();
	core_read(core, WAIT_MAP_VOTE, NULL, &key);
}

void map_acceptor_release(struct node_core *core)
{
	struct ilink *link;
	while ((link = ilist_pop_front(&core->map_acceptor.held))) {
		struct held_vote *held = container_of(link, struct held_vote, link);
		cluster_map_free(held->value);
		free(held);
	}
	cluster_map_free(core->map_acceptor.value);
	core->map_acceptor.value = NULL;
}

static struct version get_version(struct reader *r)
{
	uint64_t hlc = reader_le64(r);
	return (struct version){.hlc = hlc, .id = reader_le64(r)};
}

static bool parse_row(struct map_acceptor *a, struct slice value)
{
	struct reader r = reader_of(value);
	bool format = reader_u8(&r) == VOTE_FORMAT;
	a->epoch = reader_le64(&r);
	a->promised = get_version(&r);
	a->accepted = get_version(&r);
	if (!format || r.failed)
		return false;
	if (r.rest.size == 0)
		return version_is_none(a->accepted);
	CLEANUP(arena_release) struct arena arena = ARENA_INIT(VOTE_ARENA_MAX);
	struct map_desc map;
	if (!map_image_decode(r.rest, &arena, &map) || cluster_map_check(&map, NULL) != KV_OK)
		return false;
	a->value = cluster_map_new(&map);
	return true;
}

void map_acceptor_loaded(struct node_core *core, bool found, struct slice value)
{
	struct map_acceptor *a = &core->map_acceptor;
	KV_ASSERT(!a->loaded);
	if (found && !MUTANT(mapforget) && !parse_row(a, value)) {
		core_stop(core, KV_CORRUPT, "what this node voted for as the next cluster map cannot be read");
		return;
	}
	a->loaded = true;
}

static void save_row(struct node_core *core)
{
	struct map_acceptor *a = &core->map_acceptor;
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	buf_append_u8(&bytes, VOTE_FORMAT);
	buf_append_le64(&bytes, a->epoch);
	buf_append_le64(&bytes, a->promised.hlc);
	buf_append_le64(&bytes, a->promised.id);
	buf_append_le64(&bytes, a->accepted.hlc);
	buf_append_le64(&bytes, a->accepted.id);
	if (a->value)
		map_image_encode(&a->value->desc, &bytes);
	struct disk_put put = {.key = row_key(), .value = actions_copy_slice(core->out, buf_slice(&bytes))};
	a->write_token = core_write(core, &put, 1);
}

/** What was promised and accepted for an epoch that has its map counts no more. */
static void turn_to(struct node_core *core, uint64_t epoch)
{
	struct map_acceptor *a = &core->map_acceptor;
	if (a->epoch == epoch)
		return;
	if (a->value)
		actions_hold_map(core->out, a->value); /* answers may point to it */
	a->value = NULL;
	a->epoch = epoch;
	a->promised = a->accepted = VERSION_NONE;
}

static struct msg *vote_reply(struct node_core *core, const struct msg *m, enum kv_status status)
{
	struct msg *reply = core_msg(core, m->opcode, m->id, /* reply= */ true);
	reply->shard = m->shard;
	reply->vote = (struct msg_vote){.ballot = m->vote.ballot,
					.epoch = m->vote.epoch,
					.status = status,
					.promised = core->map_acceptor.promised};
	return reply;
}

/** The answer that this ballot has the node's vote, when that is durable. TELL: with what was accepted before. */
static void answer_yes(struct node_core *core, node_id to, const struct msg *m, bool tell)
{
	struct map_acceptor *a = &core->map_acceptor;
	struct msg *reply = vote_reply(core, m, KV_OK);
	struct cluster_map *value = tell && a->value ? cluster_map_new(&a->value->desc) : NULL;
	if (tell)
		reply->vote.accepted = a->accepted;
	reply->vote.map = value ? &value->desc : NULL;
	if (a->write_token <= core->write_done) {
		if (value)
			actions_hold_map(core->out, value);
		core_send(core, to, reply);
		return;
	}
	struct held_vote *held = xcalloc(1, sizeof *held);
	*held = (struct held_vote){.token = a->write_token, .to = to, .msg = *reply, .value = value};
	ilist_push_back(&a->held, &held->link);
	a->held_count++;
}

void map_acceptor_written(struct node_core *core)
{
	struct map_acceptor *a = &core->map_acceptor;
	struct ilink *link;
	while ((link = ilist_first(&a->held))) {
		struct held_vote *held = container_of(link, struct held_vote, link);
		if (held->token > core->write_done)
			return;
		ilist_remove(link);
		a->held_count--;
		if (held->value)
			actions_hold_map(core->out, held->value);
		core_send(core, held->to, actions_copy(core->out, &held->msg, sizeof held->msg));
		free(held);
	}
}

static void prepare(struct node_core *core, node_id from, const struct msg *m)
{
	struct map_acceptor *a = &core->map_acceptor;
	if (version_less(m->vote.ballot, a->promised)) {
		core_send(core, from, vote_reply(core, m, KV_CONFLICT));
		return;
	}
	if (!version_equal(m->vote.ballot, a->promised)) {
		a->promised = m->vote.ballot;
		save_row(core);
	}
	answer_yes(core, from, m, /* tell= */ true);
}

/** A map that may follow the one in force. */
static bool is_next(const struct node_core *core, const struct map_desc *map, uint64_t epoch)
{
	return map && map->epoch == epoch && cluster_map_check(map, NULL) == KV_OK &&
	       cluster_map_check_next(&core->map->desc, map, NULL) == KV_OK;
}

static void accept(struct node_core *core, node_id from, const struct msg *m)
{
	struct map_acceptor *a = &core->map_acceptor;
	if (version_less(m->vote.ballot, a->promised)) {
		core_send(core, from, vote_reply(core, m, KV_CONFLICT));
		return;
	}
	if (!version_equal(m->vote.ballot, a->accepted)) {
		if (!is_next(core, m->vote.map, m->vote.epoch))
			return;
		if (a->value)
			actions_hold_map(core->out, a->value);
		a->value = cluster_map_new(m->vote.map);
		a->promised = a->accepted = m->vote.ballot;
		save_row(core);
		if (MUTANT(mapearly))
			(void)!map_spread_take(core, &a->value->desc);
	}
	answer_yes(core, from, m, /* tell= */ false);
}

void map_acceptor_asked(struct node_core *core, node_id from, const struct msg *m)
{
	struct map_acceptor *a = &core->map_acceptor;
	uint64_t present = core->map->desc.epoch;
	if (!a->loaded || a->held_count >= HELD_MAX || version_is_none(m->vote.ballot))
		return;
	if (m->vote.epoch <= present) {
		COVER(map_vote_stale);
		struct msg *reply = vote_reply(core, m, KV_STALE);
		reply->vote.map = &core->map->desc;
		core_send(core, from, reply);
		return;
	}
	if (m->vote.epoch > present + 1) {
		COVER(map_vote_not_ready);
		map_spread_pull(core, from);
		core_send(core, from, vote_reply(core, m, KV_NOT_READY));
		return;
	}
	turn_to(core, present + 1);
	if (m->opcode == OP_MAP_PREPARE)
		prepare(core, from, m);
	else
		accept(core, from, m);
}
