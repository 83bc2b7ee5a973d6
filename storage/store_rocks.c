/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/store_rocks.h"

#include <pthread.h>
#include <stdatomic.h>

#include "storage/rocks_dir.h"
#include "storage/rocks_options.h"

/* The column family "default" holds this one row, for the test at start-up. */
#define PROBE_KEY   "probe"
#define PROBE_VALUE "a value that a read from memory alone must not shorten"

struct store_rocks {
	struct store store; /* first: struct store is what callers hold */
	rocksdb_t *db;
	rocksdb_column_family_handle_t *probe; /* column family "default" */
	rocksdb_column_family_handle_t *tables[STORE_TABLE_COUNT];
	rocksdb_writeoptions_t *write_synced;
	rocksdb_writeoptions_t *write_unsynced;
	rocksdb_readoptions_t *read_any;
	rocksdb_readoptions_t *read_cached;

	_Atomic uint64_t batches, syncs, ops, reads, reads_again;
	_Atomic uint64_t scans_open;

	_Atomic int failed; /* enum kv_status of failure, KV_OK before */
	pthread_mutex_t failure_mutex;
	struct error failure; /* guarded by failure_mutex */
};

struct store_scan {
	struct store_rocks *r;
	rocksdb_readoptions_t *options; /* lives as long as the iterator, which points into it */
	rocksdb_iterator_t *iterator;
	bool started;
	bool ended;
	uint8_t end[]; /* the bound's bytes; RocksDB keeps the pointer */
};

static const struct store_class store_rocks_class;

static struct store_rocks *store_rocks_of(struct store *s)
{
	KV_ASSERT(s);
	KV_ASSERT(s->class == &store_rocks_class);
	return container_of(s, struct store_rocks, store);
}

/**
 * RocksDB counts each comparison of keys, in memory of the thread's own that takes a call to find. Nobody reads these
 * counters: they are off for each thread that reads or writes here.
 */
static void stop_counting(void)
{
	static _Thread_local bool stopped;
	if (!stopped)
		rocksdb_set_perf_level(rocksdb_disable);
	stopped = true;
}

static void count(_Atomic uint64_t *counter, uint64_t add)
{
	atomic_fetch_add_explicit(counter, add, memory_order_relaxed);
}

