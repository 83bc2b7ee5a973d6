/* SPDX-License-Identifier: Apache-2.0 */
#include "server/commit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/klog.h"
#include "proto/limits.h"
#include "server/fatal.h"

/* One engine batch at most; a longer queue is split, so that memory for the batch stays bounded. */
enum { GROUP_BYTES_MAX = 8 << 20, GROUP_OPS_MAX = 16384 };

#define ROOM_LOOK_US (1 * USEC_PER_SEC)

/*
 * A sync costs about the same for one write as for fifty. While many wait for each, the next one does not begin before
 * GATHER_CYCLE_US after the last did, nor before half as long as that one took has passed, so that more writes share it.
 */
enum { GATHER_FROM = 8 }; /* writes in a group: below it the next goes at once */
#define GATHER_CYCLE_US (1 * USEC_PER_MSEC)

struct commit {
	struct store *store;
	struct mpsc queue;
	int wake_fd;
	pthread_t thread;
	_Atomic bool stopping;
	struct store_op *ops; /* of the group being built */
	size_t ops_capacity;
	const char *directory; /* whose room is looked at; NULL: none */
	usec_t room_us;        /* when to look again */
	_Atomic uint64_t keep_free;
	usec_t gather_us; /* how long to wait before the next group */
	struct commit_stats stats;
	struct hist sync_us;
};

static void count(_Atomic uint64_t *counter, uint64_t add)
{
	/* One writer: a plain load and store would do; relaxed keeps readers on other threads defined. */
	atomic_fetch_add_explicit(counter, add, memory_order_relaxed);
}

static void ops_reserve(struct commit *c, size_t need)
{
	if (need <= c->ops_capacity)
		return;
	c->ops_capacity = MAX(need, c->ops_capacity * 2);
	c->ops = xrealloc(c->ops, c->ops_capacity * sizeof *c->ops);
}

/** Takes writes from *PENDING until the group is full; returns the number of operations in it. */
static size_t gather(struct commit *c, struct mpsc_node **pending, struct mpsc_node **ret_end, size_t *ret_bytes)
{
	size_t ops = 0, bytes = 0;
	uint64_t writes = 0;
	struct mpsc_node *node = *pending;
	while (node) {
		struct commit_write *write = container_of(node, struct commit_write, link);
		if (write->drops)
			break; /* goes alone, in its turn */
		if (ops > 0 && (bytes >= GROUP_BYTES_MAX || ops + write->count > GROUP_OPS_MAX))
			break;
		ops_reserve(c, ops + write->count);
		memcpy(c->ops + ops, write->ops, write->count * sizeof *write->ops);
		ops += write->count;
		for (size_t i = 0; i < write->count; i++)
			bytes += write->ops[i].key.size + write->ops[i].value.size;
		writes++;
		node = node->next;
	}
	count(&c->stats.writes, writes);
	*ret_end = node;
	*ret_bytes = bytes;
	return ops;
}

static enum kv_status look_for_rows(struct commit *c, const struct store_op *op, bool *ret_any)
{
	struct store_scan *scan = NULL;
	struct store_row row;
	enum kv_status status = store_scan_open(c->store, op->table, op->key, op->value, &scan);
	*ret_any = status == KV_OK && store_scan_next(c->store, scan, &row, &status);
	store_scan_close(c->store, scan);
	return status;
}

/**
 * Removes ranges: durable when this returns, and behind everything that was queued earlier. That is synced by now, so a range
 * without rows needs no tombstone and no sync: partitions move in empty by the hundred.
 */
static void commit_drop(struct commit *c, struct commit_write *write)
{
	usec_t start_us = clock_mono_us();
	for (size_t i = 0; i < write->count; i++) {
		const struct store_op *op = &write->ops[i];
		bool any;
		enum kv_status status = look_for_rows(c, op, &any);
		if (status == KV_OK && any)
			status = store_remove_range(c->store, op->table, op->key, op->value);
		if (status != KV_OK)
			fatal_store("commit.failed", status);
	}
	count(&c->stats.writes, 1);
	write->began_us = start_us;
	loop_post(write->owner, &write->done);
}

static void log_room(bool low, uint64_t free)
{
	if (low)
		log_warn("disk.low", L_U64("free_bytes", free),
			 L_STR("action", "make room: values that take more of it are refused meanwhile"));
	else
		log_info("disk.enough", L_U64("free_bytes", free));
}

static void look_at_room(struct commit *c, usec_t now_us)
{
	struct statvfs room;
	if (!c->directory || now_us < c->room_us)
		return;
	c->room_us = now_us + ROOM_LOOK_US;
	if (statvfs(c->directory, &room) != 0 || room.f_blocks == 0)
		return;
	uint32_t pct = (uint32_t)(room.f_bavail * 100 / room.f_blocks);
	atomic_store_explicit(&c->stats.free_pct, MAX(pct, 1u), memory_order_relaxed);
	uint64_t free = (uint64_t)room.f_bavail * room.f_frsize, all = (uint64_t)room.f_blocks * room.f_frsize;
	uint64_t keep = atomic_load_explicit(&c->keep_free, memory_order_relaxed);
	bool was_low = atomic_load_explicit(&c->stats.room_low, memory_order_relaxed);
	keep = keep ? keep : MIN(all / 20, (uint64_t)DISK_RESERVE_MAX);
	bool low = free < keep || (was_low && free - keep < keep / 10); /* not on and off all the time */
	if (low != was_low)
		log_room(low, free);
	atomic_store_explicit(&c->stats.room_low, low, memory_order_relaxed);
}

