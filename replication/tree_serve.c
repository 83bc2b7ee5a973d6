/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/tree_serve.h"

#include "base/bytes.h"
#include "base/mutant.h"
#include "replication/core.h"
#include "replication/map_spread.h"
#include "replication/page.h"
#include "replication/repair.h"

/** A page of keys that is being read for someone. */
struct served_scan {
	struct ilink link;
	node_id from;
	uint64_t id;
	uint32_t shard;
	uint16_t partition, leaf;
};

/** An answer that waits for a write. */
struct held_tree {
	struct ilink link;
	uint64_t token;
	node_id to;
	struct msg msg;
	struct blob *page;
	struct tree_root roots[];
};

void tree_served_init(struct node_core *core)
{
	ilist_init(&core->served.scans);
	ilist_init(&core->served.held);
}

static void held_free(struct node_core *core, struct held_tree *held)
{
	core->served.count--;
	blob_unref(held->page);
	free(held);
}

void tree_served_release(struct node_core *core)
{
	struct ilink *link;
	while ((link = ilist_pop_front(&core->served.scans)))
		free(container_of(link, struct served_scan, link));
	while ((link = ilist_pop_front(&core->served.held)))
		held_free(core, container_of(link, struct held_tree, link));
}

/* ---- answering ---- */

static void send_now(struct node_core *core, node_id to, const struct msg *m, struct blob *page)
{
	struct msg *copy = actions_copy(core->out, m, sizeof *m);
	copy->tree.roots = actions_copy(core->out, m->tree.roots, m->tree.root_count * sizeof m->tree.roots[0]);
	actions_hold(core->out, page);
	copy->tree.page = blob_slice(page);
	core_send(core, to, copy);
}

/** Sends M, with PAGE if not NULL, once all that is written now is durable. */
static void send_durable(struct node_core *core, node_id to, const struct msg *m, struct blob *page)
{
	if (core->write_issued <= core->write_done || MUTANT(treeahead)) {
		send_now(core, to, m, page);
		return;
	}
	size_t roots_size = m->tree.root_count * sizeof m->tree.roots[0];
	struct held_tree *held = xcalloc(1, sizeof *held + roots_size);
	*held = (struct held_tree){
		.token = core->write_issued, .to = to, .msg = *m, .page = page ? blob_ref(page) : NULL};
	if (roots_size > 0)
		memcpy(held->roots, m->tree.roots, roots_size);
	held->msg.tree.roots = held->roots;
	ilist_push_back(&core->served.held, &held->link);
	core->served.count++;
}

void tree_served_written(struct node_core *core)
{
	struct ilink *link;
	while ((link = ilist_first(&core->served.held))) {
		struct held_tree *held = container_of(link, struct held_tree, link);
		if (held->token > core->write_done)
			return;
		ilist_remove(link);
		send_now(core, held->to, &held->msg, held->page);
		held_free(core, held);
	}
}

static struct msg reply_to(const struct node_core *core, const struct msg *m)
{
	return (struct msg){.opcode = m->opcode,
			    .reply = true,
			    .id = m->id,
			    .shard = m->shard,
			    .epoch = core->map->desc.epoch,
			    .tree = {.partition = m->tree.partition, .leaf = m->tree.leaf}};
}

static void refuse(struct node_core *core, node_id from, const struct msg *m, enum kv_status status)
{
	struct msg reply = reply_to(core, m);
	reply.tree.status = status;
	send_now(core, from, &reply, NULL);
}

/** KV_OK if a question about one partition can be answered. */
static enum kv_status judge(struct node_core *core, node_id from, const struct msg *m)
{
	if (m->tree.partition >= core->map->desc.partitions)
		return KV_INVALID;
	struct row row = cluster_map_row(core->map, m->tree.partition);
	if (m->epoch > core->map->desc.epoch) {
		map_spread_pull(core, from);
		return KV_NOT_READY;
	}
	if (m->epoch < row.config_epoch || row_position(&row, core->self) < 0)
		return KV_STALE;
	if (!tree_is_ready(core, m->tree.partition))
		return KV_NOT_READY;
	return core->served.count < TREE_SERVED_MAX ? KV_OK : KV_OVERLOADED;
}