static bool starts_with(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

/* RocksDB's C API tells errors apart by their text alone. */
static enum kv_status status_of(const char *message)
{
	if (starts_with(message, "Corruption"))
		return KV_CORRUPT;
	if (starts_with(message, "Result incomplete"))
		return KV_AGAIN;
	return KV_IO;
}

/** Takes MESSAGE, keeps it if it is the first, and returns the status. From here on every call fails. */
static enum kv_status store_rocks_fail(struct store_rocks *r, const char *what, char *message)
{
	KV_ASSERT(message);
	enum kv_status status = status_of(message) == KV_CORRUPT ? KV_CORRUPT : KV_IO;
	int error = pthread_mutex_lock(&r->failure_mutex);
	KV_ASSERT(error == 0);
	if (r->failure.status == KV_OK) {
		error_set(&r->failure, status, "%s: %s", what, message);
		atomic_store(&r->failed, (int)status);
	}
	error = pthread_mutex_unlock(&r->failure_mutex);
	KV_ASSERT(error == 0);
	rocksdb_free(message);
	return status;
}

static enum kv_status store_rocks_failed(struct store_rocks *r)
{
	return (enum kv_status)atomic_load_explicit(&r->failed, memory_order_relaxed);
}

bool store_rocks_failure(struct store *s, struct error *ret)
{
	struct store_rocks *r = store_rocks_of(s);
	int error = pthread_mutex_lock(&r->failure_mutex);
	KV_ASSERT(error == 0);
	bool any = r->failure.status != KV_OK;
	if (any)
		*ret = r->failure;
	error = pthread_mutex_unlock(&r->failure_mutex);
	KV_ASSERT(error == 0);
	return any;
}

static void batch_add(struct store_rocks *r, rocksdb_writebatch_t *batch, const struct store_op *op)
{
	KV_ASSERT(op->table < STORE_TABLE_COUNT);
	KV_ASSERT(op->key.size > 0);
	const char *key = (const char *)op->key.data;
	if (op->remove)
		rocksdb_writebatch_delete_cf(batch, r->tables[op->table], key, op->key.size);
	else
		rocksdb_writebatch_put_cf(batch, r->tables[op->table], key, op->key.size,
					  op->value.size > 0 ? (const char *)op->value.data : "", op->value.size);
}

/** Writes BATCH and frees it. An error is never retried: the kernel forgets pages whose sync failed. */
static enum kv_status batch_write(struct store_rocks *r, rocksdb_writebatch_t *batch, bool sync)
{
	char *message = NULL;
	rocksdb_write(r->db, sync ? r->write_synced : r->write_unsynced, batch, &message);
	rocksdb_writebatch_destroy(batch);
	return message ? store_rocks_fail(r, "write", message) : KV_OK;
}

static enum kv_status store_rocks_write(struct store *s, const struct store_op *ops, size_t ops_count, bool sync)
{
	struct store_rocks *r = store_rocks_of(s);
	if (store_rocks_failed(r) != KV_OK)
		return store_rocks_failed(r);
	stop_counting();
	count(&r->batches, 1);
	count(&r->syncs, sync);
	count(&r->ops, ops_count);
	if (ops_count > 0) {
		rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
		for (size_t i = 0; i < ops_count; i++)
			batch_add(r, batch, &ops[i]);
		return batch_write(r, batch, sync);
	}
	char *message = NULL;
	if (sync)
		rocksdb_flush_wal(r->db, /* sync= */ 1, &message);
	return message ? store_rocks_fail(r, "sync", message) : KV_OK;
}

/** Takes PINNED over. */
static enum kv_status take_pinned(rocksdb_pinnableslice_t *pinned, struct buf *ret)
{
	if (!pinned)
		return KV_NOT_FOUND;
	size_t size;
	const char *value = rocksdb_pinnableslice_value(pinned, &size);
	buf_append(ret, value, size);
	rocksdb_pinnableslice_destroy(pinned);
	return KV_OK;
}

static enum kv_status store_rocks_get(struct store *s, enum store_table table, struct slice key, bool cache_only,
				      struct buf *ret)
{
	struct store_rocks *r = store_rocks_of(s);
	KV_ASSERT(table < STORE_TABLE_COUNT);
	KV_ASSERT(key.size > 0);
	if (store_rocks_failed(r) != KV_OK)
		return store_rocks_failed(r);
	stop_counting();
	count(&r->reads, 1);
	char *message = NULL;
	rocksdb_pinnableslice_t *pinned =
		rocksdb_get_pinned_cf(r->db, cache_only ? r->read_cached : r->read_any, r->tables[table],
				      (const char *)key.data, key.size, &message);
	if (message) {
		KV_ASSERT(!pinned);
		if (!cache_only || status_of(message) != KV_AGAIN)
			return store_rocks_fail(r, "read", message);
		count(&r->reads_again, 1);
		rocksdb_free(message);
		return KV_AGAIN;
	}
	return take_pinned(pinned, ret);
}

/** No failure of the store: it is told, and whoever needs the key finds out for himself. */
static enum kv_status store_rocks_look(struct store *s, enum store_table table, struct slice key, struct buf *ret)
{
	struct store_rocks *r = store_rocks_of(s);
	KV_ASSERT(table < STORE_TABLE_COUNT);
	KV_ASSERT(key.size > 0);
	stop_counting();
	count(&r->reads, 1);
	char *message = NULL;
	rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned_cf(r->db, r->read_any, r->tables[table],
								(const char *)key.data, key.size, &message);
	if (!message)
		return take_pinned(pinned, ret);
	KV_ASSERT(!pinned);
	enum kv_status status = status_of(message) == KV_CORRUPT ? KV_CORRUPT : KV_IO;
	rocksdb_free(message);
	return status;
}

static rocksdb_readoptions_t *scan_options(struct slice end)
{
	rocksdb_readoptions_t *options = rocksdb_readoptions_create();
	rocksdb_readoptions_set_total_order_seek(options, 1);
	/* A scan reads each block once: it should not push out those that gets need. */
	rocksdb_readoptions_set_fill_cache(options, 0);
	rocksdb_readoptions_set_background_purge_on_iterator_cleanup(options, 1);
	if (end.size > 0)
		rocksdb_readoptions_set_iterate_upper_bound(options, (const char *)end.data, end.size);
	return options;
}

static enum kv_status store_rocks_scan_open(struct store *s, enum store_table table, struct slice first,
					    struct slice end, struct store_scan **ret)
{
	struct store_rocks *r = store_rocks_of(s);
	KV_ASSERT(table < STORE_TABLE_COUNT);
	if (store_rocks_failed(r) != KV_OK)
		return store_rocks_failed(r);
	stop_counting();
	struct store_scan *scan = xmalloc(sizeof *scan + end.size);
	*scan = (struct store_scan){.r = r};
	if (end.size > 0)
		memcpy(scan->end, end.data, end.size);
	scan->options = scan_options(slice_of(scan->end, end.size));
	scan->iterator = rocksdb_create_iterator_cf(r->db, scan->options, r->tables[table]);
	count(&r->scans_open, 1);
	if (end.size > 0 && slice_compare(first, end) >= 0)
		scan->ended = true;
	else
		rocksdb_iter_seek(scan->iterator, first.size > 0 ? (const char *)first.data : "", first.size);
	*ret = scan;
	return KV_OK;
}

static bool store_rocks_scan_next(struct store_scan *scan, struct store_row *ret, enum kv_status *ret_status)
{
	*ret_status = store_rocks_failed(scan->r);
	if (*ret_status != KV_OK || scan->ended)
		return false;
	if (scan->started)
		rocksdb_iter_next(scan->iterator);
	scan->started = true;
	if (!rocksdb_iter_valid(scan->iterator)) {
		scan->ended = true;
		char *message = NULL;
		rocksdb_iter_get_error(scan->iterator, &message);
		if (message)
			*ret_status = store_rocks_fail(scan->r, "scan", message);
		return false;
	}
	size_t key_size, value_size;
	const char *key = rocksdb_iter_key(scan->iterator, &key_size);
	const char *value = rocksdb_iter_value(scan->iterator, &value_size);
	*ret = (struct store_row){.key = slice_of(key, key_size), .value = slice_of(value, value_size)};
	return true;
}

static void store_rocks_scan_close(struct store_scan *scan)
{
	rocksdb_iter_destroy(scan->iterator);
	rocksdb_readoptions_destroy(scan->options);
	uint64_t before = atomic_fetch_sub_explicit(&scan->r->scans_open, 1, memory_order_relaxed);
	KV_ASSERT(before > 0);
	free(scan);
}

/** Sets RET to the last key of a table; KV_NOT_FOUND if it is empty. */
static enum kv_status last_key(struct store_rocks *r, enum store_table table, struct buf *ret)
{
	rocksdb_readoptions_t *options = scan_options((struct slice){0});
	rocksdb_iterator_t *iterator = rocksdb_create_iterator_cf(r->db, options, r->tables[table]);
	rocksdb_iter_seek_to_last(iterator);
	enum kv_status status = KV_OK;
	if (rocksdb_iter_valid(iterator)) {
		size_t size;
		const char *key = rocksdb_iter_key(iterator, &size);
		buf_append(ret, key, size);
	} else {
		char *message = NULL;
		rocksdb_iter_get_error(iterator, &message);
		status = message ? store_rocks_fail(r, "scan", message) : KV_NOT_FOUND;
	}
	rocksdb_iter_destroy(iterator);
	rocksdb_readoptions_destroy(options);
	return status;
}

/*
 * One range tombstone. Compaction frees the space as it meets it. Deleting whole table files first would free it at
 * once, but a crash before the tombstone is written could bring back older values from the files that stay.
 */
static enum kv_status store_rocks_remove_range(struct store *s, enum store_table table, struct slice first,
					       struct slice end)
{
	struct store_rocks *r = store_rocks_of(s);
	KV_ASSERT(table < STORE_TABLE_COUNT);
	if (store_rocks_failed(r) != KV_OK)
		return store_rocks_failed(r);
	CLEANUP(buf_release) struct buf last = BUF_INIT;
	bool to_table_end = end.size == 0;
	if (to_table_end) {
		/* A tombstone needs an end: the last key, which goes by itself. */
		enum kv_status status = last_key(r, table, &last);
		if (status != KV_OK)
			return status == KV_NOT_FOUND ? KV_OK : status;
		end = buf_slice(&last);
	}
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	int order = slice_compare(first, end);
	if (order < 0)
		rocksdb_writebatch_delete_range_cf(batch, r->tables[table],
						   first.size > 0 ? (const char *)first.data : "", first.size,
						   (const char *)end.data, end.size);
	if (order <= 0 && to_table_end)
		rocksdb_writebatch_delete_cf(batch, r->tables[table], (const char *)end.data, end.size);
	if (rocksdb_writebatch_count(batch) == 0) {
		rocksdb_writebatch_destroy(batch);
		return KV_OK;
	}
	return batch_write(r, batch, /* sync= */ true);
}

static void store_rocks_stats(struct store *s, struct store_stats *ret)
{
	struct store_rocks *r = store_rocks_of(s);
	*ret = (struct store_stats){
		.batches = atomic_load_explicit(&r->batches, memory_order_relaxed),
		.syncs = atomic_load_explicit(&r->syncs, memory_order_relaxed),
		.ops = atomic_load_explicit(&r->ops, memory_order_relaxed),
		.reads = atomic_load_explicit(&r->reads, memory_order_relaxed),
		.reads_again = atomic_load_explicit(&r->reads_again, memory_order_relaxed),
	};
	static const char *const sizes[] = {"rocksdb.estimate-live-data-size", "rocksdb.cur-size-all-mem-tables"};
	for (size_t table = 0; table < STORE_TABLE_COUNT; table++) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			uint64_t size;
			if (rocksdb_property_int_cf(r->db, r->tables[table], sizes[i], &size) == 0)
				ret->bytes_live += size;
		}
	}
	uint64_t stopped;
	if (rocksdb_property_int(r->db, "rocksdb.is-write-stopped", &stopped) == 0)
		ret->write_stopped = stopped != 0;
	ret->write_stopped |= store_rocks_failed(r) != KV_OK;
}

