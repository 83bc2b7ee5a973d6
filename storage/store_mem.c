/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/store_mem.h"

#include <pthread.h>

#include "storage/omap.h"

/** All tables at one moment. Copies share their rows. */
struct state {
	struct omap tables[STORE_TABLE_COUNT];
};

struct store_mem {
	struct store store;    /* first: struct store is what callers hold */
	pthread_mutex_t mutex; /* guards all below, and the node counts of every shared map */
	struct rng dice;
	struct state live;     /* what reads see */
	struct state durable;  /* what the worst crash leaves */
	struct state *pending; /* after each batch that is not durable yet, oldest first */
	size_t pending_count;
	size_t pending_capacity;
	size_t scans_open;
	enum kv_status failed; /* KV_OK, or the fault that happened */
	bool fail_write;
	bool fail_sync;
	enum kv_status fail_read;
	uint32_t cold_per_million;
	struct store_stats stats;
};

struct store_scan {
	struct store_mem *m;
	struct omap rows;  /* the table as of open */
	struct slice from; /* the last row's key, borrowed from rows; at first the range's start, in bounds */
	struct slice end;  /* in bounds */
	bool started;
	uint8_t bounds[];
};

static const struct store_class store_mem_class;

static struct store_mem *store_mem_of(struct store *s)
{
	KV_ASSERT(s);
	KV_ASSERT(s->class == &store_mem_class);
	return container_of(s, struct store_mem, store);
}

static struct store_mem *store_mem_lock(struct store *s)
{
	struct store_mem *m = store_mem_of(s);
	int error = pthread_mutex_lock(&m->mutex);
	KV_ASSERT(error == 0);
	return m;
}

static void store_mem_unlock(struct store_mem *m)
{
	int error = pthread_mutex_unlock(&m->mutex);
	KV_ASSERT(error == 0);
}

static void state_copy(const struct state *from, struct state *ret)
{
	for (size_t i = 0; i < STORE_TABLE_COUNT; i++)
		omap_copy(&from->tables[i], &ret->tables[i]);
}

static void state_release(struct state *state)
{
	for (size_t i = 0; i < STORE_TABLE_COUNT; i++)
		omap_release(&state->tables[i]);
}

/** Replaces *TO, whose hold is dropped, by a copy of *FROM. */
static void state_assign(struct state *to, const struct state *from)
{
	struct state copy;
	state_copy(from, &copy);
	state_release(to);
	*to = copy;
}

static void pending_clear(struct store_mem *m)
{
	for (size_t i = 0; i < m->pending_count; i++)
		state_release(&m->pending[i]);
	m->pending_count = 0;
}

static void pending_push(struct store_mem *m)
{
	if (m->pending_count == m->pending_capacity) {
		m->pending_capacity = MAX(m->pending_capacity * 2, (size_t)16);
		m->pending = xrealloc(m->pending, m->pending_capacity * sizeof *m->pending);
	}
	state_copy(&m->live, &m->pending[m->pending_count++]);
}

/** Makes all that is visible durable, or meets the planned fault. */
static enum kv_status sync_locked(struct store_mem *m)
{
	KV_ASSERT(m->failed == KV_OK);
	if (m->fail_sync) {
		m->fail_sync = false;
		m->failed = KV_IO;
		return KV_IO;
	}
	pending_clear(m);
	state_assign(&m->durable, &m->live);
	return KV_OK;
}

static void apply(struct store_mem *m, const struct store_op *op)
{
	KV_ASSERT(op->table < STORE_TABLE_COUNT);
	KV_ASSERT(op->key.size > 0);
	struct omap *table = &m->live.tables[op->table];
	if (op->remove)
		(void)omap_remove(table, op->key);
	else
		omap_set(table, op->key, op->value);
}

/** Common start of both kinds of change: false with *RET_STATUS set if a fault is in the way. */
static bool may_write(struct store_mem *m, enum kv_status *ret_status)
{
	if (m->failed == KV_OK && m->fail_write) {
		m->fail_write = false;
		m->failed = KV_IO;
	}
	*ret_status = m->failed;
	return m->failed == KV_OK;
}

