/* SPDX-License-Identifier: Apache-2.0 */
#include "server/node_disk.h"

#include "server/diskkey.h"
#include "server/fatal.h"
#include "storage/keyspace.h"

enum { SPARE_SIZE_MAX = 64 << 10 }; /* a spare read keeps no larger buffer */

struct node_read {
	struct reader_job job;
	struct node *node;
	struct ilink link;
	uint64_t token;
	enum store_table table;
	struct buf key, value;
	bool look, found, unreadable;
};

static bool is_answer(enum kv_status status) { return status == KV_OK || status == KV_NOT_FOUND; }

static void read_work(struct reader_job *job)
{
	struct node_read *read = container_of(job, struct node_read, job);
	struct store *store = read->node->config.store;
	struct slice key = buf_slice(&read->key);
	enum kv_status status = read->look
					? store_look(store, read->table, key, &read->value)
					: store_get(store, read->table, key, /* cache_only: */ false, &read->value);
	read->unreadable = !is_answer(status);
	if (read->unreadable && !read->look)
		fatal_store("read.failed", status);
	read->found = status == KV_OK;
}

static void read_free(struct node_read *read)
{
	buf_release(&read->key);
	buf_release(&read->value);
	free(read);
}

static struct node_event read_event(const struct node_read *read)
{
	return (struct node_event){
		.kind = EV_READ_DONE,
		.read = {.token = read->token,
			 .found = read->found,
			 .unreadable = read->unreadable,
			 .value = buf_slice(&read->value)},
	};
}

static void read_done(struct loop_item *item, bool live)
{
	struct node_read *read = container_of(item, struct node_read, job.done);
	if (!live) {
		read_free(read);
		return;
	}
	struct node_event event = read_event(read);
	node_step(read->node, &event);
	node_disk_recycle(read->node, read);
}

static struct node_read *read_new(struct node *n)
{
	struct ilink *link = ilist_pop_front(&n->spare);
	if (link)
		return container_of(link, struct node_read, link);
	struct node_read *read = xcalloc(1, sizeof *read);
	read->node = n;
	read->job = (struct reader_job){.done.run = read_done, .owner = n->config.loop, .work = read_work};
	return read;
}

void node_disk_read(struct node *n, uint64_t token, const struct disk_key *key, bool look)
{
	struct node_read *read = read_new(n);
	read->token = token;
	read->table = diskkey_table(key->table);
	buf_clear(&read->key);
	buf_clear(&read->value);
	diskkey_encode(&read->key, key);
	read->look = look;
	read->unreadable = false;
	if (look) {
		reader_submit(n->config.reader, &read->job);
		return;
	}
	enum kv_status status = store_get(n->config.store, read->table, buf_slice(&read->key),
					  /* cache_only: */ true, &read->value);
	if (status == KV_AGAIN) {
		stats_add(&n->config.stats->reads_pooled, 1);
		reader_submit(n->config.reader, &read->job);
		return;
	}
	if (!is_answer(status))
		fatal_store("read.failed", status);
	stats_add(&n->config.stats->reads_cached, 1);
	read->found = status == KV_OK;
	ilist_push_back(&n->ready, &read->link);
}

struct node_read *node_disk_next_ready(struct node *n, struct node_event *ret)
{
	struct ilink *link = ilist_pop_front(&n->ready);
	if (!link)
		return NULL;
	struct node_read *read = container_of(link, struct node_read, link);
	*ret = read_event(read);
	return read;
}

void node_disk_recycle(struct node *n, struct node_read *read)
{
	if (read->value.capacity > SPARE_SIZE_MAX)
		buf_release(&read->value);
	ilist_push_front(&n->spare, &read->link);
}

struct node_write {
	struct commit_write write;
	struct node *node;
	uint64_t token;
	struct buf bytes; /* of all keys and values */
	struct store_op ops[];
};

static void write_done(struct loop_item *item, bool live)
{
	struct node_write *w = container_of(item, struct node_write, write.done);
	if (live) {
		struct node_event event = {.kind = EV_WRITE_DONE, .write = {.token = w->token}};
		node_step(w->node, &event);
	}
	buf_release(&w->bytes);
	free(w);
}

void node_disk_write(struct node *n, uint64_t token, const struct disk_put *puts, uint32_t count)
{
	KV_ASSERT(count > 0);
	struct node_write *w = xcalloc(1, sizeof *w + count * sizeof w->ops[0]);
	w->node = n;
	w->token = token;
	for (uint32_t i = 0; i < count; i++) {
		struct store_op *op = &w->ops[i];
		size_t start = w->bytes.size;
		op->table = diskkey_table(puts[i].key.table);
		op->remove = puts[i].remove;
		diskkey_encode(&w->bytes, &puts[i].key);
		op->key.size = w->bytes.size - start;
		if (!op->remove)
			op->value.size = puts[i].value.size;
		buf_append(&w->bytes, puts[i].value.data, op->value.size);
	}
	const uint8_t *at = w->bytes.data; /* the buffer moves no more */
	for (uint32_t i = 0; i < count; i++) {
		w->ops[i].key.data = at;
		w->ops[i].value.data = at + w->ops[i].key.size;
		at += w->ops[i].key.size + w->ops[i].value.size;
	}
	w->write = (struct commit_write){
		.done.run = write_done, .owner = n->config.loop, .ops = w->ops, .count = count};
	commit_submit(n->config.commit, &w->write);
}

