/* SPDX-License-Identifier: Apache-2.0 */
#include "server/lives.h"

#include "base/bytes.h"
#include "storage/keyspace.h"

void lives_init(struct lives *l) { *l = (struct lives){.mutex = PTHREAD_MUTEX_INITIALIZER}; }

static uint64_t start_of(const struct life *life)
{
	return atomic_load_explicit(&life->start, memory_order_relaxed);
}

static usec_t silence_us(const struct life *life, usec_t now_us)
{
	usec_t heard_us = atomic_load_explicit(&life->heard_us, memory_order_relaxed);
	return now_us > heard_us ? now_us - heard_us : 0;
}

static void note_heard(struct life *life, usec_t now_us)
{
	atomic_store_explicit(&life->heard_us, now_us, memory_order_relaxed);
}

enum kv_status lives_judge(struct lives *l, node_id node, const struct msg_hello *hello, usec_t now_us,
			   struct error *err)
{
	KV_ASSERT(node < NODES_MAX);
	struct life *life = &l->nodes[node];
	pthread_mutex_lock(&l->mutex);
	uint64_t start = hello->incarnation, known = start_of(life);
	bool other = start == known && life->nonce != 0 && life->nonce != hello->boot_nonce;
	bool alive = life->open > 0 && silence_us(life, now_us) < LIFE_HEARD_US;
	pthread_mutex_unlock(&l->mutex);
	if (start < known)
		return error_set(
			err, KV_IDENTITY,
			"this node was seen in start %llu, this is start %llu: an older or copied data directory",
			(unsigned long long)known, (unsigned long long)start);
	if (other)
		return error_set(
			err, KV_IDENTITY,
			"another process was let in as start %llu of this node: a copied data directory, or an older one",
			(unsigned long long)start);
	if (start > known && alive)
		return error_set(
			err, KV_NOT_READY,
			"start %llu of this node is still connected here and this is start %llu: stop the other process, "
			"or this one if its data directory is a copy",
			(unsigned long long)known, (unsigned long long)start);
	return KV_OK;
}

bool lives_enter(struct lives *l, node_id node, const struct msg_hello *hello, usec_t now_us)
{
	KV_ASSERT(node < NODES_MAX);
	struct life *life = &l->nodes[node];
	pthread_mutex_lock(&l->mutex);
	uint64_t start = hello->incarnation;
	bool later = start > start_of(life);
	bool named = start == start_of(life) && life->nonce == 0 && hello->boot_nonce != 0;
	if (later) {
		atomic_store_explicit(&life->start, start, memory_order_relaxed);
		life->open = 0; /* connections of earlier ones end with their next message */
	}
	if (later || named)
		life->nonce = hello->boot_nonce;
	life->open += start == start_of(life);
	note_heard(life, now_us);
	pthread_mutex_unlock(&l->mutex);
	return later || named;
}

void lives_leave(struct lives *l, node_id node, uint64_t start)
{
	KV_ASSERT(node < NODES_MAX);
	struct life *life = &l->nodes[node];
	pthread_mutex_lock(&l->mutex);
	if (start == start_of(life)) {
		KV_ASSERT(life->open > 0);
		life->open--;
	}
	pthread_mutex_unlock(&l->mutex);
}

bool lives_hear(struct lives *l, node_id node, uint64_t start, usec_t now_us)
{
	KV_ASSERT(node < NODES_MAX);
	struct life *life = &l->nodes[node];
	if (start < start_of(life))
		return false;
	note_heard(life, now_us);
	return true;
}

/* ---- on disk ---- */

enum { ENTRY_SIZE = 16, ROW_SIZE = NODES_MAX * ENTRY_SIZE };

enum kv_status lives_load(struct lives *l, struct store *store, struct error *err)
{
	CLEANUP(buf_release) struct buf row = BUF_INIT;
	enum kv_status status = store_get(store, STORE_META, slice_str(META_LIVES), /* cache_only: */ false, &row);
	if (status == KV_NOT_FOUND)
		return KV_OK;
	if (status != KV_OK)
		return error_set(err, status, "the starts of other nodes cannot be read");
	if (row.size % ENTRY_SIZE != 0 || row.size > ROW_SIZE)
		return error_set(err, KV_CORRUPT, "the starts of other nodes are damaged; replace this node");
	for (size_t i = 0; i < row.size / ENTRY_SIZE; i++) {
		const uint8_t *entry = (const uint8_t *)row.data + ENTRY_SIZE * i;
		atomic_store_explicit(&l->nodes[i].start, load_le64(entry), memory_order_relaxed);
		l->nodes[i].nonce = load_le64(entry + 8);
	}
	return KV_OK;
}

struct save {
	struct commit_write write;
	struct store_op op;
	uint8_t row[ROW_SIZE];
};

static void saved(struct loop_item *item, bool live)
{
	(void)live;
	free(container_of(item, struct save, write.done));
}

void lives_save(struct lives *l, struct commit *commit, struct loop *loop)
{
	struct save *save = xcalloc(1, sizeof *save);
	/* Under the mutex up to the queue: of two saves the later one has all that the earlier one had. */
	pthread_mutex_lock(&l->mutex);
	for (size_t i = 0; i < NODES_MAX; i++) {
		store_le64(save->row + ENTRY_SIZE * i, start_of(&l->nodes[i]));
		store_le64(save->row + ENTRY_SIZE * i + 8, l->nodes[i].nonce);
	}
	save->op = (struct store_op){
		.table = STORE_META, .key = slice_str(META_LIVES), .value = slice_of(save->row, sizeof save->row)};
	save->write = (struct commit_write){.done.run = saved, .owner = loop, .ops = &save->op, .count = 1};
	commit_submit(commit, &save->write);
	pthread_mutex_unlock(&l->mutex);
}
