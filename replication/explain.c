/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/explain.h"

#include "replication/core.h"
#include "replication/tree_inside.h"

/** One look at the disk: at the key's record (target NODE_NONE), or at a hint of it. */
struct explain_read {
	struct explain *of;
	node_id target;
};

struct explain {
	struct ilink link;
	uint64_t client, id;
	uint32_t bucket;
	struct blob *key;
	uint16_t partition, leaf;
	uint32_t reads_out;
	struct explain_read reads[1 + EXPLAIN_HINTS_MAX];
	enum explain_disk disk;
	uint32_t stored_size;
	struct record stored; /* without value and lineage */
	uint32_t stored_lineage;
	uint32_t hint_count;
	bool more_hints;
	struct explain_hint hints[EXPLAIN_HINTS_MAX];
};

void explains_init(struct node_core *core) { ilist_init(&core->explains.list); }

static void explain_free(struct node_core *core, struct explain *e)
{
	KV_ASSERT(core->explains.count > 0);
	core->explains.count--;
	ilist_remove(&e->link);
	blob_unref(e->key);
	free(e);
}

void explains_release(struct node_core *core)
{
	struct ilink *link;
	while ((link = ilist_first(&core->explains.list)))
		explain_free(core, container_of(link, struct explain, link));
}

/* ---- the answer ---- */

static struct record without_bytes(const struct record *r)
{
	struct record copy = *r;
	copy.has_value = false;
	copy.value = slice_of(NULL, 0);
	copy.lin = NULL;
	copy.lin_count = 0;
	return copy;
}

static void tell_key(struct node_core *core, const struct explain *e, struct msg_explanation *ret)
{
	const struct slot *slot = slots_find(&core->slots, e->bucket, blob_slice(e->key));
	const struct partition_floors *f = slots_floors(&core->slots, e->partition);
	struct key_state cold = {.rec = e->stored};
	const struct key_state *k = slot ? &slot->key_state : &cold;
	ret->in_memory = slot && slot->state == SLOT_READY;
	ret->record = ret->in_memory ? without_bytes(&slot->key_state.rec) : e->stored;
	ret->lineage = ret->in_memory ? slot->key_state.rec.lin_count : e->stored_lineage;
	ret->writing = slot && slot->write_token > core->write_done;
	ret->memories = k->mem.count;
	ret->promised = k->promised;
	ret->promise = version_max(f->promise, f->fence);
	ret->memory = acceptor_memory_floor(k, f);
	ret->seal = f->seal;
	ret->drop = f->drop;
}

static uint32_t tree_state(const struct node_core *core, uint16_t partition)
{
	if (!tree_is_ready(core, partition))
		return 1;
	return tree_at(core, partition)->marked ? 3 : 2;
}

static void tell_partition(struct node_core *core, const struct explain *e, struct msg_explanation *ret)
{
	struct row row = cluster_map_row(core->map, e->partition);
	int position = row_position(&row, core->self);
	ret->config_epoch = row.config_epoch;
	if (position >= 0) {
		ret->member |= row.old & 1u << position ? (unsigned)EXPLAIN_PRESENT : 0u;
		ret->member |= row.next & 1u << position ? (unsigned)EXPLAIN_TO_BE : 0u;
		ret->tree = tree_state(core, e->partition);
	}
	ret->serves = partition_serves(core, e->partition);
	ret->stage = partition_at(core, e->partition)->stage;
	struct repair_pair *pairs = actions_alloc(core->out, ROW_MAX * sizeof pairs[0]);
	for (uint32_t i = 0; position >= 0 && i < row.count; i++) {
		if (row.nodes[i] == core->self)
			continue;
		pairs[ret->pair_count++] = (struct repair_pair){
			.partition = e->partition,
			.peer = row.nodes[i],
			.equal_age_ms = repair_equal_age_ms(core, e->partition, row.nodes[i]),
		};
	}
	ret->pairs = pairs;
}

static void answer(struct node_core *core, struct explain *e)
{
	struct msg *m = core_msg(core, OP_EXPLAIN, e->id, /* reply= */ true);
	struct msg_explanation *ret = &m->explanation;
	*ret = (struct msg_explanation){
		.status = KV_OK,
		.partition = e->partition,
		.leaf = e->leaf,
		.disk = e->disk,
		.stored_size = e->stored_size,
		.hint_count = e->hint_count,
		.hints = actions_copy(core->out, e->hints, e->hint_count * sizeof e->hints[0]),
		.more_hints = e->more_hints,
	};
	tell_key(core, e, ret);
	tell_partition(core, e, ret);
	core_reply(core, e->client, m);
	explain_free(core, e);
}

/* ---- what the disk says ---- */

/** Whoever needs the record stops; a look goes on, and the damage is counted. */
static void count_damage(struct node_core *core, const struct explain *e)
{
	core->stats.records_corrupt += e->disk == EXPLAIN_UNREADABLE || e->disk == EXPLAIN_DAMAGED;
}