static enum kv_status store_mem_write(struct store *s, const struct store_op *ops, size_t count, bool sync)
{
	struct store_mem *m = store_mem_lock(s);
	enum kv_status status;
	if (may_write(m, &status)) {
		m->stats.batches++;
		m->stats.ops += count;
		for (size_t i = 0; i < count; i++)
			apply(m, &ops[i]);
		if (count > 0)
			pending_push(m);
		if (sync) {
			m->stats.syncs++;
			status = sync_locked(m);
		}
	}
	store_mem_unlock(m);
	return status;
}

static enum kv_status store_mem_remove_range(struct store *s, enum store_table table, struct slice first,
					     struct slice end)
{
	KV_ASSERT(table < STORE_TABLE_COUNT);
	struct store_mem *m = store_mem_lock(s);
	enum kv_status status;
	if (may_write(m, &status)) {
		(void)omap_remove_range(&m->live.tables[table], first, end);
		pending_push(m);
		status = sync_locked(m);
	}
	store_mem_unlock(m);
	return status;
}

/** Meets the planned read fault, if any. */
static enum kv_status read_status(struct store_mem *m)
{
	if (m->failed == KV_OK && m->fail_read != KV_OK) {
		m->failed = m->fail_read;
		m->fail_read = KV_OK;
	}
	return m->failed;
}

static enum kv_status get_locked(struct store_mem *m, enum store_table table, struct slice key, bool cache_only,
				 struct buf *ret)
{
	m->stats.reads++;
	if (cache_only) {
		if (m->failed != KV_OK)
			return m->failed;
		if (m->cold_per_million > 0 && rng_chance(&m->dice, m->cold_per_million)) {
			m->stats.reads_again++;
			return KV_AGAIN;
		}
	} else if (read_status(m) != KV_OK) {
		return m->failed;
	}
	struct slice value;
	if (!omap_get(&m->live.tables[table], key, &value))
		return KV_NOT_FOUND;
	buf_append_slice(ret, value);
	return KV_OK;
}

static enum kv_status store_mem_get(struct store *s, enum store_table table, struct slice key, bool cache_only,
				    struct buf *ret)
{
	KV_ASSERT(table < STORE_TABLE_COUNT);
	KV_ASSERT(key.size > 0);
	struct store_mem *m = store_mem_lock(s);
	enum kv_status status = get_locked(m, table, key, cache_only, ret);
	store_mem_unlock(m);
	return status;
}

static enum kv_status store_mem_look(struct store *s, enum store_table table, struct slice key, struct buf *ret)
{
	return store_mem_get(s, table, key, /* cache_only: */ false, ret);
}

static enum kv_status store_mem_scan_open(struct store *s, enum store_table table, struct slice first,
					  struct slice end, struct store_scan **ret)
{
	KV_ASSERT(table < STORE_TABLE_COUNT);
	struct store_mem *m = store_mem_lock(s);
	enum kv_status status = read_status(m);
	if (status == KV_OK) {
		struct store_scan *scan = xmalloc(sizeof *scan + first.size + end.size);
		*scan = (struct store_scan){.m = m};
		scan->from = slice_of(scan->bounds, first.size);
		scan->end = slice_of(scan->bounds + first.size, end.size);
		if (first.size > 0)
			memcpy(scan->bounds, first.data, first.size);
		if (end.size > 0)
			memcpy(scan->bounds + first.size, end.data, end.size);
		omap_copy(&m->live.tables[table], &scan->rows);
		m->scans_open++;
		*ret = scan;
	}
	store_mem_unlock(m);
	return status;
}

/* No lock: a copy's nodes never change, and the row's bytes live as long as the copy. */
static bool store_mem_scan_next(struct store_scan *scan, struct store_row *ret, enum kv_status *ret_status)
{
	struct omap_row row;
	*ret_status = KV_OK;
	if (!omap_seek(&scan->rows, scan->from, /* after= */ scan->started, &row))
		return false;
	if (scan->end.size > 0 && slice_compare(row.key, scan->end) >= 0)
		return false;
	scan->started = true;
	scan->from = row.key;
	*ret = (struct store_row){.key = row.key, .value = row.value};
	return true;
}

static void store_mem_scan_close(struct store_scan *scan)
{
	struct store_mem *m = store_mem_lock(&scan->m->store);
	KV_ASSERT(m->scans_open > 0);
	m->scans_open--;
	omap_release(&scan->rows);
	store_mem_unlock(m);
	free(scan);
}