/** Frees what there is, of a half-opened store as well. */
static void store_rocks_free(struct store_rocks *r)
{
	if (r->db)
		rocksdb_cancel_all_background_work(r->db, /* wait= */ 1);
	for (size_t i = 0; i < STORE_TABLE_COUNT; i++)
		if (r->tables[i])
			rocksdb_column_family_handle_destroy(r->tables[i]);
	if (r->probe)
		rocksdb_column_family_handle_destroy(r->probe);
	if (r->db)
		rocksdb_close(r->db);
	rocksdb_writeoptions_destroy(r->write_synced);
	rocksdb_writeoptions_destroy(r->write_unsynced);
	rocksdb_readoptions_destroy(r->read_any);
	rocksdb_readoptions_destroy(r->read_cached);
	int error = pthread_mutex_destroy(&r->failure_mutex);
	KV_ASSERT(error == 0);
	free(r);
}

static void store_rocks_close(struct store *s)
{
	struct store_rocks *r = store_rocks_of(s);
	KV_ASSERT(atomic_load(&r->scans_open) == 0);
	if (store_rocks_failed(r) == KV_OK) {
		/* Nobody was promised the unsynced tail, so an error here takes nothing from anyone. */
		char *message = NULL;
		rocksdb_flush_wal(r->db, /* sync= */ 1, &message);
		rocksdb_free(message);
	}
	store_rocks_free(r);
}