static void record_read(struct explain *e, bool found, bool unreadable, struct slice bytes)
{
	e->disk = unreadable ? EXPLAIN_UNREADABLE : found ? EXPLAIN_DAMAGED : EXPLAIN_ABSENT;
	e->stored_size = (uint32_t)bytes.size;
	if (!found)
		return;
	struct blob *aligned = blob_new(bytes);
	KV_ASSERT(aligned);
	struct record rec;
	if (record_decode(blob_slice(aligned), &rec) == KV_OK) {
		e->disk = EXPLAIN_WHOLE;
		e->stored = without_bytes(&rec);
		e->stored_lineage = rec.lin_count;
	}
	blob_unref(aligned);
}

/** The hint of TARGET's place in the list, added if there is none. */
static struct explain_hint *hint_of(struct explain *e, node_id target)
{
	for (uint32_t i = 0; i < e->hint_count; i++) {
		if (e->hints[i].target == target)
			return &e->hints[i];
	}
	if (e->hint_count == EXPLAIN_HINTS_MAX) {
		e->more_hints = true;
		return NULL;
	}
	struct explain_hint *hint = &e->hints[e->hint_count++];
	*hint = (struct explain_hint){.target = target};
	return hint;
}

static void hint_read(struct explain *e, node_id target, bool found, struct slice bytes)
{
	struct version ver;
	hlc_t created;
	if (!found || !hints_parse(bytes, &ver, &created))
		return;
	struct explain_hint *hint = hint_of(e, target);
	if (!hint)
		return;
	hint->key = true;
	hint->ver = ver;
	hint->created = created;
}

void explain_read_done(struct node_core *core, struct explain_read *read, bool found, bool unreadable,
		       struct slice value)
{
	struct explain *e = read->of;
	KV_ASSERT(e->reads_out > 0);
	if (read->target == NODE_NONE) {
		record_read(e, found, unreadable, value);
		count_damage(core, e);
	} else
		hint_read(e, read->target, found, value);
	if (--e->reads_out == 0)
		answer(core, e);
}

/* ---- asking ---- */

static void look(struct node_core *core, struct explain *e, enum disk_table table, node_id target)
{
	struct explain_read *read = &e->reads[e->reads_out++];
	*read = (struct explain_read){.of = e, .target = target};
	const struct disk_key key = {
		.table = table,
		.target = table == DISK_HINT ? target : 0,
		.partition = e->partition,
		.leaf = e->leaf,
		.bucket = e->bucket,
		.key = blob_slice(e->key),
	};
	core_look(core, WAIT_EXPLAIN, read, &key);
}

static void look_for_hints(struct node_core *core, struct explain *e)
{
	for (node_id i = 0; i < core->hints.targets_end; i++) {
		const struct hint_target *t = core->hints.targets[i];
		if (!t)
			continue;
		struct explain_hint *hint = hints_is_dirty(t, e->partition) ? hint_of(e, i) : NULL;
		if (hint)
			hint->partition = true;
		bool may_have_hint = hints_is_keyed(t, e->partition) || t->phase == HINT_COUNTING;
		if (may_have_hint && e->reads_out == 1 + EXPLAIN_HINTS_MAX)
			e->more_hints = true;
		else if (may_have_hint)
			look(core, e, DISK_HINT, i);
	}
}

static void refuse(struct node_core *core, uint64_t client, const struct msg *m, enum kv_status status,
		   const char *why)
{
	struct msg *reply = core_msg(core, OP_EXPLAIN, m->id, /* reply= */ true);
	reply->explanation.status = status;
	reply->explanation.message = slice_str(why);
	core_reply(core, client, reply);
}

void explain_asked(struct node_core *core, uint64_t client, const struct msg *m)
{
	if (!core->map) {
		refuse(core, client, m, KV_NOT_READY, "the node is not part of a cluster yet");
		return;
	}
	if (!partitions_are_loaded(core)) {
		refuse(core, client, m, KV_NOT_READY,
		       "the node has just started and reads the state of its partitions");
		return;
	}
	if (core->explains.count == EXPLAINS_MAX) {
		refuse(core, client, m, KV_OVERLOADED,
		       "too many questions of this kind are under way on this node");
		return;
	}
	struct place place = core_locate(core, m->explain.key);
	struct explain *e = xcalloc(1, sizeof *e);
	e->client = client;
	e->id = m->id;
	e->bucket = m->explain.bucket;
	e->partition = place.partition;
	e->leaf = place.leaf;
	e->key = blob_new(m->explain.key);
	KV_ASSERT(e->key);
	ilist_push_back(&core->explains.list, &e->link);
	core->explains.count++;
	look(core, e, DISK_DATA, NODE_NONE);
	look_for_hints(core, e);
	actions_hold(core->out, e->key);
}
