/* SPDX-License-Identifier: Apache-2.0 */
/* The loop, and the reader threads that post to it. */
#include "tests/support/test.h"

#include <pthread.h>

#include "base/clock.h"
#include "server/loop.h"
#include "server/reader.h"

enum { POSTERS = 3, ITEMS = 20000, JOBS = 500 };

static struct loop loop;
static unsigned ran, dropped, rounds;

static int loop_up(void **state)
{
	ran = dropped = rounds = 0;
	return loop_init(&loop, NULL) == KV_OK ? 0 : -1;
}

static int loop_down(void **state)
{
	loop_release(&loop);
	return 0;
}

struct item {
	struct loop_item item;
	unsigned stop_at;
};

static void run(struct loop_item *item, bool live)
{
	struct item *i = container_of(item, struct item, item);
	if (live && ++ran == i->stop_at)
		loop_stop(&loop);
	dropped += !live;
	free(i);
}

static void post(unsigned stop_at)
{
	struct item *i = xcalloc(1, sizeof *i);
	i->item.run = run;
	i->stop_at = stop_at;
	loop_post(&loop, &i->item);
}

static void *post_many(void *data)
{
	for (unsigned i = 0; i < ITEMS; i++)
		post(POSTERS * ITEMS);
	return NULL;
}

static void items_of_all_threads_run_on_the_loop(void **state)
{
	pthread_t threads[POSTERS];
	for (int i = 0; i < POSTERS; i++)
		pthread_create(&threads[i], NULL, post_many, NULL);
	loop_run(&loop);
	assert_int_equal(ran, POSTERS * ITEMS);
	for (int i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
}

static void items_that_come_too_late_are_dropped(void **state)
{
	post(1);
	loop_run(&loop);
	post(0);
	post(0);
	loop_drop_inbox(&loop);
	assert_int_equal(ran, 1);
	assert_int_equal(dropped, 2);
}

static void count_round(void *data) { rounds++; }

static void a_round_ends_once_for_all_its_items(void **state)
{
	loop_set_after_round(&loop, count_round, NULL);
	for (unsigned i = 0; i < 10; i++)
		post(10);
	loop_run(&loop);
	assert_int_equal(rounds, 1);
}

struct timers {
	struct loop_timer a, b;
	usec_t a_us, b_us;
};

static void fire_a(void *data)
{
	struct timers *t = data;
	t->a_us = clock_mono_us();
	loop_stop(&loop);
}

static void fire_b(void *data)
{
	struct timers *t = data;
	t->b_us = clock_mono_us();
}

static void timers_fire_in_time_and_not_before(void **state)
{
	struct timers t = {0};
	loop_timer_init(&t.a, &loop, fire_a, &t);
	loop_timer_init(&t.b, &loop, fire_b, &t);
	usec_t start_us = clock_mono_us();
	loop_timer_set(&t.a, start_us + 5 * USEC_PER_MSEC);
	loop_timer_set(&t.b, start_us); /* past: the next round */
	loop_run(&loop);
	assert_true(t.b_us >= start_us);
	assert_true(t.a_us >= start_us + 5 * USEC_PER_MSEC);
	assert_true(t.b_us <= t.a_us);
	loop_timer_release(&t.a);
	loop_timer_release(&t.b);
}

static void a_timer_that_is_disarmed_does_not_fire(void **state)
{
	struct timers t = {0};
	loop_timer_init(&t.a, &loop, fire_a, &t);
	loop_timer_init(&t.b, &loop, fire_b, &t);
	loop_timer_set(&t.b, clock_mono_us() + USEC_PER_MSEC);
	loop_timer_set(&t.b, USEC_NEVER);
	loop_timer_set(&t.a, clock_mono_us() + 3 * USEC_PER_MSEC);
	loop_run(&loop);
	assert_int_equal(t.b_us, 0);
	loop_timer_release(&t.a);
	loop_timer_release(&t.b);
}

struct job {
	struct reader_job job;
	unsigned number, square;
};

static void work(struct reader_job *job)
{
	struct job *j = container_of(job, struct job, job);
	j->square = j->number * j->number;
}

static void work_done(struct loop_item *item, bool live)
{
	struct job *j = container_of(item, struct job, job.done);
	assert_int_equal(j->square, j->number * j->number);
	dropped += !live;
	if (live && ++ran == JOBS)
		loop_stop(&loop);
}

static void submit(struct reader *r, struct job *j, unsigned number)
{
	*j = (struct job){.number = number, .job = {.done.run = work_done, .owner = &loop, .work = work}};
	reader_submit(r, &j->job);
}

static void jobs_are_done_by_the_readers_and_come_back(void **state)
{
	static struct job jobs[JOBS];
	struct reader *r = reader_new(3);
	for (unsigned i = 0; i < JOBS; i++)
		submit(r, &jobs[i], i);
	loop_run(&loop);
	assert_int_equal(ran, JOBS);
	reader_free(r);
}

static void what_readers_have_at_the_end_is_finished(void **state)
{
	static struct job jobs[JOBS];
	struct reader *r = reader_new(2);
	for (unsigned i = 0; i < JOBS; i++)
		submit(r, &jobs[i], i);
	reader_free(r);
	loop_drop_inbox(&loop);
	assert_int_equal(dropped, JOBS);
}

#define loop_test(fn) cmocka_unit_test_setup_teardown(fn, loop_up, loop_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		loop_test(items_of_all_threads_run_on_the_loop),
		loop_test(items_that_come_too_late_are_dropped),
		loop_test(a_round_ends_once_for_all_its_items),
		loop_test(timers_fire_in_time_and_not_before),
		loop_test(a_timer_that_is_disarmed_does_not_fire),
		loop_test(jobs_are_done_by_the_readers_and_come_back),
		loop_test(what_readers_have_at_the_end_is_finished),
	};
	return test_run("loop", tests);
}