static const struct store_class store_rocks_class = {
	.write = store_rocks_write,
	.get = store_rocks_get,
	.look = store_rocks_look,
	.scan_open = store_rocks_scan_open,
	.scan_next = store_rocks_scan_next,
	.scan_close = store_rocks_scan_close,
	.remove_range = store_rocks_remove_range,
	.stats = store_rocks_stats,
	.close = store_rocks_close,
};

static struct store_rocks *store_rocks_alloc(void)
{
	struct store_rocks *r = xcalloc(1, sizeof *r);
	r->store.class = &store_rocks_class;
	int error = pthread_mutex_init(&r->failure_mutex, NULL);
	KV_ASSERT(error == 0);
	r->write_synced = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(r->write_synced, 1);
	r->write_unsynced = rocksdb_writeoptions_create();
	r->read_any = rocksdb_readoptions_create();
	r->read_cached = rocksdb_readoptions_create();
	rocksdb_readoptions_set_read_tier(r->read_cached, 1); /* kBlockCacheTier */
	return r;
}

/** Says what a failure to open means and frees RocksDB's text. */
static enum kv_status open_error(const char *path, char *message, struct error *err)
{
	enum kv_status status = status_of(message);
	if (strstr(message, "While lock file") || strstr(message, "lock hold by current process"))
		status = error_set(err, KV_REFUSED,
				   "the store in %s is open in another process: stop that one first", path);
	else if (strstr(message, "Column families not opened"))
		status = error_set(err, KV_VERSION, "the store in %s was written by a newer version (%.80s)", path,
				   message);
	else if (status == KV_CORRUPT || strstr(message, "No such file"))
		status = error_set(err, KV_CORRUPT,
				   "the store in %.60s is damaged and was left as it is (%.60s): "
				   "replace this node by an empty one, which copies from the others",
				   path, message);
	else
		status = error_set(err, KV_IO, "cannot open the store in %s: %s", path, message);
	rocksdb_free(message);
	return status;
}