static void store_mem_stats(struct store *s, struct store_stats *ret)
{
	struct store_mem *m = store_mem_lock(s);
	*ret = m->stats;
	for (size_t i = 0; i < STORE_TABLE_COUNT; i++)
		ret->bytes_live += m->live.tables[i].size;
	ret->write_stopped = m->failed != KV_OK;
	store_mem_unlock(m);
}

static void store_mem_close(struct store *s)
{
	struct store_mem *m = store_mem_of(s);
	KV_ASSERT(m->scans_open == 0);
	pending_clear(m);
	free(m->pending);
	state_release(&m->live);
	state_release(&m->durable);
	int error = pthread_mutex_destroy(&m->mutex);
	KV_ASSERT(error == 0);
	free(m);
}

static const struct store_class store_mem_class = {
	.write = store_mem_write,
	.get = store_mem_get,
	.look = store_mem_look,
	.scan_open = store_mem_scan_open,
	.scan_next = store_mem_scan_next,
	.scan_close = store_mem_scan_close,
	.remove_range = store_mem_remove_range,
	.stats = store_mem_stats,
	.close = store_mem_close,
};

struct store *store_mem_new(uint64_t seed)
{
	struct store_mem *m = xcalloc(1, sizeof *m);
	m->store.class = &store_mem_class;
	int error = pthread_mutex_init(&m->mutex, NULL);
	KV_ASSERT(error == 0);
	rng_init(&m->dice, seed);
	for (size_t i = 0; i < STORE_TABLE_COUNT; i++)
		omap_init(&m->live.tables[i], rng_next(&m->dice));
	state_copy(&m->live, &m->durable);
	return &m->store;
}

enum kv_status store_mem_sync(struct store *s)
{
	struct store_mem *m = store_mem_lock(s);
	enum kv_status status = m->failed;
	if (status == KV_OK) {
		m->stats.syncs++;
		status = sync_locked(m);
	}
	store_mem_unlock(m);
	return status;
}

size_t store_mem_pending(struct store *s)
{
	struct store_mem *m = store_mem_lock(s);
	size_t count = m->pending_count;
	store_mem_unlock(m);
	return count;
}

size_t store_mem_crash(struct store *s, struct rng *rng)
{
	struct store_mem *m = store_mem_lock(s);
	KV_ASSERT(m->scans_open == 0);
	size_t kept = rng ? (size_t)rng_between(rng, 0, m->pending_count) : 0;
	size_t lost = m->pending_count - kept;
	if (kept > 0)
		state_assign(&m->durable, &m->pending[kept - 1]);
	pending_clear(m);
	state_assign(&m->live, &m->durable);
	m->failed = KV_OK;
	m->fail_write = false;
	m->fail_sync = false;
	m->fail_read = KV_OK;
	store_mem_unlock(m);
	return lost;
}

void store_mem_fail_next_write(struct store *s)
{
	struct store_mem *m = store_mem_lock(s);
	m->fail_write = true;
	store_mem_unlock(m);
}

void store_mem_fail_next_sync(struct store *s)
{
	struct store_mem *m = store_mem_lock(s);
	m->fail_sync = true;
	store_mem_unlock(m);
}

void store_mem_fail_next_read(struct store *s, enum kv_status status)
{
	KV_ASSERT(status == KV_OK || status == KV_IO || status == KV_CORRUPT);
	struct store_mem *m = store_mem_lock(s);
	m->fail_read = status;
	store_mem_unlock(m);
}

void store_mem_set_cold(struct store *s, uint32_t per_million)
{
	KV_ASSERT(per_million <= 1000000);
	struct store_mem *m = store_mem_lock(s);
	m->cold_per_million = per_million;
	store_mem_unlock(m);
}

size_t store_mem_count(struct store *s, enum store_table table)
{
	KV_ASSERT(table < STORE_TABLE_COUNT);
	struct store_mem *m = store_mem_lock(s);
	size_t count = m->live.tables[table].count;
	store_mem_unlock(m);
	return count;
}

void store_mem_foreach(struct store *s, enum store_table table,
		       bool (*fn)(void *arg, struct slice key, struct slice value), void *arg)
{
	KV_ASSERT(table < STORE_TABLE_COUNT);
	struct store_mem *m = store_mem_lock(s);
	omap_foreach(&m->live.tables[table], fn, arg);
	store_mem_unlock(m);
}