/* ---- leaves and keys ---- */

struct blob *page_of_leaves(const struct node_core *core, uint16_t partition)
{
	const struct tree_leaf *leaves = tree_leaves(core, partition);
	struct blob *page = blob_new_uninit(TREE_LEAVES_SIZE);
	KV_ASSERT(leaves && page);
	uint8_t *weak = page->data + LEAVES_PER_PARTITION * sizeof(uint64_t);
	memset(weak, 0, LEAVES_PER_PARTITION / 8);
	for (uint32_t i = 0; i < LEAVES_PER_PARTITION; i++) {
		store_le64(page->data + i * sizeof(uint64_t), leaves[i].hash);
		if (leaves[i].weak > 0)
			weak[i / 8] = (uint8_t)(weak[i / 8] | 1u << i % 8);
	}
	return page;
}

static void leaves_asked(struct node_core *core, node_id from, const struct msg *m)
{
	struct blob *page = page_of_leaves(core, m->tree.partition);
	struct msg reply = reply_to(core, m);
	reply.tree.done = true;
	send_durable(core, from, &reply, page);
	blob_unref(page);
}

static void keys_asked(struct node_core *core, node_id from, const struct msg *m)
{
	struct disk_scan scan = {.table = DISK_DATA,
				 .partition = m->tree.partition,
				 .one_leaf = true,
				 .leaf = m->tree.leaf,
				 .rows_max = BUGGIFY(core, tree_keys_short) ? 1 : TREE_KEYS_MAX,
				 .bytes_max = SCAN_SIZE_MAX};
	if (!page_seek(m->tree.cursor, &scan) || (scan.has_after && scan.after.leaf != m->tree.leaf)) {
		refuse(core, from, m, KV_INVALID);
		return;
	}
	scan.after.key = actions_copy_slice(core->out, scan.after.key);
	struct served_scan *served = xcalloc(1, sizeof *served);
	*served = (struct served_scan){
		.from = from, .id = m->id, .shard = m->shard, .partition = m->tree.partition, .leaf = m->tree.leaf};
	ilist_push_back(&core->served.scans, &served->link);
	core->served.count++;
	core_scan(core, WAIT_TREE_KEYS, served, &scan);
}

bool page_of_keys(const struct disk_row *rows, uint32_t count, struct blob **ret)
{
	size_t size = 0;
	for (uint32_t i = 0; i < count; i++)
		size += page_key_size(&(struct page_key){.key = rows[i].key.key});
	struct blob *page = blob_new_uninit(size);
	KV_ASSERT(page);
	uint8_t *at = page->data;
	for (uint32_t i = 0; i < count; i++) {
		struct record rec;
		if (record_peek(rows[i].value, &rec) != KV_OK) {
			blob_unref(page);
			return false;
		}
		unsigned flags = (rec.weak ? PAGE_WEAK : 0u) | (rec.tombstone ? PAGE_TOMBSTONE : 0u) |
				 (rec.strong ? PAGE_STRONG : 0u);
		struct page_key key = {.bucket = rows[i].key.bucket,
				       .key = rows[i].key.key,
				       .ver = rec.ver,
				       .flags = (uint8_t)flags};
		at = page_put_key(at, &key);
	}
	*ret = page;
	return true;
}

void tree_served_scan_done(struct node_core *core, struct served_scan *scan, const struct disk_row *rows,
			   uint32_t count, bool done)
{
	struct msg m = {.opcode = OP_TREE_KEYS,
			.id = scan->id,
			.shard = scan->shard,
			.tree = {.partition = scan->partition, .leaf = scan->leaf}};
	node_id from = scan->from;
	ilist_remove(&scan->link);
	core->served.count--;
	free(scan);
	struct blob *page;
	if (!page_of_keys(rows, count, &page)) {
		core->stats.records_corrupt++;
		core_stop(core, KV_CORRUPT, RECORD_CORRUPT_TEXT);
		return;
	}
	struct msg reply = reply_to(core, &m);
	reply.tree.done = done;
	send_durable(core, from, &reply, page);
	blob_unref(page);
}