static usec_t gather_time(uint64_t writes, usec_t took_us)
{
	if (writes < GATHER_FROM)
		return 0;
	usec_t rest_us = GATHER_CYCLE_US - MIN(took_us, GATHER_CYCLE_US);
	return MIN(MAX(rest_us, took_us / 2), GATHER_CYCLE_US);
}

static void commit_group(struct commit *c, struct mpsc_node **pending)
{
	struct commit_write *first = container_of(*pending, struct commit_write, link);
	if (first->drops) {
		*pending = (*pending)->next;
		commit_drop(c, first);
		return;
	}
	struct mpsc_node *end;
	size_t bytes;
	size_t ops = gather(c, pending, &end, &bytes);
	usec_t start_us = clock_mono_us();
	atomic_store_explicit(&c->stats.writing_since_us, start_us, memory_order_relaxed);
	enum kv_status status = store_write(c->store, c->ops, ops, /* sync: */ true);
	atomic_store_explicit(&c->stats.writing_since_us, 0, memory_order_relaxed);
	if (status != KV_OK)
		fatal_store("commit.failed", status);
	look_at_room(c, start_us);
	usec_t took_us = clock_mono_us() - start_us;
	count(&c->stats.groups, 1);
	count(&c->stats.records, ops);
	count(&c->stats.bytes, bytes);
	count(&c->stats.busy_us, took_us);
	hist_add(&c->sync_us, took_us);
	if (took_us > atomic_load_explicit(&c->stats.group_us_max, memory_order_relaxed))
		atomic_store_explicit(&c->stats.group_us_max, took_us, memory_order_relaxed);
	uint64_t writes = 0;
	struct mpsc_node *node = *pending;
	while (node != end) {
		struct commit_write *write = container_of(node, struct commit_write, link);
		node = node->next; /* its owner may free it as soon as it is posted */
		write->began_us = start_us;
		loop_post(write->owner, &write->done);
		writes++;
	}
	*pending = end;
	c->gather_us = gather_time(writes, took_us);
}

/** Lets writes come together, if the last group says that many do. */
static void gather_more(struct commit *c)
{
	struct timespec wait = {.tv_nsec = (long)c->gather_us * 1000};
	if (c->gather_us > 0)
		nanosleep(&wait, NULL);
	c->gather_us = 0;
}

static void *commit_main(void *data)
{
	struct commit *c = data;
	for (;;) {
		bool stopping = atomic_load_explicit(&c->stopping, memory_order_acquire);
		if (!stopping)
			gather_more(c);
		struct mpsc_node *pending = mpsc_take_all(&c->queue);
		if (!pending && stopping)
			return NULL;
		while (pending)
			commit_group(c, &pending);
		uint64_t wakes;
		if (!stopping && read(c->wake_fd, &wakes, sizeof wakes) < 0)
			KV_ASSERT(errno == EINTR);
	}
}

static void wake(struct commit *c)
{
	uint64_t one = 1;
	ssize_t size;
	do
		size = write(c->wake_fd, &one, sizeof one);
	while (size < 0 && errno == EINTR);
	KV_ASSERT(size == sizeof one);
}

struct commit *commit_new(struct store *store)
{
	struct commit *c = xcalloc(1, sizeof *c);
	c->store = store;
	hist_init(&c->sync_us);
	c->wake_fd = eventfd(0, EFD_CLOEXEC);
	KV_ASSERT(c->wake_fd >= 0);
	int failed = pthread_create(&c->thread, NULL, commit_main, c);
	KV_ASSERT(failed == 0);
	pthread_setname_np(c->thread, "kvd-commit");
	return c;
}

void commit_watch_room(struct commit *c, const char *directory) { c->directory = directory; }

void commit_keep_free(struct commit *c, uint64_t bytes)
{
	atomic_store_explicit(&c->keep_free, bytes, memory_order_relaxed);
}

void commit_free(struct commit *c)
{
	if (!c)
		return;
	atomic_store_explicit(&c->stopping, true, memory_order_release);
	wake(c);
	pthread_join(c->thread, NULL);
	close(c->wake_fd);
	free(c->ops);
	free(c);
}

void commit_submit(struct commit *c, struct commit_write *write)
{
	KV_ASSERT(write->count > 0);
	KV_ASSERT(write->owner);
	if (mpsc_push(&c->queue, &write->link))
		wake(c);
}

const struct commit_stats *commit_stats(const struct commit *c) { return &c->stats; }

const struct hist *commit_sync_us(const struct commit *c) { return &c->sync_us; }