static enum kv_status database_open(struct store_rocks *r, const struct rocks_config *config, struct error *err)
{
	enum { DEFAULT = STORE_TABLE_COUNT, COUNT };
	struct rocks_options options;
	rocks_options_init(&options, config);
	const char *names[COUNT] = {[DEFAULT] = "default"};
	const rocksdb_options_t *each[COUNT] = {[DEFAULT] = options.db};
	for (size_t i = 0; i < STORE_TABLE_COUNT; i++) {
		names[i] = rocks_table_name((enum store_table)i);
		each[i] = options.tables[i];
	}
	rocksdb_column_family_handle_t *handles[COUNT] = {0};
	char *message = NULL;
	r->db = rocksdb_open_column_families(options.db, config->path, COUNT, names, each, handles, &message);
	rocks_options_release(&options);
	if (message)
		return open_error(config->path, message, err);
	memcpy(r->tables, handles, sizeof r->tables);
	r->probe = handles[DEFAULT];
	return KV_OK;
}

/** Reads the probe: KV_OK if it is as written, KV_INTERNAL if it is not, KV_NOT_FOUND, KV_AGAIN or an error. */
static enum kv_status probe_read(struct store_rocks *r, const rocksdb_readoptions_t *options)
{
	char *message = NULL;
	rocksdb_pinnableslice_t *pinned =
		rocksdb_get_pinned_cf(r->db, options, r->probe, PROBE_KEY, strlen(PROBE_KEY), &message);
	if (message && status_of(message) == KV_AGAIN) {
		rocksdb_free(message);
		return KV_AGAIN;
	}
	if (message)
		return store_rocks_fail(r, "read of the probe", message);
	if (!pinned)
		return KV_NOT_FOUND;
	size_t size;
	const char *value = rocksdb_pinnableslice_value(pinned, &size);
	bool right = slice_equal(slice_of(value, size), slice_str(PROBE_VALUE));
	rocksdb_pinnableslice_destroy(pinned);
	return right ? KV_OK : KV_INTERNAL;
}

/** Writes the probe and moves it into a table file, where a cache-only read could go wrong. */
static enum kv_status probe_write(struct store_rocks *r)
{
	char *message = NULL;
	rocksdb_put_cf(r->db, r->write_synced, r->probe, PROBE_KEY, strlen(PROBE_KEY), PROBE_VALUE,
		       strlen(PROBE_VALUE), &message);
	if (message)
		return store_rocks_fail(r, "write of the probe", message);
	rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
	rocksdb_flush_cf(r->db, flush, r->probe, &message);
	rocksdb_flushoptions_destroy(flush);
	return message ? store_rocks_fail(r, "flush of the probe", message) : KV_OK;
}

/**
 * Tests that a cache-only read tells the truth or KV_AGAIN. Some versions of RocksDB answer an empty value when a table
 * file is not open; options rule that out, and this sees to it that they still do.
 */
static enum kv_status probe_check(struct store_rocks *r)
{
	enum kv_status cached = probe_read(r, r->read_cached);
	enum kv_status any = probe_read(r, r->read_any);
	if (any == KV_NOT_FOUND) { /* new store */
		any = probe_write(r);
		if (any != KV_OK)
			return any;
		cached = probe_read(r, r->read_cached);
		any = probe_read(r, r->read_any);
	}
	if (any == KV_OK && cached == KV_OK)
		cached = probe_read(r, r->read_cached);
	if (any == KV_OK && (cached == KV_OK || cached == KV_AGAIN))
		return KV_OK;
	return any == KV_IO || any == KV_CORRUPT ? any : KV_INTERNAL;
}

enum kv_status store_rocks_open(const struct rocks_config *config, struct store **ret, struct error *err)
{
	KV_ASSERT(config->path);
	struct rocks_config c = *config;
	if (c.cache_size == 0)
		c.cache_size = ROCKS_CACHE_SIZE_DEFAULT;
	if (c.write_buffer_size == 0)
		c.write_buffer_size = ROCKS_WRITE_BUFFER_SIZE_DEFAULT;
	if (c.memory == 0)
		c.memory = c.cache_size + 2 * c.write_buffer_size;
	enum kv_status status = rocks_dir_prepare(c.path, c.create_if_missing, err);
	if (status != KV_OK)
		return status;
	struct store_rocks *r = store_rocks_alloc();
	status = database_open(r, &c, err);
	if (status == KV_OK) {
		status = probe_check(r);
		if (status == KV_INTERNAL)
			error_set(
				err, KV_INTERNAL,
				"this build of RocksDB answers reads from memory wrongly; install the packaged one");
		else if (status != KV_OK)
			error_set(err, status, "cannot use the store in %s: %s", c.path, r->failure.message);
	}
	if (status != KV_OK) {
		store_rocks_free(r);
		return status;
	}
	*ret = &r->store;
	return KV_OK;
}
