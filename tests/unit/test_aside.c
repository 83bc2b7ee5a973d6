/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <poll.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/aside.h"

enum { PATIENCE_MS = 30000 };

/* One piece of work: it brings TAKEN, once it may go on, and tells with RELEASED that it is gone. */
struct errand {
	struct aside aside;
	sem_t *may_go, *released;
	unsigned taken;
};

static sem_t may_go, released;
static int wake_fd;

static void work(struct aside *aside)
{
	struct errand *e = container_of(aside, struct errand, aside);
	sem_wait(e->may_go);
	e->taken = 7;
}

static void release(struct aside *aside)
{
	struct errand *e = container_of(aside, struct errand, aside);
	sem_t *told = e->released;
	free(e);
	sem_post(told);
}

static struct errand *start(void)
{
	struct errand *e = xcalloc(1, sizeof *e);
	e->may_go = &may_go;
	e->released = &released;
	assert_true(aside_start(&e->aside, work, release, wake_fd));
	return e;
}

static int set_up(void **state)
{
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return sem_init(&may_go, 0, 0) != 0 || sem_init(&released, 0, 0) != 0 || wake_fd < 0;
}

static int tear_down(void **state) { return close(wake_fd); }

static bool is_awake(int timeout_ms)
{
	struct pollfd p = {.fd = wake_fd, .events = POLLIN};
	return poll(&p, 1, timeout_ms) == 1;
}

static void who_waits_is_woken_and_reads_what_was_brought(void **state)
{
	struct errand *e = start();
	assert_false(aside_is_done(&e->aside));
	assert_false(is_awake(0));
	sem_post(&may_go);
	assert_true(is_awake(PATIENCE_MS));
	assert_true(aside_is_done(&e->aside));
	assert_int_equal(e->taken, 7);
	assert_int_equal(sem_trywait(&released), -1);
	aside_leave(&e->aside);
	assert_int_equal(sem_trywait(&released), 0);
}

static void work_that_was_left_throws_away_what_it_brings_and_wakes_nobody(void **state)
{
	struct errand *e = start();
	aside_leave(&e->aside); /* returns though the work goes on */
	assert_int_equal(sem_trywait(&released), -1);
	sem_post(&may_go);
	sem_wait(&released);
	assert_false(is_awake(0));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_waits_is_woken_and_reads_what_was_brought, set_up, tear_down),
		cmocka_unit_test_setup_teardown(work_that_was_left_throws_away_what_it_brings_and_wakes_nobody,
						set_up, tear_down),
	};
	return test_run("aside", tests);
}