/* ---- roots ---- */

bool roots_share(const struct node_core *core, uint16_t partition, node_id node)
{
	if (partition % core->config.shard_count != core->config.shard)
		return false;
	struct row row = cluster_map_row(core->map, partition);
	return !row.move && row_position(&row, core->self) >= 0 && row_position(&row, node) >= 0;
}

bool roots_sum(struct node_core *core, node_id node, uint32_t shard, uint32_t shards, uint64_t *ret)
{
	uint64_t sum = 0;
	bool any = false;
	KV_ASSERT(shards > 0);
	for (uint32_t p = core->config.shard; p < core->map->desc.partitions; p += core->config.shard_count) {
		uint16_t partition = (uint16_t)p;
		if (p % shards != shard || !roots_share(core, partition, node))
			continue;
		if (!tree_is_ready(core, partition))
			return false;
		uint64_t epoch = cluster_map_row(core->map, partition).config_epoch;
		sum = hash_u64(sum ^ hash_u64(p + 1) ^ epoch) ^ hash_u64(tree_root(core, partition));
		any = true;
	}
	*ret = sum;
	return any;
}

/** All partitions at once: an empty reply says that they are equal, the root sent back that they are not. */
static void sum_asked(struct node_core *core, node_id from, const struct msg *m)
{
	const struct tree_root *asked = &m->tree.roots[0];
	uint32_t shards = core->detector.peers[from].shards;
	uint64_t sum;
	bool equal = shards > 0 && m->shard < shards && roots_sum(core, from, m->shard, shards, &sum) &&
		     sum == asked->hash;
	struct msg reply = reply_to(core, m);
	reply.tree.root_count = !equal;
	reply.tree.roots = asked;
	if (equal)
		repair_note_all_equal(core, from, m->shard, shards);
	send_durable(core, from, &reply, NULL);
}

/** The own root for each that is another, with epoch 0 where the two cannot be compared. */
static void roots_asked(struct node_core *core, node_id from, const struct msg *m)
{
	struct tree_root *roots = actions_alloc(core->out, MAX(m->tree.root_count, 1u) * sizeof roots[0]);
	struct msg reply = reply_to(core, m);
	reply.tree.roots = roots;
	for (uint32_t i = 0; i < m->tree.root_count; i++) {
		const struct tree_root *asked = &m->tree.roots[i];
		struct tree_root own = {.partition = asked->partition};
		bool shared = asked->partition < core->map->desc.partitions &&
			      roots_share(core, asked->partition, from) && tree_is_ready(core, asked->partition);
		if (shared) {
			own.config_epoch = cluster_map_row(core->map, asked->partition).config_epoch;
			own.hash = tree_root(core, asked->partition);
		}
		if (shared && own.config_epoch == asked->config_epoch && own.hash == asked->hash)
			repair_note_equal(core, asked->partition, from, core->now.mono_us);
		else
			roots[reply.tree.root_count++] = own;
	}
	send_durable(core, from, &reply, NULL);
}

void tree_asked(struct node_core *core, node_id from, const struct msg *m)
{
	if (m->opcode == OP_TREE_ROOTS) {
		if (m->tree.root_count == 1 && m->tree.roots[0].config_epoch == 0)
			sum_asked(core, from, m);
		else if (m->tree.root_count > 0)
			roots_asked(core, from, m);
		return;
	}
	enum kv_status status = judge(core, from, m);
	if (status != KV_OK)
		refuse(core, from, m, status);
	else if (m->opcode == OP_TREE_LEAVES)
		leaves_asked(core, from, m);
	else
		keys_asked(core, from, m);
}
