/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/commit.h"
#include "server/watchdog.h"
#include "storage/store_mem.h"
#include "tests/support/death.h"

enum { WRITES = 64, STUCK_US = 100000 };

/** The memory engine behind a gate: a write waits in it until the test lets it through. */
struct gated_store {
	struct store store;
	struct store *inner;
	sem_t entered, gate;
};

static enum kv_status gated_write(struct store *s, const struct store_op *ops, size_t count, bool sync)
{
	struct gated_store *g = container_of(s, struct gated_store, store);
	sem_post(&g->entered);
	sem_wait(&g->gate);
	return store_write(g->inner, ops, count, sync);
}

static const struct store_class gated_class = {.write = gated_write};

struct write {
	struct commit_write commit;
	struct store_op op;
	char key[16];
	unsigned *next_done;
	unsigned number;
	struct loop *loop;
	unsigned last;
};

static void on_done(struct loop_item *item, bool live)
{
	struct write *w = container_of(item, struct write, commit.done);
	if (!live)
		return;
	assert_int_equal(w->number, *w->next_done); /* in the order of submission */
	if ((*w->next_done)++ == w->last)
		loop_stop(w->loop);
}

static void submit(struct commit *c, struct write *w, struct loop *loop, unsigned number, unsigned last,
		   unsigned *next)
{
	*w = (struct write){.number = number, .last = last, .next_done = next, .loop = loop};
	snprintf(w->key, sizeof w->key, "k%03u", number);
	w->op = (struct store_op){.table = STORE_DATA, .key = slice_str(w->key), .value = slice_str("v")};
	w->commit = (struct commit_write){.done.run = on_done, .owner = loop, .ops = &w->op, .count = 1};
	commit_submit(c, &w->commit);
}

static void writes_that_gather_while_one_syncs_share_the_next_sync(void **state)
{
	struct gated_store gated = {.store.class = &gated_class, .inner = store_mem_new(1)};
	sem_init(&gated.entered, 0, 0);
	sem_init(&gated.gate, 0, 0);
	struct loop loop;
	assert_int_equal(loop_init(&loop, NULL), KV_OK);
	struct commit *c = commit_new(&gated.store);
	static struct write writes[WRITES];
	unsigned next = 0;
	submit(c, &writes[0], &loop, 0, WRITES - 1, &next);
	sem_wait(&gated.entered); /* the first is in the engine: all others queue up behind it */
	for (unsigned i = 1; i < WRITES; i++)
		submit(c, &writes[i], &loop, i, WRITES - 1, &next);
	sem_post(&gated.gate);
	sem_post(&gated.gate);
	loop_run(&loop);
	assert_int_equal(next, WRITES);
	assert_int_equal(commit_stats(c)->groups, 2);
	assert_int_equal(commit_stats(c)->writes, WRITES);
	assert_int_equal(commit_stats(c)->records, WRITES);
	struct store_stats stats;
	store_stats(gated.inner, &stats);
	assert_int_equal(stats.syncs, 2);
	assert_int_equal(store_mem_count(gated.inner, STORE_DATA), WRITES);
	commit_free(c);
	loop_release(&loop);
	store_close(gated.inner);
	sem_destroy(&gated.entered);
	sem_destroy(&gated.gate);
}

static void a_removed_range_takes_what_was_queued_before_and_leaves_what_comes_after(void **state)
{
	struct store *store = store_mem_new(1);
	struct loop loop;
	assert_int_equal(loop_init(&loop, NULL), KV_OK);
	struct commit *c = commit_new(store);
	static struct write writes[5];
	unsigned next = 0;
	for (unsigned i = 0; i < 2; i++)
		submit(c, &writes[i], &loop, i, 4, &next);
	struct write *w = &writes[2];
	*w = (struct write){.number = 2, .last = 4, .next_done = &next, .loop = &loop};
	w->op = (struct store_op){.table = STORE_DATA, .key = slice_str("k"), .value = slice_str("l")};
	w->commit = (struct commit_write){
		.done.run = on_done, .owner = &loop, .ops = &w->op, .count = 1, .drops = true};
	commit_submit(c, &w->commit);
	for (unsigned i = 3; i < 5; i++)
		submit(c, &writes[i], &loop, i, 4, &next);
	loop_run(&loop);
	assert_int_equal(next, 5);
	assert_int_equal(store_mem_count(store, STORE_DATA), 2);
	assert_int_equal(store_mem_pending(store), 0);
	commit_free(c);
	loop_release(&loop);
	store_close(store);
}

/** Dies with a write that hangs in the engine, unless HANGS is false; then ends with 0. */
static int watch(bool hangs)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		death_prepare_child();
		struct gated_store gated = {.store.class = &gated_class, .inner = store_mem_new(1)};
		sem_init(&gated.entered, 0, 0);
		sem_init(&gated.gate, 0, hangs ? 0 : WRITES);
		struct loop loop;
		if (loop_init(&loop, NULL) != KV_OK)
			_exit(1);
		struct commit *c = commit_new(&gated.store);
		struct watchdog *w = watchdog_new(c, STUCK_US);
		static struct write writes[1];
		unsigned next = 0;
		submit(c, &writes[0], &loop, 0, 0, &next);
		loop_run(&loop);
		watchdog_free(w);
		commit_free(c);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void a_write_that_hangs_ends_the_process(void **state)
{
	assert_int_equal(watch(false), 0);
	assert_int_equal(watch(true), -SIGABRT);
}

static void the_room_on_the_disk_is_known_after_the_first_write(void **state)
{
	struct store *store = store_mem_new(1);
	struct loop loop;
	assert_int_equal(loop_init(&loop, NULL), KV_OK);
	struct commit *c = commit_new(store);
	commit_watch_room(c, "/");
	static struct write writes[1];
	unsigned next = 0;
	submit(c, &writes[0], &loop, 0, 0, &next);
	loop_run(&loop);
	assert_in_range(commit_stats(c)->free_pct, 1, 100);
	assert_int_equal(commit_stats(c)->writing_since_us, 0);
	commit_free(c);
	loop_release(&loop);
	store_close(store);
}

static void what_is_queued_at_the_end_is_still_written(void **state)
{
	struct store *store = store_mem_new(1);
	struct loop loop;
	assert_int_equal(loop_init(&loop, NULL), KV_OK);
	struct commit *c = commit_new(store);
	static struct write writes[WRITES];
	unsigned next = 0;
	for (unsigned i = 0; i < WRITES; i++)
		submit(c, &writes[i], &loop, i, WRITES - 1, &next);
	commit_free(c);
	assert_int_equal(store_mem_count(store, STORE_DATA), WRITES);
	assert_int_equal(store_mem_pending(store), 0);
	loop_release(&loop);
	assert_int_equal(next, 0); /* the loop never ran: the items were only dropped */
	store_close(store);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_that_gather_while_one_syncs_share_the_next_sync),
		cmocka_unit_test(a_removed_range_takes_what_was_queued_before_and_leaves_what_comes_after),
		cmocka_unit_test(what_is_queued_at_the_end_is_still_written),
		cmocka_unit_test(a_write_that_hangs_ends_the_process),
		cmocka_unit_test(the_room_on_the_disk_is_known_after_the_first_write),
	};
	return test_run("commit", tests);
}