void node_disk_drop(struct node *n, uint64_t token, uint16_t partition)
{
	static const enum store_table tables[] = {STORE_TREE, STORE_DATA, STORE_LEDGER};
	struct node_write *w = xcalloc(1, sizeof *w + ARRAY_SIZE(tables) * sizeof w->ops[0]);
	CLEANUP(buf_release) struct buf first = BUF_INIT, end = BUF_INIT;
	w->node = n;
	w->token = token;
	keyspace_data_range(partition, &first, &end); /* the same for all three: the partition comes first */
	buf_append_slice(&w->bytes, buf_slice(&first));
	buf_append_slice(&w->bytes, buf_slice(&end));
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		w->ops[i] = (struct store_op){.table = tables[i],
					      .key = slice_of(w->bytes.data, first.size),
					      .value = slice_of(w->bytes.data + first.size, end.size)};
	}
	w->write = (struct commit_write){.done.run = write_done,
					 .owner = n->config.loop,
					 .ops = w->ops,
					 .count = ARRAY_SIZE(tables),
					 .drops = true};
	commit_submit(n->config.commit, &w->write);
}

struct node_scan {
	struct reader_job job;
	struct node *node;
	uint64_t token;
	enum disk_table table;
	uint32_t rows_max, bytes_max;
	struct buf first, end;
	struct buf bytes;        /* keys and values of the rows, one after the other */
	struct store_row *sizes; /* of each row: only the sizes count until the scan is done */
	struct disk_row *rows;
	uint32_t count;
	bool done;
};

static void scan_free(struct node_scan *scan)
{
	buf_release(&scan->first);
	buf_release(&scan->end);
	buf_release(&scan->bytes);
	free(scan->sizes);
	free(scan->rows);
	free(scan);
}

static void scan_work(struct reader_job *job)
{
	struct node_scan *scan = container_of(job, struct node_scan, job);
	struct store *store = scan->node->config.store;
	struct store_scan *cursor;
	enum kv_status status = store_scan_open(store, diskkey_table(scan->table), buf_slice(&scan->first),
						buf_slice(&scan->end), &cursor);
	if (status != KV_OK)
		fatal_store("scan.failed", status);
	struct store_row row;
	bool more;
	while ((more = store_scan_next(store, cursor, &row, &status))) {
		if (scan->count == scan->rows_max || (scan->count > 0 && scan->bytes.size >= scan->bytes_max))
			break;
		scan->sizes[scan->count++] = row;
		buf_append_slice(&scan->bytes, row.key);
		buf_append_slice(&scan->bytes, row.value);
	}
	store_scan_close(store, cursor);
	if (!more && status != KV_OK)
		fatal_store("scan.failed", status);
	scan->done = !more;
}

/** Points the rows into the bytes. A key of another shape than its table's is damage. */
static void scan_resolve(struct node_scan *scan)
{
	scan->rows = xcalloc(scan->count + 1, sizeof *scan->rows);
	const uint8_t *at = scan->bytes.data;
	for (uint32_t i = 0; i < scan->count; i++) {
		struct slice key = slice_of(at, scan->sizes[i].key.size);
		if (!diskkey_decode(scan->table, key, &scan->rows[i].key))
			fatal_store("scan.failed", KV_CORRUPT);
		at += key.size;
		scan->rows[i].value = slice_of(at, scan->sizes[i].value.size);
		at += scan->sizes[i].value.size;
	}
}

static void scan_done(struct loop_item *item, bool live)
{
	struct node_scan *scan = container_of(item, struct node_scan, job.done);
	if (live) {
		scan_resolve(scan);
		struct node_event event = {
			.kind = EV_SCAN_DONE,
			.scan = {.token = scan->token,
				 .count = scan->count,
				 .rows = scan->rows,
				 .done = scan->done},
		};
		node_step(scan->node, &event);
	}
	scan_free(scan);
}

void node_disk_scan(struct node *n, uint64_t token, const struct disk_scan *asked)
{
	KV_ASSERT(asked->rows_max > 0);
	struct node_scan *scan = xcalloc(1, sizeof *scan);
	scan->job = (struct reader_job){.done.run = scan_done, .owner = n->config.loop, .work = scan_work};
	scan->node = n;
	scan->token = token;
	scan->table = asked->table;
	scan->rows_max = asked->rows_max;
	scan->bytes_max = asked->bytes_max;
	scan->sizes = xcalloc(asked->rows_max, sizeof *scan->sizes);
	diskkey_range(asked, &scan->first, &scan->end);
	reader_submit(n->config.reader, &scan->job);
}

void node_disk_release(struct node *n)
{
	KV_ASSERT(ilist_is_empty(&n->ready));
	for (struct ilink *link; (link = ilist_pop_front(&n->spare));)
		read_free(container_of(link, struct node_read, link));
}
